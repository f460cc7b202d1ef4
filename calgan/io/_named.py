"""Arrays with names, as many formats hold them: which are the traces, and what the others say."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from calgan.data.recording import Recording
from calgan.data.stored import IN_MEMORY, as_stored
from calgan.data.validation import as_trials
from calgan.io._build import build, chosen, few, say
from calgan.io._options import ReadOptions
from calgan.io._times import rate_of

# Names as `key` writes them.
_DFF = ("dff", "dfof", "deltaff", "deltafoverf", "dfoverf", "dff0", "deltaff0", "fdff")
_TRACES = {
    *_DFF,
    *("traces", "rawtraces", "f", "craw", "fluorescence", "fluo", "calcium", "calciumtraces"),
    *("sigraw", "signals", "caltraces"),
}
RATES = {
    *("framerate", "frameratehz", "fs", "fr", "fps", "rate", "samplingrate", "samplerate"),
    *("samplingfrequency", "imagingrate", "volumerate", "hz"),
}
_UNITS = {  # of times, in s
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "usec", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nanoseconds"), 1e-9),
    **dict.fromkeys(("min", "minutes"), 60.0),
}
_ALONE = "sec|secs|seconds|ms|msec|milliseconds"  # units that are names of times
_TIME = re.compile(
    rf"(?:(?:frame|elapsed)?(?:time|times|timestamp|timestamps)|t)(?:in)?({'|'.join(_UNITS)})?"
    rf"|({_ALONE})"
)
FRAMES = {"frame", "frames", "frameindex", "framenumber", "frameno", "index"}
_NAMES = {
    "roi_ids": {"roiids", "roiid", "cellid", "cellids", "unitid", "neuronid", "neuronids", "ids"},
    "positions": {"positions", "cellxy", "centroids", "centers", "centres", "xy", "xyz"},
    "accepted": {"accepted", "iscell"},
    "spikes": {"spikes", "spikecounts", "spks"},
    "segments": {"segments"},
}
_TAKEN = {"options", "traces", "frame_rate", "units", "axes_known", "format", "name", *_NAMES}


def key(name: Any) -> str:
    """Return a name, of a struct's field the last part, without case and signs."""
    return re.sub(r"[^a-z0-9]", "", str(name).rpartition(".")[2].lower())


def time_unit(name: Any) -> float | None:
    """Return the unit (s) of times by their name, such as "time (ms)"; None if it names no times.

    What follows a slash is no part of the name: "Time(s)/Cell Status".
    """
    text = re.sub("[\u00b5\u03bc]", "u", str(name).partition("/")[0])  # micro
    found = _TIME.fullmatch(key(text))
    return None if found is None else _UNITS[found[1] or found[2] or "s"]


def is_plain(value: Any) -> bool:
    """Tell text and single numbers, which attributes hold."""
    return isinstance(value, str | int | float | np.generic)


def units_of(name: str) -> str:
    """Return the units that the name of an array tells."""
    return "dF/F" if key(name) in _DFF else "a.u."


