"""The contract of the detectors: known cells are found and read, other input is refused."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.signal import lfilter
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from calgan import Movie, Recording, read_movie
from calgan.cells import CellDetector, LaplacianOfGaussianDetector
from calgan.datasets import SimulatedMovie, make_movie
from calgan.io import delta_f_over_f

DETECTORS = (CellDetector, LaplacianOfGaussianDetector)
RATE = 10.0
RADIUS = 5
# Cells of the small movie; its frames are 56 x 48 pixels (x, y).
PLACES = np.array([[11.0, 12.0], [30.0, 11.5], [45.0, 24.0], [26.5, 31.0], [10.0, 36.0]])


def population(n_cells: int, n_frames: int, seed: int = 0) -> Recording:
    """Return dF/F of cells that are all active: spikes at 0.4 Hz, filtered by a decay."""
    spikes = np.random.default_rng(seed).random((n_frames, n_cells)) < 0.4 / RATE
    calcium = lfilter([1.0], [1.0, -0.85], spikes, axis=0)
    return Recording(calcium.astype(np.float32), RATE, units="dF/F")


def rendered(centres: Any, n_frames: int, shape: tuple[int, int], **options: Any) -> SimulatedMovie:
    """Return a movie of cells at given centres."""
    options = {"radius": RADIUS, "neuropil": 0.0, "photons": 30.0, "random_state": 0} | options
    return make_movie(population(len(centres), n_frames), shape, centres=centres, **options)


def pairs(found: np.ndarray, true: np.ndarray, reach: float = RADIUS) -> np.ndarray:
    """Match centres one to one within a distance: numbers (n, 2) of found and true cells."""
    apart = np.linalg.norm(found[:, None] - np.asarray(true)[None], axis=2)
    matched = np.column_stack(linear_sum_assignment(np.where(apart <= reach, apart, 1e3)))
    return matched[apart[*matched.T] <= reach]


def f1(detector: Any, true: np.ndarray) -> float:
    return 2 * len(pairs(detector.centres_, true)) / (len(detector.centres_) + len(true))


def correlations(traces: np.ndarray, truth: SimulatedMovie, matched: np.ndarray) -> np.ndarray:
    return np.array([np.corrcoef(traces[:, i], truth.calcium[:, k])[0, 1] for i, k in matched])


def same_cells(one: Any, other: Any, atol: float = 0.0) -> None:
    for name in ("centres_", "radii_", "scores_", "masks_"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=atol, rtol=0)


@pytest.fixture(scope="module")
def easy() -> SimulatedMovie:
    """Return 16 bright cells in neuropil, 96 x 96 pixels, 30 s."""
    population_ = population(16, 300)
    return make_movie(population_, (96, 96), photons=200.0, radius=RADIUS, random_state=0)


@pytest.fixture(scope="module")
def small() -> SimulatedMovie:
    return rendered(PLACES, 160, (48, 56))


@pytest.fixture(scope="module")
def frames(small: SimulatedMovie) -> np.ndarray:
    """Return the frames (T, H, W) of the small movie, uint16."""
    return np.asarray(small.movie.frames)


@pytest.fixture(scope="module", params=DETECTORS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
def fitted(kind: Any, frames: np.ndarray) -> Any:
    return kind(RADIUS).fit(Movie(frames, RATE))


# What is found


@pytest.mark.parametrize(
    ("kind", "least"),
    [(CellDetector, 0.85), (LaplacianOfGaussianDetector, 0.8)],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_known_cells_are_found_and_read(kind: Any, least: float, easy: SimulatedMovie) -> None:
    detector = kind(RADIUS)
    recording = detector.fit_transform(easy.movie)
    matched = pairs(detector.centres_, easy.centres)
    assert f1(detector, easy.centres) >= least
    assert np.median(correlations(recording.traces, easy, matched)) >= 0.9
    assert f1(kind(RADIUS, n_cells=16).fit(easy.movie), easy.centres) >= 0.9
    error = detector.centres_[matched[:, 0]] - easy.centres[matched[:, 1]]
    assert np.median(np.linalg.norm(error, axis=1)) < 0.25 * RADIUS


def test_no_cell_is_found_in_the_surround_of_bright_ones() -> None:
    # Filters leave dark rings around cells, which change as the cells do.
    cells = population(6, 200)
    truth = make_movie(cells, (64, 64), photons=200, radius=RADIUS, neuropil=0.0, random_state=0)
    detector = CellDetector(RADIUS, n_cells=6).fit(truth.movie)
    assert len(pairs(detector.centres_, truth.centres)) == 6


def test_cells_that_overlap_are_told_apart() -> None:
    centres = np.array([[28 - 0.65 * RADIUS, 32], [28 + 0.65 * RADIUS, 32]])
    truth = rendered(centres, 300, (64, 64), photons=200, neuropil=None)
    detector = CellDetector(RADIUS, n_cells=2)
    recording = detector.fit_transform(truth.movie)
    matched = pairs(detector.centres_, centres, 0.5 * RADIUS)
    assert len(matched) == 2
    assert correlations(recording.traces, truth, matched).min() > 0.9
    # The baseline sees a single blob.
    blobs = LaplacianOfGaussianDetector(RADIUS, n_cells=2).fit(truth.movie).centres_
    assert (np.linalg.norm(blobs - centres.mean(axis=0), axis=1) < 2 * RADIUS).sum() == 1


def test_cells_at_the_border_are_found(kind: Any) -> None:
    centres = np.array([[2, 30], [53, 46], [28, 0]])
    truth = rendered(centres, 200, (48, 56), photons=100)
    detector = kind(RADIUS, n_cells=3)
    recording = detector.fit_transform(truth.movie)
    matched = pairs(detector.centres_, centres)
    assert len(matched) == 3
    assert correlations(recording.traces, truth, matched).min() > 0.8
    assert detector.centres_.min() >= 0
    assert (detector.centres_ <= [55, 47]).all()


def test_attributes_have_their_shapes_and_types(fitted: Any) -> None:
    n_cells = len(fitted.centres_)
    assert n_cells >= 4
    shapes = {"centres_": (2,), "radii_": (), "scores_": (), "masks_": (48, 56)}
    for name, shape in shapes.items():
        assert getattr(fitted, name).shape == (n_cells, *shape)
        assert getattr(fitted, name).dtype == np.float32
    assert fitted.masks_.min() == 0
    np.testing.assert_allclose(fitted.masks_.max(axis=(1, 2)), 1)
    # Each centre lies in its mask.
    column, row = np.rint(fitted.centres_).astype(int).T
    assert (fitted.masks_[np.arange(n_cells), row, column] > 0).all()


def test_noise_alone_has_no_cells() -> None:
    noise = np.random.default_rng(0).poisson(100, (120, 40, 40))
    with pytest.warns(UserWarning, match="CellDetector found no cell: look at the movie") as caught:
        detector = CellDetector(RADIUS).fit(Movie(noise, RATE))
    assert len(caught) == 1
    assert detector.masks_.shape == (0, 40, 40)
    with pytest.raises(ValueError, match="no cell, so that there are no traces"):
        detector.transform(Movie(noise, RATE))


# How many are found


def test_cells_are_ordered_by_score_and_n_cells_takes_the_first(
    kind: Any, fitted: Any, frames: np.ndarray
) -> None:
    assert (np.diff(fitted.scores_) <= 0).all()
    few = kind(RADIUS, n_cells=3).fit(Movie(frames, RATE))
    for name in ("centres_", "radii_", "scores_", "masks_"):
        np.testing.assert_array_equal(getattr(few, name), getattr(fitted, name)[:3])


def test_fewer_cells_than_asked_for_are_a_warning(kind: Any, frames: np.ndarray) -> None:
    with pytest.warns(UserWarning, match=r"found \d+ of 500 cells") as caught:
        detector = kind(RADIUS, n_cells=500).fit(frames)
    assert len(caught) == 1
    assert len(detector.centres_) < 500


def test_a_higher_min_score_leaves_a_part_of_the_cells(
    kind: Any, fitted: Any, frames: np.ndarray
) -> None:
    least = float(np.quantile(fitted.scores_, 0.25))
    strict = kind(RADIUS, min_score=least).fit(Movie(frames, RATE))
    assert 0 < len(strict.centres_) < len(fitted.centres_)
    np.testing.assert_array_equal(strict.centres_, fitted.centres_[: len(strict.centres_)])


# Laws


def test_a_fit_is_repeated_and_leaves_global_random_states_alone(
    kind: Any, fitted: Any, frames: np.ndarray
) -> None:
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    same_cells(kind(RADIUS).fit(Movie(frames, RATE)), fitted)
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])
    assert torch.equal(torch.get_rng_state(), before[1])


def test_a_detector_is_cloned_and_pickled(fitted: Any, frames: np.ndarray) -> None:
    movie = Movie(frames, RATE)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(movie).traces, fitted.transform(movie).traces)
    fresh = clone(fitted).set_params(n_cells=2, min_score=0.5)
    assert fresh.get_params()["n_cells"] == 2
    assert fresh.get_params()["radius"] == RADIUS
    with pytest.raises(NotFittedError):
        fresh.transform(movie)


def test_cells_move_with_the_movie(kind: Any) -> None:
    centres = PLACES + np.array([20, 16])
    whole = np.asarray(rendered(centres, 160, (80, 96)).movie.frames)
    one, other = (
        kind(RADIUS, n_cells=5).fit(whole[:, y : y + 64, x : x + 80]).centres_ + np.array([x, y])
        for x, y in ((8, 10), (13, 6))
    )
    for found in (one, other):
        assert len(pairs(found, centres, 0.5 * RADIUS)) == 5
    matched = pairs(one, other)
    # The borders of the image differ, and filters near them, too.
    np.testing.assert_allclose(one[matched[:, 0]], other[matched[:, 1]], atol=0.15 * RADIUS)


def test_units_of_the_movie_do_not_matter(kind: Any, fitted: Any, frames: np.ndarray) -> None:
    other = kind(RADIUS).fit(Movie(3 * frames.astype(np.float32) + 100, RATE))
    assert len(other.centres_) == len(fitted.centres_)
    np.testing.assert_allclose(other.centres_, fitted.centres_, atol=0.02)
    np.testing.assert_allclose(other.scores_, fitted.scores_, rtol=0.01)
    traces = fitted.transform(Movie(frames, RATE)).traces
    scaled = fitted.transform(Movie(3 * frames.astype(np.float32) + 100, RATE)).traces
    np.testing.assert_allclose(scaled, 3 * traces + 100, rtol=1e-3)


def test_the_type_of_the_frames_does_not_matter(
    kind: Any, fitted: Any, frames: np.ndarray, tmp_path: Path
) -> None:
    traces = fitted.transform(Movie(frames, RATE)).traces
    np.save(tmp_path / "movie.npy", frames)
    for movie in (Movie(frames.astype(np.float32), RATE), read_movie(tmp_path / "movie.npy", RATE)):
        same_cells(kind(RADIUS).fit(movie), fitted)
        np.testing.assert_array_equal(fitted.transform(movie).traces, traces)


# Traces


def test_traces_carry_what_is_known_of_them(fitted: Any, frames: np.ndarray) -> None:
    movie = Movie(frames, RATE, metadata={"synthetic": True, "t_start": 2.0, "indicator": "x"})
    recording = fitted.transform(movie)
    assert recording.traces.shape == (160, len(fitted.centres_))
    assert recording.frame_rate == RATE
    assert recording.units == "a.u."
    np.testing.assert_array_equal(recording.metadata["positions"], fitted.centres_)
    assert recording.metadata["synthetic"] is True
    assert recording.metadata["t_start"] == 2.0
    assert "synthetic" not in fitted.transform(Movie(frames, RATE)).metadata


def test_traces_are_read_from_another_movie_of_the_cells(
    kind: Any, small: SimulatedMovie, frames: np.ndarray
) -> None:
    detector = kind(RADIUS, n_cells=4).fit(frames[:100])
    traces = detector.transform(Movie(frames, RATE)[100:]).traces
    assert traces.shape == (60, 4)
    matched = pairs(detector.centres_, small.centres)
    assert len(matched) == 4
    for i, k in matched:
        assert np.corrcoef(traces[:, i], small.calcium[100:, k])[0, 1] > 0.9


def test_traces_are_the_mean_fluorescence_of_a_cell_alone() -> None:
    # Without noise, a cell on an even background gives a trace that is known.
    y, x = np.mgrid[:40, :40]
    footprint = np.exp(-((x - 19) ** 2 + (y - 21) ** 2) / 20.0)
    activity = population(1, 120).traces[:, 0]
    noise = np.random.default_rng(0).standard_normal((120, 40, 40))
    clean = 50 + 100 * activity[:, None, None] * footprint
    detector = CellDetector(RADIUS, n_cells=1).fit(clean + noise)
    np.testing.assert_allclose(detector.centres_, [[19, 21]], atol=0.2)
    mask = detector.masks_[0]
    trace = detector.transform(Movie(clean, RATE)).traces[:, 0]
    np.testing.assert_allclose(trace, (clean * mask).sum((1, 2)) / mask.sum(), rtol=0.05)


def test_traces_become_changes_of_fluorescence(fitted: Any, frames: np.ndarray) -> None:
    recording = delta_f_over_f(fitted.transform(Movie(frames, RATE)))
    assert recording.units == "dF/F"
    assert np.isfinite(recording.traces).all()
    assert "positions" in recording.metadata


def test_a_long_movie_is_averaged_and_read_in_full(kind: Any) -> None:
    truth = rendered([[8, 8], [16, 15]], 4000, (24, 24), radius=4)
    detector = kind(4, n_cells=2)
    recording = detector.fit_transform(truth.movie)
    matched = pairs(detector.centres_, truth.centres)
    assert len(matched) == 2
    assert recording.traces.shape == (4000, 2)
    assert correlations(recording.traces, truth, matched).min() > 0.9


# What is refused


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (np.full((30, 40, 40), 7.0), "X does not change over time"),
        (np.zeros((30, 40, 40), np.uint8), "X does not change over time"),
        (np.ones((9, 40, 40)), "X has 9 frames of 40 x 40 pixels, but .* at least 10 frames"),
        (np.ones((30, 19, 40)), r"30 frames of 19 x 40 .* 4 radii \(20 pixels\) on each side"),
        (np.ones((30, 40, 40, 3)), r"X must be a movie .* if it is in colour"),
        (np.ones((40, 40)), r"pass X\[None\] if it is a single frame"),
        ("movie.tif", "read the file with calgan.read_movie"),
        (population(5, 100), "Recording, which holds traces and no frames"),
    ],
    ids=["constant", "black", "short", "small", "colour", "image", "path", "recording"],
)
def test_what_is_no_movie_of_cells_is_refused(kind: Any, wrong: Any, sentence: str) -> None:
    with pytest.raises((TypeError, ValueError), match=sentence):
        kind(RADIUS).fit(wrong)


def test_frames_in_the_last_axis_are_warned_of(kind: Any, frames: np.ndarray) -> None:
    turned = np.moveaxis(frames[:, :40, :40], 0, -1)
    with pytest.warns(UserWarning, match="if the last axis is time, pass np.moveaxis") as told:
        kind(RADIUS, n_cells=1).fit(turned)
    assert {each.filename for each in told} == {__file__}


def test_nan_is_named(kind: Any, frames: np.ndarray, fitted: Any) -> None:
    broken = frames.astype(np.float32)
    broken[31, 7, 5] = np.nan
    for use in (kind(RADIUS).fit, fitted.transform):
        with pytest.raises(ValueError, match="frame 31 at pixel x = 5, y = 7"):
            use(Movie(broken, RATE))


def test_saturation_is_a_warning(kind: Any, frames: np.ndarray) -> None:
    bright = (frames * (512.0 / frames.max())).clip(0, 255).astype(np.uint8)
    with pytest.warns(UserWarning, match="largest of their type, uint8: what is brighter was cut"):
        kind(RADIUS, n_cells=1).fit(bright)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kind(RADIUS, n_cells=1).fit(bright.astype(np.uint16))


def test_a_movie_that_does_not_fit_the_cells_is_refused(fitted: Any, frames: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"frame rate is unknown: pass calgan.Movie\(frames"):
        fitted.transform(frames)
    with pytest.raises(ValueError, match="frames of 40 x 56 pixels, but fit had 48 x 56"):
        fitted.transform(Movie(frames[:, :40], RATE))


@pytest.mark.parametrize(
    "wrong",
    [
        {"radius": 0},
        {"radius": "5"},
        {"n_cells": 0},
        {"n_cells": 2.5},
        {"min_score": -1},
        {"min_score": None},
    ],
    ids=str,
)
def test_wrong_parameters_are_named(kind: Any, wrong: dict[str, Any], frames: np.ndarray) -> None:
    (name,) = wrong
    with pytest.raises((TypeError, ValueError), match=f"{name} must be"):
        kind(**wrong).fit(frames)


def blinking_discs(
    n_frames: int, side: int, centres: list[tuple[int, int]], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return discs of radius 6 that blink in noise (T, H, W), and their brightness (T, N)."""
    rng = np.random.default_rng(seed)
    brightness = rng.random((n_frames, len(centres))) < 0.05
    brightness = lfilter([40.0], [1, -0.8], brightness, axis=0)
    rows, columns = np.indices((side, side))
    frames = rng.integers(90, 110, (n_frames, side, side), dtype=np.uint8)
    for (x, y), course in zip(centres, brightness.T, strict=True):
        inside = np.hypot(columns - x, rows - y) <= 6
        frames[:, inside] += np.minimum(course, 140).astype(np.uint8)[:, None]
    return frames, brightness


