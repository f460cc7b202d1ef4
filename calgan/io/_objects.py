"""Recordings from objects of neo, pynapple, xarray and pandas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from calgan.data.recording import Recording
from calgan.io._build import build, few
from calgan.io._frame import is_index, read_table
from calgan.io._named import FRAMES, is_plain, key, time_unit, units_of
from calgan.io._options import ReadOptions
from calgan.io._pynapple import read_frame, with_gaps
from calgan.io._times import rate_of


def read(source: Any, options: ReadOptions) -> Recording:
    """Read an object by what it has, whichever library made it."""
    if hasattr(source, "data_vars"):
        return _read_data_array(_only(dict(source.data_vars), options), options)
    is_neo = hasattr(source, "annotations")
    if is_neo and (hasattr(source, "analogsignals") or hasattr(source, "segments")):
        return _read_neo(source, options)
    if options.variable is not None:
        raise ValueError(
            f"{options.name} holds one set of traces, so variable={options.variable!r} chooses "
            "nothing: leave it out."
        )
    if hasattr(source, "dims") and hasattr(source, "coords"):
        return _read_data_array(source, options)
    if hasattr(source, "time_support"):
        if not (hasattr(source, "t") and hasattr(source, "values")):
            raise TypeError(f"{options.name} has times, but no traces: pass a TsdFrame.")
        columns = getattr(source, "columns", None)
        names = getattr(source, "metadata_columns", [])
        return read_frame(
            np.asarray(source.t),
            np.asarray(source.values),
            options,
            epochs=np.asarray(source.time_support.values),
            columns=None if columns is None else list(columns),
            info={name: np.asarray(source.get_info(name)) for name in names},
        )
    if hasattr(source, "rescale") and getattr(source, "ndim", 0) == 2:
        return _read_signals([source], options, {})
    if hasattr(source, "to_frame") and hasattr(source, "index"):
        source = source.to_frame()
    if hasattr(source, "columns") and hasattr(source, "index"):
        return read_data_frame(source, options)
    raise TypeError(
        "read_recording takes a path, or an object of neo, pynapple, xarray or pandas, got "
        f"{options.name}; give an array to Recording(traces, frame_rate)."
    )


def read_data_frame(frame: Any, options: ReadOptions) -> Recording:
    """Read a pandas DataFrame: an index or a column of times, and a column for each neuron."""
    index = frame.index
    name, values = index.name, None
    if index.dtype.kind in "mM":
        name, values = "time", np.asarray(index - index[0]) / np.timedelta64(1, "s")
    elif index.dtype.kind in "iuf" and (name is not None or index.dtype.kind == "f"):
        values = np.asarray(index, dtype=float)
    names = [str(column) if np.ndim(column) == 0 else column for column in frame.columns]
    frame = frame.assign(
        **{
            column: (frame[column] - frame[column].iloc[0]) / np.timedelta64(1, "s")
            for column in frame.columns
            if is_index(column) and frame[column].dtype.kind in "mM"
        }
    )
    numbers = [i for i, kind in enumerate(frame.dtypes) if kind.kind in "biuf"]
    if len(numbers) < len(names):
        left = [names[i] for i in range(len(names)) if i not in numbers]
        raise ValueError(f"{options.name}: the columns {few(left)} do not hold numbers; drop them.")
    table, names = frame.to_numpy(dtype=float), list(names)
    if values is not None:
        table, names = np.column_stack([values, table]), [name or "time", *names]
    return _with_attributes(read_table, (names, table), dict(frame.attrs), options)


# Arguments of what makes a recording, which an attribute of an object may be called like.
_ARGUMENTS = ("traces", "values", "names", "positions", "roi_ids", "t_start", "axes_known")


def _with_attributes(
    function: Any, arguments: tuple[Any, ...], attributes: Mapping[Any, Any], options: ReadOptions
) -> Recording:
    """Call a reader with what the attributes of an object say."""
    known: dict[str, Any] = {str(n): v for n, v in attributes.items() if is_plain(v)}
    if "segments" in attributes:
        known["segments"] = np.asarray(attributes["segments"], dtype=int).reshape(-1, 2)
    for name in ("format", "source", "options", "spikes", "accepted", *_ARGUMENTS):
        known.pop(name, None)
    return function(*arguments, options, **known)


def _read_data_array(array: Any, options: ReadOptions) -> Recording:
    """Read an xarray DataArray whose dimensions are time and neurons, in any order."""
    dims = [str(dim) for dim in array.dims]
    timed = [i for i, dim in enumerate(dims) if time_unit(dim) or key(dim) in FRAMES]
    if len(dims) > 2 or len(timed) != 1:
        raise ValueError(
            f"{options.name} has the dimensions {', '.join(dims)}, but a recording has two, of "
            "which one is called time or frame."
        )
    time, other = dims[timed[0]], [dim for dim in dims if dim != dims[timed[0]]]
    array = array.transpose(time, *other)
    traces = np.asarray(array.values)
    known: dict[str, Any] = {"units": units_of(str(array.name))}
    if other and other[0] in array.coords:
        known["roi_ids"] = array.coords[other[0]].values
    attributes = {"units": known["units"], **array.attrs}
    if time_unit(time) and time in array.coords:
        times = np.asarray(array.coords[time].values)
        if times.dtype.kind in "mM":
            times = (times - times[0]) / np.timedelta64(1, "s")
        unit = time_unit(f"time {array.coords[time].attrs.get('units', 's')}") or 1.0
        rate, segments = rate_of(times, options, unit=unit)
        attributes = {"frame_rate": rate, **attributes}
        known["segments"] = segments
        known["t_start"] = float(times[0]) * unit or None

    def made(traces: np.ndarray, options: ReadOptions, **more: Any) -> Recording:
        return build(traces, options, **{**known, **more})

    return _with_attributes(made, (traces,), attributes, options)


def _only(found: Mapping[Any, Any], options: ReadOptions) -> Any:
    """Return the one object of several with two dimensions, or that of the wanted name."""
    if options.variable is not None:
        if options.variable not in found:
            raise ValueError(
                f"{options.name} has no {options.variable!r}; it has {few(found) or 'nothing'}."
            )
        return found[options.variable]
    wide = {name: value for name, value in found.items() if len(value.shape) == 2}
    if len(wide) == 1:
        return next(iter(wide.values()))
    raise ValueError(
        f"{options.name} has {len(wide) or 'no'} arrays of two dimensions ({few(found)}): choose "
        "the traces with variable=..."
    )


def _read_neo(source: Any, options: ReadOptions) -> Recording:
    """Read the signal of a neo Segment, or that of each segment of a Block."""
    segments = list(source.segments) if hasattr(source, "segments") else [source]
    if not segments:
        raise ValueError(f"{options.name} holds no segment.")
    signals, trains = [], []
    for segment in segments:
        listed = [*segment.analogsignals, *getattr(segment, "irregularlysampledsignals", ())]
        names: dict[str, Any] = {}
        for i, signal in enumerate(listed):
            names[signal.name if signal.name not in (None, *names) else str(i)] = signal
        if not names:
            raise ValueError(f"{options.name} holds no signal with traces.")
        signals.append(_only(names, options))
        trains.append(list(segment.spiketrains))
    n_neurons = signals[0].shape[1]
    spikes = None
    if all(len(each) == n_neurons for each in trains):
        spikes = trains
    return _read_signals(signals, options, dict(source.annotations), spikes)


def _read_signals(
    signals: list[Any],
    options: ReadOptions,
    annotations: dict[str, Any],
    trains: list[Any] | None = None,
) -> Recording:
    """Read neo signals of the same neurons, which are segments in order."""
    first = signals[0]
    shapes = {signal.shape[1] for signal in signals}
    if len(shapes) > 1:
        raise ValueError(
            f"{options.name}: the signals of its segments must hold the same neurons, but they "
            f"have {few(sorted(shapes))}."
        )
    rates = {
        float(signal.sampling_rate.rescale("Hz"))
        for signal in signals
        if hasattr(getattr(signal, "sampling_rate", None), "rescale")
    }
    if len(rates) > 1:
        raise ValueError(
            f"{options.name}: the signals of its segments must have one sampling rate, but they "
            f"have {few(sorted(rates))} Hz; read the segments one at a time."
        )
    traces = np.concatenate([np.asarray(signal.magnitude) for signal in signals])
    stops = np.cumsum([len(signal) for signal in signals])
    ranges = np.column_stack([stops - [len(signal) for signal in signals], stops])
    known = {**dict(first.annotations), **annotations}
    known = {str(n): v for n, v in known.items() if is_plain(v)}
    unit = first.units.dimensionality.string
    units = (
        known.pop("units", None)
        or known.pop("trace_units", None)
        or ("a.u." if unit == "dimensionless" else unit)
    )
    if rates:
        rate = rates.pop()
    else:
        found, parts = rate_of(np.asarray(first.times.rescale("s")), options)
        rate = found if found is not None else 0.0
        if parts is not None and len(signals) == 1:
            ranges = parts
    starts = [float(signal.t_start.rescale("s")) for signal in signals]
    t = np.zeros(len(traces))
    if len(ranges) == len(starts):
        t[ranges[:, 0]] = starts
    counts = None if trains is None else _counts(trains, signals, rate)
    if len(ranges) == len(starts) and (np.diff(starts) > 0).all():
        n_before = len(traces)
        spread, spread_ranges = with_gaps(traces, ranges, t, rate)
        if counts is not None and len(spread) != n_before:
            wide = np.zeros(spread.shape, dtype=counts.dtype)
            for (a, b), (c, d) in zip(ranges, spread_ranges, strict=True):
                wide[c:d] = counts[a:b]
            counts = wide
        traces, ranges = spread, spread_ranges
    ids = first.array_annotations.get("roi_ids")
    for name in (
        "format",
        "source",
        "options",
        "segments",
        "frame_rate",
        "spikes",
        "trace_units",
        *_ARGUMENTS,
    ):
        known.pop(name, None)
    return build(
        traces,
        options,
        frame_rate=rate or None,
        units=units,
        roi_ids=None if ids is None else np.asarray(ids),
        segments=ranges,
        spikes=counts,
        t_start=starts[0] or None,
        **known,
    )


def _counts(trains: list[Any], signals: list[Any], rate: float) -> np.ndarray:
    """Return spikes per frame (T, N) of the spike trains of each segment."""
    out = []
    for each, signal in zip(trains, signals, strict=True):
        start, counts = float(signal.t_start.rescale("s")), np.zeros(signal.shape, dtype=np.uint16)
        for neuron, train in enumerate(each):
            times = np.asarray(train.rescale("s").magnitude)
            frames = np.floor((times - start) * rate + 1e-6).astype(np.int64)
            inside = (frames >= 0) & (frames < len(counts))
            np.add.at(counts[:, neuron], frames[inside], 1)
        out.append(counts)
    return np.concatenate(out)
