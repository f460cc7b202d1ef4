"""Spike factors against spikes with known factors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from calgan import spike_factors as module
from calgan.datasets import make_dichotomized_gaussian_process, make_process
from calgan.shrinkage import principal_factors
from calgan.spike_factors import (
    SpikeFactors,
    _log_covariance,
    _rates_of,
    _time_shares,
    fit_spike_factors,
    smooth_autocorrelation,
)

SCALES = (0.3, 3.0, 30.0)


def coloured(rng: np.random.Generator, n: int, tau: float, columns: int) -> np.ndarray:
    """Return smooth processes of variance 1."""
    decay = np.exp(-2 / tau)
    steps = rng.standard_normal((n + 500, columns))
    steps *= np.sqrt((1 - decay**2) ** 3 / (1 + decay**2))
    return lfilter([1], np.polymul([1, -decay], [1, -decay]), steps, axis=0)[500:]


@pytest.mark.parametrize("tau", [0.15, 1.5, 10.0, 100.0])
def test_autocorrelations_are_those_of_two_exponential_filters(tau: float) -> None:
    impulse = np.zeros(4000)
    impulse[0] = 1.0
    response = lfilter([1], [1, -np.exp(-2 / tau)], impulse)
    response = lfilter([1], [1, -np.exp(-2 / tau)], response)
    lags = np.array([0, 1, 2, 5, 20, 100])
    want = [response[lag:] @ response[: len(response) - lag] for lag in lags]
    got = smooth_autocorrelation(lags, tau)
    np.testing.assert_allclose(got, want / want[0], atol=1e-12)
    np.testing.assert_allclose(smooth_autocorrelation(-lags, [tau]), got)
    # The Matern process, where a frame is short.
    if tau >= 10:
        matern = (1 + 2 * lags / tau) * np.exp(-2 * lags / tau)
        np.testing.assert_allclose(got, matern, atol=0.01)


def planted(
    loadings: np.ndarray,
    tau: float,
    *,
    own: np.ndarray | float = 0.0,
    own_tau: float = 8.0,
    rate: float = 0.06,
    n: int = 8000,
    most: float = np.inf,
) -> tuple[np.ndarray, np.ndarray]:
    """Return traces and spikes (n, N) of log rates with one factor and changes of their own."""
    rng = np.random.default_rng(0)
    factor, private = coloured(rng, n, tau, 1), coloured(rng, n, own_tau, len(loadings))
    log_rates = factor * loadings + np.sqrt(own) * private - 0.5 * (loadings**2 + own)
    spikes = np.minimum(rng.poisson(rate * np.exp(log_rates)), most)
    calcium = lfilter([1], [1, -0.75], spikes, axis=0)
    return (calcium + 0.08 * rng.standard_normal(calcium.shape)).astype(np.float32), spikes


def shares(factors: SpikeFactors) -> np.ndarray:
    """Return what part of each factor's variance changes at each time scale, (K, S)."""
    power = np.square(factors.loadings).sum(axis=0)
    return power / power.sum(axis=1, keepdims=True)


def shared_variance(factors: SpikeFactors) -> np.ndarray:
    return np.square(factors.loadings).sum(axis=(1, 2))


def strongest(factors: SpikeFactors) -> tuple[np.ndarray, np.ndarray]:
    """Return loadings (N,) of the factor that explains most, and its shares (S,)."""
    by_factor = np.sqrt(np.square(factors.loadings).sum(axis=2))
    k = by_factor.sum(axis=0).argmax()
    signs = np.sign(factors.loadings[:, k, 0])
    return signs * by_factor[:, k], shares(factors)[k]


def all_finite(factors: SpikeFactors) -> bool:
    values = [
        value for name, value in vars(factors).items() if name not in ("calcium", "noise", "period")
    ]
    return all(
        np.isfinite(value).all() for value in (*values, *factors.calcium[1:5], *factors.noise)
    )


@pytest.fixture(scope="module")
def one_factor() -> tuple[np.ndarray, np.ndarray]:
    loadings = np.array([1.1, 0.9, 0.7, 0.5, 0.3, 0.0, -0.6, -0.9])
    return loadings, planted(loadings, 10.0)[0]


# --- what is shared ---------------------------------------------------------------------------