def read_named(
    arrays: Mapping[str, Any], options: ReadOptions, *, axes_known: bool = False
) -> Recording:
    """Read the traces among named arrays, and what the other arrays say of them."""
    name = _choose(arrays, options)
    traces, segments = arrays[name], None
    if isinstance(as_trials(traces), Sequence):
        traces, segments = _join(as_trials(traces), name, options)
        axes_known = True
    elif len(traces.shape) == 1:
        traces, axes_known = np.asarray(traces)[:, None], True
    others = {n: v for n, v in arrays.items() if n != name}
    time = next((n for n, v in others.items() if time_unit(n) and _fits(v, traces)), None)
    times = None if time is None else others[time]
    rate = next((r for n, v in others.items() if key(n) in RATES and (r := _scalar(v))), None)
    turned = not axes_known and traces.shape[1] > traces.shape[0]
    if times is not None and not axes_known:
        turned = traces.shape[0] != np.size(times)
    if turned:
        say(
            f"{options.name}: {name} has shape {tuple(traces.shape)} and was transposed to "
            f"{traces.shape[1]} frames of {traces.shape[0]} neurons."
        )
    n_frames, n_neurons = traces.shape[::-1] if turned else traces.shape
    if times is not None:
        found, borders = rate_of(times, options, unit=time_unit(time) or 1.0)
        rate, segments = rate or found, borders if segments is None else segments
    known = _known(others, (n_frames, n_neurons), turned)
    keep, options = chosen(n_neurons, options, accepted=known.get("accepted"), frame_rate=rate)
    for column in ("roi_ids", "positions", "accepted"):
        if known.get(column) is not None:
            known[column] = known[column][keep]
    if known.get("spikes") is not None:
        known["spikes"] = known["spikes"][:, keep]
    chosen_only = len(keep) < n_neurons or bool((np.diff(keep) != 1).any())
    if chosen_only:
        known.setdefault("roi_ids", keep)
    if n_frames * len(keep) > IN_MEMORY and (stored := as_stored(traces, turned=turned)):
        traces = stored.part(neurons=keep) if chosen_only else stored
    else:
        traces = np.asarray(_take(traces, keep, axis=0 if turned else 1) if chosen_only else traces)
        traces = traces.T if turned else traces
    return build(
        traces,
        options,
        **{"units": units_of(name), "segments": segments} | known,
    )


def _is_table(value: Any) -> bool:
    """Tell a 2-D array of numbers, or trials of such arrays."""
    value = as_trials(value)
    if isinstance(value, list):
        return bool(value) and all(_is_table(part) for part in value)
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    return kind in "fiu" and kind != "" and len(value.shape) == 2 and 0 not in value.shape


def _choose(arrays: Mapping[str, Any], options: ReadOptions) -> str:
    """Return the name of the traces."""
    shown = ", ".join(f"{n} {_shape(v)}" for n, v in arrays.items()) or "nothing"
    if options.variable is not None:
        value = arrays.get(options.variable)
        vector = getattr(getattr(value, "dtype", None), "kind", "O") in "fiu"
        if not _is_table(value) and not (vector and len(value.shape) == 1):  # type: ignore[union-attr]
            raise ValueError(
                f"{options.name} has no array {options.variable!r} of traces (frames, neurons); it "
                f"holds {shown}."
            )
        return options.variable
    tables = [n for n, value in arrays.items() if _is_table(value)]
    found = [n for n in tables if key(n) in _TRACES]
    if not found:
        said = set().union(*_NAMES.values(), RATES)
        others = [n for n in tables if key(n) not in said and not time_unit(n)]
        wide = [n for n in others if min(_size(arrays[n])) > 1]
        found = wide or [n for n in others if max(_size(arrays[n])) > 1]
    if not found:
        found = [
            n
            for n, value in arrays.items()
            if key(n) in _TRACES and len(getattr(value, "shape", ())) == 1
        ]
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(
            f"{options.name} holds several arrays that may be traces, "
            f"{few(f'{n} {_shape(arrays[n])}' for n in found)}: choose with "
            f"variable={found[0]!r}."
        )
    movie = any(len(getattr(value, "shape", ())) == 3 for value in arrays.values())
    raise ValueError(
        f"{options.name} holds no array of traces (frames, neurons): it holds {shown}"
        f"{'; a movie is read by calgan.read_movie' if movie else ''}."
    )


def _size(value: Any) -> tuple[int, ...]:
    value = as_trials(value)
    return value[0].shape if isinstance(value, list) else tuple(value.shape)


def _shape(value: Any) -> str:
    value = as_trials(value)
    if isinstance(value, list):
        return f"({len(value)} cells)"
    return str(tuple(value.shape)) if hasattr(value, "shape") else f"({type(value).__name__})"


