import stages  # noqa: F401  settles the arithmetic before a test imports torch
