"""``calgan evaluate`` and ``calgan report``: samples against what was held out."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import calgan
from calgan.cli._config import read_config, record_of
from calgan.cli._console import note, verbosity
from calgan.cli._files import is_model, load_windows, read, traces_sha256
from calgan.cli._fit import default_window, split
from calgan.cli._sample import seed_of
from calgan.data.files import replaced
from calgan.data.recording import Recording
from calgan.data.sampling import generator_of
from calgan.data.windows import Windower
from calgan.evaluation import Evaluation, evaluate


def judge(
    first: str,
    second: str,
    *,
    train: str | None,
    n_samples: int,
    window: int | None,
    seed: int | None,
    options: dict[str, Any],
    **settings: Any,
) -> Evaluation:
    """Evaluate a model on a recording, or one recording by another."""
    seed = seed_of(seed)
    settings = {"verbose": verbosity(), "random_state": seed, **settings}
    known = None if train is None else read(train, options)
    if not is_model(first):
        if is_model(second):
            raise ValueError(f"{second} is a model: name it first, and the recording after it.")
        real = read(first, options)
        samples = _windows_of(second, window or default_window(real))
        return evaluate(real, samples, train=known, **settings)
    if window is not None:
        raise ValueError(f"{first} has windows of its own: --window is for two recordings.")
    model = calgan.load(first)
    real, learnt = _held_out(Path(first), model, second, options, look_for_train=train is None)
    note(f"drawing {n_samples} windows of {first}, and comparing them with {real!r}")
    samples = model.sample(n_samples, random_state=seed)
    known = learnt if known is None else known
    return evaluate(real, samples, train=known, model=model, **settings)


def _held_out(
    path: Path, model: Any, source: str, options: dict[str, Any], *, look_for_train: bool
) -> tuple[Recording, Recording | None]:
    """Return what a model did not learn of a recording, and what it was fitted on, if known."""
    record = record_of(path)
    if not record.exists():
        real = read(source, options)
        if look_for_train:
            warnings.warn(
                f"{record} is missing, which says what the model was fitted on: every frame of "
                f"{source} is treated as held-out data; name the training recording with --train",
                UserWarning,
                stacklevel=2,
            )
        return real, None
    config = read_config(str(record))
    window = generator_of(model).n_frames_in_
    try:
        test_size, its_options = config["test_size"], config["read"] | options
        fitted = config["made"]["input"]
        fitted_source, fitted_sha256 = fitted["source"], fitted["traces_sha256"]
    except (KeyError, TypeError):
        raise ValueError(
            f"{record} does not say what {path} was fitted on: fit the model again."
        ) from None
    learnt_from = config["made"].get("fit", {}).get("fingerprint")
    if learnt_from != getattr(generator_of(model), "fingerprint_", None):
        raise ValueError(
            f"{record} belongs to another model than {path}: fit the model again, or delete the "
            "record."
        )
    same = os.path.realpath(source) == os.path.realpath(fitted_source)
    real = read(source, its_options if same else options)
    if same and options and traces_sha256(real) != fitted_sha256:
        raise ValueError(
            f"{source} reads otherwise than when {path} was fitted: leave out the options that "
            "were added, or fit again."
        )
    if traces_sha256(real) == fitted_sha256:
        learnt, held_out = split(real, test_size, window)
        if held_out is None:
            warnings.warn(
                f"{path} was fitted on every frame of {source}, so that copies score well; fit "
                "with --test-size 0.3 to hold frames out, or evaluate on another recording.",
                UserWarning,
                stacklevel=2,
            )
            return real, real
        return held_out, learnt
    if not look_for_train:
        return real, None
    try:
        training = read(fitted_source, its_options)
    except (OSError, ValueError, ImportError):
        training = None
    if training is None or traces_sha256(training) != fitted_sha256:
        warnings.warn(
            f"the recording that {path} was fitted on ({fitted_source}) cannot be read "
            "as it was, so that copies and the train-test baseline are unknown; name it with "
            "--train",
            UserWarning,
            stacklevel=2,
        )
        return real, None
    return real, split(training, test_size, window)[0]


def _windows_of(source: str, window: int) -> np.ndarray:
    """Return the windows of a synthetic file, side by side if it is a recording."""
    windows = load_windows(source)
    if windows is not None:
        return windows
    return np.asarray(Windower(window, stride=window).fit_transform(read(source)))


def as_dict(evaluation: Evaluation) -> dict[str, Any]:
    """Return the verdict and every number, as JSON holds them."""
    summary = evaluation.summary()
    rows = [{"name": row.name, "status": row.status, "text": row.text} for row in summary.rows]
    verdict = {"sentence": summary.sentence, "lines": list(summary.lines), "rows": rows}
    return {"summary": verdict, **evaluation.to_dict()}


def write_json(path: Path, evaluation: Evaluation) -> None:
    """Write the verdict and every number."""
    with replaced(path) as temporary:
        Path(temporary).write_text(json.dumps(as_dict(evaluation), indent=1), encoding="utf-8")
