"""The report of an evaluation: one HTML file with every figure, and the figures as PNG files."""

from __future__ import annotations

from calgan.evaluation.report._page import build_html

__all__ = ["build_html"]
