"""The bootstrap over blocks."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from calgan.evaluation._bootstrap import (
    centred_interval,
    resampling_weights,
    shifted_interval,
)


def test_resampling_takes_as_many_blocks_as_there_are():
    weights = resampling_weights(7, 50, np.random.default_rng(0))
    assert weights.shape == (50, 7)
    assert np.all(weights.sum(axis=1) == 7)


def test_an_interval_is_as_wide_as_its_replicates_spread():
    z = np.linspace(-1.0, 1.0, 201)  # quantiles 0.025 and 0.975 are -0.95 and 0.95
    ends = centred_interval(0.5, 2.0 * np.exp(z))
    np.testing.assert_allclose(ends, 0.5 * np.exp([-0.95, 0.95]))
    ends = centred_interval(0.8, np.tanh(0.3 + z), better="higher")
    np.testing.assert_allclose(ends, np.tanh(np.arctanh(0.8) + np.array([-0.95, 0.95])))


@settings(max_examples=40, deadline=None)
@given(
    value=st.floats(1e-4, 10.0),
    replicates=st.lists(st.floats(1e-4, 10.0), min_size=1, max_size=30),
    better=st.sampled_from(["lower", "higher"]),
)
def test_an_interval_holds_its_estimate(value, replicates, better):
    if better == "higher":
        value, replicates = np.tanh(value), np.tanh(replicates)
    low, high = centred_interval(value, np.asarray(replicates), better=better)
    assert low <= value * (1 + 1e-9)
    assert high >= value * (1 - 1e-9)


def test_a_shifted_interval_keeps_to_its_limits():
    replicates = np.linspace(-1.0, 1.0, 201) + 7.0
    np.testing.assert_allclose(shifted_interval(-0.5, replicates), (-1.45, 0.45))
    np.testing.assert_allclose(shifted_interval(0.5, replicates, (0.0, 1.0)), (0.0, 1.0))
    assert np.isnan(shifted_interval(np.nan, replicates)).all()
    assert np.isnan(shifted_interval(0.5, np.full(3, np.nan))).all()
