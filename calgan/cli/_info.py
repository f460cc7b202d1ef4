"""``calgan info``: what a file holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

import calgan
from calgan.cli._config import read_config, record_of
from calgan.cli._files import is_model, load_windows, read
from calgan.data.fluorescence import find_artefacts
from calgan.data.recording import Recording
from calgan.data.sampling import generator_of
from calgan.data.stored import StoredTraces

# Of facts that are named otherwise in text.
_WORDS = {
    "roi_ids": "ROI ids",
    "n_iter": "iterations",
    "stopped": "ended by",
    "model": "model fingerprint",
    "test_size": "share held out",
}


def info(source: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return what a recording, a model or a file of windows holds, as JSON can hold it."""
    if is_model(source):
        return {"file": source, "kind": "model", **_of_model(source)}
    windows = load_windows(source)
    if windows is not None:
        return {"file": source, "kind": "windows", "shape": list(windows.shape)}
    return {"file": source, "kind": "recording", **_of_recording(read(source, options))}


def _of_recording(recording: Recording) -> dict[str, Any]:
    metadata = recording.metadata
    used = recording.segment_traces()
    constant = np.all([(part == used[0][0]).all(axis=0) for part in used], axis=0)
    trials = metadata.get("trials")
    return {
        "format": metadata.get("format"),
        "n_frames": recording.n_frames,
        "n_neurons": recording.n_neurons,
        "frame_rate": recording.frame_rate,
        "duration": recording.duration,
        "units": recording.units,
        "n_segments": len(recording.segments),
        "segments": recording.segments.tolist(),
        "roi_ids": recording.roi_ids.tolist(),
        "constant_neurons": recording.roi_ids[constant].tolist(),
        # Of traces that stay in their file, frame after frame would be read many times.
        "artefact_frames": None
        if isinstance(recording.traces, StoredTraces)
        else find_artefacts(recording).nonzero()[0].tolist(),
        "has_positions": metadata.get("positions") is not None,
        "has_spikes": metadata.get("spikes") is not None,
        "n_trials": len(next(iter(trials.values()))) if trials else None,
        "stimuli": sorted(metadata.get("stimulus_times", {})),
        "indicator": metadata.get("indicator"),
        "synthetic": metadata.get("synthetic") is True,
        "model": metadata.get("model"),
    }


def _of_model(source: str) -> dict[str, Any]:
    model = calgan.load(source)
    generator = generator_of(model)
    steps = [name for name, _ in model.steps] if hasattr(model, "steps") else []
    record = record_of(Path(source))
    config = read_config(str(record)) if record.exists() else {}
    return {
        "steps": steps,
        "generator": type(generator).__name__,
        "window": generator.n_frames_in_,
        "n_neurons": generator.n_features_in_,
        "frame_rate": getattr(generator, "frame_rate_", None),
        "n_iter": getattr(generator, "n_iter_", None),
        "stopped": getattr(generator, "stopped_", None),
        "seed": getattr(generator, "seed_", None),
        "fingerprint": getattr(generator, "fingerprint_", None),
        "calgan_version": _version(source),
        "fitted_on": config.get("inputs", [None])[0],
        "test_size": config.get("test_size"),
    }


def _version(source: str) -> str | None:
    """Return the version of calgan that wrote a model file."""
    with safe_open(source, framework="numpy") as file:
        return json.loads(file.metadata()["calgan"]).get("calgan_version")


def as_text(facts: dict[str, Any]) -> str:
    """Return the facts as lines, those that say nothing left out."""
    lines = [str(facts["file"])]
    for name, value in facts.items():
        if name in ("file", "segments") or value is None or value is False or value == []:
            continue
        plain = name.removeprefix("n_").removeprefix("has_").replace("_", " ")
        lines.append(f"  {_WORDS.get(name, plain):18}{_shown(name, value)}")
    return "\n".join(lines)


def _shown(name: str, value: Any) -> str:
    unit = {"frame_rate": " Hz", "duration": " s", "window": " frames"}.get(name, "")
    if isinstance(value, list):
        more = f", ... ({len(value)})" if len(value) > 8 else ""
        return ", ".join(map(str, value[:8])) + more
    if isinstance(value, bool):
        return "yes"
    return (f"{value:.6g}" if isinstance(value, float) else str(value)) + unit
