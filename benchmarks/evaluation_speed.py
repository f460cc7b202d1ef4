"""Time and memory of `calgan.evaluate` and its report, beside the original's way by elephant.

Each case runs in a process of its own. The original computes, for each window, the firing rates,
the correlations (bins of half a second) and the van Rossum distances of all pairs with elephant;
here on spikes by OASIS with fixed constants, on three windows of the case, scaled to as many as
`evaluate` compares. Peaks are those of the main process and, added up, of its worker processes.

    python benchmarks/evaluation_speed.py              # all cases, about four minutes on two cores
    python benchmarks/evaluation_speed.py --case thesis
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from joblib.externals.loky import get_reusable_executor

# Frames of the training and of the held-out recording, windows, frames a window, neurons.
CASES = {
    "256 frames": (18_000, 6_000, 500, 256, 102),
    "thesis": (21_600, 21_600, 1000, 2048, 102),
    "1,000 neurons": (9_000, 4_000, 500, 128, 1000),
}
FRAME_RATE = 10.0
GROUPS = 6  # held-out, synthetic, training, replayed, shuffled, dichotomized Gaussian
ELEPHANT_WINDOWS = 3


def draw(case: str) -> tuple[Any, Any, np.ndarray]:
    """Return training recording, held-out recording and synthetic windows of a case."""
    from calgan import CalciumFactorModel, Windower, datasets
    from calgan.model_selection import train_test_blocks

    if case == "bundled":
        recording = datasets.load_zebrafish_tectum()
        train, test = train_test_blocks(recording, test_size=0.3, gap=64)
        model = CalciumFactorModel(random_state=0, verbose=0).fit(Windower(64).fit_transform(train))
        return train, test, model.sample(500)
    n_train, n_test, n_windows, window, n_neurons = CASES[case]
    process = datasets.make_process(n_neurons, frame_rate=FRAME_RATE, random_state=0)
    train, _ = process.sample_recording(n_train / FRAME_RATE, random_state=1)
    test, _ = process.sample_recording(n_test / FRAME_RATE, random_state=2)
    samples, _ = process.sample_windows(n_windows, window, random_state=3)
    return train, test, samples


def elephant_seconds(evaluation: Any, frame_rate: float) -> float:
    """Return the time that the original's three statistics take in one window, with inference."""
    import quantities as pq
    from elephant.conversion import BinnedSpikeTrain
    from elephant.spike_train_correlation import correlation_coefficient
    from elephant.spike_train_dissimilarity import van_rossum_distance
    from elephant.statistics import mean_firing_rate

    from calgan.spikes.oasis import infer_spikes, to_spike_trains

    warnings.simplefilter("ignore")  # of silent trains
    began = time.perf_counter()
    for window in evaluation.windows["real"][:ELEPHANT_WINDOWS]:
        spikes = infer_spikes(window, decay=0.9, baseline=0.0, threshold=0.5) > 0
        trains = to_spike_trains(spikes, frame_rate)
        for train in trains:
            mean_firing_rate(train)
        correlation_coefficient(BinnedSpikeTrain(trains, bin_size=0.5 * pq.s))
        van_rossum_distance(trains, 1.0 * pq.s)
    return (time.perf_counter() - began) / ELEPHANT_WINDOWS


def cpu_seconds() -> float:
    """Return the CPU time of this process; that of its own processes counts once they ended."""
    every = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, every))


def children() -> list[int]:
    """Return the ids of this process's children (Linux)."""
    lists = Path("/proc/self/task").glob("*/children")
    return [int(pid) for each in lists for pid in each.read_text().split()]


def peak_bytes(pid: int) -> int:
    """Return the largest memory that a process held since it began to run its program (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def run(case: str) -> dict[str, Any]:
    """Measure one case in this process."""
    from calgan import evaluate

    train, test, samples = draw(case)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    n = len(samples)
    began, worked = time.perf_counter(), cpu_seconds()
    evaluation = evaluate(test, samples, train=train, n_windows=n, random_state=0, verbose=0)
    seconds = time.perf_counter() - began
    workers = sum(peak_bytes(child) for child in children())
    get_reusable_executor().shutdown()  # the CPU time of what has ended is counted
    cpu = cpu_seconds() - worked
    found = {
        "case": case,
        "windows": f"{n} x {samples.shape[1]} x {samples.shape[2]}",
        "evaluate_s": seconds,
        "evaluate_cpu_s": cpu,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        "workers_gb": workers / 1e9,
        "before_gb": before / 1e9,
    }
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        evaluation.to_html(Path(folder) / "report.html", verbose=0)
        found["report_s"] = time.perf_counter() - began
    if case != "1,000 neurons":  # half a million pairs would take elephant minutes a window
        found["elephant_s"] = elephant_seconds(evaluation, evaluation.frame_rate)
        found["ratio"] = GROUPS * n * found["elephant_s"] / seconds
    return found


def main() -> None:
    """Run the cases and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=["bundled", *CASES], help="one case, as JSON")
    chosen = parser.parse_args().case
    if chosen is not None:
        print(json.dumps(run(chosen)))
        return
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {os.cpu_count()} cores")
    print(
        f"{'case':15}{'windows x frames x neurons':>28}{'evaluate':>10}{'CPU':>8}{'peak':>9}"
        f"{'workers':>9}"
        f"{'data':>9}{'report':>9}   {GROUPS} groups through elephant"
    )
    for case in ("bundled", *CASES):
        command = [sys.executable, __file__, "--case", case]
        result = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        text = (
            f"{case:15}{result['windows']:>28}{result['evaluate_s']:8.1f} s"
            f"{result['evaluate_cpu_s']:6.0f} s{result['peak_gb']:6.2f} GB"
            f"{result['workers_gb']:6.2f} GB{result['before_gb']:6.2f} GB"
            f"{result['report_s']:7.1f} s"
        )
        if "ratio" in result:
            text += f"   {result['elephant_s']:.2f} s a window, ratio {result['ratio']:.0f}"
        print(text, flush=True)


if __name__ == "__main__":
    main()
