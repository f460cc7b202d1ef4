"""One cell of the benchmark: train a recipe on a recording, judge its samples, return a row."""

from __future__ import annotations

import ast
import hashlib
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import calgan
from benchmarks.fidelity import _truth
from benchmarks.fidelity._independent import independent_areas
from benchmarks.fidelity._recipes import RECIPES, Job
from benchmarks.fidelity._recordings import (
    REAL,
    RECORDINGS,
    TRUTHS,
    split,
    training_data,
)
from benchmarks.fidelity._rows import CONTROLS, KEY
from calgan import Windower, evaluate
from calgan.data.validation import rng_from

N_SAMPLES = 1000
# Windows on either side of a comparison with held-out data, and draws of them.
N_WINDOWS, N_SPLITS, N_BOOTSTRAP = 500, 3, 200
SEEDS = {"real": (0, 1, 2), "truth": (0, 1, 2, 3, 4)}
_REPLAY, _SHUFFLE = 11, 12
N_LEVELS = 3000  # windows behind the true mean of a simulated neuron


@dataclass(frozen=True)
class Setting:
    """What all cells share.

    Parameters
    ----------
    data : Path or None
        Folder of the real recordings.
    cache : Path
        Folder for what is computed once.
    outside_python : str or None
        Interpreter of other people's generators.
    """

    data: Path | None
    cache: Path
    outside_python: str | None


def cells(
    budget: float,
    seeds: Iterable[int] | None = None,
    only: Iterable[str] = ("*/*",),
    recipes: Iterable[str] | None = None,
) -> Iterator[tuple[str, str, int, float]]:
    """Yield the keys of the cells, all of the first seed first.

    Parameters
    ----------
    budget : float
        CPU minutes of a training; what does not train has 0.
    seeds : iterable of int, default=None
        None takes three for real recordings and five for simulated ones.
    only : iterable of str, default=("*/*",)
        Patterns ``recipe/recording``, as of file names.
    recipes : iterable of str, default=None
        Names of recipes; None takes all.

    Yields
    ------
    tuple of (str, str, int, float)
        Recipe, recording, seed and budget.
    """
    names = [CONTROLS, *RECIPES] if recipes is None else list(recipes)
    patterns = list(only)
    chosen = None if seeds is None else list(seeds)
    for seed in sorted({seed for each in SEEDS.values() for seed in each} | set(chosen or ())):
        for recording in RECORDINGS:
            mine = SEEDS["truth" if recording in TRUTHS else "real"] if chosen is None else chosen
            for name in names:
                wanted = any(fnmatch(f"{name}/{recording}", pattern) for pattern in patterns)
                if name != CONTROLS and RECIPES[name].unseen_only:
                    wanted &= recording in REAL and REAL[recording].unseen
                if seed in mine and wanted:
                    has_budget = name != CONTROLS and RECIPES[name].has_budget
                    yield name, recording, seed, budget if has_budget else 0.0


@cache
def code_fingerprint() -> str:
    """Return a hash of calgan's code, without comments and docstrings.

    Returns
    -------
    str
        Twelve hexadecimal digits: a row with others is of another version.
    """
    package = Path(calgan.__file__).parent
    digest = hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        part = file.relative_to(package)
        if {"plotting", "report"} & set(part.parts):
            continue  # they compute nothing that is in a row
        tree = ast.parse(file.read_text())
        for node in ast.walk(tree):
            body: Any = getattr(node, "body", None)
            first = body[0] if isinstance(body, list) and body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                body.pop(0)
        digest.update(str(part).encode() + ast.dump(tree).encode())
    return digest.hexdigest()[:12]


def run_cell(setting: Setting, recipe: str, recording: str, seed: int, budget: float) -> dict:
    """Train, sample, judge.

    Parameters
    ----------
    setting : Setting
        Folders and interpreter.
    recipe, recording : str
        Names.
    seed : int
        Seed of the training, of the choice of windows, and of a simulated process.
    budget : float
        CPU minutes.

    Returns
    -------
    dict
        The row.
    """
    import torch

    torch.set_num_threads(1)
    with threadpool_limits(1):  # a budget is CPU time: one thread for whatever else computes, too
        return _run_cell(setting, recipe, recording, seed, budget)


def _run_cell(setting: Setting, recipe: str, recording: str, seed: int, budget: float) -> dict:
    row: dict[str, Any] = dict(zip(KEY, (recipe, recording, seed, budget), strict=True))
    row["code"] = code_fingerprint()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if recipe == CONTROLS:
            judge = _control_truth if recording in TRUTHS else _control_real
            return row | judge(setting, recording, seed)
        train, window = training_data(setting.data, recording, seed)
        job = Job(train, window, seed, budget, setting.outside_python)
        wall, cpu = time.perf_counter(), time.process_time()
        fitted = RECIPES[recipe].fit(job)
        row |= {
            "cpu_seconds": time.process_time() - cpu,
            "wall_seconds": time.perf_counter() - wall,
        }
        row |= fitted.facts  # another process counts its own seconds
        began = time.perf_counter()
        samples = np.asarray(fitted.sample(N_SAMPLES), dtype=np.float32)
        row["sample_seconds"] = time.perf_counter() - began
        row |= {"window": window, "n_neurons": samples.shape[2], "n_samples": len(samples)}
        if not np.isfinite(samples).all():
            return row | {"failed": "samples are not finite"}
        if recording in TRUTHS:
            return row | judge_truth(setting, recording, seed, samples)
        return row | judge_real(setting, recording, seed, samples, fitted.model)


