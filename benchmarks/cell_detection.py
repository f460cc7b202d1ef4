"""Cells found in movies: CellDetector against the baseline, LaplacianOfGaussianDetector.

Found and true cells are matched one to one, by centres within a distance that each table states. F1
is 2 n / (K + N) with n pairs of K found and N true cells. The trace score is the median over pairs
of Pearson's r between the trace that `transform` reads and the true calcium.

- Rendered two-photon movies: light times density, three seeds. True cells are those with a spike.
- Rendered one-photon movies, of the default light and of ten times as much.
- Real movies, if CALGAN_DATA names a folder with movie_onephoton_dg_7-12-17.npz, labelled in part,
  and movie_twophoton_neurofinder_crop.npz.
- Parts of CellDetector taken away: fewer rounds. It adds cells from six rounds on.
- coordconv_cells on the real one-photon movie, with and without coordinates in its encoder and
  decoder: 100 coordinates, as its authors have.
- Seconds and peak memory of CellDetector, in processes of their own (Linux).

A detector is fitted once a movie, without a limit of the score. Its best cells are then those of
its `n_cells` or `min_score`. "n_cells = N" tells a detector the true number of cells, which nobody
knows of a real movie. Each case is written as it comes; cases that are there are skipped.

    CALGAN_DATA=... python benchmarks/cell_detection.py
    python benchmarks/cell_detection.py --only 'two-photon/*' 'time/*'
    python benchmarks/cell_detection.py --table
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from fnmatch import fnmatch
from functools import partial
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.thesis_table import append, read
from calgan import Movie
from calgan.cells import (
    CellDetector,
    CoordConv2d,
    LaplacianOfGaussianDetector,
    coordconv,
    coordconv_cells,
)
from calgan.datasets import SimulatedMovie, make_movie
from calgan.metrics import detection_scores

OUTPUT = Path(__file__).parent / "results" / "cell_detection.jsonl"
DETECTORS = {"CellDetector": CellDetector, "baseline": LaplacianOfGaussianDetector}

PHOTONS = (10.0, 1.0, 0.3)
DENSITIES = {20: None, 40: None, 80: 9.0}  # cells, and the smallest distance of their centres
SEEDS = (0, 1, 2)
ONE_PHOTON = {"default": 100.0, "bright": 1000.0}
REAL_DISTANCE, DISTANCE = 8.0, 5.0  # px
ROUNDS = (1, 5, 12)
N_DRAWS = 500
N_COORDINATES = 100

Row = dict[str, Any]


# --- scores -------------------------------------------------------------------------------------


def fitted(name: str, movie: Movie, radius: float, **options: Any) -> tuple[Any, float]:
    """Return a detector with all cells that it finds, and the seconds of its fit."""
    detector = DETECTORS[name](radius=radius, min_score=0.0, verbose=0, **options)
    start = time.perf_counter()
    detector.fit(movie)
    return detector, time.perf_counter() - start


def chosen(detector: Any, n_cells: int | None = None, min_score: float | None = None) -> Any:
    """Return a detector with its best cells: what it finds at this n_cells or min_score."""
    if n_cells is None:
        least = type(detector)().min_score if min_score is None else min_score
        n_cells = int((detector.scores_ >= least).sum())
    best = copy.copy(detector)
    for attribute in ("centres_", "radii_", "scores_", "masks_"):
        setattr(best, attribute, getattr(detector, attribute)[:n_cells])
    return best


def scored(best: Any, truth: np.ndarray, distance: float, **labels: Any) -> Row:
    """Return the scores of the centres of a fitted detector."""
    scores = detection_scores(best.centres_, truth, max_distance=distance)
    return {
        **labels,
        "f1": scores.f1,
        "precision": scores.precision,
        "recall": scores.recall,
        "n_found": scores.n_found,
        "n_true": scores.n_true,
    }


def with_traces(row: Row, detector: Any, truth: SimulatedMovie, active: np.ndarray) -> Row:
    """Add the median correlation of the traces of pairs."""
    scores = detection_scores(detector.centres_, truth.centres[active], max_distance=DISTANCE)
    r = []
    if len(scores.pairs):
        r = scores.trace_correlations(detector.transform(truth.movie), truth.calcium[:, active])
    return {**row, "r": float(np.median(r)) if len(r) else None}


def simulated(radius: float, names: list[str], rounds: tuple[int, ...], **options: Any) -> list:
    """Rows of a rendered movie."""
    truth = make_movie(radius=radius, **options)
    movie = Movie(np.asarray(truth.movie.frames), truth.movie.frame_rate)
    active = np.asarray(truth.spikes.sum(axis=0) > 0)
    rows = []
    for name, n_rounds in product(names, rounds):
        extra = {"max_iter": n_rounds} if name == "CellDetector" else {}
        detector, seconds = fitted(name, movie, radius, **extra)
        for number in (None, int(active.sum())):
            best = chosen(detector, number)
            labels = {"detector": name, "told": number is not None, "rounds": n_rounds}
            row = scored(best, truth.centres[active], DISTANCE, **labels, seconds=seconds)
            rows.append(with_traces(row, best, truth, active))
    return rows


# --- real movies --------------------------------------------------------------------------------


def centres_of(labels: np.ndarray) -> np.ndarray:
    """Return centres of mass (N, 2), (x, y) in pixels, of the regions of an image."""
    numbers = np.unique(labels[labels > 0])
    return np.array(ndimage.center_of_mass(labels > 0, labels, numbers))[:, ::-1]


def annotated(annotation: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return centres of the connected parts of 1 with at least 8 pixels, in pixels of the movie."""
    parts, _ = ndimage.label(annotation == 1)
    sizes = np.bincount(parts.ravel())
    parts[sizes[parts] < 8] = 0
    scale = np.array(shape[::-1]) / np.array(annotation.shape[::-1])
    return (centres_of(parts) + 0.5) * scale - 0.5


