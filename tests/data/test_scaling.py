"""Scaling is linear, exact both ways, and lazy on views."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import preprocessing

from calgan import FFTEncoder, MinMaxScaler, Recording, Windower
from calgan.data.windows import WindowView

values = st.floats(-1e6, 1e6, width=32, allow_subnormal=False)  # these round to the minimum
recordings = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 12), st.integers(1, 4)), elements=values
)


def test_hand_computed() -> None:
    X = np.array([[0.0, 10.0], [1.0, 30.0], [2.0, 20.0]])
    scaled = MinMaxScaler().fit_transform(X)
    np.testing.assert_allclose(scaled, X / 30.0, rtol=1e-6)
    scaled = MinMaxScaler((-1, 1), per_neuron=True).fit_transform(X)
    np.testing.assert_array_equal(scaled, [[-1, -1], [0, 1], [1, 0]])


def test_attributes() -> None:
    X = np.array([[0.0, 10.0], [1.0, 30.0]])
    scaler = MinMaxScaler().fit(X)
    assert (scaler.data_min_, scaler.data_max_, scaler.scale_) == (0.0, 30.0, 1 / 30)
    assert scaler.data_min_.shape == ()
    scaler = MinMaxScaler((0, 2), per_neuron=True).fit(X)
    np.testing.assert_array_equal(scaler.data_min_, [0, 10])
    np.testing.assert_array_equal(scaler.data_max_, [1, 30])
    np.testing.assert_array_equal(scaler.scale_, [2.0, 0.1])
    assert scaler.n_features_in_ == 2


def test_agrees_with_scikit_learn(traces: np.ndarray) -> None:
    for bounds in [(0, 1), (-1, 3)]:
        ours = MinMaxScaler(bounds, per_neuron=True).fit(traces)
        theirs = preprocessing.MinMaxScaler(bounds).fit(traces.astype(np.float64))
        new = 3 * traces - 1
        np.testing.assert_allclose(ours.transform(new), theirs.transform(new), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(
            ours.inverse_transform(new), theirs.inverse_transform(new), rtol=1e-6, atol=1e-6
        )


@given(X=recordings, per_neuron=st.booleans(), bounds=st.sampled_from([(0, 1), (-1, 1), (2, 7)]))
@settings(max_examples=50, deadline=None)
def test_range_and_round_trip(X: np.ndarray, per_neuron: bool, bounds: tuple[int, int]) -> None:
    scaler = MinMaxScaler(bounds, per_neuron=per_neuron).fit(X)
    scaled = scaler.transform(X)
    assert scaled.dtype == np.float32
    assert np.isfinite(scaled).all()
    assert scaled.min() >= bounds[0]
    assert scaled.max() <= bounds[1]
    span = np.broadcast_to(scaler.data_max_ - scaler.data_min_, X.shape)
    varies = span > 0
    assert np.all(scaled[~varies] == bounds[0])
    back = scaler.inverse_transform(scaled)
    # One rounding of the scaled value (up to 7 here) and one of the result.
    tolerance = 1e-6 * span + 1e-7 * np.abs(X)
    assert np.all(np.abs(back - X) <= tolerance)
    np.testing.assert_array_equal(back[~varies], X[~varies])


@given(X=recordings, new=values)
@settings(max_examples=50, deadline=None)
def test_new_data_outside_the_range(X: np.ndarray, new: float) -> None:
    X[0, 0] = X.max() + np.float32(1)  # a range that is not zero
    if X.size == 1:
        return
    scaler = MinMaxScaler().fit(X)
    scaled = scaler.transform(np.full_like(X, new))
    inside = scaler.data_min_ <= np.float32(new) <= scaler.data_max_
    assert np.all((scaled >= 0) & (scaled <= 1)) == inside
    back = scaler.inverse_transform(scaled)
    np.testing.assert_allclose(back, new, rtol=1e-6, atol=1e-6 * np.abs(X).max())


def test_clip() -> None:
    scaler = MinMaxScaler(clip=True).fit([[0.0], [2.0]])
    np.testing.assert_array_equal(scaler.transform([[-5.0], [1.0], [9.0]]), [[0], [0.5], [1]])


@pytest.mark.parametrize("per_neuron", [False, True])
def test_constant_neurons(per_neuron: bool) -> None:
    X = np.full((5, 2), 7.5)
    if per_neuron:
        X[:, 1] = np.arange(5)
    scaler = MinMaxScaler((-1, 1), per_neuron=per_neuron).fit(X)
    scaled = scaler.transform(X)
    assert np.all(scaled[:, 0] == -1)
    np.testing.assert_array_equal(scaler.inverse_transform(scaled), X)
    assert np.all(scaler.inverse_transform(np.full((3, 2), 0.3))[:, 0] == 7.5)


@pytest.mark.parametrize("per_neuron", [False, True])
def test_every_shape_agrees(traces: np.ndarray, per_neuron: bool) -> None:
    scaler = MinMaxScaler(per_neuron=per_neuron).fit(traces)
    windows = traces.reshape(15, 16, 5)
    for same in (windows, Recording(traces, 10.0), traces.tolist(), traces.astype(np.float64)):
        other = MinMaxScaler(per_neuron=per_neuron).fit(same)
        np.testing.assert_array_equal(other.data_min_, scaler.data_min_)
        np.testing.assert_array_equal(other.data_max_, scaler.data_max_)
    expected = scaler.transform(traces).reshape(15, 16, 5)
    np.testing.assert_array_equal(scaler.transform(windows), expected)
    np.testing.assert_array_equal(scaler.inverse_transform(expected).shape, windows.shape)


def test_encoded_windows_have_a_range_a_neuron_and_channel(traces: np.ndarray) -> None:
    codes = FFTEncoder("packed").fit_transform(traces.reshape(15, 16, 5))
    scaler = MinMaxScaler(per_neuron=True).fit(codes)
    assert scaler.data_min_.shape == (5, 2)
    assert scaler.n_features_in_ == 5
    scaled = scaler.transform(codes)
    np.testing.assert_allclose(scaled.min(axis=(0, 1)), 0, atol=1e-7)
    np.testing.assert_allclose(scaled.max(axis=(0, 1)), 1, atol=1e-7)
    np.testing.assert_allclose(scaler.inverse_transform(scaled), codes, rtol=1e-5, atol=1e-5)
    assert MinMaxScaler().fit(codes).data_min_ == codes.min()


@pytest.mark.parametrize("per_neuron", [False, True])
def test_views_are_scaled_lazily(traces: np.ndarray, per_neuron: bool) -> None:
    view = Windower(16, stride=50).fit_transform(traces)[[0, 3, 2]]  # some frames in no window
    windows = np.asarray(view)
    scaler = MinMaxScaler(per_neuron=per_neuron).fit(view)
    eager = MinMaxScaler(per_neuron=per_neuron).fit(windows)
    np.testing.assert_array_equal(scaler.data_max_, eager.data_max_)
    scaled = scaler.transform(view)
    assert isinstance(scaled, WindowView)
    np.testing.assert_array_equal(scaled.start, view.start)
    np.testing.assert_array_equal(np.asarray(scaled), eager.transform(windows))
    back = scaler.inverse_transform(pickle.loads(pickle.dumps(scaled)))
    np.testing.assert_allclose(np.asarray(back), windows, atol=1e-6)
    # A view that has transforms already is read in batches.
    again = MinMaxScaler(per_neuron=per_neuron).fit(view.map(np.negative))
    np.testing.assert_array_equal(again.data_max_, -eager.data_min_)


@pytest.mark.parametrize(
    "bounds", [(1, 0), (1, 1), (0,), (0, np.inf), (0, np.nan), "ab", None, (0, "a")]
)
def test_bad_feature_range(bounds: Any) -> None:
    with pytest.raises(ValueError, match="feature_range must"):
        MinMaxScaler(bounds).fit(np.zeros((3, 2)))


def test_data_of_another_kind(traces: np.ndarray) -> None:
    codes = np.zeros((2, 4, 5, 2))
    flat, encoded = (MinMaxScaler(per_neuron=True).fit(X) for X in (traces, codes))
    with pytest.raises(ValueError, match="fitted on unencoded data, but X has shape"):
        flat.transform(codes)
    with pytest.raises(ValueError, match="fitted on encoded data, but X has shape"):
        encoded.inverse_transform(traces)
    with pytest.raises(ValueError, match="X has 3 channels, but MinMaxScaler was fitted on 2"):
        encoded.transform(np.zeros((2, 4, 5, 3)))
    with pytest.raises(ValueError, match="X has 4 features, but MinMaxScaler is expecting 5"):
        flat.transform(traces[:, :4])


@pytest.mark.parametrize(
    ("X", "error", "match"),
    [
        (np.zeros(4), ValueError, "1-D"),
        (np.zeros((1, 2, 3, 4, 5)), ValueError, "5-D"),
        (np.full((4, 2), np.inf), ValueError, "NaN or infinity"),
        (np.zeros((0, 2)), ValueError, "empty"),
        ([[1.0], [2.0, 3.0]], ValueError, "ragged"),
        ([["a"]], TypeError, "real numbers"),
        (np.array([[None, "a"]], dtype=object), TypeError, "object array"),
    ],
)
def test_refuses(X: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        MinMaxScaler().fit(X)
