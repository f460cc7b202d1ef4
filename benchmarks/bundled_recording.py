"""A generator on the bundled recording, over seeds: statistics against their train-test baseline.

The same split, windows and evaluation as ``make demo``; the seed governs training, sampling and
evaluation. Prints, for each statistic, the mean ratio to the train-test baseline over seeds with
the smallest and largest, what the neuron-shuffled control and the dichotomized Gaussian score, and
the memorisation figures.

    python benchmarks/bundled_recording.py --seeds 0 1 2    # the default
    python benchmarks/bundled_recording.py --generator gan
    python benchmarks/bundled_recording.py --generator gan --adversarial 0    # matching alone
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from calgan import datasets, evaluate, make_calcium_pipeline
from calgan.evaluation import Statistic
from calgan.model_selection import train_test_blocks

WINDOW = 64


def control_ratio(statistic: Statistic, name: str) -> float:
    """Return how far a control lies from the held-out data, in baselines."""
    control = statistic.controls[name]
    if control is None or statistic.baseline is None:
        return float("nan")
    return statistic.excess(control) / statistic.excess(statistic.baseline)


def main() -> None:
    """Run the seeds and print the table."""
    parser = argparse.ArgumentParser(description="A generator on the bundled recording.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--generator",
        choices=("factor_model", "gan", "flow", "dichotomized_gaussian"),
        default="factor_model",
        help="the generator of make_calcium_pipeline",
    )
    parser.add_argument("--variant", default=None, help="of CalciumGAN")
    parser.add_argument("--max-iter", type=int, default=None)
    parser.add_argument(
        "--adversarial", type=float, default=None, help="weight of the critic (GANs)"
    )
    arguments = parser.parse_args()
    given = {
        name: getattr(arguments, name)
        for name in ("max_iter", "variant")
        if getattr(arguments, name) is not None
    }
    if arguments.adversarial is not None:
        given["settings"] = {"adversarial": arguments.adversarial}
    recording = datasets.load_zebrafish_tectum()
    train, test = train_test_blocks(recording, test_size=0.3, gap=WINDOW)
    evaluations = []
    for seed in arguments.seeds:
        began = time.perf_counter()
        model = make_calcium_pipeline(
            arguments.generator, window=WINDOW, random_state=seed, verbose=0, **given
        ).fit(train)
        seconds = time.perf_counter() - began
        evaluation = evaluate(test, model.sample(500), train=train, model=model, random_state=seed)
        evaluations.append(evaluation)
        memorisation = evaluation.memorisation
        best = getattr(model[-1], "best_iter_", None)
        print(
            f"seed {seed}: {model[-1].n_iter_} steps{'' if best is None else f' (best {best})'} in "
            f"{seconds:.0f} s; memorisation {memorisation['value']:.3f}, replay "
            f"{memorisation['replay']:.3f}, second held-out {memorisation['second_held_out']:.3f}",
            flush=True,
        )
    print(
        f"\n{'ratio to the baseline':34s}{'mean':>7s}{'min':>7s}{'max':>7s}"
        f"{'shuffled':>10s}{'DG':>7s}"
    )
    for i, statistic in enumerate(evaluations[0].statistics):
        if statistic.judged_by != "ratio":
            continue
        ratios = np.array([e.statistics[i].ratio for e in evaluations])
        shuffled, gaussian = (
            np.mean([control_ratio(e.statistics[i], name) for e in evaluations])
            for name in ("shuffled", "dichotomized_gaussian")
        )
        mark = " *" if statistic.trained_on else ""
        print(
            f"{statistic.label + mark:34s}{ratios.mean():7.2f}{ratios.min():7.2f}"
            f"{ratios.max():7.2f}{shuffled:10.2f}{gaussian:7.2f}"
        )
    print("* trained on")
    print(f"\n{'difference to the baseline':34s}{'mean':>7s}{'min':>7s}{'max':>7s}")
    for i, statistic in enumerate(evaluations[0].statistics):
        if statistic.judged_by == "difference":
            gaps = np.array([e.statistics[i].difference for e in evaluations], dtype=float)
            print(f"{statistic.label:34s}{gaps.mean():7.3f}{gaps.min():7.3f}{gaps.max():7.3f}")


if __name__ == "__main__":
    main()
