"""The rows as a figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fidelity._reading import (
    PUBLISHED,
    TRUTH_HEADS,
    Rows,
    label_of,
    latest,
    order_of,
    values_of,
)
from benchmarks.fidelity._recordings import REAL, TRUTHS
from benchmarks.fidelity._rows import CONTROLS
from benchmarks.fidelity._truth import STATISTICS


def figure(rows: Rows, path: Path, budget: float) -> None:
    """Draw the ratios of all recipes, a panel a recording, and save them.

    Parameters
    ----------
    rows : sequence of dict
        Rows of cells.
    path : Path
        Where to, a name that ends in .png or .svg.
    budget : float
        Which cells, by their CPU minutes. Of a recipe without cells of so many, those of the
        largest smaller budget are drawn, and it says so; the default and the baselines have none.
    """
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

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
    names = [name for name in order_of(rows) if any(row["recipe"] == name for row in rows)]
    if not panels:
        raise ValueError(f"there are no cells of {budget:g} minutes to draw; run some first.")
    titles = {
        "assemblies": "simulated assemblies",
        "dichotomized-gaussian": "simulated DG",
        **{name: source.label for name, source in REAL.items()},
    }
    labels = {
        "real": dict(zip(PUBLISHED, ("rates", "correlation", "van Rossum"), strict=True)),
        "truth": dict(zip(STATISTICS, TRUTH_HEADS, strict=True)),
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
    handles: dict[str, Any] = {}  # a statistic looks the same in all panels
    colours = plt.get_cmap("tab10").colors  # type: ignore[attr-defined]
    for ax, recording in zip(axes[0], panels, strict=True):
        kind = "real" if recording in REAL else "truth"
        branch = "statistics" if kind == "real" else "truth"
        for i, (statistic, label) in enumerate(labels[kind].items()):
            offset = (i - (len(labels[kind]) - 1) / 2) * 0.14
            for y, name in enumerate(names):
                mine = [r for r in rows if r["recipe"] == name and r["recording"] == recording]
                values = values_of(mine, branch, statistic, "ratio")
                if values:
                    at, colour = y + offset, colours[i]
                    ax.plot([min(values), max(values)], [at, at], color=colour, lw=1)
                    ax.plot(np.mean(values), at, "osDv^"[i], color=colour, ms=4, label=label)
        ax.axvline(1.0, color="0.3", lw=0.8)
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
        low, high = ax.get_xlim()
        if high < 20 * low:  # powers of ten would be one tick or two
            ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=20))
        minutes = longest[recording]
        less_time = f", {minutes:g} min" if 0 < minutes < budget else ""
        ax.set_title(titles[recording] + less_time, fontsize="medium")
        ax.set_xlabel("KL / train-test baseline" if kind == "real" else "distance / replay's")
        ax.grid(axis="x", lw=0.3)
        ax.spines[["top", "right"]].set_visible(False)
        handles |= dict(zip(*ax.get_legend_handles_labels()[::-1], strict=True))
    fig.legend(
        handles.values(),
        handles.keys(),
        fontsize="small",
        frameon=False,
        loc="outside lower center",
        ncols=5 if len(panels) > 1 else 3,
        columnspacing=1.5,
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
        ticks.append(", ".join([label_of(name), *(f"{each:g} min" for each in sorted(less))]))
    axes[0, 0].set_yticks(range(len(names)), ticks)
    axes[0, 0].invert_yaxis()
    fig.savefig(path, dpi=110, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(fig)
