"""Adapters that let scikit-learn's estimator checks, which feed 2-D data, run on windows.

Tagging an estimator "3-D only" makes scikit-learn skip every check but one. `lift` turns each row
of a check's data into a window, so that the checks really run: row i becomes window i, and its
features become neurons.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from calgan.deconvolution import OasisDeconvolver
from calgan.scaling import MinMaxScaler
from calgan.spectral import FFTEncoder

N_FRAMES = 16


def lift(X: Any) -> Any:
    """Turn the rows (n, d) of a check's data into windows (n, 16, d).

    Frame t of a window is the row rotated by t, so that windows change in time, hold the row's
    values and no other (NaN and text included), and depend on their own row only. What is no dense
    2-D array is handed on as it is: refusing it is the estimator's business.
    """
    if sparse.issparse(X):
        return X
    rows = np.asarray(X)
    if rows.ndim != 2:
        return X
    d = rows.shape[1]
    rotated = (np.arange(N_FRAMES)[:, None] + np.arange(d)) % max(d, 1)
    return rows[:, rotated]


class Lifted:
    """Mixin before an estimator of windows: its methods take the 2-D data of a check."""

    def fit(self, X: Any, y: Any = None) -> Any:
        return super().fit(lift(X), y)

    def transform(self, X: Any) -> np.ndarray:
        return lower(super().transform(lift(X)))


def lower(X: Any) -> np.ndarray:
    """Flatten each window to a row."""
    return np.asarray(X).reshape(len(X), -1)


class LiftedFFTEncoder(Lifted, FFTEncoder):
    """FFTEncoder of lifted rows."""


class LiftedMinMaxScaler(Lifted, MinMaxScaler):
    """MinMaxScaler of lifted rows."""


class LiftedOasisDeconvolver(Lifted, OasisDeconvolver):
    """OasisDeconvolver of lifted rows."""