def test_a_planted_factor_is_found(one_factor: tuple[np.ndarray, np.ndarray]) -> None:
    loadings, traces = one_factor
    found, _ = strongest(fit_spike_factors([traces], 10.0, 2, SCALES))
    found *= np.sign(found @ loadings)
    assert np.corrcoef(found, loadings)[0, 1] > 0.95
    assert abs(found[5]) < 0.25
    np.testing.assert_allclose(found[:4], loadings[:4], atol=0.35)  # their size, too
    # Few coincidences to miss: that neurons exclude each other shows less.
    assert (found[-2:] < -0.15).all()


def test_loadings_of_known_processes() -> None:
    # Means: weak factors are taken for white ones, or not, by what is within the noise.
    others, found = ~np.eye(16, dtype=bool), []
    for seed in range(4):
        process = make_process(16, random_state=seed)
        recording, _ = process.sample_recording(1800.0, random_state=seed)
        factors = fit_spike_factors([recording.traces], 10.0, 4, (0.3, 1.5, 5.0, 17.0, 60.0))
        expected = (process.loadings @ process.loadings.T)[others]
        products = np.einsum("iks,jks->ij", factors.loadings, factors.loadings)[others]
        size = np.square(process.loadings).sum(axis=1)
        found.append(
            (
                np.corrcoef(products, expected)[0, 1],
                products @ expected / (expected @ expected),
                np.corrcoef(shared_variance(factors), size)[0, 1],
            )
        )
    alike, slope, alike_sizes = np.mean(found, axis=0)
    assert alike > 0.8
    assert slope == pytest.approx(1, abs=0.25)
    assert alike_sizes > 0.6


def relative_rates(loadings: np.ndarray, taus: list[float], n: int = 40_000) -> np.ndarray:
    """Events relative to their mean, with smooth log-Gaussian rates of known time constants."""
    rng = np.random.default_rng(0)
    log_rates = np.zeros((n, len(loadings)))
    for of_factor, tau in zip(loadings.T, taus, strict=True):
        decay = np.exp(-2 / tau)
        white = rng.standard_normal(n + 500)
        x = lfilter([1.0], [1.0, -2 * decay, decay**2], white)[500:]
        log_rates += np.outer(x / x.std(), of_factor)
    rates = 0.1 * np.exp(log_rates - 0.5 * np.square(loadings).sum(axis=1))
    events = rng.poisson(rates)
    return events / events.mean(axis=0) - 1


def shares_of(loadings: np.ndarray, axes: np.ndarray, n: int) -> np.ndarray:
    """Time shares (2, 4) of factors of 32 and 2 frames, of 1 in total."""
    relative = relative_rates(loadings, [32.0, 2.0], n)
    scales, rhythm = np.array([0.15, 2.0, 8.0, 32.0]), np.zeros((len(axes), 2))
    shares = _time_shares([relative], axes, scales, np.inf, rhythm)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def test_factors_have_time_scales_of_their_own_where_these_are_seen() -> None:
    loadings = np.full((20, 2), 0.6)
    loadings[1::2, 1] *= -1
    found = shares_of(loadings, loadings, 40_000)
    assert found[0, 3] > 0.6
    assert found[1, 1] > 0.6


def test_weak_factors_take_the_time_scales_of_strong_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    loadings = np.full((20, 2), 0.6)
    loadings[:, 1] = 0.25 * (-1.0) ** np.arange(20)

    def apart() -> float:
        found = [shares_of(loadings, loadings, n) for n in range(3000, 6000, 300)]
        return float(np.mean([np.abs(weak - strong).sum() for strong, weak in found]))

    pulled = apart()
    monkeypatch.setattr(module, "_PULL", 0.0)
    assert pulled < 0.92 * apart()


def test_jitters_that_fit_as_well_have_the_same_say(monkeypatch: pytest.MonkeyPatch) -> None:
    loadings = np.full((20, 2), 0.6)
    loadings[1::2, 1] *= -1
    jitters, each = (0.1, 0.1 + 1e-9, 0.3), []
    for chosen in (*((jitter,) for jitter in jitters), jitters):
        monkeypatch.setattr(module, "_JITTERS", chosen)
        each.append(shares_of(loadings, loadings, 20_000))
    # Between the two ends, and no choice of one of them.
    low, high = np.minimum(each[0], each[2]), np.maximum(each[0], each[2])
    assert ((each[3] > low - 1e-6) & (each[3] < high + 1e-6)).all()


