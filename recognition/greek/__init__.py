"""The Greek letters: where their pictures come from, and the data set that they are."""
