"""Spikes inferred by several methods against recorded ones: leave one data set out.

A method that has something to choose or to train does so on the other data sets. Sets that hold the
same cells are left out together, and count once in training; `SAME_CELLS` names them. The score is
Pearson's r of inferred and true spikes in bins of 1/7.5 s, and of 1/25 s for SpikeFinder's cells,
which have 100 frames a second. Of a neuron, it is the mean over its recordings, weighted by
duration; of a set, the mean over neurons. An inference without spikes counts as r = 0. Recordings
without spikes, or with fewer frames a second than bins, are left out.

The settings of OASIS are the best of a grid, in the mean over the other sets at the same bins; one
of the methods also moves the inferred spikes ahead by a lag that is chosen so.

A cell is a method, a group of sets and a seed. Rows are written as they come; cells that have one
are skipped.

    CALGAN_DATA=... python benchmarks/spike_inference.py --jobs 2
    CALGAN_DATA=... python benchmarks/spike_inference.py --only 'oasis-*/*' 'conditional/DS0*'
    python benchmarks/spike_inference.py --table
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatch
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from scipy.ndimage import gaussian_filter1d, shift
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.spike_ground_truth import (
    SAME_ANIMALS,
    SAME_CELLS,
    Cell,
    DataSets,
    benchmark_data,
)
from benchmarks.thesis_table import append, read
from calgan import OasisDeconvolver, Recording
from calgan.data.resampling import resampled_counts
from calgan.metrics import spike_inference_scores

OUTPUT = Path(__file__).parent / "results" / "spike_inference.jsonl"
BINS = {"7.5 Hz": 1 / 7.5, "25 Hz": 1 / 25}
SCORES = ("correlation", "bias", "error", "auc")

# Thresholds in units of the noise; decay times (s), None is estimated; SD of a Gaussian (s); times
# (s) by which inferred spikes are moved ahead, since the peak of a transient comes after its spike.
THRESHOLDS = (0.0, 1.5, 3.0)
DECAY_TIMES = (None, 0.5, 1.0, 2.0)
SMOOTHINGS = (0.0, 0.03, 0.06, 0.1, 0.15)
LAGS = (0.0, 0.02, 0.04, 0.06, 0.08)
SETTINGS = list(product(THRESHOLDS, DECAY_TIMES, SMOOTHINGS, LAGS))
GRID = "oasis-grid"
"""The method whose rows hold the mean r of each of the settings."""

Setting = tuple[float, float | None, float, float]
Rows = list[dict[str, Any]]
Means = dict[str, dict[str, list[float]]]
"""Mean r of each setting of the grid, by set and bins."""
Infer = Callable[[Cell, str], list[np.ndarray]]
"""Spikes (T, K) of each recording of a cell, by K settings, for scores in bins of this name."""


# --- methods ------------------------------------------------------------------------------------


def oasis(
    cell: Cell,
    threshold: float,
    decay_time: float | None,
    smoothings: Iterable[float] = (0.0,),
    lags: Iterable[float] = (0.0,),
) -> list[np.ndarray]:
    """Amplitudes (T, K) of each recording, smoothed and moved; one fit for all recordings."""
    deconvolver = OasisDeconvolver(threshold=threshold, decay_time=decay_time, output="amplitudes")
    changes = list(product(smoothings, lags))
    return [
        np.stack([changed(each, smoothing, lag) for smoothing, lag in changes], axis=1)
        for each in deconvolver.fit_transform(list(cell.recordings))
    ]


def changed(spikes: Recording, smoothing: float, lag: float) -> np.ndarray:
    """Spikes (T,) convolved with a Gaussian of this SD (s), and moved ahead by a lag (s)."""
    values, rate = spikes.traces[:, 0], spikes.frame_rate
    if smoothing:
        values = gaussian_filter1d(values, smoothing * rate)
    return shift(values, -lag * rate, order=1, mode="nearest") if lag else values


def oasis_fixed(smoothing: float, training: DataSets, seed: int, means: Means) -> Infer:
    """OASIS with the default settings."""
    return lambda cell, bins: oasis(cell, 3.0, None, [smoothing])


def oasis_grid(training: DataSets, seed: int, means: Means) -> Infer:
    """OASIS with all settings of the grid, in its order."""

    def infer(cell: Cell, bins: str) -> list[np.ndarray]:
        parts = [
            oasis(cell, threshold, decay_time, SMOOTHINGS, LAGS)
            for threshold, decay_time in product(THRESHOLDS, DECAY_TIMES)
        ]
        return [np.concatenate(each, axis=1) for each in zip(*parts, strict=True)]

    return infer


def best_setting(method: str, training: Iterable[str], means: Means, bins: str) -> Setting:
    """Return the setting that is best in the mean over training sets."""
    known = [means[name][bins] for name in training if bins in means.get(name, {})]
    may_move = method == "oasis-tuned-lag"
    usable = [may_move or lag == 0 for *_, lag in SETTINGS]
    return SETTINGS[int(np.argmax(np.where(usable, np.mean(known, axis=0), -np.inf)))]


def oasis_tuned(method: str, training: DataSets, seed: int, means: Means) -> Infer:
    """OASIS with the best setting for the training sets."""

    def infer(cell: Cell, bins: str) -> list[np.ndarray]:
        setting = best_setting(method, training, means, bins)
        threshold, decay_time, smoothing, lag = setting
        return oasis(cell, threshold, decay_time, [smoothing], [lag])

    return infer


def shipped(training: DataSets, seed: int, means: Means) -> Infer:
    """The networks of the package, adapted to the statistics of the neuron."""
    from calgan import SpikeInferenceNetwork

    return lambda cell, bins: _values(SpikeInferenceNetwork().fit(list(cell.recordings)), cell)


def trained(adaptation: str, training: DataSets, seed: int, means: Means) -> Infer:
    """Train a network, one and no ensemble, on the training sets."""
    from calgan import SpikeInferenceNetwork

    recordings = [cell.joined() for name in training for cell in training[name]]
    spikes = [recording.metadata["spikes"] for recording in recordings]
    network = SpikeInferenceNetwork(adaptation, n_networks=1, random_state=seed, verbose=0)
    network.fit(recordings, spikes)
    return lambda cell, bins: _values(network.adapt(list(cell.recordings)), cell)


def _values(network: Any, cell: Cell) -> list[np.ndarray]:
    return [each.traces for each in network.transform(list(cell.recordings))]


METHODS: dict[str, tuple[str, Callable[[DataSets, int, Means], Infer]]] = {
    "oasis-raw": ("OASIS", partial(oasis_fixed, 0.0)),
    "oasis-smoothed": ("smoothed", partial(oasis_fixed, 0.08)),
    "oasis-tuned": ("tuned", partial(oasis_tuned, "oasis-tuned")),
    "oasis-tuned-lag": ("tuned, lag", partial(oasis_tuned, "oasis-tuned-lag")),
    "shipped": ("shipped", shipped),
    "conditional": ("conditional", partial(trained, "conditional")),
    "embedding": ("embedding", partial(trained, "embedding")),
}
"""Heading and function of each method."""
TUNED = ("oasis-tuned", "oasis-tuned-lag")
HAS_SEEDS = ("conditional", "embedding")


# --- scores -------------------------------------------------------------------------------------


def score_set(
    cells: list[Cell], infer: Infer, bins: str, score: Callable[..., Any] = spike_inference_scores
) -> dict[str, Any]:
    """Return scores (K,) of each neuron with spikes, and the number of recordings left out."""
    width = BINS[bins]
    neurons: dict[str, list[tuple[float, dict[str, np.ndarray]]]] = {}
    slow, silent = 0, 0
    for cell in cells:
        if cell.recordings[0].frame_rate * width < 1 - 1e-6:
            slow += len(cell.recordings)
            continue
        for recording, inferred in zip(cell.recordings, infer(cell, bins), strict=True):
            true, rate = recording.metadata["spikes"], recording.frame_rate
            binned = resampled_counts(true, rate, 1 / width)
            if len(binned) < 2 or not binned.any():
                silent += 1
                continue
            true = np.repeat(true, inferred.shape[1], axis=1)
            scores = score(true, inferred, rate, bin_width=width)
            scores["correlation"] = np.nan_to_num(scores["correlation"])
            neurons.setdefault(cell.neuron, []).append((recording.duration, scores))
    found = {
        "dataset": cells[0].dataset,
        "neuron": list(neurons),
        "seconds": [sum(duration for duration, _ in parts) for parts in neurons.values()],
        "slow": slow,
        "silent": silent,
    }
    for name in SCORES if score is spike_inference_scores else ("correlation",):
        found[name] = [_weighted(parts, name) for parts in neurons.values()]
    return found


def correlations(
    true: np.ndarray, inferred: np.ndarray, frame_rate: float, *, bin_width: float
) -> dict[str, np.ndarray]:
    """Correlation alone, which takes a fraction of the time of all scores."""
    n, m = (
        resampled_counts(spikes, frame_rate, 1 / bin_width).astype(np.float64)
        for spikes in (true, inferred)
    )
    n -= n.mean(axis=0)
    m -= m.mean(axis=0)
    norm = np.sqrt((n**2).sum(axis=0) * (m**2).sum(axis=0))
    return {"correlation": (n * m).sum(axis=0) / np.where(norm > 0, norm, np.nan)}


def _weighted(found: list[tuple[float, dict[str, np.ndarray]]], name: str) -> np.ndarray:
    """Mean (K,) of a score over recordings, weighted by their duration; NaN counts nothing."""
    values = np.ma.masked_invalid([scores[name] for _, scores in found])
    durations = [duration for duration, _ in found]
    return np.ma.average(values, axis=0, weights=durations).filled(np.nan)


# --- cells --------------------------------------------------------------------------------------


def groups_of(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the sets that are left out together, by a name of the group."""
    names = list(names)
    groups = [
        [name, *(copy for copy, original in SAME_CELLS.items() if original == name)]
        for name in names
        if SAME_CELLS.get(name) not in names
    ]
    groups = [[name for name in group if name in names] for group in groups]
    return {"+".join(group): group for group in groups}


