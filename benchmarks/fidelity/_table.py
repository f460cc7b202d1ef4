"""The rows as a text table."""

from __future__ import annotations

import numpy as np

from benchmarks.fidelity._reading import (
    PUBLISHED,
    TRUTH_HEADS,
    Numbers,
    Rows,
    interval,
    label_of,
    latest,
    mean_of,
    of_baseline,
    of_control,
    of_recipe,
    order_of,
    pooled_ratio,
    values_of,
)
from benchmarks.fidelity._recordings import REAL, TRUTHS
from benchmarks.fidelity._rows import CONTROLS
from benchmarks.fidelity._truth import STATISTICS
from benchmarks.thesis_table import spread

_LABEL_WIDTH = 30
_KL_WIDTHS = (22, 24, 24)
_COLUMNS = (
    ("population_count_kl", 11),
    ("log_spectrum_error", 9),
    ("correlation_matrix_r", 8),
    ("correlation_matrix_rmse", 6),
    ("classifier_auc", 6),
    ("shape_classifier_auc", 10),
)


def _statistics(numbers: Numbers) -> str:
    """Return the columns of a generator or control on a real recording."""
    text = ""
    for kl, width in zip(PUBLISHED, _KL_WIDTHS, strict=True):
        text += f"{spread(numbers(kl), '.2f'):>{width}s}"
    return text + "".join(f"{mean_of(numbers(name)):>{width}s}" for name, width in _COLUMNS)


def _minutes(budget: float) -> str:
    """Say how long generators train, by the budget of a table."""
    return f"{budget:g} CPU minutes" if budget else "each as long as it takes"


def _real_table(recording: str, rows: Rows, budget: float) -> list[str]:
    source = REAL[recording]
    seeds = sorted({row["seed"] for row in rows})
    some = rows[0]
    lines = [
        "",
        f"{source.label}{' (not tuned on)' if source.unseen else ''}: "
        f"{some['n_neurons']} cells, windows of {some['window']} frames, {_minutes(budget)}, "
        f"seeds {', '.join(map(str, seeds))}",
        f"{'':{_LABEL_WIDTH}s}{'rate KL ratio':>22s}{'correlation KL ratio':>24s}"
        f"{'van Rossum KL ratio':>24s}{'pop. count':>11s}{'spectrum':>9s}{'corr. r':>8s}"
        f"{'RMSE':>6s}{'AUC':>6s}{'shape AUC':>10s}{'memor.':>7s}{'steps':>8s}{'CPU s':>7s}",
    ]
    for name in order_of(rows):
        mine = [row for row in rows if row["recipe"] == name and "statistics" in row]
        failed = [row for row in rows if row["recipe"] == name and "failed" in row]
        text = f"{label_of(name):{_LABEL_WIDTH}s}"
        if not mine:
            lines.append(text + f"failed: {failed[0]['failed']}")
            continue
        text += _statistics(of_recipe(mine))
        text += f"{mean_of(values_of(mine, 'memorisation', 'value')):>7s}"
        text += f"{mean_of(values_of(mine, 'steps'), '.0f'):>8s}"
        text += f"{mean_of(values_of(mine, 'cpu_seconds'), '.0f'):>7s}"
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
        ("replay of training", "replay"),
        ("neurons shuffled", "shuffled"),
    ):
        if not controls:
            continue
        text = f"{label:{_LABEL_WIDTH}s}{_statistics(of_control(controls, key))}"
        if key == "replay":
            text += f"{mean_of(values_of(controls, 'memorisation', 'replay')):>7s}"
        notes = _fewer(controls, seeds)
        lines.append(text + (f"  ({notes[0]})" if notes else ""))
    drawn = [row for row in controls if "independent" in row]
    if drawn:
        notes = _fewer(drawn, seeds)
        lines.append(
            f"{'independent, its features':{_LABEL_WIDTH + 104}s}"
            f"{mean_of(values_of(drawn, 'independent', 'classifier_auc')):>6s}"
            f"{mean_of(values_of(drawn, 'independent', 'shape_classifier_auc')):>10s}"
            + (f"  ({notes[0]})" if notes else "")
        )
    text = f"{'train-test baseline':{_LABEL_WIDTH}s}"
    for kl, width in zip(PUBLISHED, _KL_WIDTHS, strict=True):
        ends = [
            row["statistics"][kl]["baseline_interval"]
            for row in judged
            if row.get("statistics", {}).get(kl, {}).get("baseline_interval")
        ]
        cell = mean_of(of_baseline(judged)(kl), ".3f")
        if ends:
            low, high = np.nanmean(np.asarray(ends, dtype=float), axis=0)
            cell += f" [{low:.3f}, {high:.3f}]"
        text += f"{cell:>{width}s}"
    baselines = of_baseline(judged)
    for name, width in _COLUMNS:
        form = ".3f" if name == "population_count_kl" else ".2f"
        text += f"{mean_of(baselines(name), form):>{width}s}"
    second = mean_of(values_of(judged, "memorisation", "second_held_out"))
    notes = _fewer(judged, seeds)
    lines.append(text + f"{second:>7s}" + (f"  ({notes[0]})" if notes else ""))
    return lines


