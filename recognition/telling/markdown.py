"""Templates, and how numbers and names are written in them.

A template is wrapped as its writer likes: in what it says, a line goes on until a blank one, a list's next item or a
table's next row.
"""

import re
from collections.abc import Callable

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from recognition.base.errors import one_line


def plain(name: object) -> str:
    """A name that comes from outside (a writer, a file, a label) as text that Markdown leaves as it is: on one line,
    without control characters, and with a backslash before whatever could begin markup, HTML or the next cell."""
    escaped = re.sub(r"([\\`*_\[\]<>|~&$#!])", r"\\\1", one_line(str(name)))
    return re.sub(r"^(\d*)([-+.)])(?=\s|$)", r"\1\\\2", escaped)  # at the beginning of a line it would be a list's item


def percent(share: float | str) -> str:
    """A share, 0 to 1: 0.9943 as 99.43 %."""
    return f"{100 * float(share):.2f}".rstrip("0").rstrip(".") + "\N{NO-BREAK SPACE}%"


def points(difference: float) -> str:
    """A difference of two shares."""
    return f"{100 * difference:.2f}\N{NO-BREAK SPACE}points"


def interval(facts: dict, prefix: str = "") -> str:
    """An accuracy's interval: the shares PREFIXaccuracy_low and PREFIXaccuracy_high."""
    low, high = (percent(facts[f"{prefix}accuracy_{end}"]) for end in ("low", "high"))
    return f"{low[:-2]}–{high}"


def loss(value: float | str) -> str:
    """A mean loss, in nats."""
    return f"{float(value):.3f}" if float(value) >= 0.0005 else "below 0.001"


def log_p(value: float | str) -> str:
    """A log-probability: two digits, or where they would be zeros, more."""
    number = float(value)
    return f"{number:.2f}" if number < -0.005 else f"{number:.5f}" if number <= -0.00001 else "above -0.00001"


def thousands(n: int | str) -> str:
    return f"{int(n):,}"


def general(number: float) -> str:
    """A hyperparameter without trailing zeros."""
    return f"{number:g}"


def counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def joined(text: str) -> str:
    """What a template says, each paragraph, item and row on one line, and one blank line between blocks."""
    blocks = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines: list[str] = []
        for line in (line.strip() for line in block.splitlines()):
            new = not lines or line.startswith("|") or re.match(r"(-|\d+\.) ", line)
            if new:
                lines.append(line)
            else:
                lines[-1] += f" {line}"
        blocks.append("\n".join(line if line.startswith("|") else re.sub(" +", " ", line) for line in lines))
    return "\n\n".join(blocks)


def table_row(*cells: object) -> str:
    """A row of a Markdown table; an empty cell has two blanks. A bar inside a cell has to be escaped: see `plain`."""
    lines = [re.sub(r"[ \n]+", " ", str(cell)).strip() for cell in cells]
    return f"| {' | '.join(lines)} |\n"


def table_head(*cells: object) -> str:
    return table_row(*cells) + table_row(*["---"] * len(cells))


FILTERS: dict[str, Callable] = {
    function.__name__: function
    for function in (plain, percent, points, interval, loss, log_p, thousands, general, counted)
}
TEMPLATES = Environment(
    loader=PackageLoader("recognition.telling"),
    undefined=StrictUndefined,
    autoescape=select_autoescape(["html.j2"], default=False),
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
TEMPLATES.filters.update(FILTERS)
