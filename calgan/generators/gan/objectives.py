"""Losses and penalties: functions of networks' outputs, without loop, device or file."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus


def wasserstein_critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Return the critic's Wasserstein loss E[D(fake)] - E[D(real)].

    Parameters
    ----------
    real, fake : Tensor of shape (M,)
        Critic values of real and generated windows.

    Returns
    -------
    Tensor of shape ()

    References
    ----------
    Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017, arXiv:1704.00028.

    Examples
    --------
    >>> wasserstein_critic_loss(torch.ones(3), torch.zeros(3))
    tensor(-1.)
    """
    return fake.mean() - real.mean()


def wasserstein_generator_loss(fake: Tensor) -> Tensor:
    """Return the generator's Wasserstein loss -E[D(fake)].

    Parameters
    ----------
    fake : Tensor of shape (M,)
        Critic values of generated windows.

    Returns
    -------
    Tensor of shape ()

    Examples
    --------
    >>> wasserstein_generator_loss(torch.tensor([1.0, 3.0]))
    tensor(-2.)
    """
    return -fake.mean()


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor
) -> Tensor:
    """Penalise critic gradients whose norm is not 1, on lines from fake to real windows.

    Parameters
    ----------
    critic : callable
        Maps windows (M, T, N) to values (M,).
    real, fake : Tensor of shape (M, T, N)
        Real and generated windows.
    mix : Tensor of shape (M,)
        Share of the real window in each point, uniform on [0, 1].

    Returns
    -------
    Tensor of shape ()
        Mean of (||grad D||_2 - 1)^2, the norm taken over a whole window.

    References
    ----------
    Gulrajani et al., NeurIPS 2017, arXiv:1704.00028.

    Examples
    --------
    >>> x = torch.zeros(2, 4, 1)
    >>> gradient_penalty(lambda w: 2 * w.sum(dim=(1, 2)), x, x, torch.ones(2)).item()  # norm 4
    9.0
    """
    mix = mix.view(-1, *(1,) * (real.ndim - 1))
    between = (mix * real + (1 - mix) * fake).requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


def rpgan_critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Return the critic's relativistic pairing loss E[softplus(D(fake) - D(real))].

    Windows are judged in pairs, a generated one against a real one, so that no generated window
    can hide where the critic has no real ones to compare it with.

    Parameters
    ----------
    real, fake : Tensor of shape (M,)
        Critic values of real and generated windows, paired by their position.

    Returns
    -------
    Tensor of shape ()

    References
    ----------
    Jolicoeur-Martineau, "The relativistic discriminator: a key element missing from standard GAN",
    ICLR 2019, arXiv:1807.00734. Huang et al., "The GAN is dead; long live the GAN! A Modern GAN
    Baseline", NeurIPS 2024, arXiv:2501.05441.

    Examples
    --------
    >>> rpgan_critic_loss(torch.tensor([2.0]), torch.tensor([2.0]))  # log 2: no better than chance
    tensor(0.6931)
    """
    return softplus(fake - real).mean()


def rpgan_generator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Return the generator's relativistic pairing loss E[softplus(D(real) - D(fake))].

    Parameters
    ----------
    real, fake : Tensor of shape (M,)
        Critic values of real and generated windows, paired by their position.

    Returns
    -------
    Tensor of shape ()

    References
    ----------
    Huang et al., NeurIPS 2024, arXiv:2501.05441.

    Examples
    --------
    >>> rpgan_generator_loss(torch.tensor([-100.0]), torch.tensor([100.0]))
    tensor(0.)
    """
    return softplus(real - fake).mean()


def zero_centred_penalty(values: Tensor, windows: Tensor) -> Tensor:
    """Penalise the critic's gradient at windows: R1 at real ones, R2 at generated ones.

    Parameters
    ----------
    values : Tensor of shape (M,)
        Critic values, each computed from its window alone.
    windows : Tensor of shape (M, T, N)
        The windows that they were computed from, which require gradients.

    Returns
    -------
    Tensor of shape ()
        Half the mean of ||grad D||_2^2, the norm taken over a whole window.

    References
    ----------
    Mescheder, Geiger & Nowozin, "Which Training Methods for GANs do actually Converge?", ICML 2018,
    arXiv:1801.04406. Roth et al., "Stabilizing Training of Generative Adversarial Networks through
    Regularization", NeurIPS 2017, arXiv:1705.09367.

    Examples
    --------
    >>> x = torch.ones(2, 4, 1, requires_grad=True)
    >>> zero_centred_penalty(3 * x.sum(dim=(1, 2)), x).item()  # 9 for each of 4 values, halved
    18.0
    """
    (gradient,) = torch.autograd.grad(values.sum(), windows, create_graph=True)
    return 0.5 * gradient.flatten(1).square().sum(dim=1).mean()


# What `statistics_matching` trains on, under the names that the reports use.
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
_BEND = 4.0  # standard deviations


class MatchingTargets(NamedTuple):
    """Statistics of real windows in standardised units, made by `matching_targets`.

    Attributes
    ----------
    components : Tensor of shape (N, k)
        Leading principal directions, scaled to unit variance.
    quantiles : dict of str to Tensor
        Evenly spaced quantiles of each matched quantity.
    log_spectrum : Tensor
        Log power spectrum of each feature.
    covariances : dict of int to Tensor of shape (N, N)
        Covariance matrices, by lag in frames.
    """

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
    """Return the covariance (N, N) across `lag` frames, large events bent down.

    Fourth moments govern how noisy the estimate is, and a few huge events would govern those.
    """
    n_frames = windows.shape[1]
    bent = _BEND * torch.tanh(windows / _BEND)
    centred = bent - bent.mean(dim=(0, 1))
    early, late = centred[:, : n_frames - lag].flatten(0, 1), centred[:, lag:].flatten(0, 1)
    return early.T @ late / len(early)


def matching_targets(windows: Tensor) -> MatchingTargets:
    """Compute from real windows the statistics that `statistics_matching` compares with.

    Parameters
    ----------
    windows : Tensor of shape (M, T, N)
        Real windows, each neuron standardised.

    Returns
    -------
    MatchingTargets

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> matching_targets(torch.randn(20, 16, 3)).log_spectrum.shape
    torch.Size([8, 3])
    """
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

    Parameters
    ----------
    windows : Tensor of shape (M, T, N)
        Generated windows in the standardised units of `targets`; M >= 2.
    targets : MatchingTargets
        From `matching_targets`.

    Returns
    -------
    dict of str to Tensor of shape ()
        Weighted terms; their sum is the loss.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> real = torch.randn(200, 16, 3)
    >>> targets = matching_targets(real)
    >>> same = sum(statistics_matching(torch.randn(200, 16, 3), targets).values())
    >>> other = sum(statistics_matching(0.5 * real, targets).values())
    >>> bool(same < other)
    True
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

    Parameters
    ----------
    windows : Tensor of shape (M, T, N)
        Generated windows in the standardised units of `targets`; M >= 2.
    targets : MatchingTargets
        From `matching_targets`.

    Returns
    -------
    dict of str to Tensor of shape ()
        Weighted terms; their sum is the loss.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> windows = torch.randn(20, 16, 3)
    >>> sorted(second_order_matching(windows, matching_targets(windows)))[:2]
    ['covariance_lag_0', 'covariance_lag_1']
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
