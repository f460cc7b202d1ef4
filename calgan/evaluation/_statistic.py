"""One row of an evaluation, and how it is made of values and replicates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from calgan.evaluation._format import plain
from calgan.evaluation.settings import Settings
from calgan.evaluation.statistics.bootstrap import bootstrap_interval
from calgan.evaluation.statistics.definition import StatisticInfo


@dataclass(frozen=True)
class Statistic:
    """One statistic of synthetic windows against held-out windows, beside its yardsticks.

    Attributes
    ----------
    name : str
        Key, such as ``"correlation_kl"``.
    label : str
        Name in the table.
    group : {"published", "population", "trace", "window"}
        Part of the table.
    value : float
        Held-out against synthetic windows.
    value_interval : tuple of float or None
        95 % bootstrap interval of `value`.
    baseline : float or None
        Train-test baseline: held-out against training windows, what another segment of the real
        recording scores. None without a training recording.
    baseline_interval : tuple of float or None
        95 % bootstrap interval of `baseline`.
    ratio : float or None
        `value` over `baseline`; for a statistic of which higher is better, ``1 - value`` over
        ``1 - baseline``. So 1 is as close as real data gets, and more is farther away. None for a
        statistic that is judged by its difference.
    ratio_interval : tuple of float or None
        95 % bootstrap interval of `ratio`.
    controls : dict
        The same statistic of held-out windows against replayed training windows (``"replay"``,
        None without a training recording), against windows whose neurons were shuffled
        (``"shuffled"``) and against windows of a dichotomized Gaussian
        (``"dichotomized_gaussian"``, None where it could not be fitted). One that `evaluate` was
        told to leave out is not in it.
    trained_on : bool
        Whether the model's objective holds this statistic, or one that determines it.
    better : {"lower", "higher"}
        Which way is closer to the real recording.
    unit : str
        Unit of the value; empty for a pure number.
    judged_by : {"ratio", "difference"}
        Whether the value is compared with the baseline by their ratio or, where the baseline may
        be next to nothing, by their difference.
    difference_interval : tuple of float or None
        95 % bootstrap interval of `difference`, of statistics that are judged by it.
    reason : str or None
        Why `value` or `baseline` is NaN, that is, undefined; None if neither is.

    Examples
    --------
    >>> from calgan.evaluation import Statistic
    >>> row = Statistic(
    ...     "firing_rate_kl", "firing rate KL", "published", 0.5, None, 0.25, None, 2.0, None,
    ...     {"replay": 0.25, "shuffled": 0.25},
    ... )
    >>> row.difference
    0.25
    """

    name: str
    label: str
    group: str
    value: float
    value_interval: tuple[float, float] | None
    baseline: float | None
    baseline_interval: tuple[float, float] | None
    ratio: float | None
    ratio_interval: tuple[float, float] | None
    controls: dict[str, float | None]
    trained_on: bool = False
    better: str = "lower"
    unit: str = ""
    judged_by: str = "ratio"
    difference_interval: tuple[float, float] | None = None
    reason: str | None = None

    @property
    def difference(self) -> float | None:
        """`value` minus `baseline`: what the estimator adds to both is gone from it."""
        if self.baseline is None or np.isnan(self.value + self.baseline):
            return None
        return self.value - self.baseline

    def excess(self, value: float) -> float:
        """Return how far `value` is from a perfect match: 1 - r where higher is better."""
        return 1.0 - value if self.better == "higher" else value

    def to_dict(self) -> dict[str, Any]:
        """Return the statistic as plain Python values."""
        result: dict[str, Any] = plain({**asdict(self), "difference": self.difference})
        return result


def make_row(
    info: StatisticInfo,
    values: Mapping[str, float],
    replicates: Mapping[str, np.ndarray],
    settings: Settings,
) -> Statistic:
    """Return a row from the values of all groups and from replicates (R,) of some."""

    def excess(value: Any) -> Any:
        return 1.0 - value if info.better == "higher" else value

    value, baseline = values["synthetic"], values.get("train")
    by_difference = info.judged_by == "difference"
    kind = "difference" if by_difference else "distance"
    kind = "correlation" if info.better == "higher" else kind
    intervals = {
        name: bootstrap_interval(values[name], each, kind, info.limits)
        for name, each in replicates.items()
    }
    ratio = ratio_interval = difference_interval = None
    undefined = np.isnan(value) or (baseline is not None and np.isnan(baseline))
    if undefined or baseline is None:
        pass
    elif by_difference:
        if "train" in replicates:
            gaps = replicates["synthetic"] - replicates["train"]
            difference_interval = bootstrap_interval(value - baseline, gaps, "difference")
    else:
        lowest = excess(baseline)
        ratio = float(excess(value) / lowest) if lowest > 0 else float("inf")
        if "train" in replicates and np.isfinite(ratio):
            denominator = excess(replicates["train"])
            usable = denominator > 0
            if usable.any():
                ratios = excess(replicates["synthetic"])[usable] / denominator[usable]
                ratio_interval = bootstrap_interval(ratio, ratios)
    return Statistic(
        name=info.name,
        label=info.label,
        group=info.group,
        value=value,
        value_interval=intervals.get("synthetic"),
        baseline=baseline,
        baseline_interval=intervals.get("train"),
        ratio=ratio,
        ratio_interval=ratio_interval,
        controls={name: values.get(name) for name in settings.controls},
        trained_on=bool((settings.trained_on or frozenset()) & {info.name, *info.trained_by}),
        better=info.better,
        unit=info.unit,
        judged_by=info.judged_by,
        difference_interval=difference_interval,
        reason=f"needs {info.needs}" if undefined else None,
    )
