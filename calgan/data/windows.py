"""Windows of a recording, cut lazily: a view costs no more memory than the recording."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from calgan.data.recording import Recording
from calgan.data.segments import as_segments, is_list_of_trials
from calgan.data.stored import StoredTraces
from calgan.data.transformer import Read, Transformer, positions_of
from calgan.data.validation import check_integer, common_frame_rate, is_lazy

# Windows that a view gathers at a time before it applies its transforms.
_GATHERED = 256
_CHUNK_VALUES = 4_000_000  # read at a time by `iter_frames`: 32 MB as float64
_MOST_VALUES = 1 << 31  # of windows that overlap: those of the thesis, encoded, have as many


@dataclass(frozen=True, eq=False, repr=False)
class WindowView:
    """Read-only, array-like view of windows that are gathered when they are needed.

    A view holds the segments once and two integers a window. Slices, integer and boolean arrays
    give views, one integer gives an array, and ``np.asarray(view)`` expands everything.
    """

    segments: tuple[np.ndarray, ...]  # uninterrupted, (T_i, N) each, float32; may be StoredTraces
    segment: np.ndarray  # which of them each window lies in, (M,)
    start: np.ndarray  # first frame of each window within its segment, (M,)
    window: int  # frames a window, before any transform
    frame_rate: float | None = None  # Hz
    roi_ids: np.ndarray | None = None
    transforms: tuple[Callable[[np.ndarray], np.ndarray], ...] = ()  # applied to batches in turn
    sample_shape: tuple[int, ...] | None = None  # of a window after them; None means (window, N)
    units: str | None = None
    frame_wise: bool = True  # whether each transform treats each frame by itself

    def __post_init__(self) -> None:
        for name in ("segment", "start"):
            array = np.asarray(getattr(self, name), dtype=np.intp)
            if array.flags.writeable:  # those of another view are shared
                array = array.copy()
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

    def gather(self, indices: Any = None) -> np.ndarray:
        """Return windows (m, T, N) or (m, T, N, C) chosen by a slice or an array; None: all."""
        chosen = slice(None) if indices is None else _as_index(indices, len(self))
        segment, start = self.segment[chosen], self.start[chosen]
        if not self.transforms:
            return self._cut(segment, start)
        # In pieces: a transform may need several times the memory of what it returns.
        out = np.empty((len(start), *self.shape[1:]), dtype=np.float32)
        for first in range(0, len(start), _GATHERED):
            piece = slice(first, first + _GATHERED)
            windows = self._transformed(self._cut(segment[piece], start[piece]))
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

    def _transformed(self, values: np.ndarray) -> np.ndarray:
        for transform in self.transforms:
            values = transform(values)
        return values

    def iter_batches(self, batch_size: int = 64) -> Iterator[np.ndarray]:
        """Yield the windows in order as arrays of at most `batch_size` windows."""
        step = check_integer(batch_size, "batch_size")
        return (self.gather(slice(first, first + step)) for first in range(0, len(self), step))

    def map(
        self,
        func: Callable[[np.ndarray], np.ndarray],
        sample_shape: tuple[int, ...] | None = None,
        *,
        frame_wise: bool = False,
        units: str | None = None,
    ) -> WindowView:
        """Return a view that applies `func` to every batch (m, ...) it gathers.

        `func` treats each window alike, whatever the batch, and pickles if the view is to. If it
        also treats each frame (N,) alike, say `frame_wise`: then segments are still known.
        """
        return replace(
            self,
            transforms=(*self.transforms, func),
            sample_shape=self.shape[1:] if sample_shape is None else tuple(sample_shape),
            frame_wise=self.frame_wise and frame_wise,
            units=units,
        )

    def iter_frames(self, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the frames (t, N) that windows cover, and how many windows hold each, (t,).

        Each is yielded once, in pieces of at most `size` frames that no gap interrupts.
        """
        for base, counts, first, last in self._covered():
            for begin in range(first, last, size):
                piece = slice(begin, min(begin + size, last))
                yield self._transformed(base[piece]), counts[piece]

    def _covered(self) -> Iterator[tuple[np.ndarray, np.ndarray, int, int]]:
        """Yield segments, how many windows hold each frame, and each range that windows cover."""
        if not self.frame_wise:
            raise ValueError(
                "a transform of this view mixes frames, so the view has lost its segments; use "
                "iter_batches."
            )
        for which, base in enumerate(self.segments):
            counts = self.n_holding(which)
            covered = np.concatenate([[0], counts > 0, [0]])
            for first, last in np.flatnonzero(np.diff(covered)).reshape(-1, 2).tolist():
                yield base, counts, first, last

    def n_holding(self, which: int) -> np.ndarray:
        """Return how many windows hold each frame of a segment, (T_i,)."""
        start = self.start[self.segment == which]
        edges = np.zeros(len(self.segments[which]) + 1, dtype=np.int64)
        np.add.at(edges, start, 1)
        np.add.at(edges, start + self.window, -1)
        return np.cumsum(edges)[:-1]

    def covered_frames(self) -> list[np.ndarray]:
        """Return the segments (t_i, N) that windows cover, each frame once.

        Frames that no window holds, such as the test frames of a fold, separate segments. Traces
        in a file stay unread.
        """
        parts = []
        for base, _, first, last in self._covered():
            if isinstance(base, StoredTraces):
                part: Any = base.part(slice(first, last))
                parts.append(part.map(self._transformed) if self.transforms else part)
            else:
                parts.append(self._transformed(base[first:last]))
        return parts

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


