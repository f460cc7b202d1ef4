"""NWB files: traces of ROIs, read by h5py so that no extension and no version is in the way."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from calgan.data.recording import ARBITRARY, Recording
from calgan.data.stored import IN_MEMORY, as_stored
from calgan.io._build import build, chosen, few, from_note, rebuilt, say
from calgan.io._fluorescence import build_from_raw
from calgan.io._hdf5 import as_text, holds, open_hdf5
from calgan.io._nwb_tables import about_rois, indicator_of, times_of_events
from calgan.io._nwb_write import COMPONENTS, OURS, SEGMENTS, write
from calgan.io._options import ReadOptions
from calgan.io._times import from_times, on_frames

__all__ = ["read", "recognises", "write"]

_DFF = re.compile(r"dff|d_?f_?over_?f|df_?f|dfof|delta_?f")
_NEUROPIL = re.compile(r"neuropil|fneu|background")
_NOT_RAW = re.compile(r"calgancomp|deconv|spike|spks|event|denois|residual|baseline")
_NO_UNITS = {"", "n.a.", "n/a", "na", "none", "unknown", "lumens", "-1", "a.u.", "au", "arbitrary"}
_BLOCK = 1 << 24  # values


def recognises(path: Path) -> bool:
    """Tell NWB by its suffix, or by what an HDF5 file holds."""
    return path.suffix.lower() == ".nwb" or holds(path, "nwb_version")


def read(path: Path, options: ReadOptions) -> Recording:
    """Read one series of ROI responses: dF/F if the file has it, raw fluorescence otherwise."""
    with open_hdf5(path, "NWB") as file:
        return _read(file, options)


def _read(file: Any, options: ReadOptions) -> Recording:
    found = _all_series(file)
    series = _pick(file, found, options)
    note = _note(file)
    if note is not None and options.variable is None:
        return _read_ours(file, series.group, note, options)
    name, data = series.path, series.group["data"]
    rows, table = series.group.get("rois"), None
    if rows is not None:
        reference = rows.attrs.get("table")
        table = file[reference] if reference else None
        rows = np.asarray(rows[()], dtype=int)
    times = series.group.get("timestamps")
    transposed = _is_transposed(data.shape, rows, times)
    n_frames, n_rois = (*data.shape, 1)[:2][:: -1 if transposed else 1]
    if transposed:
        say(f"{options.name}: {name} is stored as (neurons, frames) and was transposed.")
    if rows is None or len(rows) != n_rois:
        rows, table = None, None
    rate, t_start, segments = _timing(series.group, n_frames, options)
    rois = about_rois(table, rows)
    if rate is None:
        rate = rois.imaging_rate
    keep, options = chosen(n_rois, options, accepted=rois.accepted, frame_rate=rate)
    traces = _values(data, keep, transposed)
    has_stamps = times is not None and times.ndim == 1 and "starting_time" not in series.group
    stamps = times[:n_frames] if has_stamps else None
    clock: Any = options.frame_rate
    events = times_of_events(
        file, lambda t: t - t_start if stamps is None else on_frames(t, stamps, clock)
    )
    if segments is not None and events:
        say(f"{options.name}: the times of trials and stimuli leave these gaps out, as frames do.")
    known: dict[str, Any] = {
        "roi_ids": keep if rois.ids is None else rois.ids[keep],
        "positions": rois.positions(keep),
        "accepted": None if rois.accepted is None else rois.accepted[keep],
        "segments": segments,
        "indicator": indicator_of(table),
        "variable": name,
        "t_start": t_start or None,
        **events,
    }
    unit = as_text(data.attrs.get("unit", ""))
    units = ARBITRARY if unit.lower() in _NO_UNITS else unit
    if series.kind == "dff":
        percent = unit.lower() in {"%", "percent"}
        return build(traces, options, units="dF/F (%)" if percent else "dF/F", **known)
    if series.kind == "raw" and _is_denoised(table):
        return _with_residuals(traces, series, keep, transposed, options, known)
    if series.kind != "raw":
        return build(traces, options, units=units, **known)
    around = _neuropil_of(series, found)
    return build_from_raw(
        traces,
        options,
        neuropil=None if around is None else _values(around.group["data"], keep, transposed),
        units=units,
        **known,
    )


def _note(file: Any) -> dict[str, Any] | None:
    """Return what calgan noted in a file that it wrote."""
    try:
        note = json.loads(as_text(file["general/notes"][()]))
        return note[OURS]
    except (KeyError, TypeError, ValueError):
        return None


def _read_ours(file: Any, series: Any, note: dict[str, Any], options: ReadOptions) -> Recording:
    """Read what `write` wrote: the traces are final."""
    table = file[series["rois"].attrs["table"]]
    rows = np.asarray(series["rois"][()], dtype=int)
    rois = about_rois(table, rows)
    start, edges = series["starting_time"], file[f"intervals/{SEGMENTS}"]
    first = float(start[()])
    known = {
        **from_note(note),
        **times_of_events(file, lambda times: times - first),
        "positions": rois.positions(np.arange(len(rows))),
        "accepted": rois.accepted,
    }
    module = series.parent.parent
    components = {name: item["data"][()] for name, item in module.get(COMPONENTS, {}).items()}
    components |= {name: item["data"][()] for name, item in module.items() if "data" in item}
    if set(components) == {"spikes"}:
        known |= components
    elif components:
        known["components"] = Bunch(**components)
    return rebuilt(
        options,
        traces=series["data"],
        frame_rate=float(start.attrs["rate"]),
        roi_ids=rois.ids,
        units=as_text(series["data"].attrs["unit"]),
        segments=np.column_stack([edges["start_frame"][()], edges["stop_frame"][()]]),
        metadata={key: value for key, value in known.items() if value is not None},
    )


def _all_series(file: Any) -> list[Bunch]:
    """Return the series of ROI responses, wherever they are."""
    found = []

    def visit(path: str, item: Any) -> None:
        if not (hasattr(item, "get") and _has_traces(item)):
            return
        kinds = [as_text(group.attrs.get("neurodata_type", "")) for group in (item, item.parent)]
        ancestry = [as_text(kind) for kind in np.ravel(item.attrs.get("ancestry", ()))]
        if (
            "rois" in item
            or kinds[1] in ("DfOverF", "Fluorescence")
            or any("RoiResponseSeries" in kind for kind in (kinds[0], *ancestry))
        ):
            found.append(Bunch(path=path, group=item, kind=_kind(path, kinds[1])))

    file.visititems(visit)
    return found


def _has_traces(group: Any) -> bool:
    data = group.get("data")
    return hasattr(data, "shape") and data.ndim in (1, 2) and data.dtype.kind in "fiu"


def _kind(path: str, container: str) -> str:
    """Return "dff", "raw", "neuropil" or "other", by the names of a series and its container."""
    names = "/".join(path.lower().split("/")[-2:])
    if _NOT_RAW.search(names):
        return "other"
    if container == "DfOverF" or _DFF.search(names):
        return "dff"
    return "neuropil" if _NEUROPIL.search(names) and "corrected" not in names else "raw"


def _pick(file: Any, found: list[Bunch], options: ReadOptions) -> Bunch:
    """Return the series that was named, or the only one of dF/F, or the only one that is raw."""
    shapes = few(f"{s.path} {'x'.join(map(str, s.group['data'].shape))}" for s in found)
    variable = options.variable
    if variable is not None:
        wanted = variable.strip("/")
        paths = [f"/{s.path}" for s in found]
        named = (
            [s for s in found if s.path == wanted]
            or [s for s, path in zip(found, paths, strict=True) if path.endswith(f"/{wanted}")]
            or [s for s, path in zip(found, paths, strict=True) if f"/{wanted}/" in path]
        )
        group = file.get(wanted)
        if not named and hasattr(group, "get") and _has_traces(group):
            named = [Bunch(path=wanted, group=group, kind=_kind(wanted, ""))]
        if len(named) != 1:
            how = "no series" if not named else f"{len(named)} series"
            raise ValueError(f"{options.name} has {how} {variable!r}; it has: {shapes or 'none'}.")
        return named[0]
    if not found:
        raise ValueError(
            f"{options.name} holds no traces of ROIs (RoiResponseSeries): segment its movie "
            "first, or name another series with variable=..."
        )
    for kind in ("dff", "raw"):
        of_kind = [s for s in found if s.kind == kind]
        if len(of_kind) == 1:
            return of_kind[0]
        if of_kind:
            break
    which = "several series" if of_kind else "neither raw traces nor dF/F"
    raise ValueError(f"{options.name} holds {which}: {shapes}. Name one with variable=...")


def _is_transposed(shape: tuple[int, ...], rows: Any, times: Any) -> bool:
    """Tell whether neurons come first: by the ROIs, by the time stamps, or else by the lengths."""
    if len(shape) == 1 or shape[0] == shape[1]:
        return False
    for known, axis in ((rows, 1), (times, 0)):
        if known is not None and len(known) in shape:
            return shape[axis] != len(known)
    return shape[1] > shape[0]


def _timing(
    group: Any, n_frames: int, options: ReadOptions
) -> tuple[float | None, float, np.ndarray | None]:
    """Return rate (Hz), time of the first frame (s), and segments without gaps."""
    start = group.get("starting_time")
    if start is not None:
        rate = float(start.attrs.get("rate", np.nan))
        t_start = float(start[()])
        return (rate if 0 < rate < np.inf else None), (t_start if t_start == t_start else 0.0), None
    times = group.get("timestamps")
    if times is None or times.ndim != 1:
        return None, 0.0, None
    return from_times(times, n_frames, options)


def _values(data: Any, keep: np.ndarray, transposed: bool) -> Any:
    """Read the traces of some neurons, (T, n), or leave them in the file if they are large."""
    factor, offset = (float(data.attrs.get(k, d)) for k, d in (("conversion", 1), ("offset", 0)))
    if not np.isfinite([factor, offset]).all() or factor == 0:
        factor, offset = 1.0, 0.0
    convert = partial(_convert, factor=factor, offset=offset)
    large = data.ndim == 2 and data.shape[transposed] * len(keep) > IN_MEMORY
    stored = as_stored(data, turned=transposed) if large else None
    if stored is not None:
        stored = stored if len(keep) == stored.shape[1] else stored.part(neurons=keep)
        return stored if (factor, offset) == (1, 0) else stored.map(convert)
    if data.ndim == 1:
        values = data[()][:, None]
    elif transposed:
        values = np.stack([data[neuron] for neuron in keep], axis=1)
    else:
        step = max(1, _BLOCK // data.shape[1])
        blocks = [data[i : i + step][:, keep] for i in range(0, len(data), step)]
        values = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    return values if (factor, offset) == (1, 0) else convert(values)


def _convert(values: np.ndarray, *, factor: float, offset: float) -> np.ndarray:
    return (values * factor + offset).astype(np.float32)


def _is_denoised(table: Any) -> bool:
    """Tell the files of CaImAn, whose fluorescence is denoised."""
    return table is not None and as_text(table.attrs.get("description", "")) == "CNMF_ROIs"


def _with_residuals(
    traces: np.ndarray,
    series: Bunch,
    keep: np.ndarray,
    transposed: bool,
    options: ReadOptions,
    known: dict[str, Any],
) -> Recording:
    """Add CaImAn's residuals to its denoised traces."""
    residuals = series.group.parent.parent.get("residuals")
    if residuals is None or residuals["data"].shape != series.group["data"].shape:
        raise ValueError(
            f"{options.name}: {series.path} is CaImAn's denoised trace, and its residuals are not "
            "in the file: read CaImAn's own hdf5 file."
        )
    return build(
        traces + _values(residuals["data"], keep, transposed),
        options,
        processing="C + residuals of CaImAn, above their background.",
        **known,
    )


def _neuropil_of(series: Bunch, found: list[Bunch]) -> Bunch | None:
    """Return the neuropil of raw traces that were not corrected yet, if there is one."""
    if "corrected" in series.path.lower():
        return None
    shape = series.group["data"].shape
    fits = [
        s
        for s in found
        if s.kind == "neuropil"
        and "background" not in s.path.lower()
        and s.group["data"].shape == shape
        and s.path.split("/")[:2] == series.path.split("/")[:2]
    ]
    same = [s for s in fits if s.path.split("/")[-1] == series.path.split("/")[-1]] or fits
    return same[0] if len(same) == 1 else None
