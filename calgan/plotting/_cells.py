"""Cells that were found in a movie, beside the true ones."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike
from scipy.ndimage import binary_fill_holes
from scipy.sparse import csr_array
from sklearn.utils.validation import check_is_fitted

from calgan.cells.images import correlation_image, mean_image
from calgan.data.movie import Movie, check_movie
from calgan.data.validation import (
    as_real_array,
    check_choice,
    check_finite,
    check_frame_rate,
    check_text,
    shown,
)
from calgan.plotting._display import Display
from calgan.plotting.compared_windows import choose_neurons
from calgan.plotting.style import Array, figure_legend, resize

# Colour, line and label of each kind. Colours are of Okabe and Ito's palette, what is seen on grey.
_KINDS: dict[str, tuple[str, Any, str]] = {
    "true": ("#FFFFFF", "-", "true"),
    "matched_true": ("#FFFFFF", "-", "the true cells of these"),
    "missed": ("#D55E00", (0, (3.5, 1.5)), "missed (true, not found)"),
    "found": ("#56B4E9", "-", "found"),
    "matched": ("#56B4E9", "-", "matched (found and true)"),
    "extra": ("#F0E442", (0, (1.2, 1.0)), "extra (found, not true)"),
}
_LEGEND = ("found", "true", "matched", "matched_true", "missed", "extra")
_OUTLINE = 0.5  # of a mask's largest weight
_N_TRACES = 6
_IMAGES = {
    "correlation": (correlation_image, "correlation of neighbours"),
    "mean": (mean_image, "mean brightness"),
}


@dataclass(repr=False, eq=False)
class CellsDisplay(Display):
    """Outlines of found cells over an image of the movie, and traces of some of them.

    Outlines are drawn at half of each mask's largest weight. Beside the true cells, each found
    cell is matched or extra, and each true one that was not matched is missed.

    Parameters
    ----------
    masks : array-like of shape (K, H, W)
        Weights of the found cells in the pixels, not negative.
    image : array-like of shape (H, W)
        What the outlines are drawn on.
    quantity : str, default="brightness"
        What the image shows.
    true_masks : array-like of shape (N, H, W), default=None
        Masks of the true cells.
    pairs : array-like of shape (n, 2), int, default=None
        Numbers of a found and of the true cell that it matches. None does not tell found cells
        apart.
    traces : array-like of shape (T, K), default=None
        Traces of the found cells. None draws no traces.
    frame_rate : float, default=None
        Frames per second (Hz). None counts frames.

    Examples
    --------
    >>> from calgan.datasets import make_movie
    >>> from calgan.plotting import CellsDisplay
    >>> truth = make_movie(n_neurons=10, duration=20.0, random_state=0)
    >>> display = CellsDisplay.from_masks(truth.movie, truth.masks[:8], truth=truth)
    >>> [ax.get_ylabel() for ax in display.axes_]
    ['y (pixels)', 'cell']
    """

    masks: ArrayLike
    image: ArrayLike
    _: KW_ONLY
    quantity: str = "brightness"
    true_masks: ArrayLike | None = None
    pairs: ArrayLike | None = None
    traces: ArrayLike | None = None
    frame_rate: float | None = None

    @classmethod
    def from_estimator(cls, estimator: Any, movie: Any, **options: Any) -> Self:
        """Draw the cells that a fitted detector has found, and the traces that it reads.

        Parameters
        ----------
        estimator : detector
            A fitted detector of cells, with ``masks_`` (K, H, W).
        movie : Movie or array-like of shape (T, H, W)
            The movie.
        **options
            Options of `from_masks`. Without `traces`, those of ``estimator.transform`` are drawn.

        Returns
        -------
        display : CellsDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError
            If the detector is not fitted.
        TypeError
            If the estimator finds no cells.
        ValueError
            As `from_masks`.
        """
        if not hasattr(estimator, "masks_"):
            if hasattr(estimator, "fit"):
                check_is_fitted(estimator)
            raise TypeError(
                f"estimator must be a detector of cells, with masks_, got {shown(estimator)}; "
                "draw masks with CellsDisplay.from_masks."
            )
        movie = check_movie(movie)
        reads = hasattr(estimator, "transform") and movie.shape[1:] == estimator.masks_.shape[1:]
        if options.get("traces") is None and reads and len(estimator.masks_):
            rated = movie if movie.frame_rate is not None else Movie._trusted(movie.frames, 1.0, {})
            options["traces"] = estimator.transform(rated).traces
        return cls.from_masks(movie, estimator.masks_, **options)

    @classmethod
    def from_masks(
        cls,
        movie: Any,
        masks: ArrayLike,
        *,
        truth: Any = None,
        scores: Any = None,
        image: str = "correlation",
        traces: ArrayLike | None = None,
        neurons: Any = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw masks over an image of their movie, which is read in pieces.

        Parameters
        ----------
        movie : Movie or array-like of shape (T, H, W)
            The movie.
        masks : array-like of shape (K, H, W)
            Weights of the found cells in the pixels, not negative.
        truth : SimulatedMovie or array-like of shape (N, H, W), default=None
            The true cells, or their masks.
        scores : DetectionScores, default=None
            Which found cell is which true one, from `calgan.metrics.detection_scores`.
        image : {"correlation", "mean"}, default="correlation"
            What to draw the outlines on: each pixel's correlation with its eight neighbours, or
            its mean over frames.
        traces : array-like of shape (T, K), default=None
            Traces of the found cells; None takes the mean of each frame, weighted by the masks.
        neurons : int or sequence of int, default=None
            Whose traces to draw; None takes up to six spread over the activity.
        ax : matplotlib Axes, default=None
            Where to draw; the panels share its place. None makes a figure.

        Returns
        -------
        display : CellsDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If an argument is of the wrong type.
        ValueError
            If the masks do not have the pixels of the movie, or hold negative values or NaN; if
            numbers of cells or the lengths of traces do not fit.
        """
        draw, quantity = _IMAGES[check_choice(image, "image", _IMAGES)]
        if scores is not None and not hasattr(scores, "pairs"):
            raise TypeError(f"scores must have the pairs of a matching, got {shown(scores)}.")
        movie = check_movie(movie)
        found = _check_masks(masks, "masks", movie.shape[1:])
        true_masks = getattr(truth, "masks", truth)
        if true_masks is not None:
            true_masks = _check_masks(true_masks, "truth", movie.shape[1:])
        return cls(
            found,
            draw(movie),
            quantity=quantity,
            true_masks=true_masks,
            pairs=None if scores is None else scores.pairs,
            traces=_mean_traces(movie, found) if traces is None else traces,
            frame_rate=movie.frame_rate,
        ).plot(neurons=neurons, ax=ax)

    def plot(self, *, neurons: Any = None, ax: Axes | None = None) -> Self:
        """Draw the outlines, and traces beside them.

        Parameters
        ----------
        neurons : int or sequence of int, default=None
            Whose traces to draw; None takes up to six spread over the activity.
        ax : matplotlib Axes, default=None
            Where to draw; the panels share its place. None makes a figure.

        Returns
        -------
        self : CellsDisplay
            The display, with ``figure_`` and its panels ``axes_``.

        Raises
        ------
        TypeError
            If an array does not hold numbers.
        ValueError
            If shapes do not fit together, or a cell is out of range.
        """
        return self._plot(ax, neurons=neurons)

    def _draw(self, figure: FigureBase, *, neurons: Any) -> None:
        masks = _check_masks(self.masks, "masks")
        image = as_real_array(self.image, "image")
        if image.shape != masks.shape[1:]:
            raise ValueError(
                f"image must have the {masks.shape[1]} x {masks.shape[2]} pixels of the masks, "
                f"got shape {image.shape}."
            )
        check_finite(image, "image", axes=("row", "column"))
        quantity = check_text(self.quantity, "quantity", "brightness")
        truth = None
        if self.true_masks is not None:
            truth = _check_masks(self.true_masks, "true_masks", masks.shape[1:])
        kinds = _kinds(masks, truth, self.pairs)
        traces, rows = None, np.arange(0)
        if self.traces is not None and len(masks):
            traces = _check_traces(self.traces, len(masks))
            rows = choose_neurons(neurons, traces.std(axis=0), _N_TRACES)
        frame_rate = None if self.frame_rate is None else check_frame_rate(self.frame_rate)

        height = np.clip(4.6 * masks.shape[1] / masks.shape[2], 2.5, 7.0) + 0.6
        resize(figure, 5.4 if traces is None else 10.0, height)
        if traces is None:
            left = figure.add_subplot()
        else:
            left, right = figure.subplots(1, 2, width_ratios=(1.15, 1.0))
            _draw_traces(right, traces[:, rows], rows, frame_rate)
        low, high = np.percentile(image, (1.0, 99.7))
        drawn = left.imshow(image, cmap="gray", vmin=low, vmax=high if high > low else low + 1.0)
        figure.colorbar(drawn, ax=left, label=quantity, shrink=0.8, pad=0.02)
        left.set(xlabel="x (pixels)", ylabel="y (pixels)")
        for axis in (left.xaxis, left.yaxis):
            axis.set_major_locator(MaxNLocator(5, integer=True))
        for kind, cells in kinds.items():
            _draw_outlines(left, cells, kind)
        _number(left, masks[rows], rows)
        handles = [
            _handle(kind, len(kinds[kind])) for kind in _LEGEND if len(kinds.get(kind, ()))
        ] or [_handle("found", 0)]
        figure_legend(figure, left, handles)


