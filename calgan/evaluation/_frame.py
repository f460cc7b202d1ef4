"""Statistics as a pandas data frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from calgan.evaluation._statistic import Statistic

_INTERVALS = ("value", "baseline", "ratio", "difference")


def statistics_frame(tables: Mapping[str, Sequence[Statistic]], names: Sequence[str]) -> Any:
    """Return one row a statistic, indexed by name, or by table and name if `names` are two."""
    try:
        import pandas as pd
    except ImportError:
        raise ImportError("to_frame needs pandas; install it with: pip install pandas.") from None
    keys, rows = [], []
    for table, statistics in tables.items():
        for statistic in statistics:
            keys.append((table, statistic.name) if len(names) == 2 else statistic.name)
            rows.append(_flat(statistic))
    index = (
        pd.MultiIndex.from_tuples(keys, names=names)
        if len(names) == 2
        else pd.Index(keys, name=names[0])
    )
    return pd.DataFrame(rows, index=index)


def _flat(statistic: Statistic) -> dict[str, Any]:
    """Return a statistic's numbers, with each interval beside its number."""
    flat: dict[str, Any] = {
        key: getattr(statistic, key) for key in ("label", "group", "unit", "better", "judged_by")
    }
    for key in _INTERVALS:
        low, high = getattr(statistic, f"{key}_interval") or (None, None)
        flat |= {key: getattr(statistic, key), f"{key}_low": low, f"{key}_high": high}
    return (
        flat
        | statistic.controls
        | {
            "trained_on": statistic.trained_on,
            "reason": statistic.reason,
        }
    )
