"""The loss of flow matching."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def flow_matching(
    velocity: Callable[[Tensor, Tensor], Tensor], data: Tensor, noise: Tensor, time: Tensor
) -> Tensor:
    """Compare predicted velocities with those of straight lines from noise to data.

    Parameters
    ----------
    velocity : callable
        Predicts velocities (M, F, T) of points (M, F, T) at times (M,).
    data, noise : Tensor of shape (M, F, T)
        Ends of the lines: standardised windows, standard normal noise.
    time : Tensor of shape (M,)
        Where on its line each point is, in [0, 1]; 0 is noise.

    Returns
    -------
    Tensor of shape ()
        Mean squared error.

    References
    ----------
    Liu, Gong & Liu, "Flow Straight and Fast: Learning to Generate and Transfer Data with Rectified
    Flow", ICLR 2023, arXiv:2209.03003. Lipman et al., "Flow Matching for Generative Modeling", ICLR
    2023, arXiv:2210.02747.

    Examples
    --------
    >>> import torch
    >>> data, noise = torch.ones(2, 1, 4), torch.zeros(2, 1, 4)
    >>> flow_matching(lambda x, t: torch.ones_like(x), data, noise, torch.rand(2))
    tensor(0.)
    """
    share = time[:, None, None]
    points = (1 - share) * noise + share * data
    return ((velocity(points, time).float() - (data - noise)) ** 2).mean()