def _fingerprint(segment: np.ndarray) -> bytes:
    """Hash of a segment's shape and a few of its frames, cheap for a memory map, too."""
    few = np.linspace(0, len(segment) - 1, 16).astype(int)
    return hashlib.sha256(repr(segment.shape).encode() + segment[few].tobytes()).digest()


def frames_used(X: Any) -> dict[tuple[int, bytes], np.ndarray]:
    """Return which frames (T_i,) the windows of a view hold, by number and hash of the segment.

    An array of windows does not know its frames.
    """
    if not is_lazy(X):
        return {}
    return {
        (which, _fingerprint(X.segments[which])): X.n_holding(which) > 0
        for which in np.unique(X.segment).tolist()
    }


def share_of_frames(X: Any, used: dict[tuple[int, bytes], np.ndarray]) -> float:
    """Return the share of the frames of a view that are among those `used`."""
    mine = frames_used(X)
    n_shared = sum(np.count_nonzero(mine[key] & used[key]) for key in mine.keys() & used.keys())
    return float(n_shared / max(1, sum(map(np.count_nonzero, mine.values()))))


def warn_of_short_segments(
    segments: Sequence[np.ndarray], window: int, *, name: str = "X", stacklevel: int = 2
) -> None:
    """Warn of segments that give no window, if there are any."""
    n_short = sum(len(segment) < window for segment in segments)
    if n_short:
        warnings.warn(
            f"{n_short} of {len(segments)} segments of {name} are shorter than the window of "
            f"{window} frames and give no window.",
            UserWarning,
            stacklevel=stacklevel + 1,
        )