def test_light_that_flickers_everywhere_is_not_in_the_traces(kind: Any) -> None:
    frames, brightness = blinking_discs(200, 64, [(5, 6), (40, 30)], seed=0)
    flicker = 30 * np.random.default_rng(1).random(200)
    movie = Movie(frames + flicker[:, None, None], RATE)
    detector = kind(6, n_cells=2).fit(movie)
    traces = detector.transform(movie).traces
    order = np.argsort(detector.centres_[:, 0])
    for trace, course in zip(traces.T[order], brightness.T, strict=True):
        assert np.corrcoef(trace, course)[0, 1] > 0.95
        assert abs(np.corrcoef(trace, flicker - flicker.mean())[0, 1]) < 0.2


def test_traces_go_with_the_radius_of_fit(kind: Any, fitted: Any, frames: np.ndarray) -> None:
    movie = Movie(frames, RATE)
    changed = pickle.loads(pickle.dumps(fitted)).set_params(radius=2.0)
    np.testing.assert_array_equal(changed.transform(movie).traces, fitted.transform(movie).traces)


def test_a_movie_that_memory_does_not_hold_is_searched_with_larger_pixels() -> None:
    centres = [(20, 30), (100, 50), (150, 160)]
    frames, brightness = blinking_discs(3000, 191, centres, seed=0)
    movie = Movie(frames, RATE)
    detector = CellDetector(6, n_cells=3).fit(movie)
    assert detector.masks_.shape == (3, 191, 191)
    assert detector.radii_ == pytest.approx(6, rel=0.3)
    apart = np.linalg.norm(detector.centres_[:, None] - np.array(centres)[None], axis=2)
    nearest = apart.argmin(axis=0)
    assert apart.min(axis=0).max() < 0.7
    for k, trace in enumerate(detector.transform(movie).traces.T[nearest]):
        assert np.corrcoef(trace, np.minimum(brightness[:, k], 140))[0, 1] > 0.95


