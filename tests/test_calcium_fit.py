"""Calcium parameters of simulated traces: recovered, and equivariant."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import lfilter

from calgan import calcium_fit
from calgan.calcium_fit import CalciumFit, fit_calcium, lone_events
from calgan.datasets import make_process
from calgan.datasets.simulation import Process
from calgan.deconvolution import infer_calcium

RATE = 10.0


def simulated(
    n_frames: int = 3000,
    n_neurons: int = 4,
    *,
    decay: float = 0.9,
    rise: float = 0.0,
    noise: float = 0.1,
    bursts: float = 0.0,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return traces and spikes (T, N); log rates are Gaussian of variance `bursts`."""
    rng = np.random.default_rng(seed)
    shape = (n_frames, n_neurons)
    slow = lfilter([np.sqrt(1 - 0.95**2)], [1, -0.95], rng.standard_normal(shape), axis=0)
    spikes = rng.poisson(0.03 * np.exp(np.sqrt(bursts) * slow - bursts / 2)).astype(float)
    spikes[0] = 0
    calcium = lfilter([1 - rise], [1, -rise], lfilter([1], [1, -decay], spikes, axis=0), axis=0)
    traces = calcium + noise * rng.standard_normal(shape)
    return traces.astype(np.float32), spikes


def decay_times(found: CalciumFit) -> np.ndarray:
    return -1 / (RATE * np.log(found.decay))


@pytest.fixture(scope="module")
def process() -> Process:
    return make_process(12, random_state=0)


@pytest.fixture(scope="module")
def traces(process: Process) -> np.ndarray:
    return process.sample_recording(300.0, random_state=0)[0].traces


@pytest.fixture(scope="module")
def found(traces: np.ndarray) -> CalciumFit:
    return fit_calcium([traces], RATE)


# --- what is recovered ------------------------------------------------------------------------


def test_decay_baseline_and_noise_of_a_known_process(process: Process, found: CalciumFit) -> None:
    error = np.abs(np.log(decay_times(found) / process.decay_times))
    assert error.max() < 0.12
    assert error.mean() < 0.06
    assert_allclose(found.noise, process.noise, rtol=0.08)
    assert (np.abs(found.baseline - process.baselines) < 0.15 * process.noise).all()


def test_decay_of_bursts_is_nearer_than_the_autocovariance_says(
    process: Process, found: CalciumFit
) -> None:
    ours, others = (
        np.abs(np.log(times / process.decay_times)).mean()
        for times in (decay_times(found), found.deconvolver.decay_time_)
    )
    assert ours < 0.25 * others


@pytest.mark.parametrize(("rate", "share", "error"), [(0.05, 0.05, 0.003), (0.1, 0.4, 0.02)])
def test_baselines_of_neurons_that_are_seldom_at_rest(
    rate: float, share: float, error: float
) -> None:
    # A decay of 20 frames, and one or two spikes in it.
    rng = np.random.default_rng(0)
    calcium = lfilter([1], [1, -0.95], rng.poisson(rate, (3000, 3)), axis=0)
    clear = (calcium + 0.05 * rng.standard_normal(calcium.shape)).astype(np.float32)
    found = fit_calcium([clear], RATE)
    assert (found.deconvolver.baseline_ > 0.3).all()
    assert (np.abs(found.baseline) < share * found.deconvolver.baseline_).all()
    assert_allclose(found.decay, 0.95, atol=error)


def test_events_are_the_spikes() -> None:
    traces, spikes = simulated()
    (events,) = fit_calcium([traces], RATE).events
    assert events.shape == traces.shape
    # A frame early or late where noise says so.
    near = events + np.roll(events, 1, axis=0) + np.roll(events, -1, axis=0)
    assert (near[spikes > 0] > 0).mean() > 0.95
    assert np.count_nonzero(events) < 1.2 * np.count_nonzero(spikes)
    assert_allclose(events.sum(axis=0), spikes.sum(axis=0), rtol=0.1)


@pytest.mark.parametrize("bursts", [0.0, 1.5])
def test_rises_are_told_from_bursts(bursts: float) -> None:
    none, some = (
        fit_calcium([simulated(n_neurons=8, rise=rise, bursts=bursts)[0]], RATE)
        for rise in (0.0, 0.3)
    )
    assert none.rise.max() < 0.06
    assert_allclose(np.median(some.rise), 0.3, atol=0.13)
    for found in (none, some):
        assert_allclose(found.decay, 0.9, atol=0.02)
        assert (found.rise >= 0).all()


def test_a_rise_is_read_forwards_in_time() -> None:
    traces = simulated(n_neurons=8, rise=0.3)[0]
    backwards = fit_calcium([traces[::-1].copy()], RATE)
    assert backwards.rise.max() < 0.1


def test_a_rise_is_half_that_of_the_median_neuron() -> None:
    traces = simulated(n_neurons=3, rise=0.3)[0]
    traces[:, 0] = simulated(n_neurons=1)[0][:, 0]
    rise = fit_calcium([traces], RATE).rise
    apart = [fit_calcium([traces[:, [i]]], RATE).rise[0] for i in range(3)]
    assert_allclose(rise, 0.5 * np.median(apart) + 0.5 * np.array(apart), atol=1e-6)


