"""dF/F is the change from a running baseline, whatever the drift, the neuropil and the offset."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from calgan import Recording
from calgan.datasets import load_zebrafish_tectum, make_recording
from calgan.io import delta_f_over_f, find_artefacts

RATE = 10.0


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    """Return dF/F of 8 neurons over 200 s."""
    return make_recording(200.0, n_neurons=8, frame_rate=RATE, random_state=0)[0].traces


@pytest.fixture(scope="module")
def raw(truth: np.ndarray) -> np.ndarray:
    """Return counts of these neurons, whose baseline bleaches."""
    drift = np.exp(-np.arange(len(truth)) / 2000)[:, None]
    return np.linspace(200.0, 900.0, 8) * drift * (1 + truth)


def by_force(traces: np.ndarray, around: int, percentile: float) -> np.ndarray:
    """Return dF/F by a percentile of each frame's own window."""
    f0 = np.array(
        [
            np.percentile(traces[max(0, t - around) : t + around + 1], percentile, axis=0)
            for t in range(len(traces))
        ]
    )
    return (traces - f0) / f0


@pytest.mark.parametrize(("window", "percentile"), [(60.0, 8.0), (30.0, 20.0), (500.0, 8.0)])
def test_the_baseline_is_a_running_percentile(
    raw: np.ndarray, window: float, percentile: float
) -> None:
    found = delta_f_over_f(raw, RATE, window=window, percentile=percentile)
    expected = by_force(raw, round(window * RATE / 2), percentile)
    error = np.abs(found - expected)
    assert found.dtype == np.float32
    assert error.mean() < 0.01 * expected.std()
    assert error.max() < 0.35 * expected.std()


def test_drift_and_neuropil_are_taken_away(truth: np.ndarray, raw: np.ndarray) -> None:
    around = 0.5 * raw.mean(axis=0) * (1.2 + np.sin(np.arange(len(raw)) / 50))[:, None]
    found = delta_f_over_f(raw + 0.6 * around, RATE, neuropil=around, neuropil_coefficient=0.6)
    np.testing.assert_allclose(found, delta_f_over_f(raw, RATE), atol=1e-3)
    for n in range(8):
        assert np.corrcoef(found[:, n], truth[:, n])[0, 1] > 0.98
        # A percentile below the resting fluorescence makes dF/F larger by the noise's share.
        assert 0.8 < np.polyfit(truth[:, n], found[:, n], 1)[0] < 1.3


def test_one_baseline_for_all_needs_no_frame_rate(raw: np.ndarray) -> None:
    f0 = np.percentile(raw, 8, axis=0)
    np.testing.assert_allclose(delta_f_over_f(raw, window=None), (raw - f0) / f0, atol=1e-5)


def test_a_recording_keeps_what_is_known_and_its_segments_are_apart(raw: np.ndarray) -> None:
    raw = raw.copy()
    raw[900:] *= 5
    segments = [[0, 880], [900, 2000]]
    recording = Recording(raw, RATE, roi_ids=list("abcdefgh"), units="counts", segments=segments)
    found = delta_f_over_f(recording)
    assert found.units == "dF/F"
    assert found.roi_ids.tolist() == list("abcdefgh")
    assert found.segments.tolist() == segments
    assert np.isnan(found.traces[880:900]).all()
    for start, stop in segments:
        np.testing.assert_array_equal(
            found.traces[start:stop], delta_f_over_f(recording.traces[start:stop], RATE)
        )


def test_missing_values_stay_missing_and_change_no_other(raw: np.ndarray) -> None:
    gap = raw.copy()
    gap[500:503] = np.nan
    gap[:, 3] = np.nan
    found, whole = delta_f_over_f(gap, RATE), delta_f_over_f(raw, RATE)
    assert np.isnan(found[500:503]).all()
    assert np.isnan(found[:, 3]).all()
    rest = np.ones(gap.shape, dtype=bool)
    rest[500:503] = rest[:, 3] = False
    assert np.isfinite(found[rest]).all()
    assert np.abs(found - whole)[rest].max() < 0.1


def test_one_artefact_moves_no_baseline(raw: np.ndarray) -> None:
    artefact = raw.copy()
    artefact[700, 2] = 1e5
    found, whole = delta_f_over_f(artefact, RATE), delta_f_over_f(raw, RATE)
    found[700, 2] = whole[700, 2]
    np.testing.assert_allclose(found, whole, atol=0.01)


