"""Traces of cells whose footprints are known, read from a movie of any length."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, label

from calgan.cells.scene import WIDE
from calgan.data.movie import Movie

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
        flat = masks.reshape(len(masks), -1).astype(np.float64)
        # Least squares on the movie without what is much wider than a cell; the filter is linear
        # and symmetric, so that it is applied to the masks instead of to each frame.
        filtered = np.stack([_narrow(_narrow(mask, radius), radius).ravel() for mask in masks])
        products = filtered @ flat.T
        ridge = 1e-6 * np.diag(np.diag(products))
        self._weights = np.linalg.solve(products + ridge, filtered).astype(np.float32)
        self._means = flat / flat.sum(axis=1, keepdims=True)  # weights of a mean over a mask
        self._flat = flat
        self._scale = (self._means * flat).sum(axis=1)

    def traces(self, movie: Movie, bar: Any) -> NDArray[np.float32]:
        """Return mean fluorescence (T, K) over the masks, with a background that is constant."""
        peaks = np.empty((movie.n_frames, len(self._weights)), np.float32)
        total = np.zeros(self._flat.shape[1])
        for first, frames in movie.chunks():
            flat = frames.reshape(len(frames), -1)
            peaks[first : first + len(flat)] = flat @ self._weights.T
            total += flat.sum(axis=0, dtype=np.float64)
            bar.update(len(flat))
        light = total / movie.n_frames - peaks.mean(axis=0, dtype=np.float64) @ self._flat
        return (peaks * self._scale + self._means @ light).astype(np.float32)


def _narrow(image: NDArray[Any], radius: float) -> NDArray[np.float64]:
    """Return an image without what is much wider than a cell; nothing lies outside."""
    image = np.asarray(image, dtype=np.float64)
    return np.asarray(image - gaussian_filter(image, WIDE * radius, mode="constant"))
