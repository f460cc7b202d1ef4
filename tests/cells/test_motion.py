"""Motion correction: known shifts are found and undone, whatever else a movie holds."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from sklearn.base import clone

from calgan import Movie
from calgan.cells import MotionCorrector

MARGIN = 16


def moving(
    n_frames: int = 120, size: tuple[int, int] = (96, 112), *, noise: float = 0.5, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return a movie of blobs of brightness about 1 that moves, and its shifts (x, y)."""
    rng = np.random.default_rng(seed)
    height, width = (side + 2 * MARGIN for side in size)
    tissue = np.zeros((height, width))
    for y, x in zip(rng.integers(0, height, 60), rng.integers(0, width, 60), strict=True):
        tissue[y, x] = rng.uniform(0.5, 2)
    tissue = ndimage.gaussian_filter(tissue, 2.5) * 2 * np.pi * 2.5**2
    shifts = ndimage.gaussian_filter1d(rng.standard_normal((n_frames, 2)), 3, axis=0)
    shifts = 4 * np.tanh(2 * shifts) + np.linspace(-2, 2, n_frames)[:, None] * [1, -0.5]
    inner = slice(MARGIN, -MARGIN)
    frames = np.stack([ndimage.shift(tissue, shift[::-1])[inner, inner] for shift in shifts])
    return frames + noise * rng.standard_normal(frames.shape) + 10, shifts


def rms_error(found: np.ndarray, shifts: np.ndarray) -> float:
    """Return the error of shifts; they have no origin."""
    error = found - shifts
    return float(np.sqrt(np.mean((error - np.median(error, axis=0)) ** 2)))


def test_known_shifts_are_found() -> None:
    frames, shifts = moving()
    corrector = MotionCorrector().fit(Movie(frames, 30.0))
    assert corrector.shifts_.shape == (120, 2)
    assert rms_error(corrector.shifts_, shifts) < 0.1
    assert corrector.shift_error_ < 0.15
    assert np.abs(np.median(corrector.shifts_, axis=0)).max() < 0.2
    assert corrector.template_.shape == (96, 112)
    assert corrector.template_.dtype == np.float32


def test_shifts_are_those_of_scikit_image() -> None:
    registration = pytest.importorskip("skimage.registration")
    frames, _ = moving(30, noise=0.2)
    corrector = MotionCorrector().fit(frames)
    template = ndimage.gaussian_filter(corrector.template_, 1) - 10
    found = [
        registration.phase_cross_correlation(
            ndimage.gaussian_filter(frame, 1) - 10, template, upsample_factor=20, normalization=None
        )[0][::-1]
        for frame in frames
    ]
    assert rms_error(corrector.shifts_, np.array(found)) < 0.2


def test_light_that_does_not_move_holds_nothing_back() -> None:
    frames, shifts = moving()
    y, x = np.mgrid[-1:1:96j, -1:1:112j]
    vignette = 8 * np.exp(-(x**2 + y**2))  # cells have a brightness of about 1
    corrector = MotionCorrector().fit(frames + vignette)
    assert rms_error(corrector.shifts_, shifts) < 0.2


def test_the_corrected_movie_stands_still() -> None:
    frames, _ = moving(noise=0.0)
    corrector = MotionCorrector()
    movie = Movie(frames, 30.0, metadata={"indicator": "GCaMP6f", "synthetic": True})
    corrected = corrector.fit_transform(movie)
    assert corrected.shape == movie.shape
    assert corrected.frame_rate == 30.0
    assert corrected.metadata == movie.metadata
    inner = np.asarray(corrected)[:, 12:-12, 12:-12]
    before = frames[:, 12:-12, 12:-12]
    assert inner.std(axis=0).mean() < 0.1 * before.std(axis=0).mean()
    np.testing.assert_allclose(inner.mean(axis=0), corrector.template_[12:-12, 12:-12], atol=0.05)


def test_whole_shifts_move_pixels_unchanged_and_margins_repeat() -> None:
    rng = np.random.default_rng(0)
    tissue = ndimage.gaussian_filter(rng.random((64, 64)), 1.5).astype(np.float32) * 100
    frames = np.stack([tissue[10:50, 10:50], tissue[7:47, 12:52], tissue[10:50, 10:50]])
    corrector = MotionCorrector(max_shift=8).fit(frames)
    # Frame 1 begins 2 columns further right and 3 rows higher: its content lies left and low.
    np.testing.assert_allclose(corrector.shifts_[1] - corrector.shifts_[0], [-2, 3], atol=0.1)
    corrector.shifts_ = np.array([[0, 0], [-2, 3], [0, 0]], dtype=float)
    corrected = corrector.transform(frames).frames[:]
    np.testing.assert_array_equal(corrected[0], frames[0])
    np.testing.assert_array_equal(corrected[1][:-3, 2:], tissue[10:47, 12:50])
    np.testing.assert_array_equal(corrected[1][-3:, 2:], np.tile(frames[1][-1, :-2], (3, 1)))


def test_blank_frames_get_the_shifts_of_their_neighbours() -> None:
    frames, shifts = moving()
    blank = [0, 40, 41, 90]
    frames[blank] = 10
    frames[90] += np.random.default_rng(1).standard_normal(frames[90].shape)
    with pytest.warns(
        UserWarning, match=r"4 of 120 frames do not look like the others \(0, 40, 41, 90\)"
    ):
        corrector = MotionCorrector().fit(frames)
    good = np.setdiff1d(np.arange(120), blank)
    assert rms_error(corrector.shifts_[good], shifts[good]) < 0.1
    expected = corrector.shifts_[39] + (corrector.shifts_[42] - corrector.shifts_[39]) / 3
    np.testing.assert_allclose(corrector.shifts_[40], expected)
    np.testing.assert_array_equal(corrector.shifts_[0], corrector.shifts_[1])