def _kinds(masks: Array, truth: Array | None, pairs: Any) -> dict[str, Array]:
    """Sort the masks by kind, in the order in which they are drawn."""
    if truth is None:
        if pairs is not None:
            raise ValueError("pairs are of found and true cells, so give true_masks as well.")
        return {"found": masks}
    if pairs is None:
        return {"true": truth, "found": masks}
    matched = _check_pairs(pairs, len(masks), len(truth))
    found, true = (np.zeros(len(cells), dtype=bool) for cells in (masks, truth))
    found[matched[:, 0]] = true[matched[:, 1]] = True
    kinds = {"matched_true": truth[true], "missed": truth[~true]}
    return {**kinds, "matched": masks[found], "extra": masks[~found]}


def _mean_traces(movie: Any, masks: Array) -> Array:
    """Return the means of the frames (T, K), weighted by the masks."""
    weights = csr_array(masks.reshape(-1, np.prod(masks.shape[1:])).astype(np.float32))
    weights = csr_array(weights.multiply(1.0 / weights.sum(axis=1)[:, None]))
    pieces = [(weights @ frames.reshape(len(frames), -1).T).T for _, frames in movie.chunks()]
    return np.concatenate(pieces)


def _draw_traces(ax: Axes, traces: Array, cells: Array, frame_rate: float | None) -> None:
    """Traces (T, R) one above the other, each over its own range."""
    low, high = traces.min(axis=0), traces.max(axis=0)
    traces = (traces - low) / np.where(high > low, high - low, 1.0)
    times = np.arange(len(traces)) / (1.0 if frame_rate is None else frame_rate)
    heights = 1.1 * np.arange(len(cells))[::-1]
    ax.plot(times, traces + heights, color="#333333", linewidth=0.8)
    ax.set_yticks(heights + 0.2, [str(cell) for cell in cells])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set(ylabel="cell", xlabel="frame" if frame_rate is None else "time (s)")
    ax.margins(x=0.01)
    ax.set_title("traces, each over its own range", fontweight="normal", fontsize=9)