def training_sets(names: Iterable[str], group: list[str]) -> list[str]:
    """Return the sets that a method may learn from; none holds cells of another."""
    names = list(names)
    return [name for name in names if name not in group and SAME_CELLS.get(name) not in names]


def run(
    method: str, group: str, seed: int, folder: Path, means: Means, n_threads: int
) -> dict[str, Any]:
    """Learn from the other sets, and score the sets of a group."""
    row: dict[str, Any] = {"method": method, "group": group, "seed": seed}
    with threadpool_limits(n_threads), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # traces that OASIS cannot take
        data = benchmark_data(folder)
        held_out = groups_of(data)[group]
        training = {name: data[name] for name in training_sets(data, held_out)}
        began = time.process_time()
        infer = (oasis_grid if method == GRID else METHODS[method][1])(training, seed, means)
        row["training_seconds"] = time.process_time() - began
        row["sets"] = {}
        for name in held_out:
            # The finer bins are for SpikeFinder's cells, and where settings are chosen for them.
            fine = name.startswith("SF") or method == GRID
            for bins in BINS if fine else ["7.5 Hz"]:
                score = correlations if method == GRID else spike_inference_scores
                found = score_set(data[name], infer, bins, score)
                if not found["neuron"]:
                    continue
                if method == GRID:
                    content = {"settings": rounded(np.mean(found["correlation"], axis=0))}
                else:
                    content = found | {score: rounded(found[score]) for score in SCORES}
                    content["seconds"] = rounded(found["seconds"])
                if method in TUNED:
                    content["setting"] = best_setting(method, training, means, bins)
                row["sets"].setdefault(name, {})[bins] = content
        row["seconds"] = time.process_time() - began
    return row


