"""How much the choice of windows moves what `evaluate` says: few different windows, or many.

Prints, for each statistic, the ratio to the baseline (or the difference) as mean and standard
deviation over seeds of the windows drawn, beside the width of its 95 % interval.

    python benchmarks/window_draws.py         # the bundled recording, about two minutes
"""

from __future__ import annotations

import numpy as np

from calgan import CalciumFactorModel, Windower, datasets, evaluate
from calgan.data import random_windows
from calgan.evaluation.statistics import folds
from calgan.model_selection import train_test_blocks

WINDOW, N_SEEDS = 64, 5
# Least number of different windows, and how often they hold each frame: the default, and more.
SETTINGS = {"250": (250, 8), "500": (500, 8), "all starts": (100_000, 100_000)}


def main() -> None:
    """Print the table."""
    recording = datasets.load_zebrafish_tectum()
    train, test = train_test_blocks(recording, test_size=0.3, gap=WINDOW)
    model = CalciumFactorModel(random_state=0, verbose=0)
    samples = model.fit(Windower(WINDOW).fit_transform(train)).sample(500)
    columns, interval = {}, {}
    for name, (least, coverage) in SETTINGS.items():
        random_windows.draw_from_recording.__kwdefaults__["n_distinct"] = least
        random_windows.COVERAGE = folds.COVERAGE = coverage
        found = []
        for seed in range(N_SEEDS):
            evaluation = evaluate(
                test,
                samples,
                train=train,
                random_state=seed,
                controls=(),
                n_bootstrap=200 if name == "250" and seed == 0 else 0,
                verbose=0,
            )
            rows = {row.name: row for row in evaluation.statistics}
            found.append(
                [row.difference if row.ratio is None else row.ratio for row in rows.values()]
            )
            if evaluation.meta["n_bootstrap"]:
                interval = {
                    key: row.ratio_interval or row.difference_interval for key, row in rows.items()
                }
        values = np.array(found, dtype=float)
        columns[name] = values.mean(axis=0), values.std(axis=0, ddof=1)
    print(
        f"{'different windows':32}" + "".join(f"{name:>20}" for name in columns) + "  95 % interval"
    )
    for i, name in enumerate(rows):
        cells = [f"{mean[i]:11.3f} ± {sd[i]:.3f}" for mean, sd in columns.values()]
        low, high = interval[name]
        print(
            f"{name:32}" + "".join(f"{cell:>20}" for cell in cells) + f"  [{low:.2f}, {high:.2f}]"
        )


if __name__ == "__main__":
    main()
