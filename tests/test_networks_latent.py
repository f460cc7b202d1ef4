"""LatentGenerator: stationary factors, a start that keeps its promises, no order of neurons."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from latent_networks import (
    EULER,
    counts_of,
    events_of,
    factors_of,
    gaussian,
    gaussian_only,
    latent,
    no_loadings,
    poisson,
    starting_from,
)
from scipy.special import ndtr
from torch import Tensor

from calgan.networks import LatentGenerator, latent_time_scales
from calgan.networks import _latent as module
from calgan.spike_factors import smooth_autocorrelation
from calgan.trace_noise import N_SHARED, TraceNoise

# --- factors ----------------------------------------------------------------------------------


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
def test_factors_are_stationary_with_smooth_autocovariances(tau: float) -> None:
    net = starting_from(latent())
    with torch.no_grad():
        net.log_time.fill_(np.log(tau))
    x = factors_of(net, gaussian(4000, net))[0][:, : len(net.log_time)]
    first, last = x[..., 0], x[..., -1]
    for frame in (first, last, x[..., 20]):
        np.testing.assert_allclose(frame.mean(0), 0, atol=0.07)
        np.testing.assert_allclose(frame.var(0), 1, atol=0.1)
    for lag in (1, 5, 20):
        for start in (0, 30):
            found = (x[..., start] * x[..., start + lag]).mean(0)
            np.testing.assert_allclose(found, smooth_autocorrelation(lag, tau), atol=0.08)


@pytest.mark.parametrize("tau", [1e-3, 0.15, 1.5, 30.0, 1e3, 1e4])
def test_covariances_of_smooth_processes_are_exact(tau: float) -> None:
    # They are linear in white noise: from what each number of it does, no sampling is needed.
    log_time = torch.full((1,), math.log(tau), requires_grad=True)
    response = module._smooth(torch.eye(201)[:, None], log_time)[:, 0]
    response.square().sum().backward()
    assert log_time.grad is not None
    assert log_time.grad.isfinite().all()
    response = response.detach().double()
    lags = np.subtract.outer(np.arange(200), np.arange(200))
    want = smooth_autocorrelation(lags, tau)
    np.testing.assert_allclose(response.T @ response, want, atol=1e-4)


def test_rhythms_are_stationary_and_a_quarter_of_a_cycle_apart() -> None:
    net = starting_from(latent(n_frames=64), period=16.0)
    tau = 100.0
    with torch.no_grad():
        net.rhythm_time.fill_(math.log(tau))
    x = factors_of(net, gaussian(4000, net))[0][:, len(net.log_time) :]
    assert x.shape[1] == 2 * len(net.rhythm_time)
    for frame in (0, 3, 50):
        np.testing.assert_allclose(x[..., frame].mean(0), 0, atol=0.07)
        np.testing.assert_allclose(np.cov(x[..., frame].T), np.eye(x.shape[1]), atol=0.1)
    for lag in (4, 8, 12, 16):
        left = smooth_autocorrelation(lag, tau)
        for start in (0, 37):
            early, late = x[..., start], x[..., start + lag]
            cosine, sine = (f(2 * np.pi * lag / 16) * left for f in (np.cos, np.sin))
            np.testing.assert_allclose((early * late).mean(0), cosine, atol=0.08)
            # The second comes before the first.
            ahead = (early[:, 1::2] * late[:, ::2]).mean(0)
            np.testing.assert_allclose(ahead, sine, atol=0.08)


# --- events -----------------------------------------------------------------------------------


def test_events_are_those_of_a_poisson_process_or_of_a_dichotomized_gaussian() -> None:
    # Log rates that do not vary: the probability of an event is a formula.
    rates = np.array([0.003, 0.03, 0.2, 0.8, 3.0])
    net = latent()
    starting_from(net, rates=rates, loadings=no_loadings(net))
    with torch.no_grad():
        net.slow.fill_(-30.0)
    noise = gaussian(6000, net)
    found = counts_of(poisson(net), noise).mean((0, 2)).numpy()
    expected = -np.expm1(-rates)
    n_frames = 6000 * (net.n_frames + net.lead_in - 1)
    error = np.sqrt(expected * (1 - expected) / n_frames)
    assert (np.abs(found - expected) < 4 * error).all()
    found = counts_of(gaussian_only(net), noise).mean((0, 2)).numpy()
    bias = net.linear.bias.detach().double().numpy()
    # As much noise as Gumbel's.
    expected = ndtr(bias / (math.pi / math.sqrt(6)))
    error = np.sqrt(expected * (1 - expected) / n_frames)
    assert (np.abs(found - expected) < 4 * error).all()


def test_less_private_noise_makes_events_depend_on_log_rates_more() -> None:
    net = latent()
    starting_from(net, loadings=no_loadings(net), rates=np.full(5, 0.1))
    poisson(net)
    with torch.no_grad():
        net.slow.fill_(-30.0)
        net.private.copy_(torch.tensor([0.1, 0.5, 1.0, 2.0, 4.0]).expm1().log())
        bias = net.linear.bias.double().numpy()
    scale = np.array([0.1, 0.5, 1.0, 2.0, 4.0])
    found = counts_of(net, gaussian(3000, net)).mean((0, 2))
    expected = -np.expm1(-np.exp(bias / scale - EULER))
    np.testing.assert_allclose(found, expected, atol=0.005)


@pytest.mark.parametrize("growth", [0.0, 0.03, 0.5, 1.0])
def test_a_start_has_the_promised_probability_of_events(growth: float) -> None:
    rates = np.array([0.01, 0.05, 0.1, 0.3, 0.6])
    start = {"rates": rates, "growth": np.full(5, growth), "own_variance": np.full(5, 0.3)}
    net = starting_from(latent(), **start)
    counts = counts_of(net, gaussian(3000, net))
    # Between Gumbel and Gaussian, bounds lie between theirs: not quite where they should.
    tolerance = 0.1 if growth < 0.1 else 0.3
    np.testing.assert_allclose(counts.mean((0, 2)), net.asked["probabilities"], rtol=tolerance)
    # ... at any time.
    np.testing.assert_allclose(counts.mean((0, 1)) / counts.mean(), 1, atol=0.15)


def test_the_less_amplitudes_grow_the_more_gaussian_is_the_noise() -> None:
    net = starting_from(latent(), growth=np.array([0.0, 0.3, 0.5, 0.7, 4.0]))
    share = torch.sigmoid(net.gumbel).detach().numpy()
    assert (np.diff(share) > 0).all()
    assert 0 < share[0] < 0.2 < 0.7 < share[-1] < 1


def test_log_gaussian_rates_are_those_that_are_asked_for() -> None:
    net = poisson(starting_from(latent(), own_variance=np.full(5, 0.4)))
    noise = gaussian(4000, net)
    counts = counts_of(net, noise)
    rates = np.geomspace(0.01, 0.3, 5)
    # Of rare spikes, hardly any coincide in a frame.
    np.testing.assert_allclose(counts.mean((0, 2))[:3], rates[:3], rtol=0.1)
    assert (counts.mean((0, 2)).numpy()[3:] < rates[3:]).all()
    # ... at any time.
    np.testing.assert_allclose(counts.mean((0, 1)) / counts.mean(), 1, atol=0.15)


def covariance_of_events(a: float, b: float, correlation: float, rate: float) -> float:
    """Return the relative covariance of frames with spikes: log rates a z and b z' less a mean."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    weights = weights / weights.sum()
    other = correlation * nodes[:, None] + math.sqrt(1 - correlation**2) * nodes
    first = -np.expm1(-rate * np.exp(a * nodes - a**2 / 2))
    second = -np.expm1(-rate * np.exp(b * other - b**2 / 2))
    mean = -np.expm1(-rate * np.exp(b * nodes - b**2 / 2)) @ weights
    return float(weights @ (first * (second @ weights)) / (weights @ first * mean) - 1)


