"""The conclusion of an evaluation, in plain sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from calgan.evaluation._copying import copying_sentences
from calgan.evaluation._format import show
from calgan.evaluation._statistic import Statistic
from calgan.metrics.groups import GROUPS

_FEW_BLOCKS = 10
# Classifiers: an area further above that of training windows is a difference to speak of.
_TOLD_APART = 0.05
_NAMES = {
    "published": "published",
    "population": "population",
    "trace": "single-neuron",
    "window": "whole-window",
}


def conclude(
    statistics: Sequence[Statistic],
    memorisation: dict[str, Any] | None,
    meta: dict[str, Any],
    protocol: str,
) -> tuple[str, ...]:
    """Return the sentences below the table."""
    sentences = [*_collapse(meta)]
    if memorisation is None:
        sentences.append(
            "How far this is from what real data scores cannot be said: the train-test baseline, "
            "the replay control and the memorisation figure are not available (pass train=)."
        )
    else:
        sentences += _distance(statistics)
    sentences += _population(statistics, "shuffled", "the neuron-shuffled control")
    sentences += _population(statistics, "dichotomized_gaussian", "the dichotomized Gaussian")
    sentences += _insensitive(statistics)
    sentences += told_apart(statistics)
    if memorisation is not None:
        sentences += copying_sentences(memorisation, meta["shared_frames"])
    sentences += _trained_on(statistics, meta)
    if protocol == "thesis":
        sentences.append(
            "The published estimators reward memorising and depend on the number of windows: "
            "compare them with the published table only, and use protocol='blocked' otherwise."
        )
    blocks = meta["n_real_blocks"]
    if meta["has_intervals"] and blocks < _FEW_BLOCKS:
        sentences.append(
            f"The held-out recording has {blocks} blocks to resample, so every interval is rough: "
            "hold more out, or use shorter windows, for a sharper judgement."
        )
    return (*sentences, *meta["remarks"])


def _collapse(meta: dict[str, Any]) -> list[str]:
    """Say that samples hardly vary or have no spikes."""
    found = []
    if meta["relative_sd"] < 0.1:
        found.append(
            f"half of the neurons have less than {show(100 * meta['relative_sd'], 2)} % of their "
            "real standard deviation"
        )
    if meta["relative_window_sd"] < 0.1:
        found.append(
            "windows differ from one another by less than "
            f"{show(100 * meta['relative_window_sd'], 2)} % of what real windows do"
        )
    silent, real = meta["silent_synthetic"], meta["silent_real"]
    if silent > 0.95 and silent - real > 0.1:
        found.append(f"{100 * silent:.0f} % of the synthetic trains are silent ({100 * real:.0f} % "
                     "of the real)")  # fmt: skip
    if not found:
        return []
    return [
        "The generator has collapsed: " + "; ".join(found) + ". Whatever looks good in the table "
        "does so by accident."
    ]


def _geometric_mean(ratios: Sequence[float]) -> float:
    """Return the geometric mean of ratios."""
    return float(np.exp(np.mean(np.log(np.maximum(ratios, 1e-6)))))


def _distance(statistics: Sequence[Statistic]) -> list[str]:
    """Give the ratios to the baseline, by group."""
    parts = []
    for group in GROUPS:
        rows = [s for s in statistics if s.group == group and s.ratio is not None]
        rows = [s for s in rows if s.ratio is not None and np.isfinite(s.ratio)]
        if not rows:
            continue
        worst = max(rows, key=lambda s: s.ratio or 0.0)
        mean = _geometric_mean([s.ratio for s in rows if s.ratio is not None])
        parts.append(
            f"{show(mean, 2)} times in the {_NAMES[group]} statistics"
            + (f" (worst: {worst.label}, {show(worst.ratio, 2)})" if len(rows) > 1 else "")
        )
    if not parts:
        return []
    return [
        "Distance from the held-out recording, as a multiple of the training recording's own "
        "distance (1 would be as close as real data; geometric means): " + "; ".join(parts) + "."
    ]


def _beats(statistic: Statistic, control: str) -> bool:
    """Whether the samples are nearer to the held-out windows than the control."""
    other = statistic.controls[control]
    return other is not None and statistic.excess(statistic.value) < statistic.excess(other)


def _beats_clearly(statistic: Statistic, control: str) -> bool:
    """Whether the whole interval is."""
    other, interval = statistic.controls[control], statistic.value_interval
    if other is None or interval is None:
        return False
    return max(map(statistic.excess, interval)) < statistic.excess(other)


def _population(statistics: Sequence[Statistic], control: str, called: str) -> list[str]:
    """Which population statistics are better than those of a control that is called so."""
    rows = [s for s in statistics if s.group == "population"]
    rows = [s for s in rows if s.controls.get(control) is not None]
    if not rows:
        return []
    won = [s for s in rows if _beats(s, control)]
    lost = [s for s in rows if not _beats(s, control)]
    shown = "; ".join(
        f"{s.label} {show(s.value)} against {show(s.controls[control])}" for s in rows
    )
    if not lost:
        head = f"All {len(rows)} population statistics beat {called}"
    elif not won:
        head = f"None of the {len(rows)} population statistics beats {called}"
    else:
        head = (
            f"{len(won)} of {len(rows)} population statistics beat {called} "
            f"(not: {', '.join(s.label for s in lost)})"
        )
    clear = sum(_beats_clearly(s, control) for s in won)
    if won and rows[0].value_interval is not None:
        head += f", {'all' if clear == len(won) else clear} of them by more than the 95 % interval"
    return [f"{head}: {shown}."]


def _insensitive(statistics: Sequence[Statistic]) -> list[str]:
    """Say which published statistics shuffled neurons hardly change."""
    # Rates are each neuron's own: no shuffling of neurons could change them.
    rows = [
        s
        for s in statistics
        if s.name in ("correlation_kl", "van_rossum_kl")
        and s.baseline
        and s.controls.get("shuffled") is not None
        and (s.controls["shuffled"] or 0.0) < 1.25 * s.baseline
    ]
    if not rows:
        return []
    names = ", ".join(s.label for s in rows)
    return [
        f"On this recording shuffling the neurons leaves {names} near the baseline: "
        f"{'it says' if len(rows) == 1 else 'they say'} little about the population."
    ]


def told_apart(statistics: Sequence[Statistic]) -> list[str]:
    """Compare the classifiers' areas with those of training windows."""
    rows = {s.name: s for s in statistics if s.name in ("classifier_auc", "shape_classifier_auc")}
    if not rows:
        return []
    row = rows.get("classifier_auc") or rows["shape_classifier_auc"]
    text = (
        "A classifier that has not seen them tells synthetic from held-out windows with an area "
        f"under the curve of {show(row.value, 2)} (0.5 is guessing, 1 always)"
    )
    if row.baseline is None or row.difference is None:
        return [f"{text}."]
    text += f", training from held-out windows with {show(row.baseline, 2)}"
    shape = rows.get("shape_classifier_auc")
    if shape is not None and shape is not row and shape.baseline is not None:
        text += (
            "; from the shape of windows alone, without the level of each neuron, with "
            f"{show(shape.value, 2)} and {show(shape.baseline, 2)}"
        )

    def beyond(each: Statistic) -> float:
        # Real data told worse than by guessing are no yardstick: that is chance.
        return each.value - max(each.baseline or 0.0, 0.5)

    worst = max(rows.values(), key=beyond)
    if beyond(worst) <= _TOLD_APART:
        end = "the samples are no easier to tell than real data of another time"
    elif worst.difference_interval is not None and worst.difference_interval[0] <= _TOLD_APART:
        end = "the samples may be easier to tell than real data of another time"
    else:
        end = "the samples are easier to tell than real data of another time"
    if min(each.baseline or 0.0 for each in rows.values()) > 0.95:
        end = (
            "real data of another time are told apart as well, so that on this recording it says "
            "little"
        )
    return [f"{text}: {end}."]


def _trained_on(statistics: Sequence[Statistic], meta: dict[str, Any]) -> list[str]:
    """Name the statistics that the model was trained on."""
    rows = [s for s in statistics if s.trained_on]
    sentences = []
    if rows:
        others = [s for s in statistics if not s.trained_on and s.ratio is not None]
        names = ", ".join(s.label for s in rows)
        text = (
            f"The model was trained on {names}, or on what determines them: give more weight to "
            "the other rows"
        )
        ratios = [s.ratio for s in others if s.ratio is not None and np.isfinite(s.ratio)]
        if ratios:
            text += f" ({show(_geometric_mean(ratios), 2)} times the baseline)"
        sentences.append(text + ".")
    if meta.get("trained_on_others"):
        sentences.append(
            "It was also trained on what has no row of its own here: "
            + ", ".join(name.replace("_", " ") for name in meta["trained_on_others"])
            + "."
        )
    return sentences
