"""The Greek letters: their names, their signs, and which of them a path names."""

import re
from pathlib import PurePath

NAMES = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "eta",
    "theta",
    "iota",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "xi",
    "omicron",
    "pi",
    "rho",
    "sigma",
    "tau",
    "upsilon",
    "phi",
    "chi",
    "psi",
    "omega",
]
SYMBOLS = dict(zip(NAMES, "αβγδεζηθικλμνξοπρστυφχψω", strict=True))


def named_in(path: PurePath) -> str | None:
    """The letter that a path names: as a word of a folder's name, or else of the file's; None for none or several.

    The last folder counts first, then its parents, then the file: alpha/IMG_1.jpg, greek/alpha_001.png, greek/α.png.
    """
    for part in (*reversed(path.parent.parts), path.stem):
        words = re.findall(r"[a-z]+|[α-ω]", part.lower())
        found = {name for name in NAMES if name in words or SYMBOLS[name] in words}
        if found:
            return found.pop() if len(found) == 1 else None
    return None