def test_a_start_has_the_covariances_of_log_gaussian_rates() -> None:
    net = latent()
    loadings, lags, rate = no_loadings(net), (0, 2, 6), 0.15
    loadings[:, 0, 3] = [1.0, 0.8, 0.6, 0.0, -0.7]
    poisson(starting_from(net, loadings=loadings, rates=np.full(5, rate)))
    with torch.no_grad():
        net.slow.fill_(-30.0)
        net.standing.fill_(-30.0)
    x = counts_of(net, gaussian(8000, net)).numpy()
    relative = x / x.mean((0, 2), keepdims=True) - 1
    w, tau = loadings[:, 0, 3], net.time_scales[3]
    for lag in lags:
        early, late = relative[..., : x.shape[2] - lag], relative[..., lag:]
        found = np.einsum("mit,mjt->ij", early, late) / (len(x) * early.shape[2])
        left = float(smooth_autocorrelation(lag, tau))
        expected = np.array([[covariance_of_events(a, b, left, rate) for b in w] for a in w])
        # The variance of counts in one frame is another matter.
        others = ~np.eye(5, dtype=bool) if lag == 0 else np.ones((5, 5), dtype=bool)
        np.testing.assert_allclose(found[others], expected[others], atol=0.08)


def test_a_start_has_the_promised_changes_of_single_neurons() -> None:
    own, tau = np.array([0.0, 0.2, 0.4, 0.6, 0.8]), 6.0
    net = latent()
    start = {"rates": np.full(5, 0.03), "own_variance": own, "own_time": tau}
    poisson(starting_from(net, loadings=no_loadings(net), **start))
    x = counts_of(net, gaussian(16_000, net)).numpy()
    relative = x / x.mean((0, 2), keepdims=True) - 1
    for lag in (1, 4):
        early, late = relative[..., :-lag], relative[..., lag:]
        found = np.einsum("mit,mjt->ij", early, late) / (len(x) * early.shape[2])
        # Frames with spikes saturate: a little less than the covariance of the rates.
        expected = np.diag(np.expm1(own * smooth_autocorrelation(lag, tau)))
        np.testing.assert_allclose(found, expected, atol=0.12, rtol=0.15)


