"""Spikes inferred by several methods against recorded ones: leave one data set out.

A method that has something to choose or to train does so on the other data sets. Sets that hold the
same cells are left out together, and count once in training; `SAME_CELLS` names them. The score is
Pearson's r of inferred and true spikes in bins of 1/7.5 s, and of 1/25 s for SpikeFinder's cells,
which have 100 frames a second. Of a neuron, it is the mean over its recordings, weighted by
duration; of a set, the mean over neurons. An inference without spikes counts as r = 0. Recordings
without spikes, or with fewer frames a second than bins, are left out. Frames outside the segments
of a recording do not count.

The settings of OASIS are the best of a grid, in the mean over the other sets at the same bins; one
of the methods also moves the inferred spikes ahead by a lag that is chosen so.

A cell is a method, a group of sets and a seed. Rows are written as they come; cells that have one
are skipped.

    CALGAN_DATA=... python benchmarks/spike_inference.py --jobs 2
    CALGAN_DATA=... python benchmarks/spike_inference.py --only 'oasis-*/*' 'conditional/DS0*'
    python benchmarks/spike_inference.py --table

It also runs on the database as it is published, and on SpikeFinder's own folder; rows then go
elsewhere.

    python benchmarks/spike_inference.py --data Cascade/Ground_truth --output mine.jsonl
"""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatch
from itertools import product
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.spike_ground_truth import SAME_ANIMALS, SAME_CELLS, Cell, any_folder
from benchmarks.spike_inference_methods import (
    GRID,
    METHODS,
    TRAINED,
    TUNED,
    Infer,
    Means,
    Setting,
    best_setting,
    oasis_grid,
)
from benchmarks.thesis_table import append, read
from calgan import Recording
from calgan.data.correlation import column_correlations
from calgan.data.resampling import resampled_counts
from calgan.metrics import spike_inference_scores

OUTPUT = Path(__file__).parent / "results" / "spike_inference.jsonl"
BINS = {"7.5 Hz": 1 / 7.5, "25 Hz": 1 / 25}
SCORES = ("correlation", "bias", "error", "auc")

Rows = list[dict[str, Any]]


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
            true, rate = recording.with_traces(recording.metadata["spikes"]), recording.frame_rate
            binned = in_bins(true.traces, true, width)
            if len(binned) < 2 or not binned.any():
                silent += 1
                continue
            scores = score(true, inferred, rate, bin_width=width)
            scores["correlation"] = np.nan_to_num(scores["correlation"])
            seconds = float(np.diff(recording.segments).sum()) / rate
            neurons.setdefault(cell.neuron, []).append((seconds, scores))
    found = {
        "dataset": cells[0].dataset,
        "neuron": list(neurons),
        "seconds": [sum(seconds for seconds, _ in parts) for parts in neurons.values()],
        "slow": slow,
        "silent": silent,
    }
    for name in SCORES if score is spike_inference_scores else ("correlation",):
        found[name] = [_weighted(parts, name) for parts in neurons.values()]
    return found


def correlations(
    true: Recording, inferred: np.ndarray, frame_rate: float, *, bin_width: float
) -> dict[str, np.ndarray]:
    """Correlation (K,) alone, which takes a fraction of the time of all scores."""
    n, m = (in_bins(spikes, true, bin_width) for spikes in (true.traces, inferred))
    return {"correlation": column_correlations(np.broadcast_to(n, m.shape), m)}


def in_bins(spikes: np.ndarray, recording: Recording, width: float) -> np.ndarray:
    """Return spikes (T, K) summed in bins of a width (s), which start with each segment."""
    parts = [spikes[start:stop] for start, stop in recording.segments]
    return np.concatenate(
        [resampled_counts(part, recording.frame_rate, 1 / width) for part in parts]
    )


