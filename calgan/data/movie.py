"""Movies: frames of a calcium-imaging experiment with their frame rate, read when needed."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from calgan.data.recording import Recording, later
from calgan.data.stored import check_memory, source_of
from calgan.data.validation import as_real_array, check_frame_rate, check_integer, shown

_CHUNK_VALUES = 1 << 23  # read at a time: 32 MB as float32
_COLOURS = (3, 4)  # values of a pixel in RGB, and with transparency


class Movie:
    """A calcium-imaging movie: T frames of H rows and W columns, and their frame rate.

    A movie cannot be changed: its attributes and arrays are read-only.

    Parameters
    ----------
    frames : array-like of shape (T, H, W)
        Brightness of the pixels, frames first, of any real type. An array is not copied: do not
        change it later. What lies in a file stays there, see Notes.
    frame_rate : float
        Frames per second (Hz).
    metadata : mapping, default=None
        Anything else worth keeping. ``"synthetic"`` is True for a movie that was rendered, and
        ``"t_start"`` is the time of the first frame (s).

    Attributes
    ----------
    frames : array-like of shape (T, H, W)
        Brightness in its own type: an ndarray, or an array in a file that reads what is indexed.
    frame_rate : float
        Frames per second (Hz).
    metadata : mapping
        Anything else.

    Raises
    ------
    TypeError
        If the frames are not real numbers, or the frame rate is not a number.
    ValueError
        If the frames are not 3-D, as those in colour, or are empty; if the frame rate is not
        positive.

    Warns
    -----
    UserWarning
        If the shape looks like (H, W, T), or like one image in colour.

    See Also
    --------
    Recording : Traces of neurons.

    Notes
    -----
    Pixel (x, y) is ``frames[:, y, x]``: x counts columns and y rows, from 0 at the centre of the
    first pixel.

    A movie may be larger than memory. Memory maps opened with mode "r", arrays of h5py and zarr,
    and other arrays that read what is indexed stay in their file:

    - ``Movie(np.load("movie.npy", mmap_mode="r"), 30.0)``
    - ``Movie(h5py.File("movie.h5")["mov"], 30.0)``; the file may be closed meanwhile

    `chunks` reads such a movie in memory that does not depend on its length. A pickle names the
    file and does not hold the frames. ``np.asarray(movie)`` reads all frames as float32.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan import Movie
    >>> movie = Movie(np.zeros((600, 64, 96), dtype=np.uint16), frame_rate=10.0)
    >>> movie
    Movie(600 frames of 64 x 96 pixels, uint16, 10 Hz, 60.0 s)
    >>> movie[:100].duration
    10.0
    >>> [(first, chunk.shape) for first, chunk in movie.chunks(400)]
    [(0, (400, 64, 96)), (400, (200, 64, 96))]
    """

    __slots__ = ("_frame_rate", "_frames", "_metadata")

    _frames: Any  # a read-only ndarray, or StoredFrames
    _frame_rate: float | None  # None if check_movie was given an array
    _metadata: Mapping[str, Any]

    def __init__(
        self, frames: Any, frame_rate: float, *, metadata: Mapping[str, Any] | None = None
    ) -> None:
        if metadata is not None and not isinstance(metadata, Mapping):
            raise TypeError(f"metadata must be a mapping such as a dict, got {metadata!r}.")
        checked = _check_frames(frames, "frames")
        self._assign(checked, check_frame_rate(frame_rate), dict(metadata or {}))

    def _assign(self, frames: Any, frame_rate: float | None, metadata: dict[str, Any]) -> None:
        object.__setattr__(self, "_frames", frames)
        object.__setattr__(self, "_frame_rate", frame_rate)
        object.__setattr__(self, "_metadata", MappingProxyType(metadata))

    @classmethod
    def _trusted(cls, *args: Any) -> Movie:
        """Build from parts of a checked movie."""
        movie = cls.__new__(cls)
        movie._assign(*args)
        return movie

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a Movie is read-only, so {name!r} cannot be set; make a new Movie.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Movie is read-only, so {name!r} cannot be deleted.")

    def __reduce__(self) -> tuple[Any, ...]:
        return (_unpickled, (self._frames, self._frame_rate, dict(self._metadata)))

    @property
    def frames(self) -> Any:
        """Brightness, (T, H, W), in its own type; of frames in a file, an index reads."""
        return self._frames

    @property
    def frame_rate(self) -> float | None:
        """Frames per second (Hz)."""
        return self._frame_rate

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Anything else, a read-only mapping."""
        return self._metadata

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns, (T, H, W)."""
        return tuple(map(int, self._frames.shape))  # type: ignore[return-value]

    @property
    def n_frames(self) -> int:
        """Number of frames T."""
        return self.shape[0]

    @property
    def duration(self) -> float:
        """Length of the movie (s)."""
        if self._frame_rate is None:
            raise ValueError(
                "an array has no frame rate, so its duration is unknown: pass Movie(frames, "
                "frame_rate)."
            )
        return self.n_frames / self._frame_rate

    def chunks(self, n_frames: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the movie in pieces of consecutive frames, each with the number of its first frame.

        Parameters
        ----------
        n_frames : int, default=None
            Frames of a piece; the last one may have fewer. None takes as many as 32 MB hold.

        Yields
        ------
        first : int
            Number of the first frame of the piece.
        frames : ndarray of shape (n, H, W), float32
            Frames, which the caller may change.

        Raises
        ------
        ValueError
            If a pixel is NaN or infinite, which names the frame and the pixel.

        Examples
        --------
        >>> import numpy as np
        >>> from calgan import Movie
        >>> movie = Movie(np.ones((50, 8, 8)), 10.0)
        >>> sum(float(chunk.sum()) for _, chunk in movie.chunks(20))
        3200.0
        """
        height, width = self.shape[1:]
        if n_frames is None:
            step = max(1, _CHUNK_VALUES // (height * width))
        else:
            step = check_integer(n_frames, "n_frames")
        # A function of its own, so that a wrong n_frames is refused at the call.
        return self._chunks(step)

    def _chunks(self, step: int) -> Iterator[tuple[int, np.ndarray]]:
        finite = self._frames.dtype.kind in "biu"
        for first in range(0, self.n_frames, step):
            with np.errstate(over="ignore"):  # becomes infinity, which is refused
                piece = np.array(self._frames[first : first + step], dtype=np.float32)
            # A sum is not finite if one of its values is not.
            if not finite and not np.isfinite(piece.sum(dtype=np.float64)):
                _check_finite(piece, first)
            yield first, piece

    def with_frames(self, frames: Any) -> Movie:
        """Return a movie of the same frame rate and metadata with other frames.

        Parameters
        ----------
        frames : array-like of shape (T, H, W)
            The new frames, as `Movie` takes them.

        Returns
        -------
        Movie
            The movie of the new frames.

        Raises
        ------
        ValueError
            If the frames are no movie.

        Examples
        --------
        >>> import numpy as np
        >>> from calgan import Movie
        >>> movie = Movie(np.ones((50, 9, 8)), 10.0)
        >>> movie.with_frames(movie.frames[:, :5])
        Movie(50 frames of 5 x 8 pixels, float64, 10 Hz, 5.0 s)
        """
        checked = _check_frames(frames, "frames")
        return Movie._trusted(checked, self._frame_rate, dict(self._metadata))

    def __getitem__(self, frames: slice) -> Movie:
        """Return the frames ``start:stop`` as a Movie, unread."""
        if not isinstance(frames, slice) or frames.step not in (None, 1):
            raise TypeError(
                "a Movie is sliced by frames as movie[start:stop] without a step, got "
                f"{shown(frames)}; use movie.frames[...] for single frames and for pixels."
            )
        start, stop, _ = frames.indices(self.n_frames)
        if stop <= start:
            raise ValueError(
                f"the slice {frames.start}:{frames.stop} holds no frame of this movie of "
                f"{self.n_frames} frames."
            )
        part = self._frames
        part = part.part(start, stop) if isinstance(part, StoredFrames) else part[start:stop]
        metadata = dict(self._metadata)
        if start and self._frame_rate is not None:
            metadata |= later(metadata, start / self._frame_rate)
        return Movie._trusted(part, self._frame_rate, metadata)

    def __len__(self) -> int:
        return self.n_frames

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self._frames, dtype=np.float32 if dtype is None else dtype, copy=copy)

    def __repr__(self) -> str:
        n_frames, height, width = self.shape
        rate = self._frame_rate
        timing = "" if rate is None else f", {rate:g} Hz, {self.duration:.1f} s"
        synthetic = ", synthetic" if self._metadata.get("synthetic") is True else ""
        return (
            f"Movie({n_frames} frames of {height} x {width} pixels, {self._frames.dtype}{timing}"
            f"{synthetic})"
        )