def test_time_scales_rates_and_amplitudes_of_a_known_process() -> None:
    process = make_process(16, random_state=0)
    recording, spikes = process.sample_recording(1800.0, random_state=0)
    factors = fit_spike_factors([recording.traces], 10.0, 4, (0.3, 1.5, 5.0, 17.0, 60.0))
    # Drives of 58 frames, and the nearest time scale is of 60.
    assert shares(factors)[-1].argmax() == 4
    # Spikes that coincide in a frame are counted.
    assert np.abs(np.log(factors.rates / spikes.mean(axis=0))).mean() < 0.15
    assert np.corrcoef(np.log(factors.rates), np.log(process.rates))[0, 1] > 0.95
    assert np.abs(np.log(factors.amplitudes / process.amplitudes)).mean() < 0.12
    assert factors.period == np.inf


@pytest.mark.parametrize(("tau", "scale", "pieces"), [(3.0, 1, 60), (30.0, 2, 60), (30.0, 2, 1)])
def test_slow_factors_are_told_from_fast_ones(tau: float, scale: int, pieces: int) -> None:
    traces = planted(np.full(8, 1.0), tau, n=9000)[0]
    factors = fit_spike_factors(np.split(traces, pieces), 10.0, 1, SCALES)
    found, by_scale = strongest(factors)
    assert by_scale.argmax() == scale
    assert by_scale[scale] > 0.45
    # Not only in the mean of a bin, in which fast factors vary less.
    np.testing.assert_allclose(np.square(found).mean(), 1.0, rtol=0.4)


def test_every_stretch_counts() -> None:
    # The first stretch is the longest, and silent: it says nothing about time.
    traces = planted(np.full(8, 1.0), 30.0)[0]
    quiet = 0.08 * np.random.default_rng(1).standard_normal((600, 8)).astype(np.float32)
    stretches = [quiet, *np.split(traces, 20)]
    _, by_scale = strongest(fit_spike_factors(stretches, 10.0, 1, SCALES))
    assert by_scale.argmax() == 2


def test_independent_neurons_share_little() -> None:
    traces = planted(np.zeros(8), 10.0, n=16_000)[0]
    factors = fit_spike_factors([traces], 10.0, 2, SCALES)
    assert shared_variance(factors).mean() < 0.25
    assert factors.own_variance.max() < 0.1


@pytest.mark.parametrize("n_neurons", [1, 2, 5])
def test_no_more_is_shared_than_log_rates_vary(n_neurons: int) -> None:
    # All neurons are one, and there are more factors than neurons.
    trace = planted(np.full(1, 1.0), 10.0, n=2000)[0]
    factors = fit_spike_factors([np.repeat(trace, n_neurons, axis=1)], 10.0, 7, SCALES)
    assert factors.loadings.shape == (n_neurons, 7, 3)
    assert all_finite(factors)
    shared = shared_variance(factors)
    np.testing.assert_allclose(shared, shared[0], rtol=1e-6)
    assert (shared[0] > 0.5) == (n_neurons > 1)  # one neuron shares nothing
    assert shared[0] < 8.0


# --- what is their own ------------------------------------------------------------------------


def test_changes_of_its_own_are_found_where_they_are() -> None:
    own = np.array([1.2] * 5 + [0.0] * 3)
    factors = fit_spike_factors([planted(np.zeros(8), 10.0, own=own, rate=0.1)[0]], 10.0, 2, SCALES)
    # Half of each is that of the median neuron.
    assert (factors.own_variance[:5] > 0.6).all()
    assert (factors.own_variance[:5] < 1.5).all()
    assert factors.own_variance[5:].max() < 0.65
    assert factors.own_variance[5:].max() < factors.own_variance[:5].min()
    assert 4 < factors.own_time < 16
    few = np.array([1.2] + [0.0] * 7)
    alone = fit_spike_factors([planted(np.zeros(8), 10.0, own=few, rate=0.1)[0]], 10.0, 2, SCALES)
    assert alone.own_variance[0] > 0.3
    assert alone.own_variance[1:].max() < 0.1


