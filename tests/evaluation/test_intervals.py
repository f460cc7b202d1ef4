"""The bootstrap over blocks."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from calgan.evaluation.statistics.bootstrap import bootstrap_interval, resampling_weights


def test_resampling_takes_as_many_blocks_as_there_are():
    weights = resampling_weights(7, 50, np.random.default_rng(0))
    assert weights.shape == (50, 7)
    assert np.all(weights.sum(axis=1) == 7)


def test_an_interval_is_as_wide_as_its_replicates_spread():
    z = np.linspace(-1.0, 1.0, 201)  # quantiles 0.025 and 0.975 are -0.95 and 0.95
    ends = bootstrap_interval(0.5, 2.0 * np.exp(z))
    np.testing.assert_allclose(ends, 0.5 * np.exp([-0.95, 0.95]))
    ends = bootstrap_interval(0.8, np.tanh(0.3 + z), "correlation")
    np.testing.assert_allclose(ends, np.tanh(np.arctanh(0.8) + np.array([-0.95, 0.95])))


@settings(max_examples=40, deadline=None)
@given(
    value=st.floats(1e-4, 10.0),
    replicates=st.lists(st.floats(1e-4, 10.0), min_size=1, max_size=30),
    kind=st.sampled_from(["distance", "correlation"]),
)
def test_an_interval_holds_its_estimate(value, replicates, kind):
    if kind == "correlation":
        value, replicates = np.tanh(value), np.tanh(replicates)
    low, high = bootstrap_interval(value, np.asarray(replicates), kind)
    assert low <= value * (1 + 1e-9)
    assert high >= value * (1 - 1e-9)


def test_the_interval_of_a_difference_keeps_to_its_limits():
    replicates = np.linspace(-1.0, 1.0, 201) + 7.0
    ends = bootstrap_interval(-0.5, replicates, "difference")
    np.testing.assert_allclose(ends, (-1.45, 0.45))
    ends = bootstrap_interval(0.5, replicates, "difference", (0.0, 1.0))
    np.testing.assert_allclose(ends, (0.0, 1.0))
    assert bootstrap_interval(np.nan, replicates) is None
    assert bootstrap_interval(0.5, np.full(3, np.nan)) is None
