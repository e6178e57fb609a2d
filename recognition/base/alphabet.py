"""The Greek letters: their names, their signs, and which of them a path names."""

import re
import unicodedata
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
    A word is all letters next to each other, of any script: pièces names no pi, and μm no mu. In a file's own name
    digits are part of it: nu20251125.png names no nu.
    """
    folders = [(part, r"[^\W\d_]+") for part in reversed(path.parent.parts)]
    for part, word in (*folders, (path.stem, r"[^\W_]+")):
        words = re.findall(word, unicodedata.normalize("NFKC", part).lower())
        found = {name for name in NAMES if name in words or SYMBOLS[name] in words}
        if found:
            return found.pop() if len(found) == 1 else None
    return None
