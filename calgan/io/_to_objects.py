"""Recordings as objects of neo, pynapple, xarray and pandas."""

from __future__ import annotations

from typing import Any

import numpy as np

from calgan.data.recording import Recording
from calgan.io._build import needs
from calgan.io._named import is_plain
from calgan.io._pynapple import parts


def to_neo(recording: Recording) -> Any:
    """Return a neo Block with a Segment for each segment.

    Parameters
    ----------
    recording : Recording
        Recording to convert.

    Returns
    -------
    neo.Block
        Each neo Segment has an AnalogSignal (T_i, N), and a SpikeTrain for each neuron where
        ``metadata["spikes"]`` or the spikes of ``metadata["components"]`` are known: a spike lies
        at the time of its frame. Plain metadata are annotations, ``synthetic`` among them.

    Raises
    ------
    TypeError
        If `recording` is no Recording.

    Examples
    --------
    >>> from calgan import read_recording
    >>> from calgan.datasets import make_recording
    >>> from calgan.io import to_neo
    >>> recording, _ = make_recording(60.0, n_neurons=5, random_state=0)
    >>> read_recording(to_neo(recording)) == recording
    True
    """
    _check(recording, "to_neo")
    import neo
    import quantities

    known = _attributes(recording)
    of_signal = {"trace_units" if name == "units" else name: known[name] for name in known}
    block = neo.Block(name="calgan recording", **known)
    spikes = recording.metadata.get("spikes")
    if spikes is None:
        spikes = recording.metadata.get("components", {}).get("spikes")
    rate = recording.frame_rate
    first = float(recording.metadata.get("t_start", 0.0))
    for number, (start, stop) in enumerate(recording.segments):
        segment = neo.Segment(name=f"segment {number}", index=number, **known)
        t_start, t_stop = first + start / rate, first + stop / rate
        segment.analogsignals.append(
            neo.AnalogSignal(
                recording.traces[start:stop],
                units=quantities.dimensionless,
                sampling_rate=rate * quantities.Hz,
                t_start=t_start * quantities.s,
                name="traces",
                array_annotations={"roi_ids": recording.roi_ids},
                **of_signal,
            )
        )
        for neuron in range(recording.n_neurons if np.shape(spikes) == recording.shape else 0):
            counts = np.rint(np.asarray(spikes)[start:stop, neuron]).astype(np.int64)
            times = t_start + np.repeat(np.arange(stop - start), np.maximum(counts, 0)) / rate
            segment.spiketrains.append(
                neo.SpikeTrain(
                    times * quantities.s,
                    t_start=t_start * quantities.s,
                    t_stop=t_stop * quantities.s,
                    name=str(recording.roi_ids[neuron]),
                )
            )
        block.segments.append(segment)
    return block


def to_pandas(recording: Recording) -> Any:
    """Return a pandas DataFrame with a column for each neuron.

    Parameters
    ----------
    recording : Recording
        Recording to convert.

    Returns
    -------
    pandas.DataFrame of shape (T, N)
        Its index is the time (s), its columns are the ids of the neurons. Frame rate, units,
        segments (flattened) and plain metadata are in ``attrs``.

    Raises
    ------
    TypeError
        If `recording` is no Recording.
    ImportError
        If pandas is not installed.

    Examples
    --------
    >>> from calgan.datasets import make_recording
    >>> from calgan.io import to_pandas
    >>> recording, _ = make_recording(60.0, n_neurons=5, random_state=0)
    >>> to_pandas(recording).shape  # doctest: +SKIP
    (600, 5)
    """
    _check(recording, "to_pandas")
    pandas = needs("pandas", "making a DataFrame")
    frame = pandas.DataFrame(
        np.asarray(recording.traces),
        index=pandas.Index(_times(recording), name="time"),
        columns=pandas.Index(recording.roi_ids, name="roi"),
    )
    frame.attrs |= _attributes(recording)
    return frame


def to_pynapple(recording: Recording) -> Any:
    """Return a pynapple TsdFrame with a column for each neuron.

    Parameters
    ----------
    recording : Recording
        Recording to convert.

    Returns
    -------
    pynapple.TsdFrame
        The frames of all segments, which are the epochs of ``time_support``. Units, frame rate,
        positions and ``synthetic`` are metadata of the columns.

    Raises
    ------
    TypeError
        If `recording` is no Recording.
    ImportError
        If pynapple is not installed.

    Examples
    --------
    >>> from calgan.datasets import make_recording
    >>> from calgan.io import to_pynapple
    >>> recording, _ = make_recording(60.0, n_neurons=5, random_state=0)
    >>> to_pynapple(recording).shape  # doctest: +SKIP
    (600, 5)
    """
    _check(recording, "to_pynapple")
    pynapple = needs("pynapple", "making a TsdFrame", install="pynapple")
    held = parts(recording)
    return pynapple.TsdFrame(
        t=held["t"],
        d=held["d"],
        columns=held["columns"],
        time_support=pynapple.IntervalSet(held["epochs"]),
        metadata=held["info"],
    )


def to_xarray(recording: Recording) -> Any:
    """Return an xarray DataArray with the dimensions time and roi.

    Parameters
    ----------
    recording : Recording
        Recording to convert.

    Returns
    -------
    xarray.DataArray of shape (T, N)
        Coordinates are times (s) and ids. Frame rate, units, segments (flattened) and plain
        metadata are in ``attrs``.

    Raises
    ------
    TypeError
        If `recording` is no Recording.
    ImportError
        If xarray is not installed.

    Examples
    --------
    >>> from calgan.datasets import make_recording
    >>> from calgan.io import to_xarray
    >>> recording, _ = make_recording(60.0, n_neurons=5, random_state=0)
    >>> to_xarray(recording).shape  # doctest: +SKIP
    (600, 5)
    """
    _check(recording, "to_xarray")
    xarray = needs("xarray", "making a DataArray")
    return xarray.DataArray(
        np.asarray(recording.traces),
        dims=("time", "roi"),
        coords={"time": _times(recording), "roi": recording.roi_ids},
        name="traces",
        attrs=_attributes(recording),
    )


def _check(recording: Any, function: str) -> None:
    if not isinstance(recording, Recording):
        raise TypeError(
            f"{function} takes a Recording, got {type(recording).__name__}: make one with "
            "Recording(traces, frame_rate)."
        )


def _times(recording: Recording) -> np.ndarray:
    """Return the time (s) of each frame."""
    return float(recording.metadata.get("t_start", 0.0)) + recording.times


def _attributes(recording: Recording) -> dict[str, Any]:
    """Return what attributes of an object hold: plain values."""
    known = {
        str(name): value.item() if isinstance(value, np.generic) else value
        for name, value in recording.metadata.items()
        if is_plain(value) and name not in ("name", "format", "source", "t_start")
    }
    return {
        **known,
        "frame_rate": recording.frame_rate,
        "units": recording.units,
        "segments": recording.segments.ravel().tolist(),
    }