def _weighted(found: list[tuple[float, dict[str, np.ndarray]]], name: str) -> np.ndarray:
    """Mean (K,) of a score over recordings, weighted by their seconds; NaN counts nothing."""
    values = np.ma.masked_invalid([scores[name] for _, scores in found])
    weights = [seconds for seconds, _ in found]
    return np.ma.average(values, axis=0, weights=weights).filled(np.nan)


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
        data = any_folder(folder)
        held_out = groups_of(data)[group]
        training = {name: data[name] for name in training_sets(data, held_out)}
        began = time.process_time()
        infer = (oasis_grid if method == GRID else METHODS[method].prepare)(training, seed, means)
        row["training_seconds"] = time.process_time() - began
        row["sets"] = {}
        for name in held_out:
            # The finer bins are for SpikeFinder's cells, and where settings are chosen for them.
            fine = name.startswith("SF") or method == GRID
            for bins in BINS if fine else ["7.5 Hz"]:
                score = correlations if method == GRID else spike_inference_scores
                found = score_set(data[name], infer, bins, score)
                if method == GRID:
                    if not found["neuron"]:
                        continue
                    content = {"settings": rounded(np.mean(found["correlation"], axis=0))}
                else:
                    content = found | {score: rounded(found[score]) for score in SCORES}
                    content["seconds"] = rounded(found["seconds"])
                if method in TUNED and found["neuron"]:
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
            for seed in seeds if method in TRAINED else [0]:
                yield method, group, seed


# --- table --------------------------------------------------------------------------------------

SECTIONS = (
    ("7.5 Hz", False, "database, bins of 1/7.5 s", "the database's"),
    ("7.5 Hz", True, "SpikeFinder's cells, bins of 1/7.5 s", "SpikeFinder's"),
    ("25 Hz", True, "SpikeFinder's cells, bins of 1/25 s", "SpikeFinder's"),
)
"""Bins, whether the sets are SpikeFinder's, title, and whose sets they are."""


def scores_by_set(rows: Rows, method: str, bins: str, score: str) -> dict[str, np.ndarray]:
    """Return a method's mean over neurons for each seed, by set; sets without a score have none."""
    found: dict[str, list[float]] = {}
    for row in sorted(rows, key=lambda row: row["seed"]):
        if row["method"] == method:
            for name, by_bins in row["sets"].items():
                values = np.array(by_bins.get(bins, {}).get(score, []), dtype=float)
                if np.isfinite(values).any():
                    found.setdefault(name, []).append(float(np.nanmean(values)))
    return {name: np.array(values) for name, values in found.items()}


def table(rows: Rows) -> str:
    """Return mean r by set and method, and the means over sets."""
    methods = [name for name in METHODS if any(row["method"] == name for row in rows)]
    lines = header(rows, methods)
    medians: list[str] = []
    for bins, are_spikefinders, title, whose in SECTIONS:
        names = sorted(
            name
            for name in names_of(rows)
            if name.startswith("SF") == are_spikefinders
            and next(contents(rows, name, bins), None) is not None
        )
        if not names:
            continue
        found = {method: scores_by_set(rows, method, bins, "correlation") for method in methods}
        heads = "".join(f"{METHODS[method].heading:>13s}" for method in methods)
        lines += ["", f"{title:47s} cells{heads}"]
        for name in names:
            label, n = described(rows, name, bins)
            cells = "".join(seeds_cell(found[method].get(name)) for method in methods)
            lines.append(f"{label:47s} {n:5d}{cells}")
        common = [name for name in names if all(name in found[method] for method in methods)]
        scored = [name for name in names if any(name in found[method] for method in methods)]
        are_all = len(common) == len(scored)
        of = "sets" if are_all else f"the {len(common)} sets of all methods"
        for what, cell in (("mean", mean_cell), ("SD", spread_cell)):
            cells = (cell([found[method][name] for name in common]) for method in methods)
            lines.append(f"{f'{what} over {of}':53s}" + "".join(cells))
        if not medians and common:
            of = f"{whose} sets" if are_all else f"{whose} {len(common)} sets of all methods"
            medians = median_lines(rows, methods, common, bins, of)
    blocks = [lines, medians, training_lines(rows, methods), left_out(rows), chosen(rows)]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def header(rows: Rows, methods: list[str]) -> list[str]:
    """Return the command, and what the numbers of these methods are."""
    seeds = " ".join(map(str, sorted({row["seed"] for row in rows})))
    only = (
        "" if len(methods) == len(METHODS) else " --only " + " ".join(f"'{m}/*'" for m in methods)
    )
    names = names_of(rows)
    same = [f"{copy} = {cells}" for copy, cells in SAME_CELLS.items() if {copy, cells} <= names]
    paragraphs = [
        "Pearson's r of inferred and true spikes in bins, mean over neurons.",
        *(f"{METHODS[method].heading}: {METHODS[method].description}." for method in methods),
        *([f"The same cells, left out together: {', '.join(same)}."] if same else []),
        *([SAME_ANIMALS] if "DS33" in names else []),
    ]
    wrapped = [line for each in paragraphs for line in textwrap.wrap(each, 96)]
    return [
        f"$ CALGAN_DATA=... python benchmarks/spike_inference.py --seeds {seeds}{only}",
        "",
        *wrapped,
    ]