def test_a_cell_dimmer_than_its_neuropil_is_named_and_stays_finite(raw: np.ndarray) -> None:
    around = np.zeros_like(raw)
    around[:, [1, 5]] = 1.5 * raw[:, [1, 5]].mean(axis=0)
    with pytest.warns(UserWarning, match=r"2 of 8 neurons .* too small: 1, 5\.$"):
        found = delta_f_over_f(raw, RATE, neuropil=around)
    assert np.abs(found).max() < 50
    np.testing.assert_array_equal(found[:, 0], delta_f_over_f(raw, RATE)[:, 0])


def test_a_constant_has_no_change() -> None:
    constant = np.full((100, 3), 7.0)
    assert (delta_f_over_f(constant, RATE) == 0).all()


def test_few_frames_are_enough(raw: np.ndarray) -> None:
    assert np.isfinite(delta_f_over_f(raw[:3, :2], RATE)).all()
    assert (delta_f_over_f(raw[:1, :1], RATE) == 0).all()


def test_dff_and_z_scores_are_refused(truth: np.ndarray, raw: np.ndarray) -> None:
    scores = (raw - raw.mean(axis=0)) / raw.std(axis=0)
    for wrong in (truth, scores, delta_f_over_f(raw, RATE)):
        with pytest.raises(ValueError, match=r"looks like dF/F or z-scores already"):
            delta_f_over_f(wrong, RATE)


def test_wrong_arguments_are_one_sentence(raw: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a running baseline needs a frame rate"):
        delta_f_over_f(raw)
    with pytest.raises(ValueError, match="window must hold at least two frames"):
        delta_f_over_f(raw, RATE, window=0.1)
    with pytest.raises(ValueError, match=r"neuropil must have the shape \(2000, 8\)"):
        delta_f_over_f(raw, RATE, neuropil=raw.T)
    with pytest.raises(ValueError, match="percentile must be a finite number"):
        delta_f_over_f(raw, RATE, percentile=101)
    with pytest.raises(ValueError, match="frame rates differ"):
        delta_f_over_f(Recording(raw, RATE), 30.0)
    with pytest.raises(ValueError, match="neuropil_coefficient must be"):
        delta_f_over_f(raw, RATE, neuropil=raw, neuropil_coefficient=-1)


def test_counts_give_no_warning(raw: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        delta_f_over_f(raw.astype(np.uint16), RATE)


@pytest.mark.parametrize("frame_rate", [2.0, 10.0, 30.0])
@pytest.mark.parametrize("n_neurons", [1, 3, 30])
def test_simulated_recordings_have_no_artefacts(n_neurons: int, frame_rate: float) -> None:
    for seed in range(5):
        recording, _ = make_recording(
            200.0, n_neurons=n_neurons, frame_rate=frame_rate, random_state=seed
        )
        assert not find_artefacts(recording).any()


def test_bursts_of_a_real_population_are_no_artefacts() -> None:
    assert not find_artefacts(load_zebrafish_tectum()).any()


@pytest.fixture(scope="module", params=["real", "simulated"])
def population(request: pytest.FixtureRequest) -> Recording:
    if request.param == "real":
        return load_zebrafish_tectum()
    return make_recording(200.0, n_neurons=30, random_state=0)[0]


@pytest.mark.parametrize("size", [3.0, -3.0])
@pytest.mark.parametrize("frames", [[700], [701, 702]])
def test_a_shared_jump_is_found(population: Recording, size: float, frames: list[int]) -> None:
    traces = population.traces.copy()
    traces[frames] += size * traces.std(axis=0)
    assert find_artefacts(population.with_traces(traces)).nonzero()[0].tolist() == frames


def test_an_absurd_value_is_found(population: Recording) -> None:
    traces = population.traces.copy()
    traces[700, 3], traces[0, 5], traces[-1, 5] = 1e5, -1e5, 1e5
    found = find_artefacts(population.with_traces(traces))
    assert found.nonzero()[0].tolist() == [0, 700, len(traces) - 1]
    rest = population.with_traces(traces).without_frames(found)
    assert not find_artefacts(rest).any()


def test_artefacts_outside_segments_are_none(population: Recording) -> None:
    traces = population.traces.copy()
    traces[695:700], traces[700] = np.nan, 1e5
    apart = Recording(traces, population.frame_rate, segments=[[0, 695], [701, 1500]])
    assert not find_artefacts(apart).any()


def test_constant_neurons_and_single_frames_have_no_artefacts() -> None:
    assert not find_artefacts(Recording(np.zeros((50, 30)), 10.0)).any()
    single = Recording(np.zeros((50, 30)), 10.0, segments=[[t, t + 1] for t in range(50)])
    assert not find_artefacts(single).any()


def test_artefacts_are_searched_in_recordings() -> None:
    with pytest.raises(TypeError, match="find_artefacts takes a Recording, got ndarray"):
        find_artefacts(np.zeros((50, 3)))  # type: ignore[arg-type]
