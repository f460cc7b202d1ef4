"""LatentGenerator: stationary factors, a start that keeps its promises, no order of neurons."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calgan.networks import LatentGenerator, latent_time_scales, seeded_init


def latent(n_frames: int = 32, n_neurons: int = 5, n_factors: int = 3) -> LatentGenerator:
    net = LatentGenerator(n_frames, n_neurons, n_factors=n_factors, hidden=4)
    seeded_init(net, 0)
    return net


def gaussian(n_samples: int, net: LatentGenerator) -> torch.Tensor:
    return torch.randn(n_samples, net.noise_size, generator=torch.Generator().manual_seed(0))


def starting_from(net: LatentGenerator, **changes: np.ndarray) -> LatentGenerator:
    """Start a network from spikes of known probabilities and loadings."""
    n, s = net.n_neurons, len(net.time_scales)
    k = len(net.log_time) // s
    rng = np.random.default_rng(0)
    loadings = rng.standard_normal((n, k, s))
    loadings *= np.sqrt(rng.uniform(0.1, 0.9, n) / np.square(loadings).sum((1, 2)))[:, None, None]
    start = {
        "decay": np.full(n, 0.8),
        "baseline": np.linspace(-1, 1, n),
        "noise": np.full(n, 0.1),
        "amplitudes": np.ones(n),
        "probabilities": np.geomspace(0.01, 0.3, n),
        "loadings": loadings,
    }
    net.start_from(**(start | changes))
    return net


def drive_of(net: LatentGenerator, noise: torch.Tensor) -> torch.Tensor:
    """Return what `forward` makes events of, (M, N, L): caught where it is rectified."""
    caught = []

    def relu(x: torch.Tensor) -> torch.Tensor:
        caught.append(x)
        return x.clamp(min=0)

    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr("calgan.networks._latent.F.relu", relu)
        net(noise)
    (drive,) = caught
    return drive


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 3000))
def test_time_scales_reach_from_a_frame_to_a_window(n_frames: int) -> None:
    scales = latent_time_scales(n_frames)
    assert all(a < b for a, b in itertools.pairwise(scales))
    assert scales[0] < 1
    assert scales[-1] == pytest.approx(n_frames)
    ratios = np.diff(np.log(scales[1:]))
    np.testing.assert_allclose(ratios, ratios[0])


@pytest.mark.parametrize("tau", [0.3, 2.0, 10.0, 80.0])
def test_factors_are_stationary_with_exponential_autocovariances(tau: float) -> None:
    net = starting_from(latent(), probabilities=np.full(5, 0.5))
    with torch.no_grad():
        net.log_time.fill_(np.log(tau))
        net.private.fill_(-30.0)
        net.slow.fill_(-30.0)
    x = drive_of(net, gaussian(6000, net)).double()
    x = x / net.linear.weight.detach().square().sum(1).sqrt()  # all factors have one time constant
    first, last = x[..., 0], x[..., -1]
    for frame in (first, last, x[..., 20]):
        np.testing.assert_allclose(frame.mean(0), 0, atol=0.07)
        np.testing.assert_allclose(frame.var(0), 1, atol=0.1)
    for lag in (1, 5, 20):
        for start in (0, 30):
            found = (x[..., start] * x[..., start + lag]).mean(0)
            np.testing.assert_allclose(found, np.exp(-lag / tau), atol=0.08)


def test_a_start_has_the_promised_probability_of_events() -> None:
    net = starting_from(latent())
    events = (drive_of(net, gaussian(3000, net)) > 0).double()
    np.testing.assert_allclose(events.mean((0, 2)), np.geomspace(0.01, 0.3, 5), rtol=0.12)
    # ... at any time.
    np.testing.assert_allclose(events.mean((0, 1)) / events.mean(), 1, atol=0.15)


def test_a_start_has_the_promised_correlations() -> None:
    loadings = np.zeros((5, 3, 6))
    loadings[:, 0, 3] = [0.9, 0.7, 0.5, 0.0, -0.7]
    net = starting_from(latent(), loadings=loadings)
    drive = drive_of(net, gaussian(4000, net))[..., 10].double()
    expected = loadings[:, 0, 3, None] * loadings[:, 0, 3]
    np.fill_diagonal(expected, 1)
    np.testing.assert_allclose(np.corrcoef(drive.T), expected, atol=0.05)
    np.testing.assert_allclose(drive.var(0), 1, atol=0.07)


def test_a_start_has_the_promised_time_scales() -> None:
    net = latent()
    lag = 4
    for s, tau in enumerate(net.time_scales):
        loadings = np.zeros((5, 3, 6))
        loadings[:, 2, s] = 0.9
        drive = drive_of(starting_from(net, loadings=loadings), gaussian(1500, net)).double()
        x = drive - drive.mean((0, 2), keepdim=True)
        # Of different neurons, which share nothing but the factor.
        found = (x[:, :3, :-lag] * x[:, [3]][..., lag:]).mean()
        np.testing.assert_allclose(found, 0.81 * np.exp(-lag / tau), atol=0.05)


@pytest.mark.parametrize("decay", [0.3, 0.97])
def test_a_start_has_the_promised_traces(decay: float) -> None:
    scale, mean = torch.tensor([1.0, 10.0, 1e-3, 1.0, 1.0]), torch.tensor([0.0, 5.0, 1.0, -2.0, 0])
    net = latent()
    net.units.set(mean, scale)
    names = ("baseline", "noise", "amplitudes")
    values = (np.linspace(-1, 1, 5), np.full(5, 0.1), np.full(5, 2.0))
    in_units = {
        name: value * scale.numpy() + (mean.numpy() if name == "baseline" else 0)
        for name, value in zip(names, values, strict=True)
    }
    p = np.array([0.01, 0.02, 0.05, 0.1, 0.3])
    starting_from(net, probabilities=p, decay=np.full(5, decay), **in_units)
    with torch.no_grad():
        x = net.units.standardise(net(gaussian(4000, net))).double()
    # Events of mean 2 at rate p that decay (and rise at once, nearly).
    calcium = 2.0 * p / (1 - decay)
    np.testing.assert_allclose(x.mean((0, 1)), values[0] + calcium, atol=0.05, rtol=0.1)
    # Calcium of events before the window is there from the first frame on.
    by_frame = (x.numpy().mean(0) - values[0])[:, -1] / calcium[-1]
    np.testing.assert_allclose(by_frame, 1, atol=0.1)
    np.testing.assert_allclose(by_frame[:4].mean(), by_frame[-4:].mean(), atol=0.05)


def test_adjusting_moves_thresholds_correlations_and_levels() -> None:
    loadings = np.zeros((5, 3, 6))
    loadings[:, 1, 2] = 0.5
    net = starting_from(latent(), loadings=loadings)
    with torch.no_grad():
        before = drive_of(net, gaussian(4000, net))[..., 3].double()
        mean = net(gaussian(2000, net)).mean((0, 1))
    coupling = torch.tensor([1.5, 1.5, 1.0, 0.5, 0.5])
    threshold = torch.tensor([0.0, 0.3, -0.3, 0.0, 1.0])
    zero = torch.zeros(5)
    net.adjust(threshold=threshold, coupling=coupling, level=zero)
    after = drive_of(net, gaussian(4000, net))[..., 3].double()
    np.testing.assert_allclose(after.mean(0) - before.mean(0), threshold, atol=0.05)
    np.testing.assert_allclose(after.var(0), before.var(0), rtol=0.07)  # private noise makes up
    expected = 0.25 * np.outer(coupling, coupling)
    np.fill_diagonal(expected, 1)
    np.testing.assert_allclose(np.corrcoef(after.T), expected, atol=0.05)
    # No coupling makes more of a neuron's variance shared than there is.
    net.adjust(threshold=zero, coupling=torch.full((5,), 9.0), level=zero)
    many = drive_of(net, gaussian(4000, net))[..., 3].double()
    assert np.corrcoef(many.T).max() <= 1
    np.testing.assert_allclose(many.var(0), before.var(0), rtol=0.1)
    # Levels change nothing else.
    net = starting_from(latent(), loadings=loadings)
    net.adjust(threshold=zero, coupling=torch.ones(5), level=torch.full((5,), 2.0))
    with torch.no_grad():
        np.testing.assert_allclose(net(gaussian(2000, net)).mean((0, 1)), mean + 2, atol=1e-3)


def test_neurons_can_be_put_in_another_order() -> None:
    order = [3, 0, 4, 1, 2]
    net, other = starting_from(latent()), latent()
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
        net.units.set(torch.arange(5.0), 1 + torch.arange(5.0))
        state = {
            k: v[order] if len(v) == 5 and v.ndim in (1, 3) else v
            for k, v in net.state_dict().items()
        }
        other.load_state_dict(state)
        noise = gaussian(3, net)
        factors, private, slow, measurement = noise.split(net.sizes, dim=1)
        own = [part.view(3, 5, -1)[:, order].flatten(1) for part in (private, slow, measurement)]
        permuted = other(torch.cat([factors, *own], dim=1))
        torch.testing.assert_close(permuted, net(noise)[..., order], rtol=1e-4, atol=1e-4)


def test_every_weight_of_a_latent_generator_learns() -> None:
    net = starting_from(latent())
    net(gaussian(20, net)).square().mean().backward()
    grouped = [p for group in net.parameter_groups(0.1) for p in group["params"]]
    assert {id(p) for p in grouped} == {id(p) for p in net.parameters()}
    assert len(grouped) == len(list(net.parameters()))
    for name, p in net.named_parameters():
        assert p.grad is not None, name
        assert p.grad.isfinite().all(), name
        if not name.startswith("hidden"):  # which the bend, 0 at the start, leaves alone
            assert p.grad.abs().max() > 0, name


@pytest.mark.parametrize("n_neurons", [1, 3])
@pytest.mark.parametrize("n_frames", [16, 17, 200])
def test_latent_generators_of_any_size(n_frames: int, n_neurons: int) -> None:
    net = starting_from(latent(n_frames, n_neurons, n_factors=1))
    windows = net(gaussian(2, net)).detach()
    assert windows.shape == (2, n_frames, n_neurons)
    assert windows.isfinite().all()
    assert windows.std(dim=(0, 1)).min() > 0


def test_too_short_a_window_is_refused_by_the_latent_generator() -> None:
    with pytest.raises(ValueError, match="at least 16 frames"):
        LatentGenerator(15, 2)
