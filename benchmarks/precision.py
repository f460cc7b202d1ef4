"""Mixed precision: are the samples as good, and what does it save?

Speed: seconds a training step of the published 1-D networks (102 neurons, 2048 frames) and of the
compact variant on the bundled recording, in float32 and in mixed precision, in turns in one run;
the ratio of the medians is what counts, as the machine may be busy. Statistics: the compact variant
on the bundled recording in both, over seeds; the spread over seeds of float32 is the noise that
mixed precision has to stay in.

    python benchmarks/precision.py --seeds 0 1 2
    python benchmarks/precision.py --device cuda --seeds 0 1 2

"mixed" is bfloat16 on a CPU that has it, and float16 with loss scaling on a GPU.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from calgan import CalciumGAN, datasets, evaluate, make_calcium_pipeline
from calgan.model_selection import train_test_blocks
from calgan.training.devices import resolve_precision

PRECISIONS = ("32-true", "mixed")
SHOWN = (
    "firing_rate_kl",
    "correlation_kl",
    "van_rossum_kl",
    "correlation_matrix_r",
    "population_count_kl",
    "increment_w1",
    "log_spectrum_error",
)
WINDOW = 64


def seconds_a_step(X: np.ndarray, rounds: int, steps: int, **params: Any) -> dict[str, list[float]]:
    """Time steps in both precisions in turns."""
    models = {
        precision: CalciumGAN(
            precision=precision,
            max_iter=1,
            warm_start=True,
            validation_fraction=0.0,
            random_state=0,
            verbose=0,
            **params,
        ).fit(X)
        for precision in PRECISIONS
    }
    seconds: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    for _ in range(rounds):
        for precision, model in models.items():
            model.set_params(max_iter=model.n_iter_ + 1).fit(X)
            began = time.perf_counter()
            model.set_params(max_iter=model.n_iter_ + 1).fit(X)
            one = time.perf_counter() - began
            began = time.perf_counter()
            model.set_params(max_iter=model.n_iter_ + 1 + steps).fit(X)
            # What a call to fit costs besides its steps cancels.
            seconds[precision].append((time.perf_counter() - began - one) / steps)
    return seconds


def report_speed(name: str, seconds: dict[str, list[float]]) -> None:
    """Print medians and their ratio."""
    plain, mixed = (np.median(seconds[precision]) for precision in PRECISIONS)
    ratios = np.array(seconds["32-true"]) / np.array(seconds["mixed"])
    print(
        f"{name:44s} {plain:8.3f} s {mixed:8.3f} s   ratio {plain / mixed:.2f} "
        f"[{ratios.min():.2f}, {ratios.max():.2f}]",
        flush=True,
    )


def main() -> None:
    """Time steps, then compare statistics."""
    parser = argparse.ArgumentParser(description="Mixed precision against float32.")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--max-iter", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=8, help="of the published networks")
    arguments = parser.parse_args()
    mixed = resolve_precision(arguments.device.partition(":")[0], "mixed")
    print(f'"mixed" on {arguments.device}: {mixed}')
    if mixed == "32-true":
        print("This CPU has no bfloat16: there is nothing to compare.")
        return
    recording = datasets.load_zebrafish_tectum()
    train, test = train_test_blocks(recording, test_size=0.3, gap=WINDOW)

    print(f"\n{'a training step':44s} {'float32':>10s} {'mixed':>10s}")
    full = np.random.default_rng(0).random((16, 2048, 102), dtype=np.float32)
    published = seconds_a_step(
        full,
        arguments.rounds,
        2,
        variant="1d",
        device=arguments.device,
        batch_size=arguments.batch_size,
    )
    report_speed(f"published networks, batch {arguments.batch_size}", published)
    frames = np.asarray(train.traces)
    windows = np.stack([frames[i : i + WINDOW] for i in range(0, len(frames) - WINDOW, 4)])
    compact = seconds_a_step(windows, arguments.rounds, 20, device=arguments.device)
    report_speed("compact variant, bundled recording", compact)

    rows: dict[str, list[list[float]]] = {precision: [] for precision in PRECISIONS}
    for seed in arguments.seeds:
        for precision in PRECISIONS:
            model = make_calcium_pipeline(
                "gan",
                window=WINDOW,
                random_state=seed,
                max_iter=arguments.max_iter,
                precision=precision,
                device=arguments.device,
                verbose=0,
            ).fit(train)
            evaluation = evaluate(
                test,
                model.sample(500),
                train=train,
                random_state=seed,
                controls=(),
                n_bootstrap=0,
            )
            rows[precision].append([evaluation[name].ratio for name in SHOWN])
    print(
        f"\nratio to the baseline after {arguments.max_iter} steps, mean [smallest, largest] over "
        f"seeds {arguments.seeds}"
    )
    for i, name in enumerate(SHOWN):
        text = f"{name:24s}"
        for precision in PRECISIONS:
            values = np.array(rows[precision])[:, i]
            cell = f"{values.mean():.2f} [{values.min():.2f}, {values.max():.2f}]"
            text += f"  {precision}: {cell:22s}"
        print(text)


if __name__ == "__main__":
    main()
