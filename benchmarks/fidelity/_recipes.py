"""What is compared: calgan's recipes, baselines and other people's generators, by name."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.fidelity import outside
from calgan import (
    CalciumFactorModel,
    Pipeline,
    Recording,
    Windower,
    make_calcium_pipeline,
)

# More steps than any budget allows: time ends the training.
_NO_LIMIT = 10**7


@dataclass(frozen=True)
class Job:
    """What a recipe is told.

    Parameters
    ----------
    recording : Recording
        What to learn.
    window : int
        Frames a window.
    seed : int
        Seed of the training.
    minutes : float
        CPU minutes that it may take.
    outside_python : str or None
        Interpreter that other people's generators are installed for.
    """

    recording: Recording
    window: int
    seed: int
    minutes: float
    outside_python: str | None = None


@dataclass
class Fitted:
    """A fitted generator.

    Parameters
    ----------
    sample : callable
        Number of windows -> ndarray of shape (n, T, N), in the recording's units.
    model : object
        What `calgan.evaluate` reads the trained statistics from, None if there is no telling.
    facts : dict
        Steps taken, why training ended and whatever else belongs in the row.
    """

    sample: Callable[[int], np.ndarray]
    model: Any = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """A named way to get windows from a recording.

    Parameters
    ----------
    label : str
        What the table calls it.
    fit : callable
        `Job` -> `Fitted`.
    has_budget : bool
        Whether it trains for as long as it may; the default and the baselines take the time that
        they take.
    unseen_only : bool
        Whether it is run on recordings alone that no setting was tuned on.
    """

    label: str
    fit: Callable[[Job], Fitted]
    has_budget: bool = True
    unseen_only: bool = False


@contextlib.contextmanager
def cpu_clock() -> Iterator[None]:
    """Let ``max_time`` count this process's CPU seconds, which other programs do not slow down."""
    with mock.patch("calgan.training.loop.time", SimpleNamespace(monotonic=time.process_time)):
        yield


def _fit_pipeline(pipeline: Pipeline, job: Job) -> Fitted:
    with cpu_clock():
        pipeline.fit(job.recording)
    generator = pipeline[-1]
    facts = {
        "steps": getattr(generator, "n_iter_", 0),
        "best_step": getattr(generator, "best_iter_", 0),
        "stopped": getattr(generator, "stopped_", ""),
    }
    return Fitted(pipeline.sample, pipeline, facts)


def _trained(generator: str, **params: Any) -> Callable[[Job], Fitted]:
    def fit(job: Job) -> Fitted:
        pipeline = make_calcium_pipeline(
            generator,
            window=job.window,
            random_state=job.seed,
            max_iter=_NO_LIMIT,
            max_time=60.0 * job.minutes,
            device="cpu",
            verbose=0,
            **params,
        )
        return _fit_pipeline(pipeline, job)

    return fit


def _factor_model(**params: Any) -> Callable[[Job], Fitted]:
    def fit(job: Job) -> Fitted:
        pipeline = make_calcium_pipeline(
            window=job.window, random_state=job.seed, verbose=0, **params
        )
        return _fit_pipeline(pipeline, job)

    return fit


def _dichotomized_gaussian(seconds: float) -> Callable[[Job], Fitted]:
    def fit(job: Job) -> Fitted:
        n_lags = min(round(seconds * job.recording.frame_rate), 60, job.window // 2)
        pipeline = make_calcium_pipeline(
            "dichotomized_gaussian", window=job.window, n_lags=n_lags, random_state=job.seed
        )
        return _fit_pipeline(pipeline, job)

    return fit


def _outside(name: str) -> Callable[[Job], Fitted]:
    """Return a generator that is trained, and sampled, by another interpreter."""

    def fit(job: Job) -> Fitted:
        if job.outside_python is None:
            raise ValueError(
                f"{name} runs in an environment of its own: install "
                "benchmarks/requirements-outside.txt there and pass --outside-python."
            )
        stride = outside.MODELS[name].stride(job.window)
        windows = np.asarray(Windower(job.window, stride).fit_transform(job.recording))
        traces = np.concatenate(job.recording.segment_traces())
        low, high = traces.min(axis=0), traces.max(axis=0)
        span = np.where(high > low, high - low, 1.0)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder)
            np.save(path / "windows.npy", ((windows - low) / span).astype(np.float32))
            _run_outside(name, path, job)
            facts = json.loads((path / "facts.json").read_text())
            samples = np.load(path / "samples.npy") * span + low
        facts["note"] = f"{len(windows)} training windows; {facts['note']}"

        def sample(n: int) -> np.ndarray:
            if n > len(samples):
                raise ValueError(f"{name} left {len(samples)} samples, not {n}.")
            return np.asarray(samples[:n], dtype=np.float32)

        return Fitted(sample, None, facts)

    return fit


def _run_outside(name: str, folder: Path, job: Job) -> None:
    arguments = [name, str(folder), str(60.0 * job.minutes), str(job.seed)]
    one_thread = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}
    done = subprocess.run(
        [str(job.outside_python), outside.__file__, *arguments],
        env=os.environ | one_thread | {"KERAS_BACKEND": "torch", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        tail = "\n".join(done.stderr.splitlines()[-15:])
        print(tail, file=sys.stderr)
        raise RuntimeError(f"{name} failed under {job.outside_python}: {tail.splitlines()[-1:]}")


_DEFAULT = CalciumFactorModel()

RECIPES: dict[str, Recipe] = {
    "factor-model": Recipe("CalciumFactorModel (default)", _factor_model(), has_budget=False),
    "thesis": Recipe(
        "thesis, reduced",
        _trained(
            "gan",
            variant="1d",
            filters=16,
            batch_size=8,
            learning_rate=1e-3,
            settings={"critic_learning_rate": 1e-3},
        ),
    ),
    "thesis-full": Recipe("thesis, full width", _trained("gan", variant="1d")),
    **{
        name: Recipe(f"CalciumGAN, {name}", _trained("gan", variant=name))
        for name in ("compact", "relativistic")
    },
    "flow": Recipe("CalciumFlow", _trained("flow")),
    "dg": Recipe("dichotomized Gaussian", _dichotomized_gaussian(0.0), has_budget=False),
    "dg-lags": Recipe("DG with 2 s of lags", _dichotomized_gaussian(2.0), has_budget=False),
    **{name: Recipe(model.label, _outside(name)) for name, model in outside.MODELS.items()},
    # What tuning to a recording would gain.
    **{
        f"factor-model-{name}": Recipe(
            f"default, {label}", _factor_model(**params), has_budget=False, unseen_only=True
        )
        for name, label, params in (
            ("few-factors", "half the factors", {"n_factors": _DEFAULT.n_factors // 2}),
            ("many-factors", "twice the factors", {"n_factors": 2 * _DEFAULT.n_factors}),
            ("few-rounds", "half the rounds", {"max_iter": _DEFAULT.max_iter // 2}),
            ("many-rounds", "twice the rounds", {"max_iter": 2 * _DEFAULT.max_iter}),
        )
    },
}
"""Recipes by name. A new one needs a line here and nothing else."""
