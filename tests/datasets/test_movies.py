"""Simulated movies have the truth they state: cells, calcium, light, noise and motion."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import center_of_mass
from scipy.ndimage import shift as moved
from scipy.spatial.distance import pdist

from calgan import CalciumFactorModel, Movie, Recording
from calgan.datasets import SimulatedMovie, make_movie, make_recording

SMALL: dict[str, Any] = {"shape": (48, 64), "n_neurons": 5, "radius": 4.0, "random_state": 0}


def frames_of(movie: Movie) -> np.ndarray:
    return np.asarray(movie.frames[:], dtype=float)


def silent(n_frames: int, **options: Any) -> SimulatedMovie:
    """A movie of cells at rest: every frame has the same expectation."""
    recording = Recording(np.zeros((n_frames, 4)), 10.0)
    return make_movie(recording, (24, 32), radius=4.0, min_distance=6.0, random_state=1, **options)


@pytest.fixture(scope="module")
def bright() -> SimulatedMovie:
    return make_movie(**SMALL, duration=40.0, photons=1e5, neuropil=0.0, gain=0.05)


def test_a_plain_call_makes_a_movie() -> None:
    truth = make_movie(random_state=0)
    assert repr(truth) == "SimulatedMovie(30 cells, 600 frames of 128 x 128 pixels)"
    assert truth.movie.shape == truth.expected.shape == (600, 128, 128)
    assert truth.movie.frame_rate == truth.expected.frame_rate == 10.0
    assert truth.movie.metadata["synthetic"] is True
    assert truth.movie.frames.dtype == np.uint16
    assert truth.masks.shape == (30, 128, 128)
    assert truth.masks.dtype == truth.calcium.dtype == truth.background.dtype == np.float32
    assert truth.calcium.shape == truth.spikes.shape == (600, 30)
    assert truth.centres.shape == (30, 2)
    assert truth.shifts.shape == (600, 2)
    assert not truth.shifts.any()
    for array in (truth.masks, truth.calcium, truth.centres, truth.background, truth.shifts):
        assert not array.flags.writeable


@pytest.mark.parametrize("imaging", ["two-photon", "one-photon"])
def test_frames_are_background_plus_masks_times_calcium(imaging: str) -> None:
    truth = make_movie(**SMALL, duration=20.0, imaging=imaging, neuropil=0.0, gain=3.0)
    expected = 3.0 * (truth.background + np.tensordot(truth.calcium, truth.masks, 1))
    np.testing.assert_allclose(frames_of(truth.expected), expected, rtol=1e-5)
    # Neuropil varies in time; the mean over frames still holds.
    truth = make_movie(**SMALL, duration=20.0, imaging=imaging, gain=3.0)
    mean = 3.0 * (truth.background + np.tensordot(truth.calcium.mean(axis=0), truth.masks, 1))
    np.testing.assert_allclose(frames_of(truth.expected).mean(axis=0), mean, rtol=1e-4)


def test_noise_is_that_of_photons_and_of_the_camera() -> None:
    gain, read_noise, n_frames = 7.0, 3.0, 2000
    truth = silent(n_frames, photons=20.0, read_noise=read_noise, gain=gain, dtype="float32")
    counts = frames_of(truth.movie)
    np.testing.assert_allclose(frames_of(truth.expected[:1])[0], gain * truth.background, rtol=1e-5)
    variance = gain**2 * (truth.background + read_noise**2)
    # Errors of means and variances are those of n frames; six of them are never seen.
    assert np.all(
        np.abs(counts.mean(axis=0) - gain * truth.background) < 6 * np.sqrt(variance / n_frames)
    )
    np.testing.assert_allclose(counts.var(axis=0), variance, rtol=8 * np.sqrt(2 / n_frames))
    np.testing.assert_allclose(counts.var(axis=0).mean(), variance.mean(), rtol=0.01)
    # Neither over time nor between pixels is noise correlated.
    noise = (counts - counts.mean(axis=0)) / counts.std(axis=0)
    assert abs((noise[1:] * noise[:-1]).mean()) < 0.004
    assert abs((noise[:, 1:] * noise[:, :-1]).mean()) < 0.004


def test_without_read_noise_counts_are_whole_photons() -> None:
    counts = frames_of(silent(20, photons=5.0, read_noise=0.0, gain=1.0).movie)
    counts_float = frames_of(silent(20, photons=5.0, read_noise=0.0, gain=1.0, dtype="f4").movie)
    np.testing.assert_array_equal(counts, counts_float)
    np.testing.assert_array_equal(counts, np.round(counts))


def test_counts_saturate() -> None:
    truth = silent(5, photons=5000.0, gain=30.0)
    assert frames_of(truth.movie).max() == 65535
    assert frames_of(truth.expected).max() > 100_000
    dark = silent(50, photons=1e-3, read_noise=2.0)
    assert frames_of(dark.movie).min() == 0
    assert frames_of(silent(50, photons=1e-3, read_noise=2.0, dtype=np.float32).movie).min() < 0


def test_masks_return_the_calcium(bright: SimulatedMovie) -> None:
    flat = bright.masks.reshape(len(bright.masks), -1)
    traces = (frames_of(bright.movie).reshape(len(bright.calcium), -1) @ flat.T) / flat.sum(axis=1)
    for trace, calcium in zip(traces.T, bright.calcium.T, strict=True):
        assert np.corrcoef(trace, calcium)[0, 1] > 0.99


def test_calcium_follows_the_spikes(bright: SimulatedMovie) -> None:
    assert bright.calcium.min() >= 0
    rises = np.diff(bright.calcium, axis=0) > 0
    np.testing.assert_array_equal(rises, bright.spikes[1:] > 0)


def test_masks_are_cells_around_their_centres() -> None:
    truth = make_movie(**SMALL, nucleus=0.0, radius_spread=0.0, duration=1.0)
    np.testing.assert_allclose(truth.masks.max(axis=(1, 2)), 1.0)
    assert truth.masks.min() >= 0
    for mask, centre in zip(truth.masks, truth.centres, strict=True):
        assert center_of_mass(mask)[::-1] == pytest.approx(centre, abs=0.15)
        assert np.sqrt((mask > 0.5).sum() / np.pi) == pytest.approx(4.0, rel=0.15)
    ring = make_movie(**SMALL, nucleus=0.5, duration=1.0)
    disc = make_movie(**SMALL, nucleus=0.0, duration=1.0)
    columns, rows = np.round(truth.centres).astype(int).T
    assert np.all(ring.masks[range(5), rows, columns] < 0.6)
    assert np.all(disc.masks[range(5), rows, columns] > 0.9)
    np.testing.assert_array_equal(
        truth.footprints.toarray().reshape(truth.masks.shape), truth.masks
    )


def test_one_photon_movies_are_blurred_bright_and_dark_in_the_corners() -> None:
    two, one = (
        make_movie(**SMALL, duration=60.0, imaging=imaging, nucleus=0.0)
        for imaging in ("two-photon", "one-photon")
    )
    np.testing.assert_array_equal(one.centres, two.centres)
    assert np.all((one.masks > 0).sum(axis=(1, 2)) > (two.masks > 0).sum(axis=(1, 2)))
    contrast = [truth.calcium.max() / truth.background.mean() for truth in (one, two)]
    assert contrast[0] < contrast[1] / 5
    even = make_movie(**SMALL, duration=1.0, imaging="one-photon", vignetting=0.0)
    dark = make_movie(**SMALL, duration=1.0, imaging="one-photon", vignetting=0.4)
    ratio = dark.background / even.background
    assert ratio[[0, 0, -1, -1], [0, -1, 0, -1]] == pytest.approx(0.6, rel=1e-4)
    assert ratio[23:25, 31:33] == pytest.approx(1.0, abs=1e-3)
    # What lies outside every cell follows the population.
    outside = frames_of(one.expected)[:, ~(one.masks > 0).any(axis=0)].mean(axis=1)
    assert np.corrcoef(outside, one.calcium.mean(axis=1))[0, 1] > 0.6


def test_the_neuropil_varies_as_stated() -> None:
    none, some = (
        make_movie(**SMALL, photons=50.0, gain=1.0, neuropil=level) for level in (0.0, 0.4)
    )
    difference = frames_of(some.expected) - frames_of(none.expected)
    assert difference.min() > -1e-3
    assert difference.std(axis=0).mean() == pytest.approx(0.4 * 50.0, rel=0.15)


def test_motion_shifts_the_tissue_by_the_stated_pixels() -> None:
    options: dict[str, Any] = {**SMALL, "radius": 6.0, "duration": 30.0, "neuropil": 0.0}
    still, moving = make_movie(**options), make_movie(**options, motion=1.5)
    assert np.sqrt((moving.shifts**2).sum(axis=1).mean()) == pytest.approx(1.5, rel=1e-5)
    assert np.abs(moving.shifts % 1 - 0.5).min() < 0.05  # of parts of pixels, too
    np.testing.assert_array_equal(still.calcium, moving.calcium)
    np.testing.assert_array_equal(still.masks, moving.masks)
    inner = slice(12, -12), slice(12, -12)
    for t in range(0, 300, 29):
        frame = frames_of(moving.expected[t : t + 1])[0] / 20.0
        cells = np.tensordot(moving.calcium[t], moving.masks, 1)
        x, y = moving.shifts[t]
        wanted = moved(cells + moving.background, (y, x), order=3, mode="nearest")
        error = (frame - wanted)[inner]
        assert np.abs(error).max() < 0.03 * np.ptp(wanted)


def test_a_seed_makes_the_same_frames_however_they_are_read() -> None:
    truth, again = (make_movie(**SMALL, duration=3.0, motion=1.0) for _ in range(2))
    whole = frames_of(truth.movie)
    np.testing.assert_array_equal(whole, frames_of(again.movie))
    np.testing.assert_array_equal(whole, np.concatenate([x for _, x in truth.movie.chunks(7)]))
    np.testing.assert_array_equal(whole[11], truth.movie.frames[11])
    np.testing.assert_array_equal(whole[9:11], truth.movie[5:].frames[4:6])
    np.testing.assert_array_equal(whole[[4, 2], 3], truth.movie.frames[[4, 2], 3])
    np.testing.assert_array_equal(whole, frames_of(pickle.loads(pickle.dumps(truth)).movie))
    assert len(np.unique(whole.sum(axis=(1, 2)))) > 25
    other = make_movie(**{**SMALL, "random_state": 1}, duration=3.0)
    assert not np.array_equal(other.masks, truth.masks)
    assert not np.array_equal(make_movie(duration=1.0).centres, make_movie(duration=1.0).centres)


def test_the_cells_of_a_seed_do_not_depend_on_the_camera() -> None:
    first = make_movie(**SMALL, duration=3.0)
    second = make_movie(**SMALL, duration=3.0, read_noise=4.0, gain=2.0, motion=2.0, photons=99.0)
    np.testing.assert_array_equal(first.masks, second.masks)
    np.testing.assert_array_equal(first.spikes, second.spikes)


def test_no_global_random_state_is_touched() -> None:
    before = str(np.random.get_state())
    frames_of(make_movie(**{**SMALL, "random_state": None}, duration=1.0).movie)
    assert str(np.random.get_state()) == before


@pytest.mark.parametrize(("min_distance", "overlaps"), [(3.0, True), (12.0, False)])
def test_the_distance_of_centres_decides_on_overlap(min_distance: float, overlaps: bool) -> None:
    options: dict[str, Any] = {"n_neurons": 15, "duration": 1.0, "radius": 5.0, "random_state": 0}
    truth = make_movie(shape=(60, 80), min_distance=min_distance, **options)
    closest = pdist(truth.centres).min()
    assert min_distance <= closest < 2 * min_distance + 3
    assert np.all((truth.centres >= 5.0) & (truth.centres <= np.array([79, 59]) - 5.0))
    assert ((truth.masks > 0.5).sum(axis=0).max() > 1) == overlaps


def test_centres_can_be_given() -> None:
    recording, _ = make_recording(5.0, n_neurons=3, random_state=0)
    centres = [[10, 20.5], [0, 0], [31, 23]]
    truth = make_movie(recording, (24, 32), centres=centres, radius=3.0, random_state=0)
    np.testing.assert_array_equal(truth.centres, centres)
    assert truth.masks[1, 0, 0] > 0
    assert truth.masks[2, 23, 31] > 0


def test_traces_of_a_recording_are_rendered() -> None:
    recording, _ = make_recording(20.0, n_neurons=6, frame_rate=5.0, random_state=0)
    truth = make_movie(recording, random_state=0)
    assert truth.movie.frame_rate == 5.0
    assert truth.spikes is None
    ratio = truth.calcium / recording.traces
    np.testing.assert_allclose(ratio, np.tile(ratio[:1], (100, 1)), rtol=1e-4)
    assert 4 < ratio.mean() < 25  # photons of cells at rest


def test_the_calcium_behind_the_traces_is_rendered_where_it_is_known() -> None:
    recording, _ = make_recording(60.0, n_neurons=4, random_state=0)
    model = CalciumFactorModel(frame_rate=10.0, max_iter=2, verbose=0, random_state=0)
    drawn = model.fit(recording.traces.reshape(6, 100, 4)).sample_recording(20.0, random_state=0)
    drawn = Recording(drawn.traces, 10.0, metadata=drawn.metadata)
    truth = make_movie(drawn, random_state=0)
    components = drawn.metadata["components"]
    np.testing.assert_array_equal(truth.spikes, components.spikes)
    for cell in range(4):
        if components.calcium[:, cell].std() > 0:
            calcium = truth.calcium[:, cell], components.calcium[:, cell]
            assert np.corrcoef(*calcium)[0, 1] > 0.9999


def test_movies_of_one_frame_and_of_silent_cells_are_made() -> None:
    one = make_movie(Recording(np.zeros((1, 1)), 10.0), motion=1.0, random_state=0)
    assert frames_of(one.movie).shape == (1, 128, 128)
    assert np.isfinite(frames_of(one.expected)).all()
    assert not one.calcium.any()
    as_many_frames_as_rows = make_movie(**SMALL, duration=4.8)  # which Movie would wonder at
    assert as_many_frames_as_rows.movie.shape == (48, 48, 64)


def test_light_is_never_negative() -> None:
    recording = Recording(np.full((9, 2), -5.0), 10.0)
    truth = make_movie(recording, (32, 32), radius=3.0, random_state=0)
    assert frames_of(truth.expected).min() >= 0


NAN = Recording(np.array([[0.0], [0.0], [np.nan], [0.0]]), 1.0, segments=[[0, 2], [3, 4]])


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"recording": np.zeros((5, 2))}, TypeError, "recording must be a Recording or None"),
        ({"recording": Recording(np.ones((5, 2)), 1.0, units="a.u.")}, ValueError, "in dF/F, but"),
        ({"recording": NAN}, ValueError, "make the movie of one segment"),
        ({"recording": Recording(np.ones((5, 2)), 1.0), "duration": 3.0}, ValueError, "its own"),
        ({"shape": 64}, TypeError, r"\(height, width\) in pixels, got 64"),
        ({"shape": (64, 64, 3)}, TypeError, r"\(height, width\) in pixels"),
        ({"shape": (64, 2)}, ValueError, r"shape\[1\] must be an integer of at least 16"),
        ({"shape": (64, 64.0)}, TypeError, r"shape\[1\] must be an integer"),
        ({"n_neurons": 0}, ValueError, "n_neurons must be an integer of at least 1"),
        ({"n_neurons": 500}, ValueError, "500 cells of radius 6 that lie 15 pixels apart do not"),
        ({"radius": 100}, ValueError, "30 cells of radius 100 .* do not fit in 128 x 128 pixels"),
        ({"duration": 0.0}, ValueError, "duration must be finite and hold at least one frame"),
        ({"frame_rate": -1.0}, ValueError, "frame_rate must be a positive"),
        ({"imaging": "light-field"}, ValueError, "imaging must be 'two-photon' or 'one-photon'"),
        ({"radius": 0.5}, ValueError, "radius must be a finite number at least 1"),
        ({"radius_spread": 0.5}, ValueError, "radius_spread must be"),
        ({"min_distance": -1}, ValueError, "min_distance must be a finite number at least 0"),
        ({"nucleus": 1.0}, ValueError, "nucleus must be a finite number at least 0 and below 1"),
        ({"photons": 0}, ValueError, "photons must be a finite number above 0"),
        ({"neuropil": "much"}, ValueError, "neuropil must be a finite number"),
        ({"vignetting": 1}, ValueError, "vignetting must be a finite number"),
        ({"read_noise": -1}, ValueError, "read_noise must be a finite number at least 0"),
        ({"gain": 0}, ValueError, "gain must be a finite number above 0"),
        ({"motion": 100}, ValueError, "motion must be a finite number at least 0 and below 32"),
        ({"dtype": "uint8"}, ValueError, "dtype must be 'uint16' or 'float32', got 'uint8'"),
        ({"dtype": "photons"}, ValueError, "dtype must be 'uint16' or 'float32', got 'photons'"),
        ({"random_state": -1}, ValueError, "random_state must not be negative"),
        ({"centres": np.zeros((3, 2))}, ValueError, "for each of the 30 cells, got shape"),
        ({"centres": np.full((30, 2), np.nan)}, ValueError, "centres contains NaN"),
        ({"centres": np.full((30, 2), 200)}, ValueError, r"at \(200, 200\), outside the frame"),
    ],
    ids=lambda x: "-".join(x) if isinstance(x, dict) else "",
)  # fmt: skip
def test_wrong_arguments_are_refused(options: dict[str, Any], error: type, sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        make_movie(**options)
