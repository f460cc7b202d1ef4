"""Recordings: traces of a neuronal population with their frame rate, ids and segments."""

from __future__ import annotations

import html
import numbers
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from calgan.data.ranges import check_ranges, cut_ranges
from calgan.data.stored import is_stored
from calgan.data.validation import (
    check_finite,
    check_frame_rate,
    check_neurons,
    check_recording,
    check_text,
    warn_if_roi_first,
)

_LEAVE = "interpolate or leave out those frames or neurons"
_CUT = f"{_LEAVE}, or let them be borders with segments=calgan.io.finite_segments(traces)"
ARBITRARY = "a.u."  # units of scaled traces, and of those whose units are unknown


class Recording:
    """A calcium-imaging recording: fluorescence traces of N neurons over T frames.

    A recording cannot be changed: its attributes and arrays are read-only.

    Parameters
    ----------
    traces : array-like of shape (T, N)
        Fluorescence, frames first, in `units`. Converted to float32 and copied; a float32 memory
        map that was opened read-only is kept as a map. Frames outside all segments may be NaN.
        More than 2**25 values (128 MB) stay in their file, see Notes.
    frame_rate : float
        Frames per second (Hz).
    roi_ids : array-like of shape (N,), default=None
        One unique id a neuron; None takes the columns of a data frame, or numbers them from 0.
    units : str, default="dF/F"
        Units of the traces.
    segments : array-like of shape (S, 2), default=None
        Uninterrupted frame ranges ``[start, stop)``, in order and without overlap, such as trials.
        Windows never cross their borders, and frames outside them are not used. None means one
        segment of all frames.
    metadata : mapping, default=None
        Anything else worth keeping. Not compared by ``==``. Some keys have a meaning:
        ``"positions"``, the centres (N, 2) or (N, 3) of the neurons, which `NeuronSorter` reads;
        ``"accepted"``, whether a neuron passed curation, (N,); ``"spikes"``, their number per
        frame, (T, N); ``"t_start"``, the time of the first frame (s); ``"stimulus_times"`` and
        ``"trials"``, mappings of a name to times (s) from the first frame, in trials under names
        that end in ``_time``; ``"synthetic"``, True for a recording that a generator drew; and
        ``"components"``, a `sklearn.utils.Bunch` of what lies behind its traces, arrays (T, N) of
        calcium, spikes, rates and amplitudes and (T, K) of factors. `select` picks the neurons of
        all these. A slice picks the frames, and counts times from its own first frame.

    Attributes
    ----------
    traces : ndarray of shape (T, N), float32
        Fluorescence. Of traces that stay in their file, what an index asks for is read; any other
        use reads them all.
    frame_rate : float
        Frames per second (Hz).
    roi_ids : ndarray of shape (N,)
        Ids of the neurons.
    units : str
        Units of the traces.
    segments : ndarray of shape (S, 2), int
        Uninterrupted frame ranges ``[start, stop)``.
    metadata : mapping
        Anything else.

    Raises
    ------
    TypeError
        If the traces are not real numbers, or the frame rate is not a number.
    ValueError
        If the traces are not 2-D, are empty or hold NaN or infinity inside a segment; if the
        frame rate is not positive; if ids or segments do not fit the traces.

    Warns
    -----
    UserWarning
        If there are more neurons than frames over all segments.

    Notes
    -----
    Traces of more than 2**25 values stay in their file if they are given as a memory map opened
    with mode "r", an array of h5py or zarr, or another such array that reads what is indexed, of
    any real type:

    - ``Recording(np.load("big.npy", mmap_mode="r"), 30.0)``
    - ``Recording(h5py.File("big.h5")["dff"], 30.0)``; the file may be closed meanwhile
    - ``Recording(zarr.open("big.zarr")["dff"], 30.0)``

    They are read once for NaN. Slices, `select` and windows read nothing until values are needed,
    and networks train in memory that depends on the batch and the network, not on the recording.
    `CalciumFactorModel`, `DichotomizedGaussianCalcium`, dF/F and the search for artefacts read the
    whole recording into memory, and refuse one that the memory left does not hold (on Linux). A
    pickle names the file and does not hold the values. A compressed file is read fast if its chunks
    hold all neurons and about as many frames as a window.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan import Recording
    >>> recording = Recording(np.zeros((600, 20)), frame_rate=10.0)
    >>> recording
    Recording(600 frames x 20 neurons, 10 Hz, 60.0 s, dF/F)
    >>> recording[:100].duration
    10.0
    """

    __slots__ = ("_frame_rate", "_metadata", "_roi_ids", "_segments", "_traces", "_units")

    _frame_rate: float
    _metadata: Mapping[str, Any]
    _roi_ids: np.ndarray
    _segments: np.ndarray
    _traces: Any  # an ndarray, or StoredTraces, which read like one
    _units: str

    def __init__(
        self,
        traces: Any,
        frame_rate: float,
        *,
        roi_ids: Any = None,
        units: str = "dF/F",
        segments: Any = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        if isinstance(traces, (str, os.PathLike)):
            raise TypeError(
                f"traces must be an array (frames, neurons), got the path {os.fspath(traces)!r}: "
                "read the file with calgan.read_recording."
            )
        checked = check_recording(traces, name="traces", check_orientation=False, finite=False)
        n_frames, n_neurons = checked.shape
        ranges = check_ranges(segments, n_frames)
        _check_inside(checked, ranges, given=traces, advice=_CUT if segments is None else _LEAVE)
        checked = _own(checked)
        n_used = int((ranges[:, 1] - ranges[:, 0]).sum())
        warn_if_roi_first(n_used, n_neurons, name="traces")
        check_text(units, "units", "dF/F")
        if metadata is not None and not isinstance(metadata, Mapping):
            raise TypeError(f"metadata must be a mapping such as a dict, got {metadata!r}.")
        self._assign(
            checked,
            check_frame_rate(frame_rate),
            _check_roi_ids(_columns(traces) if roi_ids is None else roi_ids, n_neurons),
            units,
            ranges,
            dict(metadata or {}),
        )

    def _assign(
        self,
        traces: np.ndarray,
        frame_rate: float,
        roi_ids: np.ndarray,
        units: str,
        segments: np.ndarray,
        metadata: dict[str, Any],
    ) -> None:
        values = {
            "_traces": _read_only(traces),
            "_frame_rate": frame_rate,
            "_roi_ids": _read_only(roi_ids),
            "_units": units,
            "_segments": _read_only(segments),
            "_metadata": MappingProxyType(
                {
                    key: _read_only(value.copy()) if isinstance(value, np.ndarray) else value
                    for key, value in metadata.items()
                }
            ),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def _trusted(cls, *args: Any) -> Recording:
        """Build from parts of a checked recording, sharing its memory."""
        recording = cls.__new__(cls)
        recording._assign(*args)
        return recording

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(
            f"a Recording is read-only, so {name!r} cannot be set; make a new Recording."
        )

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Recording is read-only, so {name!r} cannot be deleted.")

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy does not pickle, and frozen attributes cannot be restored one by one.
        parts = (self._traces, self._frame_rate, self._roi_ids, self._units, self._segments)
        return (Recording._trusted, (*parts, dict(self._metadata)))

    @property
    def traces(self) -> np.ndarray:
        """Fluorescence, (T, N), float32, read-only."""
        return self._traces

    @property
    def frame_rate(self) -> float:
        """Frames per second (Hz)."""
        return self._frame_rate

    @property
    def roi_ids(self) -> np.ndarray:
        """Ids of the neurons, (N,)."""
        return self._roi_ids

    @property
    def units(self) -> str:
        """Units of the traces."""
        return self._units

    @property
    def segments(self) -> np.ndarray:
        """Uninterrupted frame ranges ``[start, stop)``, (S, 2)."""
        return self._segments

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Anything else, a read-only mapping."""
        return self._metadata

    @property
    def shape(self) -> tuple[int, int]:
        """Frames and neurons, (T, N)."""
        return self._traces.shape[0], self._traces.shape[1]

    @property
    def n_frames(self) -> int:
        """Number of frames T."""
        return self.shape[0]

    @property
    def n_neurons(self) -> int:
        """Number of neurons N."""
        return self.shape[1]

    @property
    def duration(self) -> float:
        """Length of the recording (s), all frames counted."""
        return self.n_frames / self._frame_rate

    @property
    def times(self) -> np.ndarray:
        """Time of each frame (s) from the first one, (T,)."""
        return np.arange(self.n_frames) / self._frame_rate

    def select(self, neurons: Any) -> Recording:
        """Return the recording of some neurons only.

        Parameters
        ----------
        neurons : slice, array-like of int or array-like of bool of shape (N,)
            Positions of the neurons to keep (not their ids), in the order wanted.

        Returns
        -------
        Recording
            The same frames, fewer neurons.

        Raises
        ------
        ValueError
            If no neuron is selected, or one is selected twice.
        IndexError
            If a position lies outside the recording.

        Examples
        --------
        >>> import numpy as np
        >>> from calgan import Recording
        >>> Recording(np.zeros((600, 20)), 10.0).select([3, 5]).roi_ids
        array([3, 5])
        """
        index = check_neurons(neurons, self.n_neurons, name="select")
        return Recording._trusted(
            _part(self._traces, neurons=index),
            self._frame_rate,
            self._roi_ids[index],
            self._units,
            self._segments,
            self._pick(neurons=index),
        )

    def with_traces(self, traces: Any, units: str | None = None) -> Recording:
        """Return the recording with other traces of the same frames and neurons.

        Parameters
        ----------
        traces : array-like of shape (T, N)
            The new traces.
        units : str, default=None
            Their units; None keeps those of the recording.

        Returns
        -------
        Recording
            The same frame rate, ids, segments and metadata. ``metadata["components"]`` belongs
            to the old traces and is left out.

        Raises
        ------
        ValueError
            If the traces have another shape, or hold NaN or infinity.

        Examples
        --------
        >>> import numpy as np
        >>> from calgan import Recording
        >>> recording = Recording(np.ones((600, 20)), 10.0, units="counts")
        >>> recording.with_traces(recording.traces / 4, units="dF/F")
        Recording(600 frames x 20 neurons, 10 Hz, 60.0 s, dF/F)
        """
        checked = check_recording(traces, name="traces", check_orientation=False, finite=False)
        if checked.shape != self.shape:
            raise ValueError(
                f"traces must have the recording's shape {self.shape}, got {checked.shape}."
            )
        _check_inside(checked, self._segments, given=traces, advice=_LEAVE)
        checked = _own(checked)
        metadata = {key: value for key, value in self._metadata.items() if key != "components"}
        return Recording._trusted(
            checked,
            self._frame_rate,
            self._roi_ids,
            self._units if units is None else units,
            self._segments,
            metadata,
        )

    def without_frames(self, frames: Any) -> Recording:
        """Return the recording with some frames left out of its segments.

        Parameters
        ----------
        frames : array-like of bool of shape (T,)
            True for each frame to leave out, such as `calgan.io.find_artefacts` finds.

        Returns
        -------
        Recording
            The same traces. Segments end before a frame that is left out and begin anew after it.

        Raises
        ------
        ValueError
            If there is not one boolean for each frame, or no frame is left.

        Examples
        --------
        >>> import numpy as np
        >>> from calgan import Recording
        >>> recording = Recording(np.zeros((600, 20)), 10.0)
        >>> recording.without_frames(np.arange(600) == 100).segments.tolist()
        [[0, 100], [101, 600]]
        """
        left_out = np.asarray(frames)
        if left_out.dtype != bool or left_out.shape != (self.n_frames,):
            raise ValueError(
                f"frames must be one boolean for each of the {self.n_frames} frames, got an array "
                f"of shape {left_out.shape} and dtype {left_out.dtype}."
            )
        segments = cut_ranges(self._segments, ~left_out)
        if len(segments) == 0:
            raise ValueError("frames leaves out every frame of all segments; keep at least one.")
        return Recording._trusted(
            self._traces,
            self._frame_rate,
            self._roi_ids,
            self._units,
            segments,
            dict(self._metadata),
        )

    def segment_traces(self) -> list[np.ndarray]:
        """Return the traces of each segment, a list of (T_i, N) read-only arrays.

        Returns
        -------
        list of ndarray of shape (T_i, N), float32
            Views of the traces.

        Examples
        --------
        >>> import numpy as np
        >>> from calgan import Recording
        >>> trials = Recording(np.zeros((60, 2)), 10.0, segments=[[0, 20], [20, 60]])
        >>> [len(trial) for trial in trials.segment_traces()]
        [20, 40]
        """
        return [_part(self._traces, slice(start, stop)) for start, stop in self._segments]

    def __getitem__(self, frames: slice) -> Recording:
        """Return the frames ``start:stop`` as a Recording whose segments are clipped to them."""
        if not isinstance(frames, slice) or frames.step not in (None, 1):
            plain = isinstance(frames, (slice, int))  # an array would fill the screen
            shown = repr(frames) if plain else f"an object of type {type(frames).__name__}"
            search = "" if plain else "give searches Windower(...).fit_transform(recording): "
            raise TypeError(
                f"{search}a Recording is sliced by frames as recording[start:stop] without a step, "
                f"got {shown}; use .traces for anything else and .select for neurons."
            )
        start, stop, _ = frames.indices(self.n_frames)
        clipped = np.clip(self._segments, start, stop) - start
        clipped = clipped[clipped[:, 1] > clipped[:, 0]]
        if len(clipped) == 0:
            raise ValueError(
                f"the slice {frames.start}:{frames.stop} holds no frame of any segment of this "
                f"recording of {self.n_frames} frames."
            )
        return Recording._trusted(
            _part(self._traces, slice(start, stop)),
            self._frame_rate,
            self._roi_ids,
            self._units,
            clipped,
            self._pick(frames=slice(start, stop)),
        )

    def _pick(
        self, *, frames: slice = slice(None), neurons: np.ndarray | None = None
    ) -> dict[str, Any]:
        """Return the metadata of some frames and neurons."""
        index = np.arange(self.n_neurons) if neurons is None else neurons
        picked = dict(self._metadata)
        for key in {"positions", "accepted", "spikes"} & picked.keys():
            value = picked[key]
            if not isinstance(value, (np.ndarray, list, tuple)):
                continue
            if key != "spikes" and len(value) == self.n_neurons:
                picked[key] = np.array([value[n] for n in index])
            elif key == "spikes" and np.shape(value) == self.shape:
                picked[key] = np.asarray(value)[frames][:, index]
        components = picked.get("components")
        if isinstance(components, Bunch):
            picked["components"] = components = Bunch(**components)
            for name, array in components.items():
                if isinstance(array, np.ndarray) and array.shape[:1] == (self.n_frames,):
                    part = array[frames]
                    chosen = neurons is not None and name != "factors" and array.shape == self.shape
                    components[name] = _read_only(part[:, index] if chosen else part)
        passed = (frames.start or 0) / self._frame_rate
        if passed:
            picked |= later(picked, passed)
        return picked

    def __len__(self) -> int:
        return self.n_frames

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self._traces, dtype=dtype, copy=copy)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Recording):
            return NotImplemented
        return (
            self._frame_rate == other._frame_rate
            and self._units == other._units
            and np.array_equal(self._roi_ids, other._roi_ids)
            and np.array_equal(self._segments, other._segments)
            and _are_equal(self._traces, other._traces)
        )

    def __hash__(self) -> int:
        return hash((self.shape, self._frame_rate, self._units, self._segments.tobytes()))

    def __repr__(self) -> str:
        segments = f", {len(self._segments)} segments" if len(self._segments) > 1 else ""
        synthetic = ", synthetic" if self._metadata.get("synthetic") is True else ""
        return (
            f"Recording({self.n_frames} frames x {self.n_neurons} neurons, "
            f"{self._frame_rate:g} Hz, {self.duration:.1f} s, {self._units}{segments}{synthetic})"
        )

    def _repr_html_(self) -> str:
        rows: dict[str, Any] = {
            "frames": self.n_frames,
            "neurons": self.n_neurons,
            "frame rate": f"{self._frame_rate:g} Hz",
            "duration": f"{self.duration:.1f} s",
            "units": self._units,
            "segments": len(self._segments),
        }
        rows.update(
            (key, value)
            for key, value in self._metadata.items()
            if isinstance(value, (str, float, bool))
        )
        cells = "".join(
            f"<tr><th style='text-align:left'>{html.escape(str(key))}</th>"
            f"<td style='text-align:left'>{html.escape(str(value))}</td></tr>"
            for key, value in rows.items()
        )
        return f"<table><caption>Recording</caption>{cells}</table>"


def later(metadata: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Return what metadata say of times, counted from a frame that comes later."""
    later: dict[str, Any] = {}
    if isinstance(metadata.get("t_start"), numbers.Real):
        later["t_start"] = metadata["t_start"] + seconds
    if isinstance(metadata.get("stimulus_times"), Mapping):
        times = metadata["stimulus_times"]
        later["stimulus_times"] = {key: np.asarray(value) - seconds for key, value in times.items()}
    if isinstance(metadata.get("trials"), Mapping):
        later["trials"] = {
            key: np.asarray(value) - seconds
            if str(key).endswith("_time") and np.asarray(value).dtype.kind in "iuf"
            else value
            for key, value in metadata["trials"].items()
        }
    return later


def _check_inside(traces: np.ndarray, ranges: np.ndarray, *, given: Any, advice: str) -> None:
    """Refuse NaN and infinity inside segments."""
    given = given if isinstance(given, np.ndarray) or is_stored(traces) else None
    check_finite(traces, "traces", given=given, ranges=ranges, advice=advice)


def _own(traces: np.ndarray) -> np.ndarray:
    """Return traces that the caller cannot write to: a copy of a writable array or map."""
    return np.array(traces) if not is_stored(traces) and traces.flags.writeable else traces


def _part(
    traces: Any, frames: slice = slice(None), neurons: np.ndarray | None = None
) -> np.ndarray:
    """Return some frames and neurons; of traces in a file, unread."""
    if is_stored(traces):
        return traces.part(frames, neurons=neurons)
    return traces[frames] if neurons is None else traces[frames, neurons]


def _are_equal(a: Any, b: Any) -> bool:
    """Tell whether traces are the same, in pieces if they lie in a file."""
    if not is_stored(a):
        a, b = b, a
    if a.shape != b.shape or not is_stored(a):
        return np.array_equal(a, b, equal_nan=True)
    pieces = ((piece, b[first : first + len(piece)]) for first, piece in a.chunks())
    return all(np.array_equal(*pair, equal_nan=True) for pair in pieces)


def _columns(traces: Any) -> Any:
    """Return the names of a data frame's columns, None for anything else."""
    columns = getattr(traces, "columns", None)
    return None if columns is None or np.ndim(columns) != 1 else list(columns)


def _check_roi_ids(roi_ids: Any, n_neurons: int) -> np.ndarray:
    if roi_ids is None:
        return np.arange(n_neurons)
    try:
        ids = np.array(roi_ids)
    except ValueError as error:
        raise ValueError(
            f"roi_ids must hold one id for each of the {n_neurons} neurons, but its entries differ "
            "in length."
        ) from error
    if ids.dtype == object:
        ids = ids.astype(str)
    if ids.shape != (n_neurons,):
        raise ValueError(
            f"roi_ids must hold one id for each of the {n_neurons} neurons, got an array of shape "
            f"{ids.shape}."
        )
    if len(np.unique(ids)) != n_neurons:
        raise ValueError("roi_ids must be unique, but some neurons share an id.")
    return ids


def _read_only(array: Any) -> Any:
    if is_stored(array):
        return array
    view = array.view()
    view.flags.writeable = False
    return view
