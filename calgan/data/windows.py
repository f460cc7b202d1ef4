"""Windows of a recording, cut lazily: a view costs no more memory than the recording."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from calgan.data.recording import Recording, Segments, as_segments
from calgan.data.validation import check_integer, check_n_neurons

# Windows a lazy view expands at a time when it must be materialised through its transforms.
_MATERIALISE_BATCH = 256


@dataclass(frozen=True, eq=False, repr=False)
class WindowView:  # numpydoc ignore=PR02
    """Read-only, array-like view of windows that are gathered when they are needed.

    A view holds the segments once and two integers a window. Slices, integer and boolean arrays
    give views (the windows keep their segment and start); one integer gives an array, and
    ``np.asarray(view)`` expands everything.

    Parameters
    ----------
    segments : tuple of ndarray of shape (T_i, N), float32
        The uninterrupted segments that the windows are cut from.
    segment : ndarray of shape (M,), int
        Which segment each window lies in.
    start : ndarray of shape (M,), int
        First frame of each window within its segment.
    window : int
        Frames a window, before any transform.
    frame_rate : float, default=None
        Frames per second (Hz), if known.
    roi_ids : ndarray of shape (N,), default=None
        Ids of the neurons, if known.
    transforms : tuple of callable, default=()
        Functions applied, in turn, to each gathered batch (m, ...).
    sample_shape : tuple of int, default=None
        Shape of one window after the transforms; None means (window, N).
    units : str, default=None
        Units of the traces, if known; a view with transforms does not know them.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan import Windower
    >>> view = Windower(window=4, stride=2).fit_transform(np.arange(20.0).reshape(10, 2))
    >>> view
    WindowView(shape=(4, 4, 2), window=4, stride=2, segments=1, 128 bytes if expanded)
    >>> view[1:3].start
    array([2, 4])
    >>> view[0].shape
    (4, 2)
    """

    segments: tuple[np.ndarray, ...]
    segment: np.ndarray
    start: np.ndarray
    window: int
    frame_rate: float | None = None
    roi_ids: np.ndarray | None = None
    transforms: tuple[Callable[[np.ndarray], np.ndarray], ...] = ()
    sample_shape: tuple[int, ...] | None = None
    units: str | None = None

    def __post_init__(self) -> None:
        for name in ("segment", "start"):
            array = np.array(getattr(self, name), dtype=np.intp)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        shape = self.sample_shape
        if shape is None:
            shape = (self.window, self.segments[0].shape[1])
        object.__setattr__(self, "sample_shape", tuple(shape))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the expanded array, (M, T, N) or (M, T, N, C)."""
        assert self.sample_shape is not None  # set by __post_init__
        return (len(self.start), *self.sample_shape)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype:
        """Type of the gathered windows, float32."""
        return np.dtype(np.float32)

    @property
    def size(self) -> int:
        """Number of values of the expanded array."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes the expanded array would take."""
        return self.size * self.dtype.itemsize

    @property
    def end(self) -> np.ndarray:
        """Frame after the last one of each window within its segment, (M,)."""
        return self.start + self.window

    def gather(self, indices: Any = None) -> np.ndarray:
        """Expand some windows.

        Parameters
        ----------
        indices : slice or array-like, default=None
            Which windows, and in what order; None means all of them.

        Returns
        -------
        ndarray of shape (m, T, N) or (m, T, N, C), float32
            The windows, transforms applied.

        Examples
        --------
        >>> import numpy as np
        >>> from calgan import Windower
        >>> view = Windower(window=3).fit_transform(np.arange(5.0)[:, None])
        >>> view.gather([2, 0])[:, :, 0]
        array([[2., 3., 4.],
               [0., 1., 2.]], dtype=float32)
        """
        chosen = slice(None) if indices is None else _as_index(indices, len(self))
        segment, start = self.segment[chosen], self.start[chosen]
        if not self.transforms:
            return self._cut(segment, start)
        # In pieces: a transform may need several times the memory of what it returns.
        out = np.empty((len(start), *self.shape[1:]), dtype=np.float32)
        for first in range(0, len(start), _MATERIALISE_BATCH):
            piece = slice(first, first + _MATERIALISE_BATCH)
            windows = self._cut(segment[piece], start[piece])
            for transform in self.transforms:
                windows = transform(windows)
            if windows.shape[1:] != self.shape[1:]:
                raise ValueError(
                    f"a transform of this view returned windows of shape {windows.shape[1:]}, but "
                    f"sample_shape says {self.shape[1:]}; give map the shape it returns."
                )
            out[piece] = windows
        return out

    def _cut(self, segment: np.ndarray, start: np.ndarray) -> np.ndarray:
        n_neurons = self.segments[0].shape[1]
        out = np.empty((len(start), self.window, n_neurons), dtype=np.float32)
        for i, (which, first) in enumerate(zip(segment, start, strict=True)):
            out[i] = self.segments[which][first : first + self.window]
        return out

    def iter_batches(self, batch_size: int = 64) -> Iterator[np.ndarray]:
        """Yield the windows in order as arrays of at most `batch_size` windows.

        Parameters
        ----------
        batch_size : int, default=64
            Windows a batch.

        Yields
        ------
        ndarray of shape (m, T, N) or (m, T, N, C), float32
            A batch; the last one may be smaller.

        Examples
        --------
        >>> import numpy as np
        >>> from calgan import Windower
        >>> view = Windower(window=3).fit_transform(np.zeros((12, 1)))
        >>> [len(batch) for batch in view.iter_batches(4)]
        [4, 4, 2]
        """
        step = check_integer(batch_size, "batch_size")
        return (self.gather(slice(first, first + step)) for first in range(0, len(self), step))

    def map(
        self,
        func: Callable[[np.ndarray], np.ndarray],
        sample_shape: tuple[int, ...] | None = None,
    ) -> WindowView:
        """Return a view that applies `func` to every batch it gathers.

        Parameters
        ----------
        func : callable
            Takes an array (m, ...) of windows and returns an array (m, ...); it must treat each
            window alike, whatever the batch, and pickle if the view is to.
        sample_shape : tuple of int, default=None
            Shape of one window after `func`; None means that it does not change.

        Returns
        -------
        WindowView
            A view of the same windows; nothing is computed yet.

        Examples
        --------
        >>> import numpy as np
        >>> from calgan import Windower
        >>> view = Windower(window=3).fit_transform(np.ones((12, 1)))
        >>> view.map(np.negative)[0].ravel()
        array([-1., -1., -1.], dtype=float32)
        """
        return replace(
            self,
            transforms=(*self.transforms, func),
            sample_shape=self.shape[1:] if sample_shape is None else tuple(sample_shape),
            units=None,
        )

    def covered_frames(self) -> list[np.ndarray]:
        """Return the frames that some window covers, each of them once.

        Returns
        -------
        list of ndarray of shape (t_i, N), float32
            One array for each uninterrupted segment of covered frames: what two windows leave out
            between them, such as the test frames of a fold, separates them.

        Raises
        ------
        ValueError
            If the view has transforms, whose result need not be a frame of the recording.

        Examples
        --------
        >>> import numpy as np
        >>> from calgan import Windower
        >>> view = Windower(window=3, stride=2).fit_transform(np.zeros((12, 1)))
        >>> [len(frames) for frames in view[:2].covered_frames()]
        [5]
        """
        if self.transforms:
            raise ValueError(
                "covered_frames needs windows as recorded, but this view has transforms; use "
                "iter_batches."
            )
        frames = []
        for which, base in enumerate(self.segments):
            start = self.start[self.segment == which]
            if len(start) == 0:
                continue
            edges = np.zeros(len(base) + 1, dtype=np.int64)
            np.add.at(edges, start, 1)
            np.add.at(edges, start + self.window, -1)
            covered = np.concatenate([[False], np.cumsum(edges) > 0])
            borders = np.flatnonzero(np.diff(covered.astype(np.int8)))
            frames += [base[first:last] for first, last in borders.reshape(-1, 2)]
        return frames

    def __len__(self) -> int:
        return len(self.start)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        """Return one window (an integer) or a view of some (anything else)."""
        if isinstance(key, tuple):  # scikit-learn indexes arrays as array[key, ...]
            rest = key[1:]
            if not key or any(k is not Ellipsis and k != slice(None) for k in rest):
                raise IndexError(
                    "a WindowView is indexed along its first axis only; use np.asarray(view) for "
                    "frames and neurons."
                )
            key = key[0]
        if key is Ellipsis:
            return self
        index = _as_index(key, len(self))
        if isinstance(index, (int, np.integer)):
            return self.gather([index])[0]
        return replace(self, segment=self.segment[index], start=self.start[index])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("a WindowView holds no expanded array, so a copy is always made.")
        return self.gather().astype(np.float32 if dtype is None else dtype, copy=False)

    def __repr__(self) -> str:
        stride = _stride(self.segment, self.start)
        parts = [f"shape={self.shape}", f"window={self.window}"]
        parts += [f"stride={stride}"] if stride else []
        parts += [f"segments={len(self.segments)}"]
        parts += [f"transforms={len(self.transforms)}"] if self.transforms else []
        return f"WindowView({', '.join(parts)}, {_bytes(self.nbytes)} if expanded)"


