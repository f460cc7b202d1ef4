import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.ndimage import uniform_filter1d

from calgan import metrics
from calgan.metrics.memorisation import memorisation_ratios


def smooth_windows(n, seed, n_frames=32, n_neurons=4):
    rng = np.random.default_rng(seed)
    return uniform_filter1d(rng.normal(size=(n, n_frames, n_neurons)), 5, axis=1)


def slow_ratios(samples, train, held_out, max_shift):
    """The definition, pair by pair and shift by shift."""
    mean, deviation = train.mean(axis=(0, 1)), train.std(axis=(0, 1))
    samples, train, held_out = ((X - mean) / deviation for X in (samples, train, held_out))
    window = samples.shape[1]

    def nearest(sample, windows):
        centre = sample[max_shift : window - max_shift]
        return min(
            np.linalg.norm(centre - window[shift : shift + len(centre)])
            for window in windows
            for shift in range(2 * max_shift + 1)
        )

    return [nearest(s, train) / nearest(s, held_out) for s in samples]


@pytest.mark.parametrize("max_shift", [0, 1, 4, 15])
@pytest.mark.parametrize("window", [32, 31])
def test_ratios_follow_the_definition(max_shift, window):
    samples, train, held_out = (smooth_windows(n, i, window) for i, n in enumerate((5, 7, 7)))
    result = memorisation_ratios(samples, train, held_out, max_shift=max_shift)
    assert_allclose(result, slow_ratios(samples, train, held_out, max_shift), rtol=1e-9)


def test_the_default_shift_is_an_eighth_of_the_window():
    samples, train, held_out = (smooth_windows(6, i) for i in range(3))
    assert_allclose(
        memorisation_ratios(samples, train, held_out),
        memorisation_ratios(samples, train, held_out, max_shift=4),
    )


def test_replay_is_found_even_when_it_is_shifted():
    recording = smooth_windows(1, 0, n_frames=400)[0]
    train = np.stack([recording[start : start + 32] for start in range(10, 360, 20)])
    shifted = np.stack([recording[start : start + 32] for start in range(13, 360, 20)])
    held_out = smooth_windows(len(train), 1)
    assert metrics.memorisation_ratio(train, train, held_out) < 1e-6
    assert metrics.memorisation_ratio(shifted, train, held_out) < 1e-6
    assert metrics.memorisation_ratio(shifted, train, held_out, max_shift=0) > 0.3


def test_new_samples_have_a_ratio_near_one():
    samples, train, held_out = (smooth_windows(60, i) for i in range(3))
    assert metrics.memorisation_ratio(samples, train, held_out) == pytest.approx(1.0, abs=0.05)
    noisy = train + 0.3 * np.random.default_rng(3).normal(size=train.shape)
    assert metrics.memorisation_ratio(noisy, train, held_out) < 0.8


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31))
def test_units_and_the_order_of_neurons_and_windows_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    samples, train, held_out = (smooth_windows(5, i) for i in range(3))
    scale, offset = np.array([0.5, 3.0, 100.0, 0.01]), np.array([0.0, 1.0, -5.0, 2.0])
    neurons = rng.permutation(4)

    def moved(X):
        return (X * scale + offset)[:, :, neurons]

    assert_allclose(
        memorisation_ratios(
            moved(samples), rng.permutation(moved(train)), rng.permutation(moved(held_out))
        ),
        memorisation_ratios(samples, train, held_out),
        rtol=1e-6,
    )


def test_batches_of_samples_do_not_show(monkeypatch):
    samples, train, held_out = (smooth_windows(6, i) for i in range(3))
    expected = memorisation_ratios(samples, train, held_out)
    monkeypatch.setattr("calgan.metrics.memorisation._BATCH_BYTES", 1)
    assert_allclose(memorisation_ratios(samples, train, held_out), expected)


def test_constant_neurons_are_left_out():
    samples, train, held_out = (smooth_windows(6, i) for i in range(3))
    expected = memorisation_ratios(samples[:, :, :3], train[:, :, :3], held_out[:, :, :3])
    train[:, :, 3] = 0.1
    assert_allclose(memorisation_ratios(samples, train, held_out), expected)
    assert np.isnan(metrics.memorisation_ratio(samples, np.ones_like(train), held_out))


def test_bad_requests_are_refused():
    samples, train = smooth_windows(3, 0), smooth_windows(5, 1)
    with pytest.raises(ValueError, match="train has 5 windows and held_out 4"):
        metrics.memorisation_ratio(samples, train, train[:4])
    with pytest.raises(ValueError, match="leaves no central part"):
        metrics.memorisation_ratio(samples, train, train, max_shift=16)
    with pytest.raises(ValueError, match="samples has 4 neurons and held_out has 3"):
        metrics.memorisation_ratio(samples, train, train[:, :, :3])
