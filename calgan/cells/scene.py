"""A movie made ready for the search: fewer frames, in units of its noise, band-passed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_laplace

from calgan.data.movie import Movie
from calgan.io._build import needs

# Frames are averaged until no more values than this are left: 400 MB as float32.
_MOST_VALUES = 3 << 25
_MOST_FRAMES = 3000
_CHUNK_VALUES = 1 << 23  # read at a time
# Standard deviations of the band-pass filter, in radii: noise is narrower, background is wider.
NARROW, WIDE = 0.35, 3.0
# Of the Laplacian of Gaussian that finds centres, in radii.
_BLOB = 0.5


@dataclass(frozen=True, eq=False)
class Scene:
    """Frames (T, H, W) of a movie, after binning, in three forms."""

    radius: float  # of a cell (px)
    saturated: float  # share of values that are the largest of an integer type
    noise: NDArray[np.float32]  # (H, W) standard deviation of the movie's noise, smoothed
    raw: NDArray[np.float32]  # (T, P) in units of the noise, each pixel's mean taken off
    band: NDArray[np.float32]  # (T, P) band-passed, each pixel's median taken off
    twice: NDArray[np.float32]  # (T, P) band-passed once more, which products with footprints need

    @classmethod
    def of(cls, movie: Movie, radius: float) -> Scene:
        """Read a movie and filter its frames."""
        binned, saturated = _binned(movie)
        mean = binned.mean(axis=0, dtype=np.float64).astype(np.float32)
        noise = _noise(binned, radius)
        if not noise.max() > 1e-6 * np.abs(mean).max():
            raise ValueError("X does not change over time, so that there are no cells to be seen.")
        noise = np.maximum(noise, np.float32(1e-3) * noise.max())
        binned -= mean
        binned /= noise
        band = band_pass(binned, radius)
        twice = band_pass(band, radius)
        for filtered in (band, twice):
            filtered -= np.median(filtered, axis=0)
        raw, band, twice = (x.reshape(len(x), -1) for x in (binned, band, twice))
        return cls(radius, saturated, noise, raw, band, twice)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a frame."""
        return self.noise.shape[0], self.noise.shape[1]

    def peaks(self, band: NDArray[np.float32], threshold: float) -> NDArray[np.float32]:
        """Return centres (n, 2) of blobs of a cell's size in what varies smoothly, best first."""
        lagged = np.einsum("tp,tp->p", band[1:], band[:-1]) / (len(band) - 1)
        image = np.sqrt(np.maximum(lagged, 0)).reshape(self.shape)
        return blobs(image, _BLOB * self.radius, threshold, apart=0.6 * self.radius)[0]


def blobs(
    image: NDArray[np.float32], sigma: float, threshold: float, *, apart: float
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return centres (n, 2) and heights (n,) of the bright blobs of an image, best first.

    Heights are Laplacians of Gaussian in their robust standard deviations over the image; those
    above `threshold` are returned.
    """
    peak_local_max = needs("skimage.feature", "finding cells", "'calgan[movies]'").peak_local_max
    filtered = -gaussian_laplace(image, sigma)
    spread = 1.4826 * np.median(np.abs(filtered - np.median(filtered)))
    places = peak_local_max(filtered, min_distance=max(1, int(apart)), exclude_border=False)
    heights = filtered[places[:, 0], places[:, 1]] / max(float(spread), 1e-30)
    order = np.argsort(-heights, kind="stable")
    order = order[heights[order] > threshold]
    return places[order, ::-1].astype(np.float32), heights[order].astype(np.float64)


def band_pass(frames: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    """Return frames (T, H, W) without what is much narrower or much wider than a cell."""
    narrow, wide = NARROW * radius, WIDE * radius
    passed = np.empty_like(frames)
    for frame, out in zip(frames, passed, strict=True):
        out[:] = gaussian_filter(frame, narrow) - gaussian_filter(frame, wide)
    return passed


def _binned(movie: Movie) -> tuple[NDArray[np.float32], float]:
    """Return means (T, H, W) of as many frames as the memory asks for, and what is saturated."""
    n_frames, height, width = movie.shape
    most = max(2, min(_MOST_FRAMES, _MOST_VALUES // (height * width)))
    size = -(-n_frames // most)
    binned = np.empty((n_frames // size, height, width), np.float32)
    dtype = np.dtype(movie.frames.dtype)
    largest = np.iinfo(dtype).max if dtype.kind in "iu" else np.inf
    n_largest = 0
    # Chunks end where bins do; frames that fill no bin are left out.
    step = size * max(1, _CHUNK_VALUES // (size * height * width))
    for first, frames in movie[: len(binned) * size].chunks(step):
        bins = frames.reshape(-1, size, height, width)
        binned[first // size : first // size + len(bins)] = bins.mean(axis=1)
        n_largest += int((frames == np.float32(largest)).sum())
    return binned, n_largest / (n_frames * height * width)


def _noise(binned: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    """Return the standard deviation (H, W) of what differs from frame to frame, smoothed."""
    squares = np.zeros(binned.shape[1:])
    for before, after in zip(binned[:-1], binned[1:], strict=True):
        squares += np.square(after - before)
    noise = np.sqrt(gaussian_filter(squares / (2 * (len(binned) - 1)), 2 * radius))
    return np.asarray(noise, dtype=np.float32)
