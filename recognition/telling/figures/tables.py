"""Columns of the tables that stages write, whose rows are dicts of strings, as what figures draw."""

import math

import numpy as np

Rows = list[dict[str, str]]
WAYS = {"last_layer": "last layer alone", "all_layers": "all layers"}  # in which letters are learned


def column(rows: Rows, name: str) -> np.ndarray:
    """(n,) float64. Raises ValueError for what is no number."""
    return np.array([float(row[name]) for row in rows])


def probabilities(rows: Rows) -> list[float]:
    """Of readings whose log-probability the table has, 0 to 1."""
    return [math.exp(float(row["log_probability"])) for row in rows]


def by_way(rows: Rows) -> dict[str, Rows]:
    """A table's rows for each of WAYS, under its words."""
    return {words: [row for row in rows if row["way"] == way] for way, words in WAYS.items()}


def network(facts: dict) -> str:
    """A network of the sweep in words."""
    return f"{facts['architecture']}, kernel {facts['kernel_size']}, {facts['filters']} filters"
