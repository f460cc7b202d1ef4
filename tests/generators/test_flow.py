"""CalciumFlow: its objective, its solver, and that it learns; the contract is tested elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from calgan import CalciumFlow, FFTEncoder, Windower
from calgan.data.windows import WindowView
from calgan.datasets import make_recording
from calgan.generators.flow.network import FlowGenerator
from calgan.generators.flow.steps import flow_matching
from calgan.training.layers import seeded_init


@pytest.fixture(scope="module")
def windows() -> WindowView:
    recording, _ = make_recording(60.0, n_neurons=4, random_state=0)
    return Windower(32).fit_transform(recording)


def quick(**params: Any) -> CalciumFlow:
    """Return a small model; what is no parameter is a setting."""
    params = {"max_iter": 4, "filters": 8, "batch_size": 8, "random_state": 0} | params
    names = set(params) & set(CalciumFlow().get_params())
    settings = {"n_steps": 3, "check_every": 2}
    settings |= {name: value for name, value in params.items() if name not in names}
    return CalciumFlow(verbose=0, settings=settings, **{name: params[name] for name in names})


def test_the_objective_is_the_error_of_the_velocity_on_straight_lines() -> None:
    rng = torch.Generator().manual_seed(0)
    data, noise = torch.randn(2, 5, 3, 4, generator=rng)
    time = torch.rand(5, generator=rng)
    seen = []

    def velocity(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        seen.append((x, t))
        return data - noise + 2.0

    assert flow_matching(velocity, data, noise, time).item() == pytest.approx(4.0)
    ((points, times),) = seen
    torch.testing.assert_close(times, time)
    for i in range(5):
        torch.testing.assert_close(points[i], noise[i] + time[i] * (data[i] - noise[i]))


def test_samples_follow_the_velocity(monkeypatch: pytest.MonkeyPatch) -> None:
    net = FlowGenerator(16, 2, channels=8, n_steps=40)
    net.units.set(torch.tensor([1.0, -2.0]), torch.tensor([3.0, 0.0]))
    # dx / dt = x has the solution x(1) = e x(0).
    monkeypatch.setattr(net, "velocity", lambda x, t: x)
    noise = torch.randn(3, net.noise_size, generator=torch.Generator().manual_seed(0))
    windows = net(noise)
    expected = 1.0 + 3.0 * np.e * noise.view(3, 2, 16)[:, 0]
    torch.testing.assert_close(windows[:, :, 0], expected, rtol=1e-3, atol=1e-3)
    assert (windows[:, :, 1] == -2.0).all()  # a constant neuron stays constant
    # dx / dt = 2 t has the solution x(1) = x(0) + 1, which Heun's method gets exactly.
    monkeypatch.setattr(net, "velocity", lambda x, t: torch.ones_like(x) * 2 * t[:, None, None])
    net.n_steps = 1
    torch.testing.assert_close(net(noise)[:, :, 0], 1.0 + 3.0 * (noise.view(3, 2, 16)[:, 0] + 1))


@pytest.mark.parametrize(("frames", "depth"), [(64, 2), (16, 1), (50, 1), (17, 0), (12, 0)])
def test_windows_of_any_length_can_be_drawn(frames: int, depth: int) -> None:
    net = FlowGenerator(frames, 3, channels=8, n_steps=1)
    seeded_init(net, 0)
    assert len(net.down) == depth
    assert net(torch.zeros(2, net.noise_size)).shape == (2, frames, 3)


def test_the_velocity_depends_on_time() -> None:
    net = FlowGenerator(16, 2, channels=8)
    seeded_init(net, 0)
    x = torch.randn(1, 2, 16, generator=torch.Generator().manual_seed(0))
    a, b = (net.velocity(x, torch.tensor([t])) for t in (0.2, 0.7))
    assert (a - b).abs().max() > 1e-3


def test_the_velocity_starts_at_zero() -> None:
    net = FlowGenerator(16, 2, channels=8)
    net.start()
    assert (net.velocity(torch.ones(1, 2, 16), torch.tensor([0.3])) == 0).all()


def test_it_learns_the_distribution() -> None:
    # Two kinds of windows, in one neuron constant at -1 or at 3: means and modes are known.
    rng = np.random.default_rng(0)
    level = np.where(rng.random(400) < 0.5, -1.0, 3.0)
    X = np.stack([np.repeat(level[:, None], 16, 1), rng.normal(5, 2, (400, 16))], axis=2)
    X += 0.1 * rng.standard_normal(X.shape)
    flow = quick(
        max_iter=300, filters=32, batch_size=64, n_steps=8, validation_fraction=0, ema=0.95
    ).fit(X.astype(np.float32))
    samples = flow.sample(400)
    means = samples[:, :, 0].mean(axis=1)
    low, high = np.abs(means + 1) < 0.8, np.abs(means - 3) < 0.8
    assert (low | high).mean() > 0.85
    assert 0.35 < low.mean() < 0.65
    assert samples[:, :, 1].mean() == pytest.approx(5, abs=0.4)
    assert samples[:, :, 1].std() == pytest.approx(2, abs=0.4)
    losses = [row["loss"] for row in flow.history_]
    assert np.mean(losses[-20:]) < 0.7 * np.mean(losses[:5])


def test_tracked_statistics_have_a_baseline(windows: WindowView) -> None:
    flow = quick().fit(windows)
    assert flow.trained_statistics_ == ()
    row = flow.history_[-1]
    assert np.isfinite(row["val_score"])
    assert flow.validation_baseline_
    for name in flow.validation_baseline_:
        assert np.isfinite(row[f"val_{name}"])


def test_a_resumed_run_is_the_uninterrupted_one(windows: WindowView, tmp_path: Any) -> None:
    whole = quick(max_iter=6).fit(windows)
    quick(max_iter=3).fit(windows).save(tmp_path / "part.calgan")
    part = CalciumFlow.load(tmp_path / "part.calgan")
    part.set_params(max_iter=6, warm_start=True).fit(windows)
    np.testing.assert_array_equal(whole.sample(3), part.sample(3))
    assert whole.history_ == part.history_


def test_going_on_with_other_filters_is_refused(windows: WindowView) -> None:
    flow = quick().fit(windows)
    with pytest.raises(ValueError, match="filters changed from 8 to 16"):
        flow.set_params(filters=16, warm_start=True).fit(windows)


@pytest.mark.parametrize("warm_start", [False, True])
def test_a_fit_that_fails_leaves_the_former_model(
    windows: WindowView, warm_start: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = quick().fit(windows)
    before, draws = dict(vars(flow)), flow.sample(3)

    def is_as_before() -> None:
        now = {k: v for k, v in vars(flow).items() if k not in flow.get_params()}
        assert now == {k: before[k] for k in now}
        assert len(vars(flow)) == len(before)
        np.testing.assert_array_equal(flow.sample(3), draws)

    flow.set_params(
        warm_start=warm_start,
        max_iter=8,
        settings={"n_steps": 3, "check_every": 1},
        validation_fraction=0.2,
    )
    for wrong in ({"verbose": "loud"}, {"max_time": 0}, {"precision": "float8"}):
        former = {name: getattr(flow, name) for name in wrong}
        with pytest.raises((ValueError, TypeError)):
            flow.set_params(**wrong).fit(windows)
        flow.set_params(**former)
        is_as_before()
    scores = iter([(1.0, {}), (2.0, {})])
    with monkeypatch.context() as broken:  # fails after two steps and their checks
        broken.setattr("calgan.generators.monitor.Tracker.score", lambda *_: next(scores))
        with pytest.raises(StopIteration):
            flow.fit(windows)
    is_as_before()


def test_a_split_that_cannot_be_made_says_so(windows: WindowView) -> None:
    with pytest.warns(UserWarning, match="CalciumFlow tracks nothing") as caught:
        flow = quick().fit(np.array(windows[:30]))
    assert caught[0].filename == __file__
    assert flow.validation_baseline_ == {}


@pytest.mark.parametrize("kernel_size", [0, 2, 4])
def test_an_even_kernel_is_refused(kernel_size: int) -> None:
    with pytest.raises(ValueError, match=f"must be odd.*use {kernel_size + 1}"):
        FlowGenerator(16, 2, channels=8, kernel_size=kernel_size)


@pytest.mark.parametrize("kernel_size", [1, 3, 7])
def test_odd_kernels_keep_the_number_of_frames(kernel_size: int) -> None:
    net = FlowGenerator(16, 2, channels=8, n_steps=1, kernel_size=kernel_size)
    assert net(torch.zeros(1, net.noise_size)).shape == (1, 16, 2)


def test_encoded_windows_come_back_encoded(windows: WindowView) -> None:
    encoded = FFTEncoder("packed").fit_transform(windows)
    samples = quick().fit(encoded).sample(2)
    assert samples.shape == (2, 16, 4, 2)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"filters": 0}, "filters must be an integer of at least 1"),
        ({"n_steps": 1.5}, "n_steps must be an integer"),
        ({"learning_rate": 0.0}, "learning_rate must be"),
        ({"max_iter": 0}, "max_iter must be"),
        ({"layers": 3}, "settings has 'layers', but CalciumFlow .* has only betas, check_every"),
        ({"ema": 1.0}, "ema must be"),
        ({"batch_size": 1}, "batch_size must be"),
    ],
)
def test_parameters_out_of_range_are_named(
    params: dict[str, Any], message: str, windows: WindowView
) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        quick(**params).fit(windows)
