"""What each part of the factor model is worth: one left out at a time.

A cell is a variant, a recording and a seed. On two simulated processes, ratios are distances to
the truth over those of the training recording: rate, correlation, van Rossum, spectrum, population
count. On real recordings they are divergences from held-out data over the train-test baseline, and
r is the agreement of correlation matrices. A part earns its place if leaving it out costs more than
the spread over seeds on one kind of recording. Rows are written as they come; cells that have one
are skipped. `results/factor_model_ablation_before.txt` is of the model before parts were removed
because of it: fast changes of a neuron's own, amplitudes that vary, a rise, and the calibration of
the shared noise.

    CALGAN_DATA=... python benchmarks/factor_model_ablation.py --jobs 2
    python benchmarks/factor_model_ablation.py --table
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import joblib
import numpy as np
from sklearn.covariance import OAS, LedoitWolf
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.fidelity import _truth
from benchmarks.fidelity._cells import Setting, judge_real
from benchmarks.fidelity._recordings import training_data
from benchmarks.thesis_table import append, read
from calgan import CalciumFactorModel, Windower
from calgan.generators.factor_model import calibration, estimator, initial_fit, moments
from calgan.spikes import calcium_decay

OUTPUT = Path(__file__).parent / "results" / "factor_model_ablation.jsonl"
N_SAMPLES = 1000
REAL = ("s1-0588", "zebrafish-f3", "allen")
STATISTICS = (
    "firing_rate_kl",
    "correlation_kl",
    "van_rossum_kl",
    "population_count_kl",
    "log_spectrum_error",
)

Patch = Callable[[], Any]


def _without(parameter: str) -> Patch:
    table = tuple(row for row in calibration.TABLE if row.parameter != parameter)
    return lambda: mock.patch.object(calibration, "TABLE", table)


def _changed(**fields: Callable[[Any], Any]) -> Patch:
    """Change fields of the first model."""

    def initial(*arguments: Any) -> Any:
        model = initial_fit.initial_model(*arguments)
        new = {name: change(getattr(model, name)) for name, change in fields.items()}
        return model.__class__(**{**vars(model), **new})

    return lambda: mock.patch.object(estimator, "initial_model", initial)


def _both(*patches: Patch) -> Patch:
    @contextlib.contextmanager
    def together() -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for patch in patches:
                stack.enter_context(patch())
            yield

    return together


def _shrunk_by(covariance: Any) -> Patch:
    """Shrink all covariances by one factor of scikit-learn's, instead of loadings one by one."""
    inner = moments.principal_factors

    def factors(z: np.ndarray, n_factors: int, rng: Any) -> np.ndarray:
        kept = 1 - covariance().fit(z).shrinkage_
        with mock.patch.object(moments, "_posterior_means", lambda values, error: values):
            return inner(z, n_factors, rng) * np.sqrt(kept)

    return lambda: mock.patch.object(initial_fit, "principal_factors", factors)


VARIANTS: dict[str, Patch] = {
    "as it is": contextlib.nullcontext,
    "no decay/baseline search": lambda: mock.patch.object(calcium_decay, "_ROUNDS", ()),
    "loadings not shrunk": lambda: mock.patch.object(
        moments, "_posterior_means", lambda values, error: values
    ),
    "Ledoit-Wolf": _shrunk_by(LedoitWolf),
    "OAS": _shrunk_by(OAS),
    "no own changes": _both(
        _changed(own_variance=lambda v: 0 * v + 1e-6), _without("own_variance")
    ),
    "growth 1": _both(_changed(growth=np.ones_like), _without("growth")),
    "no saturation": _changed(largest=lambda v: 0 * v + np.inf),
    "no shared noise": _changed(shared_noise=np.zeros_like),
    "coupling not calibrated": _without("coupling"),
    "time scales not calibrated": lambda: mock.patch.object(
        calibration._TimeScales, "update", return_value=None
    ),
    "amplitudes not calibrated": _without("log_amplitude"),
    "growth not calibrated": _without("growth"),
    "baselines not calibrated": _without("level"),
    "noise not calibrated": _without("log_noise"),
    "rates not calibrated": _without("log_probability"),
    "nothing calibrated": lambda: mock.patch.object(calibration, "TABLE", ()),
}
"""Variants by name; each is a context in which a part is missing."""


def run(variant: str, recording: str, seed: int, setting: Setting) -> dict[str, Any]:
    """Fit and judge a variant; return a row."""
    row: dict[str, Any] = {"variant": variant, "recording": recording, "seed": seed}
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        train, window = training_data(setting.data, recording, seed)
        with VARIANTS[variant]():
            model = CalciumFactorModel(random_state=seed, verbose=0)
            model.fit(Windower(window).fit_transform(train))
        samples = model.sample(N_SAMPLES)
        if recording in REAL:
            found = judge_real(setting, recording, seed, samples)["statistics"]
            row["ratios"] = [found[name]["ratio"] for name in STATISTICS]
            row["ratios"].append(found["correlation_matrix_r"]["value"])
        else:
            ratios = _truth.ratios(samples, _truth.truth_of(recording, seed, setting.cache))
            row["ratios"] = [ratios[name] for name in _truth.STATISTICS]
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """Return mean ratios by recording and variant, with the standard deviation over seeds."""
    lines = []
    for recording in dict.fromkeys(row["recording"] for row in rows):
        real = recording in REAL
        heads = "rate corr. VR count spectrum r" if real else "rate corr. VR spectrum count"
        lines += [f"\n{recording}", f"{'':32s}seeds " + "".join(f"{h:>13s}" for h in heads.split())]
        for variant in dict.fromkeys(row["variant"] for row in rows):
            mine = [
                row["ratios"]
                for row in rows
                if (row["recording"], row["variant"]) == (recording, variant)
            ]
            if mine:
                cells = zip(np.mean(mine, axis=0), np.std(mine, axis=0), strict=True)
                text = "".join(
                    f"{f'{mean:.2f} ({sd:.2f})' if len(mine) > 1 else f'{mean:.2f}':>13s}"
                    for mean, sd in cells
                )
                lines.append(f"{variant:32s}{len(mine):5d} {text}")
    return "\n".join(lines).lstrip() + "\n"


def main() -> None:
    """Run what is missing, or print the table."""
    parser = argparse.ArgumentParser(description="One part of the factor model left out at a time.")
    parser.add_argument("--data", type=Path, default=os.environ.get("CALGAN_DATA"))
    parser.add_argument(
        "--cache", type=Path, default=Path(tempfile.gettempdir()) / "calgan_fidelity"
    )
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--table", action="store_true", help="write the table of what is there")
    arguments = parser.parse_args()
    rows = read(arguments.output)
    if arguments.table:
        text = table(rows)
        arguments.output.with_suffix(".txt").write_text(text)
        print(text, end="")
        return
    if arguments.data is None:
        parser.error("say where the recordings are: --data FOLDER, or CALGAN_DATA=FOLDER.")
    done = {(row["variant"], row["recording"], row["seed"]) for row in rows}
    cells = [
        (variant, recording, seed)
        for seed in range(5)
        for variant in VARIANTS
        for recording in (*_truth.PROCESSES, *(REAL if seed == 0 else ()))
        if (variant, recording, seed) not in done
    ]
    setting = Setting(arguments.data, arguments.cache, None)
    with joblib.parallel_config("loky"):
        parallel = joblib.Parallel(arguments.jobs, return_as="generator_unordered")
        for row in parallel(joblib.delayed(run)(*cell, setting) for cell in cells):
            append(arguments.output, row)
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
