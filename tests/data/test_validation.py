"""Wrong input gets one clear sentence; right input comes back as float32."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from calgan import Windower
from calgan.data.validation import (
    as_real_array,
    as_seed,
    check_frame_rate,
    check_integer,
    check_n_neurons,
    check_recording,
    check_windows,
    rng_from,
)


@pytest.mark.parametrize("value", [24, 24.0, np.float32(24), np.int64(24), np.array(24.0)])
def test_frame_rate_comes_back_as_float(value: Any) -> None:
    rate = check_frame_rate(value)
    assert type(rate) is float
    assert rate == 24.0


@pytest.mark.parametrize("value", [0, -1.0, np.nan, np.inf])
def test_frame_rate_must_be_positive_and_finite(value: float) -> None:
    with pytest.raises(ValueError, match=r"^fs must be a positive, finite number .*\(Hz\)"):
        check_frame_rate(value, name="fs")


@pytest.mark.parametrize("value", ["10", None, True, np.True_, [10.0], 1j])
def test_frame_rate_must_be_a_number(value: Any) -> None:
    with pytest.raises(TypeError, match="frame_rate must be a number of frames per second"):
        check_frame_rate(value)


@pytest.mark.parametrize("value", [3, np.int32(3), np.uint8(3)])
def test_integer_comes_back_as_int(value: Any) -> None:
    assert type(check_integer(value, "window")) is int
    assert check_integer(value, "window") == 3


@pytest.mark.parametrize("value", [3.0, True, "3", None, np.float64(3)])
def test_integer_refuses_other_types(value: Any) -> None:
    with pytest.raises(TypeError, match="window must be an integer of at least 1"):
        check_integer(value, "window")


def test_integer_minimum() -> None:
    assert check_integer(0, "gap", minimum=0) == 0
    with pytest.raises(ValueError, match="gap must be an integer of at least 0, got -1"):
        check_integer(-1, "gap", minimum=0)


@pytest.mark.parametrize(
    "X",
    [
        np.ones((4, 2), dtype=np.float64),
        np.ones((4, 2), dtype=">f4"),
        np.ones((4, 2), dtype=np.uint16),
        np.ones((4, 2), dtype=bool),
        np.ones((4, 2)).astype(object),
        [[1, 1]] * 4,
        np.ones((4, 2)).view(np.matrix),
        np.ma.masked_array(np.ones((4, 2)), mask=False),
    ],
)
def test_recording_becomes_plain_native_float32(X: Any) -> None:
    array = check_recording(X)
    assert type(array) is np.ndarray
    assert array.dtype == np.float32
    assert array.dtype.isnative
    np.testing.assert_array_equal(array, np.ones((4, 2)))


def test_float32_is_not_copied() -> None:
    X = np.ones((4, 2), dtype=np.float32)
    assert check_recording(X) is X


def test_memory_map_stays_a_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "calgan.data.validation._CHUNK_VALUES", 7
    )  # so that several chunks are read
    saved = np.memmap(tmp_path / "traces", dtype=np.float32, mode="w+", shape=(10, 3))
    assert isinstance(check_recording(saved), np.memmap)
    saved[8, 1] = np.nan
    with pytest.raises(ValueError, match=r"in 1 of 30 values, the first \(nan\) at frame 8"):
        check_recording(saved)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_recording_says_where_it_is_not_finite(bad: float) -> None:
    X = np.zeros((10, 3))
    X[4, 1] = X[7, 2] = bad
    with pytest.raises(ValueError, match=r"2 of 30 values, the first .* at frame 4, neuron 1"):
        check_recording(X)


def test_overflow_of_float32_is_told_from_infinity() -> None:
    with pytest.raises(ValueError, match="too large for float32"):
        check_recording([[0.0], [1e39]])


@pytest.mark.parametrize(
    ("X", "error", "match"),
    [
        (np.zeros(5), ValueError, r"1-D with shape \(5,\); Reshape your data with X\[:, None\]"),
        (3.0, ValueError, "0-D"),
        (np.zeros((2, 3, 4)), ValueError, "3-D with shape"),
        (np.zeros((0, 3)), ValueError, "X is empty"),
        (np.zeros((3, 0)), ValueError, r"0 feature\(s\) \(shape=\(3, 0\)\)"),
        ([], ValueError, "1-D"),
        ([[1.0, 2.0], [3.0]], ValueError, "ragged"),
        (np.array([[1.0, None], [2.0, "a"]], dtype=object), TypeError, "object array"),
        (np.array([["a", "b"]]), TypeError, "dtype is <U1"),
        (np.array([["2020-01-01"]], dtype="datetime64[D]"), TypeError, "dtype is datetime64"),
        (np.zeros((3, 2), dtype=complex), ValueError, "Complex data not supported"),
        ("text", TypeError, "got str"),
        (None, TypeError, "got NoneType"),
        ({"a": 1}, TypeError, "got dict"),
        (sparse.csr_array(np.eye(3)), TypeError, "sparse"),
        (sparse.dok_array(np.eye(3)), TypeError, "sparse"),
        (np.ma.masked_array(np.ones((4, 2)), mask=np.eye(4, 2)), ValueError, "2 masked entries"),
    ],
)
def test_recording_refuses_in_one_sentence(X: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match) as caught:
        check_recording(X)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message


def test_roi_first_warns_naming_both_axes() -> None:
    with pytest.warns(UserWarning, match=r"neurons \(axis 1: 9\) than frames \(axis 0: 4\)"):
        check_recording(np.zeros((4, 9)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_recording(np.zeros((4, 9)), check_orientation=False)
        check_recording(np.zeros((4, 4)))


@pytest.mark.parametrize("shape", [(3, 4, 2), (3, 4, 2, 2)])
def test_windows_come_back_as_float32(shape: tuple[int, ...]) -> None:
    assert check_windows(np.zeros(shape)).dtype == np.float32
    assert check_windows(np.zeros(shape).tolist()).shape == shape


def test_view_passes_unexpanded() -> None:
    view = Windower(4).fit_transform(np.zeros((20, 2)))
    assert check_windows(view) is view
    with pytest.raises(ValueError, match="empty"):
        check_windows(view[:0])


def test_a_recording_is_no_windows() -> None:
    with pytest.raises(ValueError, match=r"2-D.*Windower\(window\).*make_calcium_pipeline"):
        check_windows(np.zeros((100, 5)))


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (np.zeros(4), "1-D"),
        (np.zeros((2, 2, 2, 2, 2)), "5-D"),
        (np.zeros((0, 4, 2)), "empty"),
        (np.zeros((3, 4, 0)), r"0 feature\(s\) \(shape=\(4, 0\)\)"),
        (np.zeros((3, 4, 2, 0)), "empty"),
        (np.full((3, 4, 2), np.nan), "24 of 24 values, the first .* at window 0, frame 0, neuron"),
        ([np.zeros((4, 2)), np.zeros((5, 2))], r"a list of 2 trials; cut .*Windower\(window\)"),
        ([[[0.0], [1.0]], [[0.0]]], "ragged"),
    ],
)
def test_windows_refused(X: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        check_windows(X)


def test_encoded_windows_only_where_they_are_meant() -> None:
    with pytest.raises(ValueError, match=r"FFTEncoder takes windows of shape \(M, T, N\), but"):
        check_windows(np.zeros((3, 4, 2, 2)), estimator="FFTEncoder", encoded=False)


def test_number_of_neurons_is_compared() -> None:
    windower = Windower(4).fit(np.zeros((20, 2)))
    check_n_neurons(2, windower)
    with pytest.raises(ValueError, match="X has 3 features, but Windower is expecting 2 features"):
        check_n_neurons(3, windower)


def test_real_array_takes_any_dimensions() -> None:
    assert as_real_array(3, "X").ndim == 0
    assert as_real_array(np.zeros((1, 2, 3, 4, 5)), "X").ndim == 5


def test_seeds() -> None:
    assert as_seed(7) == as_seed(np.int64(7)) == 7
    assert as_seed(None) != as_seed(None)
    assert as_seed(np.random.default_rng(0)) == as_seed(np.random.default_rng(0))
    assert as_seed(np.random.RandomState(0)) == as_seed(np.random.RandomState(0))
    generator = np.random.default_rng(0)
    assert as_seed(generator) != as_seed(generator)


@pytest.mark.parametrize("bad", ["0", 1.0, True, np.random])
def test_seed_of_wrong_type(bad: Any) -> None:
    with pytest.raises(TypeError, match="random_state must be None"):
        as_seed(bad)


def test_negative_seed() -> None:
    with pytest.raises(ValueError, match="must not be negative, got -1"):
        as_seed(-1)


def test_streams_differ_and_global_state_is_left_alone() -> None:
    before = str(np.random.get_state())
    draws = [rng_from(0, *stream).random() for stream in [(), (0,), (1,), (1, 0), (1, 1)]]
    draws += [rng_from(2**32).random(), rng_from(1 + 2**32).random(), rng_from(1).random()]
    assert len(set(draws)) == len(draws)
    assert rng_from(5, 1).random() == rng_from(5, 1).random()
    as_seed(None)
    assert str(np.random.get_state()) == before
