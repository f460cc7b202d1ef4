"""Dichotomized Gaussian: spikes with given marginals and pairwise covariances."""

from __future__ import annotations

from calgan.generators.dichotomized_gaussian.latent import (
    count_covariance,
    count_variance,
    latent_correlation,
    nearest_correlation,
    nearest_count_correlation,
    square_root,
    threshold_covariance,
)
from calgan.generators.dichotomized_gaussian.model import DichotomizedGaussian

__all__ = [
    "DichotomizedGaussian",
    "count_covariance",
    "count_variance",
    "latent_correlation",
    "nearest_correlation",
    "nearest_count_correlation",
    "square_root",
    "threshold_covariance",
]