class StoredFrames:
    """Frames (T, H, W) in a file: an index reads the frames that it names, and no others."""

    ndim = 3

    def __init__(self, source: Any, start: int = 0, stop: int | None = None) -> None:
        self._source, self._start = source, start
        n_frames = (source.shape[0] if stop is None else stop) - start
        self.shape = (int(n_frames), *map(int, source.shape[1:]))
        self.dtype = source.dtype

    @property
    def size(self) -> int:
        """Number of values."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def nbytes(self) -> int:
        """Bytes that the frames take in memory."""
        return self.size * self.dtype.itemsize

    def part(self, start: int, stop: int) -> StoredFrames:
        """Return a range of frames, unread."""
        return StoredFrames(self._source, self._start + start, self._start + stop)

    def __getitem__(self, key: Any) -> np.ndarray:
        frames, *pixels = key if isinstance(key, tuple) else (key,)
        if isinstance(frames, (int, np.integer)):
            frame = range(len(self))[frames]  # refuses those that are not there
            return self._read(np.array([frame]))[0][tuple(pixels)]
        if frames is None or frames is Ellipsis or np.ndim(frames) > 1:
            return np.asarray(self)[key]
        index = np.arange(len(self))[frames]
        if not pixels:
            self._check_memory(len(index), self.dtype)
        # Of some pixels, no more frames than these are in memory at once.
        step = max(1, _CHUNK_VALUES // (self.shape[1] * self.shape[2]))
        pieces = [
            self._read(index[i : i + step])[(slice(None), *pixels)]
            for i in range(0, max(1, len(index)), step)
        ]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def __iter__(self) -> Iterator[np.ndarray]:
        for frame in range(len(self)):
            yield self[frame]

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("frames in a file are copied into memory as they are read.")
        out_dtype = self.dtype if dtype is None else np.dtype(dtype)
        self._check_memory(len(self), out_dtype)
        out = np.empty(self.shape, dtype=out_dtype)
        step = max(1, _CHUNK_VALUES // (self.shape[1] * self.shape[2]))
        for first in range(0, len(self), step):
            out[first : first + step] = self._read(np.arange(first, min(first + step, len(self))))
        return out

    def __repr__(self) -> str:
        return f"StoredFrames({' x '.join(map(str, self.shape))}, {self.dtype})"

    def _check_memory(self, n_frames: int, dtype: np.dtype) -> None:
        check_memory(
            float(n_frames) * self.shape[1] * self.shape[2] * dtype.itemsize,
            f"{n_frames} frames",
            "read them in pieces with movie.chunks(), or take movie[start:stop]",
        )

    def _read(self, index: np.ndarray) -> np.ndarray:
        """Return frames by their numbers; those in a row are read at once."""
        out = np.empty((len(index), *self.shape[1:]), dtype=self.dtype)
        for run in np.split(np.arange(len(index)), np.flatnonzero(np.diff(index) != 1) + 1):
            if len(run):
                first = self._start + int(index[run[0]])
                values = np.asarray(self._source[first : first + len(run)])
                if len(run) == len(index):
                    return values
                out[run] = values
        return out


def check_movie(X: Any, name: str = "movie") -> Movie:
    """Return a Movie for a Movie, and for an array (T, H, W), of which no frame rate is known."""
    return X if isinstance(X, Movie) else Movie._trusted(_check_frames(X, name, 5), None, {})


def _unpickled(frames: Any, frame_rate: float | None, metadata: dict[str, Any]) -> Movie:
    return Movie._trusted(_read_only(frames), frame_rate, metadata)


def _check_frames(X: Any, name: str, stacklevel: int = 4) -> Any:
    """Return frames (T, H, W) as a read-only ndarray or as StoredFrames, or refuse them."""
    if isinstance(X, (str, os.PathLike)):
        raise TypeError(
            f"{name} must be an array (frames, rows, columns), got the path {os.fspath(X)!r}: "
            "read the file with calgan.read_movie."
        )
    if isinstance(X, Recording):
        raise TypeError(
            f"{name} must be an array (frames, rows, columns), got a Recording, which holds "
            "traces and no frames."
        )
    if isinstance(X, Movie):
        return X._frames
    if isinstance(X, StoredFrames):
        return X
    source = source_of(X)
    array = as_real_array(X, name) if source is None else source
    shape = tuple(map(int, array.shape))
    if len(shape) != 3:
        raise ValueError(
            f"{name} must be a movie of shape (frames, rows, columns), but it is {len(shape)}-D "
            f"with shape {shape}; {_advice(shape, name)}."
        )
    if 0 in shape:
        raise ValueError(
            f"{name} is empty: its shape {shape} (frames, rows, columns) has an axis of length 0."
        )
    _warn_if_turned(shape, name, stacklevel)
    return _read_only(array) if source is None else StoredFrames(source)


def _advice(shape: tuple[int, ...], name: str) -> str:
    """Return what to do with an array that is not 3-D."""
    if len(shape) == 2:
        return f"pass {name}[None] if it is a single frame"
    if len(shape) == 4 and shape[3] in _COLOURS:
        return (
            f"if it is in colour, pass one colour, such as {name}[..., 1] for green, or their "
            f"mean {name}.mean(axis=-1)"
        )
    if len(shape) == 4 and shape[1] in _COLOURS:
        return f"pass one colour, channel or plane, such as {name}[:, 0]"
    if len(shape) == 4:
        return f"pass one channel or plane, such as {name}[:, 0] if they are its second axis"
    return "pass one (frames, rows, columns) array"


def _warn_if_turned(shape: tuple[int, int, int], name: str, stacklevel: int) -> None:
    """Warn of a shape whose frames seem to be last, or that seems to be an image in colour."""
    n_frames, height, width = shape
    said = f"{name} of shape {shape} was taken for {n_frames} frames of {height} x {width} pixels"
    if width in _COLOURS and min(n_frames, height) > 16:
        warnings.warn(
            f"{said}; if it is one image in colour, pass a movie of one colour.",
            UserWarning,
            stacklevel=stacklevel,
        )
    elif n_frames == height != width:
        warnings.warn(
            f"{said}; if the last axis is time, pass np.moveaxis({name}, -1, 0).",
            UserWarning,
            stacklevel=stacklevel,
        )


def _check_finite(piece: np.ndarray, first: int) -> None:
    """Refuse NaN and infinity in frames, of which the first has the number `first`."""
    bad = ~np.isfinite(piece)
    if bad.any():
        frame, y, x = (int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"the movie contains NaN or infinity, first ({piece[frame, y, x]}) in frame "
            f"{first + frame} at pixel x = {x}, y = {y}; fill such pixels, or leave out those "
            "frames or margins, first."
        )


def _read_only(frames: Any) -> Any:
    if isinstance(frames, StoredFrames):
        return frames
    view = frames.view()
    view.flags.writeable = False
    return view