@pytest.mark.parametrize("s", range(6))
def test_a_start_has_the_promised_time_scales(s: int) -> None:
    net, lag = latent(), 4
    loadings = no_loadings(net)
    loadings[:, 2, s] = 0.9
    y = factors_of(starting_from(net, loadings=loadings), gaussian(1500, net))[1]
    x = y - y.mean((0, 2), keepdim=True)
    found = (x[..., :-lag] * x[..., lag:]).mean()
    np.testing.assert_allclose(
        found, 0.81 * smooth_autocorrelation(lag, net.time_scales[s]), atol=0.05
    )


def test_a_start_has_the_promised_rhythm() -> None:
    net = latent()
    rhythm = np.array([[0.8, 0.0], [0.0, 0.8], [0.6, 0.6], [0.0, 0.0], [-0.8, 0.0]])
    starting_from(net, loadings=no_loadings(net), period=12.0, rhythm=rhythm)
    y = factors_of(net, gaussian(3000, net))[1]
    y = y - y.mean((0, 2), keepdim=True)
    np.testing.assert_allclose(y.var((0, 2)), np.square(rhythm).sum(1), atol=0.08)
    assert float((y[:, 0, :-6] * y[:, 0, 6:]).mean()) < -0.4
    assert float((y[:, 0, :-12] * y[:, 0, 12:]).mean()) > 0.4
    # A quarter of a cycle later, the first is what the second was.
    assert float((y[:, 1, :-3] * y[:, 0, 3:]).mean()) > 0.4
    np.testing.assert_allclose((y[:, 0] * y[:, 1]).mean(), 0, atol=0.05)


