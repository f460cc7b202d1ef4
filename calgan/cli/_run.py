"""``calgan run``: a configuration from beginning to end."""

from __future__ import annotations

from typing import Any

import click

from calgan import evaluate, make_calcium_pipeline, write_recording
from calgan.cli._config import record_of
from calgan.cli._console import note, verbosity
from calgan.cli._files import check_new, read
from calgan.cli._fit import fit_recording, split
from calgan.cli._judge import write_json
from calgan.cli._sample import check_format, write_windows
from calgan.data.files import make_folder


def run(
    *, name: str, source: str, config: dict[str, Any], folder: str, n_jobs: int, overwrite: bool
) -> int:
    """Fit, sample, evaluate and report on one recording, in a folder of its own."""
    place = make_folder(folder)
    model, windows = place / "run.calgan", place / "windows.npz"
    targets = [model, record_of(model), windows]
    drawn, seed = config["sample"], config["seed"]
    duration = drawn["duration"]
    unfitted = make_calcium_pipeline(config["model"]["generator"], window=1)
    if hasattr(unfitted, "sample_recording"):
        targets.append(place / drawn["file"])
        check_format(targets[-1])
    elif duration is not None:
        unfitted.sample_recording(duration)  # says why not
    if config["test_size"] > 0:
        targets += [place / "evaluation.json", place / "report.html"]
    check_new(*targets, overwrite=overwrite)
    recording = read(source, config["read"])
    pipeline, code = fit_recording(recording, source, config, model)
    if code:
        return code
    if hasattr(pipeline, "sample_recording"):
        duration = recording.duration if duration is None else duration
        note(f"drawing a recording of {duration:g} s")
        sampled = pipeline.sample_recording(duration, random_state=seed)
        write_recording(sampled, place / drawn["file"], overwrite=overwrite)
    synthetic = write_windows(pipeline, drawn["windows"], windows, seed)
    if config["test_size"] > 0:
        train, test = split(recording, config["test_size"], pipeline[0].window)
        note(f"comparing {len(synthetic)} synthetic windows with the held-out frames")
        evaluation = evaluate(
            test,
            synthetic,
            train=train,
            model=pipeline,
            random_state=seed,
            n_jobs=n_jobs,
            verbose=verbosity(),
            **config["evaluate"],
        )
        write_json(place / "evaluation.json", evaluation)
        evaluation.to_html(place / "report.html", title=name, verbose=verbosity())
        click.echo(f"{name}\n{evaluation.summary()}\n")
    click.echo("\n".join(map(str, targets)))
    return 0