def _handle(kind: str, n_cells: int) -> Line2D:
    """Entry of the legend."""
    color, line, label = _KINDS[kind]
    label = label if kind == "matched_true" else f"{label}: {n_cells}"
    return Line2D(
        [], [], color=color, linestyle=line, linewidth=2.0, path_effects=_halo(3.0), label=label
    )


def _draw_outlines(ax: Axes, masks: Array, kind: str) -> None:
    """Outlines of masks (K, H, W) in the line of their kind."""
    color, line, _ = _KINDS[kind]
    width = {"matched_true": 0.9, "missed": 1.8}.get(kind, 1.4)
    drawing = Figure().add_subplot()  # which finds outlines, and is not shown
    outlines = [path for mask in masks for path in _outlines(mask, drawing)]
    collection = LineCollection(
        outlines, colors=color, linestyles=line, linewidths=width, path_effects=_halo(width + 1.0)
    )
    ax.add_collection(collection, autolim=False)


def _outlines(mask: Array, drawing: Axes) -> list[Array]:
    """Return the outer outlines of a mask (H, W), each (n, 2), (x, y) in pixels."""
    level = _OUTLINE * mask.max()
    rows, columns = np.nonzero(mask >= level)
    corner = np.array([columns.min(), rows.min()]) - 1
    part = mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    part = np.pad(part, 1)  # zeros close the outlines, at the border of the frame, too
    part = np.where(binary_fill_holes(part >= level), np.maximum(part, 1.001 * level), part)
    return [path + corner for path in drawing.contour(part, levels=[level]).allsegs[0]]


