"""Sums over windows against independent definitions."""

from __future__ import annotations

import numpy as np
import pytest
from evaluation_cases import (
    RATE,
    WINDOW,
)
from scipy import stats

from calgan import metrics
from calgan.data.random_windows import (
    draw_from_recording,
    draw_from_samples,
    read_source,
)
from calgan.datasets import make_process
from calgan.evaluation import statistics
from calgan.evaluation._threads import Threads
from calgan.evaluation.statistics import Context
from calgan.evaluation.statistics.bootstrap import draw_values, replicate_values, sum_by_block
from calgan.evaluation.statistics.definition import Sums
from calgan.evaluation.statistics.events import event_times
from calgan.metrics.divergence import bins_for, histogram_edges
from calgan.metrics.events import event_frames, isolated_events, median_amplitudes, spike_times
from calgan.metrics.population import population_count_edges


@pytest.fixture(scope="module")
def pair():
    """Real and synthetic windows with spikes, and sums of each by the code under test."""
    process = make_process(n_neurons=5, frame_rate=RATE, random_state=4)
    recording, _ = process.sample_recording(100.0, random_state=5)
    synthetic, _ = process.sample_windows(60, WINDOW, random_state=6)
    rng = np.random.default_rng(0)
    source = read_source(recording, WINDOW, name="real")
    rows = {}

    def infer(windows):  # the spikes need only be some function of each window
        return windows > np.median(windows, axis=1, keepdims=True) + 0.3

    real = draw_from_recording(source, {"real": 2}, 60, rng).with_spikes(infer)
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
    sums = sum_by_block(banks, [measure], context, Threads(1, 0))
    real, other = (sums[name][0] for name in ("real", "synthetic"))
    assert np.all(real.n.sum(axis=1) == 60)
    assert np.all(other.n.sum(axis=1) == 50)
    return context, measure, draw_values(measure, real, other), (real, other)


def dimensions(windows, scale_from):
    return metrics.participation_ratio(windows / scale_from.std(axis=(0, 1), dtype=float))


def events(traces, spikes):
    return isolated_events(traces, spike_times(spikes), *event_frames(RATE, before=0.5, after=1.0))


def distance(a, b):
    return stats.wasserstein_distance(a, b) if len(a) and len(b) else np.nan


def event_distances(real, other):
    """Wasserstein distances of amplitudes, in medians of the neuron's real ones, and of times."""
    real, other = events(*real), events(*other)
    medians = median_amplitudes(real, 5)
    relative = [x.amplitude / medians[x.neuron] for x in (real, other)]
    return [
        distance(*(x[np.isfinite(x)] for x in relative)),
        distance(real.rise_frames / RATE, other.rise_frames / RATE),
        distance(real.decay_frames / RATE, other.decay_frames / RATE),
    ]


def interval_distances(real, other):
    """Wasserstein distance of each neuron's intervals."""
    sides = (metrics.inter_spike_intervals(x, RATE, per_neuron=True) for x in (real, other))
    return np.array([distance(a, b) for a, b in zip(*sides, strict=True)])


def on_edges_of(statistic, real, other, edges_from, max_bins=30):
    edges = histogram_edges(statistic(edges_from), max_bins=max_bins)
    return metrics.smoothed_kl(statistic(real), statistic(other), edges=edges)


def rates_kl(real, other, edges_from):
    values = [
        on_edges_of(
            lambda x, i=i: metrics.firing_rate(x, RATE)[:, i],
            real,
            other,
            edges_from,
            max_bins=bins_for(len(real)),
        )
        for i in range(real.shape[2])
        if real[:, :, i].any() or other[:, :, i].any()
    ]
    return np.mean(values)


def counts_kl(real, other, edges_from):
    edges = population_count_edges(metrics.population_count(edges_from))
    return metrics.smoothed_kl(*(metrics.population_count(x) for x in (real, other)), edges=edges)


