"""Scaling of traces to a fixed range, globally or neuron by neuron, with an exact inverse."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from calgan.data.recording import ARBITRARY
from calgan.data.transformer import Transformer, map_frames
from calgan.data.validation import check_boolean
from calgan.data.windows import iter_frames


class MinMaxScaler(Transformer):
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
    roi_ids_ : ndarray of shape (N,) or None
        ROI ids of the data seen by `fit`; data with other ids are refused. ``feature_names_in_``
        are the column names, if `fit` saw a data frame.

    Notes
    -----
    Of encoded windows with more than 2**31 values, the range is that of windows that are spread
    evenly; others may leave it.

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
        X : Recording, array-like (T, N), (M, T, N) or (M, T, N, C), list of trials, or WindowView
            A recording, trials, windows or encoded windows.
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
        check_boolean(self.per_neuron, "per_neuron")
        check_boolean(self.clip, "clip")
        read = self._read(X)
        lows, highs = [], []
        for piece, _ in iter_frames(read.data):
            axes = tuple(range(min(piece.ndim - 1, 2) if self.per_neuron else piece.ndim))
            lows.append(piece.min(axis=axes))
            highs.append(piece.max(axis=axes))
        self.data_min_ = np.min(lows, axis=0).astype(np.float64)
        self.data_max_ = np.max(highs, axis=0).astype(np.float64)
        span = np.asarray(self.data_max_ - self.data_min_)
        constant = span == 0
        self.scale_ = np.where(constant, 0.0, (hi - lo) / np.where(constant, 1.0, span))
        self._learn(X, read)
        return self

    def transform(self, X: Any) -> Any:
        """Scale data to `feature_range`.

        Parameters
        ----------
        X : Recording, array-like (T, N), (M, T, N) or (M, T, N, C), list of trials, or WindowView
            A recording, trials, windows or encoded windows.

        Returns
        -------
        Recording, ndarray shaped like X, float32, list of these, or WindowView
            The same kind as X, lazy for a view. Units are arbitrary ("a.u.").

        Raises
        ------
        ValueError
            If X does not hold the neurons that `fit` saw.
        """
        data, lo, hi = self._check_fitted(X)
        scale = partial(
            _scale,
            data_min=self.data_min_,
            scale=self.scale_,
            lo=lo,
            bounds=(lo, hi) if self.clip else None,
        )
        return map_frames(data, scale, ARBITRARY)

    def inverse_transform(self, X: Any) -> Any:
        """Return scaled data to the units of the recording.

        Parameters
        ----------
        X : Recording, array-like (T, N), (M, T, N) or (M, T, N, C), list of trials, or WindowView
            Scaled data, such as a generator's samples.

        Returns
        -------
        Recording, ndarray shaped like X, float32, list of these, or WindowView
            The same kind as X, lazy for a view, in the units that `fit` saw.

        Raises
        ------
        ValueError
            If X does not hold the neurons that `fit` saw.
        """
        data, lo, hi = self._check_fitted(X)
        span = (self.data_max_ - self.data_min_) / (hi - lo)
        unscale = partial(_unscale, data_min=self.data_min_, span=span, lo=lo)
        return map_frames(data, unscale, self.units_ or ARBITRARY)

    def _check_fitted(self, X: Any) -> tuple[Any, float, float]:
        data = self._check(X).data
        encoded = self.data_min_.ndim == 2
        shape: tuple[int, ...] = () if isinstance(data, list) else tuple(data.shape)
        if self.data_min_.ndim and encoded != (len(shape) == 4):
            raise ValueError(
                f"MinMaxScaler(per_neuron=True) was fitted on {'' if encoded else 'un'}encoded "
                f"data, but X has shape {shape}; fit it on data of the same kind."
            )
        if encoded and shape[3] != self.data_min_.shape[1]:
            raise ValueError(
                f"X has {shape[3]} channels, but MinMaxScaler was fitted on "
                f"{self.data_min_.shape[1]}."
            )
        return data, *_check_feature_range(self.feature_range)


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


def _check_feature_range(feature_range: Any) -> tuple[float, float]:
    bounds = np.asarray(feature_range)
    if bounds.shape != (2,) or bounds.dtype.kind not in "iuf" or not np.isfinite(bounds).all():
        raise ValueError(f"feature_range must be two finite numbers (lo, hi), got {feature_range}.")
    lo, hi = float(bounds[0]), float(bounds[1])
    if lo >= hi:
        raise ValueError(f"feature_range must increase, got lo={lo:g} and hi={hi:g}.")
    return lo, hi
