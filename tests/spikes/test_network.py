"""SpikeInferenceNetwork: what it infers, at which rates and in which units, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import calgan
from calgan import Recording, SpikeInferenceNetwork, Windower, read_recording
from calgan.datasets import make_recording
from calgan.metrics import spike_inference_scores

SMALL: dict[str, Any] = {
    "n_simulated": 0,
    "n_networks": 2,
    "filters": 12,
    "max_iter": 60,
    "verbose": 0,
}
# Seconds that the output of a frame depends on, on either side; a frame at 10 Hz more for safety.
REACH = 3.0


def ground_truth(seed: int, duration: float = 120.0, n_neurons: int = 5) -> Any:
    return make_recording(duration, n_neurons, random_state=seed)


def mean_r(true: Any, inferred: Any, rate: float, bin_width: float = 0.1) -> float:
    inferred = inferred.traces if isinstance(inferred, Recording) else inferred
    scores = spike_inference_scores(true, inferred, rate, bin_width=bin_width)
    return float(np.nanmean(scores["correlation"]))


@pytest.fixture(scope="module")
def trained() -> SpikeInferenceNetwork:
    """Networks that have seen three recordings of simulated populations, at three rates."""
    pairs = [make_recording(120.0, 5, frame_rate=rate, random_state=1) for rate in (10.0, 7.5, 30)]
    recordings, spikes = map(list, zip(*pairs, strict=True))
    settings = SMALL | {"filters": 16, "max_iter": 200}
    return SpikeInferenceNetwork(**settings, random_state=0).fit(recordings, spikes)


@pytest.fixture(scope="module")
def other() -> tuple[Recording, NDArray[np.float32]]:
    """A population that the networks have not seen."""
    return ground_truth(2)


# ---------------------------------------------------------------------- what is inferred


def test_spikes_of_neurons_that_were_not_seen_are_found(trained: Any, other: Any) -> None:
    recording, spikes = other
    found = trained.transform(recording)
    assert mean_r(spikes, found, 10.0) > 0.65
    assert mean_r(spikes, found, 10.0, bin_width=0.3) > 0.8
    np.testing.assert_allclose(found.traces.sum(), spikes.sum(), rtol=0.7)


def test_the_output_is_spikes_of_each_frame_and_never_negative(trained: Any, other: Any) -> None:
    recording, _ = other
    found = trained.transform(recording)
    assert isinstance(found, Recording)
    assert (found.shape, found.units, found.frame_rate) == (recording.shape, "spikes", 10.0)
    assert found.traces.dtype == np.float32
    assert found.traces.min() >= 0.0


@pytest.mark.parametrize("frame_rate", [2.5, 7.5, 15.0, 29.97, 100.0, 500.0])
def test_any_frame_rate_has_its_spikes_in_its_own_frames(trained: Any, frame_rate: float) -> None:
    recording, spikes = make_recording(60.0, 4, frame_rate=frame_rate, random_state=3)
    found = trained.transform(recording)
    assert found.shape == spikes.shape
    assert mean_r(spikes, found, frame_rate, bin_width=0.4) > 0.7


def test_gain_offset_and_precision_do_not_matter(trained: Any, other: Any) -> None:
    traces = other[0].traces[:600]
    expected = trained.transform(Recording(traces, 10.0)).traces
    for changed in (100.0 * traces, traces - 3.0, 0.1 * traces + 2.0, traces.astype(np.float64)):
        found = trained.transform(Recording(changed, 10.0)).traces
        np.testing.assert_allclose(found, expected, atol=2e-3)


def test_windows_and_whole_recordings_give_the_same_spikes(trained: Any, other: Any) -> None:
    recording, _ = other
    adapted = trained.adapt(recording)
    whole = adapted.transform(recording).traces
    windows = Windower(200, stride=100).fit_transform(recording)
    found = adapted.transform(windows)
    edge = int(10 * REACH)
    for start, window in zip(range(0, 1100, 100), found, strict=False):
        inside = whole[start + edge : start + 200 - edge]
        np.testing.assert_allclose(window[edge:-edge], inside, atol=1e-5)


def test_all_kinds_of_data_are_taken(trained: Any, other: Any) -> None:
    recording, _ = other
    adapted = trained.adapt(recording)
    traces = np.asarray(recording.traces)
    windows = traces[:1000].reshape(10, 100, 5)
    from_list = adapted.transform([traces[:500], recording[500:]])
    np.testing.assert_array_equal(from_list[0], adapted.transform(traces[:500]))
    assert isinstance(from_list[1], Recording)
    np.testing.assert_allclose(
        adapted.transform(windows)[3], adapted.transform(windows[3]), atol=1e-5
    )


def test_segments_are_inferred_apart_and_the_rest_is_0(trained: Any, other: Any) -> None:
    traces = np.array(other[0].traces)
    traces[400:420] = np.nan
    cut = Recording(traces, 10.0, segments=[[0, 400], [420, 1200]])
    found = trained.adapt(other[0]).transform(cut)
    assert not found.traces[400:420].any()
    alone = trained.adapt(other[0]).transform(other[0][:400])
    np.testing.assert_allclose(found.traces[:400], alone.traces, atol=1e-5)


def test_one_neuron_does_not_depend_on_the_others(trained: Any, other: Any) -> None:
    recording, _ = other
    alone = trained.transform(recording.select([3])).traces[:, 0]
    np.testing.assert_allclose(alone, trained.transform(recording).traces[:, 3], atol=1e-5)


def test_constant_neurons_have_no_spikes_and_are_named(trained: Any, other: Any) -> None:
    traces = np.array(other[0].traces)
    traces[:, 2] = 0.3
    with pytest.warns(UserWarning, match=r"1 of 5 neurons \(number 2\) are constant"):
        found = trained.transform(Recording(traces, 10.0)).traces
    assert not found[:, 2].any()
    assert found[:, 0].any()


@pytest.mark.parametrize("kind", ["denoised", "rectified", "saturated"])
def test_traces_of_other_kinds_than_ground_truth_are_named(
    kind: str, trained: Any, other: Any
) -> None:
    y = np.array(other[0].traces)
    if kind == "denoised":
        y[:, 2] = lfilter([1.0], [1.0, -0.9], other[1][:, 2])
    elif kind == "rectified":
        y[:, 2] = np.maximum(y[:, 2], np.median(y[:, 2]))
    else:
        y[:, 2] = np.minimum(y[:, 2], np.percentile(y[:, 2], 98.0))
    with pytest.warns(UserWarning, match=rf"1 of 5 neurons \(number 2\) are {kind}"):
        trained.adapt(Recording(y, 10.0))


def test_a_slower_recording_than_all_ground_truth_is_named(trained: Any, other: Any) -> None:
    with pytest.warns(UserWarning, match=r"2\.5 frames a second and more; .* from 2 Hz"):
        trained.adapt(Recording(other[0].traces, 2.0))


def test_a_trace_that_varies_in_one_frame_of_thousands_is_not_constant(trained: Any) -> None:
    traces = np.zeros((3000, 1))
    traces[1500] = 1.0
    with pytest.warns(UserWarning, match="are denoised"):
        network = trained.adapt(Recording(traces, 10.0))
    assert network.scale_[0] == pytest.approx(traces.std())


@pytest.mark.filterwarnings("ignore:true spikes lie")  # one step teaches nothing
def test_neurons_that_cannot_be_learnt_are_named(other: Any) -> None:
    recording, spikes = other
    traces = np.array(recording.traces)
    traces[:, [1, 3]] = 0.5
    short = SMALL | {"n_networks": 1, "max_iter": 1}
    network = SpikeInferenceNetwork(**short, random_state=0)
    with pytest.warns(UserWarning, match=r"left out: 2 of recordings\[1\]\.$"):
        network.fit([recording, Recording(traces, 10.0)], [spikes, spikes])


def test_an_artefact_does_not_hide_the_spikes(trained: Any, other: Any) -> None:
    recording, spikes = other
    traces = np.array(recording.traces)
    traces[600] = 1e4
    found = trained.transform(Recording(traces, 10.0)).traces
    keep = np.abs(np.arange(1200) - 600) > 10 * REACH
    assert mean_r(spikes[keep], found[keep], 10.0) > 0.75


def test_counts_are_whole_and_near_the_expected_spikes(trained: Any, other: Any) -> None:
    recording, spikes = other
    expected = trained.transform(recording).traces
    counts = clone_fitted(trained, output="counts").adapt(recording).transform(recording).traces
    np.testing.assert_array_equal(counts, np.rint(counts))
    np.testing.assert_allclose(counts.sum(), expected.sum(), rtol=0.6)
    assert mean_r(spikes, counts, 10.0, bin_width=0.3) > 0.7


def test_counts_become_spike_trains(trained: Any, other: Any) -> None:
    recording, _ = other
    network = clone_fitted(trained, output="counts").adapt(recording)
    counts = network.transform(recording)
    trains = network.to_spike_trains(counts.traces)
    assert [len(train) for train in trains] == counts.traces.sum(axis=0).astype(int).tolist()
    assert float(trains[0].t_stop) == pytest.approx(120.0)


def test_expected_spikes_are_no_spike_trains(trained: Any, other: Any) -> None:
    adapted = trained.adapt(other[0])
    expected = adapted.transform(other[0]).traces
    with pytest.raises(ValueError, match="output='counts'"):
        adapted.to_spike_trains(expected)
    with pytest.raises(NotFittedError, match="adapt"):
        trained.to_spike_trains(np.zeros((3, 5)))


def test_displays_and_scorers_see_spikes_and_not_every_frame(trained: Any, other: Any) -> None:
    from calgan.plotting import FiringRateDisplay

    windows = np.asarray(Windower(60, stride=30).fit_transform(other[0]))
    counts = clone_fitted(trained, output="counts").adapt(other[0])
    rates = FiringRateDisplay.from_samples(
        other[0], windows, train=other[0], deconvolver=trained.adapt(other[0])
    ).rates["synthetic"]
    whole = (counts.transform(windows) > 0).sum(axis=1) / 6.0
    np.testing.assert_allclose(np.asarray(rates).mean(), whole.mean(), rtol=0.3)


def test_an_artefact_in_the_ground_truth_spoils_nothing(other: Any) -> None:
    recording, spikes = ground_truth(1)
    traces = np.array(recording.traces)
    traces[600] = 1e6
    settings = SMALL | {"n_networks": 1, "max_iter": 100}
    network = SpikeInferenceNetwork(**settings, random_state=0)
    network.fit(Recording(traces, 10.0), spikes)
    assert mean_r(other[1], network.transform(other[0]), 10.0, bin_width=0.3) > 0.6


def test_networks_of_calgan_are_not_shared() -> None:
    recording, _ = ground_truth(3)
    SpikeInferenceNetwork().fit(recording).networks_.pop()
    assert len(SpikeInferenceNetwork().fit(recording).networks_) == 3


def clone_fitted(network: SpikeInferenceNetwork, **params: Any) -> SpikeInferenceNetwork:
    """Return a fitted copy with other parameters."""
    import copy

    return copy.copy(network).set_params(**params)


def test_the_spread_is_that_of_the_networks(trained: Any, other: Any) -> None:
    recording, spikes = other
    one = SpikeInferenceNetwork(**SMALL | {"n_networks": 1, "max_iter": 3}, random_state=0)
    assert not one.fit(recording, spikes).spread(recording).traces.any()
    spread = trained.spread(recording)
    assert spread.shape == recording.shape
    assert spread.traces.mean() > 0


# ---------------------------------------------------------------------- learning


def test_a_seed_gives_the_same_networks_and_no_global_state_changes(other: Any) -> None:
    import torch

    recording, spikes = other
    settings = SMALL | {"max_iter": 5}
    np.random.seed(7)
    torch.manual_seed(7)
    before = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    a, b, c = (
        SpikeInferenceNetwork(**settings, random_state=seed).fit(recording, spikes)
        for seed in (0, 0, 1)
    )
    found = [each.transform(recording).traces for each in (a, b, c)]
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[0] - found[2]).max() > 1e-4
    assert before == (np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())


def test_recordings_may_differ_in_rate_neurons_and_length(other: Any) -> None:
    slow, slow_spikes = make_recording(60.0, 2, frame_rate=2.5, random_state=5)
    fast, fast_spikes = make_recording(20.0, 1, frame_rate=500.0, random_state=6)
    network = SpikeInferenceNetwork(**SMALL | {"max_iter": 3}, random_state=0)
    network.fit([other[0], slow, fast], [other[1], slow_spikes, fast_spikes[:, 0]])
    assert network.n_iter_ == 6
    assert [row["network"] for row in network.history_] == [0, 0, 0, 1, 1, 1]


def test_files_of_spikefinder_are_learnt_from(tmp_path: Path) -> None:
    recording, spikes = make_recording(60.0, 2, frame_rate=100.0, random_state=4)
    lengths = (6000, 4500)
    for kind, values in (("calcium", recording.traces), ("spikes", spikes)):
        values = np.array(values)
        for neuron, length in enumerate(lengths):
            values[length:, neuron] = np.nan
        lines = [",".join("" if np.isnan(v) else f"{v:.6g}" for v in row) for row in values]
        (tmp_path / f"1.train.{kind}.csv").write_text("\n".join(["0,1", *lines]))
    path = tmp_path / "1.train.calcium.csv"
    cells = [read_recording(path, neurons=[neuron]) for neuron in (0, 1)]
    assert [cell.n_frames for cell in cells] == list(lengths)
    network = SpikeInferenceNetwork(**SMALL | {"max_iter": 3}, random_state=0)
    network.fit(cells, [cell.metadata["spikes"] for cell in cells])
    assert network.transform(cells[1]).shape == (4500, 1)


def test_spikes_that_come_with_the_wrong_clock_are_named(trained: Any) -> None:
    pairs = [ground_truth(seed) for seed in range(4)]
    recordings, spikes = map(list, zip(*pairs, strict=True))
    spikes[2] = np.roll(spikes[2], -12, axis=0)
    # The first trial is too short for a verdict.
    trials = [[0, 40], [40, len(spikes[2])]]
    recordings[2] = Recording(recordings[2].traces, recordings[2].frame_rate, segments=trials)
    settings = SMALL | {"n_networks": 1}
    with pytest.warns(UserWarning, match=r"of recordings\[2\] 1\.[12] s before"):
        SpikeInferenceNetwork(**settings, random_state=0).fit(recordings, spikes)
    assert abs(trained.lag_) <= 0.1


def test_time_is_shared_among_the_networks(other: Any) -> None:
    settings = SMALL | {"max_iter": 100_000, "max_time": 2.0}
    network = SpikeInferenceNetwork(**settings, random_state=0).fit(*other)
    assert network.stopped_ == "max_time"
    steps = np.bincount([row["network"] for row in network.history_])
    assert len(steps) == 2
    assert steps.min() > 0


def test_a_fit_that_fails_leaves_the_network_as_it_was(trained: Any, other: Any) -> None:
    recording, spikes = other
    network = clone_fitted(trained)
    before = network.transform(recording).traces
    with pytest.raises(ValueError, match="counts"):
        network.fit(recording, -spikes)
    np.testing.assert_array_equal(network.transform(recording).traces, before)


def test_embedding_trains_on_ground_truth_like_the_recording(other: Any, tmp_path: Path) -> None:
    pairs = [ground_truth(seed, 60.0) for seed in (1, 7)]
    recordings, spikes = map(list, zip(*pairs, strict=True))
    network = SpikeInferenceNetwork("embedding", **SMALL, random_state=0)
    network.fit(recordings, spikes)
    n_steps = network.n_iter_
    adapted = network.adapt(other[0])
    assert adapted.n_iter_ > n_steps == network.n_iter_
    assert mean_r(other[1], adapted.transform(other[0]), 10.0) > 0.6
    again = network.transform(other[0]).traces
    np.testing.assert_array_equal(again, adapted.transform(other[0]).traces)
    # It is of this recording from here on: it is a file like others, and is not adapted again.
    with pytest.raises(ValueError, match="adapted to another recording"):
        adapted.adapt(other[0])
    adapted.save(tmp_path / "adapted.calgan")
    loaded = calgan.load(tmp_path / "adapted.calgan")
    np.testing.assert_array_equal(loaded.transform(other[0]).traces, again)


# ---------------------------------------------------------------------- the networks of calgan


def test_without_spikes_the_networks_of_calgan_are_taken() -> None:
    recording, spikes = ground_truth(8)
    network = SpikeInferenceNetwork().fit(recording)
    found = network.transform(recording)
    assert network.n_features_in_ == 5
    assert mean_r(spikes, found, 10.0, bin_width=0.4) > 0.75
    np.testing.assert_array_equal(
        found.traces, SpikeInferenceNetwork().fit_transform(recording).traces
    )


def test_it_takes_the_place_of_oasis(other: Any) -> None:
    recording, _ = other
    halves = recording[:600], recording[600:]
    evaluation = calgan.evaluate(
        halves[1],
        np.asarray(Windower(64, stride=4).fit_transform(halves[0])),
        train=halves[0],
        deconvolver=SpikeInferenceNetwork(),
        controls=(),
        verbose=0,
    )
    assert "SpikeInferenceNetwork" in evaluation.meta["spike_inference"]


def test_an_adapted_network_keeps_to_its_neurons(trained: Any, other: Any) -> None:
    recording, _ = other
    adapted = trained.adapt(recording)
    with pytest.raises(ValueError, match="3"):
        adapted.transform(recording.select([0, 1, 2]))
    with pytest.raises(ValueError, match="frame rates differ"):
        adapted.transform(Recording(recording.traces, 20.0))
    # Its scale is frozen: half the calcium is no longer taken for all of it.
    halved = Recording(0.5 * recording.traces, 10.0)
    assert adapted.transform(halved).traces.sum() < 0.8 * adapted.transform(recording).traces.sum()


def test_networks_are_saved_and_loaded(trained: Any, other: Any, tmp_path: Path) -> None:
    recording, _ = other
    for network in (trained, trained.adapt(recording)):
        network.save(tmp_path / "network.calgan")
        loaded = calgan.load(tmp_path / "network.calgan")
        assert loaded.get_params() == network.get_params()
        np.testing.assert_array_equal(
            loaded.transform(recording).traces, network.transform(recording).traces
        )


# ---------------------------------------------------------------------- wrong input


def test_what_is_wrong_is_said(other: Any) -> None:
    recording, spikes = other
    negative, missing = spikes.copy(), spikes.copy()
    negative[3, 1], missing[5, 2] = -1, np.nan
    cases: list[tuple[tuple[Any, ...], type[Exception], str]] = [
        (([recording] * 2, [spikes]), ValueError, "2 recordings, but 1 array"),
        ((recording, spikes[:-1]), ValueError, r"spikes\[0\] must hold .* shaped like"),
        ((recording, negative), ValueError, "frame 3 of neuron 1 has -1"),
        ((recording, missing), ValueError, "frame 5 of neuron 2 has nan"),
        ((recording, 0 * spikes), ValueError, "no spike at all"),
        ((recording.traces, spikes), ValueError, "needs a frame rate"),
        (([], []), ValueError, "empty"),
        ((recording, Recording(spikes, 30.0)), ValueError, "frame rates differ"),
        ((recording, Recording(spikes, 10.0, roi_ids=[4, 3, 2, 1, 0])), ValueError, "roi_ids"),
        ((Recording(np.ones((500, 1)), 10.0), np.ones((500, 1))), ValueError, "constant"),
    ]
    for arguments, error, message in cases:
        with pytest.raises(error, match=message):
            SpikeInferenceNetwork(**SMALL).fit(*arguments)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"adaptation": "both"}, "adaptation must be"),
        ({"output": "rates"}, "output must be"),
        ({"n_networks": 0}, "n_networks"),
        ({"max_iter": 1.5}, "max_iter"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"max_time": 0}, "max_time"),
        ({"device": "gpu"}, "device"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_wrong_parameters_are_refused(params: dict[str, Any], message: str, other: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        SpikeInferenceNetwork(**SMALL | params).fit(*other)


def test_embedding_without_ground_truth_is_refused(trained: Any, other: Any) -> None:
    with pytest.raises(ValueError, match="was set after fit"):
        clone_fitted(trained, adaptation="embedding").adapt(other[0])
    with pytest.raises(ValueError, match="needs ground truth"):
        SpikeInferenceNetwork("embedding").fit(other[0])


def test_a_network_that_is_not_fitted_says_so(other: Any) -> None:
    with pytest.raises(NotFittedError):
        SpikeInferenceNetwork().transform(other[0])
    with pytest.raises(NotFittedError):
        clone(SpikeInferenceNetwork().fit(other[0])).transform(other[0])
