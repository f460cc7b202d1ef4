"""Time and memory of the factor model: fits of many neurons, and an hour's recording.

Each line is a process of its own; the peak is its resident set, imports and data included. Seconds
are of one machine: the last figure is the time over that of ten passes of OASIS over the same
traces.

    python benchmarks/factor_model_scale.py                    # 100 and 1,000 neurons, an hour
    python benchmarks/factor_model_scale.py 10000              # half an hour
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

DURATION, FRAME_RATE, WINDOW = 900.0, 10.0, 128
N_TOGETHER = 500  # neurons of a simulated population; more are several that know nothing of others
HOUR, FAST, N_HOUR = 3600.0, 30.0, 75


def peak_gb() -> float:
    """Return the peak resident set (GB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def fit(n_neurons: int) -> None:
    """Fit 15 minutes of simulated neurons and print what it took."""
    import numpy as np

    from calgan import CalciumFactorModel, Recording, Windower
    from calgan.datasets import make_process
    from calgan.spikes.oasis import OasisDeconvolver

    sizes = [min(N_TOGETHER, n_neurons - i) for i in range(0, n_neurons, N_TOGETHER)]
    parts = [
        make_process(n, frame_rate=FRAME_RATE, random_state=i)
        .sample_recording(DURATION, random_state=i)[0]
        .traces
        for i, n in enumerate(sizes)
    ]
    recording = Recording(np.concatenate(parts, axis=1), FRAME_RATE)
    del parts
    before = peak_gb()
    deconvolver = OasisDeconvolver().fit(recording)
    unit = time.perf_counter()
    deconvolver.transform(recording)
    unit = 10 * (time.perf_counter() - unit)
    began = time.perf_counter()
    model = CalciumFactorModel(random_state=0, verbose=0)
    model.fit(Windower(WINDOW).fit_transform(recording))
    seconds = time.perf_counter() - began
    print(
        f"fit {n_neurons:6d} neurons x 15 min at 10 Hz: {seconds:6.1f} s, peak {peak_gb():5.2f} GB "
        f"({before:.2f} before), {seconds / unit:.1f} times ten passes of OASIS",
        flush=True,
    )


def hour() -> None:
    """Sample an hour at 30 Hz of 75 neurons into a file and print what it took."""
    from calgan import CalciumFactorModel, Windower
    from calgan.datasets import make_process

    process = make_process(N_HOUR, frame_rate=FAST, random_state=0)
    recording, _ = process.sample_recording(300.0, random_state=0)
    model = CalciumFactorModel(max_iter=2, random_state=0, verbose=0)
    model.fit(Windower(256).fit_transform(recording))
    before = peak_gb()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        drawn = model.sample_recording(HOUR, filename=Path(folder) / "hour.npy")
        seconds = time.perf_counter() - began
        shape = drawn.shape
    print(
        f"an hour at 30 Hz of {N_HOUR} neurons {shape}: {seconds:.1f} s, peak {peak_gb():.2f} GB "
        f"({before:.2f} before)",
        flush=True,
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.argv[1:] == ["hour"]:
        hour()
    elif len(sys.argv) > 1:
        fit(int(sys.argv[1]))
    else:
        for what in ("100", "1000", "hour"):
            subprocess.run([sys.executable, __file__, what], check=True)
