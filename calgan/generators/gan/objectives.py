"""Losses and penalties: functions of networks' outputs, without loop, device or file."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus


def wasserstein_critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Return the critic's Wasserstein loss E[D(fake)] - E[D(real)] of values (M,)."""
    return fake.mean() - real.mean()


def wasserstein_generator_loss(fake: Tensor) -> Tensor:
    """Return the generator's Wasserstein loss -E[D(fake)]."""
    return -fake.mean()


def input_gradient(critic: Callable[[Tensor], Tensor], windows: Tensor) -> Tensor:
    """Return the gradient (M, T, N) of each window's value, to be derived once more."""
    windows = windows.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(windows).sum(), windows, create_graph=True)
    return gradient


def gradient_penalty(
    gradient_at: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor
) -> Tensor:
    """Return mean (||grad D||_2 - 1)^2 on lines from fake to real windows (M, T, N).

    `gradient_at` returns the gradient of the critic D at windows. `mix` (M,), uniform on [0, 1], is
    the share of the real window (Gulrajani et al., NeurIPS 2017).
    """
    mix = mix.view(-1, *(1,) * (real.ndim - 1))
    gradient = gradient_at(mix * real + (1 - mix) * fake)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


def rpgan_critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Return the critic's relativistic pairing loss E[softplus(D(fake) - D(real))].

    A generated window is judged against a real one, by their positions in the batch (M,), so that
    none can hide where the critic has no real ones to compare it with (Jolicoeur-Martineau, ICLR
    2019; Huang et al., NeurIPS 2024).
    """
    return softplus(fake - real).mean()


def rpgan_generator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Return the generator's relativistic pairing loss E[softplus(D(real) - D(fake))]."""
    return softplus(real - fake).mean()


def zero_centred_penalty(values: Tensor, windows: Tensor) -> Tensor:
    """Return mean ||grad D||_2^2 / 2 at windows (M, T, N): R1 at real ones, R2 at generated ones.

    Each of the values (M,) comes from its window alone (Mescheder et al., ICML 2018).
    """
    (gradient,) = torch.autograd.grad(values.sum(), windows, create_graph=True)
    return 0.5 * gradient.flatten(1).square().sum(dim=1).mean()


# Statistics that `statistics_matching` trains on, under the names of the reports.
MATCHED_STATISTICS = (
    "marginals",
    "increments",
    "power_spectrum",
    "correlation_matrix",
    "lagged_correlation_matrix",
    "population_mean",
)
SECOND_ORDER_STATISTICS = ("power_spectrum", "correlation_matrix", "lagged_correlation_matrix")
_QUANTILES = 48
_N_COMPONENTS = 8
_FAR_LAG = 4  # frames
_CLIP = 4.0  # standard deviations


class MatchingTargets(NamedTuple):
    """Statistics of real windows in standardised units, made by `matching_targets`."""

    components: Tensor  # (N, k) leading principal directions, scaled to unit variance
    quantiles: dict[str, Tensor]
    log_spectrum: Tensor
    covariances: dict[int, Tensor]  # by lag in frames


def _quantiles(values: Tensor, n: int = _QUANTILES) -> Tensor:
    """Return n evenly spaced quantiles (0.5 % to 99.5 %) down the rows of (K, F)."""
    last = len(values) - 1
    at = torch.linspace(0.005, 0.995, n, device=values.device) * last
    low = at.floor().long()
    share = (at - low)[:, None]
    ranks = torch.cat([low, (low + 1).clamp(max=last)])
    columns = values.T.contiguous()
    # Sorting is what a training step spends most of its time on, and numpy sorts faster on a CPU.
    if values.device.type != "cpu":
        chosen = columns.gather(1, columns.detach().argsort(dim=1)[:, ranks])
    elif values.requires_grad:
        order = np.argsort(columns.detach().numpy(), axis=1)[:, ranks.numpy()]
        chosen = columns.gather(1, torch.from_numpy(order))
    else:
        chosen = torch.from_numpy(np.sort(columns.numpy(), axis=1)[:, ranks.numpy()])
    below, above = chosen.T.chunk(2)
    return below * (1 - share) + above * share


