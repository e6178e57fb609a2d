"""The study's figures by subject: each a function from plain arrays and rows to a matplotlib Figure.

Never imports torch. Data set pictures are (H, W) arrays of any range in which low is paper and high is ink, and are
shown that way.
"""

from recognition.telling.figures import digits, filters, handwriting, letters, networks, page, sweep, tables, training

__all__ = ["digits", "filters", "handwriting", "letters", "networks", "page", "sweep", "tables", "training"]