def test_what_is_shared_is_not_its_own() -> None:
    factors = fit_spike_factors([planted(np.full(8, 1.0), 10.0)[0]], 10.0, 1, SCALES)
    assert shared_variance(factors).mean() > 0.6
    assert factors.own_variance.mean() < 0.2


def test_the_time_constant_of_its_own_changes() -> None:
    found = [
        fit_spike_factors(
            [planted(np.zeros(6), 10.0, own=1.2, own_tau=tau, rate=0.15, n=12_000)[0]],
            10.0,
            1,
            SCALES,
        ).own_time
        for tau in (4.0, 12.0)
    ]
    assert 3 < found[0] < 6 < 9 < found[1] < 18


# --- rhythms ----------------------------------------------------------------------------------


@pytest.mark.parametrize("period", [12.0, 25.0])
def test_a_shared_rhythm_is_found(period: float) -> None:
    rng = np.random.default_rng(0)
    a, b = coloured(rng, 8000, 200.0, 2).T
    phase = 2 * np.pi * np.arange(8000) / period
    both = np.stack([a * np.cos(phase) + b * np.sin(phase), b * np.cos(phase) - a * np.sin(phase)])
    loadings = 0.7 * np.array([[1, 0]] * 4 + [[0, 1]] * 2 + [[-1, 0]] + [[0, 0]])
    spikes = rng.poisson(0.08 * np.exp((loadings @ both).T - 0.25))
    calcium = lfilter([1], [1, -0.75], spikes, axis=0)
    traces = (calcium + 0.08 * rng.standard_normal(calcium.shape)).astype(np.float32)
    factors = fit_spike_factors([traces], 10.0, 2, (*SCALES, 100.0))
    assert factors.period == pytest.approx(period, rel=0.04)
    # Which phase is the first means nothing: products count. Signs of quarters do.
    found = factors.rhythm
    np.testing.assert_allclose(found @ found.T, loadings @ loadings.T, atol=0.25)
    turned = np.array([[0.0, 1.0], [-1.0, 0.0]])
    np.testing.assert_allclose(found @ turned @ found.T, loadings @ turned @ loadings.T, atol=0.25)


def test_what_the_rhythm_explains_is_at_no_time_scale() -> None:
    # Rates of one slow factor and of a rhythm in the same pattern: apart, their time scale is
    # that of the factor.
    rng = np.random.default_rng(0)
    n, period = 20_000, 8.0
    factor = coloured(rng, n, 30.0, 1)
    a, b = coloured(rng, n, 400.0, 2).T
    phase = 2 * np.pi * np.arange(n) / period
    both = np.stack([a * np.cos(phase) + b * np.sin(phase), b * np.cos(phase) - a * np.sin(phase)])
    loadings, rhythm = np.full((8, 1), 0.3), np.tile([0.3, 0.0], (8, 1))
    private = 0.2 * rng.standard_normal((n, 8))
    relative = factor @ loadings.T + both.T @ rhythm.T + private
    scales = np.array(SCALES)
    none = np.zeros((8, 2))
    alone = _time_shares([factor @ loadings.T + private], loadings, scales, np.inf, none)
    apart = _time_shares([relative], loadings, scales, period, rhythm)
    mixed = _time_shares([relative], loadings, scales, np.inf, none)
    np.testing.assert_allclose(apart, alone, atol=0.15)
    assert np.abs(mixed - alone).max() > 0.3
    assert apart[0].argmax() == 2


def test_without_a_rhythm_there_is_none(one_factor: tuple[np.ndarray, np.ndarray]) -> None:
    factors = fit_spike_factors([one_factor[1]], 10.0, 2, (*SCALES, 100.0))
    assert factors.period == np.inf
    assert (factors.rhythm == 0).all()


# --- amplitudes and rates ---------------------------------------------------------------------


def test_rates_and_amplitudes_are_those_of_the_spikes() -> None:
    traces, spikes = planted(np.zeros(4), 10.0)
    scale, offset = np.float32([1, 1, 30, 1e-3]), np.float32([0, -4, 9, 1e-2])
    factors = fit_spike_factors([scale * traces + offset], 10.0, 1, SCALES)
    np.testing.assert_allclose(factors.rates, spikes.mean(axis=0), rtol=0.15)
    np.testing.assert_allclose(factors.amplitudes, scale, rtol=0.1)
    np.testing.assert_allclose(factors.calcium.decay, 0.75, atol=0.02)
    assert (factors.spread < 0.1).all()