def gather(X: Any, indices: Any = None) -> np.ndarray:
    """Return some windows of a view or an array as an array.

    Parameters
    ----------
    X : WindowView or ndarray of shape (M, T, N) or (M, T, N, C)
        Windows.
    indices : slice or array-like, default=None
        Which windows, and in what order; None means all of them.

    Returns
    -------
    ndarray of shape (m, T, N) or (m, T, N, C), float32
        The windows.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.data.windows import gather
    >>> gather(np.zeros((5, 8, 2), dtype=np.float32), [0, 3]).shape
    (2, 8, 2)
    """
    if isinstance(X, WindowView):
        return X.gather(indices)
    array = np.asarray(X, dtype=np.float32)
    return array if indices is None else array[_as_index(indices, len(array))]


def iter_batches(X: Any, batch_size: int = 64) -> Iterator[np.ndarray]:
    """Yield the windows of a view or an array in order, in batches.

    Parameters
    ----------
    X : WindowView or ndarray of shape (M, T, N) or (M, T, N, C)
        Windows.
    batch_size : int, default=64
        Windows a batch.

    Yields
    ------
    ndarray of shape (m, T, N) or (m, T, N, C), float32
        A batch; the last one may be smaller.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.data.windows import iter_batches
    >>> [len(batch) for batch in iter_batches(np.zeros((5, 8, 2)), 2)]
    [2, 2, 1]
    """
    if isinstance(X, WindowView):
        return X.iter_batches(batch_size)
    step = check_integer(batch_size, "batch_size")
    array = np.asarray(X, dtype=np.float32)
    return (array[first : first + step] for first in range(0, len(array), step))


