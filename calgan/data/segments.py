"""Segments of a recording, put together again from its windows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from calgan.data.validation import is_lazy
from calgan.data.windows import WindowView


def uninterrupted_segments(X: Any) -> list[np.ndarray]:
    """Return uninterrupted segments of traces, each frame once where X is a view.

    Parameters
    ----------
    X : WindowView or array-like of shape (M, T, N)
        Windows. Windows of an array, or of a view whose transforms do not treat each frame by
        itself, are segments of their own.

    Returns
    -------
    list of ndarray of shape (t, N)

    Examples
    --------
    >>> import numpy as np
    >>> from calgan import Windower
    >>> from calgan.data.segments import uninterrupted_segments
    >>> view = Windower(4).fit_transform(np.zeros((10, 2)))
    >>> [segment.shape for segment in uninterrupted_segments(view)]
    [(10, 2)]
    """
    if not is_lazy(X):
        return list(np.asarray(X))
    segments: list[np.ndarray] = []
    for run in _covering_runs(X):
        windows = X[run].gather()
        segments += _stitch(windows, X.start[run], X.window)
    return segments


def _covering_runs(X: WindowView) -> Iterator[np.ndarray]:
    """Yield few windows that cover all frames of an uninterrupted segment, in order.

    Neighbours overlap where there is such a choice, so that `_stitch` can see that they agree.
    """
    order = np.lexsort((X.start, X.segment))
    segment, start = X.segment[order], X.start[order]
    run, first = [], 0
    while first < len(order):
        run.append(order[first])
        end = start[first] + X.window
        # The latest window that still shares a frame with this one; else one that follows at once.
        last = first + 1
        while last < len(order) and segment[last] == segment[first] and start[last] < end:
            last += 1
        chosen = last - 1
        if chosen == first:
            chosen = last
            joins = last < len(order) and segment[last] == segment[first] and start[last] == end
            # Without a shared frame there is no telling whether a transform is one of frames.
            if not joins or X.transforms:
                yield np.array(run)
                run = []
        elif start[chosen] == start[first]:  # the same window again
            run.pop()
        first = chosen
    if run:
        yield np.array(run)


def _stitch(windows: np.ndarray, start: np.ndarray, window: int) -> list[np.ndarray]:
    """Join windows where they agree on the frames they share; else return them one by one."""
    if windows.shape[1] != window:  # a transform changed what a frame is
        return list(windows)
    joined = np.empty((int(start[-1] - start[0]) + window, windows.shape[2]), dtype=np.float32)
    filled = 0
    spread = 1e-5 * float(np.ptp(windows))
    for each, first in zip(windows, start - start[0], strict=True):
        shared = joined[first:filled]
        if not np.allclose(shared, each[: len(shared)], rtol=1e-5, atol=spread):
            return list(windows)
        joined[first : first + window] = each
        filled = first + window
    return [joined]
