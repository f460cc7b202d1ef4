"""The baseline: blobs of a cell's size in the standard deviation of a movie."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calgan.cells.detector import Cells, Detector
from calgan.cells.scene import Scene, blobs
from calgan.data.validation import check_real


class LaplacianOfGaussianDetector(Detector):
    r"""Finds cells as blobs in the standard deviation of the movie: the baseline.

    Parameters
    ----------
    radius : float, default=5.0
        Radius of a cell (pixels).
    n_cells : int, default=None
        Number of cells; None takes all above `min_score`.
    min_score : float, default=3.0
        Smallest score.
    verbose : int, default=None
        1 shows a progress bar, 0 none; None shows it on a terminal only.

    Attributes
    ----------
    centres_ : ndarray of shape (K, 2), float32
        Centres (x, y) in pixels, best first.
    radii_ : ndarray of shape (K,), float32
        `radius`, of all cells.
    scores_ : ndarray of shape (K,), float32
        Height of each blob, in robust standard deviations over the image.
    masks_ : ndarray of shape (K, H, W), float32
        Discs.

    See Also
    --------
    CellDetector : Learns centres and shapes.

    Notes
    -----
    Frames are band-passed (differences of Gaussians of .35 and 3 radii). The score of a pixel is
    the Laplacian of Gaussian, with a standard deviation of :math:`r / \sqrt 2`, of their standard
    deviation over time, over 1.4826 times its median absolute deviation.

    Examples
    --------
    >>> from calgan.cells import LaplacianOfGaussianDetector
    >>> from calgan.datasets import make_movie
    >>> truth = make_movie(n_neurons=5, duration=20.0, shape=(64, 64), random_state=0)
    >>> detector = LaplacianOfGaussianDetector(radius=6, n_cells=4).fit(truth.movie)
    >>> detector.centres_.shape
    (4, 2)
    >>> detector.transform(truth.movie)
    Recording(200 frames x 4 neurons, 10 Hz, 20.0 s, a.u., synthetic)
    """

    def __init__(
        self,
        radius: float = 5.0,
        *,
        n_cells: int | None = None,
        min_score: float = 3.0,
        verbose: int | None = None,
    ) -> None:
        self.radius = radius
        self.n_cells = n_cells
        self.min_score = min_score
        self.verbose = verbose

    def _check(self) -> None:
        check_real("min_score", self.min_score, least=0.0)

    def _find(self, scene: Scene, bar: Any) -> Cells:
        image = scene.band.std(axis=0).reshape(scene.shape)
        least = self.min_score if self.n_cells is None else 0.0
        centres, scores = blobs(image, scene.radius / np.sqrt(2), least, apart=0.6 * scene.radius)

        def discs(kept: NDArray[np.bool_]) -> NDArray[np.float32]:
            rows, columns = np.indices(scene.shape, dtype=np.float32)
            masks = np.empty((np.count_nonzero(kept), *scene.shape), np.float32)
            for mask, (x, y) in zip(masks, centres[kept], strict=True):
                mask[:] = np.hypot(columns - x, rows - y) <= scene.radius
            return masks

        bar.update()
        return Cells(centres, np.full(len(centres), scene.radius), scores, discs)