def test_averages_over_seconds_are_told() -> None:
    still = np.random.default_rng(0).integers(0, 9, (12_000, 24, 24), dtype=np.uint8)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        CellDetector(6, max_iter=1).fit(Movie(still, 2.0))
    (told_,) = [each for each in told if "averages 4 frames (2 s)" in str(each.message)]
    assert told_.filename == __file__


@pytest.mark.parametrize("flashes", [[200], [200, 204]])
@pytest.mark.parametrize("flash", ["brighter", "lit"])
def test_a_flash_changes_no_score_and_is_told(kind: Any, flash: str, flashes: list[int]) -> None:
    # A cell that is seen six times in 40 s.
    rng = np.random.default_rng(0)
    onsets = np.isin(np.arange(400), [20, 80, 150, 230, 300, 370])
    activity = lfilter([1.0], [1.0, -0.9], onsets)
    y, x = np.mgrid[:32, :32]
    footprint = np.exp(-((x - 15) ** 2 + (y - 17) ** 2) / 18.0)
    frames = rng.normal(100, 5, (400, 32, 32)) + 30 * activity[:, None, None] * footprint
    expected = kind(4, n_cells=1).fit(Movie(frames, RATE))
    frames[flashes] = 10 * frames[flashes] if flash == "brighter" else frames[flashes] + 10_000
    with pytest.warns(
        UserWarning, match=r"X flashes near frame 200( and later)?: most pixels"
    ) as told:
        detector = kind(4, n_cells=1).fit(Movie(frames, RATE))
    assert {each.filename for each in told} == {__file__}
    np.testing.assert_allclose(detector.centres_, expected.centres_, atol=0.5)
    np.testing.assert_allclose(detector.scores_, expected.scores_, rtol=0.1)


