"""A movie made ready for the search: binned, in units of its noise, band-passed."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_laplace

from calgan.cells.activity import smooth_power
from calgan.data.movie import Movie
from calgan.io._build import needs

# Pixels and then frames are averaged until no more values than this are left: 400 MB as float32.
_MOST_VALUES = 3 << 25
_MOST_FRAMES, FEWEST_FRAMES = 3000, 10
_FEWEST_PIXELS = 3  # of a radius after binning
# Frames shorter than this (s) are averaged, which lowers noise, if so many remain at least.
_FAST, _STILL_MANY = 0.2, 100
_LONG = 1.5  # s: calcium transients are lost in longer bins
_FLASH = 3.0  # times the usual change of a pixel from frame to frame
_CHUNK_VALUES = 1 << 23  # read at a time
# Standard deviations of the band-pass filter, in radii: noise is narrower, background is wider.
NARROW, WIDE = 0.35, 3.0
# Of the Laplacian of Gaussian that finds centres, in radii.
_BLOB = 0.5


@dataclass(frozen=True, eq=False)
class Scene:
    """Frames (T, H, W) of a movie, after binning, in three forms."""

    bin_width: int  # pixels of the movie that make one here, in x and in y
    radius: float  # of a cell (binned px)
    saturated: float  # share of values that are the largest of an integer type
    noise: NDArray[np.float32]  # (H, W) standard deviation of the movie's noise, smoothed
    raw: NDArray[np.float32]  # (T, P) in units of the noise, each pixel's mean taken off
    band: NDArray[np.float32]  # (T, P) band-passed, each pixel's median taken off
    twice: NDArray[np.float32]  # (T, P) band-passed once more, which products with footprints need

    @classmethod
    def of(cls, movie: Movie, radius: float) -> Scene:
        """Read a movie and filter its frames."""
        binned, width, saturated, brightest = _binned(movie, radius)
        flashes = _without_flashes(binned)
        if len(flashes):
            first = flashes[0] * (movie.n_frames // len(binned))
            more = " and later" if len(flashes) > 1 else ""
            warnings.warn(
                f"X flashes near frame {first}{more}: most pixels differ there from the frames "
                "before and after. The search leaves flashes out, but traces have them.",
                UserWarning,
                stacklevel=3,
            )
        radius /= width
        mean = binned.mean(axis=0, dtype=np.float64).astype(np.float32)
        noise = _noise(binned, radius)
        if not noise.max() > 1e-7 * brightest:
            raise ValueError(
                "X does not change over time, or by less than a ten-millionth of its brightness, "
                "so that there are no cells to be seen."
            )
        noise = np.maximum(noise, np.float32(1e-3) * noise.max())
        binned -= mean
        binned /= noise
        band = band_pass(binned, radius)
        twice = band_pass(band, radius)
        for filtered in (band, twice):
            filtered -= np.median(filtered, axis=0)
        raw, band, twice = (x.reshape(len(x), -1) for x in (binned, band, twice))
        return cls(width, radius, saturated, noise, raw, band, twice)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a frame."""
        return self.noise.shape[0], self.noise.shape[1]

    def unbinned(self, centres: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return centres (K, 2) in pixels of the movie."""
        return (centres + np.float32(0.5)) * np.float32(self.bin_width) - np.float32(0.5)

    def peaks(self, frames: NDArray[np.float32], threshold: float) -> NDArray[np.float32]:
        """Return centres (n, 2) of blobs of a cell's size in what varies smoothly, best first."""
        image = np.sqrt(np.maximum(smooth_power(frames), 0)).astype(np.float32).reshape(self.shape)
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


def _binned(movie: Movie, radius: float) -> tuple[NDArray[np.float32], int, float, float]:
    """Return means (T, H, W) over bins, above the first frame, and what else is known of frames.

    That is the width of a bin in pixels, the share of saturated values and the largest value.
    """
    n_frames, height, width = movie.shape
    side = 1
    while (
        side + 1 <= radius / _FEWEST_PIXELS
        and min(n_frames, _MOST_FRAMES) * (height // side) * (width // side) > _MOST_VALUES
    ):
        side += 1
    rows, columns = height // side, width // side
    size = -(-n_frames // max(1, min(_MOST_FRAMES, _MOST_VALUES // (rows * columns))))
    if movie.frame_rate is not None:
        fast = min(round(_FAST * movie.frame_rate), n_frames // _STILL_MANY)
        size = max(size, fast)
    n_bins = n_frames // size
    if n_bins < FEWEST_FRAMES:
        raise ValueError(
            f"X has frames of {height} x {width} pixels, of which memory holds {n_bins} after "
            "averaging, too few to find cells: crop the movie, or average its pixels."
        )
    if movie.frame_rate is not None and size > 1 and size / movie.frame_rate > _LONG:
        warnings.warn(
            f"the search averages {size} frames ({size / movie.frame_rate:.2g} s), as X is large: "
            "cells that are seldom active may be missed; crop the movie, or fit a part of it.",
            UserWarning,
            stacklevel=4,
        )
    binned = np.empty((n_bins, rows, columns), np.float32)
    dtype = np.dtype(movie.frames.dtype)
    largest = np.iinfo(dtype).max if dtype.kind in "iu" else np.inf
    n_largest, brightest, start = 0, 0.0, None
    # Chunks end where bins do; frames that fill no bin are left out.
    step = size * max(1, _CHUNK_VALUES // (size * height * width))
    for first, frames in movie[: n_bins * size].chunks(step):
        n_largest += int((frames == np.float32(largest)).sum())
        brightest = max(brightest, float(np.abs(frames).max()))
        # Large values that do not change would take the digits of those that do.
        start = frames[0].copy() if start is None else start
        frames -= start
        inside = frames[:, : rows * side, : columns * side]
        bins = inside.reshape(-1, size, rows, side, columns, side).mean(axis=(1, 3, 5))
        binned[first // size : first // size + len(bins)] = bins
    return binned, side, n_largest / (n_frames * height * width), brightest


def _without_flashes(binned: NDArray[np.float32]) -> NDArray[np.intp]:
    """Replace frames (T, H, W) that flash by the mean of those around; return their numbers.

    In a flash of one frame, most pixels differ from the frame before and from the frame after.
    """
    changes = np.array([np.median(np.abs(after - before)) for before, after in pairwise(binned)])
    usual = np.median(changes[changes > 0]) if changes.any() else 0.0
    unusual = changes > _FLASH * usual
    flashes = np.flatnonzero(unusual[1:] & unusual[:-1]) + 1
    others = np.setdiff1d(np.arange(len(binned)), flashes)
    for frame, after in zip(flashes, np.searchsorted(others, flashes), strict=True):
        binned[frame] = (binned[others[after - 1]] + binned[others[after]]) / 2
    return flashes


def _noise(binned: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    """Return the standard deviation (H, W) of what differs from frame to frame, smoothed."""
    squares = np.zeros(binned.shape[1:])
    for before, after in pairwise(binned):
        squares += np.square(after - before)
    noise = np.sqrt(gaussian_filter(squares / (2 * (len(binned) - 1)), 2 * radius))
    return np.asarray(noise, dtype=np.float32)
