"""CellDetector: footprints with learnable centres and shapes that reconstruct the movie."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calgan.cells.detector import Cells, Detector
from calgan.cells.footprints import sizes
from calgan.cells.scene import Scene
from calgan.cells.search import measured, scored, search
from calgan.cells.traces import masks_of
from calgan.data.validation import check_integer, check_real

_MASK_REACH = 1.8  # radii


class CellDetector(Detector):
    r"""Finds cells by learning where footprints must lie to reconstruct the movie.

    Parameters
    ----------
    radius : float, default=5.0
        Radius of a cell (pixels). Cells of .5 to 1.7 times this radius are found.
    n_cells : int, default=None
        Number of cells, the best whatever their score; None takes all above `min_score`.
    min_score : float, default=0.08
        Smallest score.
    max_iter : int, default=12
        Rounds of the search; in the first and in the last four no cell is added.
    verbose : int, default=None
        1 shows a progress bar, 0 none; None shows it on a terminal only.

    Attributes
    ----------
    centres_ : ndarray of shape (K, 2), float32
        Centres (x, y) in pixels, best first.
    radii_ : ndarray of shape (K,), float32
        Radii (pixels) of circles as large as the footprints.
    scores_ : ndarray of shape (K,), float32
        Share of the changes of fluorescence that is the cell's own, times their skewness (Notes).
    masks_ : ndarray of shape (K, H, W), float32
        Measured footprints: maximum 1, and 0 where they are below .2.

    See Also
    --------
    LaplacianOfGaussianDetector : The baseline.
    MotionCorrector : Undoes motion, which is to be done first.
    calgan.metrics.detection_scores : Compares found with true cells.

    Notes
    -----
    The movie y, in units of its noise and band-passed in space (differences of Gaussians of .35 and
    3 radii, which takes smooth background away), is reconstructed by K cells,

    .. math:: \min_{\theta, c \ge 0} \sum_t \| H y_t - \sum_k c_{kt} H g(\theta_k) \|^2,

    with Gaussian footprints g, whose centres, axes and angles :math:`\theta_k` are learnt, and
    activities c, which are solved for (with a penalty of 1.5 times their noise, except in the end).
    A prior draws axes to the radius and ellipses to circles. Each cell learns from its own error
    alone, in units of its own energy, so that a dim cell does not move a bright one. Once the
    products of activities and movie are known, the error is a closed form of the parameters, and a
    gradient step reads no frame.

    The search starts at blobs of a cell's
    size in the autocovariance of each pixel over one to three frames, in which noise has no part.
    In each round all cells learn by Adam. Between the first and the last four rounds, cells are
    added where the residual has such blobs. Of two cells that are nearer than .8 radii, or near and
    active together, the weaker is removed. In the last four rounds, cells are removed that do not
    have the size and shape of a cell, or whose activity does not last from frame to frame.

    The score of a cell is a share times a skewness. The share is the autocovariance of its own
    activity over that of the fluorescence in its footprint, or the inverse if that is smaller. The
    skewness is that of the cell's fluorescence without its neighbours. Transients have a large
    skewness; background rises and falls alike, so that its skewness is near 0. The score is low for
    dim cells, and where background changes much. It can be larger than 1.

    Examples
    --------
    >>> from calgan.cells import CellDetector
    >>> from calgan.datasets import make_movie
    >>> truth = make_movie(n_neurons=5, duration=20.0, shape=(64, 64), random_state=0)
    >>> detector = CellDetector(radius=6).fit(truth.movie)
    >>> detector.masks_.shape[1:]
    (64, 64)
    >>> recording = detector.transform(truth.movie)
    >>> recording.frame_rate, recording.metadata["positions"].shape == detector.centres_.shape
    (10.0, True)
    """

    def __init__(
        self,
        radius: float = 5.0,
        *,
        n_cells: int | None = None,
        min_score: float = 0.08,
        max_iter: int = 12,
        verbose: int | None = None,
    ) -> None:
        self.radius = radius
        self.n_cells = n_cells
        self.min_score = min_score
        self.max_iter = max_iter
        self.verbose = verbose

    def _check(self) -> None:
        check_integer(self.max_iter, "max_iter")
        check_real("min_score", self.min_score, least=0.0)

    def _rounds(self) -> int:
        return self.max_iter

    def _find(self, scene: Scene, bar: Any) -> Cells:
        found = search(scene, self.max_iter, bar)
        scores = scored(scene, found)
        order = np.argsort(-scores, kind="stable")
        radii = np.sqrt(sizes(found.shapes).prod(axis=1))

        def footprints(kept: NDArray[np.bool_]) -> NDArray[np.float32]:
            chosen = order[kept]
            images = measured(scene, scene.band, found, _MASK_REACH)[chosen]
            images *= scene.noise.ravel()
            return masks_of(images, found.centres[chosen], scene.shape)

        return Cells(found.centres[order], radii[order], scores[order], footprints)