def _join(
    trials: Sequence[np.ndarray], name: str, options: ReadOptions
) -> tuple[np.ndarray, np.ndarray]:
    """Return traces (T, N) of trials of either orientation, and their segments."""
    first, second = ({trial.shape[axis] for trial in trials} for axis in (0, 1))
    wide = sum(trial.shape[1] for trial in trials) > sum(trial.shape[0] for trial in trials)
    turned = len(second) > 1 or (len(first) == 1 and wide)
    if len(first) > 1 and len(second) > 1:
        raise ValueError(
            f"{options.name}: the trials of {name} must hold the same neurons, but their shapes "
            f"are {few(trial.shape for trial in trials)}."
        )
    if turned:
        say(
            f"{options.name}: the {len(trials)} trials of {name} were transposed to (frames, "
            f"neurons): each has {trials[0].shape[0]} neurons."
        )
        trials = [trial.T for trial in trials]
    stops = np.cumsum([len(trial) for trial in trials])
    starts = np.concatenate([[0], stops[:-1]])
    return np.concatenate(trials), np.column_stack([starts, stops])


def _fits(times: Any, traces: Any) -> bool:
    """Tell whether there is a time for each frame."""
    return np.size(times) in traces.shape and np.size(times) == max(np.shape(times), default=0)


def _scalar(value: Any) -> float | None:
    """Return the one positive number that a value holds."""
    try:
        numbers = np.unique(np.asarray(value, dtype=float))
    except (TypeError, ValueError):
        return None
    return float(numbers[0]) if len(numbers) == 1 and numbers[0] > 0 else None


def _take(traces: Any, keep: np.ndarray, *, axis: int) -> Any:
    """Return some neurons; of an array in a file, nothing else is read."""
    if hasattr(traces, "oindex"):  # zarr
        return traces.oindex[keep, :] if axis == 0 else traces.oindex[:, keep]
    if hasattr(traces, "id"):  # HDF5, which wants numbers that rise
        rising, place = np.unique(keep, return_inverse=True)
        some = traces[rising] if axis == 0 else traces[:, rising]
        return np.take(some, place, axis=axis)
    return np.take(traces, keep, axis=axis)


def _known(others: Mapping[str, Any], shape: tuple[int, int], turned: bool) -> dict[str, Any]:
    """Return what arrays other than the traces say, by the names of `build`."""
    n_frames, n_neurons = shape
    known: dict[str, Any] = {}
    for name, value in others.items():
        place = next((p for p, names in _NAMES.items() if key(name) in names), None)
        if isinstance(value, str | int | float):
            if name == "units":
                known["units"] = str(value)
            elif key(name) not in RATES and name not in _TAKEN:
                known["origin" if name == "source" else name] = value
            continue
        size = tuple(getattr(value, "shape", (np.inf,)))
        if np.prod(size) > n_frames * n_neurons or len(size) > 2:
            continue  # no more than traces: movies and masks
        if np.prod(size) > IN_MEMORY and not isinstance(value, np.ndarray):
            if place is not None:
                say(f"{name} is too large for memory, and is left out of the metadata.")
            continue
        array = np.asarray(value)
        if array.dtype.kind not in "biufU" or time_unit(name) or key(name) in RATES:
            continue
        if array.ndim == 0:
            array = array[()]
            if name == "units" and isinstance(array, str):
                known["units"] = str(array)
            elif name not in _TAKEN:
                known["origin" if name == "source" else name] = array.item()
        elif place == "segments":
            if array.ndim == 2 and array.shape[1] == 2 and array.dtype.kind in "iu":
                known[place] = array
        elif place == "positions":
            array = array if array.shape in ((n_neurons, 2), (n_neurons, 3)) else array.T
            if array.shape in ((n_neurons, 2), (n_neurons, 3)):
                known[place] = array
        elif place == "spikes":
            array = array.T if turned and array.ndim == 2 else array
            if array.shape == shape:
                known[place] = array
        elif place == "accepted" and array.shape in ((n_neurons, 2), (2, n_neurons)):
            known[place] = (array if array.shape == (n_neurons, 2) else array.T)[:, 0] > 0
        elif place is not None:
            if array.size == n_neurons:
                known[place] = array.ravel() > 0 if place == "accepted" else array.ravel()
        elif name not in _TAKEN:
            known["origin" if name == "source" else name] = array
    return known
