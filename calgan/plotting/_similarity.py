"""Matrices between neurons or windows: correlations and van Rossum distances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from calgan.plotting._style import (
    Groups,
    color_of,
    label_of,
    new_figure,
    padded,
    read_groups,
    styled,
)


@styled
def plot_van_rossum_heatmaps(
    distances: Groups,
    *,
    names: Sequence[str] | None = None,
    figure: Figure | None = None,
) -> Figure:
    """Van Rossum distances of one neuron's real trains to those of each group, sorted.

    Parameters
    ----------
    distances : mapping of str to array-like of shape (K, M, M')
        Distances of K neurons between M real windows and M' windows of the group.
    names : sequence of str, optional
        Names of the K neurons.
    figure : matplotlib Figure, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Figure
        A row a group and a column a neuron. Rows and columns of each heat map are sorted by
        their mean distance, the smallest at the top left; a neuron has one colour scale.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.plotting import plot_van_rossum_heatmaps
    >>> distances = np.random.default_rng(0).random((2, 5, 5))
    >>> len(plot_van_rossum_heatmaps({"synthetic": distances}).axes)
    4
    """
    if not isinstance(distances, Mapping) or not distances:
        raise ValueError("distances must be a non-empty mapping from group names to arrays.")
    arrays = {group: np.asarray(array, dtype=float) for group, array in distances.items()}
    for group, array in arrays.items():
        if array.ndim != 3:
            raise ValueError(
                f"distances[{group!r}] must have shape (neurons, real windows, windows), got "
                f"{array.shape}."
            )
    n_neurons = min(len(array) for array in arrays.values())
    labels = [f"neuron {k}" for k in range(n_neurons)] if names is None else list(names)
    if figure is None:
        figure = new_figure(max(2.25 * n_neurons, 3.0), 0.5 + 2.15 * len(arrays))
    axes = figure.subplots(len(arrays), n_neurons, squeeze=False)
    for column in range(n_neurons):
        highest = max(float(array[column].max()) for array in arrays.values()) or 1.0
        image = None
        for row, (group, array) in enumerate(arrays.items()):
            ax = axes[row, column]
            matrix = array[column]
            matrix = matrix[np.argsort(matrix.mean(axis=1), kind="stable")]
            matrix = matrix[:, np.argsort(matrix.mean(axis=0), kind="stable")]
            image = ax.imshow(
                matrix,
                cmap="viridis",
                vmin=0.0,
                vmax=highest,
                interpolation="nearest",
                extent=(0.5, matrix.shape[1] + 0.5, matrix.shape[0] + 0.5, 0.5),
                aspect="auto",
            )
            ax.spines[["top", "right"]].set_visible(True)
            ax.xaxis.set_major_locator(MaxNLocator(3, integer=True, min_n_ticks=1))
            ax.yaxis.set_major_locator(MaxNLocator(3, integer=True, min_n_ticks=1))
            ax.set_xlabel(f"{label_of(group)} (sorted)", color=color_of(group))
            if column == 0:
                ax.set_ylabel("real, held-out (sorted)", color=color_of("real"))
        axes[0, column].set_title(labels[column], fontsize=9)
        assert image is not None
        bar = figure.colorbar(image, ax=axes[:, column], location="bottom", pad=0.02, aspect=18)
        bar.set_label("distance")
        bar.locator = MaxNLocator(3)
    return figure


def correlation_order(matrix: ArrayLike) -> NDArray[np.intp]:
    """Order of neurons along the leading eigenvector of their correlation matrix.

    Parameters
    ----------
    matrix : array-like of shape (N, N)
        Correlation matrix, without NaN.

    Returns
    -------
    ndarray of shape (N,)
        Indices of the neurons, those that take most part in the common activity first.

    Examples
    --------
    >>> from calgan.plotting import correlation_order
    >>> correlation_order([[1.0, 0.0, 0.5], [0.0, 1.0, 0.1], [0.5, 0.1, 1.0]]).tolist()
    [2, 0, 1]
    """
    array = np.asarray(matrix, dtype=float)
    leading = np.linalg.eigh((array + array.T) / 2)[1][:, -1]
    # The sign of an eigenvector is arbitrary: take the one most neurons agree with.
    sign = 1.0 if leading.sum() >= 0 else -1.0
    return np.argsort(-sign * leading, kind="stable")


@styled
def plot_correlation_matrices(
    matrices: Groups,
    *,
    order: Sequence[int] | NDArray[np.intp] | None = None,
    xlabel: str = "neuron, sorted",
    figure: Figure | None = None,
) -> Figure:
    """Correlation matrices of the groups, side by side on one symmetric colour scale.

    Parameters
    ----------
    matrices : mapping of str to array-like of shape (N, N)
        Correlation matrix of each group. The diagonal is left blank.
    order : sequence of int, optional
        Order of the neurons in every panel; by default that of the first matrix's leading
        eigenvector, which puts neurons that fire together next to one another.
    xlabel : str, default="neuron, sorted"
        Label of the axes.
    figure : matplotlib Figure, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Figure
        One panel a group and a colour bar.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.plotting import plot_correlation_matrices
    >>> len(plot_correlation_matrices({"real": np.eye(4), "synthetic": np.eye(4)}).axes)
    3
    """
    arrays = read_groups(matrices, 2, "matrices")
    first = next(iter(arrays.values()))
    n_neurons = len(first)
    if order is None:
        order = correlation_order(first)
    order = np.asarray(order)
    off_diagonal = ~np.eye(n_neurons, dtype=bool)
    limit = 1.0
    if n_neurons > 1:
        # The real panels set the scale: a collapsed generator's correlations near one saturate.
        anchors = [array for group, array in arrays.items() if group in ("real", "train")]
        pooled = np.concatenate([a[off_diagonal] for a in anchors or [first]])
        limit = max(float(np.percentile(np.abs(pooled), 99.5)), 0.05)
    if figure is None:
        figure = new_figure(9.0, {3: 3.0, 4: 2.6, 5: 2.4}.get(len(arrays), 3.9))
    axes = figure.subplots(1, len(arrays), squeeze=False, sharey=True)[0]
    image = None
    for ax, (group, array) in zip(axes, arrays.items(), strict=True):
        matrix = np.where(off_diagonal, array, np.nan)[np.ix_(order, order)]
        image = ax.imshow(
            matrix,
            cmap="RdBu_r",
            vmin=-limit,
            vmax=limit,
            interpolation="nearest",
            extent=(0.5, n_neurons + 0.5, n_neurons + 0.5, 0.5),
        )
        ax.spines[["top", "right"]].set_visible(True)
        label = label_of(group)
        # Five labels in a row have room for their longest word only.
        label = label if len(arrays) < 5 else "\n".join(label.rsplit(" ", 1))
        ax.set_title(label, color=color_of(group))
        ax.set_xlabel(xlabel)
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
        ax.yaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
    axes[0].set_ylabel(xlabel)
    assert image is not None
    bar = figure.colorbar(image, ax=list(axes), pad=0.01, aspect=22, shrink=0.8, extend="both")
    bar.set_label("correlation (r)")
    return figure


@styled
def plot_correlation_agreement(matrices: Groups, *, figure: Figure | None = None) -> Figure:
    """Correlation of every pair of neurons in the other groups against that in the first.

    Parameters
    ----------
    matrices : mapping of str to array-like of shape (N, N)
        Correlation matrices; the first is the reference on the x axis.
    figure : matplotlib Figure, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Figure
        A panel for each group but the first, titled with its Pearson correlation with the
        reference over pairs, on common scales.

    Examples
    --------
    >>> import numpy as np
    >>> from calgan.plotting import plot_correlation_agreement
    >>> real = np.corrcoef(np.random.default_rng(0).normal(size=(5, 30)))
    >>> plot_correlation_agreement({"real": real, "synthetic": real}).axes[0].get_title()
    'synthetic: r = 1.00'
    """
    arrays = read_groups(matrices, 2, "matrices")
    if len(arrays) < 2:
        raise ValueError("matrices must hold the reference and at least one other group.")
    reference_name, *others = arrays
    pairs = np.triu_indices(len(arrays[reference_name]), 1)
    reference = arrays[reference_name][pairs]
    values = {group: arrays[group][pairs] for group in others}
    everything = np.concatenate([reference, *values.values()])
    low, high = (float(everything.min()), float(everything.max())) if everything.size else (0, 1)
    low, high = padded(low, high)
    figure = new_figure(max(3.0 * len(others), 4.5), 3.3) if figure is None else figure
    axes = figure.subplots(1, len(others), sharex=True, sharey=True, squeeze=False)[0]
    size = float(np.clip(4000 / max(len(reference), 1), 2, 22))
    for position, (ax, group) in enumerate(zip(axes, others, strict=True)):
        ax.plot([low, high], [low, high], color="#888888", linewidth=0.8, zorder=3)
        ax.scatter(
            reference,
            values[group],
            s=size,
            color=color_of(group, position),
            alpha=float(np.clip(1500 / max(len(reference), 1), 0.2, 0.8)),
            linewidths=0,
            rasterized=True,
        )
        ax.set_title(
            f"{label_of(group)}: r = {_pearson(reference, values[group]):.2f}",
            color=color_of(group, position),
        )
        ax.set_xlim(low, high)
        ax.set_ylim(low, high)
        ax.set_aspect("equal")
        ax.set_xlabel(f"r in {label_of(reference_name)}")
    axes[0].set_ylabel("r of the same pair in the group")
    return figure


def _pearson(x: NDArray[Any], y: NDArray[Any]) -> float:
    """The correlation, 0 where a side is constant and so has no pattern to agree with."""
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])
