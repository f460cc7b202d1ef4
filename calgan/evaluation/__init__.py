"""Judging synthetic windows: statistics beside their train-test baseline and controls."""

from __future__ import annotations

from calgan.evaluation._comparison import Comparison
from calgan.evaluation._evaluate import compare, evaluate
from calgan.evaluation._result import Evaluation
from calgan.evaluation._statistic import Statistic

__all__ = ["Comparison", "Evaluation", "Statistic", "compare", "evaluate"]