def binned_correlation(spikes):
    return metrics.pairwise_correlation(spikes, bin_frames=metrics.bin_frames_for(RATE))


def van_rossum(spikes):
    return metrics.van_rossum_distance(spikes, RATE)


ORACLES = {
    "FiringRates": lambda r, s, e: [rates_kl(r[1], s[1], e[1])],
    "SpikeCorrelations": lambda r, s, e: [on_edges_of(binned_correlation, r[1], s[1], e[1])],
    "VanRossum": lambda r, s, e: [on_edges_of(van_rossum, r[1], s[1], e[1])],
    "PopulationCounts": lambda r, s, e: [counts_kl(r[1], s[1], e[1])],
    "CorrelationMatrix": lambda r, s, e: [
        *metrics.correlation_matrix_agreement(r[0], s[0]),
        10 * abs(np.log10(np.divide(*(dimensions(x[0], e[0]) for x in (s, r))))),
    ],
    "LogSpectrum": lambda r, s, e: [metrics.log_spectrum_error(r[0], s[0])],
    "MeanRates": lambda r, s, e: [
        np.sqrt(np.mean((r[1].mean(axis=(0, 1)) - s[1].mean(axis=(0, 1))) ** 2)) * RATE
    ],
    "SpikeCorrelationMatrix": lambda r, s, e: [
        *metrics.correlation_matrix_agreement(
            *(x[1].reshape(len(x[1]), WINDOW // 5, 5, 5).sum(axis=2) for x in (r, s))
        )
    ],
    "EventShapes": lambda r, s, e: event_distances(r, s),
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
    _, _, values, _ = compute(pair, getattr(statistics, name))
    _, arrays = pair
    for draw in range(2):
        expected = ORACLES[name](arrays["real"][draw], arrays["synthetic"][draw], arrays["real"][0])
        # Distances of distributions are taken on a grid, the medians they are scaled by from `e`.
        rtol = 0.15 if name == "EventShapes" and draw == 0 else 1e-4
        if name != "EventShapes" or draw == 0:
            np.testing.assert_allclose(values[:, draw], expected, rtol=rtol)


def test_intervals_are_compared_exactly_where_every_frame_is_an_edge(pair):
    _, measure, values, _ = compute(pair, statistics.InterSpikeIntervals)
    assert measure.edges[0] == 1
    assert measure.edges[-1] == WINDOW - 1
    (_, real), (_, other) = (pair[1][name][0] for name in ("real", "synthetic"))
    expected = interval_distances(real, other)
    counts = [len(each) for each in metrics.inter_spike_intervals(real, RATE, per_neuron=True)]
    expected = expected[np.array(counts) > 0]
    assert np.isfinite(expected).all()
    fine = np.all(np.diff(measure.edges) == 1)
    assert values[0, 0] == pytest.approx(expected.mean(), rel=1e-9 if fine else 0.02)


def test_coarse_intervals_are_compared_closely():
    rng = np.random.default_rng(0)
    real, other = (rng.random((40, 600, 3)) < rate for rate in (0.02, 0.03))
    traces = np.zeros(real.shape, dtype=np.float32)
    context = Context(traces, real, RATE, 40)
    measure = statistics.InterSpikeIntervals(context)
    assert np.diff(measure.edges).max() > 10
    sums = [measure.sums(context.read(traces, x)) for x in (real, other)]
    value, *_ = measure.compare(*(Sums(np.array(40), each) for each in sums))
    expected = interval_distances(real, other).mean()
    assert float(value) == pytest.approx(expected, rel=0.02)


def test_neurons_that_never_fire_twice_do_not_look_good():
    spikes = np.zeros((20, 60, 2))
    spikes[:, ::10, 0] = 1  # the second neuron has no real interval: it is left out
    traces = np.zeros(spikes.shape, dtype=np.float32)
    context = Context(traces, spikes, RATE, 20)
    measure = statistics.InterSpikeIntervals(context)
    real, silent = (
        Sums(np.array(20), measure.sums(context.read(traces, x))) for x in (spikes, 0 * spikes)
    )
    value, mean, deviation = measure.compare(real, silent)
    assert float(value) == pytest.approx((60 - 10) / RATE)  # as intervals of a whole window
    assert float(mean) == pytest.approx((60 - 10) / RATE)
    assert float(deviation) == 0  # all of one length on either side
    assert np.isnan(measure.compare(silent, real)).all()


def test_events_of_a_silent_side_are_undefined(pair):
    traces, spikes = pair[1]["real"][0]
    context = Context(traces, spikes, RATE, 60)
    measure = statistics.EventShapes(context)
    real, silent = (
        Sums(np.array(60), measure.sums(context.read(traces, x))) for x in (spikes, 0 * spikes)
    )
    assert np.isnan(measure.compare(real, silent)).all()
    assert np.isnan(measure.compare(silent, real)).all()
    without = statistics.EventShapes(Context(traces, 0 * spikes, RATE, 60))
    assert without.sums(context.read(traces, spikes)).sum() == 0


@pytest.mark.parametrize(
    ("window", "rate", "expected"), [(40, 10.0, True), (12, 30.0, False), (64, 2.16, True)]
)
def test_short_windows_have_no_events(window, rate, expected):
    context = Context(*np.zeros((2, 1, window, 1)), rate, 1)
    assert statistics.EventShapes.exists(context) == expected
    _, lead, rise, tail = event_times(window, rate)
    assert lead / rate <= 1.0 + 1 / rate
    assert tail / rate <= 2.0 + 1 / rate
    assert (lead + rise + tail < window) == expected


def test_lagged_correlations_and_autocorrelation(pair):
    _, measure, values, _ = compute(pair, statistics.LaggedCorrelations)
    assert measure.lag == 10
    (real, _), (other, _) = (pair[1][name][0] for name in ("real", "synthetic"))
    gap = metrics.lagged_correlation_matrix(real, 10) - metrics.lagged_correlation_matrix(other, 10)
    gap = gap[~np.eye(5, dtype=bool)]
    assert values[0, 0] == pytest.approx(np.sqrt(np.mean(gap**2)), rel=1e-4)

    _, measure, values, _ = compute(pair, statistics.Autocorrelation)
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
        (statistics.Marginals, metrics.wasserstein_marginals),
        (statistics.Increments, metrics.wasserstein_increments),
    ):
        context = Context(real, spikes, RATE, 60)
        measure = kind(context)
        sums = [measure.sums(context.read(x, spikes)) for x in (real, other)]
        (value,) = measure.compare(Sums(np.array(60), sums[0]), Sums(np.array(50), sums[1]))
        assert float(value) == pytest.approx(oracle(real, other).mean(), rel=rel, abs=5e-3)


def test_equal_windows_are_at_distance_zero(pair):
    context = Context(*pair[1]["real"][0], RATE, 60)
    for kind in (*statistics.PUBLISHED, *statistics.OTHERS):
        measure = kind(context)
        sums = measure.sums(context.windows)
        n = np.array(len(context.windows.traces))
        for info, value in zip(
            measure.infos, measure.compare(Sums(n, sums), Sums(n, sums)), strict=True
        ):
            best = 1.0 if info.better == "higher" else 0.0
            assert float(value) == pytest.approx(best, abs=1e-6), info.name


def test_unweighted_replicates_are_the_estimate(pair):
    for kind in (statistics.CorrelationMatrix, statistics.VanRossum):
        _, measure, values, (real, other) = compute(pair, kind)
        ones = [np.ones((4, sums.n.shape[1])) for sums in (real, other)]
        replicates = replicate_values(measure, real, other, *ones)
        np.testing.assert_allclose(replicates, values[:, [0, 1, 0, 1]])
