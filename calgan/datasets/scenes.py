"""Frames of a simulated movie, made when they are read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from calgan.data.validation import rng_from

_MOST_PHOTONS = 1e15  # in a pixel: numpy draws no more


@dataclass(frozen=True, eq=False)
class Scene:
    """The light of a movie's tissue, and how the camera sees it.

    The tissue's P pixels reach `margin` pixels beyond the frame on each side. `footprints` are
    (P, N), `calcium` (T, N), `rest` (P,), the neuropil's `fields` (P, K) and `courses` (T, K),
    `shifts` (T, 2), all light in photons. `seen` is the share of it that a pixel sees, (H, W).
    """

    footprints: csr_array
    calcium: np.ndarray
    rest: np.ndarray
    fields: np.ndarray
    courses: np.ndarray
    shifts: np.ndarray
    seen: np.ndarray
    margin: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns of the movie."""
        return (len(self.calcium), *self.seen.shape)

    def expected(self, t: int) -> np.ndarray:
        """Return the photons (H, W) to expect in frame t."""
        # Not with BLAS, whose rounding depends on the number of threads.
        neuropil = np.einsum("pk,k->p", self.fields, self.courses[t])
        light = self.rest + self.footprints @ self.calcium[t] + neuropil
        height, width = self.seen.shape
        light = light.reshape(height + 2 * self.margin, width + 2 * self.margin)
        if self.margin:
            light = _shifted(light, self.shifts[t], self.margin)
        return (light * self.seen).clip(0.0, _MOST_PHOTONS)


@dataclass(frozen=True, eq=False)
class RenderedFrames:
    """Frames (T, H, W) in counts, which a range of frames draws; each frame has its own seed.

    A `seed` of None gives the expected frames, without noise.
    """

    scene: Scene
    gain: float
    read_noise: float
    dtype: np.dtype
    seed: int | None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns."""
        return self.scene.shape

    def __getitem__(self, frames: slice) -> np.ndarray:
        numbers = range(self.shape[0])[frames]
        drawn = np.empty((len(numbers), *self.shape[1:]), dtype=self.dtype)
        for place, t in enumerate(numbers):
            drawn[place] = self._draw(t)
        return drawn

    def _draw(self, t: int) -> np.ndarray:
        """Return the counts (H, W) of frame t."""
        photons = self.scene.expected(t)
        if self.seed is None:
            return self.gain * photons
        rng = rng_from(self.seed, t)
        counts = rng.poisson(photons).astype(np.float32)
        if self.read_noise > 0.0:
            counts += self.read_noise * rng.standard_normal(counts.shape, np.float32)
        counts *= self.gain
        if self.dtype.kind == "u":
            return np.rint(counts).clip(0, np.iinfo(self.dtype).max)
        return counts


def _shifted(light: np.ndarray, shift: np.ndarray, margin: int) -> np.ndarray:
    """Move light by (x, y) pixels, by cubic convolution, and cut `margin` pixels off each side.

    R. Keys, "Cubic convolution interpolation", 1981, https://doi.org/10.1109/TASSP.1981.1163711
    """
    for axis, distance in ((1, shift[0]), (0, shift[1])):
        length = light.shape[axis] - 2 * margin
        whole = int(np.floor(-distance))
        weights = _keys(-float(distance) - whole)
        first = margin + whole - 1
        light = sum(
            weight * light.take(range(first + k, first + k + length), axis=axis)
            for k, weight in enumerate(weights)
        )
    return light


def _keys(fraction: float) -> np.ndarray:
    """Weights of the four neighbours of a point at a fraction between the middle two."""
    powers = fraction ** np.arange(4.0)
    return np.array([[0, -1, 2, -1], [2, 0, -5, 3], [0, 1, 4, -3], [0, 0, -1, 1]]) @ powers / 2.0
