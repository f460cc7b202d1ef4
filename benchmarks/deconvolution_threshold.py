"""Choose the default threshold of OasisDeconvolver on recordings with known spikes.

Reads ``groundtruth_*.npz`` files made from the database of Rupprecht et al. (2021),
https://github.com/HelmchenLabSoftware/Cascade: recording ``r`` is
``dff[offsets[r]:offsets[r + 1]]`` at ``frame_rate[r]``, and ``spike_counts`` bins its spikes per
frame. Up to three recordings of each data set and 5,000 frames of each are used, at most at 30 Hz
and thinned to 10, 5 and 2.2 Hz.

    python benchmarks/deconvolution_threshold.py FOLDER
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.signal import lfilter

from calgan import OasisDeconvolver

THRESHOLDS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
FRAME_RATES = (30.0, 10.0, 5.0, 2.2)
BIN_SECONDS = 0.5


def recordings(folder: Path) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """Traces, spike counts and frame rate of up to three recordings of each data set."""
    for path in sorted(folder.glob("groundtruth_*.npz")):
        with np.load(path) as data:
            offsets = data["offsets"]
            for r in np.unique(np.linspace(0, len(offsets) - 2, 3).astype(int)):
                frames = slice(offsets[r], min(offsets[r + 1], offsets[r] + 5000))
                counts = data["spike_counts"][frames].astype(float)
                if counts.sum() >= 10 and len(counts) >= 300:
                    yield data["dff"][frames], counts, float(data["frame_rate"][r])


def summed(values: np.ndarray, size: int) -> np.ndarray:
    """Sums over consecutive frames, the remainder dropped."""
    n = len(values) // size
    return values[: n * size].reshape(n, size).sum(axis=1)


def thinned(
    trace: np.ndarray, counts: np.ndarray, frame_rate: float, target: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Every k-th frame, with the spikes since the frame kept before it."""
    step = max(1, round(frame_rate / target))
    counts = summed(counts, step)
    return trace[step - 1 :: step][: len(counts)], counts, frame_rate / step


def best_decay_time(trace: np.ndarray, counts: np.ndarray, frame_rate: float) -> float:
    """Decay time (s) with which the true spikes predict the trace best."""
    times = np.geomspace(0.1, 4.0, 25)
    calcium = [lfilter([1.0], [1.0, -np.exp(-1.0 / (frame_rate * time))], counts) for time in times]
    return float(times[np.argmax([np.corrcoef(c, trace)[0, 1] for c in calcium])])


def score(events: np.ndarray, counts: np.ndarray, frame_rate: float) -> tuple[float, float, float]:
    """Correlation and F1 in half-second bins, and events per frame with a spike."""
    size = max(1, round(BIN_SECONDS * frame_rate))
    inferred, true = summed(events, size), summed(counts, size)
    correlation = np.corrcoef(inferred, true)[0, 1] if inferred.std() > 0 else 0.0
    hits = np.sum((inferred > 0) & (true > 0))
    f1 = 2 * hits / (np.sum(inferred > 0) + np.sum(true > 0))
    return correlation, f1, events.sum() / np.sum(counts > 0)


def main() -> None:
    """Print the scores of each threshold at each frame rate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder with groundtruth_*.npz")
    found = list(recordings(parser.parse_args().folder))
    for target in FRAME_RATES:
        scores: dict[float, list[tuple[float, float, float]]] = {k: [] for k in THRESHOLDS}
        ratios = []
        for native in found:
            trace, counts, frame_rate = thinned(*native, target)
            if len(trace) < 150:
                continue
            for threshold in THRESHOLDS:
                deconvolver = OasisDeconvolver(frame_rate, threshold=threshold)
                events = deconvolver.fit_transform(trace[:, np.newaxis])[:, 0]
                scores[threshold].append(score(events, counts, frame_rate))
            ratios.append(deconvolver.decay_time_[0] / best_decay_time(*native))
        low, middle, high = np.percentile(ratios, [25, 50, 75])
        print(f"\nat most {target:g} Hz, {len(ratios)} recordings")
        print(f"decay time, estimated / best: median {middle:.2f}, quartiles {low:.2f}-{high:.2f}")
        print("threshold  correlation    F1  events per frame with a spike (median)")
        for threshold, values in scores.items():
            correlation, f1, _ = np.mean(values, axis=0)
            rate = np.median(values, axis=0)[2]
            print(f"{threshold:9.1f}  {correlation:11.3f}  {f1:.3f}  {rate:.2f}")


if __name__ == "__main__":
    main()
