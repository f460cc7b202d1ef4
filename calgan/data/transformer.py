"""The base of all transformers: data in, data of the same kind out, and of the same neurons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import _check_feature_names, check_is_fitted

from calgan.data.recording import Recording
from calgan.data.segments import as_segments, is_list_of_trials
from calgan.data.stored import is_stored
from calgan.data.validation import (
    as_real_array,
    as_trials,
    check_n_neurons,
    check_recording,
    check_windows,
    is_lazy,
    warn_if_roi_first,
)


class Read(NamedTuple):
    """Checked data (a Recording, a view, an array or a list), and what is known of them."""

    data: Any
    n_neurons: int
    frame_rate: float | None = None
    roi_ids: np.ndarray | None = None
    units: str | None = None
    positions: np.ndarray | None = None


class Transformer(TransformerMixin, BaseEstimator):
    """Reads whatever holds traces, and remembers which neurons `fit` saw."""

    n_features_in_: int
    frame_rate_: float | None
    roi_ids_: np.ndarray | None
    units_: str | None
    positions_: np.ndarray | None

    def _read(self, X: Any, *, encoded: bool = True, check_orientation: bool = False) -> Read:
        """Check X: a Recording, (T, N), (M, T, N), a list of trials, a view, or (M, T, N, C)."""
        if isinstance(X, Recording):
            positions = positions_of(X, X.n_neurons)
            return Read(X, X.n_neurons, X.frame_rate, X.roi_ids, X.units, positions)
        if is_list_of_trials(X):
            arrays, frame_rate, roi_ids, units = as_segments(X, check_orientation=check_orientation)
            trials = [
                part
                if isinstance(part, Recording)
                else check_recording(part, check_orientation=False)
                for part in as_trials(X)
            ]
            n_neurons = arrays[0].shape[1]
            positions = positions_of(X, n_neurons)
            return Read(trials, n_neurons, frame_rate, roi_ids, units, positions)
        if is_lazy(X):
            check_windows(X, estimator=type(self).__name__, encoded=encoded)
            return Read(X, X.shape[2], X.frame_rate, X.roi_ids, X.units)
        array = X if getattr(X, "ndim", 0) == 2 else as_real_array(X, "X")
        if array.ndim not in (3, 4):
            array = check_recording(array, check_orientation=check_orientation)
            return Read(array, array.shape[1])
        array = check_windows(array, estimator=type(self).__name__, encoded=encoded)
        if check_orientation:
            warn_if_roi_first(array.shape[0] * array.shape[1], array.shape[2])
        return Read(array, array.shape[2])

    def _learn(self, X: Any, read: Read) -> None:
        """Remember what `fit` was told of the neurons."""
        _, self.n_features_in_, self.frame_rate_, self.roi_ids_, self.units_, self.positions_ = read
        _check_feature_names(self, X, reset=True)

    def _check(self, X: Any, *, roi_ids: np.ndarray | None = None, encoded: bool = True) -> Read:
        """Read X for a fitted transformer; its ids are those of `fit`, or `roi_ids`."""
        check_is_fitted(self)
        read = self._read(X, encoded=encoded)
        self._check_neurons(X, read, roi_ids)
        return read

    def _check_neurons(self, X: Any, read: Read, roi_ids: np.ndarray | None = None) -> None:
        if hasattr(X, "columns") and hasattr(self, "feature_names_in_"):
            _check_feature_names(self, X, reset=False)
        check_n_neurons(read.n_neurons, self)
        expected = self.roi_ids_ if roi_ids is None else roi_ids
        if expected is None or read.roi_ids is None or np.array_equal(read.roi_ids, expected):
            return
        given, expected = read.roi_ids.tolist(), expected.tolist()
        what = "in another order than" if set(given) == set(expected) else "not"
        i = next(i for i, pair in enumerate(zip(given, expected, strict=True)) if len({*pair}) > 1)
        raise ValueError(
            f"the neurons of X are {what} those that {type(self).__name__} expects: roi_ids[{i}] "
            f"is {given[i]!r} instead of {expected[i]!r}; select the neurons that it was fitted "
            "on, in their order."
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def map_frames(data: Any, func: Callable[[np.ndarray], np.ndarray], units: str | None) -> Any:
    """Apply `func`, which treats each frame by itself, to checked data and keep their kind."""
    if isinstance(data, list):
        return [map_frames(trial, func, units) for trial in data]
    if isinstance(data, Recording):
        with np.errstate(all="ignore"):  # frames outside all segments may be NaN or infinite
            traces: Any = data.traces
            changed = traces.map(func) if is_stored(traces) else func(traces)
            return data.with_traces(changed, units)
    if is_stored(data):
        return data.map(func)
    if is_lazy(data):
        return data.map(func, frame_wise=True, units=units)
    return func(data)


def positions_of(X: Any, n_neurons: int) -> np.ndarray | None:
    """Return the neurons' centres where a recording, or the first of several, has them."""
    if isinstance(X, (list, tuple)):
        X = next((part for part in X if isinstance(part, Recording)), None)
    positions = X.metadata.get("positions") if isinstance(X, Recording) else None
    if positions is None:
        return None
    try:
        points = np.array(positions)
    except ValueError:  # ragged
        return None
    return points if points.ndim == 2 and len(points) == n_neurons else None
