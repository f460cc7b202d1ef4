"""CalciumGAN beyond the contract that every generator keeps."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from gan_cases import contents, quick, set_of, weights
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline

from calgan import (
    CalciumGAN,
    FFTEncoder,
    MinMaxScaler,
    NeuronSorter,
    Pipeline,
    Recording,
    Windower,
)
from calgan.data.windows import WindowView
from calgan.datasets import make_recording
from calgan.generators.fit_check import FitWarning
from calgan.generators.gan import objectives
from calgan.generators.gan.steps import AdversarialSteps
from calgan.generators.gan.variants import VARIANTS, get_variant
from calgan.training.layers import Standardiser

# ------------------------------------------------------------------ variants and parameters


def test_thesis_settings_are_table_4_1() -> None:
    settings = get_variant("1d")
    assert settings.learning_rate == settings.critic_learning_rate == 1e-4
    assert settings.betas == (0.9, 0.999)
    assert (settings.batch_size, settings.n_critic, settings.gradient_penalty) == (128, 5, 10.0)
    assert (settings.filters, settings.kernel_size, settings.noise_size) == (64, 24, 32)
    assert (settings.epochs, settings.phase_shuffle) == (400, 10)
    assert settings.matching == settings.ema == settings.validation_fraction == 0


def test_thesis_default_length_is_400_passes(
    windows: WindowView, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def train(self: Any, X: Any, n: int, *_: Any) -> Any:
        asked.append(n)
        return self

    monkeypatch.setattr(CalciumGAN, "_train", train)
    CalciumGAN("1d").fit(np.zeros((300, 32, 2)))
    assert asked == [400 * 3]


def test_the_thesis_takes_five_critic_steps_on_one_real_batch(
    windows: WindowView, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, fake = [], []
    plain = AdversarialSteps._critic_step

    def note(self: Any, a: torch.Tensor, b: torch.Tensor, *rest: Any) -> dict[str, float]:
        real.append(a.clone())
        fake.append(b.clone())
        return plain(self, a, b, *rest)

    monkeypatch.setattr(AdversarialSteps, "_critic_step", note)
    quick(variant="1d", max_iter=2).fit(windows)
    assert len(real) == 10
    assert all(torch.equal(batch, real[0]) for batch in real[:5])
    assert all(torch.equal(batch, real[5]) for batch in real[5:])
    assert not torch.equal(real[0], real[5])
    assert not any(torch.equal(a, b) for a, b in itertools.pairwise(fake))


def test_parameters_and_settings_override_the_variant(windows: WindowView) -> None:
    gan = quick(learning_rate=0.5, matching=0).fit(windows)
    assert gan.settings_.learning_rate == 0.5
    assert gan.settings_.n_critic == 1  # the variant's
    assert "matching" not in gan.history_[0]
    assert gan.trained_statistics_ == ()
    assert "correlation_matrix" in quick().fit(windows).trained_statistics_


def test_trained_statistics_are_those_that_the_variant_matches(windows: WindowView) -> None:
    gan = quick(variant="relativistic", max_iter=1).fit(windows)
    assert "correlation_matrix" in gan.trained_statistics_
    assert "marginals" not in gan.trained_statistics_
    samples = torch.from_numpy(gan.sample(8))
    match = gan._make_matching(np.array(windows[::9]), torch.device("cpu"))
    units = Standardiser.of(np.array(windows[::9]))
    targets = objectives.matching_targets(
        units.standardise(torch.from_numpy(np.array(windows[::9])))
    )
    terms = objectives.second_order_matching(units.standardise(samples), targets)
    assert match(samples).item() == pytest.approx(sum(term.item() for term in terms.values()))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"variant": "wgan"}, "variant must be one of compact, relativistic, 1d, .* got 'wgan'"),
        ({"depth": 3}, "settings has 'depth', but CalciumGAN .compact. has only adversarial, "),
        ({"kernel_size": 3}, "settings has 'kernel_size', but CalciumGAN"),
        ({"n_critic": 0}, "n_critic must be an integer of at least 1"),
        ({"loss": "hinge"}, "loss must be wasserstein or relativistic, got 'hinge'"),
        ({"loss": "relativistic"}, "loss to 'relativistic' without its gradient_penalty"),
        ({"phase_shuffle": 3}, "'phase_shuffle', which has no effect on variant='compact'"),
        ({"betas": 0.9}, "betas must be two numbers, got 0.9"),
        ({"betas": (0.9, 1.0)}, "betas must be a finite number at least 0 and below 1, got 1.0"),
        ({"early_stopping": "no"}, "early_stopping must be True or False, got 'no'"),
        ({"warm_start": 1}, "warm_start must be True or False, got 1"),
        ({"max_iter": 0}, "max_iter"),
        ({"max_iter": 2.5}, "max_iter"),
        ({"max_time": -1}, "max_time must be a finite number above 0"),
        ({"max_time": math.nan}, "max_time"),
        ({"batch_size": 1}, "batch_size"),
        ({"learning_rate": 0}, "learning_rate must be a finite number above 0"),
        ({"adversarial": -1}, "adversarial must be a finite number at least 0"),
        ({"ema": 1.0}, "ema must be a finite number at least 0 and below 1"),
        ({"validation_fraction": 1}, "validation_fraction"),
        ({"frame_rate": -2}, "frame_rate"),
        ({"frame_rate": 5.0}, "frame rates differ: frame_rate says 5 Hz and X 10 Hz"),
        ({"device": "tpu"}, "device must be"),
        ({"device": "cuda:99"}, "CUDA devices"),
        ({"precision": "float8"}, "precision must be '32-true'"),
        ({"precision": "16-mixed", "device": "cpu"}, "needs a GPU"),
        ({"random_state": -1}, "random_state"),
        ({"verbose": "loud"}, "verbose must be an integer of at least 0"),
        ({"verbose": -1}, "verbose must be an integer of at least 0"),
    ],
)
def test_bad_parameters_are_named(
    windows: WindowView, params: dict[str, Any], message: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        quick(**params).fit(windows)


def test_settings_are_a_dict_of_what_is_no_parameter(windows: WindowView) -> None:
    with pytest.raises(ValueError, match="'filters', which CalciumGAN has as a parameter: pass it"):
        CalciumGAN(settings={"filters": 3}).fit(windows)
    with pytest.raises(TypeError, match="settings must be a dict of CalciumGAN's settings, got 3"):
        CalciumGAN(settings=3).fit(windows)


# ------------------------------------------------------------------ encoding


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_learns_and_samples_in_the_units_of_its_windows(
    variant: str, windows: WindowView, tmp_path: Any
) -> None:
    counts = Windower(32).fit_transform(Recording(1000 + 300 * windows.segments[0], 10.0))
    gan = quick(variant=variant, filters=2, max_iter=2, batch_size=4).fit(counts)
    samples = gan.sample(5)
    assert samples.shape == (5, 32, 4)
    assert 500 < samples.mean() < 2500
    assert set(gan.fit_summary_) == {"sd_ratio", "rate_ratio", "mismatched"}
    scores = gan.score_samples(counts[:3])
    gan.save(tmp_path / "model")
    again = CalciumGAN.load(tmp_path / "model")
    np.testing.assert_array_equal(again.sample(5), samples)
    np.testing.assert_array_equal(again.score_samples(counts[:3]), scores)


@pytest.mark.parametrize(
    ("variant", "steps"),
    [
        ("compact", [MinMaxScaler(per_neuron=True)]),
        ("1d", [MinMaxScaler()]),
        ("2d-sorted", [NeuronSorter(), MinMaxScaler()]),
        ("2d-fft-packed", [FFTEncoder("packed"), MinMaxScaler()]),
    ],
)
def test_windows_are_encoded_as_a_pipeline_of_their_own_would(
    variant: str, steps: list[Any], windows: WindowView
) -> None:
    front = make_pipeline(*steps)
    encoded = np.asarray(front.fit_transform(windows))
    gan = quick(variant=variant, max_iter=1, validation_fraction=0).fit(windows)
    found = np.asarray(gan.encoding_.transform(windows))
    np.testing.assert_array_equal(found, encoded)
    assert found.min() >= -1e-6
    assert found.max() <= 1 + 1e-6


def test_going_on_keeps_the_encoding_of_the_first_windows(windows: WindowView) -> None:
    gan = quick(variant="2d-sorted").partial_fit(windows)
    before = contents(gan)["encoding_"]
    gan.partial_fit(10 * np.asarray(windows)[::-1])
    assert contents(gan)["encoding_"] == before


def test_scalers_and_sorters_before_it_are_undone_by_the_pipeline(windows: WindowView) -> None:
    model = Pipeline([("sorter", NeuronSorter()), ("scaler", MinMaxScaler()), ("gan", quick())])
    drawn = model.fit(windows).sample_components(3)
    np.testing.assert_array_equal(drawn.traces, model.sample(3))
    assert np.abs(model.sample(100).mean() - np.mean(windows)) < np.std(windows)


# ------------------------------------------------------------------ wrong windows


def test_a_window_the_network_cannot_halve_is_refused() -> None:
    with pytest.raises(ValueError, match="nearest being 32 and 36 frames"):
        quick().fit(np.random.default_rng(0).normal(size=(20, 34, 3)))


def test_one_window_is_too_few() -> None:
    with pytest.raises(ValueError, match="at least 2 windows"):
        quick().fit(np.zeros((1, 32, 3)))


def test_silent_neurons_are_named_and_stay_silent(windows: WindowView) -> None:
    data = np.array(windows)
    data[..., 2] = 0.25
    with pytest.warns(UserWarning, match=r"1 of 4 features are constant.*index 2") as caught:
        gan = quick().fit(data)
    assert caught[0].filename == __file__  # it points at the call of fit
    samples = gan.sample(5)
    assert (samples[..., 2] == 0.25).all()
    assert np.isfinite(samples).all()


def test_another_window_is_refused_after_the_fit(windows: WindowView) -> None:
    gan = quick().fit(windows)
    with pytest.raises(ValueError, match=r"fitted on windows of shape \(32, 4\)"):
        gan.score_samples(np.zeros((3, 16, 4)))


# ------------------------------------------------------------------ training


def test_without_its_weight_the_critic_leaves_the_generator_alone(windows: WindowView) -> None:
    plain, other_critic = (
        quick(adversarial=0, validation_fraction=0, critic_learning_rate=rate).fit(windows)
        for rate in (1e-4, 1e-2)
    )
    assert torch.equal(weights(plain.generator_), weights(other_critic.generator_))
    assert not torch.equal(weights(plain.critic_), weights(other_critic.critic_))
    with_critic = quick(validation_fraction=0).fit(windows)
    assert not torch.equal(weights(plain.generator_), weights(with_critic.generator_))


def test_training_moves_the_samples_towards_the_data(windows: WindowView) -> None:
    real = np.array(windows)
    start, end = (
        CalciumGAN(max_iter=n, random_state=0, validation_fraction=0, settings={"ema": 0}).fit(
            windows
        )
        for n in (1, 80)
    )
    # One batch's value is noisy (its spread is as large as its mean late on): means of several.
    matching = np.array([row["matching"] for row in end.history_])
    assert matching[-20:].mean() < 0.6 * matching[:3].mean()

    def distance(gan: CalciumGAN) -> float:
        return float(np.abs(np.sort(gan.sample(200).ravel()) - quantiles).mean())

    n = 200 * 32 * 4
    quantiles = np.quantile(real, (np.arange(n) + 0.5) / n)
    assert distance(end) < 0.5 * distance(start)


@pytest.mark.parametrize("variant", ["compact", "relativistic"])
def test_critic_learns_to_tell_real_from_noise(windows: WindowView, variant: str) -> None:
    params = {"max_iter": 60, "matching": 0, "learning_rate": 1e-9, "filters": 16}
    gan = quick(variant=variant, **params).fit(windows)
    rng = np.random.default_rng(0)
    real = np.array(windows[::5])
    noise = rng.permuted(real, axis=1)
    assert gan.score_samples(real).mean() > gan.score_samples(noise).mean()


@pytest.mark.filterwarnings("ignore::calgan.FitWarning")
def test_relativistic_critic_alone_correlates_the_samples(windows: WindowView) -> None:
    params = {"random_state": 0, "validation_fraction": 0, "settings": {"matching": 0}}
    start, end = (CalciumGAN("relativistic", max_iter=n, **params).fit(windows) for n in (1, 150))
    assert end.trained_statistics_ == ()
    pairs = np.triu_indices(4, 1)
    real = np.corrcoef(np.array(windows).reshape(-1, 4).T)[pairs].mean()
    first, last = (
        np.corrcoef(gan.sample(200).reshape(-1, 4).T)[pairs].mean() for gan in (start, end)
    )
    assert abs(first) < 0.1 * real
    assert last > 0.35 * real


def test_the_relativistic_loss_is_that_of_its_pairs_and_penalties(
    windows: WindowView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A critic D = a x of all values x: pairs, penalties and their sum by hand."""
    seen = {}
    plain = AdversarialSteps._critic_step

    def note(self: Any, real: torch.Tensor, fake: torch.Tensor, rng: Any) -> dict[str, float]:
        critic = self.state.modules["critic"]
        monkeypatch.setattr(critic, "judge", lambda x, _shifts=(): slope * x.sum((1, 2)))
        seen["sums"] = [critic.standardised(x).sum((1, 2)).numpy() for x in (real, fake)]
        seen["row"] = plain(self, real, fake, rng)
        return seen["row"]

    slope = torch.tensor(0.02, requires_grad=True)
    monkeypatch.setattr(AdversarialSteps, "_critic_step", note)
    quick(variant="relativistic", max_iter=1, validation_fraction=0).fit(windows)
    real, fake = (0.02 * sums for sums in seen["sums"])
    assert seen["row"]["critic_loss"] == pytest.approx(
        np.logaddexp(0, fake - real).mean(), rel=1e-4
    )
    # |grad|^2 / 2 = T N a^2 / 2 at either side, by windows in units of their norm: times T N.
    assert seen["row"]["gradient_penalty"] == pytest.approx((32 * 4 * 0.02) ** 2, rel=1e-4)


