"""Cells of a simulated movie: where they lie, and how they look."""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_array
from scipy.special import expit

_TRIES, _CANDIDATES = 20, 200  # places proposed for one cell
_HARMONICS = {2: 0.10, 3: 0.05, 4: 0.03}  # SD of the outline's waves, as shares of the radius
_EDGE = 0.25  # pixels over which an outline or a nucleus fades
_NUCLEUS_DARKNESS = 0.8
_LEAST_WEIGHT = 0.01  # of the brightest pixel; less is none
_ANGLES = np.linspace(-np.pi, np.pi, 64, endpoint=False)


def draw_centres(
    n_cells: int,
    shape: tuple[int, int],
    min_distance: float,
    margin: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return centres (N, 2), (x, y) in pixels, apart from each other and from the border."""
    size = np.array([shape[1] - 1.0, shape[0] - 1.0]) - 2.0 * margin
    centres = np.empty((n_cells, 2))
    for i in range(n_cells):
        for _ in range(_TRIES if (size >= 0.0).all() else 0):
            proposed = margin + size * rng.random((_CANDIDATES, 2))
            apart = proposed[:, None] - centres[:i]
            free = ((apart**2).sum(axis=2) >= min_distance**2).all(axis=1)
            if free.any():
                centres[i] = proposed[free.argmax()]
                break
        else:
            raise ValueError(
                f"{n_cells} cells of radius {margin:g} that lie {min_distance:g} pixels apart do "
                f"not fit in {shape[0]} x {shape[1]} pixels; take a larger shape, a smaller "
                "min_distance or radius, or fewer cells."
            )
    return centres


def draw_footprints(
    centres: np.ndarray,
    shape: tuple[int, int],
    *,
    radii: np.ndarray,
    blur: float,
    nucleus: float,
    rng: np.random.Generator,
) -> csr_array:
    """Return weights (N, H * W) of cells with irregular outlines, each at most 1.

    `blur` is in pixels, `nucleus` a share of the radius.
    """
    orders = np.array(list(_HARMONICS))
    waves = np.array(list(_HARMONICS.values())) * rng.standard_normal((len(radii), len(orders)))
    phases = rng.uniform(-np.pi, np.pi, waves.shape)

    def outline(angles: np.ndarray) -> np.ndarray:
        """Radii (N, ...) of the outlines at angles (N or 1, ...)."""
        ones = (1,) * (angles.ndim - 1)
        radius = np.ones(ones)
        for k, order in enumerate(orders):
            phase = phases[:, k].reshape(-1, *ones)
            radius = radius + waves[:, k].reshape(-1, *ones) * np.cos(order * angles + phase)
        return radii.reshape(-1, *ones) * radius.clip(0.5, 1.6)

    # The centre of mass of an outline r(a) is the integral of r^3 / 3 over that of r^2 / 2.
    edge = outline(_ANGLES[None])
    directions = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
    mass = (edge**2 / 2.0).sum(axis=1)[:, None]
    centre_of_mass = (edge**3 / 3.0) @ directions / mass

    half = math.ceil(1.6 * radii.max() + 4.0 * blur) + 1
    corner = np.round(centres).astype(int) - half
    steps = np.arange(2 * half + 1)
    offset = corner - centres + centre_of_mass
    x = (steps + offset[:, :1])[:, None, :]
    y = (steps + offset[:, 1:])[:, :, None]
    distance, border = np.hypot(x, y), outline(np.arctan2(y, x))
    weights = expit((border - distance) / _EDGE)
    if nucleus > 0.0:
        weights *= 1.0 - _NUCLEUS_DARKNESS * expit((nucleus * border - distance) / _EDGE)
    weights = gaussian_filter(weights, (0.0, blur, blur), mode="constant")
    weights /= weights.max(axis=(1, 2), keepdims=True)

    cells, rows, columns = np.nonzero(weights >= _LEAST_WEIGHT)
    values = weights[cells, rows, columns].astype(np.float32)
    rows, columns = rows + corner[cells, 1], columns + corner[cells, 0]
    seen = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    places = cells[seen], (rows * shape[1] + columns)[seen]
    return csr_array((values[seen], places), shape=(len(radii), shape[0] * shape[1]))
