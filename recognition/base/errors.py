"""The one kind of error that a user is meant to read."""


class OneLine(Exception):
    """An error whose words are one line, whatever was put into it: a name from an archive or a web page may hold line
    breaks, and orders to a terminal."""

    def __str__(self) -> str:
        return one_line(super().__str__())


class UserError(OneLine):
    """A single line for the user: what is wrong, where, and the mend. Programs print it and exit with 1."""


def one_line(text: str) -> str:
    """Text with a blank for each run of white space, and without what cannot be printed."""
    return "".join(sign for sign in " ".join(text.split()) if sign.isprintable())
