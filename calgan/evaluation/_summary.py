"""The verdict first: a sentence, a few lines, and a light for each group of statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from calgan.evaluation._copying import SHARED, copying_status
from calgan.evaluation._format import show, show_interval, wrap
from calgan.evaluation._html import render
from calgan.evaluation._statistic import Statistic

Light = Literal["better", "as close", "off", "not told"]

LIGHTS: dict[str, tuple[str, str]] = {
    "better": ("+", "better than real data"),
    "as close": ("=", "as close as real data"),
    "off": ("x", "off"),
    "not told": ("?", "not told"),
}
"""The symbol of each light, and its words."""

_GROUPS = {
    "published": "published statistics",
    "population": "population",
    "trace": "single neurons",
    "window": "whole windows",
    "copying": "copying",
}
_RANKS = ("not told", "better", "as close", "off")
# A row is off if its ratio is above the first, its difference above 0, an area's above the second.
_CLEAR_RATIO = 1.25
_CLEAR_AREA = 0.05
# Where real data of another time are told apart so well, a classifier says nothing of a model.
ALWAYS_TOLD = 0.95
_NO_TRAIN = "needs the training recording (pass train=)"


@dataclass(frozen=True)
class SummaryRow:
    """The light of a group of statistics in words, and its worst row."""

    name: str
    status: Light
    light: str
    text: str

    @property
    def label(self) -> str:
        """Name of the group in words."""
        return _GROUPS[self.name]

    @property
    def symbol(self) -> str:
        """Symbol of the light."""
        return LIGHTS[self.status][0]


@dataclass(frozen=True)
class Summary:
    """What an evaluation says at first sight: see `calgan.Evaluation.summary`."""

    sentence: str
    lines: tuple[str, ...]
    rows: tuple[SummaryRow, ...]

    def __str__(self) -> str:
        lines = [line for text in (self.sentence, *self.lines) for line in wrap(text)]
        width = max(len(row.light) for row in self.rows)
        lines.append("")
        for row in self.rows:
            lines += wrap(row.text, f"{row.label:20}  {row.symbol} {row.light:{width}}  ")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return render("summary.html", summary=self)


def summarise(evaluation: Any) -> Summary:
    """Return the summary of an evaluation."""
    meta, statistics = evaluation.meta, evaluation.statistics
    collapse, shared = _collapse(meta), meta["shared_frames"]
    if shared > SHARED:
        # Baselines of such a split are no yardstick.
        seen = f"{100 * shared:.0f} % of the held-out frames are in the training recording"
        sentence = collapse or f"Whether the samples are good cannot be told: {seen}."
        unknown = (SummaryRow(name, "not told", "not told", seen) for name in _GROUPS)
        return Summary(sentence, (), tuple(unknown))
    copying = copying_status(evaluation.memorisation, shared)
    rows = [
        _group_row(name, [row for row in statistics if row.group == name])
        for name in _GROUPS
        if name != "copying"
    ]
    rows.append(_copying_row(copying, evaluation.memorisation))
    population = [row for row in statistics if row.group == "population"]
    shuffled = [row for row in population if _is_as_shuffled(row)]
    lines = []
    if collapse:
        sentence = collapse
    elif copying == "copies":
        sentence = "The model copies its training recording: nothing else in its favour counts."
    elif rows[1].status == "off" and 2 * len(shuffled) >= len(population):
        sentence = (
            f"The samples have lost what the neurons do together: in {len(shuffled)} of "
            f"{len(population)} population statistics they are nearer to shuffled neurons than to "
            "real data."
        )
    else:
        sentence = _overall(rows, statistics, copying == "leans")
        lines += _controls(population)
    return Summary(sentence, (*lines, *_trained_on(statistics)), tuple(rows))


# --- the rule ---------------------------------------------------------------------------------


def status_of(row: Statistic) -> Light:
    """Judge a statistic by its 95 % intervals, see `calgan.Evaluation.summary`."""
    by_difference = row.judged_by == "difference"
    interval = row.difference_interval if by_difference else row.ratio_interval
    if interval is None or row.baseline is None or row.baseline_interval is None:
        return "not told"
    (low, high), even, clear = interval, 1.0, _CLEAR_RATIO
    if by_difference:
        even, clear = 0.0, 0.0
    furthest = _reach(row)
    if is_area(row):
        if row.baseline > ALWAYS_TOLD:
            return "not told"
        # Real data told worse than by guessing are no yardstick: that is chance.
        clear, furthest = _CLEAR_AREA + max(0.0, 0.5 - row.baseline), max(furthest, 0.5)
    if not math.isfinite(row.value + row.baseline + low + high):
        return "not told"
    if row.excess(row.value) > furthest and low > clear:
        return "off"
    return "better" if high < even else "as close"


def is_area(row: Statistic) -> bool:
    """Whether the statistic is the area under a classifier's curve."""
    return "classifier" in row.name