def _quantile_features(windows: Tensor, components: Tensor) -> dict[str, Tensor]:
    lag = min(_FAR_LAG, windows.shape[1] - 1)
    features = {
        "marginals": windows,
        "increments": windows[:, 1:] - windows[:, :-1],
        "slow_increments": windows[:, lag:] - windows[:, :-lag],
        "components": windows @ components,
        "population_mean": 3.0 * windows.mean(dim=2, keepdim=True),
    }
    quantiles = {name: _quantiles(x.flatten(0, 1)) for name, x in features.items()}
    quantiles["window_means"] = _quantiles(windows.mean(dim=1), _QUANTILES // 2)
    return quantiles


def _log_spectrum(windows: Tensor) -> Tensor:
    centred = windows - windows.mean(dim=1, keepdim=True)
    power = torch.fft.rfft(centred, dim=1).abs().square().mean(dim=0) / windows.shape[1]
    return torch.log(power[1:] + 1e-3)


def _covariance(windows: Tensor, lag: int) -> Tensor:
    """Return the covariance (N, N) across `lag` frames, large events soft-clipped.

    Fourth moments govern how noisy the estimate is, and a few huge events would govern those.
    """
    n_frames = windows.shape[1]
    clipped = _CLIP * torch.tanh(windows / _CLIP)
    centred = clipped - clipped.mean(dim=(0, 1))
    early, late = centred[:, : n_frames - lag].flatten(0, 1), centred[:, lag:].flatten(0, 1)
    return early.T @ late / len(early)


def matching_targets(windows: Tensor) -> MatchingTargets:
    """Compute from real windows the statistics that `statistics_matching` compares with."""
    covariances = {
        lag: _covariance(windows, lag)
        for lag in {0, 1, _FAR_LAG, windows.shape[1] // 2}
        if lag < windows.shape[1]
    }
    variances, directions = torch.linalg.eigh(covariances[0])
    k = min(_N_COMPONENTS, windows.shape[2])
    components = directions[:, -k:] / variances[-k:].clamp(min=1e-6).sqrt()
    return MatchingTargets(
        components,
        _quantile_features(windows, components),
        _log_spectrum(windows),
        covariances,
    )


def statistics_matching(windows: Tensor, targets: MatchingTargets) -> dict[str, Tensor]:
    """Compare statistics of generated windows with those of real ones.

    Quantiles by the mean absolute difference (a Wasserstein-1 distance), log power spectra by the
    mean square, covariances within and across frames by an unbiased estimate of the mean square:
    the two halves of the batch err independently, so their product has the right mean and does not
    reward samples that all have the same covariance.
    """
    terms = {
        name: (value - targets.quantiles[name]).abs().mean()
        for name, value in _quantile_features(windows, targets.components).items()
    }
    return terms | second_order_matching(windows, targets)


def second_order_matching(windows: Tensor, targets: MatchingTargets) -> dict[str, Tensor]:
    """Compare spectra and covariances of generated windows with those of real ones, nothing else.

    The terms of `statistics_matching` without the quantiles: the correlations of many neurons are
    what a critic takes longest to learn, and how values are distributed what it learns best.
    """
    terms = {"log_spectrum": 0.3 * (_log_spectrum(windows) - targets.log_spectrum).square().mean()}
    half = len(windows) // 2
    # Over many pairs the noise of the estimate averages out; over few it would rule the gradient.
    weight = 20.0 * windows.shape[2] / (windows.shape[2] + 30)
    for lag, target in targets.covariances.items():
        first = _covariance(windows[:half], lag) - target
        second = _covariance(windows[half:], lag) - target
        terms[f"covariance_lag_{lag}"] = weight * (first * second).mean()
    return terms
