"""The search for cells, which are added, learn, and are removed, round by round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import skew
from torch import Tensor

from calgan.cells.activity import N_LAGS, smooth_power, solve_activities
from calgan.cells.footprints import learn, overlaps, patches, sizes, start
from calgan.cells.scene import Scene

_BLOB = 2.0  # robust standard deviations of a blob in what is not explained yet
_NEW_APART = 0.5  # radii to the nearest cell
_SETTLING = 4  # last rounds, which add none
_STEPS, _STEP_SIZE, _LAST_STEP_SIZE = 20, 0.15, 0.05
# Two cells are one if they are this near (radii), or near and as strongly correlated as this.
_SAME = ((0.8, -1.0), (1.5, 0.35), (2.0, 0.6))
_LASTING = 3.5  # standard errors of the correlation of an activity with that of frames before
_LONGEST = 2.2  # ratio of the axes of a cell
_SIZES = (0.5, 1.7)  # radii
_MEASURED = 2.5  # radii within which measured footprints are subtracted before cells are added


@dataclass(eq=False)
class Found:
    """Cells of a scene."""

    shapes: Tensor  # (K, 5)
    activities: NDArray[np.float64]  # (T, K)
    overlaps: NDArray[np.float64]  # (K, K)
    projections: NDArray[np.float64]  # (T, K)

    @property
    def centres(self) -> NDArray[np.float32]:
        """Centres (K, 2)."""
        return np.asarray(self.shapes[:, :2].numpy())

    def __len__(self) -> int:
        return len(self.shapes)

    def energy(self) -> NDArray[np.float64]:
        """Return what each cell explains alone (K,)."""
        return np.square(self.activities).sum(axis=0) * np.diag(self.overlaps)

    def alone(self) -> NDArray[np.float64]:
        """Return the projections (T, K) without the parts that neighbours have in them."""
        own = self.activities * np.diag(self.overlaps)
        return self.projections - (self.activities @ self.overlaps - own)

    def kept(self, keep: NDArray[np.bool_]) -> Found:
        """Return some of the cells."""
        return Found(
            self.shapes[torch.from_numpy(keep)],
            self.activities[:, keep],
            self.overlaps[np.ix_(keep, keep)],
            self.projections[:, keep],
        )


def search(scene: Scene, n_rounds: int, bar: Any) -> Found:
    """Return the cells of a scene."""
    found = solved(scene, start(scene.peaks(scene.twice, _BLOB), scene.radius))
    for number in range(n_rounds):
        if 0 < number < n_rounds - _SETTLING:
            found = _added(scene, found)
        if len(found) == 0:
            bar.update(n_rounds - number)
            break
        activities = found.activities.astype(np.float32)
        last = number >= n_rounds - 2
        shapes = learn(
            found.shapes,
            activities,
            activities.T @ scene.twice,
            scene.radius,
            scene.shape,
            n_steps=_STEPS,
            step_size=_LAST_STEP_SIZE if last else _STEP_SIZE,
        )
        found = solved(scene, shapes)
        found = found.kept(_distinct(found, scene.radius))
        if number >= n_rounds - _SETTLING:
            found = found.kept(_plausible(found, scene.radius))
        bar.set_postfix(cells=len(found))
        bar.update()
    return solved(scene, found.shapes, sparse=False) if len(found) else found


def solved(scene: Scene, shapes: Tensor, *, sparse: bool = True) -> Found:
    """Return cells with the activities that go with their shapes; none that is never active."""
    gram = overlaps(shapes, scene.radius).double().numpy()
    values, pixels = (x.numpy() for x in patches(shapes, scene.radius, scene.shape))
    projections = np.empty((len(scene.twice), len(shapes)))
    for k, (value, pixel) in enumerate(zip(values, pixels, strict=True)):
        projections[:, k] = scene.twice[:, pixel] @ value
    if len(shapes) == 0:
        return Found(shapes, projections, gram, projections)
    activities = solve_activities(projections, gram, sparse=sparse, n_sweeps=10)
    found = Found(shapes, activities, gram, projections)
    return found.kept(np.asarray(activities.any(axis=0))) if sparse else found


def measured(
    scene: Scene, frames: NDArray[np.float32], found: Found, reach: float
) -> NDArray[np.float32]:
    """Return footprints (K, P) regressed from filtered frames (T, P), around their centres."""
    if len(found) == 0:
        return np.empty((0, frames.shape[1]), np.float32)
    activities = found.activities
    products = activities.T @ activities
    products += 1e-3 * np.diag(np.diag(products))
    images = np.linalg.solve(products, activities.T).astype(np.float32) @ frames
    rows, columns = np.divmod(np.arange(images.shape[1]), scene.shape[1])
    for image, (x, y) in zip(images, found.centres, strict=True):
        image[np.hypot(columns - x, rows - y) > reach * scene.radius] = 0
    return images


def _added(scene: Scene, found: Found) -> Found:
    """Add cells where what is left of the movie has blobs."""
    footprints = measured(scene, scene.twice, found, _MEASURED)
    explained = found.activities.astype(np.float32) @ footprints
    centres = scene.peaks(scene.twice - explained, _BLOB)
    if len(found) and len(centres):
        apart = np.linalg.norm(centres[:, None] - found.centres[None], axis=2).min(axis=1)
        centres = centres[apart > _NEW_APART * scene.radius]
    if len(centres) == 0:
        return found
    return solved(scene, torch.cat([found.shapes, start(centres, scene.radius)]))


def _distinct(found: Found, radius: float) -> NDArray[np.bool_]:
    """Tell which cells stay: of two that are one, the one with more energy."""
    activities = found.activities - found.activities.mean(axis=0)
    activities /= np.maximum(np.linalg.norm(activities, axis=0), 1e-12)
    correlation = activities.T @ activities
    centres = found.centres
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    same = np.zeros(apart.shape, dtype=bool)
    for near, alike in _SAME:
        same |= (apart < near * radius) & (correlation > alike)
    np.fill_diagonal(same, False)
    keep = np.ones(len(found), dtype=bool)
    order = np.argsort(-found.energy(), kind="stable")
    for rank, k in enumerate(order):
        if keep[k]:
            weaker = order[rank + 1 :]
            keep[weaker[same[k, weaker]]] = False
    return keep


def _plausible(found: Found, radius: float) -> NDArray[np.bool_]:
    """Tell which cells are of a cell's size and shape, with activity that lasts over frames."""
    alone = found.alone()
    power = np.maximum(alone.var(axis=0), 1e-30)
    lasting = smooth_power(alone) / power * np.sqrt(N_LAGS * len(alone)) > _LASTING
    axes = sizes(found.shapes) / radius
    size = np.sqrt(axes.prod(axis=1))
    round_enough = axes.max(axis=1) < _LONGEST * axes.min(axis=1)
    return np.asarray(lasting & round_enough & (size > _SIZES[0]) & (size < _SIZES[1]))


def scored(scene: Scene, found: Found) -> NDArray[np.float64]:
    """Return the scores (K,) of cells: their share of the fluorescence, times their skewness.

    The share is that of the autocovariance, in which noise has no part. If a cell's own part is
    larger than the whole, the unfiltered movie does not support it: the share is then the inverse.
    """
    values, pixels = (x.numpy() for x in patches(found.shapes, scene.radius, scene.shape))
    share = np.empty(len(found))
    for k, (value, pixel) in enumerate(zip(values, pixels, strict=True)):
        fluorescence = (scene.raw[:, pixel] @ value)[:, None].astype(float)
        own = found.activities[:, [k]] * float(value @ value)
        whole = smooth_power(fluorescence)[0]
        part = smooth_power(own)[0]
        share[k] = min(part / whole, whole / part) if part > 0 and whole > 0 else 0
    # Background goes up and down alike.
    return np.asarray(share * np.maximum(skew(found.alone(), axis=0), 0))