def rounded(values: Any) -> list[float]:
    """Return numbers as a row holds them."""
    return [round(value, 4) for value in np.ravel(values).tolist()]


def means_of(rows: Rows) -> Means:
    """Return the means of the grid from its rows."""
    return {
        name: {bins: content["settings"] for bins, content in by_bins.items()}
        for row in rows
        if row["method"] == GRID
        for name, by_bins in row["sets"].items()
    }


def wanted(
    groups: Iterable[str], seeds: Iterable[int], only: Iterable[str]
) -> Iterator[tuple[str, str, int]]:
    """Yield method, group and seed of the cells."""
    patterns, seeds = list(only), list(seeds)
    for method, group in product(METHODS, list(groups)):
        if any(fnmatch(f"{method}/{group}", pattern) for pattern in patterns):
            for seed in seeds if method in HAS_SEEDS else [0]:
                yield method, group, seed


# --- table --------------------------------------------------------------------------------------


def scores_by_set(rows: Rows, method: str, bins: str, score: str) -> dict[str, np.ndarray]:
    """Return a method's mean over neurons for each seed, by set."""
    found: dict[str, list[float]] = {}
    for row in sorted(rows, key=lambda row: row["seed"]):
        if row["method"] == method:
            for name, by_bins in row["sets"].items():
                if bins in by_bins:
                    values = np.array(by_bins[bins][score], dtype=float)
                    found.setdefault(name, []).append(float(np.nanmean(values)))
    return {name: np.array(values) for name, values in found.items()}


