"""Splits that do not leak, and results of searches."""

from calgan.model_selection._search import search_table
from calgan.model_selection._splits import BlockedKFold, thesis_split, train_test_blocks

__all__ = ["BlockedKFold", "search_table", "thesis_split", "train_test_blocks"]
