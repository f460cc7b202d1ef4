"""Memory, threads and open files of one process that fits and samples over and over.

A round fits a compact CalciumGAN, a CalciumFlow, a CalciumFactorModel and an OasisDeconvolver to a
small recording, and draws from each. 75 rounds are 300 fits, and 27 draws a round are 2,025. After
the tenth round nothing may grow: threads and open files stay as they are, and resident memory
within 5 %. Linux only.

    python benchmarks/soak.py
    python benchmarks/soak.py --rounds 20
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from typing import Any

from calgan import (
    CalciumFactorModel,
    CalciumFlow,
    CalciumGAN,
    OasisDeconvolver,
    Recording,
    Windower,
)
from calgan.datasets import make_recording

ROUNDS, DRAWS, SETTLED, MOST_GROWTH = 75, 9, 10, 1.05


def one_round(recording: Recording, number: int) -> None:
    """Fit each estimator once, and draw from it."""
    windows = Windower(32).fit_transform(recording)
    few: dict[str, Any] = {"random_state": number, "verbose": 0}
    for model in (
        CalciumGAN(max_iter=3, filters=8, **few),
        CalciumFlow(max_iter=3, filters=8, **few),
        CalciumFactorModel(max_iter=1, **few),
    ):
        model.fit(windows)
        for draw in range(DRAWS):
            samples = model.sample(4, random_state=draw)
    OasisDeconvolver(recording.frame_rate).fit(recording).transform(samples)


def state() -> tuple[float, int, int]:
    """Return resident memory (MB), threads and open files of this process."""
    with open("/proc/self/status") as file:
        held = dict(line.split(":", 1) for line in file)
    return (
        int(held["VmRSS"].split()[0]) * 1024 / 1e6,
        int(held["Threads"]),
        len(os.listdir("/proc/self/fd")),
    )


def soak(n_rounds: int, *, every: int = 5) -> list[tuple[float, int, int]]:
    """Return the state after each round, and print some."""
    recording, _ = make_recording(60.0, n_neurons=6, random_state=0)
    states = []
    for number in range(n_rounds):
        one_round(recording, number)
        states.append(state())
        if (number + 1) % every == 0:
            memory, threads, files = states[-1]
            print(
                f"round {number + 1:3d}: {memory:6.0f} MB, {threads} threads, {files} open files",
                flush=True,
            )
    return states


def main() -> None:
    """Soak, and fail if something grows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # so few steps match nothing
    states = soak(options.rounds)
    settled, last = states[min(SETTLED, len(states)) - 1], states[-1]
    print(f"{4 * len(states)} fits, {3 * DRAWS * len(states)} draws")
    if last[0] > MOST_GROWTH * settled[0] or last[1] > settled[1] or last[2] > settled[2]:
        sys.exit(f"something grows: {settled} after round {SETTLED}, {last} in the end")


if __name__ == "__main__":
    main()