@pytest.mark.parametrize("growth", [0.0, 0.5, 1.0])
def test_amplitudes_grow_with_the_number_of_spikes(growth: float) -> None:
    # Of Poisson spikes with the rate r, a frame that has any has r / (1 - exp(-r)).
    rates = np.array([0.01, 0.1, 0.5, 1.0, 2.0])
    net = latent()
    starting_from(net, rates=rates, loadings=no_loadings(net))
    poisson(net)
    with torch.no_grad():
        net.slow.fill_(-30.0)
        net.standing.fill_(-30.0)
        net.spread.fill_(-30.0)
        net.gain.fill_(math.log(math.expm1(1.0)))
        net.growth.fill_(math.log(math.expm1(growth)) if growth else -30.0)
        events = events_of(net, gaussian(300, net)).double().numpy()
    for neuron, rate in enumerate(rates):
        sizes = events[:, neuron][events[:, neuron] > 0]
        expected = 1 + growth * (rate / -np.expm1(-rate) - 1)
        np.testing.assert_allclose(sizes, expected, rtol=0.01)


def test_the_expected_number_of_spikes_is_of_the_private_noise_and_bounded() -> None:
    # Less private noise makes a threshold of log rates as sharp as more spikes would.
    net, scales = latent(), torch.tensor([0.5, 0.5, 0.8, 1.0, 1.0])
    starting_from(net, loadings=no_loadings(net), spread=np.zeros(5))
    log_rates = torch.tensor([0.0, 0.9, 0.5, 2.4, 5.0])
    with torch.no_grad():
        net.gumbel.fill_(30.0)
        net.linear.bias.copy_(log_rates)
        net.private.copy_(scales.expm1().log())
        net.slow.fill_(-30.0)
        net.standing.fill_(-30.0)
        net.spread.fill_(-30.0)
        net.gain.fill_(math.log(math.expm1(1.0)))
        net.growth.fill_(math.log(math.expm1(1.0)))
        events = events_of(net, gaussian(50, net)).double().numpy()
    for neuron in range(5):
        logarithm = min(float(log_rates[neuron] / scales[neuron]) - EULER, 3.0)
        number = math.exp(logarithm) / -math.expm1(-math.exp(logarithm))
        sizes = events[:, neuron][events[:, neuron] > 0]
        np.testing.assert_allclose(sizes, number, rtol=1e-3)


def test_growth_of_one_keeps_the_mean_number_of_spikes() -> None:
    # Frames with several spikes are as much larger as there are fewer of them.
    net = latent()
    loadings = no_loadings(net)
    loadings[:, 0, 3] = np.sqrt([0.0, 0.2, 0.4, 0.2, 0.2])
    rates = np.array([0.5, 0.1, 0.1, 0.3, 0.5])
    one = np.ones(5)
    poisson(starting_from(net, loadings=loadings, rates=rates, growth=one, spread=0.3 * one))
    with torch.no_grad():
        found = events_of(net, gaussian(6000, net)).double().mean((0, 2))
    np.testing.assert_allclose(found, rates, rtol=0.07)


def test_amplitudes_spread_around_their_mean() -> None:
    spread = np.array([0.03, 0.1, 0.3, 0.6, 1.0])
    net = latent()
    start = {"rates": np.full(5, 0.05), "spread": spread, "amplitudes": np.full(5, 2.0)}
    poisson(starting_from(net, loadings=no_loadings(net), growth=np.full(5, 0.0), **start))
    with torch.no_grad():
        events = events_of(net, gaussian(3000, net)).double().numpy()
    for neuron in range(5):
        sizes = events[:, neuron][events[:, neuron] > 0]
        np.testing.assert_allclose(sizes.mean(), 2.0, rtol=0.05)
        np.testing.assert_allclose(sizes.std() / sizes.mean(), spread[neuron], rtol=0.1)