def cut_windows(
    segments: Sequence[np.ndarray], window: int, stride: int = 1, **known: Any
) -> WindowView:
    """View segments (T_i, N) as windows at every `stride`-th start; `known` describes them.

    A segment of T_i frames gives (T_i - window) // stride + 1 windows, or none if it is shorter.
    """
    stride = min(stride, max(map(len, segments)))
    counts = [max(0, (len(segment) - window) // stride + 1) for segment in segments]
    return WindowView(
        segments=tuple(segments),
        segment=np.repeat(np.arange(len(segments)), counts),
        start=np.concatenate([stride * np.arange(count) for count in counts]),
        window=window,
        **known,
    )


def segments_of(X: Any) -> list[np.ndarray]:
    """Return the segments (t, N) of a recording, trials or windows, each frame once.

    Windows of an array, and of a view whose transforms mix frames, are segments of their own.
    """
    if is_lazy(X):
        return X.covered_frames() if X.frame_wise else list(X.gather())
    return as_segments(X, check_orientation=False).arrays


def gather(X: Any, indices: Any = None) -> np.ndarray:
    """Return some windows of a view or an array, (m, ...), as a float32 array; None: all."""
    if isinstance(X, WindowView):
        return X.gather(indices)
    array = np.asarray(X, dtype=np.float32)
    return array if indices is None else array[_as_index(indices, len(array))]


def iter_batches(X: Any, batch_size: int = 64) -> Iterator[np.ndarray]:
    """Yield the windows of a view or an array in order, at most `batch_size` at a time."""
    if isinstance(X, WindowView):
        return X.iter_batches(batch_size)
    step = check_integer(batch_size, "batch_size")
    array = X if isinstance(X, StoredTraces) else np.asarray(X, dtype=np.float32)
    return (array[first : first + step] for first in range(0, len(array), step))


def iter_frames(X: Any) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Yield data in pieces, and how many windows hold each frame (None: one).

    Pieces are frames (t, N), each once, or windows (m, T, N) or (m, T, N, C) if a view has lost its
    segments or X is an array of windows. Of such a view of more than 2**31 values, that many are
    yielded, in windows that are spread evenly.
    """
    if is_lazy(X) and X.frame_wise:
        yield from X.iter_frames(max(1, _CHUNK_VALUES // X.shape[2]))
        return
    if is_lazy(X) and X.size > _MOST_VALUES:
        n_windows = max(1, _MOST_VALUES // math.prod(X.shape[1:]))
        X = X[np.linspace(0, len(X) - 1, n_windows).round().astype(np.intp)]
    whole = segments_of(X) if isinstance(X, Recording) or is_list_of_trials(X) else [X]
    for part in whole:
        for piece in iter_batches(part, max(1, _CHUNK_VALUES // math.prod(part.shape[1:]))):
            yield piece, None


class Windower(Transformer):
    """Cut recordings into overlapping windows, lazily and never across a segment's border.

    A segment of ``T_i`` frames gives ``(T_i - window) // stride + 1`` windows. `transform` returns
    a `WindowView`, which holds the recording once, however many windows there are. There is no
    ``inverse_transform``: overlapping or generated windows have no order in time.

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
        view = self._view(X, check_orientation=True)
        self._learn(X, _read_of(view, X))
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
            If every segment is shorter than `window`, or if the neurons or the frame rate differ
            from those that `fit` saw.

        Warns
        -----
        UserWarning
            If some segments are shorter than `window` and so give no window.
        """
        check_is_fitted(self)
        view = self._view(X, check_orientation=False)
        self._check_neurons(X, _read_of(view, X))
        common_frame_rate({"X": view.frame_rate, "the data of fit": self.frame_rate_})
        if view is not X:
            # scikit-learn wraps this method
            warn_of_short_segments(view.segments, view.window, stacklevel=3)
        return view

    def _view(self, X: Any, *, check_orientation: bool) -> WindowView:
        window = check_integer(self.window, "window")
        stride = check_integer(self.stride, "stride")
        if isinstance(X, WindowView):
            if X.window != window:
                raise ValueError(
                    f"X holds windows of {X.window} frames, but Windower has window={window}; pass "
                    "the recording, or windows of that length."
                )
            return X
        segments, frame_rate, roi_ids, units = as_segments(X, check_orientation=check_orientation)
        longest = max(map(len, segments))
        if longest < window:
            what = "the recording has" if len(segments) == 1 else "its longest segment has"
            raise ValueError(
                f"a window of {window} frames is longer than X: {what} only {longest}; choose a "
                f"window of at most {longest}."
            )
        return cut_windows(
            segments, window, stride, frame_rate=frame_rate, roi_ids=roi_ids, units=units
        )


def _read_of(view: WindowView, X: Any) -> Read:
    n_neurons = view.segments[0].shape[1]
    positions = positions_of(X, n_neurons)
    return Read(view, n_neurons, view.frame_rate, view.roi_ids, view.units, positions)


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