def test_repeated_frames_do_not_hide_cells(kind: Any, easy: SimulatedMovie) -> None:
    frames = np.repeat(np.asarray(easy.movie.frames), 3, axis=0)
    # At this rate, frames are not averaged.
    detector = kind(RADIUS, n_cells=16).fit(Movie(frames, RATE / 3))
    assert f1(detector, easy.centres) >= 0.75


def test_transients_score_above_what_goes_up_and_down_alike() -> None:
    rng = np.random.default_rng(0)
    transients = lfilter([1.0], [1.0, -0.9], rng.random(600) < 0.02)
    waves = lfilter([1.0], [1.0, -0.9], rng.standard_normal(600))
    y, x = np.mgrid[:48, :64]
    frames = rng.normal(100, 1, (600, 48, 64))
    for course, column in ((transients, 16), (waves, 46)):
        footprint = np.exp(-((x - column) ** 2 + (y - 24) ** 2) / 18.0)
        frames += 10 * (course / course.std())[:, None, None] * footprint
    detector = CellDetector(4, min_score=0.0).fit(Movie(frames, RATE))
    near = [np.hypot(*(detector.centres_ - [column, 24]).T) < 2 for column in (16, 46)]
    transient, wave = (detector.scores_[each].max() for each in near)
    assert transient > 1
    assert wave < 0.3 * transient


