"""Gaussian footprints with learnable centres and shapes, and their products in closed form."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calgan.cells.scene import NARROW, WIDE

# A Gaussian of this standard deviation, in radii, has a quarter of its height at the radius.
GAUSSIAN = 1.0 / math.sqrt(2 * math.log(4))
_REACH = 2.5  # radii of a patch around a centre
_WIDEST = 0.7  # largest change of the logarithm of a standard deviation
_STEP = (1.0, 1.0, 0.2, 0.2, 0.5)  # how fast centre, sizes and angle learn
_SHAPE_PRIOR = 0.5  # weight of a size that is unlike the radius, and of an ellipse


def start(centres: NDArray[np.float32], radius: float) -> Tensor:
    """Return shapes (K, 5) at centres (K, 2): x, y, two logarithms of sizes, an angle."""
    size = math.log(GAUSSIAN * radius)
    shapes = torch.zeros(len(centres), 5)
    shapes[:, :2] = torch.from_numpy(np.asarray(centres, dtype=np.float32).reshape(-1, 2))
    # A circle has no angle to learn.
    shapes[:, 2:4] = torch.tensor([size + 0.05, size - 0.05])
    return shapes


def patches(shapes: Tensor, radius: float, frame: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return footprints of unit sum around their centres (K, n), and the pixels of these."""
    height, width = frame
    reach = math.ceil(_REACH * radius)
    around = torch.arange(-reach, reach + 1)
    x0, y0 = shapes.detach()[:, :2].round().long().unbind(1)
    x, y = (x0[:, None] + around)[:, None, :], (y0[:, None] + around)[:, :, None]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    pixels = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
    xx, yy, xy = (value[:, None, None] for value in _covariances(shapes))
    dx, dy = x - shapes[:, 0, None, None], y - shapes[:, 1, None, None]
    values = _gaussian(dx, dy, xx, yy, xy) * inside
    return values.flatten(1), pixels.flatten(1)


def overlaps(shapes: Tensor, radius: float, others: Tensor | None = None) -> Tensor:
    """Return products of band-passed footprints (K, 5) with others (L, 5) or with themselves.

    Borders are left aside.
    """
    others = shapes if others is None else others
    narrow, wide = (NARROW * radius) ** 2, (WIDE * radius) ** 2
    dx, dy = (shapes[:, None, axis] - others[None, :, axis] for axis in (0, 1))
    xx, yy, xy = (
        one[:, None] + other[None]
        for one, other in zip(_covariances(shapes), _covariances(others), strict=True)
    )
    # Filtering twice by the difference of two Gaussians is filtering by these three.
    return (
        _gaussian(dx, dy, xx + 2 * narrow, yy + 2 * narrow, xy)
        - 2 * _gaussian(dx, dy, xx + narrow + wide, yy + narrow + wide, xy)
        + _gaussian(dx, dy, xx + 2 * wide, yy + 2 * wide, xy)
    )


def learn(
    shapes: Tensor,
    activities: NDArray[np.float32],
    maps: NDArray[np.float32],
    radius: float,
    frame: tuple[int, int],
    *,
    n_steps: int,
    step_size: float,
) -> Tensor:
    """Return shapes that reconstruct the movie better from activities (T, K), by Adam.

    The squared error of the band-passed movie is a function of the products of activities and of
    `maps` (K, P), their products with the movie filtered twice, so that a step reads no frame.
    Each cell's share is in units of its own energy, so that dim cells learn as fast.
    """
    height, width = frame
    products, maps_ = torch.from_numpy(activities.T @ activities), torch.from_numpy(maps)
    with torch.no_grad():
        weight = 1 / (products.diagonal() * overlaps(shapes, radius).diagonal())
    size = math.log(GAUSSIAN * radius)
    low = torch.tensor([0, 0, size - _WIDEST, size - _WIDEST, -math.inf])
    high = torch.tensor([width - 1, height - 1, size + _WIDEST, size + _WIDEST, math.inf])
    speed = torch.tensor(_STEP)
    change = torch.zeros_like(shapes, requires_grad=True)
    optimizer = torch.optim.Adam([change], lr=step_size)
    for _ in range(n_steps):
        now = (shapes + speed * change).clamp(low, high)
        values, pixels = patches(now, radius, frame)
        explained = (values * maps_.gather(1, pixels)).sum(1)
        # Each cell learns from its own error alone: in units of a dim cell's energy, a bright
        # neighbour would move for that of the dim one.
        others = (products * overlaps(now, radius, now.detach())).sum(1)
        error = 2 * (others - explained) * weight
        first, second = now[:, 2], now[:, 3]
        unlike = (first - size).square() + (second - size).square() + (first - second).square()
        optimizer.zero_grad()
        (error + _SHAPE_PRIOR * unlike).sum().backward()
        optimizer.step()
    return (shapes + speed * change).clamp(low, high).detach()


def sizes(shapes: Tensor) -> NDArray[np.float64]:
    """Return the radii (K, 2) of the ellipses at a quarter of their height, in pixels."""
    return shapes[:, 2:4].double().exp().numpy() / GAUSSIAN


def _covariances(shapes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    cos, sin = shapes[:, 4].cos(), shapes[:, 4].sin()
    along, across = (2 * shapes[:, 2]).exp(), (2 * shapes[:, 3]).exp()
    return (
        cos**2 * along + sin**2 * across,
        sin**2 * along + cos**2 * across,
        cos * sin * (along - across),
    )


def _gaussian(dx: Tensor, dy: Tensor, xx: Tensor, yy: Tensor, xy: Tensor) -> Tensor:
    """Return the density at (dx, dy) of a Gaussian with these covariances."""
    determinant = xx * yy - xy**2
    distance = (yy * dx**2 + xx * dy**2 - 2 * xy * dx * dy) / determinant
    return (-0.5 * distance).exp() / (2 * math.pi * determinant.sqrt())