def judge_real(
    setting: Setting,
    recording: str,
    seed: int,
    samples: np.ndarray,
    model: Any = None,
    controls: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Judge samples against the held-out part of a real recording.

    Parameters
    ----------
    setting : Setting
        Where the recordings are.
    recording : str
        Name of the recording.
    seed : int
        Seed of the windows drawn: the same for every recipe, so that baselines are the same.
    samples : ndarray of shape (n, T, N)
        Synthetic windows.
    model : object, default=None
        Where they come from.
    controls : tuple of str, default=()
        Controls of `calgan.evaluate` to compute with them.

    Returns
    -------
    dict
        "statistics" (value, baseline, ratio and their intervals) and "memorisation".
    """
    train, test, _ = split(Path(setting.data or "."), recording)
    evaluation = evaluate(
        test,
        samples,
        train=train,
        random_state=seed,
        model=model,
        controls=controls,
        n_windows=N_WINDOWS,
        n_splits=N_SPLITS,
        n_bootstrap=N_BOOTSTRAP,
    )
    statistics = {
        row.name: {
            "value": row.value,
            "interval": row.value_interval,
            "baseline": row.baseline,
            "baseline_interval": row.baseline_interval,
            "ratio": row.ratio,
            "ratio_interval": row.ratio_interval,
            "trained_on": row.trained_on,
            **row.controls,
        }
        for row in evaluation.statistics
    }
    return {
        "statistics": statistics,
        "memorisation": evaluation.memorisation,
    }


def judge_truth(setting: Setting, recording: str, seed: int, samples: np.ndarray) -> dict[str, Any]:
    """Judge samples against the process that the recording was drawn from.

    Parameters
    ----------
    setting : Setting
        Where truths are kept.
    recording : str
        Name of the process.
    seed : int
        Its seed.
    samples : ndarray of shape (1000, 128, 60)
        Synthetic windows.

    Returns
    -------
    dict
        "truth" (distance and ratio to the training windows' distance, a statistic each),
        "classifier" (AUC against fresh windows) and "memorisation".
    """
    truth = _truth.truth_of(recording, seed, setting.cache)
    distances = _truth.distances(samples, truth)
    return {
        "truth": {
            name: {"distance": value, "ratio": value / truth.training[name]}
            for name, value in distances.items()
        },
        "classifier": {"value": _truth.two_sample(samples, recording, seed)},
        "memorisation": {"value": _truth.memorisation(samples, recording, seed)},
    }


def _shuffled(windows: np.ndarray, seed: int) -> np.ndarray:
    """Windows in which every neuron comes from another window."""
    order = np.repeat(np.arange(len(windows))[:, None], windows.shape[2], axis=1)
    picked = rng_from(seed, _SHUFFLE).permuted(order, axis=0)
    return windows[
        picked[:, None, :], np.arange(windows.shape[1])[:, None], np.arange(order.shape[1])
    ]


def _control_real(setting: Setting, recording: str, seed: int) -> dict[str, Any]:
    train, test, window = split(Path(setting.data or "."), recording)
    windows = Windower(window).fit_transform(train)
    picked = rng_from(seed, _REPLAY).integers(len(windows), size=N_SAMPLES)
    # The samples are of no interest here: `evaluate` makes the controls itself.
    replay = np.asarray(windows[np.sort(picked)])
    row = judge_real(setting, recording, seed, replay, controls=("replay", "shuffled"))
    independent = independent_areas(train, test, window, n=N_WINDOWS, n_draws=N_SPLITS, seed=seed)
    return row | {"independent": independent, "window": window, "n_neurons": train.n_neurons}


def _control_truth(setting: Setting, recording: str, seed: int) -> dict[str, Any]:
    train = _truth.training_recording(recording, seed)
    truth = _truth.truth_of(recording, seed, setting.cache)
    replay, blocks = _truth.windows_in_blocks(train, N_SAMPLES, seed)
    fresh = _truth.fresh_windows(recording, seed)
    shuffled = _shuffled(replay, seed)
    # What nobody can know better who has this recording alone: each neuron's mean.
    process = _truth.process_of(recording, seed)
    many, _ = process.sample_windows(N_LEVELS, _truth.WINDOW, random_state=seed)
    levelled = fresh + (np.asarray(train.traces).mean(axis=0) - many.mean(axis=(0, 1)))
    sides: dict[str, dict[str, Any]] = {
        "training": {"distances": truth.training, "auc": (replay, blocks)},
        "fresh": {"distances": truth.fresh, "auc": (fresh, None)},
        "levelled": {"distances": _truth.distances(levelled, truth), "auc": (levelled, None)},
        "shuffled": {"distances": _truth.distances(shuffled, truth), "auc": (shuffled, None)},
    }
    return {
        "window": _truth.WINDOW,
        "n_neurons": _truth.N_NEURONS,
        "sides": {
            side: {
                "truth": {
                    name: {"distance": value, "ratio": value / truth.training[name]}
                    for name, value in content["distances"].items()
                },
                "classifier": {
                    "value": _truth.two_sample(
                        content["auc"][0], recording, seed, content["auc"][1]
                    )
                },
                "memorisation": {"value": _truth.memorisation(content["auc"][0], recording, seed)},
            }
            for side, content in sides.items()
        },
    }
