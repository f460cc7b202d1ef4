"""Recordings and movies to work with: a real recording, and simulated ones with known truth."""

from __future__ import annotations

from calgan.datasets.bundled import load_zebrafish_tectum
from calgan.datasets.dichotomized import (
    DichotomizedGaussianProcess,
    make_dichotomized_gaussian_process,
    make_dichotomized_gaussian_recording,
)
from calgan.datasets.movies import SimulatedMovie, make_movie
from calgan.datasets.simulation import Process, make_process, make_recording

__all__ = [
    "DichotomizedGaussianProcess",
    "Process",
    "SimulatedMovie",
    "load_zebrafish_tectum",
    "make_dichotomized_gaussian_process",
    "make_dichotomized_gaussian_recording",
    "make_movie",
    "make_process",
    "make_recording",
]
