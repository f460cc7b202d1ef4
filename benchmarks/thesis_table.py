"""The thesis's recorded-data experiment (its section 4.3): models x three mean divergences.

Trains every model of the thesis's Table 4.3, and the compact variant beside them, on recordings
that can be had, and writes the table under two protocols:

``blocked``
    calgan's own: training and held-out segments are apart in time, divergences are smoothed and
    stand beside their baseline (training windows against held-out windows).
``thesis``
    the published split, in which held-out windows overlap the training windows, and the published
    estimators. It rewards memorising, as its "replay" row shows; it is here to be compared with the
    published table. A model is trained anew on this split.

The second recording of the laboratory is for the early-versus-late experiment (section 4.3.5): one
model, two recordings.

One cell is a recording, protocol, model and seed; its row is written as soon as it ends, and cells
that are in the output already are skipped, so that an interrupted run goes on where it was.

    CALGAN_DATA=... python benchmarks/thesis_table.py --jobs 2          # laptop
    CALGAN_DATA=... python benchmarks/thesis_table.py --config full     # a GPU; not run yet
    python benchmarks/thesis_table.py --table-only

The laptop's networks are the published ones with fewer filters, on shorter windows and for
a few hundred steps; the full configuration has the published widths, batches and 400 passes.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from calgan import (
    Pipeline,
    Recording,
    evaluate,
    make_calcium_pipeline,
)
from calgan.metrics import bin_frames_for, firing_rate, pairwise_correlation
from calgan.model_selection import thesis_split, train_test_blocks

RESULTS = Path(__file__).parent / "results"
PUBLISHED = ("firing_rate_kl", "correlation_kl", "van_rossum_kl")
BEYOND = ("correlation_matrix_r", "population_count_kl")

# Table 4.3 of the thesis: firing rate, correlation, van Rossum.
TABLE_4_3 = {
    "1d": (0.4536, 0.0824, 0.5839),
    "1d-no-shuffle": (1.0478, 0.1148, 0.7273),
    "2d": (0.5351, 0.1195, 0.5897),
    "2d-fft": (0.4992, 0.1054, 0.5797),
    "dg": (1.0592, 0.3379, 1.0287),
}
LABELS = {
    "1d": "CalciumGAN",
    "1d-no-shuffle": "without phase shuffle",
    "2d": "2D",
    "2d-sorted": "2D, neurons sorted",
    "2d-fft": "2D FFT",
    "dg": "dichotomized Gaussian",
    "dg-lags": "DG with 2 s of lags",
    "compact": "CalciumGAN, compact",
    "flow": "CalciumFlow",
}
# What each model is compared under: the published systems under both protocols.
PROTOCOLS = dict.fromkeys(TABLE_4_3, ("blocked", "thesis")) | {
    "2d-sorted": ("blocked",),
    "dg-lags": ("blocked", "thesis"),
    "compact": ("blocked", "thesis"),
    "flow": ("blocked", "thesis"),
}


@dataclass(frozen=True)
class Source:
    """A file of real traces, and how it is windowed."""

    file: str
    label: str
    windows: dict[str, int]  # by configuration, in frames
    models: tuple[str, ...] = tuple(PROTOCOLS)


RECORDINGS = {
    "s1-0588": Source(
        "population_s1_0588_20180904.npz",
        "mouse barrel cortex 0588 (24 clean cells, 10.8 Hz)",
        {"laptop": 128, "full": 1024},
    ),
    "zebrafish-f3": Source(
        "population_zebrafish_tectum_20170215_f3.npz",
        "zebrafish tectum f3 (75 cells, 2.2 Hz)",
        {"laptop": 64, "full": 192},
    ),
    "s1-1140": Source(
        "population_s1_1140_20190614.npz",
        "mouse barrel cortex 1140 (clean cells, 10.8 Hz)",
        {"laptop": 128, "full": 1024},
        ("1d", "dg", "compact"),
    ),
}


@dataclass(frozen=True)
class Config:
    """Sizes of the networks and lengths of the training."""

    one_dimensional: dict[str, Any]
    two_dimensional: dict[str, Any]
    compact: dict[str, Any] = field(default_factory=dict)
    flow: dict[str, Any] = field(default_factory=dict)
    n_samples: int = 1000
    n_test: int = 1000


CONFIGS = {
    "laptop": Config(
        {"filters": 16, "batch_size": 8, "learning_rate": 1e-3, "max_iter": 350},
        {"filters": 4, "batch_size": 8, "learning_rate": 1e-3, "max_iter": 150},
        {"max_iter": 450},
        {"filters": 48, "max_iter": 600, "settings": {"check_every": 200}},
        n_samples=500,
        n_test=500,
    ),
    # Table 4.1: 400 passes, batches of 128, float16 with loss scaling.
    "full": Config(
        {"device": "cuda", "precision": "16-mixed"},
        {"device": "cuda", "precision": "16-mixed"},
        {"device": "cuda", "max_iter": 4000},
        {"device": "cuda", "max_iter": 20000, "settings": {"check_every": 1000}},
    ),
}


def load(data: Path, name: str) -> Recording:
    """Read a recording, its clean cells alone where the file says which they are."""
    with np.load(data / RECORDINGS[name].file) as file:
        traces = file["traces"]
        if "clean" in file:
            traces = traces[:, file["clean"]]
        return Recording(traces, float(file["frame_rate"]), units="dF/F")


def build(
    config: Config, model: str, window: int, frame_rate: float, seed: int, steps: int | None
) -> Pipeline:
    """Return the unfitted pipeline of a model."""
    if model.startswith("dg"):
        n_lags = max(1, round(2.0 * frame_rate)) if model == "dg-lags" else 0
        return make_calcium_pipeline(
            "dichotomized_gaussian", window=window, random_state=seed, n_lags=n_lags
        )
    if model == "flow":
        name, params = "flow", dict(config.flow)
    else:
        published = config.two_dimensional if "2d" in model else config.one_dimensional
        params = dict(config.compact if model == "compact" else published)
        if "learning_rate" in params:
            params["settings"] = {"critic_learning_rate": params["learning_rate"]}
        name, params["variant"] = "gan", model
    if steps is not None:
        params["max_iter"] = steps
    return make_calcium_pipeline(name, window=window, random_state=seed, verbose=0, **params)


def run_cell(
    data: Path, config_name: str, recording: str, protocol: str, model: str, seed: int, steps: Any
) -> dict[str, Any]:
    """Train one model, evaluate its samples, and return a row."""
    config = CONFIGS[config_name]
    window = RECORDINGS[recording].windows[config_name]
    traces = load(data, recording)
    train: Any
    test: Any
    if protocol == "thesis":
        train, test = thesis_split(traces, window, n_test=config.n_test, random_state=seed)
    else:
        train, test = train_test_blocks(traces, test_size=0.3, gap=window)
    began, began_cpu = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a repaired covariance of the DG
        warnings.simplefilter("default", ConvergenceWarning)
        pipeline = build(config, model, window, traces.frame_rate, seed, steps).fit(train)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - began_cpu
    evaluation = evaluate(
        test,
        pipeline.sample(config.n_samples),
        train=train,
        protocol=protocol,
        model=pipeline,
        random_state=seed,
        n_windows=config.n_samples,
        n_splits=3 if protocol == "blocked" else 1,
        n_bootstrap=0,
        controls=("replay", "shuffled"),
    )
    rows = {}
    for name in (*PUBLISHED, *BEYOND):
        statistic = evaluation[name]
        rows[name] = {
            "value": statistic.value,
            "baseline": statistic.baseline,
            "ratio": statistic.ratio,
            **statistic.controls,
        }
    spikes = {
        side: np.asarray(evaluation.spikes[side], dtype=np.float32)
        for side in ("real", "synthetic")
    }
    rate = traces.frame_rate
    bin_frames = bin_frames_for(rate)
    return {
        "config": config_name,
        "recording": recording,
        "protocol": protocol,
        "model": model,
        "seed": seed,
        "steps": getattr(pipeline[-1], "n_iter_", 0),
        "steps_asked": steps,
        "best_step": getattr(pipeline[-1], "best_iter_", 0),
        "stopped": getattr(pipeline[-1], "stopped_", ""),
        "train_seconds": round(seconds, 1),
        "train_cpu_seconds": round(cpu_seconds, 1),
        "memorisation": evaluation.memorisation["value"],
        "replay": evaluation.memorisation["replay"],
        "statistics": rows,
        "mean_rate": {k: float(np.mean(firing_rate(v, rate))) for k, v in spikes.items()},
        "mean_correlation": {
            k: float(np.nanmean(pairwise_correlation(v, bin_frames=bin_frames)))
            for k, v in spikes.items()
        },
    }


KEY = ("config", "recording", "protocol", "model", "seed")


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows that are there; the last row of a run that was killed may be torn."""
    rows = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def append(path: Path, row: dict[str, Any]) -> None:
    """Write a row on a line of its own, whatever a killed run has left before it."""
    torn = path.exists() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
    with path.open("a") as file:
        file.write(("\n" if torn else "") + json.dumps(row) + "\n")