def table(rows: Rows) -> str:
    """Return mean r by set and method, and the means over sets."""
    methods = [name for name in METHODS if any(row["method"] == name for row in rows)]
    only = (
        "" if len(methods) == len(METHODS) else " --only " + " ".join(f"'{m}/*'" for m in methods)
    )
    seeds = sorted({row["seed"] for row in rows})
    lines = [
        f"$ CALGAN_DATA=... python benchmarks/spike_inference.py --seeds "
        f"{' '.join(map(str, seeds))}{only}",
        "",
        "Pearson's r of inferred and true spikes in bins, mean over neurons. OASIS: amplitudes,",
        "default settings; smoothed: with a Gaussian of SD 80 ms; tuned: threshold, decay time and",
        "SD that are best for the other sets; lag: spikes are moved ahead by a time chosen so;",
        "shipped: the networks of the package, which were trained on simulated recordings;",
        "conditional, embedding: networks trained on the other sets.",
        "The same cells, left out together: "
        + ", ".join(f"{copy} = {original}" for copy, original in SAME_CELLS.items())
        + f". {SAME_ANIMALS}",
    ]
    for bins, sets, title in (
        ("7.5 Hz", "DS*", "database, bins of 1/7.5 s"),
        ("7.5 Hz", "SF*", "SpikeFinder's training cells, bins of 1/7.5 s"),
        ("25 Hz", "SF*", "SpikeFinder's training cells, bins of 1/25 s"),
    ):
        by_method = {
            method: {
                name: values
                for name, values in scores_by_set(rows, method, bins, "correlation").items()
                if fnmatch(name, sets)
            }
            for method in methods
        }
        names = sorted({name for found in by_method.values() for name in found})
        heads = "".join(f"{METHODS[method][0]:>13s}" for method in methods)
        lines += ["", f"{title:47s} cells{heads}"]
        for name in names:
            label, n = described(rows, name, bins)
            cells = "".join(seeds_cell(by_method[method].get(name)) for method in methods)
            lines.append(f"{label:47s} {n:5d}{cells}")
        common = [name for name in names if all(name in found for found in by_method.values())]
        of = "sets" if len(common) == len(names) else f"the {len(common)} sets of all methods"
        for what, cell in (("mean", mean_cell), ("SD", spread_cell)):
            cells = (cell([by_method[method][name] for name in common]) for method in methods)
            lines.append(f"{f'{what} over {of}':53s}" + "".join(cells))
    for score, note in (("bias", "0 at best"), ("error", "0 at best"), ("auc", "1 at best")):
        counting = [method for method in methods if score == "auc" or "oasis" not in method]
        if counting:
            texts = []
            for method in counting:
                found = scores_by_set(rows, method, "7.5 Hz", score)
                values = [v.mean() for name, v in found.items() if name.startswith("DS")]
                texts.append(f"{METHODS[method][0]} {np.median(values):.2f}")
            lines += ["", f"{score} ({note}), median over the database's sets: {', '.join(texts)}"]
    return "\n".join([*lines, "", *left_out(rows), "", *chosen(rows)]) + "\n"


def seeds_cell(values: np.ndarray | None) -> str:
    """Mean over seeds."""
    return f"{'' if values is None else f'{values.mean():.3f}':>13s}"


