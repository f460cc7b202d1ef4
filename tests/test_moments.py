"""CalciumMoments: where it starts, that it learns, and what it makes of odd windows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning

from calgan import CalciumMoments, FFTEncoder, OasisDeconvolver, Recording, Windower
from calgan.datasets import make_recording
from calgan.moment_matching import MATCHED_MOMENTS, MomentMatching
from calgan.windows import WindowView


@pytest.fixture(scope="module")
def windows() -> WindowView:
    recording, _ = make_recording(60.0, n_neurons=4, random_state=0)
    return Windower(32).fit_transform(recording)


@pytest.fixture(scope="module")
def array(windows: WindowView) -> np.ndarray:
    return np.array(windows[::5])


def quick(**params: Any) -> CalciumMoments:
    defaults = {
        "max_iter": 3,
        "n_factors": 2,
        "hidden": 4,
        "batch_size": 8,
        "random_state": 0,
        "verbose": 0,
    }
    return CalciumMoments(**(defaults | params))


def losses(model: CalciumMoments) -> np.ndarray:
    return np.array([row["loss"] for row in model.history_])


def all_finite(model: CalciumMoments) -> bool:
    return bool(np.isfinite(losses(model)).all() and np.isfinite(model.sample(5)).all())


# What it learns


def test_it_starts_near_the_data_and_learns() -> None:
    recording, _ = make_recording(150.0, n_neurons=6, random_state=1)
    view = Windower(32).fit_transform(recording)
    deconvolver = OasisDeconvolver().fit(recording)
    real = np.array(view[::8])
    rates = deconvolver.transform(real).mean((0, 1))
    deviation = real.std((0, 1))

    def rate_error(model: CalciumMoments) -> float:
        found = deconvolver.transform(model.sample(300)).mean((0, 1))
        return float(np.abs(np.log(found / rates)).mean())

    # Steps so small that nothing is learnt.
    start = quick(max_iter=1, learning_rate=1e-12).fit(view)
    samples = start.sample(300)
    assert rate_error(start) < 0.4
    np.testing.assert_allclose(samples.mean((0, 1)), real.mean((0, 1)), atol=0.25 * deviation.max())
    np.testing.assert_allclose(samples.std((0, 1)), deviation, rtol=0.6)
    model = quick(max_iter=60, batch_size=16, ema=0.9).fit(view)
    assert losses(model)[-10:].mean() < 0.75 * losses(model)[:10].mean()
    assert rate_error(model) < 0.3  # the start is calibrated for rates: they must not be lost
    terms = [{k: v for k, v in row.items() if k not in ("step", "loss")} for row in model.history_]
    assert [sum(row.values()) for row in terms] == pytest.approx(losses(model), rel=1e-4)
    assert all(value >= 0 for row in terms for value in row.values())


def test_samples_have_the_correlations_of_the_data() -> None:
    # Two groups of neurons, each with events of its own.
    rng = np.random.default_rng(0)
    events = (rng.random((1500, 2)) < 0.05).repeat(3, axis=1) * rng.uniform(0.8, 1.2, (1500, 6))
    traces = np.zeros((1500, 6))
    for t in range(1, 1500):
        traces[t] = 0.8 * traces[t - 1] + events[t]
    traces += 0.1 * rng.standard_normal(traces.shape)
    view = Windower(32).fit_transform(Recording(traces.astype(np.float32), 10.0))
    found = np.corrcoef(quick(max_iter=40).fit(view).sample(200).reshape(-1, 6).T)
    group = np.arange(6) // 3
    same = (group[:, None] == group) & ~np.eye(6, dtype=bool)
    assert found[same].min() > 0.5
    assert np.abs(found[group[:, None] != group]).max() < 0.3


def test_the_mean_rate_is_levelled_in_the_end(
    windows: WindowView, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = quick(max_iter=4).fit(windows)
    again = plain.sample(3)
    levelled = quick(max_iter=2, warm_start=True).fit(windows)
    monkeypatch.setattr("calgan.moments.level_rates", lambda *_, **__: None)
    without = quick(max_iter=2, warm_start=True).fit(windows)
    off = abs(levelled.generator_.linear.bias - without.generator_.linear.bias)
    assert float(off.max()) > 0
    # What training goes on from is as it was: levelled or not, two and two steps are four.
    monkeypatch.undo()
    for model in (levelled, without):
        resumed = model.set_params(max_iter=4).fit(windows)
        np.testing.assert_array_equal(resumed.sample(3), again)


def test_what_is_learnt_outlives_an_interrupt_in_the_end(
    windows: WindowView, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("calgan.moments.level_rates", interrupt)
    model = quick().fit(windows)
    assert model.stopped_ == "interrupted"
    assert model.n_iter_ == 3
    assert all_finite(model)


def test_it_says_what_it_is_trained_on(windows: WindowView) -> None:
    assert quick().fit(windows).trained_statistics_ == MATCHED_MOMENTS


def test_checks_are_tracked_beside_their_floor(windows: WindowView) -> None:
    model = quick(max_iter=4, check_every=2, validation_fraction=0.2).fit(windows)
    assert np.isfinite(model.history_[-1]["val_score"])
    assert model.validation_floor_
    for name in model.validation_floor_:
        assert np.isfinite(model.history_[-1][f"val_{name}"])
    assert quick().fit(windows).validation_floor_ == {}  # all windows are trained on


def test_a_seed_is_one_start_and_another_seed_is_another(windows: WindowView) -> None:
    a, b, c = (quick(max_iter=1, random_state=seed).fit(windows) for seed in (0, 0, 1))
    assert a.history_ == b.history_
    assert a.history_ != c.history_


# Going on


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_resumed_run_is_the_uninterrupted_one(
    windows: WindowView, tmp_path: Any, ema: float
) -> None:
    whole = quick(max_iter=6, ema=ema).fit(windows)
    first = quick(max_iter=3, ema=ema).fit(windows)
    first.save(tmp_path / "part.calgan")
    loaded = CalciumMoments.load(tmp_path / "part.calgan")
    for part in (first, loaded):
        assert part.running_.values.numel() > 1
        part.set_params(max_iter=6, warm_start=True).fit(windows)
        np.testing.assert_array_equal(whole.sample(3), part.sample(3))
        assert whole.history_ == part.history_
        torch.testing.assert_close(whole.running_.values, part.running_.values, rtol=0, atol=0)
    forgetful = quick(max_iter=3, ema=ema).fit(windows)
    forgetful._checkpoint["weights"]["running"]["values"] += 1  # what is kept makes a difference
    forgetful.set_params(max_iter=6, warm_start=True).fit(windows)
    assert forgetful.history_[3] != whole.history_[3]


def test_going_on_does_not_start_again(windows: WindowView) -> None:
    model = quick(max_iter=2).fit(windows)
    before = model._checkpoint["weights"]["generator"]["linear.weight"].clone()
    model.set_params(max_iter=3, warm_start=True, learning_rate=1e-12).fit(windows)
    after = model._checkpoint["weights"]["generator"]["linear.weight"]
    torch.testing.assert_close(after, before, rtol=0, atol=1e-9)


def test_it_goes_on_with_other_windows(windows: WindowView) -> None:
    model = quick(batch_size=300).partial_fit(windows).partial_fit(np.array(windows[100:200]))
    assert model.n_iter_ == 3
    assert all_finite(model)


@pytest.mark.parametrize(("width", "new"), [("n_factors", 3), ("hidden", 5)])
def test_going_on_with_another_width_is_refused(array: np.ndarray, width: str, new: int) -> None:
    model = quick().fit(array)
    draws = model.sample(2)
    with pytest.raises(ValueError, match=f"{width} changed from"):
        model.set_params(**{width: new}, warm_start=True).fit(array)
    np.testing.assert_array_equal(model.sample(2), draws)


def test_a_fit_that_fails_leaves_the_former_model(array: np.ndarray) -> None:
    model = quick().fit(array)
    draws, rows = model.sample(3), model.history_
    for wrong in (array[:, :8], array[:1], np.stack([array, array], axis=3)):
        with pytest.raises(ValueError, match=r"16 frames|2 windows|encoded windows"):
            model.fit(wrong)
        assert model.history_ is rows
        np.testing.assert_array_equal(model.sample(3), draws)


@pytest.mark.parametrize("learning_rate", [1e3, 1e30])
def test_steps_too_long_end_as_diverged(array: np.ndarray, learning_rate: float) -> None:
    with pytest.warns(ConvergenceWarning, match="smaller learning_rate"):
        model = quick(max_iter=20, learning_rate=learning_rate).fit(array)
    assert model.stopped_ == "diverged"
    assert np.isfinite(model.sample(3)).all()


# Odd windows


def test_arrays_without_a_frame_rate(array: np.ndarray) -> None:
    model = quick().fit(array)
    assert model.frame_rate_ is None
    assert all_finite(model)
    assert quick(frame_rate=10.0).fit(array).frame_rate_ == 10.0


def test_a_frame_rate_that_contradicts_the_windows_is_refused(windows: WindowView) -> None:
    with pytest.raises(ValueError, match="recorded at 10 Hz"):
        quick(frame_rate=20.0).fit(windows)


@pytest.mark.parametrize("frame_rate", [0.1, 0.5, 3.0, 200.0])
def test_any_frame_rate(array: np.ndarray, frame_rate: float) -> None:
    assert all_finite(quick(frame_rate=frame_rate).fit(array))


@pytest.mark.parametrize("shape", [(2, 16, 1), (3, 17, 2), (5, 50, 3)])
def test_few_windows_of_any_width(shape: tuple[int, ...]) -> None:
    X = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    model = quick().fit(X)
    assert model.sample(2).shape == (2, *shape[1:])
    assert all_finite(model)


def test_one_neuron(windows: WindowView, array: np.ndarray) -> None:
    model = quick(max_iter=20).fit(array[..., :1])
    assert model.sample(2).shape == (2, 32, 1)
    assert all_finite(model)
    assert model.sample(100).std() == pytest.approx(array[..., 0].std(), rel=0.5)


@pytest.mark.parametrize("value", [0.0, 5.0, -1e5])
def test_a_constant_neuron_stays_constant(array: np.ndarray, value: float) -> None:
    X = array.copy()
    X[..., 1] = value
    with pytest.warns(UserWarning, match="index 1"):
        model = quick().fit(X)
    samples = model.sample(5)
    assert (samples[..., 1] == value).all()
    assert samples[..., [0, 2, 3]].std((0, 1)).min() > 0
    assert all_finite(model)


def test_constant_windows_are_learnt() -> None:
    with pytest.warns(UserWarning, match="2 of 2 features are constant"):
        model = quick().fit(np.full((5, 16, 2), 3.0, dtype=np.float32))
    assert (model.sample(2) == 3.0).all()


def test_a_neuron_without_events_does_not_stop_the_others(array: np.ndarray) -> None:
    X = array.copy()
    X[..., 0] = np.random.default_rng(0).uniform(-1, 1, X.shape[:2])
    assert OasisDeconvolver(10.0).fit(X).transform(X)[..., 0].sum() == 0
    model = quick(max_iter=20).fit(X)
    assert losses(model).max() < 30 * losses(quick(max_iter=20).fit(array)).max()
    samples = model.sample(200)
    assert samples[..., 0].std() == pytest.approx(X[..., 0].std(), rel=0.4)


def test_noise_without_events_is_learnt() -> None:
    X = np.random.default_rng(0).standard_normal((40, 32, 3)).astype(np.float32)
    samples = quick(max_iter=30).fit(X).sample(200)
    assert samples.mean() == pytest.approx(0, abs=0.25)
    assert samples.std() == pytest.approx(1, rel=0.25)


@pytest.mark.parametrize(("scale", "offset"), [(1000.0, 500.0), (1e-6, 0.0), (1e8, -1e8)])
def test_units_do_not_matter(array: np.ndarray, scale: float, offset: float) -> None:
    plain = quick(max_iter=5).fit(array).sample(20)
    other = quick(max_iter=5).fit((scale * array + offset).astype(np.float32)).sample(20)
    # Rounding may move an inferred spike, and with it a threshold a little.
    error = np.abs((other - offset) / scale - plain) / plain.std()
    assert np.median(error) < 0.01
    assert error.mean() < 0.05


def test_encoded_windows_are_refused(windows: WindowView) -> None:
    with pytest.raises(ValueError, match=r"CalciumMoments takes windows of traces.*CalciumGAN"):
        quick().fit(FFTEncoder("packed").fit_transform(windows))


def test_too_short_windows_are_refused(array: np.ndarray) -> None:
    with pytest.raises(ValueError, match="at least 16 frames"):
        quick().fit(array[:, :15])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_factors": 0}, "n_factors must be an integer of at least 1"),
        ({"hidden": 1.5}, "hidden must be an integer"),
        ({"learning_rate": 0.0}, "learning_rate must be"),
        ({"max_iter": 0}, "max_iter must be"),
        ({"max_iter": None}, "max_iter must be"),
        ({"ema": 1.0}, "ema must be"),
        ({"batch_size": 1}, "batch_size must be"),
        ({"frame_rate": -1.0}, "frame_rate must be"),
        ({"device": "tpu"}, "device must be"),
    ],
)
def test_wrong_parameters(params: dict[str, Any], message: str, array: np.ndarray) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        quick(**params).fit(array)


# Arithmetic


def test_half_precision_matches_nearly(array: np.ndarray) -> None:
    full, half = (quick(precision=p).fit(array) for p in ("32-true", "bf16-mixed"))
    assert losses(half) == pytest.approx(losses(full), rel=0.1)
    assert math.isfinite(losses(half)[-1])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_it_trains_on_a_gpu(array: np.ndarray) -> None:
    on_gpu, on_cpu = (quick(device=device).fit(array) for device in ("cuda", "cpu"))
    assert losses(on_gpu) == pytest.approx(losses(on_cpu), rel=0.02)
    assert next(on_gpu.generator_.parameters()).device.type == "cpu"
    on_gpu.set_params(max_iter=6, warm_start=True).fit(array)  # running means go back and forth
    assert all_finite(on_gpu)


def test_windows_that_overlap_are_not_taken_for_independent(monkeypatch: Any) -> None:
    seen = []

    class Spy(MomentMatching):
        def __init__(self, *args: Any) -> None:
            seen.append(args[4])
            super().__init__(*args)

    monkeypatch.setattr("calgan.moments.MomentMatching", Spy)
    recording, _ = make_recording(40.0, n_neurons=3, random_state=0)
    view = Windower(64).fit_transform(recording)
    quick(max_iter=1).fit(view)
    quick(max_iter=1).fit(np.array(view[::40]))
    assert seen == [6, len(view[::40])]  # 400 frames hold 6 windows that share none


def test_going_on_with_other_windows_starts_from_their_moments() -> None:
    recording, _ = make_recording(60.0, n_neurons=3, random_state=0)
    windows = np.array(Windower(32, stride=4).fit_transform(recording))
    model = quick(max_iter=10, warm_start=True).fit(windows)
    model.set_params(max_iter=12).fit(3 * windows + 1)
    # Two steps see the means of the first batch alone, as at the very start.
    row = losses(model)
    assert row[0] == pytest.approx(row[1], rel=1e-5)
    assert row[10] == pytest.approx(row[11], rel=1e-5)
    assert row[1] != pytest.approx(row[2], rel=1e-3)