def by_chance(truth: np.ndarray, n_cells: int, shape: tuple[int, int], distance: float) -> float:
    """Return the mean F1 of uniformly drawn points."""
    rng = np.random.default_rng(0)
    draws = rng.uniform(0, np.array(shape[::-1]) - 1, (N_DRAWS, n_cells, 2))
    return float(
        np.mean([detection_scores(points, truth, max_distance=distance).f1 for points in draws])
    )


def one_photon_session(folder: Path) -> list[Row]:
    """Rows of the real one-photon movie, against the labels and against the fuller annotation."""
    with np.load(folder / "movie_onephoton_dg_7-12-17.npz") as data:
        movie = Movie(data["movie"], float(data["frame_rate"]))
        shape = movie.shape[1:]
        labels = centres_of(data["roi_labels"])
        fuller = annotated(data["annotation_100"], shape)
    cuts: dict[str, list[dict[str, Any]]] = {
        "CellDetector": [{}, {"min_score": 0.5}, {"min_score": 1.0}],
        "baseline": [{}],
    }
    rows = []
    for name, n_rounds in [*product(["CellDetector"], ROUNDS), ("baseline", 0)]:
        extra = {"max_iter": n_rounds} if n_rounds else {}
        detector, seconds = fitted(name, movie, 6.0, **extra)
        for cut in [*cuts[name], {"n_cells": 15}, {"n_cells": 20}, {"n_cells": 80}]:
            best = chosen(detector, **cut)
            said = ", ".join(f"{key} = {value}" for key, value in cut.items()) or "default"
            for against, truth in (("labels", labels), ("annotation", fuller)):
                row = scored(
                    best, truth, REAL_DISTANCE, detector=name, rounds=n_rounds, cut=said,
                    against=against, seconds=seconds,
                )  # fmt: skip
                rows.append(row)
        if n_rounds == ROUNDS[-1]:
            rows.append({"extra": extra_cells(chosen(detector), labels, fuller)})
    for against, truth, number in (("labels", labels, 15), ("annotation", fuller, 80)):
        f1 = by_chance(truth, number, shape, REAL_DISTANCE)
        row = {"detector": "uniform points", "rounds": 0, "cut": f"n_cells = {number}", "f1": f1}
        rows.append({**row, "against": against, "n_found": number, "n_true": len(truth)})
    return rows


