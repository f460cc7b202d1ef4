"""LatentGenerator.adjust: what it moves moves by as much as was asked, and the rest stays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from latent_networks import (
    EULER,
    counts_of,
    events_of,
    factors_of,
    gaussian,
    latent,
    no_loadings,
    poisson,
    starting_from,
)
from scipy import stats
from scipy.special import ndtri
from torch import Tensor

from calgan.networks import LatentGenerator
from calgan.networks import _latent as module


def adjustable(own: float = 0.0, rate: float = 0.03, **start: Any) -> LatentGenerator:
    net = latent()
    loadings = no_loadings(net)
    loadings[:, 1, 2] = 0.6
    start = {
        "loadings": loadings,
        "rates": np.full(5, rate),
        "own_variance": np.full(5, own),
    } | start
    return poisson(starting_from(net, **start))


def test_adjusting_by_nothing_changes_nothing() -> None:
    net = adjustable()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net.adjust()
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=1e-5, atol=1e-5, msg=name)


def test_adjusting_moves_rates_correlations_and_levels() -> None:
    net = adjustable()
    noise = gaussian(6000, net)
    before, y = counts_of(net, noise).mean((0, 2)), factors_of(net, noise)[1]
    with torch.no_grad():
        mean = net(noise[:2000]).mean((0, 1))
    coupling = torch.tensor([1.8, 1.5, 1.0, 0.5, 0.0])
    log_rate = torch.tensor([0.0, 0.3, -0.3, 0.0, 0.7])
    net.adjust(coupling=coupling)
    # Mean rates stay where loadings change, and loadings where rates do.
    np.testing.assert_allclose(counts_of(net, noise).mean((0, 2)), before, rtol=0.1)
    moved = factors_of(net, noise)[1]
    np.testing.assert_allclose(moved.std((0, 2)), coupling * y.std((0, 2)), rtol=1e-4, atol=1e-5)
    net.adjust(log_rate=log_rate)
    found = (counts_of(net, noise).mean((0, 2)) / before).log()
    np.testing.assert_allclose(found, log_rate, atol=0.1)
    # No coupling makes log rates vary without bounds.
    net.adjust(coupling=99.0)
    np.testing.assert_allclose(
        net.linear.weight.detach().square().sum((1, 2)), [4, 4, 4, 4, 0], atol=1e-4
    )
    # Levels change nothing else.
    net = adjustable()
    net.adjust(level=2.0)
    with torch.no_grad():
        moved = net(noise[:2000])
        np.testing.assert_allclose(moved.mean((0, 1)), mean + 2, atol=1e-3)


def test_adjusting_amplitudes_and_their_growth() -> None:
    net = adjustable(rate=0.3)
    noise = gaussian(200, net)
    gain = torch.tensor([0.5, 0.9, 1.0, 1.5, 3.0])
    with torch.no_grad():
        before = events_of(net, noise)
        net.adjust(gain=gain)
        after = events_of(net, noise)
    torch.testing.assert_close(after, gain[:, None] * before, rtol=1e-5, atol=0)
    # Growth is what amplitudes have beyond those of spikes that are expected alone.
    more = torch.tensor([-1e9, -0.3, 0.0, 0.6, 1e9])
    with torch.no_grad():
        net.growth.fill_(-30.0)
        alone = events_of(net, noise)
        net.growth.fill_(math.log(math.expm1(0.6)))
        ratio = events_of(net, noise) / alone - 1
        net.adjust(growth=more)
        grown = events_of(net, noise) / alone - 1
    expected = torch.tensor([0.03, 0.3, 0.6, 1.2, 4.0]) / 0.6
    for neuron in range(5):
        fired = alone[:, neuron] > 0
        a, b = grown[:, neuron][fired], ratio[:, neuron][fired]
        torch.testing.assert_close(a, expected[neuron] * b, rtol=1e-3, atol=1e-5)


def test_adjusting_the_spread_of_amplitudes() -> None:
    net = adjustable(rate=0.3, spread=np.full(5, 0.3))
    noise = gaussian(2000, net)
    more = torch.tensor([-99.0, -0.05, 0.0, 0.2, 99.0])
    with torch.no_grad():
        net.growth.fill_(-30.0)
        before = events_of(net, noise)
        net.adjust(spread=more)
        net.growth.fill_(-30.0)
        after = events_of(net, noise)
    for neuron in range(5):
        fired = before[:, neuron] > 0
        old, new = (float(x[:, neuron][fired].log().var()) for x in (before, after))
        expected = np.clip(old + float(more[neuron]), 0.03**2, 1.0)
        np.testing.assert_allclose(new, expected, rtol=0.03)
        # Amplitudes vary about the same mean.
        np.testing.assert_allclose(
            float(after[:, neuron][fired].mean()), float(before[:, neuron][fired].mean()), rtol=0.03
        )


def test_adjusting_private_noise_keeps_mean_rates() -> None:
    factors = torch.tensor([1e-3, 0.5, 0.8, 1.2, 50.0])
    for rate in (0.03, 0.15):
        net = adjustable(own=0.3, rate=rate)
        noise = gaussian(4000, net)
        before, bias = counts_of(net, noise), net.linear.bias.clone()
        net.adjust(private=factors)
        scale = torch.nn.functional.softplus(net.private).detach()
        torch.testing.assert_close(scale, torch.tensor([0.25, 0.5, 0.8, 1.2, 1.3]))
        after = counts_of(net, noise)
        with torch.no_grad():
            moved = net.linear.bias.clone()
            net.linear.bias.copy_(bias)
            with_old_bias = counts_of(net, noise)
            net.linear.bias.copy_(moved)
        ratio, without = (
            (c.mean((0, 2)) / before.mean((0, 2))).log().abs() for c in (after, with_old_bias)
        )
        assert (ratio < 0.3 * without).all()
        np.testing.assert_allclose(ratio, 0, atol=0.7)
        # The less private noise, the more the events follow the log rates, from frame to frame.
        slow = [
            (c[..., 1:] * c[..., :-1]).mean((0, 2)) / c.mean((0, 2)).square()
            for c in (before, after)
        ]
        assert (slow[1] > 1.1 * slow[0])[:3].all()
        assert (slow[1] < slow[0])[3:].all()


def log_rates_of(net: LatentGenerator, noise: Tensor) -> Tensor:
    """Return the log rates (M, N, L) before they are normalised."""
    caught = []
    normalised = net._normalised
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(net, "_normalised", lambda x: caught.append(x) or normalised(x))
        net(noise)
    (log_rate,) = caught
    return log_rate.double()


def test_standing_noise_is_one_number_for_a_neuron_and_a_window() -> None:
    net = adjustable(own=0.2)
    noise = gaussian(3000, net)
    with torch.no_grad():
        net.standing.fill_(-30.0)
        without = log_rates_of(net, noise)
        sizes = torch.tensor([0.1, 0.3, 0.5, 0.8, 1.2])
        net.standing.copy_(sizes.expm1().log())
        added = log_rates_of(net, noise) - without
    assert added.shape[2] == net.n_frames + net.lead_in
    np.testing.assert_allclose(added, added[..., :1].expand_as(added), atol=1e-5)
    of_window = added[..., 0].numpy()
    np.testing.assert_allclose(of_window.std(0), sizes, rtol=0.06)
    np.testing.assert_allclose(np.corrcoef(of_window.T), np.eye(5), atol=0.08)


def test_adjusting_standing_noise_adds_variance_between_windows() -> None:
    net = adjustable()
    noise = gaussian(5000, net)
    before, rates = log_rates_of(net, noise).mean(2).var(0), counts_of(net, noise).mean((0, 2))
    standing = torch.tensor([0.0, 0.1, 0.3, 0.8, 99.0])
    net.adjust(standing=standing)
    added = log_rates_of(net, noise).mean(2).var(0) - before
    np.testing.assert_allclose(added, [0.0, 0.1, 0.3, 0.8, 1.5], atol=0.02, rtol=0.1)
    np.testing.assert_allclose(counts_of(net, noise).mean((0, 2)), rates, rtol=0.12)
    # It may fall again, to next to nothing.
    net.adjust(standing=torch.tensor([0.0, 0.0, -0.1, -0.3, -99.0]))
    added = log_rates_of(net, noise).mean(2).var(0) - before
    np.testing.assert_allclose(added, [0.0, 0.1, 0.2, 0.5, 0.0], atol=0.02, rtol=0.1)
    np.testing.assert_allclose(counts_of(net, noise).mean((0, 2)), rates, rtol=0.12)


def test_adjusting_time_scales_keeps_what_is_explained() -> None:
    n_scales = len(latent().time_scales)
    rng = np.random.default_rng(0)
    loadings = 0.3 * rng.standard_normal((5, no_loadings(latent()).shape[1], n_scales))
    loadings[4] = 0.0
    net = adjustable(loadings=loadings, rhythm=rng.uniform(0.1, 0.5, (5, 2)), period=12.0)
    before, bias = net.linear.weight.detach().clone(), net.linear.bias.detach().clone()
    factors = torch.tensor([4.0, 1.0, 1.0, 0.25, 1.0, 0.0])
    net.adjust(scales=factors)
    n = len(net.log_time)
    a, b = (
        w[:, :n].detach().double().reshape(5, -1, n_scales) for w in (net.linear.weight, before)
    )
    wanted = b * factors.double().sqrt()
    size = b.square().sum((1, 2)) / wanted.square().sum((1, 2)).clamp(min=1e-12)
    torch.testing.assert_close(a, wanted * size.sqrt()[:, None, None], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(a.square().sum((1, 2)), b.square().sum((1, 2)), rtol=1e-4, atol=1e-6)
    # The rhythm is no time scale, and rates stay.
    torch.testing.assert_close(net.linear.weight.detach()[:, n:], before[:, n:])
    torch.testing.assert_close(net.linear.bias.detach(), bias, rtol=1e-4, atol=1e-4)


def test_adjusting_noise_multiplies_it() -> None:
    net = adjustable()
    before = torch.nn.functional.softplus(net.noise_scale).detach()
    factors = torch.tensor([0.5, 0.9, 1.0, 1.3, 2.0])
    net.adjust(noise=factors)
    torch.testing.assert_close(
        torch.nn.functional.softplus(net.noise_scale).detach(), factors * before
    )


def test_noise_is_of_a_shifted_log_normal_distribution() -> None:
    levels = np.linspace(0.001, 0.999, 301)
    for skew in (0.01, 0.1, 0.5):
        law = stats.lognorm(skew)
        expected = (law.ppf(levels) - law.mean()) / law.std()
        found = module._skewed(torch.from_numpy(ndtri(levels)), torch.tensor(skew).double())
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
    # In single precision, too, the least one is Gaussian, and the most is finite.
    white = torch.linspace(-4, 4, 81)
    for skew, least in ((0.0, 1e-3), (99.0, 2.0)):
        found = module._skewed(white, torch.tensor(skew))
        torch.testing.assert_close(found, module._skewed(white, torch.tensor(least)))
        assert found.isfinite().all()
    torch.testing.assert_close(module._skewed(white, torch.tensor(0.0)), white, rtol=0, atol=0.02)


def test_spikes_are_where_calcium_rises() -> None:
    net = adjustable()
    net.adjust(noise=0.01)
    inputs = gaussian(50, net)
    with torch.no_grad():
        windows, fired = net.windows_and_spikes(inputs)
        torch.testing.assert_close(net(inputs), windows, rtol=0, atol=0)
    assert fired.shape == windows.shape
    torch.testing.assert_close(fired, fired.round())
    assert set(fired.round().unique().tolist()) == {0.0, 1.0}
    decay = torch.sigmoid(net.decay.detach())
    standardised = net.units.standardise(windows) - net.baseline.detach()
    jumps = standardised[:, 1:] - decay * standardised[:, :-1]
    high = jumps > 0.25 * torch.nn.functional.softplus(net.gain.detach())
    assert float((high == fired[:, 1:].round().bool()).float().mean()) > 0.999
    assert 0.01 < float(fired.mean()) < 0.2


def test_traces_at_rest_have_the_skewness_of_their_noise() -> None:
    net = adjustable()
    with torch.no_grad():
        net.linear.bias.fill_(-1e3)  # no events
    net.adjust(skew=torch.tensor([0.0, 0.05, 0.1, 0.2, 0.3]))
    skews = torch.nn.functional.softplus(net.skew).detach().double().numpy()
    with torch.no_grad():
        traces = net(gaussian(4000, net)).double().flatten(0, 1)
    expected = [float(stats.lognorm(skew).stats("s")) for skew in skews]
    np.testing.assert_allclose(stats.skew(traces), expected, atol=0.05)
    noise = net.units.scale * torch.nn.functional.softplus(net.noise_scale.detach())
    np.testing.assert_allclose(traces.std(0), noise, rtol=0.02)


def test_adjusting_the_skew_adds_to_it_within_its_range() -> None:
    net = adjustable()
    for more, skew in ((0.2, 0.21), (0.1, 0.31), (-0.05, 0.26), (9.0, 0.5), (-9.0, 0.01)):
        net.adjust(skew=more)
        found = torch.nn.functional.softplus(net.skew).detach()
        torch.testing.assert_close(found, torch.full((5,), skew), rtol=1e-4, atol=1e-5)


# --- normalisation ----------------------------------------------------------------------------


def test_adjusting_normalisation_multiplies_what_it_leaves() -> None:
    net = adjustable()
    for factor, left in ((0.5, 0.5), (1.2, 0.6), (1.0, 0.6), (0.01, 0.2), (99.0, 1.3)):
        net.adjust(normalisation=factor)
        assert 1 - float(net.normalisation.detach()) == pytest.approx(left, rel=1e-5)


def test_normalisation_is_of_the_share_that_would_fire() -> None:
    # A loop over frames: the filter of the logarithm, from its first value on.
    net = adjustable(own=0.3)
    with torch.no_grad():
        net.normalisation.fill_(0.7)
        net.private.copy_(torch.tensor([0.3, 0.6, 0.9, 1.0, 1.2]).expm1().log())
    x = torch.randn(3, 5, 40, generator=torch.Generator().manual_seed(1)) - 2
    scale = np.array([0.3, 0.6, 0.9, 1.0, 1.2])[:, np.newaxis]
    y = x.double().numpy()
    share = -np.expm1(-np.exp(np.clip(y / scale - EULER, -8, 3))).mean(1)
    change = np.log(share) - np.log(net.asked["probabilities"].mean())
    keep, smooth = math.exp(-10 / net.n_frames), change[:, 0]
    for t in range(40):
        smooth = keep * smooth + (1 - keep) * change[:, t]
        y[..., t] -= 0.7 * smooth[:, np.newaxis]
    with torch.no_grad():
        np.testing.assert_allclose(net._normalised(x), y, atol=1e-4)


def test_normalisation_evens_out_the_population() -> None:
    net = latent(64, 16, 2)
    loadings = no_loadings(net)
    loadings[:, 0, 4] = 0.8  # 20 frames and more
    loadings[::2, 1, 4] = 0.5
    starting_from(net, loadings=loadings, rates=np.geomspace(0.03, 0.2, 16))
    poisson(net)
    noise = gaussian(1500, net)
    slow, rates = {}, {}
    for value in (-0.3, 0.0, 0.6):
        with torch.no_grad():
            net.normalisation.fill_(value)
        counts = counts_of(net, noise)
        rates[value] = counts.mean((0, 2))
        slow[value] = float(counts.sum(1)[..., -64:].mean(1).var() / rates[value].sum().square())
    assert slow[0.6] < 0.4 * slow[0.0]
    assert slow[-0.3] > 1.3 * slow[0.0]
    np.testing.assert_allclose((rates[0.6] / rates[0.0]).log(), 0, atol=0.3)
    np.testing.assert_allclose((rates[-0.3] / rates[0.0]).log(), 0, atol=0.3)
