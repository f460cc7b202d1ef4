"""Judging synthetic windows: every statistic beside its floor, its controls and memorisation."""

from __future__ import annotations

from calgan.evaluation._procedure import evaluate
from calgan.evaluation._result import Evaluation
from calgan.evaluation._statistic import Statistic

__all__ = ["Evaluation", "Statistic", "evaluate"]