def names_of(rows: Rows) -> set[str]:
    """Return the names of all sets."""
    return {name for row in rows for name in row["sets"]}


def median_lines(rows: Rows, methods: list[str], names: list[str], bins: str, of: str) -> list[str]:
    """Return lines of medians of the other scores over sets; amplitudes count no spikes."""
    lines = []
    for score, note in (("bias", "0 at best"), ("error", "0 at best"), ("auc", "1 at best")):
        counting = [method for method in methods if score == "auc" or "oasis" not in method]
        found = {method: scores_by_set(rows, method, bins, score) for method in counting}
        have = [name for name in names if all(name in found[method] for method in counting)]
        if counting and have:
            texts = [
                f"{METHODS[method].heading} "
                f"{np.median([found[method][name].mean() for name in have]):.2f}"
                for method in counting
            ]
            lines.append(f"{score} ({note}), median over {of}: {', '.join(texts)}")
    return lines


def training_lines(rows: Rows, methods: list[str]) -> list[str]:
    """Return a line on the time that training takes."""
    texts = []
    for method in methods:
        if method in TRAINED:
            seconds = [row["training_seconds"] for row in rows if row["method"] == method]
            texts.append(f"{METHODS[method].heading} {np.median(seconds):.0f}")
    if not texts:
        return []
    return [f"CPU seconds of training, median over groups of sets: {', '.join(texts)}"]


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
    names = sorted(names_of(rows))
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
                    if "setting" in content:
                        key = (METHODS[row["method"]].heading, bins, tuple(content["setting"]))
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
        try:
            groups = groups_of(any_folder(Path(arguments.data)))
            cells = list(wanted(groups, arguments.seeds, arguments.only))
            check_others(groups, cells)
        except (OSError, ValueError) as error:
            parser.error(str(error))
        fill(arguments, list(groups), cells)
    text = table(read(arguments.output))
    arguments.output.with_suffix(".txt").write_text(text)
    print(text, end="")


def check_others(groups: dict[str, list[str]], cells: list[tuple[str, str, int]]) -> None:
    """Refuse methods that learn from other sets, where there are none."""
    names = [name for group in groups.values() for name in group]
    for method, group, _ in cells:
        if method in (*TUNED, *TRAINED) and not training_sets(names, groups[group]):
            raise ValueError(
                f"{method} learns from other sets than {group}, and there are none: give a folder "
                "of several sets, or --only 'oasis-raw/*' 'oasis-smoothed/*' 'shipped/*'."
            )


def fill(
    arguments: argparse.Namespace, groups: list[str], cells: list[tuple[str, str, int]]
) -> None:
    """Run the cells without a row, the grid before those that choose from it."""
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
