"""Sums over windows against independent definitions."""

from __future__ import annotations

import numpy as np
import pytest
from evaluation_cases import (
    RATE,
    WIDTH,
)

from calgan import metrics
from calgan.datasets import make_process
from calgan.evaluation import _measures as measures_module
from calgan.evaluation._bootstrap import (
    draw_values,
    replicate_values,
    sum_by_block,
)
from calgan.evaluation._draws import (
    draw_from_recording,
    draw_from_samples,
    read_source,
)
from calgan.evaluation._measures import Context


@pytest.fixture(scope="module")
def pair():
    """Real and synthetic windows with spikes, and sums of each by the code under test."""
    process = make_process(n_neurons=5, frame_rate=RATE, random_state=4)
    recording, _ = process.sample_recording(100.0, random_state=5)
    synthetic, _ = process.sample_windows(60, WIDTH, random_state=6)
    rng = np.random.default_rng(0)
    source = read_source(recording, WIDTH, name="real")
    rows = {}

    def infer(windows):  # the spikes need only be some function of each window
        return windows > np.median(windows, axis=1, keepdims=True) + 0.3

    real = draw_from_recording(source, ("real",), 60, 2, rng).with_spikes(infer)
    other = draw_from_samples(synthetic, 50, 2, rng).with_spikes(infer)
    arrays = {}
    for name, bank in (("real", real), ("synthetic", other)):
        index = bank.lists[name]
        arrays[name] = [(bank.traces(i), bank.spikes(i)) for i in index]
        rows[name] = bank
    return rows, arrays


def compute(pair, kind):
    banks, arrays = pair
    context = Context(*arrays["real"][0], RATE, 60)
    measure = kind(context)
    real = sum_by_block(banks["real"], [measure], {"real": True})["real"][0]
    other = sum_by_block(banks["synthetic"], [measure], {"synthetic": True})["synthetic"][0]
    assert np.all(real.n.sum(axis=1) == 60)
    assert np.all(other.n.sum(axis=1) == 50)
    return context, measure, draw_values(measure, real, other), (real, other)


def dimensions(windows, scale_from):
    return metrics.participation_ratio(windows / scale_from.std(axis=(0, 1), dtype=float))


ORACLES = {
    "FiringRates": lambda r, s, e: [
        metrics.firing_rate_kl(r[1], s[1], RATE, edges_from=e[1]),
    ],
    "SpikeCorrelations": lambda r, s, e: [
        metrics.correlation_kl(r[1], s[1], RATE, edges_from=e[1])
    ],
    "VanRossum": lambda r, s, e: [metrics.van_rossum_kl(r[1], s[1], RATE, edges_from=e[1])],
    "PopulationCounts": lambda r, s, e: [metrics.population_count_kl(r[1], s[1], edges_from=e[1])],
    "CorrelationMatrix": lambda r, s, e: [
        *metrics.correlation_matrix_agreement(r[0], s[0]),
        10 * abs(np.log10(np.divide(*(dimensions(x[0], e[0]) for x in (s, r))))),
    ],
    "LogSpectrum": lambda r, s, e: [metrics.log_spectrum_error(r[0], s[0])],
    "MeanRates": lambda r, s, e: [
        np.sqrt(np.mean((r[1].mean(axis=(0, 1)) - s[1].mean(axis=(0, 1))) ** 2)) * RATE
    ],
    "SpikeCorrelationMatrix": lambda r, s, e: [
        metrics.correlation_matrix_agreement(
            *(x[1].reshape(len(x[1]), WIDTH // 5, 5, 5).sum(axis=2) for x in (r, s))
        ).r
    ],
    "WindowVariability": lambda r, s, e: [
        np.sqrt(
            np.mean(
                (20 * np.log10(s[0].mean(axis=1).std(axis=0) / r[0].mean(axis=1).std(axis=0))) ** 2
            )
        )
    ],
}


@pytest.mark.parametrize("name", ORACLES)
def test_sums_give_what_the_metrics_give(pair, name):
    _, _, values, _ = compute(pair, getattr(measures_module, name))
    _, arrays = pair
    for draw in range(2):
        expected = ORACLES[name](arrays["real"][draw], arrays["synthetic"][draw], arrays["real"][0])
        np.testing.assert_allclose(values[:, draw], expected, rtol=1e-4)


def test_lagged_correlations_and_autocorrelation(pair):
    _, measure, values, _ = compute(pair, measures_module.LaggedCorrelations)
    assert measure.lag == 10
    (real, _), (other, _) = (pair[1][name][0] for name in ("real", "synthetic"))
    gap = metrics.lagged_correlation_matrix(real, 10) - metrics.lagged_correlation_matrix(other, 10)
    gap = gap[~np.eye(5, dtype=bool)]
    assert values[0, 0] == pytest.approx(np.sqrt(np.mean(gap**2)), rel=1e-4)

    _, measure, values, _ = compute(pair, measures_module.Autocorrelation)
    assert measure.lags[-1] == 20
    gap = metrics.autocorrelation(real, 20) - metrics.autocorrelation(other, 20)
    gap = gap[:, measure.lags[1:]]
    assert values[0, 0] == pytest.approx(np.sqrt(np.mean(gap**2)), rel=1e-4)


@pytest.mark.parametrize(("shift", "rel"), [(0.0, 0.03), (0.5, 0.03), (30.0, 0.4)])
def test_grid_wasserstein_is_the_exact_one(pair, shift, rel):
    # Far outside the real range the grid is coarse: there the size of the distance is enough.
    _, arrays = pair
    real, spikes = arrays["real"][0]
    other = (arrays["synthetic"][0][0] + shift).astype(np.float32)
    for kind, oracle in (
        (measures_module.Marginals, metrics.wasserstein_marginals),
        (measures_module.Increments, metrics.wasserstein_increments),
    ):
        measure = kind(Context(real, spikes, RATE, 60))
        sums = [measure.features(x, spikes).sum(axis=0) for x in (real, other)]
        (value,) = measure.compare(np.array(60), sums[0], np.array(50), sums[1])
        assert float(value) == pytest.approx(oracle(real, other).mean(), rel=rel, abs=5e-3)


def test_equal_windows_are_at_distance_zero(pair):
    context = Context(*pair[1]["real"][0], RATE, 60)
    for kind in (*measures_module.PUBLISHED, *measures_module.POPULATION, *measures_module.TRACE):
        measure = kind(context)
        sums = measure.features(context.traces, context.spikes).astype(float).sum(axis=0)
        n = np.array(len(context.traces))
        for info, value in zip(measure.infos, measure.compare(n, sums, n, sums), strict=True):
            best = 1.0 if info.better == "higher" else 0.0
            assert float(value) == pytest.approx(best, abs=1e-6), info.name


def test_unweighted_replicates_are_the_estimate(pair):
    for kind in (measures_module.CorrelationMatrix, measures_module.VanRossum):
        _, measure, values, (real, other) = compute(pair, kind)
        ones = [np.ones((4, sums.n.shape[1])) for sums in (real, other)]
        replicates = replicate_values(measure, real, other, *ones)
        np.testing.assert_allclose(replicates, values[:, [0, 1, 0, 1]])
