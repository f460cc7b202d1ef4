"""Splits of recordings: blocks of time with gaps between training and test."""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.model_selection import BaseCrossValidator

from calgan.data.recording import Recording
from calgan.data.segments import as_segments, is_list_of_trials
from calgan.data.validation import as_trials, check_integer, rng_from, shown
from calgan.data.windows import Windower, WindowView

# At least this many windows for each one that the published split holds out.
_THESIS_WINDOWS_PER_TEST = 5


def train_test_blocks(recording: Any, test_size: float = 0.3, gap: int = 64) -> tuple[Any, Any]:
    """Split a recording in time: the end for testing, what comes before for training.

    Neighbouring frames of calcium traces are nearly copies of one another, so a random split tests
    on what it trained on. Here the last frames are the test block, and `gap` frames before it, if
    they belong to the same uninterrupted segment, are left out of both.

    Parameters
    ----------
    recording : Recording, array-like of shape (n_frames, n_neurons), or list of either
        A recording, or a list of segments (trials) in the order in which they were recorded.
    test_size : float, default=0.3
        Fraction of all frames that goes into the test block, between 0 and 1.
    gap : int, default=64
        Frames left out between the two blocks; at least the width of the windows to be cut.

    Returns
    -------
    train, test : same kind as `recording`
        A `Recording` gives two recordings, an array two arrays (float32) and a list two lists, in
        which one segment may have been cut in two.

    Raises
    ------
    ValueError
        If `test_size` is not between 0 and 1, or if a block would be left without a frame of any
        segment.
    TypeError
        If `test_size` is not a number, if `gap` is not an integer, or if windows are given.

    See Also
    --------
    BlockedKFold : Cross-validation over windows on the same principle.
    thesis_split : The published split, which leaks.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.model_selection import train_test_blocks
    >>> train, test = train_test_blocks(np.zeros((1000, 20)), test_size=0.3, gap=64)
    >>> train.shape, test.shape
    ((636, 20), (300, 20))
    """
    gap = check_integer(gap, "gap", minimum=0)
    recording = as_trials(recording)
    if not isinstance(test_size, numbers.Real) or not 0 < test_size < 1:
        error = ValueError if isinstance(test_size, numbers.Real) else TypeError
        raise error(f"test_size must be a fraction between 0 and 1, got {shown(test_size)}.")
    if isinstance(recording, WindowView) or getattr(recording, "ndim", 2) == 3:
        raise TypeError(
            "train_test_blocks splits recordings, and windows overlap across any split: pass the "
            "recording itself, or list(X) if the first axis of X holds separate trials."
        )
    is_list = is_list_of_trials(recording)
    # One reading of them all: it refuses segments that do not belong together.
    arrays = as_segments(recording, name="recording").arrays
    if isinstance(recording, Recording):
        parts: list[Any] = [recording]
    elif is_list and any(isinstance(part, Recording) for part in recording):
        parts = list(recording)
    else:
        parts = list(arrays)
    train, test = _cut(parts, test_size, gap)
    return (train, test) if is_list else (train[0], test[0])


def _cut(parts: list[Any], test_size: float, gap: int) -> tuple[list[Any], list[Any]]:
    """Cut consecutive recordings at one frame, counted over all of them."""
    n_frames = sum(len(part) for part in parts)
    boundary = n_frames - round(test_size * n_frames)
    train, test = [], []
    first = 0
    for part in parts:
        cut = min(max(boundary - first, 0), len(part))
        first += len(part)
        segments = part.segments if isinstance(part, Recording) else np.array([[0, len(part)]])
        if cut < segments[-1, 1]:
            test.append(part[cut:])
        # The gap keeps the two sides of one segment apart, and no others.
        for start, stop in segments:
            if start < cut < stop:
                cut = max(cut - gap, int(start))
        if cut > segments[0, 0]:
            train.append(part[:cut])
    if not train or not test:
        raise ValueError(
            f"test_size={test_size:g} and gap={gap} leave no frame for "
            f"{'testing' if train else 'training'} in a recording of {n_frames} frames: "
            f"{'raise test_size' if train else 'lower test_size or gap'}."
        )
    return train, test


