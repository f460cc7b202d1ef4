"""Fourier encodings agree with numpy's transform and decode to what they came from."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from calgan import FFTEncoder, Windower
from calgan.data.windows import WindowView


def windows_of(n_frames: st.SearchStrategy[int]) -> st.SearchStrategy[np.ndarray]:
    shape = st.tuples(st.integers(1, 4), n_frames, st.integers(1, 3))
    return hnp.arrays(np.float32, shape, elements=st.floats(-1e3, 1e3, width=32))


def test_full_by_hand() -> None:
    X = np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1)
    code = FFTEncoder().fit_transform(X)
    assert code.dtype == np.float32
    np.testing.assert_array_equal(code[0, :, 0], [[10, 0], [-2, 2], [-2, 0], [-2, -2]])


def test_packed_by_hand() -> None:
    X = np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1)
    code = FFTEncoder("packed").fit_transform(X)
    # -2 in the imaginary channel of the mean is the real part at half the frame rate.
    np.testing.assert_array_equal(code[0, :, 0], [[10, -2], [-2, 2]])


@given(windows_of(st.integers(1, 33)))
@settings(max_examples=40, deadline=None)
def test_full_agrees_with_numpy_and_decodes(X: np.ndarray) -> None:
    encoder = FFTEncoder("full").fit(X)
    code = encoder.transform(X)
    spectrum = np.fft.fft(X.astype(np.float64), axis=1)
    assert code.shape == (*X.shape, 2)
    scale = 1 + np.abs(X).max() * X.shape[1]
    np.testing.assert_allclose(code[..., 0], spectrum.real, atol=1e-6 * scale)
    np.testing.assert_allclose(code[..., 1], spectrum.imag, atol=1e-6 * scale)
    back = encoder.inverse_transform(code)
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, X, atol=2e-6 * (1 + np.abs(X).max()))


@given(windows_of(st.integers(1, 16).map(lambda half: 2 * half)))
@settings(max_examples=40, deadline=None)
def test_packed_is_half_the_size_and_lossless(X: np.ndarray) -> None:
    encoder = FFTEncoder("packed").fit(X)
    code = encoder.transform(X)
    assert code.size == X.size  # full: twice that
    back = encoder.inverse_transform(code)
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, X, atol=2e-6 * (1 + np.abs(X).max()))


@given(hnp.arrays(np.float32, (2, 8, 3, 2), elements=st.floats(-100, 100, width=32)))
@settings(max_examples=30, deadline=None)
def test_packed_is_a_bijection(code: np.ndarray) -> None:
    # Any code is that of some window, so a generator's output is never outside its range.
    encoder = FFTEncoder("packed").fit(np.zeros((2, 16, 3)))
    again = encoder.transform(encoder.inverse_transform(code))
    np.testing.assert_allclose(again, code, atol=1e-3)


def test_full_takes_the_real_part_of_what_is_no_spectrum(rng: np.random.Generator) -> None:
    code = rng.standard_normal((2, 8, 3, 2)).astype(np.float32)
    decoded = FFTEncoder().fit(np.zeros((2, 8, 3))).inverse_transform(code)
    expected = np.fft.ifft(code[..., 0] + 1j * code[..., 1], axis=1).real
    np.testing.assert_allclose(decoded, expected, atol=1e-6)


@pytest.mark.parametrize("layout", ["full", "packed"])
def test_views_are_encoded_lazily(traces: np.ndarray, layout: str) -> None:
    view = Windower(16, stride=8).fit_transform(traces)
    encoder = FFTEncoder(layout).fit(view)
    code = encoder.transform(view)
    assert isinstance(code, WindowView)
    np.testing.assert_array_equal(code.start, view.start)
    assert code.shape == (len(view), 16 if layout == "full" else 8, 5, 2)
    expanded = np.asarray(pickle.loads(pickle.dumps(code)))
    np.testing.assert_array_equal(expanded, encoder.transform(np.asarray(view)))
    back = encoder.inverse_transform(code)
    assert isinstance(back, WindowView)
    np.testing.assert_allclose(np.asarray(back), np.asarray(view), atol=1e-5)


def test_attributes() -> None:
    encoder = FFTEncoder().fit(np.zeros((3, 9, 4)))
    assert (encoder.n_frames_in_, encoder.n_features_in_) == (9, 4)


def test_packed_needs_even_windows() -> None:
    with pytest.raises(ValueError, match="but X has 9; use windows of 8 or 10 frames"):
        FFTEncoder("packed").fit(np.zeros((3, 9, 4)))
    with pytest.raises(ValueError, match="use windows of 2 frames"):
        FFTEncoder("packed").fit(np.zeros((3, 1, 4)))


@pytest.mark.parametrize(
    ("X", "error", "match"),
    [
        (np.zeros((20, 4)), ValueError, r"FFTEncoder takes windows .* 2-D .*Windower\(window\)"),
        (np.zeros((2, 8, 4, 2)), ValueError, "4-D"),
        (np.zeros((0, 8, 4)), ValueError, "empty"),
        (np.full((2, 8, 4), np.nan), ValueError, "NaN or infinity"),
        (np.full((2, 8, 4), "a"), TypeError, "real numbers"),
    ],
)
def test_refuses(X: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        FFTEncoder().fit(X)


def test_unknown_layout() -> None:
    with pytest.raises(ValueError, match="layout must be 'full' or 'packed', got 'half'"):
        FFTEncoder("half").fit(np.zeros((2, 8, 4)))


def test_other_shapes_than_fitted() -> None:
    encoder = FFTEncoder("packed").fit(np.zeros((2, 8, 4)))
    with pytest.raises(ValueError, match=r"of 10 frames, but FFTEncoder was fitted on .* of 8"):
        encoder.transform(np.zeros((2, 10, 4)))
    with pytest.raises(ValueError, match="X has 3 features, but FFTEncoder is expecting 4"):
        encoder.transform(np.zeros((2, 8, 3)))
    with pytest.raises(ValueError, match=r"shape \(M, 4, 4, 2\), but X has shape \(2, 8, 4, 2\)"):
        encoder.inverse_transform(np.zeros((2, 8, 4, 2)))
