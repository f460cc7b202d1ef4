"""``calgan fit``: a model of one recording, and a record of how it was fitted."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

import calgan
from calgan.cli._config import checkpoint_of, record_of, write_record
from calgan.cli._console import INTERRUPTED, note, verbosity
from calgan.cli._files import origin, read, versions
from calgan.data.recording import Recording
from calgan.data.sampling import generator_of
from calgan.model_selection import train_test_blocks
from calgan.pipeline import Pipeline, make_calcium_pipeline
from calgan.training.interrupts import uninterrupted

_WINDOW = 64  # frames
_SHORTEST_WINDOW = 16  # the least that the factor model learns
_WINDOWS_AT_LEAST = 10  # in the recording


def default_window(recording: Recording) -> int:
    """Return a window length (frames) that a recording has enough of."""
    lengths = np.sort(np.diff(recording.segments, axis=1).ravel())[::-1]
    # Half of the frames lie in segments as long as this one.
    common = int(lengths[np.searchsorted(np.cumsum(lengths), lengths.sum() / 2)])
    most = min(_WINDOW, common, int(lengths.sum()) // _WINDOWS_AT_LEAST)
    return max(_SHORTEST_WINDOW, most // 8 * 8)


def split(
    recording: Recording, test_size: float, window: int
) -> tuple[Recording, Recording | None]:
    """Return the part to learn, and the held-out end, a window apart."""
    if test_size == 0:
        return recording, None
    try:
        return train_test_blocks(recording, test_size=test_size, gap=window)
    except ValueError as error:
        raise ValueError(
            f"the recording of {recording.n_frames} frames is too short to hold out "
            f"{test_size:g} of them and a gap of one window of {window} frames: take a shorter "
            "window, or a test size of 0 to learn all frames."
        ) from error


def fit(
    *, name: str, source: str, config: dict[str, Any], model: str, resume: bool, seeded: bool
) -> int:
    """Fit a model to a file; save it, and beside it the complete configuration."""
    recording, path = read(source, config["read"]), Path(model)
    checkpoint = checkpoint_of(path) if resume else None
    if checkpoint is not None and checkpoint.exists():
        begun = calgan.load(checkpoint)
        note(f"going on from step {begun.n_iter_} in {checkpoint}")
        if not seeded:
            config = config | {"seed": begun.seed_}
    code = fit_recording(recording, source, config, path, checkpoint)[1]
    click.echo(model)
    return code


def fit_recording(
    recording: Recording,
    source: str,
    config: dict[str, Any],
    path: Path,
    checkpoint: Path | None = None,
) -> tuple[Pipeline, int]:
    """Fit a model, save it with its record, and return it with the exit code."""
    params = dict(config["model"])
    if params["window"] is None:
        params["window"] = default_window(recording)
    window = params["window"]
    train, test = split(recording, config["test_size"], window)
    pipeline = make_calcium_pipeline(**params, random_state=config["seed"])
    if "verbose" in pipeline[-1].get_params():
        pipeline[-1].set_params(verbose=verbosity())
    if checkpoint is not None:  # and not in the record, which repeats the fit
        pipeline[-1].set_params(checkpoint=checkpoint)
    note(f"{source}: {recording!r}")
    note(
        f"fitting {type(pipeline[-1]).__name__} to {train.n_frames} frames in windows of {window} "
        f"frames ({window / recording.frame_rate:.3g} s); "
        + (
            "no frame is held out, so evaluate needs another recording."
            if test is None
            else f"the last {test.n_frames} frames are held out for evaluate (test size 0 learns "
            "all frames)."
        )
    )
    started = time.monotonic()
    pipeline.fit(train)
    generator = generator_of(pipeline)
    n_iter, stopped = getattr(generator, "n_iter_", None), getattr(generator, "stopped_", None)
    interrupted = stopped == "interrupted" or not generator.fit_summary_
    if n_iter and stopped in ("interrupted", "max_time"):
        params |= {"max_iter": n_iter, "max_time": None}  # repeats the fit
    made: dict[str, Any] = {
        "made": {
            "versions": versions(),
            "input": origin(source, recording),
            "fit": {
                "learnt_frames": [0, train.n_frames],
                "held_out_frames": None
                if test is None
                else [len(recording) - len(test), len(recording)],
                "n_iter": n_iter,
                "stopped": stopped,
                "fingerprint": getattr(generator, "fingerprint_", None),
                "seconds": round(time.monotonic() - started, 2),
            },
        }
    }
    if hasattr(generator, "settings_"):
        made["made"]["settings"] = dataclasses.asdict(generator.settings_)
    with uninterrupted():
        pipeline.save(path)
        resolved = config | {"inputs": [source], "model": params}
        write_record(record_of(path), resolved | made)
    if interrupted:
        onward = "" if checkpoint is None else " The same command goes on."
        note(f"interrupted: what was learnt is saved in {path}.{onward}")
    return pipeline, INTERRUPTED if interrupted else 0