def _beyond(row: Statistic) -> float:
    """How far a row lies beyond its baseline, as a multiple of the reach of its interval."""
    assert row.baseline is not None
    middle = row.excess(row.baseline)
    return (row.excess(row.value) - middle) / max(_reach(row) - middle, 1e-12)


def _reach(row: Statistic) -> float:
    """How far the interval of the baseline reaches; minus infinity where there is none."""
    return max(map(row.excess, row.baseline_interval or ()), default=-math.inf)


def worst_row(statistics: Sequence[Statistic]) -> Statistic | None:
    """Return the row that lies farthest beyond its baseline, None if none can be judged."""
    told = [row for row in statistics if status_of(row) != "not told"]
    return max(told, key=lambda row: (_RANKS.index(status_of(row)), _beyond(row)), default=None)


def _group_row(name: str, statistics: Sequence[Statistic]) -> SummaryRow:
    """Return the light of a group: that of its worst row."""
    worst = worst_row(statistics)
    if worst is None:
        return SummaryRow(name, "not told", "not told", _why_not(statistics))
    status = status_of(worst)
    n_off = sum(status_of(row) == "off" for row in statistics)
    light = LIGHTS[status][1] + (f" ({n_off} of {len(statistics)})" if n_off else "")
    mark = " *" if worst.trained_on else ""
    interval = worst.ratio_interval or worst.difference_interval
    # Within chance a single figure, such as 1.7 times, would look like a difference.
    figure = f"{_figure(worst)} {show_interval(interval)}"
    figure = _range(worst) if status == "as close" else figure
    text = f"{worst.label}{mark}: {figure}"
    return SummaryRow(name, status, light, text)


def _figure(row: Statistic) -> str:
    """Say how far a row is from its baseline, which is the distance of real data."""
    if row.judged_by != "difference":
        return f"{show(row.ratio, 2)} times as far as real data"
    difference = row.difference or 0.0
    unit = f" {row.unit}" if row.unit else ""
    side = "below" if difference < 0 else "above"
    return f"{show(abs(difference), 2)}{unit} {side} real data"


def _range(row: Statistic) -> str:
    """Say how far a row may be from its baseline."""
    if (ratio := row.ratio_interval) is not None:
        return f"{show(ratio[0], 2)} to {show(ratio[1], 2)} times as far as real data"
    low, high = row.difference_interval or (math.nan, math.nan)
    unit = f" {row.unit}" if row.unit else ""
    return f"{show(low, 2)} to {show(high, 2)}{unit} above real data"


def _why_not(statistics: Sequence[Statistic]) -> str:
    """Say why a group has no light."""
    finite = [row for row in statistics if math.isfinite(row.value)]
    if not finite:
        reasons = dict.fromkeys(row.reason or "undefined" for row in statistics)
        return "; ".join(reasons) or "there are no such statistics here"
    if all(row.baseline is None for row in finite):
        return _NO_TRAIN
    if any(is_area(row) and (row.baseline or 0.0) > ALWAYS_TOLD for row in finite):
        return "real data of another time are told apart as well"
    return "there are no intervals"


def _copying_row(status: str, memorisation: dict[str, Any] | None) -> SummaryRow:
    """Return the light of copying."""
    lights: dict[str, tuple[Light, str]] = {
        "new": ("as close", "no copies"),
        "leans": ("not told", "perhaps"),
        "copies": ("off", "copies"),
        "not told": ("not told", "not told"),
    }
    if memorisation is None:
        text = _NO_TRAIN
    else:
        new = memorisation["second_held_out"]
        known = "about 1" if new is None else show(new, 2)
        copied = 100 * memorisation["share_copied"]
        text = (
            f"memorisation figure {show(memorisation['value'], 2)} (replay "
            f"{show(memorisation['replay'], 2)}, new data {known})"
            + (f"; {copied:.0f} % look copied" if copied >= 5 else "")
        )
    return SummaryRow("copying", *lights[status], text)


# --- the sentences ----------------------------------------------------------------------------


