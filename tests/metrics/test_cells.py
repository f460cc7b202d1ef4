"""Found cells are matched with true ones as an exhaustive search matches them."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from calgan import Recording
from calgan.metrics import DetectionScores, detection_scores

RNG = np.random.default_rng(0)

few_centres = st.integers(0, 5).flatmap(
    lambda n: arrays(np.float64, (n, 2), elements=st.floats(0, 10, width=16))
)
few_masks = st.integers(0, 4).flatmap(
    lambda n: arrays(np.float32, (n, 3, 3), elements=st.sampled_from([0.0, 0.0, 0.3, 1.0]))
)


def matchings(n_found: int, n_true: int):
    """Yield every one-to-one matching as a list of pairs."""
    for n in range(min(n_found, n_true) + 1):
        for chosen in combinations(range(n_found), n):
            for others in permutations(range(n_true), n):
                yield list(zip(chosen, others, strict=True))


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union of the pixels above 0."""
    either = np.logical_or(first > 0, second > 0).sum()
    return np.logical_and(first > 0, second > 0).sum() / either if either else 0.0


def disc(x: float, y: float, radius: float = 4.0) -> np.ndarray:
    rows, columns = np.indices((32, 40))
    return (np.hypot(columns - x, rows - y) <= radius).astype(np.float32)


def test_numbers_computed_by_hand() -> None:
    found = [[0, 0], [10, 0], [50, 50], [20, 4]]
    truth = [[13, 4], [0, 2], [90, 90]]
    scores = detection_scores(found, truth, max_distance=5)
    assert scores.pairs.tolist() == [[0, 1], [1, 0]]
    assert_allclose(scores.distances, [2, 5])  # a distance of the limit is a pair
    assert scores.overlaps is None
    assert scores.n_found == 4
    assert scores.n_true == 3
    assert_allclose([scores.precision, scores.recall, scores.f1], [1 / 2, 2 / 3, 4 / 7])
    assert detection_scores(found, truth, max_distance=4.99).pairs.tolist() == [[0, 1]]


def test_more_pairs_come_before_nearer_ones() -> None:
    # The middle cell is nearest to the first, but then the last one has none left.
    found, truth = [[0, 0], [4, 0]], [[3, 0], [8, 0]]
    scores = detection_scores(found, truth, max_distance=4)
    assert scores.pairs.tolist() == [[0, 0], [1, 1]]
    assert_allclose(scores.distances, [3, 4])


def test_overlap_is_intersection_over_union_of_pixels_above_zero() -> None:
    found, truth = np.zeros((2, 2, 1, 6))
    found[0, 0, :4], found[1, 0, 4:] = 0.01, 5.0
    truth[0, 0, 2:], truth[1, 0, :3] = 1.0, 2.0
    scores = detection_scores(found, truth, min_overlap=0.5)
    assert scores.pairs.tolist() == [[0, 1], [1, 0]]
    assert_allclose(scores.overlaps, [3 / 4, 2 / 4])
    assert scores.distances is None
    assert detection_scores(found, truth, min_overlap=0.51).pairs.tolist() == [[0, 1]]


def test_masks_may_be_boolean_and_empty_ones_match_nothing() -> None:
    masks = np.stack([disc(8, 8), np.zeros((32, 40)), disc(30, 20)]) > 0
    scores = detection_scores(masks, masks, min_overlap=0.1)
    assert scores.pairs.tolist() == [[0, 0], [2, 2]]
    assert_allclose(scores.overlaps, [1, 1])


@pytest.mark.parametrize("n_found", [0, 3])
@pytest.mark.parametrize("n_true", [0, 2])
def test_without_cells_scores_are_zero(n_found: int, n_true: int) -> None:
    far = np.full((n_true, 2), 100.0)
    by_centres = detection_scores(np.zeros((n_found, 2)), far, max_distance=5)
    masks = np.zeros((n_found, 4, 4)), np.ones((n_true, 4, 4))
    for scores in (by_centres, detection_scores(*masks, min_overlap=0.5)):
        assert scores.pairs.shape == (0, 2)
        assert scores.pairs.dtype.kind == "i"
        assert (scores.precision, scores.recall, scores.f1) == (0, 0, 0)
        traces = np.zeros((9, n_found)), np.zeros((9, n_true))
        assert scores.trace_correlations(*traces).shape == (0,)


def test_an_empty_list_has_no_cells() -> None:
    assert detection_scores([], [[1, 2]], max_distance=5).n_found == 0
    assert detection_scores(np.ones((1, 4, 4)), [], min_overlap=0.5).n_true == 0


@given(few_centres, few_centres, st.floats(0.5, 12))
def test_pairs_of_centres_are_the_best_of_all_matchings(found, truth, limit) -> None:
    distances = np.linalg.norm(found[:, None] - truth[None], axis=2)
    best = min(
        (-len(pairs), sum(distances[pair] for pair in pairs))
        for pairs in matchings(len(found), len(truth))
        if all(distances[pair] <= limit for pair in pairs)
    )
    scores = detection_scores(found, truth, max_distance=limit)
    assert len(scores.pairs) == -best[0]
    assert_allclose(scores.distances.sum(), best[1], atol=1e-9)
    assert_allclose(scores.distances, [distances[tuple(pair)] for pair in scores.pairs])


