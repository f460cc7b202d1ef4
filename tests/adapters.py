"""Adapters that let scikit-learn's estimator checks, which feed 2-D data, run on windows.

Tagging an estimator "3-D only" makes scikit-learn skip every check but one. `lift` turns each row
of a check's data into a window, so that the checks really run: row i becomes window i, and its
features become neurons.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from calgan import (
    CalciumFactorModel,
    CalciumGAN,
    DichotomizedGaussianCalcium,
    FFTEncoder,
    MinMaxScaler,
    NeuronSorter,
    OasisDeconvolver,
    SpikeInferenceNetwork,
)

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
    """Mixin before an estimator of windows: its methods take the 2-D data of a check.

    The checks pass a y to whatever they fit. Generators refuse one, so it goes no further.
    """

    def fit(self, X: Any, y: Any = None) -> Any:
        return super().fit(lift(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True  # otherwise scikit-learn skips its checks
        return tags


class LiftedTransformer(Lifted):
    """Lifted, and each window of the result flattened to a row again."""

    def transform(self, X: Any) -> np.ndarray:
        windows = np.asarray(super().transform(lift(X)))
        return windows.reshape(len(windows), -1)


class LiftedFFTEncoder(LiftedTransformer, FFTEncoder):
    """FFTEncoder of lifted rows."""


class LiftedMinMaxScaler(LiftedTransformer, MinMaxScaler):
    """MinMaxScaler of lifted rows."""


class LiftedNeuronSorter(LiftedTransformer, NeuronSorter):
    """NeuronSorter of lifted rows."""


class LiftedOasisDeconvolver(LiftedTransformer, OasisDeconvolver):
    """OasisDeconvolver of lifted rows."""


class LiftedSpikeInferenceNetwork(LiftedTransformer, SpikeInferenceNetwork):
    """SpikeInferenceNetwork of lifted rows, with the networks of calgan."""


class LiftedCalciumGAN(Lifted, CalciumGAN):
    """CalciumGAN of lifted rows."""

    def partial_fit(self, X: Any, y: Any = None) -> Any:
        return super().partial_fit(lift(X))

    def score_samples(self, X: Any) -> np.ndarray:
        return super().score_samples(lift(X))


class LiftedCalciumFactorModel(Lifted, CalciumFactorModel):
    """CalciumFactorModel of lifted rows."""


class LiftedDichotomizedGaussianCalcium(Lifted, DichotomizedGaussianCalcium):
    """DichotomizedGaussianCalcium of lifted rows."""