_TRUTH_WIDTH = 24
_INTERVAL_WIDTH = len(" [0.00, 0.00]")


def _truth_line(label: str, rows: Rows) -> str:
    text = f"{label:{_LABEL_WIDTH}s}"
    for name in STATISTICS:
        text += f"{interval(values_of(rows, 'truth', name, 'ratio')):>{_TRUTH_WIDTH}s}"
    text += f"{mean_of(values_of(rows, 'truth', 'population_count_kl', 'ratio')):>9s}"
    text += f"{interval(values_of(rows, 'classifier', 'value')):>{_TRUTH_WIDTH}s}"
    text += f"{mean_of(values_of(rows, 'memorisation', 'value'), '.3f'):>8s}"
    text += f"{mean_of(values_of(rows, 'steps'), '.0f'):>8s}"
    return text + f"{mean_of(values_of(rows, 'cpu_seconds'), '.0f'):>7s}"


def _pooled_line(rows: Rows) -> str:
    """Return the line of the ratios of mean distances."""
    text = f"{'  of mean distances':{_LABEL_WIDTH}s}"
    for name in STATISTICS:
        pooled = pooled_ratio(rows, name)
        text += f"{pooled:.2f}".rjust(_TRUTH_WIDTH - _INTERVAL_WIDTH) + " " * _INTERVAL_WIDTH
    return text.rstrip()


def _truth_table(recording: str, rows: Rows, budget: float) -> list[str]:
    seeds = sorted({row["seed"] for row in rows})
    lines = [
        "",
        f"{TRUTHS[recording]}: 60 neurons, 15 minutes at 10 Hz, windows of 128 frames, "
        f"{_minutes(budget)}, seeds {', '.join(map(str, seeds))}",
        "distance of 1,000 samples to 10,000 fresh windows, over that of 1,000 training windows; "
        "mean over seeds [95 % interval], and the ratio of mean distances",
        f"{'':{_LABEL_WIDTH}s}"
        + "".join(f"{head:>{_TRUTH_WIDTH}s}" for head in TRUTH_HEADS)
        + f"{'count KL':>9s}{'AUC':>{_TRUTH_WIDTH}s}{'memor.':>8s}{'steps':>8s}{'CPU s':>7s}",
    ]
    for name in order_of(rows):
        mine = [row for row in rows if row["recipe"] == name and "truth" in row]
        if not mine:
            lines.append(f"{label_of(name):{_LABEL_WIDTH}s}failed")
            continue
        text = _truth_line(label_of(name), mine)
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
        "training windows (the train-test baseline): mean over seeds [smallest, largest], "
        "each the mean of three draws of 500.",
        "AUC: a classifier of windows against held-out ones (shape AUC: one that is not told "
        "levels); memor.: memorisation, 1 without copying.",
        "independent: Gaussian draws of the features that the classifier is told, with the mean "
        "and covariance of those of the training windows, but from no segment of time: a reference "
        "for samples, which have none either; no bound.",
        "The last line has no ratios: the baselines themselves, the three KLs with their "
        "intervals, and the memorisation figure of a second held-out block.",
        "The default and the dichotomized Gaussian have no budget: they take the time that they "
        "take, and stand in the tables of every budget.",
    ]
    # Recordings on which nothing has a budget come last.
    for budget in (*sorted({row["budget"] for row in rows} - {0.0}), 0.0):
        for recording in (*REAL, *TRUTHS):
            here = [row for row in rows if row["recording"] == recording]
            budgets = {row["budget"] for row in here}
            if budget in budgets and (budget > 0 or budgets == {0.0}):
                mine = [row for row in here if row["budget"] in (0.0, budget)]
                make = _real_table if recording in REAL else _truth_table
                lines += make(recording, mine, budget)
    return "\n".join(lines) + "\n"
