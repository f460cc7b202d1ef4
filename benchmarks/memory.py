"""Peak memory of a thesis-size pipeline: set-up and ten training iterations at batch 8.

21,576 frames x 102 neurons, windows of 2,048 frames at stride 2: expanded, the windows alone would
take 8 GB. The figure is the process's peak resident set (ru_maxrss), imports included.

    python benchmarks/memory.py              # both variants
    python benchmarks/memory.py 1d           # one, in this process
"""

from __future__ import annotations

import resource
import subprocess
import sys

FRAMES, NEURONS, WIDTH, STRIDE, STEPS, BATCH = 21_576, 102, 2048, 2, 10, 8
LIMIT_GB = 2.0


def measure(variant: str) -> None:
    """Train one variant and print what it took."""
    import numpy as np

    from calgan import Recording, make_calcium_pipeline

    rng = np.random.default_rng(0)
    traces = rng.gamma(0.1, size=(FRAMES, NEURONS)).astype(np.float32)
    for frame in range(1, FRAMES):
        traces[frame] += 0.95 * traces[frame - 1]
    traces += 0.3 * rng.standard_normal(traces.shape, dtype=np.float32)
    recording = Recording(traces, frame_rate=24.0)
    pipeline = make_calcium_pipeline(
        "gan",
        window=WIDTH,
        stride=STRIDE,
        random_state=0,
        variant=variant,
        batch_size=BATCH,
        max_iter=STEPS,
        verbose=0,
    )
    pipeline.fit(recording)
    windows = (FRAMES - WIDTH) // STRIDE + 1
    expanded = windows * WIDTH * NEURONS * 4 / 1e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(
        f"{variant:8s} {windows} windows ({expanded:.1f} GB if expanded), {STEPS} steps at batch "
        f"{BATCH}: peak {peak:.2f} GB",
        flush=True,
    )
    if peak > LIMIT_GB:
        sys.exit(f"peak memory is above the bar of {LIMIT_GB} GB")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1])
    else:  # a process each, or the second would inherit the first one's peak
        for name in ("1d", "compact"):
            subprocess.run([sys.executable, __file__, name], check=True)
