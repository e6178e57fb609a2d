"""The one kind of error that a user is meant to read."""


class UserError(Exception):
    """A single line for the user: what is wrong, where, and the mend. Programs print it and exit with 1."""