def test_a_trace_without_noise() -> None:
    traces, spikes = simulated(2000, 2, noise=0.0)
    found = fit_calcium([traces], RATE)
    assert_allclose(found.decay, 0.9, atol=0.006)
    assert_allclose(found.baseline, 0, atol=0.01)
    assert (found.noise < 0.01).all()
    assert_allclose(found.events[0][spikes > 0], spikes[spikes > 0], rtol=0.05)


def test_the_threshold_is_the_least_of_the_events(found: CalciumFit) -> None:
    (events,) = found.events
    least = np.where(events > 0, events, np.inf).min(axis=0) / found.threshold
    assert least.min() >= 1 - 1e-6
    assert least.min() < 1.05  # some are hardly beyond it


def test_the_threshold_makes_the_events_again(found: CalciumFit, traces: np.ndarray) -> None:
    def differing(threshold: np.ndarray) -> float:
        _, events = infer_calcium(
            traces.astype(np.float64),
            decay=found.decay,
            baseline=found.baseline,
            threshold=threshold,
        )
        return float(((events > 0) != (found.events[0] > 0)).sum() / (found.events[0] > 0).sum())

    # The baseline has moved a last time since.
    assert differing(found.threshold) < 0.01
    assert differing(0.8 * found.threshold) > 0.03


def test_what_is_left_is_what_baseline_and_events_leave(
    found: CalciumFit, traces: np.ndarray
) -> None:
    (left,) = found.left
    calcium, _ = infer_calcium(
        traces, decay=found.decay, baseline=found.baseline, threshold=found.threshold
    )
    # The baseline is moved once more after the last inference: few events come or go.
    assert np.quantile(np.abs(left - (traces - found.baseline - calcium)), 0.9) < 0.002
    np.testing.assert_allclose(left.mean(axis=0), 0, atol=1e-6)


def test_the_threshold_is_of_the_noise() -> None:
    thresholds = [fit_calcium([simulated(noise=noise)[0]], RATE).threshold for noise in (0.05, 0.1)]
    assert_allclose(thresholds[1], 2 * thresholds[0], rtol=0.15)


# --- laws -------------------------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(exponent=st.integers(-10, 10), offset=st.floats(-3, 3), n=st.integers(1, 3))
def test_units_do_not_matter(exponent: int, offset: float, n: int) -> None:
    plain = simulated(600, n)[0]
    scale = 2.0**exponent  # exact in floats: no candidate gains from rounding
    a = fit_calcium([plain], RATE)
    b = fit_calcium([np.float32(scale) * plain], RATE)
    in_units = ("baseline", "noise", "threshold")
    for name, unit in (("decay", 1), ("rise", 1), *((name, scale) for name in in_units)):
        assert_allclose(getattr(b, name), unit * getattr(a, name), rtol=1e-6, atol=1e-9 * scale)
    assert_allclose(b.events[0], scale * a.events[0], rtol=1e-5)
    # Offsets do round: an event that sits on the threshold may go.
    c = fit_calcium([np.float32(scale) * (plain + np.float32(offset))], RATE)
    assert_allclose(c.baseline, scale * (a.baseline + offset), atol=0.02 * scale)
    assert_allclose(c.decay, a.decay, atol=0.01)
    assert_allclose(c.noise, scale * a.noise, rtol=0.05)
    assert_allclose(c.events[0].sum(axis=0), b.events[0].sum(axis=0), rtol=0.1)


@settings(max_examples=8, deadline=None)
@given(order=st.permutations(range(4)))
def test_the_order_of_neurons_does_not_matter(order: list[int]) -> None:
    traces = simulated(500)[0]
    a, b = (fit_calcium([part], RATE) for part in (traces, traces[:, order]))
    for name in ("decay", "rise", "baseline", "noise", "threshold"):
        assert_allclose(getattr(b, name), getattr(a, name)[order], rtol=1e-12)
    assert_array_equal(b.events[0], a.events[0][:, order])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 2])
def test_a_neuron_does_not_depend_on_the_others_and_traces_stay(n: int, dtype: type) -> None:
    # As a column of its own, a trace is contiguous whichever way one looks at it.
    traces = simulated()[0].astype(dtype)
    some = traces[:, :n].copy()
    alone, among = fit_calcium([some], RATE), fit_calcium([traces], RATE)
    assert_array_equal(some, traces[:, :n])
    for name in ("decay", "baseline", "noise", "threshold"):
        assert_allclose(getattr(alone, name), getattr(among, name)[:n], rtol=1e-6)
    assert_array_equal(alone.events[0], among.events[0][:, :n])


def test_a_constant_neuron_keeps_its_place() -> None:
    traces = simulated(1000)[0]
    for value in (0.0, 7.0):
        still = traces.copy()
        still[:, 1] = value
        found = fit_calcium([still], RATE)  # and warns of nothing
        assert found.events[0][:, 1].sum() == 0
        assert found.baseline[1] == value
        assert found.noise[1] == 0
        assert found.threshold[1] == np.inf
        assert np.isfinite(found.threshold[[0, 2, 3]]).all()
        assert_array_equal(found.decay[1], found.deconvolver.decay_[1])
        others = [0, 2, 3]
        without = fit_calcium([traces[:, others]], RATE)
        assert_allclose(found.decay[others], without.decay, rtol=1e-6)
        assert_array_equal(found.events[0][:, others], without.events[0])
        assert all(np.isfinite(part).all() for part in found[1:5])


