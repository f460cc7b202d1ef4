"""What every test shares: one thread a worker, no display, and small fixed data."""

from __future__ import annotations

import os
import signal
import threading

# Tests press Ctrl-C. A shell that runs the tests in the background has it ignored, also by the
# processes that they start.
if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    and threading.current_thread() is threading.main_thread()
):
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Set before numpy or torch is imported: the xdist workers are the parallelism.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    """Return the same numbers for every test, whatever ran before it."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def traces() -> np.ndarray:
    """Return a recording (240 frames, 5 neurons): decaying events on noise, read-only."""
    rng = np.random.default_rng(1)
    events = rng.random((240, 5)) < 0.05
    traces = 0.1 * rng.standard_normal((240, 5)).astype(np.float32)
    level = np.zeros(5, dtype=np.float32)
    for frame in range(240):
        level = 0.9 * level + events[frame]
        traces[frame] += level
    traces.setflags(write=False)
    return traces