@given(few_masks, few_masks, st.floats(0.01, 1))
def test_pairs_of_masks_are_the_best_of_all_matchings(found, truth, limit) -> None:
    overlaps = np.array([[overlap(a, b) for b in truth] for a in found])
    best = max(
        (len(pairs), sum(overlaps[pair] for pair in pairs))
        for pairs in matchings(len(found), len(truth))
        if all(overlaps[pair] >= limit for pair in pairs)
    )
    scores = detection_scores(found, truth, min_overlap=limit)
    assert len(scores.pairs) == best[0]
    assert_allclose(scores.overlaps.sum(), best[1], atol=1e-9)


@given(few_centres, few_centres, st.randoms(use_true_random=False))
def test_order_and_sides_do_not_matter(found, truth, random) -> None:
    scores = detection_scores(found, truth, max_distance=3)
    order = random.sample(range(len(found)), len(found))
    again = detection_scores(found[order], truth, max_distance=3)
    turned = detection_scores(truth, found, max_distance=3)
    assert again.f1 == turned.f1 == scores.f1
    assert (turned.precision, turned.recall) == (scores.recall, scores.precision)
    for others in (again, turned):
        assert_allclose(others.distances.sum(), scores.distances.sum(), atol=1e-9)


def test_many_cells_are_matched() -> None:
    truth = RNG.uniform(0, 2000, (1500, 2))
    order = RNG.permutation(1500)
    scores = detection_scores(truth[order] + 0.01, truth, max_distance=3)
    assert scores.f1 == 1
    assert_array_equal(scores.pairs[:, 1], order)


@pytest.fixture
def scores() -> DetectionScores:
    """Return a matching of found cells 0 and 2 of three with true cells 1 and 0 of two."""
    return detection_scores([[0, 0], [50, 50], [9, 9]], [[9, 9], [0, 0]], max_distance=1)


def test_traces_of_pairs_are_correlated(scores: DetectionScores) -> None:
    found, true = RNG.normal(size=(50, 3)), RNG.normal(size=(50, 2))
    r = scores.trace_correlations(found, true)
    expected = [np.corrcoef(found[:, a], true[:, b])[0, 1] for a, b in ((0, 1), (2, 0))]
    assert_allclose(r, expected)
    true[:, 0] = 3.0
    assert_array_equal(np.isnan(scores.trace_correlations(found, true)), [False, True])


def test_traces_are_correlated_within_the_segments_of_both(scores: DetectionScores) -> None:
    found, true = RNG.normal(size=(50, 3)), RNG.normal(size=(50, 2))
    expected = scores.trace_correlations(found[5:40], true[5:40])
    found[40:] = np.nan
    sides = Recording(found, 10.0, segments=[[0, 40]]), Recording(true, 10.0, segments=[[5, 50]])
    assert_allclose(scores.trace_correlations(*sides), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("found", "true", "sentence"),
    [
        (np.ones((9, 2)), np.ones((9, 2)), r"found must have the shape \(frames, 3\)"),
        (np.ones((9, 3)), np.ones(9), r"true must have the shape \(frames, 2\)"),
        (np.ones((9, 3)), np.ones((8, 2)), "found has 9 frames and true 8"),
        (np.ones((1, 3)), np.ones((1, 2)), "share 1 frames; correlations need at least two"),
        (np.full((9, 3), np.nan), np.ones((9, 2)), "found contains NaN or infinity"),
    ],
    ids=["cells", "1-D", "frames", "one frame", "nan"],
)
def test_traces_that_do_not_fit_are_refused(scores, found, true, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        scores.trace_correlations(found, true)


CENTRES, MASKS = np.ones((3, 2)), np.ones((3, 8, 9))


@pytest.mark.parametrize(
    ("found", "truth", "limits", "sentence"),
    [
        (CENTRES, CENTRES, {}, "either max_distance .* or min_overlap, .* but neither was given"),
        (CENTRES, CENTRES, {"max_distance": 5, "min_overlap": 0.5}, "but both were given"),
        (CENTRES, CENTRES, {"max_distance": 0}, "max_distance must be a finite number above 0"),
        (CENTRES, CENTRES, {"max_distance": np.inf}, "max_distance must be a finite number"),
        (MASKS, MASKS, {"min_overlap": 0}, "min_overlap must be a finite number above 0"),
        (MASKS, MASKS, {"min_overlap": 1.1}, "min_overlap must be at most 1"),
        (MASKS, CENTRES, {"max_distance": 5}, "found must hold centres .* masks take min_overlap"),
        (MASKS, CENTRES, {"min_overlap": 0.5}, "truth must hold masks .* centres take max_dist"),
        (MASKS, MASKS[:, 1:], {"min_overlap": 0.5}, "found have 8 x 9 pixels and those of truth 7"),
        (CENTRES.T, CENTRES, {"max_distance": 5}, r"found must hold centres of shape \(cells, 2\)"),
        (CENTRES * np.nan, CENTRES, {"max_distance": 5}, "found contains NaN .* leave out those"),
        (MASKS, MASKS * np.inf, {"min_overlap": 0.5}, "truth contains NaN .* set those pixels"),
        ("text", CENTRES, {"max_distance": 5}, "found must be an array of real numbers, got str"),
        (CENTRES, None, {"max_distance": 5}, "truth must be an array of real numbers"),
    ],
    ids=[
        "no limit", "both limits", "no distance", "no limit of distance", "no overlap",
        "large overlap", "masks for centres", "centres for masks", "pixels", "turned", "nan",
        "inf", "text", "none",
    ],
)  # fmt: skip
def test_wrong_arguments_get_one_clear_sentence(found, truth, limits, sentence) -> None:
    with pytest.raises((TypeError, ValueError), match=sentence) as caught:
        detection_scores(found, truth, **limits)
    assert "\n" not in str(caught.value)