def test_shifts_up_to_max_shift_are_found_and_larger_ones_named() -> None:
    frames, shifts = moving()
    with pytest.warns(UserWarning, match=r"frames move by max_shift \(3 pixels\) or more"):
        corrector = MotionCorrector(max_shift=3).fit(frames)
    assert np.abs(corrector.shifts_).max() <= 3
    assert rms_error(MotionCorrector(max_shift=30).fit(frames).shifts_, shifts) < 0.1


def test_noise_without_an_image_is_named() -> None:
    frames = np.random.default_rng(0).standard_normal((60, 80, 80))
    with (
        pytest.warns(UserWarning, match="the shifts are uncertain by about .* pixels, as the two"),
        pytest.warns(UserWarning, match="by max_shift"),
    ):
        corrector = MotionCorrector().fit(frames)
    assert corrector.shift_error_ > 1


@pytest.mark.parametrize("dtype", ["uint16", "int16", ">u2", "uint8", "float32"])
def test_types_of_frames_make_no_difference(dtype: str) -> None:
    frames = (moving(20, noise=0.2)[0] * 10).round()
    expected = MotionCorrector().fit(frames)
    corrector = MotionCorrector().fit(frames.astype(dtype))
    np.testing.assert_allclose(corrector.shifts_, expected.shifts_, atol=1e-4)
    np.testing.assert_allclose(
        corrector.transform(frames.astype(dtype)).frames[3], expected.transform(frames).frames[3]
    )


def test_frames_in_a_file_give_the_same(tmp_path: Path) -> None:
    frames = moving(30)[0].astype(np.float32)
    np.save(tmp_path / "a.npy", frames)
    movie = Movie(np.load(tmp_path / "a.npy", mmap_mode="r"), 10.0)
    corrector = MotionCorrector().fit(movie)
    np.testing.assert_array_equal(corrector.shifts_, MotionCorrector().fit(frames).shifts_)
    corrected = corrector.transform(movie)
    expected = corrector.transform(frames).frames[:]
    assert not isinstance(corrected.frames, np.ndarray)
    np.testing.assert_array_equal(corrected[5:9].frames[1:], expected[6:9])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(corrected)).frames[:], expected)


def test_other_channels_of_the_same_frames_are_corrected() -> None:
    frames, _ = moving(30)
    corrector = MotionCorrector().fit(frames)
    other = corrector.transform(frames * 2)
    np.testing.assert_allclose(
        other.frames[:], 2 * corrector.transform(frames).frames[:], rtol=1e-5
    )


def test_it_is_an_estimator() -> None:
    corrector = MotionCorrector(max_shift=12, verbose=0)
    assert clone(corrector).get_params() == {"max_shift": 12, "verbose": 0}
    frames, _ = moving(10)
    again = pickle.loads(pickle.dumps(corrector.fit(frames)))
    np.testing.assert_array_equal(again.shifts_, corrector.shifts_)


def test_a_movie_of_one_frame_stands_still() -> None:
    corrector = MotionCorrector().fit(moving(2)[0][:1])
    np.testing.assert_allclose(corrector.shifts_, 0, atol=1e-6)


BAD = moving(10)[0]
BAD[7, 3, 2] = np.nan


@pytest.mark.parametrize(
    ("options", "X", "message"),
    [
        ({"max_shift": 0}, moving(3)[0], "max_shift must be an integer of at least 1, got 0"),
        ({"max_shift": 48}, moving(3)[0], r"less than half of the shorter side.*96 pixels, got 48"),
        ({}, np.ones((5, 40, 40)), "X shows no image whose motion could be seen"),
        (
            {},
            np.ones((5, 15, 40)),
            "X has 5 frames of 15 x 40 pixels, but .* at least 16 pixels on",
        ),
        ({}, np.ones((40, 50)), "X must be a movie of shape"),
        ({}, BAD, "NaN or infinity.* in frame 7 at pixel x = 2, y = 3"),
    ],
    ids=["zero", "half", "constant", "small", "2-D", "NaN"],
)
def test_wrong_input(options: dict[str, Any], X: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MotionCorrector(**options).fit(X)


def test_other_movies_are_refused() -> None:
    frames, _ = moving(10)
    corrector = MotionCorrector().fit(frames)
    with pytest.raises(
        ValueError, match="X has 9 frames of 96 x 112 pixels, but .* was fitted on 10 frames"
    ):
        corrector.transform(frames[1:])
    with pytest.raises(ValueError, match="not fitted"):
        MotionCorrector().transform(frames)


def test_memory_does_not_depend_on_the_number_of_frames() -> None:
    code = """
        import resource
        import numpy as np
        from calgan import Movie
        from calgan.cells import MotionCorrector

        tissue = np.random.default_rng(0).random((36, 40)).repeat(4, 0).repeat(4, 1)

        class Rendered:
            dtype = np.dtype("float32")

            def __init__(self, n_frames):
                self.shape = (n_frames, 128, 150)

            def __getitem__(self, key):
                numbers = np.arange(self.shape[0])[key]
                return np.stack([tissue[i % 7 : i % 7 + 128, :150] for i in numbers])

        def peak(n_frames):
            movie = Movie(Rendered(n_frames), 10.0)
            corrector = MotionCorrector().fit(movie)
            for _ in corrector.transform(movie).chunks():
                pass
            assert np.abs(corrector.shifts_[:7, 1] + np.arange(7) - 3).max() < 0.3
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        grown = peak(1400) - peak(210)
        assert grown < 30_000, grown  # kB; the longer movie has 107 MB
        """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