def mean_cell(sets: list[np.ndarray]) -> str:
    """Mean over sets and seeds, and half of its range over seeds."""
    if not sets:
        return " " * 13
    by_seed = np.mean([values[: min(map(len, sets))] for values in sets], axis=0)
    spread = f" ±{np.ptp(by_seed) / 2:.3f}" if len(by_seed) > 1 else ""
    return f"{f'{by_seed.mean():.3f}{spread}':>13s}"


def spread_cell(sets: list[np.ndarray]) -> str:
    """Standard deviation over sets."""
    return f"{f'{np.std([values.mean() for values in sets]):.3f}' if sets else '':>13s}"


def contents(rows: Rows, name: str, bins: str) -> Iterator[dict[str, Any]]:
    """Yield what the rows have of a set."""
    for row in rows:
        if row["method"] != GRID and bins in row["sets"].get(name, {}):
            yield row["sets"][name][bins]


def described(rows: Rows, name: str, bins: str) -> tuple[str, int]:
    """Return a set's name with its hours, and its number of neurons."""
    content = next(contents(rows, name, bins))
    same = next((f", = {o}" for copy, o in SAME_CELLS.items() if copy == name), "")
    hours = sum(content["seconds"]) / 3600
    return f"{content['dataset']} ({hours:.2f} h{same})", len(content["neuron"])


def left_out(rows: Rows) -> list[str]:
    """Return a line on the recordings that are too slow, or without spikes."""
    names = sorted({name for row in rows for name in row["sets"]})
    counts = {name: next(contents(rows, name, "7.5 Hz"), None) for name in names}
    return [
        f"left out, {what}: "
        + (
            ", ".join(f"{n} of {name}" for name, c in counts.items() if c and (n := c[key]))
            or "none"
        )
        for key, what in (
            ("slow", "recordings below 7.5 frames a second"),
            ("silent", "recordings without spikes"),
        )
    ]


def chosen(rows: Rows) -> list[str]:
    """Return lines on the settings that were chosen for OASIS."""
    counts: dict[tuple[str, str, Setting], int] = {}
    for row in rows:
        if row["method"] in TUNED:
            for by_bins in row["sets"].values():
                for bins, content in by_bins.items():
                    key = (METHODS[row["method"]][0], bins, tuple(content["setting"]))
                    counts[key] = counts.get(key, 0) + 1
    lines = []
    for (head, bins, (threshold, decay_time, smoothing, lag)), n in counts.items():
        decay = "estimated" if decay_time is None else f"{decay_time:g} s"
        lines.append(
            f"{head}, {bins}: threshold {threshold:g}, decay time {decay}, SD "
            f"{1000 * smoothing:g} ms, lag {1000 * lag:g} ms for {n} sets"
        )
    return sorted(lines)


def main() -> None:
    """Run what is missing, or print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("CALGAN_DATA"))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", nargs="+", default=["*/*"], help="patterns METHOD/SETS")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--table", action="store_true", help="write the table of what is there")
    arguments = parser.parse_args()
    if not arguments.table:
        if arguments.data is None:
            parser.error("say where the recordings are: --data FOLDER, or CALGAN_DATA=FOLDER.")
        fill(arguments)
    text = table(read(arguments.output))
    arguments.output.with_suffix(".txt").write_text(text)
    print(text, end="")


def fill(arguments: argparse.Namespace) -> None:
    """Run the cells without a row, the grid before those that choose from it."""
    groups = groups_of(benchmark_data(Path(arguments.data)))
    cells = list(wanted(groups, arguments.seeds, arguments.only))
    tunes = any(method in TUNED for method, *_ in cells)
    grid = [(GRID, group, 0) for group in groups if tunes]
    n_threads = max(1, (os.cpu_count() or 1) // arguments.jobs)
    parallel = joblib.Parallel(arguments.jobs, return_as="generator_unordered")
    for stage in (grid, cells):
        rows = read(arguments.output)
        done = {(row["method"], row["group"], row["seed"]) for row in rows}
        means = means_of(rows)
        for row in parallel(
            joblib.delayed(run)(*cell, Path(arguments.data), means, n_threads)
            for cell in stage
            if cell not in done
        ):
            append(arguments.output, row)
            print(row["method"], row["group"], row["seed"], f"{row['seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