def map_windows(
    X: Any,
    func: Callable[[np.ndarray], np.ndarray],
    sample_shape: tuple[int, ...] | None = None,
) -> Any:
    """Apply `func` to windows: lazily to a view, at once to an array.

    Parameters
    ----------
    X : WindowView or ndarray of shape (M, T, N) or (M, T, N, C)
        Windows.
    func : callable
        Takes an array (m, ...) of windows and returns an array (m, ...).
    sample_shape : tuple of int, default=None
        Shape of one window after `func`; None means that it does not change.

    Returns
    -------
    WindowView or ndarray
        What `func` makes of them: a view of a view, an array of an array.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.data.windows import map_windows
    >>> map_windows(np.ones((2, 3, 1)), np.negative).min()
    np.float64(-1.0)
    """
    if isinstance(X, WindowView):
        return X.map(func, sample_shape)
    return func(np.asarray(X))


class Windower(TransformerMixin, BaseEstimator):
    """Cut recordings into overlapping windows, lazily and never across a segment's border.

    A segment of ``T_i`` frames gives ``(T_i - window) // stride + 1`` windows. What `transform`
    returns is a `WindowView`: it holds the recording once, however many windows there are.
    Windows cannot be put back together (overlapping or generated windows have no order in time),
    so there is no ``inverse_transform``.

    Parameters
    ----------
    window : int
        Frames a window.
    stride : int, default=1
        Frames from one window's start to the next one's. Windows are views, so a stride of 1
        costs nothing and offers every alignment in time; a larger stride gives fewer windows.

    Attributes
    ----------
    n_features_in_ : int
        Number of neurons N.
    n_segments_ : int
        Number of segments seen by `fit`.
    frame_rate_ : float or None
        Frame rate (Hz) of the data seen by `fit`, None for bare arrays.
    roi_ids_, units_ : ndarray of shape (N,) or None, str or None
        Ids of the neurons and units of the traces seen by `fit`, None for bare arrays.
    positions_ : ndarray of shape (N, 2) or (N, 3), or None
        Centres of the neurons, where `fit` saw a `Recording` that has them.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan import Windower
    >>> Windower(window=64, stride=2).fit_transform(np.zeros((1000, 20))).shape
    (469, 64, 20)
    >>> trials = [np.zeros((100, 20)), np.zeros((80, 20))]
    >>> Windower(window=64).fit_transform(trials).shape
    (54, 64, 20)
    """

    def __init__(self, window: int, stride: int = 1) -> None:
        self.window = window
        self.stride = stride

    def fit(self, X: Any, y: Any = None) -> Windower:
        """Check the recording and learn its number of neurons and frame rate.

        Parameters
        ----------
        X : Recording, array-like of shape (T, N), list of these, ndarray (S, T, N) or WindowView
            A recording, segments of one, S trials of equal length, or windows of this length.
        y : None
            Ignored.

        Returns
        -------
        Windower
            The fitted transformer.

        Raises
        ------
        TypeError
            If window or stride is not an integer, or X does not hold real numbers.
        ValueError
            If every segment is shorter than `window`, or X is not recording-like.
        """
        self._view(X, check_orientation=True, warn_short=False)
        return self

    def transform(self, X: Any) -> WindowView:
        """Return the windows of a recording.

        Parameters
        ----------
        X : Recording, array-like of shape (T, N), list of these, ndarray (S, T, N) or WindowView
            A recording of the neurons seen by `fit`. A view of windows of this length passes
            through unchanged.

        Returns
        -------
        WindowView of shape (M, window, N)
            The windows, not expanded.

        Raises
        ------
        ValueError
            If every segment is shorter than `window`, or if the number of neurons or the frame
            rate differs from what `fit` saw.

        Warns
        -----
        UserWarning
            If some segments are shorter than `window` and so give no window.
        """
        check_is_fitted(self)
        return self._view(X, check_orientation=False, warn_short=True, fitted=True)

    def _view(
        self, X: Any, *, check_orientation: bool, warn_short: bool, fitted: bool = False
    ) -> WindowView:
        """Build the view; record what it shows of the data unless `fitted`, else compare."""
        window = check_integer(self.window, "window")
        stride = check_integer(self.stride, "stride")
        if isinstance(X, WindowView):
            if X.window != window:
                raise ValueError(
                    f"X holds windows of {X.window} frames, but Windower has window={window}; pass "
                    "the recording, or windows of that length."
                )
            view = X
        else:
            segments = as_segments(X, check_orientation=check_orientation)
            view = _cut_windows(segments, window, stride, warn_short)
        n_neurons = view.segments[0].shape[1]
        if not fitted:
            self.n_features_in_ = n_neurons
            self.n_segments_ = len(view.segments)
            self.frame_rate_ = view.frame_rate
            self.roi_ids_ = view.roi_ids
            self.units_ = view.units
            self.positions_ = _positions(X, n_neurons)
            return view
        check_n_neurons(n_neurons, self)
        if None not in (view.frame_rate, self.frame_rate_) and view.frame_rate != self.frame_rate_:
            raise ValueError(
                f"X was recorded at {view.frame_rate:g} Hz, but Windower was fitted at "
                f"{self.frame_rate_:g} Hz; resample the recording first."
            )
        return view

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _cut_windows(read: Segments, window: int, stride: int, warn_short: bool) -> WindowView:
    segments = tuple(read.arrays)
    lengths = [len(segment) for segment in segments]
    counts = [max(0, (length - window) // stride + 1) for length in lengths]
    n_short = sum(count == 0 for count in counts)
    if n_short == len(segments):
        what = "the recording has" if len(segments) == 1 else "its longest segment has"
        raise ValueError(
            f"a window of {window} frames is longer than X: {what} only {max(lengths)}; choose a "
            f"window of at most {max(lengths)}."
        )
    if n_short and warn_short:
        warnings.warn(
            f"{n_short} of {len(segments)} segments are shorter than the window of {window} frames "
            "and give no window.",
            UserWarning,
            stacklevel=4,
        )
    return WindowView(
        segments=segments,
        segment=np.repeat(np.arange(len(segments)), counts),
        start=np.concatenate([stride * np.arange(count) for count in counts]),
        window=window,
        frame_rate=read.frame_rate,
        roi_ids=read.roi_ids,
        units=read.units,
    )


def _positions(X: Any, n_neurons: int) -> np.ndarray | None:
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


def _as_index(key: Any, length: int) -> Any:
    """Return a key along the first axis as an int, a slice or an integer array, checked."""
    if isinstance(key, slice):
        return key
    if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
        if not -length <= key < length:
            raise IndexError(f"window {key} does not exist: there are {length} windows.")
        return key
    array = np.asarray(key)
    if array.ndim == 0 and array.dtype.kind in "iu":
        return _as_index(int(array), length)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iub"):
        raise IndexError(
            "windows are chosen by an integer, a slice, or a 1-D array of integers or booleans, "
            f"got {key!r}."
        )
    if array.dtype.kind == "b":
        if len(array) != length:
            raise IndexError(
                f"a boolean index must name each of the {length} windows, got {len(array)}."
            )
        return np.flatnonzero(array)
    array = array.astype(np.intp)
    if array.size and (array.min() < -length or array.max() >= length):
        raise IndexError(
            f"an index lies outside the {length} windows: they run from 0 to {length - 1}."
        )
    return array


def _stride(segment: np.ndarray, start: np.ndarray) -> int | None:
    """Return the step between neighbouring windows of a segment if it is always the same."""
    steps = np.diff(start)[np.diff(segment) == 0]
    if len(steps) == 0 or steps[0] <= 0 or np.any(steps != steps[0]):
        return None
    return int(steps[0])


def _bytes(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