def test_betas_are_kept_as_two_floats(windows: WindowView) -> None:
    gan = quick(max_iter=1, betas=np.array([0, 0.9])).fit(windows)
    assert gan.settings_.betas == (0.0, 0.9)


@pytest.mark.parametrize(
    ("variant", "window", "message"),
    [
        ("2d-fft-packed", 24, "Windows of 24 frames are too short .* at least 32 frames"),
        ("2d-fft-packed", 66, "window of 66 frames .* multiple of 8, the nearest being 64 and 72"),
        ("2d-fft-packed", 33, "or layout='full' .of CalciumGAN variant='2d-fft'."),
    ],
)
def test_messages_count_the_frames_of_the_users_windows(
    variant: str, window: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        quick(variant=variant).fit(np.random.default_rng(0).random((20, window, 4)))


def test_a_variant_that_encodes_refuses_encoded_windows(windows: WindowView) -> None:
    with pytest.raises(ValueError, match="encodes for itself.*give it windows of traces"):
        quick(variant="2d-fft").fit(FFTEncoder().fit_transform(windows))


def test_trials_are_no_windows() -> None:
    recording, _ = make_recording(20.0, n_neurons=4, random_state=0)
    arrays = [recording.traces[:80], recording.traces[:100]]
    for trials in ([recording], (recording, recording), arrays):
        with pytest.raises(ValueError, match="a list of . trials; cut .*Windower.*make_calcium_"):
            quick().fit(trials)


@pytest.mark.parametrize(("variant", "has"), [("compact", True), ("1d", False)])
def test_a_fit_does_not_change_whether_there_are_components(
    windows: WindowView, variant: str, has: bool
) -> None:
    gan = quick(variant=variant, max_iter=1)
    assert hasattr(gan, "sample_components") == has
    assert hasattr(gan.fit(windows), "sample_components") == has


def test_components_of_numbers_that_are_not_finite_are_nan_as_samples_are(
    windows: WindowView,
) -> None:
    gan = quick(max_iter=1).fit(windows)
    with torch.no_grad():
        next(gan.generator_.parameters()).fill_(math.nan)
    assert np.isnan(gan.sample(2)).all()
    drawn = gan.sample_components(2)
    assert drawn.traces.shape == drawn.spikes.shape == (2, 32, 4)
    assert np.isnan(drawn.traces).all()


@pytest.mark.parametrize("variant", ["compact", "relativistic", "1d", "2d"])
@pytest.mark.parametrize("loss", ["wasserstein", "relativistic"])
def test_either_loss_trains_all_networks(windows: WindowView, variant: str, loss: str) -> None:
    gan = quick(variant=variant, loss=loss, gradient_penalty=1, max_iter=1, filters=2)
    gan.fit(windows)
    assert gan.settings_.loss == loss
    assert math.isfinite(gan.history_[0]["gradient_penalty"])


def test_tracked_statistics_and_their_baseline(windows: WindowView) -> None:
    gan = quick().fit(windows)
    row = gan.history_[-1]
    for name in ("firing_rate_kl", "correlation_kl", "van_rossum_kl", "population_count_kl",
                 "correlation_matrix_rmse", "marginal_w1", "log_spectrum_error"):  # fmt: skip
        assert np.isfinite(row[f"val_{name}"])
        assert gan.validation_baseline_[name] >= 0
    assert "val_score" not in gan.history_[0]  # checks every 2 steps
    bare = quick().fit(np.array(windows))  # no frame rate: no spikes
    assert "val_firing_rate_kl" not in bare.history_[-1]
    assert "val_marginal_w1" in bare.history_[-1]
    known = quick(frame_rate=10.0).fit(np.array(windows))
    assert "val_firing_rate_kl" in known.history_[-1]


def test_best_state_is_kept(windows: WindowView, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([3.0, 1.0, 2.0, 2.0])
    states = []

    def make_check(_self: Any, _X: Any, _held: Any, _reference: Any, state: Any) -> Any:
        def check() -> tuple[float, dict[str, float]]:
            states.append(weights(state.averaged).clone())
            return next(scores), {"val_score": 0.0}

        return check

    monkeypatch.setattr(CalciumGAN, "_make_check", make_check)
    gan = quick(max_iter=8).fit(windows)
    assert gan.best_iter_ == 4
    assert gan.n_iter_ == 8
    assert torch.equal(weights(gan.generator_), states[1])
    assert not torch.equal(states[1], states[3])


def test_training_stops_early_without_improvement(
    windows: WindowView, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CalciumGAN, "_make_check", lambda *_: lambda: (1.0, {"val_score": 1.0}))
    gan = quick(max_iter=50, n_iter_no_change=6).fit(windows)
    assert gan.stopped_ == "early stopping"
    assert (gan.best_iter_, gan.n_iter_) == (2, 8)
    assert quick(max_iter=10, n_iter_no_change=6, early_stopping=False).fit(windows).n_iter_ == 10


@pytest.mark.parametrize("variant", ["compact", "relativistic", "1d"])
@pytest.mark.parametrize("validation_fraction", [0, 0.1])
def test_training_that_diverges_says_so_and_keeps_the_last_good_state(
    windows: WindowView, variant: str, validation_fraction: float
) -> None:
    params = {"variant": variant, "validation_fraction": validation_fraction, "warm_start": True}
    good = quick(**params).fit(windows)
    gan = quick(**params).fit(windows)
    set_of(gan, max_iter=20, learning_rate=1e30, critic_learning_rate=1e30)
    with pytest.warns(ConvergenceWarning, match="diverged at step 5.*smaller learning_rate"):
        gan.fit(windows)
    assert gan.stopped_ == "diverged"
    assert gan.n_iter_ == len(gan.history_) == 4
    np.testing.assert_array_equal(gan.sample(3), good.sample(3))
    for model in (gan, good):  # and it can go on from there
        model.set_params(max_iter=6, learning_rate=None, settings=good.settings).fit(windows)
    np.testing.assert_array_equal(gan.sample(3), good.sample(3))


def test_samples_that_are_not_finite_have_the_worst_score(
    windows: WindowView, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CalciumGAN, "_draw", lambda _self, _g, n, _r: np.full((n, 32, 4), np.nan))
    gan = quick().fit(windows)
    assert gan.history_[-1]["val_score"] == math.inf
    assert gan.best_iter_ == gan.n_iter_ == 4
    assert gan.fit_summary_["sd_ratio"] == [math.inf] * 4
    assert gan.fit_summary_["mismatched"] == [0, 1, 2, 3]


def test_a_mismatch_is_warned_of_after_enough_steps(
    windows: WindowView, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CalciumGAN, "_draw", lambda _self, _g, n, _r: np.zeros((n, 32, 4)))
    gan = quick().fit(windows)  # warnings are errors
    assert gan.fit_summary_["mismatched"] == [0, 1, 2, 3]
    monkeypatch.setattr("calgan.generators.trained._WARN_FROM", 4)
    with pytest.warns(FitWarning, match="CalciumGAN do not match") as caught:
        gan.fit(windows)
    assert [warning.filename for warning in caught] == [__file__]
    gan.partial_fit(windows)
    assert gan.fit_summary_["mismatched"] == [0, 1, 2, 3]


def test_every_phase_is_shown(windows: WindowView, capsys: pytest.CaptureFixture[str]) -> None:
    quick(verbose=1).fit(windows)
    shown = capsys.readouterr().err
    phases = ["reading windows", "training", "choosing the best state", "checking samples"]
    assert [shown.find(phase) >= 0 for phase in phases] == [True] * 4
    assert sorted(phases, key=shown.find) == phases


def test_validation_can_be_left_out(windows: WindowView) -> None:
    gan = quick(validation_fraction=0).fit(windows)
    assert gan.validation_baseline_ == {}
    assert gan.best_iter_ == gan.n_iter_ == 4
    assert not any(key.startswith("val_") for row in gan.history_ for key in row)


def test_ema_averages_and_can_be_left_out(windows: WindowView) -> None:
    without = quick(ema=0, validation_fraction=0).fit(windows)
    averaged = quick(ema=0.9, validation_fraction=0).fit(windows)
    raw = averaged._checkpoint["weights"]["generator"]["drive.weight"]
    assert torch.equal(raw, without.generator_.state_dict()["drive.weight"])
    assert not torch.equal(raw, averaged.generator_.state_dict()["drive.weight"])


def test_encoded_windows_come_back_encoded(windows: WindowView) -> None:
    encoded = FFTEncoder("packed").fit_transform(windows)
    gan = quick().fit(encoded)
    assert gan.sample(3).shape == (3, 16, 4, 2)
    assert gan.score_samples(encoded[:5]).shape == (5,)
    assert gan.trained_statistics_ == ()  # it matches coefficients, not traces
    assert gan.n_features_in_ == 4


def test_bfloat16_stays_close_to_float32(windows: WindowView) -> None:
    plain = quick(filters=16, max_iter=10).fit(windows)
    mixed = quick(filters=16, max_iter=10, precision="bf16-mixed").fit(windows)
    assert mixed.sample(2).dtype == np.float32
    assert not torch.equal(weights(plain.generator_), weights(mixed.generator_))
    losses = [[row["matching"] for row in gan.history_] for gan in (plain, mixed)]
    np.testing.assert_allclose(losses[1][:4], losses[0][:4], rtol=0.05)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_float16_resumes_with_its_loss_scale(windows: WindowView, tmp_path: Any) -> None:
    gan = quick(device="cuda", precision="mixed", max_iter=3).fit(windows)
    assert gan._checkpoint["loss_scale"]["scale"] > 0
    gan.save(tmp_path / "model.calgan")
    again = CalciumGAN.load(tmp_path / "model.calgan")
    assert again._checkpoint["loss_scale"] == gan._checkpoint["loss_scale"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_cuda_agrees_with_the_cpu(windows: WindowView, precision: str) -> None:
    cpu = quick(filters=16, device="cpu").fit(windows)
    gpu = quick(filters=16, device="cuda", precision=precision).fit(windows)
    assert next(gpu.generator_.parameters()).device.type == "cpu"
    losses = [[row["matching"] for row in gan.history_] for gan in (cpu, gpu)]
    if precision == "16-mixed":  # a step that overflows at the first loss scale is left out
        assert np.isfinite(losses[1]).all()
        losses = [row[:1] for row in losses]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-2 if precision == "32-true" else 0.1)


def test_memory_mapped_recordings_train_as_arrays_do(tmp_path: Any) -> None:
    recording, _ = make_recording(40.0, n_neurons=3, random_state=0)
    np.save(tmp_path / "traces.npy", recording.traces)
    mapped = np.load(tmp_path / "traces.npy", mmap_mode="r")
    view = Windower(32).fit_transform(Recording(mapped, 10.0))
    plain = Windower(32).fit_transform(recording)
    np.testing.assert_array_equal(quick().fit(view).sample(2), quick().fit(plain).sample(2))
