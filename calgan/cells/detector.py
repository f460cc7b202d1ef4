"""Detectors of cells: fit finds them in a movie, transform reads their traces."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from calgan.cells.scene import Scene
from calgan.cells.traces import Readout
from calgan.data.movie import check_movie
from calgan.data.progress import progress
from calgan.data.recording import ARBITRARY, Recording
from calgan.data.validation import check_integer, check_real
from calgan.io._build import needs

_FEWEST_FRAMES = 10
_SATURATED = 1e-3  # share of the values that are the largest of their type


class Detector(TransformerMixin, BaseEstimator):
    """The common part of the detectors."""

    radius: float
    n_cells: int | None
    verbose: int | None

    centres_: NDArray[np.float32]
    radii_: NDArray[np.float32]
    scores_: NDArray[np.float32]
    masks_: NDArray[np.float32]

    def _find(
        self, scene: Scene, bar: Any
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[np.float32]]:
        """Return centres (K, 2), radii (K,), scores (K,) and masks (K, H, W), best first."""
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
            once, in pieces. Long movies are averaged over frames until 3,000 of them, or 400 MB,
            are left.
        y : None
            Ignored.

        Returns
        -------
        object
            The fitted detector.

        Raises
        ------
        TypeError
            If a parameter has the wrong type.
        ValueError
            If X is no movie, has NaN or infinity, too few frames or pixels, or does not change, or
            if a parameter is out of range.
        ImportError
            If scikit-image is not installed.

        Warns
        -----
        UserWarning
            If no cell is found, or fewer than `n_cells`, or if many pixels are saturated.
        """
        movie = check_movie(X, "X")
        radius = check_real("radius", self.radius, least=1.0)
        wanted = None if self.n_cells is None else check_integer(self.n_cells, "n_cells")
        self._check()
        needs("skimage", "finding cells", "'calgan[movies]'")
        name = type(self).__name__
        if movie.n_frames < _FEWEST_FRAMES or min(movie.shape[1:]) < 4 * radius:
            raise ValueError(
                f"X has {movie.n_frames} frames of {movie.shape[1]} x {movie.shape[2]} pixels, but "
                f"{name} needs at least {_FEWEST_FRAMES} frames, and 4 radii ({4 * radius:g} "
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
            centres, radii, scores, masks = self._find(scene, bar)
        n_found = len(centres)
        best = slice(None, wanted)
        self.centres_ = np.asarray(centres[best], dtype=np.float32)
        self.radii_ = np.asarray(radii[best], dtype=np.float32)
        self.scores_ = np.asarray(scores[best], dtype=np.float32)
        self.masks_ = masks[best]
        self.n_features_in_ = movie.shape[2]
        if n_found < (wanted or 1):
            found = "no cell" if n_found == 0 else f"{n_found} of {wanted} cells"
            warnings.warn(
                f"{name} found {found}: look at the movie, at radius={radius:g} (pixels), and at "
                "the threshold of the scores.",
                UserWarning,
                stacklevel=2,
            )
        return self

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
            Mean fluorescence over each mask (T, K), in the units of the movie: without that of its
            neighbours, and with the mean of the background, but not its changes.
            `calgan.io.delta_f_over_f` makes dF/F of it. Metadata have ``"positions"``, the centres.

        Raises
        ------
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
            traces = Readout(self.masks_, self.radius).traces(movie, bar)
        metadata = {"positions": self.centres_.astype(float)} | {
            key: movie.metadata[key] for key in ("synthetic", "t_start") if key in movie.metadata
        }
        return Recording(traces, movie.frame_rate, units=ARBITRARY, metadata=metadata)
