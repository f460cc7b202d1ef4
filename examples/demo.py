"""From a real recording to synthetic ones, and a report of how real they are.

Fits the default model to the bundled recording of larval zebrafish tectum, draws a synthetic
recording and windows, and compares them with a part of the recording that the model did not see.
Run it with ``make demo``, or::

    python examples/demo.py --help
"""

from __future__ import annotations

import argparse
import os
import shlex
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calgan import Recording

WINDOW = 64
FIGURE = "real_and_synthetic.png"


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Fit a model to the bundled recording, sample from it, and write a report of "
        "how real the samples are.",
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
        help="rounds of the calibration (None: the model's own number)",
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


def draw_recordings(real: Recording, synthetic: Recording, path: Path, n_traces: int = 8) -> None:
    """Draw two recordings side by side: traces of a few neurons, all neurons as a heat map."""
    import numpy as np
    from matplotlib.figure import Figure

    rest, size = np.median(real.traces, axis=0), real.traces.std(axis=0)
    ranks = np.linspace(0, real.n_neurons - 1, n_traces).astype(int)
    neurons = np.argsort(-size)[ranks]  # from the most to the least variable one
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=(3, 2))
    columns = (("real", "#0072B2", real), ("synthetic", "#D55E00", synthetic))
    for (above, below), (title, color, recording) in zip(axes.T, columns, strict=True):
        scaled = (recording.traces - rest) / size
        seconds = np.arange(recording.n_frames) / recording.frame_rate
        above.plot(seconds, scaled[:, neurons] - 9 * np.arange(n_traces), color=color, lw=0.7)
        above.set_title(title, color=color)
        extent = (0, recording.duration, recording.n_neurons, 0)
        shades = {"cmap": "gray_r", "vmin": 1, "vmax": 5, "interpolation": "nearest"}
        below.imshow(scaled.T, aspect="auto", extent=extent, **shades)
        below.set_xlabel("time (s)")
    axes[0, 0].set(yticks=[], ylabel=f"{n_traces} neurons")
    axes[1, 0].set(ylabel=f"all {real.n_neurons} neurons")
    figure.savefig(path, dpi=100)


def main() -> None:
    arguments = read_arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    warnings.showwarning = lambda message, *_, **__: print(f"    Note: {message}", flush=True)

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

    with phase("Fitting the default model (Ctrl-C keeps what was learnt)"):
        model = make_calcium_pipeline(
            window=WINDOW, random_state=arguments.seed, max_time=arguments.max_time, verbose=1
        )
        if arguments.max_iter is not None:
            model.set_params(generator__max_iter=arguments.max_iter)
        model.fit(train)
        print(f"    {type(model[-1]).__name__}, {model[-1].n_iter_} rounds of calibration")

    with phase(f"Sampling a recording of {test.duration:.0f} s and {arguments.samples} windows"):
        draw_recordings(test, model.sample_recording(test.duration), arguments.out / FIGURE)
        synthetic = model.sample(arguments.samples)
        np.save(arguments.out / "synthetic.npy", synthetic)

    with phase("Comparing the windows with the held-out part"):
        evaluation = evaluate(
            test, synthetic, train=train, random_state=arguments.seed, model=model
        )

    with phase("Drawing the report"):
        page = evaluation.to_html(
            arguments.out / "report.html",
            title="Synthetic traces of zebrafish tectum",
            figures=arguments.out,
        )

    print(f"\n{evaluation.summary()}\n")
    print(f"Done in {time.perf_counter() - started:.0f} s. It wrote:")
    print(f"  {os.path.relpath(page)}   the report: open it in a browser")
    print(f"  {arguments.out / FIGURE}   a real beside a synthetic recording")
    print(
        f"  {arguments.out / 'synthetic.npy'}   the samples {synthetic.shape}: windows, frames, "
        f"neurons, in {recording.units}"
    )
    print(f"  {arguments.out}/*.png   the figures of the report")
    print(f"Other seeds and rounds: python {shlex.quote(os.path.relpath(__file__))} --help")


if __name__ == "__main__":
    main()
