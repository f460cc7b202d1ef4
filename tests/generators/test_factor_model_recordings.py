"""Recordings of CalciumFactorModel: no chunks, no seams, constant memory."""

from __future__ import annotations

import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import rankdata

from calgan import CalciumFactorModel, Windower
from calgan.datasets import make_process
from calgan.generators.fit_check import FitWarning

WINDOW, N_NEURONS = 128, 8
BLOCK = 4096  # frames that the model simulates at a time
SHIFTS, SPECTRUM = 60, 32


@pytest.fixture(scope="module")
def model() -> CalciumFactorModel:
    process = make_process(N_NEURONS, random_state=1)
    recording, _ = process.sample_recording(300.0, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        return CalciumFactorModel(max_iter=4, random_state=0, verbose=0).fit(
            Windower(WINDOW).fit_transform(recording)
        )


def joined(pieces: Any, name: str) -> np.ndarray:
    return np.concatenate([piece[name] for piece in pieces])


COMPONENTS = ("traces", "calcium", "spikes", "rates", "factors", "amplitudes")


@pytest.mark.parametrize("name", COMPONENTS)
def test_what_is_drawn_does_not_depend_on_the_chunk(model: CalciumFactorModel, name: str) -> None:
    n_frames = BLOCK + 904
    a, b = (joined(model.iter_recording(n_frames=n_frames, chunk=n), name) for n in (7, 1000))
    assert len(a) == n_frames
    np.testing.assert_array_equal(a, b)
    # A longer recording, which is simulated in other blocks, begins alike.
    longer = joined(model.iter_recording(n_frames=2 * BLOCK + 10), name)
    np.testing.assert_allclose(longer[:n_frames], a, rtol=1e-5, atol=1e-5 * np.abs(a).max())


def test_calcium_goes_on_from_block_to_block(model: CalciumFactorModel) -> None:
    drawn = next(model.iter_recording(n_frames=3 * BLOCK, chunk=3 * BLOCK))
    c = drawn.calcium.astype(np.float64)
    wanted = model.model_.decay * c[:-1] + drawn.amplitudes[1:]
    np.testing.assert_allclose(c[1:], wanted, atol=1e-6 * c.max())


def at_borders(z: np.ndarray, borders: np.ndarray) -> np.ndarray:
    """Statistics of Gaussian traces around some frames.

    Squared differences across the border, products at lags 1 to 5 across it, and the logarithm of
    power in eight bands of the 32 frames around it; means over neurons and borders.
    """
    difference = np.square(z[borders] - z[borders - 1]).mean()
    products = [
        np.mean([(z[borders - j] * z[borders - j + lag]).mean() for j in range(1, lag + 1)])
        for lag in range(1, 6)
    ]
    around = z[borders[:, np.newaxis] + np.arange(-SPECTRUM // 2, SPECTRUM // 2)]
    around = (around - around.mean(axis=1, keepdims=True)) * np.hanning(SPECTRUM)[:, np.newaxis]
    power = np.square(np.abs(np.fft.rfft(around, axis=1)[:, 1:])).mean(axis=(0, 2))
    return np.array([difference, *products, *np.log(power.reshape(8, -1).mean(axis=1))])


def seam(traces: np.ndarray, period: int) -> float:
    """Return the largest z-score at the borders, beside as many frames elsewhere."""
    # Ranks made Gaussian: bursts would decide alone otherwise.
    z = ndtri(rankdata(traces, axis=0) / (len(traces) + 1)).astype(np.float32)
    borders = np.arange(period, len(z) - period, period)
    shifts = np.linspace(0.1 * period, 0.9 * period, SHIFTS).astype(int)
    elsewhere = np.array([at_borders(z, borders + shift) for shift in shifts])
    score = (at_borders(z, borders) - elsewhere.mean(axis=0)) / elsewhere.std(axis=0)
    return float(np.abs(score).max())


@pytest.fixture(scope="module")
def long(model: CalciumFactorModel) -> np.ndarray:
    return model.sample_recording(n_frames=64 * BLOCK, random_state=2).traces


@pytest.mark.parametrize("period", [BLOCK, WINDOW, 1000])
def test_there_is_no_seam(long: np.ndarray, period: int) -> None:
    assert seam(long, period) < 6  # of 24 such recordings, at most 4.4


def test_stitched_windows_have_seams(model: CalciumFactorModel) -> None:
    windows = model.sample(200, random_state=2)
    assert seam(windows.reshape(-1, N_NEURONS), WINDOW) > 10


def test_a_recording_is_like_windows(model: CalciumFactorModel, long: np.ndarray) -> None:
    windows = model.sample(1000, random_state=2)
    np.testing.assert_allclose(long.std(axis=0), windows.std(axis=(0, 1)), rtol=0.15)
    np.testing.assert_allclose(long.mean(axis=0), windows.mean(axis=(0, 1)), atol=0.1)


def test_a_list_of_lengths_gives_independent_segments(model: CalciumFactorModel) -> None:
    recording = model.sample_recording(n_frames=[3000, 3000, 50], random_state=1)
    segments = [recording.traces[first:last] for first, last in recording.segments]
    assert [len(segment) for segment in segments] == [3000, 3000, 50]
    first = model.sample_recording(n_frames=[3000], random_state=1)
    np.testing.assert_array_equal(first.traces, segments[0])
    a, b = segments[0], segments[1]
    across = [np.corrcoef(a[:, i], b[:, i])[0, 1] for i in range(N_NEURONS)]
    assert np.all(np.abs(across) < 0.3)  # activity lasts for seconds: some 100 independent values
    assert recording.metadata["synthetic"]


def peak(model: CalciumFactorModel, n_frames: int, filename: Path | None) -> int:
    tracemalloc.start()
    try:
        model.sample_recording(n_frames=n_frames, filename=filename, random_state=0)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_a_file(model: CalciumFactorModel, tmp_path: Path) -> None:
    short = peak(model, 4 * BLOCK, tmp_path / "short.npy")
    assert peak(model, 16 * BLOCK, tmp_path / "long.npy") < 1.1 * short
    assert peak(model, 16 * BLOCK, None) > 1.5 * short
    written = np.load(tmp_path / "short.npy", mmap_mode="r")
    wanted = model.sample_recording(n_frames=4 * BLOCK, random_state=0).traces
    np.testing.assert_array_equal(written, wanted)
