"""Correlations of columns are those of numpy, and undefined where numpy divides by rounding."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from calgan.data.correlation import column_correlations, varies

pairs = arrays(np.float64, (2, 12, 3), elements=st.integers(-3, 3).map(float))


@given(pairs, st.floats(0.1, 100), st.floats(-100, 100))
def test_columns_are_correlated_as_numpy_does(pair, scale, offset) -> None:
    first, second = pair
    found = column_correlations(first, scale * second + offset)
    for k in range(3):
        if np.ptp(first[:, k]) and np.ptp(second[:, k]):
            assert_allclose(found[k], np.corrcoef(first[:, k], second[:, k])[0, 1], atol=1e-9)
        else:
            assert np.isnan(found[k])


def test_what_is_constant_has_no_correlation_whatever_its_rounding() -> None:
    values = np.random.default_rng(0).normal(size=(1000, 2))
    constant = np.full((1000, 2), 0.1)
    assert constant.std(axis=0).all()  # of floating point, and not of the values
    assert_array_equal(column_correlations(constant, values), [np.nan, np.nan])
    assert_array_equal(column_correlations(values, constant), [np.nan, np.nan])
    assert_array_equal(varies(np.column_stack([constant, values])), [False, False, True, True])
    assert_allclose(column_correlations(values, -values), -1.0, rtol=0, atol=1e-15)
    assert_allclose(column_correlations(values > 0, values > 0), 1.0, rtol=0, atol=1e-15)