# --- gradients --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["poisson", "gaussian"])
def test_the_gradient_of_events_is_that_of_their_mean(kind: str) -> None:
    # Events are 0 or 1, and have no gradient; their expectation has.
    rates = np.array([0.02, 0.1, 0.3, 0.8, 1.5])
    net = latent()
    starting_from(net, rates=rates, loadings=no_loadings(net))
    (poisson if kind == "poisson" else gaussian_only)(net)
    with torch.no_grad():
        net.slow.fill_(-30.0)
        net.spread.fill_(-30.0)
        net.growth.fill_(-30.0)
        net.gain.fill_(math.log(math.expm1(1.0)))
    noise = gaussian(2000, net)
    events_of(net, noise).mean((0, 2)).sum().backward()
    assert net.linear.bias.grad is not None
    found, h = net.linear.bias.grad.double().numpy(), 0.1
    means = []
    for step in (h, -h):
        with torch.no_grad():
            net.linear.bias.add_(step)
            means.append(events_of(net, noise).double().mean((0, 2)).numpy())
            net.linear.bias.sub_(step)
    assert (found > 0).all()
    np.testing.assert_allclose(found, (means[0] - means[1]) / (2 * h), rtol=0.15, atol=0.003)


def test_every_weight_of_a_latent_generator_learns() -> None:
    noise = TraceNoise(np.full((5, N_SHARED), 0.2), np.full(N_SHARED, 5.0))
    net = starting_from(latent(), period=10.0, own_variance=np.full(5, 0.2), shared_noise=noise)
    net(gaussian(20, net)).square().mean().backward()
    grouped = [p for group in net.parameter_groups(0.1) for p in group["params"]]
    assert {id(p) for p in grouped} == {id(p) for p in net.parameters()}
    assert len(grouped) == len(list(net.parameters()))
    # Rhythms that no neuron has, and the network that the bend, 0 at the start, leaves alone.
    idle = ("hidden", "rhythm_time")
    for name, p in net.named_parameters():
        assert p.grad is not None, name
        assert p.grad.isfinite().all(), name
        if not name.startswith(idle):
            assert p.grad.abs().max() > 0, name


def test_gradients_are_finite_at_the_extremes() -> None:
    rates = np.array([1e-8, 1e-3, 1.0, 10.0, 1e4])
    net = starting_from(latent(), rates=rates, own_variance=np.full(5, 1.5))
    noise = gaussian(50, net)
    noise[:5] = noise[:5].sign() * 6  # once in a milliard
    for kind in (poisson, gaussian_only):
        net.zero_grad()
        windows = kind(net)(noise)
        windows.square().mean().backward()
        assert windows.isfinite().all()
        assert all(p.grad.isfinite().all() for p in net.parameters() if p.grad is not None)


# --- traces -----------------------------------------------------------------------------------


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
    rates = np.array([0.01, 0.02, 0.05, 0.1, 0.3])
    start = {"rates": rates, "decay": np.full(5, decay), "growth": np.ones(5)}
    poisson(starting_from(net, loadings=no_loadings(net), **start, **in_units))
    with torch.no_grad():
        x = net.units.standardise(net(gaussian(4000, net))).double()
    # Events of mean 2 at these rates that decay; the rise only delays them.
    calcium = 2.0 * rates / (1 - decay)
    np.testing.assert_allclose(x.mean((0, 1)), values[0] + calcium, atol=0.05, rtol=0.1)
    # Calcium of events before the window is there from the first frame on.
    by_frame = (x.numpy().mean(0) - values[0])[:, -1] / calcium[-1]
    np.testing.assert_allclose(by_frame, 1, atol=0.1)
    np.testing.assert_allclose(by_frame[:4].mean(), by_frame[-4:].mean(), atol=0.05)


