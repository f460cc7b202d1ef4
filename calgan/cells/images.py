"""Images that sum up a movie."""

from __future__ import annotations

from typing import Any

import numpy as np

from calgan.data.movie import check_movie

# Half of a pixel's eight neighbours, (rows, columns) on; the other half sees it in turn.
_NEIGHBOURS = ((0, 1), (1, -1), (1, 0), (1, 1))


def mean_image(movie: Any) -> np.ndarray:
    """Return the mean over frames, (H, W), of a Movie or an array (T, H, W), read in pieces."""
    movie = check_movie(movie)
    total = np.zeros(movie.shape[1:])
    for _, frames in movie.chunks():
        total += frames.sum(axis=0, dtype=np.float64)
    return total / movie.n_frames


def correlation_image(movie: Any) -> np.ndarray:
    """Return each pixel's mean correlation over time with its eight neighbours, (H, W).

    A Movie or an array (T, H, W) is read in pieces. A pixel that does not vary is correlated with
    none, and 0.
    """
    movie = check_movie(movie)
    height, width = movie.shape[1:]
    total, squares = np.zeros((2, height, width))
    products = np.zeros((len(_NEIGHBOURS), height, width))
    first_frame = None
    for _, frames in movie.chunks():
        # Sums of squares of values far from 0 would lose the variance.
        first_frame = frames[0].copy() if first_frame is None else first_frame
        frames -= first_frame
        total += frames.sum(axis=0, dtype=np.float64)
        squares += np.einsum("tyx,tyx->yx", frames, frames, dtype=np.float64)
        for product, step in zip(products, _NEIGHBOURS, strict=True):
            here, there = _pairs(step)
            product[here] += np.einsum(
                "tyx,tyx->yx", frames[:, *here], frames[:, *there], dtype=np.float64
            )
    mean = total / movie.n_frames
    variance = squares / movie.n_frames - mean**2
    # Of a pixel that does not vary, rounding leaves a variance that is not quite 0.
    still = variance <= 1e-12 * squares / movie.n_frames
    scale = np.where(still, 0.0, 1.0 / np.sqrt(np.where(still, 1.0, variance)))
    image, n_neighbours = np.zeros((2, height, width))
    for product, step in zip(products, _NEIGHBOURS, strict=True):
        here, there = _pairs(step)
        covariance = product[here] / movie.n_frames - mean[here] * mean[there]
        correlation = (covariance * scale[here] * scale[there]).clip(-1.0, 1.0)
        for side in (here, there):
            image[side] += correlation
            n_neighbours[side] += 1
    return image / np.maximum(n_neighbours, 1)


def _pairs(step: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the places of all pixels with a neighbour at a step, and those of the neighbours."""
    rows, columns = step
    here = slice(0, -rows or None), slice(max(0, -columns), -max(0, columns) or None)
    there = slice(rows, None), slice(max(0, columns), -max(0, -columns) or None)
    return here, there
