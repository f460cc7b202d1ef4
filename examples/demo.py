"""From a real recording to synthetic traces and a report of how real they are.

Fits the default generator to the bundled recording of larval zebrafish tectum, samples windows
from it and compares them with a part of the recording that it never saw. Run it with ``make
demo``, or::

    python examples/demo.py --help
"""

from __future__ import annotations

import argparse
import os
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WINDOW = 64


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Fit a model to a bundled real recording, sample windows from it, and write a "
        "report of how real the samples are.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--out",
        "--output",
        type=Path,
        default=Path("demo"),
        metavar="FOLDER",
        help="folder for report.html, the figures and the samples",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of fit, sampling and report")
    parser.add_argument(
        "--max-iter",
        type=int,
        default=None,
        metavar="ROUNDS",
        help="rounds of the calibration (None: the generator's own number)",
    )
    parser.add_argument(
        "--max-time",
        type=float,
        default=240.0,
        metavar="SECONDS",
        help="stop after this long, if the rounds are not done by then",
    )
    parser.add_argument(
        "--samples", type=int, default=500, metavar="N", help="synthetic windows to draw"
    )
    arguments = parser.parse_args()
    for name in ("max_iter", "max_time", "samples"):
        value = getattr(arguments, name)
        if value is not None and value <= 0:
            parser.error(f"--{name.replace('_', '-')} must be positive, got {value}")
    if arguments.seed < 0:
        parser.error(f"--seed must not be negative, got {arguments.seed}")
    return arguments


@contextmanager
def phase(title: str) -> Iterator[None]:
    print(f"\n{title} ...", flush=True)
    started = time.perf_counter()
    yield
    print(f"    {time.perf_counter() - started:.1f} s", flush=True)


def main() -> None:
    arguments = read_arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()

    with phase("Loading the library"):
        import numpy as np

        from calgan import datasets, evaluate, make_calcium_pipeline
        from calgan.model_selection import train_test_blocks

    with phase("Loading the recording"):
        recording = datasets.load_zebrafish_tectum()
        # The held-out part is the end of the recording, a window away from the training part.
        train, test = train_test_blocks(recording, test_size=0.3, gap=WINDOW)
        print(
            f"    {recording.n_neurons} neurons at {recording.frame_rate:.3g} Hz; training on "
            f"{train.duration:.0f} s, holding out {test.duration:.0f} s"
        )

    with phase("Fitting (Ctrl-C stops early and keeps what was learnt)"):
        model = make_calcium_pipeline(
            "1d",
            window=WINDOW,
            random_state=arguments.seed,
            max_time=arguments.max_time,
            verbose=1,
        )
        if arguments.max_iter is not None:
            model.set_params(generator__max_iter=arguments.max_iter)
        model.fit(train)
        print(f"    {type(model[-1]).__name__}: {model[-1].n_iter_} rounds")

    with phase(f"Sampling {arguments.samples} windows of {WINDOW} frames"):
        synthetic = model.sample(arguments.samples)
        np.save(arguments.out / "synthetic.npy", synthetic)

    with phase("Comparing them with the held-out part"):
        evaluation = evaluate(
            test, synthetic, train=train, random_state=arguments.seed, model=model
        )

    with phase("Drawing the report"):
        page = evaluation.to_html(
            arguments.out / "report.html",
            title="Synthetic traces of zebrafish tectum",
            figures=arguments.out,
        )

    print(f"\n{evaluation}\n")
    print(f"Done in {time.perf_counter() - started:.0f} s. Where to look next:")
    print(
        f"  open {os.path.relpath(page)} in a browser: the report, with all figures and how to "
        "read them"
    )
    print(
        f"  {arguments.out}/*.png: the figures; {arguments.out}/synthetic.npy: the samples, "
        f"{synthetic.shape} (windows, frames, neurons) in {recording.units}"
    )
    print(f"  python {shlex.quote(os.path.relpath(__file__))} --help: other seeds and rounds")
    print("  README.rst: the same with your own recording, in seven lines")


if __name__ == "__main__":
    main()
