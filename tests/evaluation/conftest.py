"""A recording, samples of known quality, and what `evaluate` says of them."""

from __future__ import annotations

import numpy as np
import pytest
from evaluation_cases import (
    NEURONS,
    RATE,
    WINDOW,
    judge,
    replayed,
    shuffled,
)

from calgan.datasets import make_process


@pytest.fixture(scope="session")
def process():
    return make_process(n_neurons=NEURONS, frame_rate=RATE, random_state=0)


@pytest.fixture(scope="session")
def recordings(process):
    train, _ = process.sample_recording(400.0, random_state=1)
    test, _ = process.sample_recording(200.0, random_state=2)
    return train, test


@pytest.fixture(scope="session")
def samples(process):
    return process.sample_windows(200, WINDOW, random_state=3)[0]


@pytest.fixture(scope="session")
def of_truth(recordings, samples):
    return judge(recordings, samples)


@pytest.fixture(scope="session")
def of_replay(recordings):
    return judge(recordings, replayed(recordings[0]))


@pytest.fixture(scope="session")
def of_shuffled(recordings, samples):
    return judge(recordings, shuffled(samples))


@pytest.fixture(scope="session")
def of_collapse(recordings, samples):
    noise = np.random.default_rng(0).normal(size=samples.shape)
    flat = samples.mean(axis=(0, 1)) + 1e-3 * noise
    return judge(recordings, flat)