def _overall(rows: Sequence[SummaryRow], statistics: Sequence[Statistic], leans: bool) -> str:
    """Count the groups that are as close as real data, and name the others."""
    worst = worst_row(statistics)
    if all(row.baseline is None for row in statistics):
        return (
            "Whether the samples are good cannot be told without a training recording: pass train=."
        )
    if worst is None:
        return (
            "Whether the samples are good cannot be told: there is no statistic with an interval."
        )
    off = [row.label for row in rows if row.status == "off"]
    unknown = [row.label for row in rows if row.status == "not told"]
    n_good = len(rows) - len(off) - len(unknown)
    if n_good == len(rows):
        return (
            "The samples are as close to the held-out recording as real data of another time are."
        )
    text = f"As close to the held-out recording as real data in {n_good or 'none'} of 5 groups"
    if off:
        text += f"; off: {_listed(off)} (worst: {worst.label}, {_figure(worst)})"
    if leans:
        text += "; the samples lean towards the training recording"
        unknown.remove(_GROUPS["copying"])
    return text + (f"; not told: {_listed(unknown)}." if unknown else ".")


def _collapse(meta: dict[str, Any]) -> str:
    """Say that samples hardly vary or have no spikes; nothing if they do."""
    sd, window_sd = (100 * meta[f"relative_{name}"] for name in ("sd", "window_sd"))
    silent, real = (100 * meta[f"silent_{name}"] for name in ("synthetic", "real"))
    found = []
    if sd < 10:
        found.append(f"half of the neurons have {_percent(sd)} of their real standard deviation")
    if window_sd < 10:
        found.append(f"windows differ by {_percent(window_sd)} of what real windows do")
    if silent > 95 and silent - real > 10:
        found.append(
            f"{silent:.0f} % of the synthetic trains are silent ({real:.0f} % of the real)"
        )
    if not found:
        return ""
    return f"The generator has collapsed, and nothing else counts: {'; '.join(found)}."


def _percent(value: float) -> str:
    """Return a bound in percent."""
    return f"less than {max(1, math.ceil(value))} %"


def _is_as_shuffled(row: Statistic) -> bool:
    """Whether a row lies nearer to shuffled neurons than to its baseline."""
    values = (row.value, row.baseline, row.controls.get("shuffled"))
    mine, baseline, shuffled = (math.nan if it is None else row.excess(it) for it in values)
    return bool(baseline < shuffled and mine > 0.5 * (baseline + shuffled))


def _not_beaten(
    statistics: Sequence[Statistic], control: str
) -> tuple[list[Statistic], list[Statistic]]:
    """Return the rows that are not better than a control, and all that have it."""
    lost, rows = [], []
    for row in statistics:
        other = row.controls.get(control)
        if other is None or not math.isfinite(other + row.value):
            continue
        rows.append(row)
        if row.excess(row.value) >= row.excess(other):
            lost.append(row)
    return lost, rows


def _controls(statistics: Sequence[Statistic]) -> list[str]:
    """Say what the model adds to shuffled neurons and to a dichotomized Gaussian."""
    lost, rows = _not_beaten(statistics, "shuffled")
    # Where neurons do little together, shuffling them changes nothing.
    changes = any(it.excess(it.controls["shuffled"] or 0.0) > _reach(it) for it in rows)
    parts = [f"shuffled neurons in {_won(lost, rows)}"] if changes else []
    lost, rows = _not_beaten(statistics, "dichotomized_gaussian")
    end = ""
    if rows:
        parts.append(
            "a dichotomized Gaussian, which knows only rates, pairwise correlations and an average "
            f"memory, in {_won(lost, rows)}"
        )
    if lost:
        names = " and ".join(row.label for row in lost)
        where = f"in {names}" if len(lost) < 3 else f"in the other {len(lost)}"
        end = f": the model adds nothing {'to it' if len(lost) == len(rows) else where}"
    if not parts:
        return []
    return [f"In population statistics the samples beat {' and '.join(parts)}{end}."]


def _won(lost: Sequence[Statistic], rows: Sequence[Statistic]) -> str:
    """Count the rows that are not lost."""
    return f"{len(rows) - len(lost)} of {len(rows)}"


def _trained_on(statistics: Sequence[Statistic]) -> list[str]:
    """Say how many statistics the model was trained on, and how the others fare."""
    others = [row for row in statistics if not row.trained_on]
    if len(others) == len(statistics):
        return []
    n_off = sum(status_of(row) == "off" for row in others)
    return [
        f"The model was trained on {len(statistics) - len(others)} of {len(statistics)} statistics "
        f"(*); of the other {len(others)}, the fairer test, {n_off or 'none'} "
        f"{'is' if n_off < 2 else 'are'} off."
    ]


def _listed(names: Sequence[str]) -> str:
    """List names in a sentence."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
