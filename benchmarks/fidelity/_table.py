"""The rows as a text table and a figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from benchmarks.fidelity._recipes import RECIPES
from benchmarks.fidelity._recordings import REAL, TRUTHS
from benchmarks.fidelity._rows import CONTROLS, KEY
from benchmarks.fidelity._truth import STATISTICS
from benchmarks.thesis_table import spread

PUBLISHED = ("firing_rate_kl", "correlation_kl", "van_rossum_kl")
_LABEL_WIDTH = 28

Rows = Sequence[dict[str, Any]]


def latest(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row a cell, the last that was written.

    Parameters
    ----------
    rows : iterable of dict
        All rows, in the order in which they were written.

    Returns
    -------
    list of dict
    """
    return list({tuple(row[k] for k in KEY): row for row in rows}.values())


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of values and its 95 % interval by Student's t.

    Parameters
    ----------
    values : sequence of float
        One value a seed.

    Returns
    -------
    mean, low, high : float
        The interval of a single value is undefined: NaN.
    """
    array = np.asarray(values, dtype=float)
    mean = float(array.mean())
    if len(array) < 2:
        return mean, float("nan"), float("nan")
    half = student.ppf(0.975, len(array) - 1) * array.std(ddof=1) / np.sqrt(len(array))
    return mean, mean - float(half), mean + float(half)


def _interval(values: Sequence[float], form: str = ".2f") -> str:
    if not len(values):
        return "-"
    mean, low, high = mean_interval(values)
    text = f"{mean:{form}}"
    return text if np.isnan(low) else f"{text} [{low:{form}}, {high:{form}}]"


def _values(rows: Rows, *path: str) -> list[float]:
    """Follow keys into every row and return the numbers that are there."""
    found = []
    for row in rows:
        value: Any = row
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            found.append(float(value))
    return found


def _mean(values: Sequence[float], form: str = ".2f") -> str:
    return f"{np.mean(values):{form}}" if len(values) else "-"


def _label(name: str) -> str:
    return RECIPES[name].label if name in RECIPES else name


def _order(rows: Rows) -> list[str]:
    present = {row["recipe"] for row in rows}
    return [name for name in RECIPES if name in present] + sorted(
        present - set(RECIPES) - {CONTROLS}
    )


def _real_table(recording: str, rows: Rows, budget: float) -> list[str]:
    source = REAL[recording]
    seeds = sorted({row["seed"] for row in rows})
    some = rows[0]
    lines = [
        "",
        f"{source.label}{' (no setting was chosen on it)' if source.unseen else ''}: "
        f"{some['n_neurons']} cells, windows of {some['window']} frames, {budget:g} CPU minutes, "
        f"seeds {', '.join(map(str, seeds))}",
        f"{'':{_LABEL_WIDTH}s}{'rate KL / floor':>22s}{'correlation KL / floor':>24s}"
        f"{'van Rossum KL / floor':>24s}{'pop. count':>11s}{'spectrum':>9s}{'corr. r':>8s}"
        f"{'RMSE':>6s}{'AUC':>6s}{'shape AUC':>10s}{'memor.':>7s}{'steps':>8s}{'CPU s':>7s}",
    ]
    for name in _order(rows):
        mine = [row for row in rows if row["recipe"] == name and "statistics" in row]
        failed = [row for row in rows if row["recipe"] == name and "failed" in row]
        text = f"{_label(name):{_LABEL_WIDTH}s}"
        if not mine:
            lines.append(text + f"failed: {failed[0]['failed']}")
            continue
        for kl, width in zip(PUBLISHED, (22, 24, 24), strict=True):
            text += f"{spread(_values(mine, 'statistics', kl, 'ratio'), '.2f'):>{width}s}"
        text += f"{_mean(_values(mine, 'statistics', 'population_count_kl', 'ratio')):>11s}"
        text += f"{_mean(_values(mine, 'statistics', 'log_spectrum_error', 'ratio')):>9s}"
        text += f"{_mean(_values(mine, 'statistics', 'correlation_matrix_r', 'value')):>8s}"
        text += f"{_mean(_values(mine, 'statistics', 'correlation_matrix_rmse', 'value')):>6s}"
        text += f"{_mean(_values(mine, 'statistics', 'classifier_auc', 'value')):>6s}"
        text += f"{_mean(_values(mine, 'statistics', 'shape_classifier_auc', 'value')):>10s}"
        text += f"{_mean(_values(mine, 'memorisation', 'value')):>7s}"
        text += f"{_mean(_values(mine, 'steps'), '.0f'):>8s}"
        text += f"{_mean(_values(mine, 'cpu_seconds'), '.0f'):>7s}"
        notes = sorted({row["note"] for row in mine if row.get("note")})
        notes += _fewer(mine, seeds)
        if failed:
            notes.append(f"{len(failed)} failed")
        lines.append(text + (f"  ({'; '.join(notes)})" if notes else ""))
    lines += _real_controls(rows, seeds)
    return lines


def _fewer(mine: Rows, seeds: list[int]) -> list[str]:
    """Say of how many seeds rows are, where these are not all."""
    counts = {row["seed"] for row in mine}
    return [f"{len(counts)} of {len(seeds)} seeds"] if len(counts) < len(seeds) else []


def _real_controls(rows: Rows, seeds: list[int]) -> list[str]:
    controls = [row for row in rows if row["recipe"] == CONTROLS]
    judged = controls or [row for row in rows if "statistics" in row]
    lines = []
    for label, key in (
        ("replay of training", "memoriser"),
        ("neurons shuffled", "shuffled"),
    ):
        if not controls:
            continue
        text = f"{label:{_LABEL_WIDTH}s}"

        def ratios(name: str, key: str = key) -> list[float]:
            pairs = zip(
                _values(controls, "statistics", name, key),
                _values(controls, "statistics", name, "floor"),
                strict=True,
            )
            return [value / floor for value, floor in pairs if floor > 0]

        for kl, width in zip(PUBLISHED, (22, 24, 24), strict=True):
            text += f"{spread(ratios(kl), '.2f'):>{width}s}"
        text += f"{_mean(ratios('population_count_kl')):>11s}"
        text += f"{_mean(ratios('log_spectrum_error')):>9s}"
        text += f"{_mean(_values(controls, 'statistics', 'correlation_matrix_r', key)):>8s}"
        text += f"{_mean(_values(controls, 'statistics', 'correlation_matrix_rmse', key)):>6s}"
        text += f"{_mean(_values(controls, 'statistics', 'classifier_auc', key)):>6s}"
        text += f"{_mean(_values(controls, 'statistics', 'shape_classifier_auc', key)):>10s}"
        if key == "memoriser":
            text += f"{_mean(_values(controls, 'memorisation', 'replay')):>7s}"
        notes = _fewer(controls, seeds)
        lines.append(text + (f"  ({notes[0]})" if notes else ""))
    drawn = [row for row in controls if "independent" in row]
    if drawn:
        notes = _fewer(drawn, seeds)
        lines.append(
            f"{'independent, its features':{_LABEL_WIDTH + 104}s}"
            f"{_mean(_values(drawn, 'independent', 'classifier_auc')):>6s}"
            f"{_mean(_values(drawn, 'independent', 'shape_classifier_auc')):>10s}"
            + (f"  ({notes[0]})" if notes else "")
        )
    text = f"{'floor: training windows':{_LABEL_WIDTH}s}"
    for kl, width in zip(PUBLISHED, (22, 24, 24), strict=True):
        ends = [
            row["statistics"][kl]["floor_interval"]
            for row in judged
            if row.get("statistics", {}).get(kl, {}).get("floor_interval")
        ]
        cell = _mean(_values(judged, "statistics", kl, "floor"), ".3f")
        if ends:
            low, high = np.nanmean(np.asarray(ends, dtype=float), axis=0)
            cell += f" [{low:.3f}, {high:.3f}]"
        text += f"{cell:>{width}s}"
    text += f"{_mean(_values(judged, 'statistics', 'population_count_kl', 'floor'), '.3f'):>11s}"
    text += f"{_mean(_values(judged, 'statistics', 'log_spectrum_error', 'floor')):>9s}"
    text += f"{_mean(_values(judged, 'statistics', 'correlation_matrix_r', 'floor')):>8s}"
    text += f"{_mean(_values(judged, 'statistics', 'correlation_matrix_rmse', 'floor')):>6s}"
    text += f"{_mean(_values(judged, 'statistics', 'classifier_auc', 'floor')):>6s}"
    text += f"{_mean(_values(judged, 'statistics', 'shape_classifier_auc', 'floor')):>10s}"
    second = _mean(_values(judged, "memorisation", "second_held_out"))
    notes = _fewer(judged, seeds)
    lines.append(text + f"{second:>7s}" + (f"  ({notes[0]})" if notes else ""))
    return lines


_INTERVAL_WIDTH = len(" [0.00, 0.00]")
_TRUTH_HEADS = ("rates", "correlation", "van Rossum", "spectrum", "pop. count")


def _truth_line(label: str, rows: Rows) -> str:
    text = f"{label:{_LABEL_WIDTH}s}"
    for name in STATISTICS:
        text += f"{_interval(_values(rows, 'truth', name, 'ratio')):>20s}"
    text += f"{_mean(_values(rows, 'truth', 'population_count_kl', 'ratio')):>9s}"
    text += f"{_interval(_values(rows, 'classifier', 'value')):>20s}"
    text += f"{_mean(_values(rows, 'memorisation', 'value'), '.3f'):>8s}"
    text += f"{_mean(_values(rows, 'steps'), '.0f'):>8s}"
    return text + f"{_mean(_values(rows, 'cpu_seconds'), '.0f'):>7s}"


def _pooled_line(rows: Rows) -> str:
    """Return ratios of sums over seeds: a recording that is near its truth by luck weighs less."""
    text = f"{'  of mean distances':{_LABEL_WIDTH}s}"
    for name in STATISTICS:
        distances, ratios = (
            np.array(_values(rows, "truth", name, key), dtype=float)
            for key in ("distance", "ratio")
        )
        pooled = distances.sum() / (distances / ratios).sum()
        text += f"{pooled:.2f}".rjust(20 - _INTERVAL_WIDTH) + " " * _INTERVAL_WIDTH
    return text.rstrip()


def _truth_table(recording: str, rows: Rows, budget: float) -> list[str]:
    seeds = sorted({row["seed"] for row in rows})
    lines = [
        "",
        f"{TRUTHS[recording]}: 60 neurons, 15 minutes at 10 Hz, windows of 128 frames, "
        f"{budget:g} CPU minutes, seeds {', '.join(map(str, seeds))}",
        "distance of 1,000 samples to 10,000 fresh windows, over that of 1,000 training windows; "
        "mean over seeds [95 % interval], and the ratio of mean distances",
        f"{'':{_LABEL_WIDTH}s}"
        + "".join(f"{head:>20s}" for head in _TRUTH_HEADS)
        + f"{'count KL':>9s}{'AUC':>20s}{'memor.':>8s}{'steps':>8s}{'CPU s':>7s}",
    ]
    for name in _order(rows):
        mine = [row for row in rows if row["recipe"] == name and "truth" in row]
        if not mine:
            lines.append(f"{_label(name):{_LABEL_WIDTH}s}failed")
            continue
        text = _truth_line(_label(name), mine)
        notes = sorted({row["note"] for row in mine if row.get("note")})
        notes += _fewer(mine, seeds)
        lines.append(text + (f"  ({'; '.join(notes)})" if notes else ""))
        if len(mine) > 1:
            lines.append(_pooled_line(mine))
    controls = [row for row in rows if row["recipe"] == CONTROLS]
    for side, label in (
        ("shuffled", "neurons shuffled"),
        ("training", "replay of training"),
        ("levelled", "fresh, at its mean levels"),
        ("fresh", "fresh windows: perfection"),
    ):
        known = [row["sides"][side] for row in controls if side in row["sides"]]
        if known:
            notes = _fewer(controls, seeds)
            lines.append(_truth_line(label, known) + (f"  ({notes[0]})" if notes else ""))
    return lines


def table(rows: Rows, fingerprint: str | None = None) -> str:
    """Return the text of all tables.

    Parameters
    ----------
    rows : sequence of dict
        Rows of cells.
    fingerprint : str, default=None
        The present code's: rows of another are counted in the first line.

    Returns
    -------
    str
    """
    rows = latest(rows)
    stale = sum(row.get("code") != fingerprint for row in rows) if fingerprint else 0
    lines = [
        f"python -m benchmarks.fidelity: {len(rows)} cells"
        + (f", {stale} of them by another version of the code" if stale else ""),
        "Real recordings: KL of held-out windows against samples, over that of held-out against "
        "training windows (the floor): mean over seeds [smallest, largest], each the mean of three "
        "draws of 500.",
        "AUC: a classifier of windows against held-out ones (shape AUC: one that is not told "
        "levels); memor.: memorisation, 1 without copying.",
        "independent: Gaussian draws of the features that the classifier is told, with the mean "
        "and covariance of those of the training windows, but from no stretch of time: a reference "
        "for samples, which have none either; no bound.",
        "The last line has no ratios: the floors themselves, the three KLs with their intervals, "
        "and the memorisation figure of a second held-out block.",
    ]
    for budget in sorted({row["budget"] for row in rows} - {0.0}) or [0.0]:
        for recording in (*REAL, *TRUTHS):
            mine = [
                row
                for row in rows
                if row["recording"] == recording and row["budget"] in (0.0, budget)
            ]
            if any(row["budget"] == budget for row in mine):
                make = _real_table if recording in REAL else _truth_table
                lines += make(recording, mine, budget)
    return "\n".join(lines) + "\n"


def figure(rows: Rows, path: Path, budget: float) -> None:
    """Draw the ratios of all recipes, a panel a recording, and save them.

    Parameters
    ----------
    rows : sequence of dict
        Rows of cells.
    path : Path
        Where to, a name that ends in .png or .svg.
    budget : float
        Which cells, by their CPU minutes; recipes that have none take what they had less time for,
        and say so.
    """
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter, NullFormatter

    rows = [row for row in latest(rows) if row["budget"] <= budget]
    most: dict[tuple[str, str], float] = {}
    for row in rows:
        cell = row["recipe"], row["recording"]
        most[cell] = max(row["budget"], most.get(cell, 0.0))
    rows = [row for row in rows if row["budget"] == most[row["recipe"], row["recording"]]]
    panels = [
        name
        for name in ("s1-0588", "zebrafish-f3", *TRUTHS)
        if any(row["recording"] == name and row["recipe"] != CONTROLS for row in rows)
    ]
    rows = [row for row in rows if row["recording"] in panels]
    longest = {
        name: max(row["budget"] for row in rows if row["recording"] == name) for name in panels
    }
    names = [name for name in _order(rows) if any(row["recipe"] == name for row in rows)]
    if not panels:
        raise ValueError(f"there are no cells of {budget:g} minutes to draw; run some first.")
    titles = {
        "assemblies": "simulated assemblies",
        "dichotomized-gaussian": "simulated DG",
        **{name: source.label for name, source in REAL.items()},
    }
    labels = {
        "real": dict(zip(PUBLISHED, ("rates", "correlation", "van Rossum"), strict=True)),
        "truth": dict(zip(STATISTICS, _TRUTH_HEADS, strict=True)),
    }
    plt.rcParams["svg.hashsalt"] = "fidelity"
    fig, axes = plt.subplots(
        1,
        len(panels),
        figsize=(2.0 + 2.3 * len(panels), 1.3 + 0.3 * len(names)),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    colours = plt.get_cmap("tab10").colors  # type: ignore[attr-defined]
    for ax, recording in zip(axes[0], panels, strict=True):
        kind = "real" if recording in REAL else "truth"
        branch = "statistics" if kind == "real" else "truth"
        for i, (statistic, label) in enumerate(labels[kind].items()):
            offset = (i - (len(labels[kind]) - 1) / 2) * 0.14
            for y, name in enumerate(names):
                mine = [r for r in rows if r["recipe"] == name and r["recording"] == recording]
                values = _values(mine, branch, statistic, "ratio")
                if values:
                    at, colour = y + offset, colours[i]
                    ax.plot([min(values), max(values)], [at, at], color=colour, lw=1)
                    ax.plot(np.mean(values), at, "osDv^"[i], color=colour, ms=4, label=label)
        ax.axvline(1.0, color="0.3", lw=0.8)
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
        minutes = longest[recording]
        less_time = f", {minutes:g} min" if 0 < minutes < budget else ""
        ax.set_title(titles[recording] + less_time, fontsize="medium")
        ax.set_xlabel("KL / floor" if kind == "real" else "distance / replay's")
        ax.grid(axis="x", lw=0.3)
        ax.spines[["top", "right"]].set_visible(False)
        handles = dict(zip(*ax.get_legend_handles_labels()[::-1], strict=True))
        if recording == next((p for p in panels if (p in REAL) == (kind == "real")), None):
            fig.legend(
                handles.values(),
                handles.keys(),
                title="real" if kind == "real" else "simulated",
                fontsize="small",
                frameon=False,
                loc=f"outside lower {'left' if kind == 'real' else 'right'}",
                ncols=3,
                columnspacing=1.0,
                handletextpad=0.1,
            )
    ticks = []
    for name in names:
        # Panels that all recipes had less time in say it above.
        less = {
            row["budget"]
            for row in rows
            if row["recipe"] == name and 0 < row["budget"] < longest.get(row["recording"], 0.0)
        }
        ticks.append(", ".join([_label(name), *(f"{each:g} min" for each in sorted(less))]))
    axes[0, 0].set_yticks(range(len(names)), ticks)
    axes[0, 0].invert_yaxis()
    fig.savefig(path, dpi=110, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(fig)
