"""Traces of cells whose footprints are known, read from a movie of any length."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.ndimage import gaussian_filter, label

from calgan.cells.scene import WIDE
from calgan.data.movie import Movie
from calgan.data.stored import check_memory

_EDGE = 0.2  # of a mask's maximum: what is dimmer is left out


def masks_of(
    images: NDArray[np.float32], centres: NDArray[np.float32], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Return masks (K, H, W) with maxima of 1: the part of each image (K, P) around its centre."""
    masks = np.zeros((len(images), *shape), np.float32)
    for mask, image, (x, y) in zip(masks, images.reshape(-1, *shape), centres, strict=True):
        top = image.max()
        parts, _ = label(image > _EDGE * top) if top > 0 else (np.zeros(shape, int), 0)
        row, column = np.rint([y, x]).astype(int)
        if parts[row, column]:
            inside = parts == parts[row, column]
            mask[inside] = image[inside] / image[inside].max()
        else:  # nothing was measured at the centre
            mask[row, column] = 1
    return masks


class Readout:
    """Weights by which frames become traces, each cell's without its neighbours and background."""

    def __init__(self, masks: NDArray[np.float32], radius: float) -> None:
        self._masks = sparse.csr_array(masks.reshape(len(masks), -1))
        # Least squares on the movie without what is much wider than a cell; the filter is linear
        # and symmetric, so that it is applied to the masks instead of to each frame.
        check_memory(
            2 * masks.nbytes,
            f"weights of {len(masks)} cells",
            "crop the movie, or fit fewer n_cells",
        )
        filtered = np.empty(self._masks.shape, np.float32)
        for row, mask in zip(filtered, masks, strict=True):
            row[:] = _narrow(_narrow(mask, radius), radius).ravel()
        products = (self._masks @ filtered.T).astype(np.float64)
        ridge = 1e-6 * np.diag(np.diag(products))
        self._weights = np.linalg.solve(products + ridge, np.eye(len(masks))).astype(np.float32)
        self._weights = self._weights @ filtered
        total = self._masks.sum(axis=1)
        self._means = sparse.diags_array(1 / total) @ self._masks  # weights of a mean over a mask
        self._scale = self._means.multiply(self._masks).sum(axis=1)

    def traces(self, movie: Movie, bar: Any) -> NDArray[np.float32]:
        """Return fluorescence (T, K) of cells, which has the mean of that over their masks."""
        changes = np.empty((movie.n_frames, len(self._weights)), np.float32)
        start, total = np.zeros(self._masks.shape[1], np.float32), 0.0
        for first, frames in movie.chunks():
            flat = frames.reshape(len(frames), -1)
            # Large values that do not change would take the digits of those that do.
            start = flat[0].copy() if first == 0 else start
            flat -= start
            changes[first : first + len(flat)] = flat @ self._weights.T
            total = total + flat.sum(axis=0, dtype=np.float64)
            bar.update(len(flat))
        changes -= changes.mean(axis=0, dtype=np.float64).astype(np.float32)
        mean = self._means @ (start + total / movie.n_frames)
        return np.asarray(changes * self._scale + mean, dtype=np.float32)


def _narrow(image: NDArray[Any], radius: float) -> NDArray[np.float64]:
    """Return an image without what is much wider than a cell."""
    image = np.asarray(image, dtype=np.float64)
    return np.asarray(image - gaussian_filter(image, WIDE * radius))