def extra_cells(detector: Any, labels: np.ndarray, fuller: np.ndarray) -> list[list[float]]:
    """Return x, y, score of found cells without a label, and whether the annotation has them."""
    centres = detector.centres_
    labelled = detection_scores(centres, labels, max_distance=REAL_DISTANCE).pairs[:, 0]
    known = detection_scores(centres, fuller, max_distance=REAL_DISTANCE).pairs[:, 0]
    return [
        [*centres[k].round(1).tolist(), round(float(detector.scores_[k]), 2), int(k in known)]
        for k in range(len(centres))
        if k not in labelled
    ]


def two_photon_crop(folder: Path) -> list[Row]:
    """Rows of the real two-photon movie."""
    with np.load(folder / "movie_twophoton_neurofinder_crop.npz") as data:
        movie = Movie(data["movie"], float(data["frame_rate"]))
        labels = centres_of(data["labels"])
    rows = []
    for name in DETECTORS:
        detector, seconds = fitted(name, movie, 5.0)
        for number in (None, len(labels)):
            told = {"detector": name, "told": number is not None, "seconds": seconds}
            rows.append(scored(chosen(detector, number), labels, DISTANCE, **told))
    f1 = by_chance(labels, len(labels), movie.shape[1:], DISTANCE)
    return [*rows, {"detector": "uniform points", "told": True, "f1": f1}]


# --- coordinates that learn -----------------------------------------------------------------------


class WithoutCoordinates(CoordConv2d):
    """A CoordConv2d that sees zeros instead of coordinates, except in the renderer."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Convolve images."""
        if self.in_channels == 4:  # coordinates are what the renderer draws
            return super().forward(input)
        zeros = input.new_zeros(*input.shape[:-3], 2, *input.shape[-2:])
        return torch.nn.Conv2d.forward(self, torch.cat([input, zeros], dim=-3))


def learnt_coordinates(folder: Path, seed: int, layer: type[CoordConv2d]) -> list[Row]:
    """Rows of coordconv_cells on the real one-photon movie."""
    with np.load(folder / "movie_onephoton_dg_7-12-17.npz") as data:
        movie, labels = data["movie"], centres_of(data["roi_labels"])
    with mock.patch.object(coordconv, "CoordConv2d", layer):
        centres, _ = coordconv_cells(movie, N_COORDINATES, random_state=seed, verbose=0)
    scores = detection_scores(centres, labels, max_distance=REAL_DISTANCE)
    chance = by_chance(labels, N_COORDINATES, movie.shape[1:], REAL_DISTANCE)
    return [{"layer": layer.__name__, "f1": scores.f1, "recall": scores.recall, "chance": chance}]


# --- time and memory ----------------------------------------------------------------------------

SIZES = {"600": (600, 200), "20000-streamed": (20_000, 128)}