def cells(
    config: str, recordings: Iterable[str], models: Iterable[str], seeds: Iterable[int]
) -> Iterator[tuple[str, str, str, str, int]]:
    """Yield the cells, all of the first seed first."""
    for seed in seeds:
        for recording in recordings:
            for model in models:
                if model in RECORDINGS[recording].models:
                    for protocol in PROTOCOLS[model]:
                        if recording == "s1-1140" and protocol == "thesis":
                            continue  # of no use to the experiment
                        yield config, recording, protocol, model, seed


def spread(values: list[float], form: str = ".3g") -> str:
    """Return the mean, and the smallest and largest of several values.

    Silent windows have no correlations, so a value may be undefined: a star says that some are.
    """
    known = [value for value in values if np.isfinite(value)]
    if not known:
        return "undefined" if values else "-"
    star = "*" if len(known) < len(values) else ""
    return f"{np.mean(known):{form}} [{min(known):{form}}, {max(known):{form}}]{star}"


def table(rows: list[dict[str, Any]], config: str) -> str:
    """Return the text of all tables."""
    lines = [
        f"python benchmarks/thesis_table.py --config {config}: {len(rows)} cells",
        "* undefined in some seeds: windows without spikes have no correlations",
    ]

    def pick(**wanted: Any) -> list[dict[str, Any]]:
        return [row for row in rows if all(row[k] == v for k, v in wanted.items())]

    def of(chosen: list[dict[str, Any]], name: str, field: str) -> list[float]:
        values = [row["statistics"][name][field] for row in chosen]
        return [value for value in values if value is not None]

    heads = ("firing rate", "correlation", "van Rossum")
    for recording, source in RECORDINGS.items():
        for protocol in ("blocked", "thesis"):
            mine = pick(config=config, recording=recording, protocol=protocol)
            if not mine:
                continue
            seeds = sorted({row["seed"] for row in mine})
            lines += [
                "",
                f"{source.label}, windows of {source.windows[config]} frames, "
                f'protocol "{protocol}"',
                f"mean KL, mean over seeds {', '.join(map(str, seeds))} [smallest, largest]"
                + ("; ratio to the baseline in the same order" if protocol == "blocked" else ""),
            ]
            columns = "".join(f"{head:>24s}" for head in heads)
            if protocol == "blocked":
                columns += (
                    f"{'ratios to baseline':>24s}{'corr. matrix r':>17s}{'pop. count KL':>15s}"
                )
                columns += f"{'memorisation':>14s}"
            else:
                columns += f"{'Table 4.3':>26s}{'memorisation':>14s}"
            lines.append(f"{'':24s}{columns}{'steps':>8s}{'CPU s':>7s}")
            for model, label in LABELS.items():
                chosen = [row for row in mine if row["model"] == model]
                if not chosen:
                    continue
                text = f"{label:24s}"
                text += "".join(f"{spread(of(chosen, n, 'value')):>24s}" for n in PUBLISHED)
                memorisation = np.mean([row["memorisation"] for row in chosen])
                if protocol == "blocked":
                    ratios = [np.nanmean(of(chosen, n, "ratio")) for n in PUBLISHED]
                    text += (
                        f"{' / '.join(f'{r:.0f}' if r >= 10 else f'{r:.2g}' for r in ratios):>24s}"
                    )
                    text += f"{np.mean(of(chosen, 'correlation_matrix_r', 'value')):17.2f}"
                    text += f"{np.mean(of(chosen, 'population_count_kl', 'value')):15.3g}"
                else:
                    known = TABLE_4_3.get(model)
                    text += f"{' / '.join(map(str, known)) if known else '-':>26s}"
                text += f"{memorisation:14.2f}"
                text += f"{chosen[0]['steps'] or '-':>8}"
                text += f"{np.mean([row['train_cpu_seconds'] for row in chosen]):7.0f}"
                lines.append(text)
            for label, field_name in (
                ("train-test baseline", "baseline"),
                ("replay of training", "replay"),
                ("neurons shuffled", "shuffled"),
            ):
                text = f"{label:24s}"
                text += "".join(f"{spread(of(mine, n, field_name)):>24s}" for n in PUBLISHED)
                if protocol == "blocked":
                    text += f"{'':24s}{np.mean(of(mine, 'correlation_matrix_r', field_name)):17.2f}"
                    text += f"{np.mean(of(mine, 'population_count_kl', field_name)):15.3g}"
                    if field_name == "replay":
                        text += f"{np.mean([row['replay'] for row in mine]):14.2f}"
                elif field_name == "replay":
                    text += f"{'':26s}{np.mean([row['replay'] for row in mine]):14.2f}"
                lines.append(text)
    pair = ("s1-0588", "s1-1140")
    if all(pick(config=config, recording=name, protocol="blocked") for name in pair):
        lines += ["", "Two recordings of one laboratory (section 4.3.5), held-out blocks"]
        lines.append(
            f"{'':42s}{'rate, real (Hz)':>22s}{'synthetic':>22s}"
            f"{'mean spike correlation':>26s}{'synthetic':>24s}"
        )
        for recording in pair:
            for model in ("1d", "compact"):
                chosen = pick(config=config, recording=recording, protocol="blocked", model=model)
                if not chosen:
                    continue
                text = f"{recording + ', ' + LABELS[model]:42s}"
                for quantity, width in (("mean_rate", 22), ("mean_correlation", 25)):
                    for side in ("real", "synthetic"):
                        text += f"{spread([row[quantity][side] for row in chosen]):>{width}s}"
                lines.append(text)
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the cells that are missing and write the table."""
    parser = argparse.ArgumentParser(description="The thesis's Table 4.3 on other recordings.")
    parser.add_argument("--data", type=Path, default=os.environ.get("CALGAN_DATA"))
    parser.add_argument("--config", choices=CONFIGS, default="laptop")
    parser.add_argument("--recordings", nargs="+", choices=RECORDINGS, default=list(RECORDINGS))
    parser.add_argument("--models", nargs="+", choices=LABELS, default=list(LABELS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=None, help="generator steps, to try it out")
    parser.add_argument("--jobs", type=int, default=1, help="cells at a time, one thread each")
    parser.add_argument("--output", type=Path, default=None)
    parser.add_argument("--table-only", action="store_true", help="write the table of what is done")
    arguments = parser.parse_args()
    if arguments.steps is not None and arguments.output is None:
        parser.error("--steps is a trial: say where its rows go with --output")
    output = arguments.output or RESULTS / f"thesis_table_{arguments.config}.jsonl"
    done = {tuple(row[k] for k in KEY) for row in read(output)}
    todo = [
        cell
        for cell in cells(arguments.config, arguments.recordings, arguments.models, arguments.seeds)
        if cell not in done
    ]
    if todo and not arguments.table_only:
        if arguments.data is None:
            parser.error("say where the recordings are: --data FOLDER, or CALGAN_DATA=FOLDER")
        data = Path(arguments.data).resolve()
        began = time.perf_counter()
        threads = 1 if arguments.jobs > 1 else None
        with joblib.parallel_config("loky", inner_max_num_threads=threads):
            parallel = joblib.Parallel(arguments.jobs, return_as="generator_unordered")
            calls = (joblib.delayed(run_cell)(data, *cell, arguments.steps) for cell in todo)
            for n, row in enumerate(parallel(calls), 1):
                append(output, row)
                kls = " ".join(f"{row['statistics'][name]['value']:.3g}" for name in PUBLISHED)
                print(
                    f"[{n}/{len(todo)}, {(time.perf_counter() - began) / 60:.0f} min] "
                    f"{' '.join(str(row[k]) for k in KEY)}: {row['steps']} steps in "
                    f"{row['train_seconds']:.0f} s, KLs {kls}",
                    flush=True,
                )
    text = table(read(output), arguments.config)
    output.with_suffix(".txt").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
