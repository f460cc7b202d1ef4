"""``calgan deconvolve``: spikes of a recording."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import calgan
from calgan.cli._console import note
from calgan.cli._files import check_new, read
from calgan.cli._sample import check_format
from calgan.data.files import replaced
from calgan.data.recording import Recording
from calgan.spikes.deconvolvers import fitted_to
from calgan.spikes.oasis import OasisDeconvolver


def deconvolve(
    source: str,
    options: dict[str, Any],
    method: str,
    params: dict[str, Any],
    path: Path,
    *,
    overwrite: bool,
) -> None:
    """Infer the spikes of a recording and write them, a recording in units of spikes."""
    check_new(path, overwrite=overwrite)
    if path.suffix.lower() != ".csv":
        check_format(path)
    deconvolver = _deconvolver(method).set_params(**params)
    recording = read(source, options)
    note(f"inferring the spikes of {recording!r}")
    spikes = fitted_to(deconvolver, recording, recording.frame_rate).transform(recording)
    if path.suffix.lower() == ".csv":
        _write_csv(spikes, path)
    else:
        calgan.write_recording(spikes, path, overwrite=overwrite)


def _deconvolver(method: str) -> Any:
    """Return OASIS or the networks of calgan, not fitted, or trained networks from a file."""
    if method == "oasis":
        return OasisDeconvolver()
    if method == "network":
        return calgan.SpikeInferenceNetwork()
    if not Path(method).is_file():
        raise ValueError(
            f"--method must be oasis, network, or the file of a trained network; there is no file "
            f"{method}."
        )
    return calgan.SpikeInferenceNetwork.load(method)


def _write_csv(spikes: Recording, path: Path) -> None:
    """Write a row a frame: its time, and the spikes of each neuron with their units."""
    with replaced(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["time (s)", *(f"{each} ({spikes.units})" for each in spikes.roi_ids)])
        for time, frame in zip(spikes.times, spikes.traces, strict=True):
            rows.writerow([f"{time:.6f}", *(f"{value:.9g}" for value in frame)])