def test_spread_is_that_of_the_amplitudes_without_the_noise() -> None:
    rng = np.random.default_rng(0)
    fired = rng.random((12_000, 4)) < 0.03
    spread = np.array([0.0, 0.1, 0.25, 0.5])
    amplitudes = np.exp(spread * rng.standard_normal(fired.shape) - spread**2 / 2)
    calcium = lfilter([1], [1, -0.75], fired * amplitudes, axis=0)
    traces = (calcium + 0.15 * rng.standard_normal(calcium.shape)).astype(np.float32)
    found = fit_spike_factors([traces], 10.0, 1, SCALES).spread
    assert (np.diff(found[1:]) > 0).all()
    np.testing.assert_allclose(found, spread, atol=0.15)
    assert found[0] < 0.06  # of which the noise would be 0.1


def test_growth_of_poisson_counts_and_of_binary_spikes() -> None:
    # The same log rates, and frames with several spikes, that are taken for one or not.
    poisson, binary = (
        fit_spike_factors(
            [planted(np.zeros(6), 10.0, own=1.0, rate=0.15, most=most)[0]], 10.0, 2, SCALES
        )
        for most in (np.inf, 1.0)
    )
    assert poisson.growth.mean() > 0.6
    assert binary.growth.mean() < poisson.growth.mean() - 0.15
    assert (binary.growth < poisson.growth).all()
    process = make_dichotomized_gaussian_process(12, noise=0.1, random_state=0)
    recording, _ = process.sample_recording(300.0, random_state=0)
    assert np.median(fit_spike_factors([recording.traces], 24.0, 4, SCALES).growth) < 0.6


def test_amplitudes_and_rates_make_up_the_mean() -> None:
    traces, spikes = planted(np.full(6, 0.8), 10.0, own=0.6, rate=0.15)
    factors = fit_spike_factors([traces], 10.0, 2, SCALES)
    # Amplitudes are 1: those of lone spikes, not those of the events that several make.
    np.testing.assert_allclose(factors.amplitudes, 1.0, rtol=0.15)
    events = np.mean(factors.calcium.events[0], axis=0)
    np.testing.assert_allclose(events, spikes.mean(axis=0), rtol=0.1)
    np.testing.assert_allclose(factors.rates, spikes.mean(axis=0), rtol=0.3)


@pytest.mark.parametrize("variance", [0.0, 0.5, 3.0])
def test_rates_give_the_probability_of_a_frame_with_spikes(variance: float) -> None:
    rate = np.array([0.002, 0.02, 0.1, 0.5, 1.5])
    rng = np.random.default_rng(0)
    relative = np.exp(np.sqrt(variance) * rng.standard_normal(400_000) - variance / 2)
    probability = np.array([-np.expm1(-r * relative).mean() for r in rate])
    found = _rates_of(probability, np.full(5, variance))
    np.testing.assert_allclose(found, rate, rtol=0.03)


# --- laws and odd data ------------------------------------------------------------------------


def test_units_do_not_matter(one_factor: tuple[np.ndarray, np.ndarray]) -> None:
    traces = one_factor[1]
    plain, other = (
        fit_spike_factors([part], 10.0, 2, SCALES) for part in (traces, 1000 * traces + 500)
    )
    np.testing.assert_allclose(other.loadings, plain.loadings, atol=0.03)
    np.testing.assert_allclose(other.amplitudes, 1000 * plain.amplitudes, rtol=0.02)
    np.testing.assert_allclose(other.rates, plain.rates, rtol=0.02)
    for name in ("growth", "spread", "own_variance"):
        np.testing.assert_allclose(getattr(other, name), getattr(plain, name), atol=0.05)


