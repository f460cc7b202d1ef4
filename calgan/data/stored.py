"""Traces that stay in their file: pieces are read when they are needed."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.lib.mixins import NDArrayOperatorsMixin
from scipy.sparse import issparse

# Traces of no more values than this are read into memory: 128 MB as float32.
IN_MEMORY = 1 << 25
_CHUNK_VALUES = 1 << 22  # read at a time: 16 MB as float32
_BLOCK = 1 << 21  # bytes of a map whose pages are given back together


class StoredTraces(NDArrayOperatorsMixin):
    """Traces (T, N) in a file, seen through a choice of frames and neurons, and functions.

    Indices give float32 arrays, and read no other frames. All else that an array can do reads
    everything. `part` and `map` read nothing.
    """

    def __init__(
        self,
        source: Any,
        *,
        frames: slice = slice(None),
        neurons: np.ndarray | None = None,
        func: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self._source, self._neurons, self._func = source, neurons, func
        self._first, stop, _ = frames.indices(source.shape[0])
        n_neurons = source.shape[1] if neurons is None else len(neurons)
        self.shape = (max(0, stop - self._first), int(n_neurons))
        # Whether it is known that NaN and infinity are nowhere.
        self.is_finite: bool = func is None and source.is_finite

    _finite: tuple[np.ndarray, np.ndarray] | None = None  # what was found
    ndim = 2
    dtype = np.dtype(np.float32)

    @property
    def size(self) -> int:
        """Number of values."""
        return self.shape[0] * self.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes that the values take in memory."""
        return self.size * self.dtype.itemsize

    def part(
        self, frames: slice = slice(None), *, neurons: np.ndarray | None = None
    ) -> StoredTraces:
        """Return the traces of a range of frames and of some neurons, unread."""
        return StoredTraces(self, frames=frames, neurons=neurons)

    def map(self, func: Callable[[np.ndarray], np.ndarray]) -> StoredTraces:
        """Return the traces as `func`, which treats each frame (N,) alike, makes them, unread."""
        return StoredTraces(self, func=func)

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the frames of a range in pieces, with the number of the first frame of each."""
        stop = len(self) if stop is None else stop
        step = max(1, _CHUNK_VALUES // self.shape[1])
        for first in range(start, stop, step):
            yield first, self._read(first, min(first + step, stop))

    def finite(self) -> tuple[np.ndarray, np.ndarray]:
        """Return which frames have a value of every neuron (T,), and the values of each (N,).

        NaN and infinity are no values. The file is read once, however often it is asked.
        """
        if self._finite is None:
            whole, n_values = np.ones(len(self), dtype=bool), np.full(self.shape[1], len(self))
            if self.is_finite:
                return whole, n_values
            for first, chunk in self.chunks():
                # A sum is not finite if one of its values is not; it may overflow, too.
                if not np.isfinite(chunk.sum(dtype=np.float64)):
                    finite = np.isfinite(chunk)
                    whole[first : first + len(chunk)] = finite.all(axis=1)
                    n_values -= len(chunk) - finite.sum(axis=0)
            self._finite, self.is_finite = (whole, n_values), bool(whole.all())
        return self._finite

    def __getitem__(self, key: Any) -> np.ndarray:
        pair = isinstance(key, tuple) and len(key) == 2
        frames, neurons = key if pair else (key, slice(None))
        if isinstance(frames, slice) and frames.step in (None, 1):
            start, stop, _ = frames.indices(len(self))
            return self._fill(start, stop, neurons)
        if frames is None or frames is Ellipsis or isinstance(frames, tuple):
            return np.asarray(self)[key]
        if isinstance(frames, (int, np.integer)):
            start = range(len(self))[frames]  # refuses those that are not there
            return self._fill(start, start + 1, neurons)[0]
        index = np.arange(len(self))[frames]
        used, inverse = np.unique(index, return_inverse=True)
        values = np.empty((len(used), self.shape[1]), dtype=np.float32)
        for run in np.split(np.arange(len(used)), np.flatnonzero(np.diff(used) != 1) + 1):
            if len(run):
                values[run] = self._fill(used[run[0]], used[run[-1]] + 1)
        inverse = inverse.reshape(np.shape(index))
        if isinstance(neurons, slice):
            return values[inverse][..., neurons]
        return values[inverse, neurons]

    def __iter__(self) -> Iterator[np.ndarray]:
        for _, chunk in self.chunks():
            yield from chunk

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("traces in a file are copied into memory as they are read.")
        return self._fill(0, len(self)).astype(self.dtype if dtype is None else dtype, copy=False)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        read = [np.asarray(each) if isinstance(each, StoredTraces) else each for each in inputs]
        return getattr(ufunc, method)(*read, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"traces in a file have no attribute {name!r}.")
        return getattr(np.asarray(self), name)

    def __repr__(self) -> str:
        return f"StoredTraces({self.shape[0]} frames x {self.shape[1]} neurons)"

    def _read(self, first: int, last: int) -> np.ndarray:
        """Return the frames first to last - 1, which memory holds."""
        begin = self._first + first
        values = self._source[begin : begin + last - first]
        values = values if self._neurons is None else values[:, self._neurons]
        if self._func is not None:
            values = self._func(values)
        with np.errstate(over="ignore"):  # becomes infinity, which is reported where it counts
            return np.asarray(values, dtype=np.float32)

    def _fill(self, start: int, stop: int, neurons: Any = slice(None)) -> np.ndarray:
        """Return a range of frames of some neurons, if memory holds it."""
        n_frames = max(0, stop - start)
        if n_frames * self.shape[1] <= _CHUNK_VALUES:
            return self._read(start, start + n_frames)[:, neurons]
        columns = np.arange(self.shape[1])[neurons]
        check_memory(
            n_frames * columns.size * 4,
            f"all {n_frames} frames of {columns.size} neurons",
            "take a part of the recording, recording[start:stop] or recording.select(neurons)",
        )
        out = np.empty((n_frames, *columns.shape), dtype=np.float32)
        for first, chunk in self.chunks(start, stop):
            out[first - start : first - start + len(chunk)] = chunk[:, neurons]
        return out


def as_stored(X: Any, name: str = "traces", *, turned: bool = False) -> StoredTraces | None:
    """Return traces that lie in a file and are too many for memory, unread; None for all others.

    These are memory maps opened with mode "r", and what h5py, zarr and others give: arrays with a
    shape and a numpy type that are no numpy arrays. `turned` changes the places of their axes.
    """
    if isinstance(X, StoredTraces):
        return X
    source = source_of(X)
    if source is None or np.prod(source.shape, dtype=float) <= IN_MEMORY:
        return None
    if len(source.shape) != 2:
        if isinstance(X, np.ndarray):
            return None
        raise ValueError(
            f"{name} must be a recording of shape (frames, neurons), but it is {len(source.shape)}"
            f"-D with shape {source.shape}; pass one (frames, neurons) array."
        )
    return StoredTraces(_Turned(source) if turned else source)


def source_of(X: Any) -> Any:
    """Return an array in a file, which gives what is indexed and pickles; None for all others."""
    if issparse(X) or type(X).__module__.partition(".")[0] == "xarray":
        return None  # in memory, or read as a whole
    in_hdf5 = type(X).__module__.partition(".")[0] == "h5py"
    if in_hdf5 and not X:
        raise ValueError(
            "the HDF5 file of the array was closed: open it again, and pass its array."
        )
    shape, dtype = getattr(X, "shape", None), getattr(X, "dtype", None)
    if not isinstance(shape, tuple) or not isinstance(dtype, np.dtype) or dtype.kind not in "biuf":
        return None
    if isinstance(X, np.ndarray):
        root = _root(X)
        if root is None or root.mode != "r" or X.flags.writeable:
            return None
        return _Mapped(X, root)
    if not hasattr(X, "__getitem__"):
        return None
    return _Hdf5(X) if in_hdf5 else _Other(X)


def is_stored(X: Any) -> bool:
    """Tell traces that stay in their file."""
    return isinstance(X, StoredTraces)


class _Turned:
    """An array whose axes change places."""

    def __init__(self, source: Any) -> None:
        self._source, self.shape = source, tuple(source.shape[::-1])
        self.is_finite = source.is_finite

    def __getitem__(self, frames: slice) -> np.ndarray:
        return np.asarray(self._source[:, frames]).T


class _Other:
    """An array of zarr, or of another library."""

    def __init__(self, source: Any) -> None:
        self._source, self.shape, self.dtype = source, source.shape, source.dtype
        # Integers of netCDF4 may be masked.
        self.is_finite = source.dtype.kind in "biu" and type(source).__module__.startswith("zarr")

    def __getitem__(self, key: Any) -> np.ndarray:
        values = self._source[key]
        if isinstance(values, np.ma.MaskedArray):  # as netCDF4 gives them
            return np.ma.filled(values.astype(np.float32), np.nan)
        return np.asarray(values)


class _Mapped:
    """A memory map; what is read of it does not stay in memory. A pickle names its file."""

    def __init__(self, array: np.ndarray, root: np.memmap) -> None:
        self.shape, self.dtype = array.shape, array.dtype
        self.is_finite = array.dtype.kind in "biu"
        path = None if root.filename is None else os.path.abspath(root.filename)
        offset = root.offset - root.offset % mmap.ALLOCATIONGRANULARITY
        # Of its first value, which of an array in reverse is not the lowest in memory.
        offset += array.__array_interface__["data"][0] - _address(root)
        self._path = path
        self._layout = array.shape, array.dtype, array.strides, offset
        self._array, self._root = array, root

    def __getitem__(self, key: Any) -> np.ndarray:
        piece = self._array[key]
        values = np.array(piece)
        _give_back(piece, self._root)
        return values

    def __getstate__(self) -> dict[str, Any]:
        if self._path is None:
            raise ValueError(
                "a memory map without a file name cannot be pickled: open the file with "
                "np.load(path, mmap_mode='r')."
            )
        return {k: v for k, v in vars(self).items() if k not in ("_array", "_root")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        shape, dtype, strides, offset = self._layout
        try:
            self._root = np.memmap(str(self._path), np.uint8, mode="r")
            self._array = np.ndarray(shape, dtype, self._root, offset, strides)
        except (OSError, TypeError, ValueError) as error:
            raise OSError(_gone(self._path, error)) from error


class _Hdf5:
    """An array of an HDF5 file, which is opened again if it was closed. A pickle names it."""

    def __init__(self, dataset: Any) -> None:
        self.shape, self.dtype = tuple(dataset.shape), dataset.dtype
        self.is_finite = dataset.dtype.kind in "biu"
        self._path, self._name = os.path.abspath(dataset.file.filename), dataset.name
        self._dataset = dataset

    def __getitem__(self, key: Any) -> np.ndarray:
        if not self._dataset:  # of a closed file
            self._dataset = self._open()
        return self._dataset[key]

    def _open(self) -> Any:
        import h5py

        try:
            dataset = h5py.File(self._path, "r")[self._name]
        except (OSError, KeyError, TypeError) as error:
            raise OSError(_gone(self._path, error)) from error
        if dataset.shape != self.shape:
            raise OSError(_gone(self._path, f"{self._name} has shape {dataset.shape} now"))
        return dataset

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_dataset": None}


def _gone(path: Any, why: Any) -> str:
    return f"{path}, in which the data lie, cannot be read any more: {why}."


def _root(array: np.ndarray) -> np.memmap | None:
    """Return the memory map that an array is a view of, None if it is none."""
    base: Any = array
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap) and isinstance(base.base, mmap.mmap):
            return base
        base = base.base
    return None


def _address(root: np.memmap) -> int:
    """Return where a map lies in memory."""
    mapped: Any = root.base
    return int(np.frombuffer(mapped, np.uint8).ctypes.data)


def _give_back(piece: np.ndarray, root: np.memmap) -> None:
    """Take the pages of a part of a read-only map out of this process; the system may keep them."""
    mapped: Any = root.base
    if not hasattr(mapped, "madvise") or not piece.size:  # Windows
        return
    start = _address(root)
    low, high = (bound - start for bound in byte_bounds(piece))
    low, high = low // _BLOCK * _BLOCK, min(-(-high // _BLOCK) * _BLOCK, len(mapped))
    mapped.madvise(mmap.MADV_DONTNEED, low, high - low)


def check_memory(needed: float, asked: str, advice: str) -> None:
    """Refuse as many bytes as the memory that is left does not hold: the system would end Python.

    `asked` says what was asked for, `advice` what to do instead.
    """
    try:
        with open("/proc/meminfo") as file:
            held = dict(line.split(":") for line in file)
        left = int(held["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):  # another system than Linux
        return
    if needed > left:
        raise MemoryError(
            f"{asked} were asked for, which take {needed / 1e9:.1f} GB, but {left / 1e9:.1f} GB of "
            f"memory are left: {advice}."
        )
