"""Scaling of traces to a fixed range, globally or neuron by neuron, with an exact inverse."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from calgan.data.validation import (
    as_real_array,
    check_n_neurons,
    check_recording,
    check_windows,
    is_lazy,
)
from calgan.data.windows import WindowView, iter_batches, map_windows


class MinMaxScaler(TransformerMixin, BaseEstimator):
    """Scale traces linearly so that the range seen by `fit` becomes `feature_range`.

    A value x becomes ``lo + (x - data_min) * (hi - lo) / (data_max - data_min)``. The thesis
    scales all neurons by one global range to [0, 1] [1]_, which keeps their relative sizes;
    a range per neuron lets quiet neurons use the whole of a generator's output. Views of windows
    are scaled lazily.

    Data outside the range seen by `fit`, such as a held-out recording with a larger transient,
    leave `feature_range` and come back exactly through `inverse_transform`, unless `clip` is set.
    A constant neuron has no range: it maps to the lower end whatever its value, and comes back as
    its constant.

    Parameters
    ----------
    feature_range : tuple (lo, hi), default=(0.0, 1.0)
        Range of the scaled data.
    per_neuron : bool, default=False
        Learn one range a neuron (and channel, of encoded windows) instead of one for all.
    clip : bool, default=False
        Clip transformed data to `feature_range`; the inverse of what was clipped is lost.

    Attributes
    ----------
    data_min_, data_max_ : ndarray of shape (), (N,) or (N, C), float64
        Range of the data seen by `fit`: one number, or one a neuron (and channel).
    scale_ : ndarray, shaped alike
        ``(hi - lo) / (data_max_ - data_min_)``, 0 where the data are constant.
    n_features_in_ : int
        Number of neurons N.

    References
    ----------
    .. [1] B. M. Li, "Synthesising Realistic Calcium Imaging Data of Neuronal Populations using
       Deep Generative Models", MScR thesis, University of Edinburgh, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan import MinMaxScaler
    >>> X = np.array([[0.0, 10.0], [1.0, 30.0], [2.0, 20.0]])
    >>> MinMaxScaler(per_neuron=True).fit_transform(X)
    array([[0. , 0. ],
           [0.5, 1. ],
           [1. , 0.5]], dtype=float32)
    >>> scaler = MinMaxScaler().fit(X)
    >>> scaler.inverse_transform(scaler.transform(X)).tolist() == X.tolist()
    True
    """

    def __init__(
        self,
        feature_range: tuple[float, float] = (0.0, 1.0),
        *,
        per_neuron: bool = False,
        clip: bool = False,
    ) -> None:
        self.feature_range = feature_range
        self.per_neuron = per_neuron
        self.clip = clip

    def fit(self, X: Any, y: Any = None) -> MinMaxScaler:
        """Learn the range of the data.

        Parameters
        ----------
        X : array-like of shape (T, N), (M, T, N) or (M, T, N, C), or WindowView
            A recording, windows or encoded windows.
        y : None
            Ignored.

        Returns
        -------
        MinMaxScaler
            The fitted transformer.

        Raises
        ------
        TypeError
            If X does not hold real numbers.
        ValueError
            If X has other dimensions, is empty, or holds NaN or infinity; if `feature_range` is
            not two increasing numbers.
        """
        lo, hi = _check_feature_range(self.feature_range)
        X = _check(X)
        axes = _pooled_axes(X.ndim, self.per_neuron)
        if isinstance(X, WindowView) and not X.transforms:
            # Windows overlap: each frame is read once, however many windows hold it.
            pieces = iter(X.covered_frames())
            axes = _pooled_axes(2, self.per_neuron)
        else:
            pieces = iter_batches(X)
        lows, highs = zip(*((p.min(axis=axes), p.max(axis=axes)) for p in pieces), strict=True)
        self.data_min_ = np.min(lows, axis=0).astype(np.float64)
        self.data_max_ = np.max(highs, axis=0).astype(np.float64)
        span = np.asarray(self.data_max_ - self.data_min_)
        constant = span == 0
        self.scale_ = np.where(constant, 0.0, (hi - lo) / np.where(constant, 1.0, span))
        self.n_features_in_ = int(X.shape[_neuron_axis(X.ndim)])
        return self

    def transform(self, X: Any) -> Any:
        """Scale data to `feature_range`.

        Parameters
        ----------
        X : array-like of shape (T, N), (M, T, N) or (M, T, N, C), or WindowView
            A recording, windows or encoded windows.

        Returns
        -------
        ndarray shaped like X, float32, or WindowView
            Lazy for a view.

        Raises
        ------
        ValueError
            If X does not fit what `fit` saw.
        """
        lo, hi = self._check_fitted(X := _check(X))
        return map_windows(
            X,
            partial(
                _scale,
                data_min=self.data_min_,
                scale=self.scale_,
                lo=lo,
                bounds=(lo, hi) if self.clip else None,
            ),
        )

    def inverse_transform(self, X: Any) -> Any:
        """Return scaled data to the units of the recording.

        Parameters
        ----------
        X : array-like of shape (T, N), (M, T, N) or (M, T, N, C), or WindowView
            Scaled data, such as a generator's samples.

        Returns
        -------
        ndarray shaped like X, float32, or WindowView
            Lazy for a view.

        Raises
        ------
        ValueError
            If X does not fit what `fit` saw.
        """
        lo, hi = self._check_fitted(X := _check(X))
        span = (self.data_max_ - self.data_min_) / (hi - lo)
        return map_windows(X, partial(_unscale, data_min=self.data_min_, span=span, lo=lo))

    def _check_fitted(self, X: Any) -> tuple[float, float]:
        check_is_fitted(self)
        check_n_neurons(X.shape[_neuron_axis(X.ndim)], self)
        encoded = self.data_min_.ndim == 2
        if self.data_min_.ndim and encoded != (X.ndim == 4):
            raise ValueError(
                f"MinMaxScaler(per_neuron=True) was fitted on {'' if encoded else 'un'}encoded "
                f"data, but X has shape {tuple(X.shape)}; fit it on data of the same kind."
            )
        if encoded and X.shape[3] != self.data_min_.shape[1]:
            raise ValueError(
                f"X has {X.shape[3]} channels, but MinMaxScaler was fitted on "
                f"{self.data_min_.shape[1]}."
            )
        return _check_feature_range(self.feature_range)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


# Module-level functions, so that a view mapped through them pickles. In float64: the difference of
# two float32 numbers of either sign may not fit in float32.
def _scale(
    X: np.ndarray,
    *,
    data_min: np.ndarray,
    scale: np.ndarray,
    lo: float,
    bounds: tuple[float, float] | None,
) -> np.ndarray:
    out = np.subtract(X, data_min, dtype=np.float64)
    out *= scale
    out += lo
    if bounds is not None:
        np.clip(out, *bounds, out=out)
    return out.astype(np.float32)


def _unscale(X: np.ndarray, *, data_min: np.ndarray, span: np.ndarray, lo: float) -> np.ndarray:
    out = np.subtract(X, lo, dtype=np.float64)
    out *= span
    out += data_min
    return out.astype(np.float32)


def _check(X: Any) -> Any:
    X = X if is_lazy(X) else as_real_array(X, "X")
    if X.ndim in (3, 4):
        return check_windows(X, estimator="MinMaxScaler")
    return check_recording(X, check_orientation=False)


def _neuron_axis(ndim: int) -> int:
    return 2 if ndim >= 3 else 1


def _pooled_axes(ndim: int, per_neuron: bool) -> tuple[int, ...]:
    return tuple(range(_neuron_axis(ndim))) if per_neuron else tuple(range(ndim))


def _check_feature_range(feature_range: Any) -> tuple[float, float]:
    bounds = np.asarray(feature_range)
    if bounds.shape != (2,) or bounds.dtype.kind not in "iuf" or not np.isfinite(bounds).all():
        raise ValueError(f"feature_range must be two finite numbers (lo, hi), got {feature_range}.")
    lo, hi = float(bounds[0]), float(bounds[1])
    if lo >= hi:
        raise ValueError(f"feature_range must increase, got lo={lo:g} and hi={hi:g}.")
    return lo, hi