@pytest.mark.parametrize("rise", [0.01, 0.4])
def test_a_rise_delays_and_keeps_the_area(rise: float) -> None:
    net = latent(n_frames=48)
    starting_from(net, loadings=no_loadings(net), rise=np.full(5, rise), decay=np.full(5, 0.7))
    caught = []
    kernel = module.exponential_filter

    def one_event(events: Tensor, *decays: Tensor) -> Tensor:
        if len(decays) == 2:
            events = torch.zeros_like(events)
            events[..., net.lead_in + 5] = 1.0
            caught.append(decays)
        return kernel(events, *decays)

    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(module, "exponential_filter", one_event)
        net.noise_scale.fill_(-30.0)
        net.shot.fill_(-30.0)
        trace = (net(torch.zeros(1, net.noise_size))[0] - net.baseline).double().numpy()
    steps = np.arange(48 - 5)
    expected = (1 - rise) * (0.7 ** (steps + 1) - rise ** (steps + 1)) / (0.7 - rise)
    np.testing.assert_allclose(trace[:5], 0, atol=1e-6)
    np.testing.assert_allclose(trace[5:], expected[:, None] * np.ones(5), atol=1e-5)
    np.testing.assert_allclose(trace.sum(0), 1 / (1 - 0.7), rtol=1e-4)


def test_constants_take_long_steps_and_decays_short_ones() -> None:
    net = latent()
    steps = {id(p): group["lr"] for group in net.parameter_groups(0.1) for p in group["params"]}
    for parameter, step in ((net.linear.weight, 0.1), (net.gain, 0.2), (net.noise_scale, 0.2)):
        assert steps[id(parameter)] == pytest.approx(step)
    assert steps[id(net.decay)] == steps[id(net.rise)] == pytest.approx(0.02)


def test_neurons_can_be_put_in_another_order() -> None:
    order = [3, 0, 4, 1, 2]
    net, other = starting_from(latent(), period=9.0, rhythm=np.full((5, 2), 0.4)), latent()
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
        net.units.set(torch.arange(5.0), 1 + torch.arange(5.0))
        state = {
            k: v[order] if v.ndim and len(v) == 5 and k != "shared_noise_time" else v
            for k, v in net.state_dict().items()
        }
        other.load_state_dict(state)
        noise = gaussian(3, net)
        factors, rhythm, *single, shared = noise.split(net.sizes, dim=1)
        own = [part.view(3, 5, -1)[:, order].flatten(1) for part in single]
        permuted = other(torch.cat([factors, rhythm, *own, shared], dim=1))
        torch.testing.assert_close(permuted, net(noise)[..., order], rtol=1e-4, atol=1e-4)


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


def test_noise_that_neurons_share_has_its_loadings_and_times() -> None:
    loadings = np.zeros((5, N_SHARED))
    loadings[:, 0], loadings[:3, 1] = np.linspace(-0.5, 0.7, 5), 0.4
    time = np.array([4.0, 20.0, 5.0, 5.0])
    net = starting_from(
        latent(n_frames=64),
        noise=np.full(5, 0.3),
        amplitudes=np.full(5, 1e-6),
        baseline=np.zeros(5),
        shared_noise=TraceNoise(loadings, time),
    )
    with torch.no_grad():
        net.gain.fill_(-30.0)  # nothing but noise
        left = net.units.standardise(net(gaussian(3000, net))).double().numpy()
    np.testing.assert_allclose(left.std((0, 1)), 0.3, rtol=0.02)
    for lag in (0, 1, 4, 10):
        early, late = left[:, : 64 - lag], left[:, lag:]
        found = np.einsum("mti,mtj->ij", early, late) / (3000 * (64 - lag) * 0.09)
        expected = loadings * np.exp(-lag / time) @ loadings.T
        others = ~np.eye(5, dtype=bool)
        np.testing.assert_allclose(found[others], expected[others], atol=0.025)
        if lag:
            np.testing.assert_allclose(np.diag(found), np.diag(expected), atol=0.025)


def test_shared_noise_is_as_strong_in_the_first_frame_as_later() -> None:
    shared = TraceNoise(np.full((5, N_SHARED), 0.35), np.full(N_SHARED, 30.0))
    net = starting_from(latent(), noise=np.full(5, 0.3), shared_noise=shared)
    with torch.no_grad():
        net.gain.fill_(-30.0)
        left = net.units.standardise(net(gaussian(4000, net))).double()
    mean = left.mean(2)
    np.testing.assert_allclose(mean[:, 0].std(), mean[:, -1].std(), rtol=0.05)
