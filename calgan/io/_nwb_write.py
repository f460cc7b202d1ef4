"""Recordings as NWB files, marked synthetic if a generator drew them."""

from __future__ import annotations

import datetime
import json
import uuid
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import calgan
from calgan.data.recording import Recording
from calgan.io._build import as_pixels, needs, noted
from calgan.io._nwb_tables import CENTRES, TEXT_IDS

OURS = "calgan"  # key of the note
SEGMENTS = "segments"
COMPONENTS = "CalganComponents"  # container of what lies behind synthetic traces
_UNITS = {"spikes": "spikes per frame", "rates": "Hz", "factors": "standard deviations"}


def write(recording: Recording, path: Path) -> None:
    """Write traces, ids, positions, segments and spikes of a recording."""
    pynwb = needs("pynwb", "writing NWB")
    note, placed = noted(recording, "NWB", events=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice to those who collect data
        file = _file(pynwb, recording, note)
        _add(pynwb, file, recording, placed)
        with pynwb.NWBHDF5IO(str(path), "w") as io:
            io.write(file)


def _file(pynwb: Any, recording: Recording, note: dict[str, Any]) -> Any:
    """Return an NWB file that says where the recording comes from."""
    metadata = recording.metadata
    by = [["calgan", str(metadata.get("calgan_version", calgan.__version__))]]
    keywords = ["calcium imaging"]
    description = "Recording written by calgan."
    if metadata.get("synthetic"):
        model = str(metadata.get("model", "unknown"))
        by.append([str(metadata.get("generator", "generator")), f"model {model}"])
        keywords = ["synthetic", *keywords]
        description = (
            f"Synthetic recording sampled by calgan {by[0][1]} from a {by[1][0]} (model {model}). "
            "No animal was recorded."
        )
    fields = {
        "session_description": description,
        "identifier": str(uuid.uuid4()),
        "session_start_time": datetime.datetime.now(datetime.UTC),
        "keywords": keywords,
        "notes": json.dumps({OURS: note, "generated_by": by}, default=str),
    }
    try:
        return pynwb.NWBFile(**fields, was_generated_by=by)
    except TypeError:  # before NWB 2.9; the notes say it
        return pynwb.NWBFile(**fields)


def _add(pynwb: Any, file: Any, recording: Recording, placed: dict[str, Any]) -> None:
    """Add the ROIs, their traces and the segments."""
    ophys, metadata = pynwb.ophys, recording.metadata
    indicator = str(metadata.get("indicator", "unknown"))
    plane = file.create_imaging_plane(
        name="ImagingPlane",
        description="unknown",
        device=file.create_device(name="Microscope", description="unknown"),
        optical_channel=ophys.OpticalChannel(
            name="OpticalChannel", description="unknown", emission_lambda=np.nan
        ),
        excitation_lambda=np.nan,
        imaging_rate=recording.frame_rate,
        indicator=indicator,
        location="unknown",
    )
    module = file.create_processing_module("ophys", "ROIs and their traces")
    table = _rois(pynwb, recording, placed, plane)
    module.add(ophys.ImageSegmentation(plane_segmentations=[table]))
    t_start = float(metadata.get("t_start", 0.0))
    timing = {"rate": recording.frame_rate, "starting_time": t_start}
    container = ophys.DfOverF if recording.units == "dF/F" else ophys.Fluorescence
    traces = ophys.RoiResponseSeries(
        name="RoiResponseSeries",
        description="Traces.",
        data=np.asarray(recording.traces),
        unit=recording.units,
        rois=_all_of(table),
        **timing,
    )
    module.add(container(roi_response_series=[traces]))
    components = {k: v for k, v in placed.get("components", {}).items() if v is not None}
    if "spikes" in placed:
        components.setdefault("spikes", placed["spikes"])
    series = []
    for name, values in components.items():
        values = np.asarray(values)
        what = {"name": name, "data": values, "unit": _UNITS.get(name, recording.units), **timing}
        what["description"] = f"{name} behind the traces"
        if values.shape == recording.shape:
            series.append(ophys.RoiResponseSeries(rois=_all_of(table), **what))
        else:
            module.add(pynwb.TimeSeries(**what))
    if series:
        module.add(ophys.Fluorescence(name=COMPONENTS, roi_response_series=series))
    _add_events(pynwb, file, placed, t_start)
    starts, stops = recording.segments.T
    times = t_start + recording.segments.T / recording.frame_rate
    file.add_time_intervals(
        pynwb.epoch.TimeIntervals(
            name=SEGMENTS,
            description="Segments: frames without a gap, [start_frame, stop_frame).",
            columns=[
                _column(pynwb, "start_time", "s", times[0]),
                _column(pynwb, "stop_time", "s", times[1]),
                _column(pynwb, "start_frame", "first frame", starts),
                _column(pynwb, "stop_frame", "frame after the last", stops),
            ],
        )
    )


def _add_events(pynwb: Any, file: Any, placed: dict[str, Any], t_start: float) -> None:
    """Add trials and stimuli, whose times count from the first frame, as tables of intervals."""
    tables = {"trials": placed["trials"]} if "trials" in placed else {}
    for name, times in placed.get("stimulus_times", {}).items():
        tables[name] = {"start_time": times, "stop_time": times}
    for name, columns in tables.items():
        data = {
            key: np.asarray(values) + t_start if key.endswith("_time") else np.asarray(values)
            for key, values in columns.items()
        }
        table = pynwb.epoch.TimeIntervals(
            name=name,
            description=f"{name}; times from the recording's metadata",
            columns=[
                _column(pynwb, key, key, list(map(str, v)) if v.dtype.kind == "U" else v)
                for key, v in data.items()
            ],
        )
        if name == "trials":
            file.trials = table
        else:
            file.add_time_intervals(table)


def _rois(pynwb: Any, recording: Recording, placed: dict[str, Any], plane: Any) -> Any:
    """Return the table of ROIs: ids, and positions where they are known."""
    ids, positions = recording.roi_ids, placed.get("positions")
    n_neurons, columns = len(ids), []
    if ids.dtype.kind not in "iu":
        columns.append(_column(pynwb, TEXT_IDS, "id of the neuron", [str(i) for i in ids]))
        ids = np.arange(n_neurons)
    # NWB wants a mask of each ROI: its centre, or a pixel without weight.
    pixels = np.zeros(n_neurons, dtype=[("x", "u4"), ("y", "u4"), ("weight", "f4")])
    if positions is not None:
        centres = np.asarray(positions, dtype=float)
        columns.append(_column(pynwb, CENTRES[0], "centre of the neuron", centres))
        pixels["x"], pixels["y"] = as_pixels(centres).T
        pixels["weight"] = 1.0
    if "accepted" in placed:
        flags = np.asarray(placed["accepted"], dtype=bool)
        columns.append(_column(pynwb, "accepted", "whether the ROI is a cell", flags))
    mask = _column(pynwb, "pixel_mask", "centre of the neuron", pixels)
    index = pynwb.core.VectorIndex(
        name="pixel_mask_index", data=np.arange(1, n_neurons + 1), target=mask
    )
    return pynwb.ophys.PlaneSegmentation(
        name="PlaneSegmentation",
        description="Neurons of the recording.",
        imaging_plane=plane,
        id=[int(i) for i in ids],
        columns=[*columns, mask, index],
        colnames=[column.name for column in [*columns, mask]],
    )


def _all_of(table: Any) -> Any:
    return table.create_roi_table_region("all neurons", region=list(range(len(table))))


def _column(pynwb: Any, name: str, description: str, data: Any) -> Any:
    return pynwb.core.VectorData(name=name, description=description, data=data)
