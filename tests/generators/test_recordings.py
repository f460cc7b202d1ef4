"""Windows with their components, and recordings of any length, of a generator that is a formula."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import ks_2samp
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils import Bunch

import calgan
from calgan import (
    CalciumFlow,
    CalciumGAN,
    DichotomizedGaussianCalcium,
    FFTEncoder,
    MinMaxScaler,
    NeuronSorter,
    Pipeline,
    Recording,
    Windower,
    datasets,
)
from calgan.generators.base import SamplingMixin, rechunk

WINDOW = 16
DECAY = np.array([0.5, 0.8, 0.9])


class Spikes(SamplingMixin, BaseEstimator):
    """Poisson spikes, calcium that decays by DECAY, and a baseline with noise of 0.1."""

    def __init__(self, random_state: Any = None) -> None:
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Spikes:
        self.n_frames_in_, self.n_features_in_ = X.shape[1:3]
        self.frame_rate_ = getattr(X, "frame_rate", None)
        return self

    def _draw_components(self, n_samples: int, rng: np.random.Generator) -> Bunch:
        windows = [next(self._pieces(WINDOW, rng, WINDOW, skip=100)) for _ in range(n_samples)]
        return Bunch(**{name: np.stack([w[name] for w in windows]) for name in windows[0]})

    def _iter_components(
        self, n_frames: int, rng: np.random.Generator, chunk: int
    ) -> Iterator[Bunch]:
        return self._pieces(n_frames, rng, chunk, skip=100)

    def _pieces(
        self, n_frames: int, rng: np.random.Generator, chunk: int, skip: int
    ) -> Iterator[Bunch]:
        of_spikes, of_noise = np.random.default_rng(rng.integers(2**62)).spawn(2)
        decay = DECAY[: self.n_features_in_]
        gain = np.array([1.0, 2.0, 3.0])[: len(decay)]
        level = lfilter_by_neuron(gain * of_spikes.poisson(0.3, (skip, len(decay))), decay)[-1]
        for first in range(0, n_frames, chunk):
            spikes = of_spikes.poisson(0.3, (min(chunk, n_frames - first), len(decay)))
            added = gain * spikes
            calcium = np.empty(spikes.shape)
            for t, jump in enumerate(added):
                level = decay * level + jump
                calcium[t] = level
            noise = 0.1 * of_noise.standard_normal(spikes.shape)
            yield Bunch(
                traces=(5.0 + calcium + noise).astype(np.float32),
                calcium=calcium,
                spikes=spikes,
                amplitudes=added,
            )


class TracesAlone(Spikes):
    _draw_components = SamplingMixin._draw_components
    _iter_components = SamplingMixin._iter_components

    def _draw_traces(self, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        return np.zeros((n_samples, self.n_frames_in_, self.n_features_in_), dtype=np.float32)


def lfilter_by_neuron(amplitudes: np.ndarray, decay: np.ndarray) -> np.ndarray:
    """Filter amplitudes (..., T, N), from rest."""
    filtered = [lfilter([1.0], [1.0, -d], amplitudes[..., i], axis=-1) for i, d in enumerate(decay)]
    return np.stack(filtered, axis=-1)


def fitted(kind: type = Spikes, **params: Any) -> Any:
    recording = Recording(np.zeros((100, 3)), 10.0)
    return kind(**{"random_state": 0, **params}).fit(Windower(WINDOW).fit_transform(recording))


# Windows


def test_components_belong_to_the_sample_of_the_seed() -> None:
    model = fitted()
    drawn = model.sample_components(5, random_state=3)
    assert list(drawn) == ["traces", "calcium", "spikes", "rates", "factors", "amplitudes"]
    assert drawn.rates is None
    assert drawn.factors is None
    assert drawn.traces.shape == drawn.calcium.shape == (5, WINDOW, 3)
    np.testing.assert_array_equal(drawn.traces, model.sample(5, random_state=3))
    np.testing.assert_array_equal(drawn.traces[:3], model.sample(3, random_state=3))
    np.testing.assert_array_equal(model.sample_components(2).traces, model.sample(2))
    assert not np.array_equal(model.sample(2), model.sample(2, random_state=3))
    with pytest.raises(ValueError, match="n_samples must be an integer of at least 1"):
        model.sample_components(0)
    unseeded = fitted(random_state=None)
    assert not np.array_equal(unseeded.sample(2), unseeded.sample(2))


# Recordings


@pytest.mark.parametrize("chunk", [1, 7, 100, 4096])
def test_a_recording_does_not_depend_on_the_chunk(chunk: int) -> None:
    model = fitted()
    pieces = list(model.iter_recording(n_frames=[50, 205], chunk=chunk))
    lengths = [len(piece.traces) for piece in pieces]
    wanted = [min(chunk, n - first) for n in (50, 205) for first in range(0, n, chunk)]
    assert lengths == wanted
    whole = model.sample_recording(n_frames=[50, 205])
    np.testing.assert_array_equal(np.concatenate([p.traces for p in pieces]), whole.traces)
    for name in ("calcium", "spikes", "amplitudes"):
        joined = np.concatenate([piece[name] for piece in pieces])
        np.testing.assert_array_equal(joined, whole.metadata["components"][name])
    assert all(piece.rates is None for piece in pieces)


def test_pieces_are_cut_anew() -> None:
    def pieces() -> Iterator[Bunch]:
        for first in range(0, 30, 6):
            frames = np.arange(first, first + 6)[:, None]
            yield Bunch(traces=frames, factors=-frames)

    for chunk in (1, 4, 6, 13, 30, 50):
        cut = list(rechunk(pieces(), chunk))
        assert {len(piece.traces) for piece in cut[:-1]} <= {chunk}
        joined = np.concatenate([piece.traces for piece in cut])[:, 0]
        np.testing.assert_array_equal(joined, np.arange(30))
        np.testing.assert_array_equal(np.concatenate([p.factors for p in cut])[:, 0], -joined)


def test_a_recording_is_marked_and_holds_the_truth() -> None:
    recording = fitted().sample_recording(30.0, random_state=1)
    assert isinstance(recording, Recording)
    assert recording.shape == (300, 3)
    assert recording.frame_rate == 10.0
    assert recording.units == "a.u."
    assert recording.metadata["synthetic"] is True
    assert recording.metadata["generator"] == "Spikes"
    assert recording.metadata["calgan_version"] == calgan.__version__
    assert repr(recording).endswith("synthetic)")
    assert "<th style='text-align:left'>synthetic</th>" in recording._repr_html_()
    truth = recording.metadata["components"]
    assert list(truth) == ["calcium", "spikes", "rates", "factors", "amplitudes"]
    rest = recording.traces - 5 - truth.calcium
    assert abs(rest.std() - 0.1) < 0.01
    jumps = truth.calcium[1:] - DECAY * truth.calcium[:-1]
    np.testing.assert_allclose(jumps, truth.amplitudes[1:], atol=1e-9)
    assert truth.calcium[0].mean() > 0  # not from rest
    with pytest.raises(ValueError, match="read-only"):
        truth.spikes[0] = 1
    assert pickle.loads(pickle.dumps(recording)).metadata["components"].spikes.shape == (300, 3)


def test_components_follow_slices_and_selections() -> None:
    recording = fitted().sample_recording(30.0)
    truth = recording.metadata["components"]
    part = recording[50:90].select([2, 0])
    assert part.metadata["synthetic"] is True
    kept = part.metadata["components"]
    np.testing.assert_array_equal(kept.calcium, truth.calcium[50:90][:, [2, 0]])
    assert kept.rates is None
    assert truth.calcium.shape == (300, 3)
    factors = np.zeros((20, 3))  # as many as neurons, and none of them
    other = Recording(np.zeros((20, 3)), 1.0, metadata={"components": Bunch(factors=factors)})
    assert other.select([1]).metadata["components"].factors.shape == (20, 3)
    assert other[:5].metadata["components"].factors.shape == (5, 3)


def test_a_list_of_lengths_gives_independent_trials() -> None:
    model = fitted()
    trials = model.sample_recording([10.0, 20.0, 10.0], random_state=4)
    assert trials.segments.tolist() == [[0, 100], [100, 300], [300, 400]]
    frames = model.sample_recording(n_frames=np.array([100, 200, 100]), random_state=4)
    assert frames == trials
    first, _, last = trials.segment_traces()
    np.testing.assert_array_equal(first, model.sample_recording(10.0, random_state=4).traces)
    assert not np.array_equal(first, last)
    shorter = model.sample_recording((10.0, 20.0), random_state=np.random.default_rng(1))
    again = model.sample_recording((10.0, 20.0), random_state=np.random.default_rng(1))
    assert shorter == again


def test_a_short_recording_of_many_neurons_is_no_mistake() -> None:
    assert fitted().sample_recording(n_frames=1).shape == (1, 3)  # silently


def test_a_file_holds_what_memory_would(tmp_path: Path) -> None:
    model = fitted()
    path = tmp_path / "traces.npy"
    path.write_bytes(b"an older file")
    mapped = model.sample_recording([300.0, 500.0], filename=path)
    assert isinstance(mapped.traces, np.memmap)
    assert mapped == model.sample_recording([300.0, 500.0])
    np.testing.assert_array_equal(np.load(path), mapped.traces)
    assert mapped.metadata["synthetic"] is True
    assert "components" not in mapped.metadata
    assert list(tmp_path.iterdir()) == [path]
    assert model.sample_recording(3.0, filename=str(path)).n_frames == 30


class Interrupted(Spikes):
    def _iter_components(
        self, n_frames: int, rng: np.random.Generator, chunk: int
    ) -> Iterator[Bunch]:
        yield next(super()._iter_components(chunk, rng, chunk))
        raise KeyboardInterrupt


def test_an_interrupted_run_leaves_no_file(tmp_path: Path) -> None:
    kept = tmp_path / "kept.npy"
    kept.write_bytes(b"an older file")
    for path in (kept, tmp_path / "new.npy"):
        with pytest.raises(KeyboardInterrupt):
            fitted(Interrupted).sample_recording(n_frames=10_000, filename=path)
    assert list(tmp_path.iterdir()) == [kept]
    assert kept.read_bytes() == b"an older file"


# Wrong input


@pytest.mark.parametrize("method", ["sample_recording", "iter_recording"])
@pytest.mark.parametrize(
    ("lengths", "error", "message"),
    [
        ({}, ValueError, "duration=.* or n_frames=.*, got neither"),
        ({"duration": 1.0, "n_frames": 10}, ValueError, "got both"),
        ({"duration": 0.0}, ValueError, "hold at least one frame at 10 Hz, got 0 s"),
        ({"duration": -3.0}, ValueError, "got -3 s"),
        ({"duration": [1.0, np.nan]}, ValueError, "must be finite .* got nan s"),
        ({"duration": np.inf}, ValueError, "got inf s"),
        ({"duration": "long"}, TypeError, "duration must be a number of seconds, got 'long'"),
        ({"duration": True}, TypeError, "duration must be a number of seconds"),
        ({"duration": []}, ValueError, "duration is an empty list"),
        ({"n_frames": 0}, ValueError, "n_frames must be an integer of at least 1, got 0"),
        ({"n_frames": [5, 2.5]}, TypeError, "n_frames must be an integer"),
    ],
)
def test_wrong_lengths_are_refused_before_any_work(
    method: str, lengths: dict[str, Any], error: type[Exception], message: str
) -> None:
    model = fitted(Interrupted)
    with pytest.raises(error, match=message):
        getattr(model, method)(**lengths)
    in_pipeline = Pipeline([("windower", Windower(WINDOW)), ("generator", Interrupted())])
    with pytest.raises(error, match=message):
        getattr(in_pipeline.fit(Recording(np.zeros((50, 3)), 10.0)), method)(**lengths)


def test_other_wrong_input_is_refused(tmp_path: Path) -> None:
    model = fitted(Interrupted)
    with pytest.raises(FileNotFoundError, match="folder .*nowhere does not exist"):
        model.sample_recording(1.0, filename=tmp_path / "nowhere" / "traces.npy")
    with pytest.raises(IsADirectoryError, match="is a folder: give the name"):
        model.sample_recording(1.0, filename=tmp_path)
    with pytest.raises(TypeError, match="a file name must be a path"):
        model.sample_recording(1.0, filename=3)
    with pytest.raises(ValueError, match="chunk must be an integer of at least 1"):
        model.iter_recording(1.0, chunk=0)
    with pytest.raises(NotFittedError):
        Spikes().sample_recording(1.0)
    with pytest.raises(NotFittedError):
        Spikes().sample_components(1)


def test_a_recording_needs_a_frame_rate() -> None:
    model = Spikes(random_state=0).fit(np.zeros((4, WINDOW, 3)))
    with pytest.raises(ValueError, match="Spikes knows no frame rate, which a recording needs"):
        model.sample_recording(10.0)
    with pytest.raises(ValueError, match="Spikes knows no frame rate"):
        model.sample_recording(n_frames=100)
    with pytest.raises(ValueError, match="Spikes knows no frame rate"):
        model.iter_recording(10.0)
    assert len(next(model.iter_recording(n_frames=100)).traces) == 100


# Generators that have no components, or windows of one length


def test_a_generator_says_in_one_sentence_what_it_lacks() -> None:
    model = fitted(TracesAlone)
    assert model.sample(2).shape == (2, WINDOW, 3)
    for each in (model, Pipeline([("generator", model)])):
        assert not hasattr(each, "sample_components")
        assert not hasattr(each, "sample_recording")
        with pytest.raises(AttributeError, match=r"^TracesAlone draws traces and knows no calcium"):
            each.sample_components(2)
        for method in ("sample_recording", "iter_recording"):
            with pytest.raises(AttributeError, match=r"^TracesAlone's .* makes windows of 16 fra"):
                getattr(each, method)(60.0)
    assert not hasattr(TracesAlone(), "sample_recording")


def test_networks_make_windows_of_one_length(traces: np.ndarray) -> None:
    windows = Windower(WINDOW).fit_transform(Recording(traces, 10.0))
    short: dict[str, Any] = {"max_iter": 1, "random_state": 0, "validation_fraction": 0}
    flow = CalciumFlow(filters=4, settings={"n_steps": 2}, verbose=0, **short).fit(windows)
    gan = CalciumGAN("1d", filters=2, verbose=0, **short).fit(windows)
    for model in (flow, gan):
        with pytest.raises(AttributeError, match="makes windows of 16 frames and no other length"):
            model.sample_recording(60.0)
        with pytest.raises(AttributeError, match="knows no calcium or spikes"):
            model.sample_components(2)


@pytest.mark.parametrize("variant", ["compact", "relativistic"])
def test_a_calcium_decoder_shows_what_it_decodes(variant: str, traces: np.ndarray) -> None:
    windows = Windower(32).fit_transform(Recording(traces, 10.0))
    gan = CalciumGAN(variant, max_iter=3, random_state=0, validation_fraction=0, verbose=0).fit(
        windows
    )
    drawn = gan.sample_components(300)
    np.testing.assert_array_equal(drawn.traces, gan.sample(300))
    np.testing.assert_allclose(drawn.traces[:3], gan.sample(3), rtol=1e-4, atol=1e-5)
    assert drawn.rates is None
    assert drawn.factors is None
    network = gan.generator_
    scaler = gan.encoding_[-1]
    unit = scaler.data_max_ - scaler.data_min_
    scale = network.units.scale.numpy() * unit

    def sigmoid(parameter: Any) -> np.ndarray:
        return 1 / (1 + np.exp(-parameter.detach().numpy().astype(np.float64)))

    decay, rise = sigmoid(network.decay), sigmoid(network.rise)
    c, a = drawn.calcium.astype(np.float64), drawn.amplitudes
    wanted = (decay + rise) * c[:, 1:-1] - decay * rise * c[:, :-2] + (1 - rise) * a[:, 2:]
    np.testing.assert_allclose(c[:, 2:], wanted, atol=1e-4 * c.max())
    gain = np.log1p(np.exp(network.gain.detach().numpy()))
    np.testing.assert_allclose(a, drawn.spikes * gain * scale, rtol=1e-5, atol=1e-7)
    assert drawn.spikes.min() == 0
    # What is left are the baseline and noise.
    left = drawn.traces - drawn.calcium
    baseline = network.baseline.detach().numpy() * scale + network.units.mean.numpy() * unit
    baseline += scaler.data_min_
    np.testing.assert_allclose(left.mean(axis=(0, 1)), baseline, atol=0.02 * traces.std())
    encoded = FFTEncoder("packed").fit_transform(windows)
    other = CalciumGAN(max_iter=1, random_state=0, validation_fraction=0, verbose=0).fit(encoded)
    with pytest.raises(AttributeError, match=r"makes encoded windows and knows no calcium"):
        other.sample_components(1)


# The dichotomized Gaussian


@pytest.fixture(scope="module")
def recording() -> Recording:
    """Five neurons with ids, positions and units of their own, in counts."""
    plain, _ = datasets.make_recording(300.0, n_neurons=5, random_state=1)
    return Recording(
        500 + 200 * plain.traces,
        plain.frame_rate,
        roi_ids=[f"roi{i}" for i in (3, 8, 1, 9, 4)],
        units="counts",
        metadata={"positions": np.arange(10.0).reshape(5, 2)},
    )


@pytest.fixture(scope="module", params=[0, 4])
def gaussian(request: pytest.FixtureRequest, recording: Recording) -> Any:
    windows = Windower(WINDOW).fit_transform(recording)
    return DichotomizedGaussianCalcium(n_lags=request.param, random_state=0).fit(windows)


def test_calcium_is_the_filter_of_the_amplitudes(gaussian: Any) -> None:
    decay = gaussian.deconvolver_.decay_
    for drawn in (
        gaussian.sample_components(200),
        next(gaussian.iter_recording(n_frames=10_000, chunk=10_000)),
    ):
        assert set(np.unique(drawn.spikes)) == {0.0, 1.0}
        assert drawn.factors is None
        amplitudes = drawn.spikes * gaussian.amplitudes_
        np.testing.assert_allclose(drawn.amplitudes, amplitudes, rtol=1e-6)
        before = drawn.calcium[..., :1, :] - drawn.amplitudes[..., :1, :]
        added = drawn.amplitudes.astype(np.float64)
        added[..., :1, :] += before  # of the frames that came earlier
        wanted = lfilter_by_neuron(added, decay)
        np.testing.assert_allclose(drawn.calcium, wanted, rtol=1e-4, atol=1e-4 * wanted.max())
        noise = drawn.traces - gaussian.deconvolver_.baseline_ - drawn.calcium
        spread = noise.reshape(-1, 5).std(axis=0)
        np.testing.assert_allclose(spread, gaussian.deconvolver_.noise_, rtol=0.05)
        mean = gaussian.spike_model_.mean_
        np.testing.assert_allclose(drawn.rates.reshape(-1, 5)[[0, -1]], [10 * mean] * 2, rtol=1e-5)
        count = drawn.spikes.reshape(-1, 5).mean(axis=0)
        assert np.all(np.abs(count - mean) < 8 * np.sqrt(mean / drawn.spikes[..., 0].size))


def test_a_long_recording_does_not_depend_on_the_chunk(gaussian: Any) -> None:
    # Several of the blocks in which the spike model draws.
    whole = gaussian.sample_recording(n_frames=10_000)
    pieces = gaussian.iter_recording(n_frames=10_000, chunk=999)
    np.testing.assert_array_equal(np.concatenate([p.traces for p in pieces]), whole.traces)
    assert whole.units == "counts"
    assert whole.roi_ids.tolist() == ["roi3", "roi8", "roi1", "roi9", "roi4"]
    assert whole.metadata["generator"] == "DichotomizedGaussianCalcium"


def differences_at(traces: np.ndarray, period: int) -> tuple[np.ndarray, np.ndarray]:
    """Return scaled frame differences where a multiple of `period` begins, and elsewhere."""
    steps = np.diff(traces, axis=0) / np.diff(traces, axis=0).std(axis=0)
    at_border = (np.arange(1, len(traces)) % period) == 0
    return steps[at_border].ravel(), steps[~at_border].ravel()


def p_of_a_seam(traces: np.ndarray, period: int) -> float:
    return float(ks_2samp(*differences_at(traces, period)).pvalue)


def test_a_recording_has_no_seam_between_its_pieces(gaussian: Any) -> None:
    n = 400
    pieces = gaussian.iter_recording(n_frames=n * WINDOW, chunk=WINDOW, random_state=2)
    assert p_of_a_seam(np.concatenate([piece.traces for piece in pieces]), WINDOW) > 0.01
    # The spike model's blocks (of 4096 frames, the first after a burn-in) have none either.
    long = gaussian.sample_recording(n_frames=300 * 4096, random_state=3)
    burn_in = calgan.spikes.calcium_decay.burn_in_frames(gaussian.deconvolver_.decay_)
    assert p_of_a_seam(long.traces[4096 - burn_in :], 4096) > 0.01
    stitched = np.concatenate(list(gaussian.sample(n, random_state=2)))
    assert p_of_a_seam(stitched, WINDOW) < 1e-6


# Pipelines


def in_pipeline(recording: Any, *extra: tuple[str, Any], **scaler: Any) -> Pipeline:
    return Pipeline(
        [
            ("windower", Windower(WINDOW)),
            *extra,
            ("scaler", MinMaxScaler(**scaler)),
            ("generator", DichotomizedGaussianCalcium(random_state=0)),
        ]
    ).fit(recording)


SCALERS: list[dict[str, Any]] = [
    {"per_neuron": True},
    {"per_neuron": False},
    {"per_neuron": True, "feature_range": (-1.0, 3.0)},
]


@pytest.mark.parametrize("scaler", SCALERS)
def test_a_pipeline_answers_in_the_units_of_the_recording(
    recording: Recording, scaler: dict[str, Any]
) -> None:
    model = in_pipeline(recording, ("sorter", NeuronSorter()), **scaler)
    order = model["sorter"].order_
    assert not np.array_equal(order, np.arange(5))
    drawn = model.sample_components(300, random_state=1)
    np.testing.assert_array_equal(drawn.traces, model.sample(300, random_state=1))
    inner = model[-1].sample_components(300, random_state=1)
    for name in ("spikes", "rates"):
        np.testing.assert_array_equal(drawn[name][..., order], inner[name])
    back, learnt = np.argsort(order), model[-1].deconvolver_
    lo, hi = scaler.get("feature_range", (0.0, 1.0))
    one = MinMaxScaler(**scaler).fit(recording.traces)
    per_unit = (one.data_max_ - one.data_min_) / (hi - lo)  # in the recording's order
    baseline = one.data_min_ + (learnt.baseline_[back] - lo) * per_unit
    noise = drawn.traces - baseline - drawn.calcium
    np.testing.assert_allclose(noise.std(axis=(0, 1)), learnt.noise_[back] * per_unit, rtol=0.05)
    assert np.all(np.abs(noise.mean(axis=(0, 1))) < 0.1 * noise.std(axis=(0, 1)))
    amplitudes = drawn.spikes * (model[-1].amplitudes_[back] * per_unit)
    np.testing.assert_allclose(drawn.amplitudes, amplitudes, rtol=1e-5)
    jumps = drawn.calcium[:, 1:] - learnt.decay_[back] * drawn.calcium[:, :-1]
    np.testing.assert_allclose(jumps, amplitudes[:, 1:], atol=1e-4 * amplitudes.max())


def test_a_pipeline_recording_is_like_the_one_it_was_fitted_on(
    recording: Recording, tmp_path: Path
) -> None:
    model = in_pipeline(recording, ("sorter", NeuronSorter()), per_neuron=True)
    synthetic = model.sample_recording([60.0, 30.0])
    assert synthetic.frame_rate == recording.frame_rate
    assert synthetic.units == "counts"
    np.testing.assert_array_equal(synthetic.roi_ids, recording.roi_ids)
    positions = recording.metadata["positions"]
    np.testing.assert_array_equal(synthetic.metadata["positions"], positions)
    assert synthetic.metadata["synthetic"] is True
    assert synthetic.metadata["generator"] == "DichotomizedGaussianCalcium"
    assert synthetic.segments.tolist() == [[0, 600], [600, 900]]
    np.testing.assert_allclose(
        synthetic.traces.mean(axis=0), recording.traces.mean(axis=0), rtol=0.1
    )
    assert synthetic.metadata["components"].calcium.shape == (900, 5)
    pieces = list(model.iter_recording([60.0, 30.0], chunk=250))
    np.testing.assert_array_equal(np.concatenate([p.traces for p in pieces]), synthetic.traces)
    mapped = model.sample_recording([60.0, 30.0], filename=tmp_path / "traces.npy")
    assert mapped == synthetic
    reloaded = pickle.loads(pickle.dumps(model))
    assert reloaded.sample_recording([60.0, 30.0]) == synthetic
    again = in_pipeline(synthetic, per_neuron=True)  # it can be learnt from as any other
    assert again.sample_recording(10.0).units == "counts"


def test_ids_are_those_of_the_first_step_that_knows_them(recording: Recording) -> None:
    first = Pipeline([("sorter", NeuronSorter()), *in_pipeline(recording).steps]).fit(recording)
    assert first.sample_recording(10.0).roi_ids.tolist() == recording.roi_ids.tolist()
    metadata = first.sample_recording(10.0).metadata
    np.testing.assert_array_equal(metadata["positions"], recording.metadata["positions"])
    halves = in_pipeline([recording[:1500], recording[1500:]])
    assert halves.sample_recording(10.0).roi_ids.tolist() == recording.roi_ids.tolist()
    of_view = in_pipeline(Windower(WINDOW).fit_transform(recording)).sample_recording(10.0)
    assert of_view.units == "counts"
    assert of_view.roi_ids.tolist() == recording.roi_ids.tolist()
    bare = in_pipeline(recording)
    bare.set_params(generator__frame_rate=10.0).fit(recording.traces)
    plain = bare.sample_recording(10.0)
    assert plain.units == "a.u."
    assert plain.roi_ids.tolist() == list(range(5))
    assert "positions" not in plain.metadata


def test_nested_pipelines_and_searches_draw_alike(recording: Recording) -> None:
    model = in_pipeline(recording, per_neuron=True)
    nested = Pipeline([("front", model[:1]), ("back", model[1:])])
    assert nested.sample_recording(20.0) == model.sample_recording(20.0)
    np.testing.assert_array_equal(
        nested.sample_components(3).calcium, model.sample_components(3).calcium
    )

    class Search(BaseEstimator):
        def fit(self, X: Any, y: Any = None) -> Any:
            self.best_estimator_ = model[-1]
            return self

    searched = Pipeline([*model.steps[:-1], ("search", Search().fit(None))])
    assert searched.sample_recording(20.0) == model.sample_recording(20.0)


def test_components_cannot_come_back_through_an_encoder(recording: Recording) -> None:
    model = Pipeline(
        [
            ("windower", Windower(WINDOW)),
            ("encoder", FFTEncoder("packed")),
            ("generator", Interrupted()),
        ]
    )
    model.fit(recording)
    for call in (model.sample_components, model.sample_recording, model.iter_recording):
        with pytest.raises(TypeError, match=r"step 'encoder' \(FFTEncoder\) changes windows"):
            call(2)
    model.set_params(encoder="passthrough")
    assert hasattr(model, "sample_recording")
    assert not hasattr(Pipeline([("scaler", MinMaxScaler())]), "sample_recording")
    with pytest.raises(NotFittedError):
        Pipeline([("generator", Spikes())]).sample_recording(1.0)