def test_fast_frames_are_averaged_if_their_rate_is_known() -> None:
    # 60 frames per second, so dim that a frame shows no cell.
    truth = make_movie(
        population(9, 400, 1), (72, 72), photons=100.0, radius=RADIUS, neuropil=0.0, random_state=1
    )
    fast = np.repeat(np.asarray(truth.expected), 6, axis=0)
    noise = np.random.default_rng(0).standard_normal(fast.shape).astype(np.float32)
    fast = fast + np.ptp(fast) * noise
    known, unknown = (
        len(pairs(CellDetector(RADIUS, min_score=0.0).fit(each).centres_, truth.centres))
        for each in (Movie(fast, 60.0), fast)
    )
    assert known > unknown


@pytest.mark.parametrize("amplitude", [3, 30])
def test_bright_cells_stay_where_they_are(amplitude: float) -> None:
    # Dim cells that are added beside a bright one do not push it away.
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:48, :64]
    frames = rng.normal(100, 1, (600, 48, 64))
    for column in (16, 46):
        course = lfilter([1.0], [1.0, -0.9], rng.random(600) < 0.02)
        footprint = np.exp(-((x - column) ** 2 + (y - 24) ** 2) / 18.0)
        frames += amplitude * (course / course.std())[:, None, None] * footprint
    detector = CellDetector(4, n_cells=2).fit(Movie(frames, RATE))
    order = np.argsort(detector.centres_[:, 0])
    np.testing.assert_allclose(detector.centres_[order], [[16, 24], [46, 24]], atol=0.2)
