"""Recordings to work with: a real one that is bundled, and simulated ones with known truth."""

from __future__ import annotations

from calgan.datasets.bundled import load_zebrafish_tectum
from calgan.datasets.dichotomized import (
    DichotomizedGaussianProcess,
    make_dichotomized_gaussian_process,
    make_dichotomized_gaussian_recording,
)
from calgan.datasets.simulation import Process, make_process, make_recording

__all__ = [
    "DichotomizedGaussianProcess",
    "Process",
    "load_zebrafish_tectum",
    "make_dichotomized_gaussian_process",
    "make_dichotomized_gaussian_recording",
    "make_process",
    "make_recording",
]
