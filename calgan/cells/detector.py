"""Detectors of cells: fit finds them in a movie, transform reads their traces."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from calgan.cells.scene import FEWEST_FRAMES, Scene
from calgan.cells.traces import Readout
from calgan.data.movie import check_movie
from calgan.data.progress import progress
from calgan.data.recording import ARBITRARY, Recording
from calgan.data.validation import check_integer, check_real
from calgan.io._build import needs

_SATURATED = 1e-3  # share of the values that are the largest of their type


class Cells(NamedTuple):
    """Cells of a scene, best first; places and sizes in its pixels."""

    centres: NDArray[Any]  # (K, 2)
    radii: NDArray[Any]  # (K,)
    scores: NDArray[Any]  # (K,)
    masks: Callable[[NDArray[np.bool_]], NDArray[np.float32]]  # draws those of some cells (k, h, w)


class Detector(TransformerMixin, BaseEstimator):
    """The common part of the detectors."""

    radius: float
    n_cells: int | None
    min_score: float
    verbose: int | None

    centres_: NDArray[np.float32]
    radii_: NDArray[np.float32]
    scores_: NDArray[np.float32]
    masks_: NDArray[np.float32]

    def _find(self, scene: Scene, bar: Any) -> Cells:
        """Return all cells, best first."""
        raise NotImplementedError

    def _rounds(self) -> int:
        """Return how many rounds the search has."""
        return 1

    def fit(self, X: Any, y: Any = None) -> Any:
        """Find the cells of a movie.

        Parameters
        ----------
        X : Movie or array-like of shape (T, H, W)
            Movie whose motion is undone (see `MotionCorrector`), of at least 10 frames. It is read
            once, in pieces. Frames are averaged over .2 s, as long as 100 are left, if a frame rate
            is known, and those of a long movie until 3,000 are left. Where these take more than 400
            MB, pixels are averaged (a radius keeps three or more), and then more frames.
        y : None
            Ignored.

        Returns
        -------
        object
            The fitted detector.

        Raises
        ------
        TypeError
            If `n_cells` or `max_iter` is no integer, or X is a path or a Recording.
        ValueError
            If X is no movie, has NaN or infinity, too few frames or pixels, or does not change, or
            if a parameter is out of range or no number.
        ImportError
            If scikit-image is not installed.

        Warns
        -----
        UserWarning
            If no cell is found, or fewer than `n_cells`; if all candidates have scores below
            `min_score`; if frames flash, if many pixels are saturated, or if the frames of a large
            movie are averaged over more than 1.5 s.
        """
        movie = check_movie(X, "X")
        radius = check_real("radius", self.radius, least=1.0)
        wanted = None if self.n_cells is None else check_integer(self.n_cells, "n_cells")
        self._check()
        needs("skimage", "finding cells", "'calgan[movies]'")
        name = type(self).__name__
        if movie.n_frames < FEWEST_FRAMES or min(movie.shape[1:]) < 4 * radius:
            raise ValueError(
                f"X has {movie.n_frames} frames of {movie.shape[1]} x {movie.shape[2]} pixels, but "
                f"{name} needs at least {FEWEST_FRAMES} frames, and 4 radii ({4 * radius:g} "
                "pixels) on each side."
            )
        with progress(self.verbose, name, 1 + self._rounds(), unit="round") as bar:
            scene = Scene.of(movie, radius)
            if scene.saturated > _SATURATED:
                warnings.warn(
                    f"{scene.saturated:.1%} of the values in X are the largest of their type, "
                    f"{movie.frames.dtype}: what is brighter was cut off, and so are the traces.",
                    UserWarning,
                    stacklevel=2,
                )
            bar.update()
            found = self._find(scene, bar)
        kept = (
            found.scores >= self.min_score
            if wanted is None
            else np.arange(len(found.scores)) < wanted
        )
        self.scores_ = found.scores[kept].astype(np.float32)
        self.centres_ = scene.unbinned(found.centres[kept].astype(np.float32))
        self.radii_ = (found.radii[kept] * scene.bin_width).astype(np.float32)
        self.masks_ = _unbinned(found.masks(kept), scene.bin_width, movie.shape)
        self._radius = radius
        self._tell(len(found.scores), wanted)
        return self

    def _tell(self, n_found: int, wanted: int | None) -> None:
        """Warn where there are fewer cells than a user expects."""
        name, look = (
            type(self).__name__,
            f"look at the movie, and at radius={self.radius:g} (pixels)",
        )
        if wanted is not None and n_found < wanted:
            text = f"{name} found {n_found} of {wanted} cells: {look}."
        elif n_found == 0:
            text = f"{name} found no cell: {look}."
        elif len(self.scores_) == 0:
            text = (
                f"{name} left out all {n_found} candidates, whose scores are below "
                f"min_score={self.min_score:g}: fit with min_score=0, and look at scores_."
            )
        else:
            return
        warnings.warn(text, UserWarning, stacklevel=3)

    def _check(self) -> None:
        """Check what is special to the detector."""

    def transform(self, X: Any) -> Recording:
        """Read the traces of the cells.

        Parameters
        ----------
        X : Movie
            The movie of `fit`, or another one of the same cells. It is read in pieces.

        Returns
        -------
        Recording
            Fluorescence of each cell (T, K), in the units of the movie: the mean over its mask,
            without the changes of its neighbours and of background wider than 3 radii.
            `calgan.io.delta_f_over_f` makes dF/F of it. Metadata have ``"positions"``, the centres
            (x, y) in pixels.

        Raises
        ------
        NotFittedError
            If the detector is not fitted.
        TypeError
            If X is a path or a Recording.
        MemoryError
            If memory does not hold the weights of all cells.
        ValueError
            If the frames have another size than those of `fit`, the movie has no frame rate, or
            no cell was found.
        """
        check_is_fitted(self)
        movie = check_movie(X, "X")
        if movie.frame_rate is None:
            raise ValueError(
                "X is an array, whose frame rate is unknown: pass calgan.Movie(frames, frame_rate)."
            )
        if movie.shape[1:] != self.masks_.shape[1:]:
            raise ValueError(
                f"X has frames of {movie.shape[1]} x {movie.shape[2]} pixels, but fit had "
                f"{self.masks_.shape[1]} x {self.masks_.shape[2]}: fit this movie, or crop it."
            )
        if len(self.masks_) == 0:
            raise ValueError("fit found no cell, so that there are no traces to read.")
        with progress(self.verbose, "traces", movie.n_frames, unit="frame") as bar:
            traces = Readout(self.masks_, self._radius).traces(movie, bar)
        metadata = {"positions": self.centres_.astype(float)} | {
            key: movie.metadata[key] for key in ("synthetic", "t_start") if key in movie.metadata
        }
        return Recording(traces, movie.frame_rate, units=ARBITRARY, metadata=metadata)


def _unbinned(
    masks: NDArray[np.float32], width: int, shape: tuple[int, int, int]
) -> NDArray[np.float32]:
    """Return masks (K, H, W) in the pixels of the movie."""
    if width == 1:
        return masks
    large = masks.repeat(width, axis=1).repeat(width, axis=2)
    rest = [(0, whole - part) for whole, part in zip(shape[1:], large.shape[1:], strict=True)]
    return np.pad(large, [(0, 0), *rest])