@pytest.mark.parametrize("value", [0.0, 2.5])
def test_a_constant_neuron_has_a_rate_and_no_amplitude(
    value: float, one_factor: tuple[np.ndarray, np.ndarray]
) -> None:
    traces = one_factor[1].copy()
    traces[:, 3] = value
    factors = fit_spike_factors([traces], 10.0, 2, SCALES)  # and warns of nothing
    assert factors.amplitudes[3] == 0
    assert 0 < factors.rates[3] < 1e-3
    assert all_finite(factors)
    assert (factors.rates > 0).all()


def test_a_silent_neuron_is_as_large_as_its_noise(
    one_factor: tuple[np.ndarray, np.ndarray],
) -> None:
    traces = one_factor[1][:4000].copy()
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 4000)
    traces[:, 3] = noise
    factors = fit_spike_factors([traces], 10.0, 2, SCALES)
    assert all_finite(factors)
    assert factors.rates[3] < 0.3 * np.median(factors.rates)
    assert 0 < factors.amplitudes[3] < 0.3
    assert shared_variance(factors)[3] < 0.2


@pytest.mark.parametrize("n_neurons", [1, 2])
@pytest.mark.parametrize("frames", [5, 8, 9, 17, 40])
def test_a_few_short_stretches_will_do(frames: int, n_neurons: int) -> None:
    # Shorter than a bin, than all of the lags, than two bins.
    shape = (9, frames, n_neurons)
    noise = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    factors = fit_spike_factors(noise, 10.0, 2, SCALES)
    assert factors.loadings.shape == (n_neurons, 2, 3)
    assert all_finite(factors)
    assert (factors.rates > 0).all()
    assert (factors.amplitudes > 0).all()


def test_nothing_but_constants() -> None:
    factors = fit_spike_factors([np.full((500, 2), 3.0, dtype=np.float32)], 10.0, 2, SCALES)
    assert all_finite(factors)
    assert (factors.amplitudes == 0).all()
    assert shared_variance(factors).max() < 1e-6
    assert factors.period == np.inf


def test_probabilities_are_those_of_frames_with_events() -> None:
    traces, spikes = planted(np.zeros(4), 10.0, own=0.8, rate=0.1)
    factors = fit_spike_factors([traces], 10.0, 1, SCALES)
    np.testing.assert_allclose(factors.probabilities, (spikes > 0).mean(axis=0), rtol=0.15)
    assert (factors.probabilities < factors.rates).all()


# --- factors of few bins ----------------------------------------------------------------------


def off_diagonal(matrix: np.ndarray) -> np.ndarray:
    return matrix[~np.eye(len(matrix), dtype=bool)]


@pytest.mark.parametrize("k", [1, 3])
def test_factors_of_a_matrix_that_has_some_are_these(k: int) -> None:
    loadings = np.random.default_rng(0).uniform(-0.5, 0.5, (30, k))
    correlation = loadings @ loadings.T
    np.fill_diagonal(correlation, 1.0)
    found = principal_factors(correlation, k)
    assert found.shape == (30, k)
    np.testing.assert_allclose(off_diagonal(found @ found.T), off_diagonal(correlation), atol=1e-3)


def test_neurons_that_share_nothing_are_given_hardly_any_factors() -> None:
    counts = [np.random.default_rng(seed).poisson(0.05, (2400, 40)) for seed in range(5)]
    found = [_log_covariance([each / each.mean(axis=0) - 1.0], 8) for each in counts]
    # Of 300 bins with 0.4 spikes: what pairs seem to have by chance.
    chance = 1 / (0.4 * np.sqrt(300))
    size = np.sqrt(np.mean([np.square(off_diagonal(each)) for each in found]))
    assert size < 0.2 * chance


def test_assemblies_of_a_few_minutes_are_told_from_chance() -> None:
    process = make_process(60, frame_rate=10.0, random_state=0)
    recording = process.sample_recording(600.0, random_state=1)[0]
    factors = fit_spike_factors([np.asarray(recording.traces)], 10.0, 8, SCALES)
    loadings = factors.loadings.reshape(60, -1)
    found, truth = loadings @ loadings.T, process.loadings @ process.loadings.T
    related = off_diagonal(truth) > 0
    assert np.corrcoef(off_diagonal(found), off_diagonal(truth))[0, 1] > 0.8
    unrelated = np.sqrt(np.mean(np.square(off_diagonal(found)[~related])))
    assert unrelated < 0.25 * off_diagonal(found)[related].mean()