# --- stretches --------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", [300, 64, 32, 16])
def test_stretches_are_read_apart_and_together(frames: int) -> None:
    traces = simulated(1600)[0]
    whole = fit_calcium([traces], RATE)
    stretches = [traces[first : first + frames] for first in range(0, 1600, frames)]
    found = fit_calcium(stretches, RATE)
    assert [part.shape for part in found.events] == [part.shape for part in stretches]
    # What a stretch starts with is no event, and not always told from a baseline.
    assert_allclose(found.decay, whole.decay, atol=0.03)
    assert_allclose(found.baseline, whole.baseline, atol=0.1)
    assert_allclose(found.noise, whole.noise, rtol=0.2)
    events = np.concatenate(found.events)
    more = np.count_nonzero(events, axis=0) / np.count_nonzero(whole.events[0], axis=0)
    assert ((more > 0.7) & (more < (2 if frames == 16 else 1.3))).all()
    assert all(part[0].sum() == 0 for part in found.events)


def test_windows_that_share_frames() -> None:
    # A neuron alone, in windows: the figures of its recording.
    traces = simulated(600, 1)[0]
    windows = np.lib.stride_tricks.sliding_window_view(traces[:, 0], 32)[::5, :, np.newaxis]
    found = fit_calcium(list(windows), RATE)
    assert_allclose(found.decay, 0.9, atol=0.03)
    assert_allclose(found.noise, 0.1, rtol=0.15)


@pytest.mark.parametrize("shape", [(16, 1), (17, 3), (64, 2)])
def test_little_noise_is_fitted_without_complaint(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    found = fit_calcium([noise], RATE)
    assert all(np.isfinite(part).all() for part in found[1:5])
    assert ((found.decay > 0) & (found.decay < 1)).all()
    assert (found.noise > 0).all()


def test_long_recordings_are_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    traces = simulated(6000)[0]
    stretches = [traces[:4000], traces[4000:4500], traces[4500:]]
    whole = fit_calcium(stretches, RATE)
    seen = []

    class Spy(calcium_fit._Search):
        def __init__(self, kept: list[np.ndarray], noise: np.ndarray) -> None:
            seen.extend(map(len, kept))
            super().__init__(kept, noise)

    monkeypatch.setattr(calcium_fit, "_Search", Spy)
    monkeypatch.setattr(calcium_fit, "_MAX_FRAMES", 1200)
    found = fit_calcium(stretches, RATE)
    assert seen == [873, 500]  # evenly spaced, and none shorter than 500
    assert [len(part) for part in found.events] == [4000, 500, 1500]
    assert_allclose(found.decay, whole.decay, atol=0.01)
    assert_allclose(found.baseline, whole.baseline, atol=0.02)
    assert_allclose(found.noise, whole.noise, rtol=0.03)


def test_thinning_keeps_the_middle() -> None:
    parts = [np.arange(n, dtype=np.float32)[:, np.newaxis] for n in (10_000, 20_000)]
    kept = calcium_fit._thinned(parts)
    assert sum(map(len, kept)) == pytest.approx(calcium_fit._MAX_FRAMES, abs=3)
    for part, some in zip(parts, kept, strict=True):
        assert_array_equal(np.diff(some[:, 0]), 1)  # uninterrupted
        assert some.mean() == pytest.approx(part.mean(), abs=1)


def test_thinning_keeps_windows_whole() -> None:
    parts = [np.full((64, 1), i, dtype=np.float32) for i in range(1000)]
    kept = calcium_fit._thinned(parts)
    assert {len(part) for part in kept} == {64}
    assert sum(map(len, kept)) == pytest.approx(calcium_fit._MAX_FRAMES, abs=64)
    at = np.array([part[0, 0] for part in kept])
    assert_array_equal(at[[0, -1]], [0, 999])
    assert np.ptp(np.diff(at)) <= 1  # evenly spaced


# --- lone events ------------------------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 60), st.floats(0.0, 0.5), st.integers(0, 1000))
def test_lone_events_are_those_without_neighbours(n_frames: int, rate: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    events = (rng.random((2, n_frames, 3)) < rate) * rng.uniform(0.5, 2.0, (2, n_frames, 3))
    expected = np.zeros(events.shape, dtype=bool)
    for m, t, n in np.argwhere(events > 0):
        near = events[m, max(t - 4, 0) : t + 5, n]
        expected[m, t, n] = 4 <= t < n_frames - 4 and np.count_nonzero(near) == 1
    assert_array_equal(lone_events(events), expected)
    assert_array_equal(lone_events(events[0]), expected[0])


def test_lone_events_need_an_axis_of_neurons() -> None:
    with pytest.raises(ValueError, match=r"events must be .*got shape \(20,\)"):
        lone_events(np.zeros(20))