def _number(ax: Axes, masks: Array, cells: Array) -> None:
    """Write the numbers of cells at the right of their outlines."""
    for mask, cell in zip(masks, cells, strict=True):
        y, x = np.nonzero(mask >= _OUTLINE * mask.max())
        ax.annotate(
            str(cell), (x.max(), y.mean()), xytext=(3, 0), textcoords="offset points", va="center",
            color="white", fontsize=8.5, fontweight="bold", path_effects=_halo(2.0),
            annotation_clip=True,
        )  # fmt: skip


def _halo(width: float) -> list[Any]:
    """Return a dark rim, which lines on a bright ground need."""
    return [patheffects.withStroke(linewidth=width, foreground="#222222")]


def _check_masks(masks: Any, name: str, shape: tuple[int, ...] | None = None) -> Array:
    """Return masks (K, H, W), finite, not negative and none of them empty."""
    array = as_real_array(masks, name)
    if array.ndim != 3 or 0 in array.shape[1:]:
        raise ValueError(
            f"{name} must have the shape (cells, rows, columns), got shape {array.shape}."
        )
    if shape is not None and array.shape[1:] != tuple(shape):
        raise ValueError(
            f"{name} must have the {shape[0]} x {shape[1]} pixels of the movie, got shape "
            f"{array.shape}."
        )
    check_finite(array, name, axes=("cell", "row", "column"))
    if array.size and array.min() < 0:
        raise ValueError(f"{name} must not be negative, got {array.min():g}.")
    empty = ~array.any(axis=(1, 2))
    if empty.any():
        raise ValueError(f"cell {int(empty.argmax())} of {name} has no pixel; leave it out.")
    return array


def _check_pairs(pairs: Any, n_found: int, n_true: int) -> Array:
    array = as_real_array(pairs, "pairs")
    array = array.reshape(0, 2) if array.size == 0 else array
    good = array.ndim == 2 and array.shape[1] == 2
    if good and len(array):
        good = array.dtype.kind in "iu" and array.min() >= 0
        good = good and (array.max(axis=0) < (n_found, n_true)).all()
        good = good and all(len(set(column)) == len(column) for column in array.T)
    if not good:
        raise ValueError(
            f"pairs must be (n, 2) numbers of one of {n_found} found and one of {n_true} true "
            f"cells, each cell once, got {shown(pairs)}."
        )
    return array.astype(np.intp)


def _check_traces(traces: Any, n_cells: int) -> Array:
    array = as_real_array(traces, "traces")
    if array.ndim != 2 or array.shape[1] != n_cells or len(array) == 0:
        raise ValueError(
            f"traces must have the shape (frames, {n_cells}), one column a mask, got shape "
            f"{array.shape}."
        )
    check_finite(array, "traces", axes=("frame", "cell"))
    return array.astype(float)
