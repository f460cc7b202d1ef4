"""Time firing rate, correlation and van Rossum distance on data of the thesis's size.

1,000 windows of 2,048 frames and 102 neurons, and one window through elephant's van Rossum
distance for comparison.

    OMP_NUM_THREADS=1 python benchmarks/metrics_speed.py
"""

from __future__ import annotations

import os
import platform
import resource
import time
from collections.abc import Callable

import elephant
import numpy as np
import quantities as pq
import scipy
from elephant.spike_train_dissimilarity import van_rossum_distance as elephant_van_rossum

from calgan import metrics
from calgan.spikes.oasis import to_spike_trains

N_WINDOWS, WIDTH, N_NEURONS = 1000, 2048, 102
FRAME_RATE, RATE = 24.0, 0.5


def seconds(call: Callable[[], object], repeats: int = 1) -> float:
    """Wall time of a call, the median of some repeats."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def main() -> None:
    """Print the time of each statistic and the ratio to elephant."""
    threads = os.environ.get("OMP_NUM_THREADS", "default")
    print(
        f"numpy {np.__version__}, scipy {scipy.__version__}, elephant {elephant.__version__}, "
        f"Python {platform.python_version()}, OMP_NUM_THREADS={threads}, "
        f"{os.cpu_count()} core(s)"
    )
    rng = np.random.default_rng(0)
    spikes = np.empty((N_WINDOWS, WIDTH, N_NEURONS), dtype=np.float32)
    for window in spikes:
        window[:] = rng.random(window.shape, dtype=np.float32) < RATE / FRAME_RATE
    print(
        f"{N_WINDOWS} windows x {WIDTH} frames x {N_NEURONS} neurons, {RATE} Hz at {FRAME_RATE} Hz"
    )
    bin_frames = metrics.bin_frames_for(FRAME_RATE)
    statistics: dict[str, Callable[[], object]] = {
        "firing_rate": lambda: metrics.firing_rate(spikes, FRAME_RATE),
        "pairwise_correlation, 12-frame bins": lambda: metrics.pairwise_correlation(
            spikes, bin_frames=bin_frames
        ),
        "pairwise_correlation, 1-frame bins": lambda: metrics.pairwise_correlation(spikes),
        "van_rossum_distance": lambda: metrics.van_rossum_distance(spikes, FRAME_RATE),
    }
    data_bytes = spikes.nbytes
    for name, statistic in statistics.items():
        print(f"{name:37s} {seconds(statistic):6.2f} s", flush=True)

    first = spikes[:1]
    (trains,) = to_spike_trains(first, FRAME_RATE)
    theirs = elephant_van_rossum(trains, 1.0 * pq.s)[np.triu_indices(N_NEURONS, 1)]
    ours = metrics.van_rossum_distance(first, FRAME_RATE)[0]
    elephant_time = seconds(lambda: elephant_van_rossum(trains, 1.0 * pq.s), repeats=3)
    own_time = seconds(lambda: metrics.van_rossum_distance(first, FRAME_RATE), repeats=15)
    print(
        f"van Rossum, one window: elephant {1e3 * elephant_time:.0f} ms, "
        f"calgan {1e3 * own_time:.1f} ms, ratio {elephant_time / own_time:.0f}; "
        f"largest difference {np.abs(ours - theirs).max():.0e}"
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"peak memory {peak / 1e9:.2f} GB, of which the spikes {data_bytes / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
