"""Found and true cells are drawn where they are, and counted as what they are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from calgan import OasisDeconvolver
from calgan.cells import LaplacianOfGaussianDetector
from calgan.cells.images import mean_image
from calgan.datasets import SimulatedMovie, make_movie
from calgan.plotting import CellsDisplay


@pytest.fixture(scope="module")
def truth() -> SimulatedMovie:
    return make_movie(shape=(64, 96), n_neurons=8, duration=30.0, random_state=0)


def pairs(*numbers: tuple[int, int]) -> SimpleNamespace:
    return SimpleNamespace(pairs=np.array(numbers).reshape(-1, 2))


def labels_of(display: CellsDisplay) -> list[str]:
    return [text.get_text() for text in display.figure_.legends[0].get_texts()]


def outlines_of(display: CellsDisplay) -> list[np.ndarray]:
    """The outlines of each kind, in the order in which they were drawn."""
    return [
        np.concatenate(collection.get_segments())
        for collection in display.axes_[0].collections
        if collection.get_segments()
    ]


def test_outlines_lie_around_the_cells(truth: SimulatedMovie) -> None:
    for cell in range(8):
        display = CellsDisplay(truth.masks[[cell]], mean_image(truth.movie)).plot()
        (outline,) = outlines_of(display)
        distance = np.hypot(*(outline - truth.centres[cell]).T)
        # The dark nucleus has no outline of its own: all of it is about a radius (6) away.
        assert np.all((distance > 3.5) & (distance < 9.5))
        assert np.abs(outline.mean(axis=0) - truth.centres[cell]).max() < 1.2
    assert labels_of(display) == ["found: 1"]
    assert display.axes_[0].get_xlim() == (-0.5, 95.5)
    assert display.axes_[0].get_ylim() == (63.5, -0.5)


def test_outlines_at_the_border_are_closed() -> None:
    mask = np.zeros((1, 9, 9))
    mask[0, :3, :4] = 1.0
    (outline,) = outlines_of(CellsDisplay(mask, mask[0]).plot())
    np.testing.assert_array_equal(outline[0], outline[-1])
    np.testing.assert_allclose(outline.min(axis=0), [-0.5, -0.5])
    np.testing.assert_allclose(outline.max(axis=0), [3.5, 2.5])


def test_matched_extra_and_missed_cells_are_told_apart(truth: SimulatedMovie) -> None:
    found = truth.masks[[0, 1, 2, 3, 4]]
    scores = pairs((0, 0), (1, 1), (3, 3))
    display = CellsDisplay.from_masks(truth.movie, found, truth=truth, scores=scores)
    assert labels_of(display) == [
        "matched (found and true): 3",
        "the true cells of these",
        "missed (true, not found): 5",
        "extra (found, not true): 2",
    ]
    kinds = outlines_of(display)
    assert len(kinds) == 4
    for cells, outline in zip(([0, 1, 3], [2, 4, 5, 6, 7], [0, 1, 3], [2, 4]), kinds, strict=True):
        nearest = np.hypot(*(outline[:, None] - truth.centres).transpose(2, 0, 1)).argmin(axis=1)
        assert sorted(set(nearest.tolist())) == cells
    colors = [tuple(c.get_color()[0]) for c in display.axes_[0].collections]
    assert len(set(colors)) == 4
    unmatched = CellsDisplay.from_masks(truth.movie, found, truth=truth.masks)
    assert labels_of(unmatched) == ["found: 5", "true: 8"]
    none = CellsDisplay.from_masks(truth.movie, found, truth=truth, scores=pairs())
    assert labels_of(none) == ["missed (true, not found): 8", "extra (found, not true): 5"]


def test_traces_are_those_of_the_masks(truth: SimulatedMovie) -> None:
    display = CellsDisplay.from_masks(truth.movie, truth.masks, neurons=[5, 2])
    frames = np.asarray(truth.movie)
    for cell in (2, 5):
        weights = truth.masks[cell] / truth.masks[cell].sum()
        np.testing.assert_allclose(
            display.traces[:, cell], np.tensordot(frames, weights, 2), rtol=1e-4
        )
    panel = display.axes_[1]
    assert [label.get_text() for label in panel.get_yticklabels()] == ["5", "2"]
    assert panel.get_xlabel() == "time (s)"
    assert panel.lines[0].get_xdata()[-1] == pytest.approx(29.9)
    shape = panel.lines[0].get_ydata()
    assert np.corrcoef(shape, display.traces[:, 5])[0, 1] == pytest.approx(1.0)
    assert {text.get_text() for text in display.axes_[0].texts} == {"2", "5"}
    given = CellsDisplay.from_masks(truth.movie, truth.masks, traces=truth.calcium)
    np.testing.assert_array_equal(given.traces, truth.calcium)
    assert len(given.axes_[1].lines) == 6


def test_an_array_has_frames_and_no_seconds(truth: SimulatedMovie) -> None:
    display = CellsDisplay.from_masks(np.asarray(truth.movie), truth.masks[:2], image="mean")
    assert display.axes_[1].get_xlabel() == "frame"
    np.testing.assert_allclose(display.image, mean_image(truth.movie))
    assert display.quantity == "mean brightness"


def test_a_detector_is_drawn(truth: SimulatedMovie) -> None:
    detector = LaplacianOfGaussianDetector(n_cells=3).fit(truth.movie)
    display = CellsDisplay.from_estimator(detector, truth.movie, truth=truth)
    np.testing.assert_array_equal(display.masks, detector.masks_)
    # The traces that the detector reads, with or without a frame rate.
    np.testing.assert_array_equal(display.traces, detector.transform(truth.movie).traces)
    without = CellsDisplay.from_estimator(detector, np.asarray(truth.movie))
    np.testing.assert_array_equal(without.traces, display.traces)
    assert without.frame_rate is None
    with pytest.raises(NotFittedError):
        CellsDisplay.from_estimator(OasisDeconvolver(), truth.movie)
    with pytest.raises(TypeError, match="estimator must be a detector of cells, with masks_, got"):
        CellsDisplay.from_estimator(3, truth.movie)


def test_no_cells_are_drawn_as_none(truth: SimulatedMovie) -> None:
    none = CellsDisplay.from_masks(truth.movie, truth.masks[:0])
    assert labels_of(none) == ["found: 0"]
    assert none.axes_.size == 1
    missed = CellsDisplay.from_masks(truth.movie, truth.masks[:0], truth=truth, scores=pairs())
    assert labels_of(missed) == ["missed (true, not found): 8"]


MASKS = np.ones((2, 4, 5))


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"masks": np.ones((2, 5, 4))}, ValueError, "masks must have the 4 x 5 pixels of the mo"),
        ({"masks": np.ones((4, 5))}, ValueError, r"\(cells, rows, columns\), got shape \(4, 5\)"),
        ({"masks": -MASKS}, ValueError, "masks must not be negative, got -1"),
        ({"masks": MASKS * np.nan}, ValueError, "masks contains NaN"),
        ({"masks": MASKS * [[[1]], [[0]]]}, ValueError, "cell 1 of masks has no pixel"),
        ({"truth": np.ones((2, 5, 4))}, ValueError, "truth must have the 4 x 5 pixels"),
        ({"truth": "cells"}, TypeError, "truth must be an array of real numbers"),
        ({"scores": 0.5}, TypeError, "scores must have the pairs of a matching, got 0.5"),
        ({"scores": pairs((0, 0))}, ValueError, "give true_masks as well"),
        ({"truth": MASKS, "scores": pairs((0, 2))}, ValueError, "one of 2 found and one of 2 true"),
        ({"truth": MASKS, "scores": pairs((0, 1), (0, 0))}, ValueError, "each cell once"),
        ({"image": "median"}, ValueError, "image must be 'correlation' or 'mean', got 'median'"),
        ({"traces": np.ones((9, 3))}, ValueError, r"\(frames, 2\), one column a mask"),
        ({"traces": np.full((9, 2), np.inf)}, ValueError, "traces contains NaN or infinity"),
        ({"neurons": 2}, ValueError, "neuron 2 is out of range"),
        ({"movie": np.ones((4, 5))}, ValueError, "movie must be a movie of shape"),
    ],
    ids=range(16),
)
def test_wrong_arguments_are_refused(options: dict[str, Any], error: type, sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        CellsDisplay.from_masks(**{"movie": np.ones((9, 4, 5)), "masks": MASKS, **options})


def test_an_image_of_other_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="image must have the 4 x 5 pixels of the masks, got"):
        CellsDisplay(MASKS, np.ones((5, 4))).plot()
