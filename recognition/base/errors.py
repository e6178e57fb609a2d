"""What a user is meant to read of what went wrong: one line, never longer than a few of a terminal's."""

import re
from reprlib import Repr

LONGEST = 600  # characters of a line
LONGEST_VALUE = 80  # of what came from outside, such as a value of params.yaml


class OneLine(Exception):
    """An error whose words are one line, whatever was put into it: a name from an archive or a web page may hold line
    breaks, and orders to a terminal, and have no end."""

    def __str__(self) -> str:
        return one_line(super().__str__())


class UserError(OneLine):
    """A single line for the user: what is wrong, where, and the mend. Programs print it and exit with 1."""


def one_line(text: str) -> str:
    """Text with a blank for each run of blanks, tabs and line breaks, all visible, its middle left out if long."""
    return shortened(visible(" ".join(re.split(r"[ \t\n\v\f\r]+", text)).strip(" ")), LONGEST)


def visible(text: str) -> str:
    r"""Text with an escape for each sign that cannot be seen: \x1b, \u202f, or \xff for a byte that is no text.

    So a name can be told from others, and gives no orders to a terminal.
    """
    return "".join(sign if sign.isprintable() else escaped(sign) for sign in text)


def escaped(sign: str) -> str:
    byte = ord(sign) - 0xDC00  # where Python puts the bytes of a file's name that are no text
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else sign.encode("unicode_escape").decode()


def quoted(value: object) -> str:
    """A value from outside as Python writes it, its middle left out if long. It is not built whole before that: a few
    aliases of YAML write a list of billions."""
    brief = Repr()
    brief.maxlevel, brief.maxstring, brief.maxother, brief.fillvalue = 3, LONGEST_VALUE, LONGEST_VALUE, "…"
    try:
        return shortened(brief.repr(value), LONGEST_VALUE)
    except ValueError:  # Python writes no number of more than 4,300 digits
        return "a number of thousands of digits"


def shortened(text: str, longest: int) -> str:
    """The beginning and the end of a text that is longer; the mend stands at a line's end."""
    half = longest // 2
    return text if len(text) <= longest else f"{text[:half]}…{text[-half:]}"