def peak_gb() -> float:
    """Largest resident set of this process so far; ru_maxrss would count its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if "VmHWM" in line).split()[1]) / 1e6


def measure(name: str) -> Row:
    """Fit and read one movie in this process; the streamed one is rendered as it is read."""
    n_frames, width = SIZES[name]
    truth = make_movie(
        shape=(width, width), n_neurons=30, duration=n_frames / 10, frame_rate=10.0, random_state=0
    )
    movie = truth.movie
    start = time.perf_counter()
    if "streamed" not in name:
        movie = Movie(np.asarray(movie.frames), movie.frame_rate)
    else:
        for _ in movie.chunks():
            pass
    times = {"reading": time.perf_counter() - start}
    before = peak_gb()
    detector = CellDetector(radius=6.0, verbose=0)
    for step in (detector.fit, detector.transform):
        start = time.perf_counter()
        step(movie)
        times[step.__name__] = time.perf_counter() - start
    active = truth.spikes.sum(axis=0) > 0
    row = scored(detector, truth.centres[active], DISTANCE)
    return {**row, **times, "before_gb": before, "peak_gb": peak_gb(), "shape": list(movie.shape)}


def measured(name: str) -> list[Row]:
    """Measure in a process of its own, or it would inherit the peak of the others."""
    command = [sys.executable, __file__, "--measure", name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [json.loads(done.stdout.splitlines()[-1])]


# --- cases --------------------------------------------------------------------------------------


def cases(folder: Path | None) -> dict[str, Callable[[], list[Row]]]:
    """Return what can be run, by name."""
    names = list(DETECTORS)
    found: dict[str, Callable[[], list[Row]]] = {}
    for seed, n_cells, photons in product(SEEDS, DENSITIES, PHOTONS):
        found[f"two-photon/{n_cells}/{photons:g}/{seed}"] = partial(
            simulated, 6.0, names, ROUNDS[-1:], n_neurons=n_cells,
            min_distance=DENSITIES[n_cells], photons=photons, random_state=seed,
        )  # fmt: skip
    for seed, light in product(SEEDS, ONE_PHOTON):
        found[f"one-photon/{light}/{seed}"] = partial(
            simulated, 7.0, names, ROUNDS[-1:], n_neurons=20, imaging="one-photon",
            photons=ONE_PHOTON[light], gain=1.0, random_state=seed,
        )  # fmt: skip
    if folder is not None:
        found["real/one-photon"] = partial(one_photon_session, folder)
        found["real/two-photon"] = partial(two_photon_crop, folder)
    found["rounds/80/10/0"] = partial(
        simulated, 6.0, ["CellDetector"], ROUNDS, n_neurons=80, min_distance=DENSITIES[80],
        photons=10.0, random_state=0,
    )  # fmt: skip
    if folder is not None:
        for layer, seed in product((CoordConv2d, WithoutCoordinates), SEEDS):
            found[f"coordconv/{layer.__name__}/{seed}"] = partial(
                learnt_coordinates, folder, seed, layer
            )
    for name in SIZES:
        found[f"time/{name}"] = partial(measured, name)
    return found


# --- tables -------------------------------------------------------------------------------------

WHO = [
    ("CellDetector", False, "CellDetector"),
    ("baseline", False, "baseline"),
    ("CellDetector", True, "CellDetector, n_cells = N"),
    ("baseline", True, "baseline, n_cells = N"),
]


def of(rows: list[Row], prefix: str) -> list[Row]:
    """Rows of the cases whose names begin so."""
    return [row for case in rows if case["case"].startswith(prefix) for row in case["rows"]]


def spread(values: list[float]) -> str:
    """Mean over seeds, with the smallest and largest."""
    if not values:
        return "-"
    return f"{np.mean(values):.2f} [{min(values):.2f}, {max(values):.2f}]"


def simulated_lines(rows: list[Row], prefix: str, heading: str) -> list[str]:
    """Return lines of one kind of rendered movie, a line a detector."""
    lines = []
    for name, told, label in WHO:
        mine = [r for r in of(rows, prefix) if r["detector"] == name and r["told"] == told]
        if mine:
            counts = f"{np.mean([r['n_found'] for r in mine]):.0f}"
            counts += f" of {np.mean([r['n_true'] for r in mine]):.0f}"
            r = spread([r["r"] for r in mine if r["r"] is not None])
            f1 = spread([r["f1"] for r in mine])
            parts = [f"{np.mean([r[key] for r in mine]):.2f}" for key in ("precision", "recall")]
            lines.append(
                f"{heading:<22}{label:<27}{f1:<20}{parts[0]:<11}{parts[1]:<8}{r:<22}{counts:<11}"
                f"{np.mean([r['seconds'] for r in mine]):.0f}"
            )
            heading = ""
    return lines


def table(rows: list[Row]) -> str:
    """Return all tables."""
    columns = (
        f"{'detector':<27}{'F1':<20}{'precision':<11}{'recall':<8}{'r of traces':<22}"
        f"{'found':<11}fit (s)"
    )
    lines = [
        f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "torch"))
        + f", scikit-image {version('scikit-image')}",
        "",
        "Rendered two-photon movies of 600 frames of 128 x 128 pixels at 10 Hz, radius 6, centres "
        f"within {DISTANCE:g} px: mean over {len(SEEDS)} seeds [smallest, largest].",
        "Photons a frame of a cell at rest; the camera adds noise of 0.5 photons. Centres are at "
        "least 15 px apart, and 9 px of 80 cells, which overlap.",
        "n_cells = N: told the number of true cells, which is an advantage. CellDetector may find "
        "fewer all the same. Times are those of two cores that other programs used as well.",
        f"{'cells, photons':<22}{columns}",
    ]
    for n_cells, photons in product(DENSITIES, PHOTONS):
        prefix = f"two-photon/{n_cells}/{photons:g}/"
        lines += simulated_lines(rows, prefix, f"{n_cells}, {photons:g}")
    lines += ["", "Rendered one-photon movies of 20 cells, radius 7, as above."]
    lines += [f"{'photons':<22}{columns}"]
    for light, photons in ONE_PHOTON.items():
        lines += simulated_lines(rows, f"one-photon/{light}/", f"{photons:g}")
    lines += real_lines(rows) + cost_lines(rows)
    return "\n".join(lines)


def real_lines(rows: list[Row]) -> list[str]:
    """Return the tables of real movies, and of fewer rounds."""
    lines = []
    session = of(rows, "real/one-photon")
    heads = {
        "labels": "its 15 labelled cells, which are not all of its cells",
        "annotation": "the annotation of the session, regions of 8 px or more",
    }
    for against, what in heads.items():
        lines += ["", f"Real one-photon movie, radius 6, {REAL_DISTANCE:g} px, against {what}."]
        lines += [f"{'detector':<18}{'rounds':<8}{'cut':<20}F1    precision  recall  found"]
        for row in session:
            if row.get("against") == against:
                rest = ""
                if "precision" in row:
                    rest = f"{row['precision']:<11.2f}{row['recall']:<8.2f}"
                lines.append(
                    f"{row['detector']:<18}{row['rounds'] or '':<8}{row['cut']:<20}"
                    f"{row['f1']:<6.2f}{rest:<19}{row['n_found']} of {row['n_true']}"
                )
    for row in session:
        if "extra" in row:
            lines += ["", "Cells that CellDetector found at its default and that have no label:"]
            lines += ["(x, y) score, * if the annotation has it"]
            said = [f"({x:g}, {y:g}) {score:.2f}{'*' * k}" for x, y, score, k in row["extra"]]
            lines += [";  ".join(said[i : i + 5]) for i in range(0, len(said), 5)]
    if of(rows, "real/two-photon"):
        lines += ["", f"Real two-photon movie, 48 labelled cells, radius 5, {DISTANCE:g} px."]
        lines += ["detector                    F1    precision  recall  found"]
    for name, told, label in WHO:
        for row in of(rows, "real/two-photon"):
            if row["detector"] == name and row["told"] == told:
                lines.append(
                    f"{label:<28}{row['f1']:<6.2f}{row['precision']:<11.2f}{row['recall']:<8.2f}"
                    f"{row['n_found']} of {row['n_true']}"
                )
    for row in of(rows, "real/two-photon"):
        if row["detector"] == "uniform points":
            lines.append(f"{'uniform points, n_cells = N':<28}{row['f1']:.2f}")
    if of(rows, "rounds/"):
        lines += ["", "Fewer rounds of CellDetector, two-photon, 80 cells, 10 photons, seed 0."]
        lines += ["rounds  n_cells  F1    precision  recall  r of traces  found"]
    for row in of(rows, "rounds/"):
        lines.append(
            f"{row['rounds']:<8}{'N' if row['told'] else 'own':<9}{row['f1']:<6.2f}"
            f"{row['precision']:<11.2f}{row['recall']:<8.2f}{row['r'] or 0:<13.2f}"
            f"{row['n_found']} of {row['n_true']}"
        )
    learnt = of(rows, "coordconv/")
    if learnt:
        lines += [
            "",
            f"coordconv_cells, real one-photon movie, {N_COORDINATES} coordinates, against",
        ]
        lines[-1] += f" the 15 labels, {REAL_DISTANCE:g} px, {len(SEEDS)} seeds."
        lines += [f"{'layers':<28}F1                  recall"]
        for layer in dict.fromkeys(row["layer"] for row in learnt):
            mine = [row for row in learnt if row["layer"] == layer]
            recall = spread([row["recall"] for row in mine])
            lines.append(f"{layer:<28}{spread([row['f1'] for row in mine]):<20}{recall}")
        lines.append(f"{'uniform points':<28}{learnt[0]['chance']:.2f}")
    return lines


def cost_lines(rows: list[Row]) -> list[str]:
    """Return the lines of time and memory."""
    lines = []
    for row in of(rows, "time/"):
        shape = " x ".join(map(str, row["shape"]))
        lines.append(
            f"{shape}: fit {row['fit']:.0f} s, transform {row['transform']:.0f} s, both with "
            f"rendering, which took {row['reading']:.0f} s alone; peak {row['peak_gb']:.2f} GB,"
            f" {row['before_gb']:.2f} GB before fit; F1 {row['f1']:.2f}"
            if row["shape"][0] > 10_000
            else f"{shape}: fit {row['fit']:.0f} s, transform {row['transform']:.1f} s; peak "
            f"{row['peak_gb']:.2f} GB, {row['before_gb']:.2f} GB before fit; F1 {row['f1']:.2f}"
        )
    head = "Time and memory of CellDetector, two-photon, 30 cells; the longer movie is rendered as"
    return ["", f"{head} it is read.", *lines] if lines else []


def figure(rows: list[Row], path: Path) -> None:
    """Draw F1 against the light, a panel a density."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import NullLocator

    plt.rcParams["svg.hashsalt"] = "cell_detection"
    fig, axes = plt.subplots(1, len(DENSITIES), figsize=(9, 3.4), sharey=True, layout="constrained")
    colours = {"CellDetector": "#0072B2", "baseline": "#D55E00"}
    for ax, n_cells in zip(axes, DENSITIES, strict=True):
        for i, (name, told, label) in enumerate(WHO):
            values = [
                [
                    row["f1"]
                    for row in of(rows, f"two-photon/{n_cells}/{photons:g}/")
                    if row["detector"] == name and row["told"] == told
                ]
                for photons in PHOTONS
            ]
            kept = [(p, v) for p, v in zip(PHOTONS, values, strict=True) if v]
            if not kept:
                continue
            x = np.array([photons for photons, _ in kept]) * 1.06 ** (i - 1.5)  # side by side
            mean = np.array([np.mean(v) for _, v in kept])
            low, high = np.array([(min(v), max(v)) for _, v in kept]).T
            ax.errorbar(
                x, mean, [mean - low, high - mean], color=colours[name], ls="--" if told else "-",
                lw=1.4, ms=5, marker="o" if name == "CellDetector" else "s", label=label,
                mfc="white" if told else None,
            )  # fmt: skip
        ax.set_xscale("log")
        ax.set_xticks(PHOTONS, [f"{photons:g}" for photons in PHOTONS])
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_title(f"{n_cells} cells" + (", overlapping" if n_cells == 80 else ""), fontsize=10)
        ax.set_ylim(0, 1.03)
        ax.grid(axis="y", lw=0.3)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("F1 of found cells")
    fig.supxlabel("photons a frame of a cell at rest", fontsize=10)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4,
               frameon=False, fontsize="small")  # fmt: skip
    fig.savefig(path, metadata={"Date": None})
    plt.close(fig)