class BlockedKFold(BaseCrossValidator):
    """K-fold cross-validation in which each test fold is one block of time.

    Windows of a recording overlap, so that folds drawn over windows test on frames that were
    trained on. Here the windows of a fold are consecutive, and every training window that comes
    within one width of a test frame of the same segment is purged. For a list of segments (trials)
    a fold is a run of whole segments, and nothing needs purging.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    gap : int, default=0
        Frames to keep between training windows and test frames on top of one window width.

    See Also
    --------
    train_test_blocks : One such split of a recording.

    Notes
    -----
    A bare array of frames or of windows does not say when its rows were recorded and is refused.
    The `WindowView` that `Windower` returns does, through slicing and through lazy transformers.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan import Windower
    >>> from calgan.model_selection import BlockedKFold
    >>> windows = Windower(10).fit_transform(np.zeros((100, 3)))
    >>> for train, test in BlockedKFold(3).split(windows):
    ...     print(windows.start[train].min(), windows.start[train].max(), len(test))
    50 90 31
    0 90 30
    0 41 30
    """

    def __init__(self, n_splits: int = 5, *, gap: int = 0) -> None:
        self.n_splits = n_splits
        self.gap = gap

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds.

        Parameters
        ----------
        X, y, groups : object
            Ignored; present for compatibility.

        Returns
        -------
        n_splits : int
            Number of folds.
        """
        return self.n_splits

    def split(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the indices of the training and test windows (or segments) of each fold.

        Parameters
        ----------
        X : WindowView of shape (n_windows, n_frames, n_neurons) or list of segments
            ``Windower(...).fit_transform(recording)``, or segments (n_frames_i, n_neurons).
        y, groups : object
            Ignored; present for compatibility.

        Yields
        ------
        train : ndarray of shape (n_train,), dtype int
            Indices into `X`, increasing.
        test : ndarray of shape (n_test,), dtype int
            Indices into `X`, increasing; each window is in exactly one test fold.

        Raises
        ------
        ValueError
            If `X` does not say when its rows were recorded, if there are fewer rows than folds, or
            if a fold would be left without training windows.
        """
        n_splits = check_integer(self.n_splits, "n_splits", minimum=2)
        gap = check_integer(self.gap, "gap", minimum=0)
        if not isinstance(X, WindowView) and not is_list_of_trials(X):
            raise ValueError(
                "pass Windower(...).fit_transform(recording), or a list of segments: BlockedKFold "
                f"cannot tell when the rows of a {type(X).__name__} were recorded."
            )
        if len(X) < n_splits:
            raise ValueError(
                f"BlockedKFold cannot make n_splits={n_splits} folds of {len(X)} "
                f"{'windows' if isinstance(X, WindowView) else 'segments'}: lower n_splits."
            )
        if isinstance(X, WindowView):
            yield from _window_folds(X, n_splits, gap)
        else:
            indices = np.arange(len(X))
            for test in np.array_split(indices, n_splits):
                yield np.setdiff1d(indices, test), test


def thesis_split(
    recording: Any, window: int, *, n_test: int = 1000, stride: int = 2, random_state: Any = None
) -> tuple[WindowView, WindowView]:
    """Hold random windows out as published: **the test windows overlap the training windows**.

    Windows of the whole recording, one every `stride` frames, are shuffled and `n_test` of them
    held out [1]_. Nearly every frame of the test windows is also in training windows, which start
    as few as `stride` frames away. So this split cannot tell a model that generalises from one that
    replays its training windows, and it even prefers the replay to a new recording of the very same
    process. It is there to compare with the published table, with
    ``evaluate(..., protocol="thesis")``, and for nothing else: use `train_test_blocks` otherwise.

    Parameters
    ----------
    recording : Recording, array-like of shape (T, N), list of these, (S, T, N) trials or WindowView
        A recording, or its windows, which are then taken as they are, whatever `stride` says.
    window : int
        Frames a window.
    n_test : int, default=1000
        Windows to hold out. A short recording holds out fewer: one window of every five at most.
    stride : int, default=2
        Frames from one window's start to the next one's.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the choice of windows; None draws a fresh one.

    Returns
    -------
    train, test : WindowView
        Lazy views of shape (M - n_test, window, N) and (n_test, window, N), each in the order of
        time (of a view: in its own order).

    Raises
    ------
    ValueError
        If there are fewer than five windows, or a view's windows are not of `window` frames.

    See Also
    --------
    train_test_blocks : The split to use: test frames lie a gap away from training frames.

    References
    ----------
    .. [1] Li, B. M. (2020). Synthesising realistic calcium imaging data of neuronal populations
       using deep generative models. MScR thesis, University of Edinburgh.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.model_selection import thesis_split
    >>> train, test = thesis_split(np.zeros((21_556, 3)), 2048, random_state=0)
    >>> train.shape, test.shape
    ((8755, 2048, 3), (1000, 2048, 3))
    >>> train, test = thesis_split(np.zeros((260, 3)), 64, random_state=0)
    >>> len(train), len(test)
    (80, 19)
    """
    n_test = check_integer(n_test, "n_test")
    if not isinstance(recording, WindowView):
        recording = as_segments(recording, name="recording")
    windows = Windower(window, stride).fit_transform(recording)
    n_windows = len(windows)
    if n_windows < _THESIS_WINDOWS_PER_TEST:
        raise ValueError(
            f"recording gives {n_windows} window{'' if n_windows == 1 else 's'} of {window} "
            "frames, but the published split "
            f"needs at least {_THESIS_WINDOWS_PER_TEST}; record for longer, or choose a shorter "
            "window or a smaller stride."
        )
    n_test = min(n_test, n_windows // _THESIS_WINDOWS_PER_TEST)
    test = np.zeros(n_windows, dtype=bool)
    test[rng_from(random_state).choice(n_windows, n_test, replace=False)] = True
    return windows[~test], windows[test]


def _window_folds(
    view: WindowView, n_splits: int, gap: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    start, segment = view.start, view.segment
    in_time = np.lexsort((start, segment))
    for fold, test in enumerate(np.array_split(in_time, n_splits)):
        keep = np.ones(len(view), dtype=bool)
        for number in np.unique(segment[test]):
            tested = start[test[segment[test] == number]]
            # A test window ends a width after its start, and one more width must lie between.
            reach = 2 * view.window + gap
            near = (start > tested.min() - reach) & (start < tested.max() + reach)
            keep &= ~(near & (segment == number))
        if not keep.any():
            raise ValueError(
                f"fold {fold} of BlockedKFold has no training window left more than one window "
                f"({view.window} frames) and gap={gap} from its test frames: lower n_splits, gap "
                "or the window, or record for longer."
            )
        yield np.flatnonzero(keep), np.sort(test)