def main() -> None:
    """Run what is not there yet, and write the tables and the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=["*"], help="patterns of cases")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="rows, a name in .jsonl")
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("--measure", choices=SIZES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure)))
        return
    folder = os.environ.get("CALGAN_DATA")
    if folder is None and not arguments.table:
        print("CALGAN_DATA is not set: the real movies are left out.", file=sys.stderr)
    done = {row["case"] for row in read(arguments.output)}
    for name, run in cases(Path(folder) if folder else None).items():
        wanted = any(fnmatch(name, pattern) for pattern in arguments.only)
        if arguments.table or name in done or not wanted:
            continue
        start = time.perf_counter()
        with warnings.catch_warnings():
            # The real one-photon movie is scaled to 255 frame by frame.
            if name != "real/one-photon":
                warnings.filterwarnings("error", ".* of the values in X are the largest")
            rows = run()
        append(arguments.output, {"case": name, "rows": rows})
        print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    rows = read(arguments.output)
    text = table(rows)
    print(text)
    command = f"$ CALGAN_DATA=... python benchmarks/{Path(__file__).name}"
    arguments.output.with_suffix(".txt").write_text(f"{command}\n{text}\n")
    if of(rows, "two-photon/"):
        figure(rows, arguments.output.with_suffix(".svg"))


if __name__ == "__main__":
    main()
