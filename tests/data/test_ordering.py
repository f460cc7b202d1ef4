"""The order of neurons: a permutation that is undone exactly and brings like together."""

from __future__ import annotations

import pickle
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.cluster.hierarchy import linkage
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr
from sklearn.base import BaseEstimator, clone

from calgan import FFTEncoder, MinMaxScaler, NeuronSorter, Pipeline, Recording, Windower, sample
from calgan.data.ordering import leaf_order, spectral_order, tour_order
from calgan.data.windows import WindowView

RULES = {"correlation": leaf_order, "seriation": spectral_order}
by_rule = pytest.mark.parametrize("method", RULES)

values = st.floats(-1e6, 1e6, width=32)
recordings = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 12), st.integers(1, 6)), elements=values
)


def gradient_population(n_neurons: int, seed: int, noise: float = 0.1) -> np.ndarray:
    """Neurons tuned along a line, which a stimulus at random places drives, (3000, N)."""
    rng = np.random.default_rng(seed)
    place = np.linspace(0, 1, n_neurons)
    stimulus = rng.uniform(-0.2, 1.2, 3000)
    tuned = np.exp(-((stimulus[:, None] - place) ** 2) / (2 * 0.1**2))
    return (tuned + noise * rng.standard_normal(tuned.shape)).astype(np.float32)


def mixed_population(seed: int, n_neurons: int = 12) -> np.ndarray:
    """Neurons without ties among their correlations, (400, N)."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((400, 4)) @ rng.random((4, n_neurons)) ** 2).astype(
        np.float32
    ) + 0.3 * rng.standard_normal((400, n_neurons)).astype(np.float32)


def links(order: Any) -> set[frozenset[int]]:
    return {frozenset(pair) for pair in zip(order[:-1], order[1:], strict=True)}


@given(X=recordings, method=st.sampled_from(["correlation", "seriation"]))
@settings(max_examples=60, deadline=None)
def test_it_is_a_permutation_and_its_inverse_is_exact(X: np.ndarray, method: str) -> None:
    sorter = NeuronSorter(method).fit(X)
    n_neurons = X.shape[1]
    np.testing.assert_array_equal(np.sort(sorter.order_), np.arange(n_neurons))
    out = sorter.transform(X)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out, X[:, sorter.order_])
    assert sorter.inverse_transform(out).tobytes() == X.tobytes()
    # What was generated in the order of `transform` comes back too.
    assert sorter.transform(sorter.inverse_transform(X)).tobytes() == X.tobytes()


@given(
    positions=hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 12), st.sampled_from([2, 3])),
        elements=st.floats(-1e6, 1e6),
    )
)
@settings(max_examples=60, deadline=None)
def test_any_positions_give_a_permutation(positions: np.ndarray) -> None:
    order = tour_order(positions)
    np.testing.assert_array_equal(np.sort(order), np.arange(len(positions)))
    assert order[0] <= order[-1]


@by_rule
@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_shuffled_neurons_get_the_same_neighbours(method: str, seed: int) -> None:
    X = mixed_population(seed)
    # Parts without a link are joined at either end: a neuron without any, in one of 3,000 seeds.
    assume(connected_components(np.corrcoef(X.T) > 0)[0] == 1)
    shuffle = np.random.default_rng(seed).permutation(X.shape[1])
    expected = NeuronSorter(method).fit(X).order_
    shuffled = shuffle[NeuronSorter(method).fit(X[:, shuffle]).order_]
    assert shuffled.tolist() in (expected.tolist(), expected[::-1].tolist())


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_shuffled_positions_give_the_same_path(seed: int) -> None:
    rng = np.random.default_rng(seed)
    positions = rng.random((15, 2))
    shuffle = rng.permutation(15)
    assert links(shuffle[tour_order(positions[shuffle])]) == links(tour_order(positions))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("method", "noise"), [("correlation", 0.1), ("seriation", 0.3)])
def test_a_gradient_is_recovered(method: str, noise: float, seed: int) -> None:
    X = gradient_population(40, seed, noise)
    shuffle = np.random.default_rng(seed).permutation(40)
    recovered = shuffle[NeuronSorter(method).fit(X[:, shuffle]).order_]
    truth = np.arange(40)
    assert abs(spearmanr(recovered, truth).statistic) > 0.999
    if noise < 0.2:
        assert recovered.tolist() in (truth.tolist(), truth[::-1].tolist())


@pytest.mark.parametrize("rule", [leaf_order, spectral_order])
def test_a_band_matrix_is_recovered_exactly(rule: Any) -> None:
    place = np.arange(30)
    band = np.exp(-np.abs(place[:, None] - place) / 5.0)
    shuffle = np.random.default_rng(3).permutation(30)
    recovered = shuffle[rule(band[np.ix_(shuffle, shuffle)])]
    assert recovered.tolist() in (place.tolist(), place[::-1].tolist())


def test_assemblies_become_blocks() -> None:
    rng = np.random.default_rng(0)
    members = rng.permutation(np.repeat(np.arange(4), 6))
    X = rng.standard_normal((1500, 4))[:, members] + 0.7 * rng.standard_normal((1500, 24))
    for method in RULES:
        found = members[NeuronSorter(method).fit(X).order_]
        borders = np.count_nonzero(np.diff(found))
        assert borders == 3, (method, found)


@given(n_neurons=st.integers(3, 7), seed=st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_the_leaf_order_is_the_best_of_the_tree(n_neurons: int, seed: int) -> None:
    # By brute force over the two ways to turn each node. SciPy's function fails this.
    R = np.corrcoef(mixed_population(seed, n_neurons).T)
    tree = linkage(squareform(1 - R, checks=False), "average")

    def turned(node: int) -> list[list[int]]:
        if node < n_neurons:
            return [[node]]
        left, right = (turned(int(child)) for child in tree[node - n_neurons, :2])
        return [x + y for a in left for b in right for x, y in ((a, b), (b, a))]

    def likeness(order: Any) -> float:
        return float(R[order[:-1], order[1:]].sum())

    orders = turned(2 * n_neurons - 2)
    assert leaf_order(R).tolist() in orders
    assert likeness(leaf_order(R)) == pytest.approx(max(map(likeness, map(np.array, orders))))


@pytest.mark.parametrize("shape", ["balanced", "chain"])
def test_any_shape_of_tree_can_be_turned(shape: str) -> None:
    places = np.arange(64.0) if shape == "balanced" else np.cumsum(1.1 ** np.arange(64))
    distances = np.abs(np.subtract.outer(places, places)) / places.max()
    shuffle = np.random.default_rng(0).permutation(64)
    order = shuffle[leaf_order(1 - distances[np.ix_(shuffle, shuffle)])]
    assert order.tolist() in (list(range(64)), list(range(64))[::-1])


def test_the_path_is_short() -> None:
    positions = np.random.default_rng(0).random((200, 2))
    D = squareform(pdist(positions))

    def mean_step(order: np.ndarray) -> float:
        return float(D[order[:-1], order[1:]].mean()) * np.sqrt(200)

    assert mean_step(tour_order(positions)) < 0.85  # a Hilbert curve's is .92, the axis's 4
    assert mean_step(np.argsort(positions[:, 0])) > 2
    # No path at all has a mean step below that of the cheapest assignment of successors.
    successors = linear_sum_assignment(D + 10 * np.eye(200))
    assert mean_step(tour_order(positions)) > D[successors].mean() * np.sqrt(200)


def test_on_a_line_the_path_is_the_line() -> None:
    shuffle = np.random.default_rng(1).permutation(50)
    positions = np.stack([shuffle, np.zeros(50)], axis=1)
    assert shuffle[tour_order(positions)].tolist() in (list(range(50)), list(range(50))[::-1])


@by_rule
def test_constant_neurons_go_last(method: str) -> None:
    X = mixed_population(2, 6)
    X[:, [0, 3]] = [7.3, -1e5]
    sorter = NeuronSorter(method).fit(X)
    assert sorter.order_[-2:].tolist() == [0, 3]
    rest = np.delete(X, [0, 3], axis=1)
    expected = np.array([1, 2, 4, 5])[NeuronSorter(method).fit(rest).order_]
    assert sorter.order_[:-2].tolist() == expected.tolist()
    assert NeuronSorter(method).fit(np.full((9, 4), 0.1)).order_.tolist() == [0, 1, 2, 3]
    # However the sums over their frames are rounded.
    levels = np.random.default_rng(0).uniform(1, 1e4, 30).astype(np.float32)
    constant = np.tile(levels, (997, 1))
    assert NeuronSorter(method).fit(constant).order_.tolist() == list(range(30))


@by_rule
@pytest.mark.parametrize("n_neurons", [1, 2])
def test_one_or_two_neurons_stay(method: str, n_neurons: int) -> None:
    X = mixed_population(0, n_neurons)
    assert NeuronSorter(method).fit(X).order_.tolist() == list(range(n_neurons))
    assert tour_order(np.ones((n_neurons, 2))).tolist() == list(range(n_neurons))


@by_rule
def test_ties_are_decided_alike_every_time(method: str) -> None:
    X = np.repeat(mixed_population(4, 3), 3, axis=1)  # three copies of each neuron
    orders = {tuple(NeuronSorter(method).fit(X).order_) for _ in range(3)}
    assert len(orders) == 1
    assert np.count_nonzero(np.diff(np.array(orders.pop()) // 3)) == 2


def test_large_offsets_do_not_hide_correlations() -> None:
    X = gradient_population(20, 0)
    with_offset = (X + np.float32(2000)).astype(np.float32)
    assert NeuronSorter().fit(with_offset).order_.tolist() == NeuronSorter().fit(X).order_.tolist()


@by_rule
def test_correlations_are_those_of_the_windows(method: str, traces: np.ndarray) -> None:
    view = Windower(16, stride=10).fit_transform([traces[:90], traces[90:]])[[0, 7, 3, 12, 3]]
    windows = np.asarray(view)
    pooled = np.corrcoef(windows.reshape(-1, 5).T.astype(np.float64))
    expected = RULES[method](pooled).tolist()
    for X in (view, windows, windows.reshape(-1, 5), view.map(np.negative)):
        assert NeuronSorter(method).fit(X).order_.tolist() == expected


def test_channels_are_centred_one_by_one() -> None:
    a, b = (gradient_population(8, seed)[:200].reshape(10, 20, 8) for seed in (0, 1))
    codes = np.stack([a, b + 1000], axis=-1)
    pooled = np.concatenate([a.reshape(-1, 8), b.reshape(-1, 8)]).astype(np.float64)
    pooled[:200] -= pooled[:200].mean(axis=0)
    pooled[200:] -= pooled[200:].mean(axis=0)
    expected = leaf_order(pooled.T @ pooled / np.outer(*2 * [np.linalg.norm(pooled, axis=0)]))
    sorter = NeuronSorter().fit(codes)
    assert sorter.order_.tolist() == expected.tolist()
    out = sorter.transform(codes)
    np.testing.assert_array_equal(out, codes[:, :, sorter.order_])
    np.testing.assert_array_equal(sorter.inverse_transform(out), codes)


@pytest.mark.parametrize("mapped", [False, True], ids=["in memory", "memory map"])
def test_views_stay_views_with_their_ids(mapped: bool, traces: np.ndarray, tmp_path: Any) -> None:
    data: np.ndarray = traces
    if mapped:
        np.save(tmp_path / "traces.npy", traces)
        data = np.load(tmp_path / "traces.npy", mmap_mode="r")
    recording = Recording(data, 10.0, roi_ids=list("abcde"), segments=[[0, 100], [120, 240]])
    view = Windower(16, stride=3).fit_transform(recording)
    sorter = NeuronSorter().fit(view)
    assert sorter.order_.tolist() != [0, 1, 2, 3, 4]
    out = sorter.transform(view)
    assert isinstance(out, WindowView)
    # Nothing is read yet, and frames can still be read once each.
    assert all(np.shares_memory(a, b) for a, b in zip(out.segments, view.segments, strict=True))
    for ours, theirs in zip(out.covered_frames(), view.covered_frames(), strict=True):
        np.testing.assert_array_equal(ours, theirs[:, sorter.order_])
    assert out.roi_ids.tolist() == [list("abcde")[i] for i in sorter.order_]
    assert out.frame_rate == 10.0
    np.testing.assert_array_equal(out.start, view.start)
    np.testing.assert_array_equal(np.asarray(out), np.asarray(view)[:, :, sorter.order_])
    back = sorter.inverse_transform(pickle.loads(pickle.dumps(out[5:20])))
    assert np.asarray(back).tobytes() == np.asarray(view[5:20]).tobytes()
    assert back.roi_ids.tolist() == list("abcde")
    assert view.roi_ids.tolist() == list("abcde")


def test_recordings_stay_recordings(traces: np.ndarray) -> None:
    recording = Recording(traces, 10.0, segments=[[0, 100], [120, 240]], roi_ids=list("abcde"))
    sorter = NeuronSorter().fit(recording)
    out = sorter.transform(recording)
    assert isinstance(out, Recording)
    assert out == recording.select(sorter.order_)
    assert sorter.inverse_transform(out) == recording


class Replay(BaseEstimator):
    """Samples what it was fitted on."""

    def fit(self, X: Any, y: Any = None) -> Replay:
        self.windows_ = np.asarray(X)
        return self

    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> np.ndarray:
        return self.windows_[:n_samples]


@by_rule
@pytest.mark.parametrize("place", [0, 1], ids=["before the windower", "after it"])
@pytest.mark.parametrize("encoder", ["passthrough", FFTEncoder("packed")], ids=str)
def test_pipelines_sample_in_the_order_of_the_recording(
    method: str, place: int, encoder: Any, traces: np.ndarray
) -> None:
    steps = [
        ("windower", Windower(16)),
        ("encoder", encoder),
        ("scaler", MinMaxScaler()),
        ("generator", Replay()),
    ]
    steps.insert(place, ("sorter", NeuronSorter(method)))
    recording = Recording(traces, 10.0)
    windows = np.asarray(Windower(16).fit_transform(recording))
    model = clone(Pipeline(steps)).fit(recording)
    sorter = model.named_steps["sorter"]
    assert sorter.order_.tolist() != [0, 1, 2, 3, 4]
    assert model.named_steps["windower"].frame_rate_ == 10.0
    inside = windows[:30][:, :, sorter.order_]
    seen = model[-1].windows_[:30]
    expected = model[-2].transform(
        inside if encoder == "passthrough" else model.named_steps["encoder"].transform(inside)
    )
    np.testing.assert_allclose(seen, expected, atol=1e-6)
    np.testing.assert_allclose(sample(model, 30), windows[:30], atol=1e-5)


def test_positions_come_from_the_parameter_or_the_recording(traces: np.ndarray) -> None:
    positions = np.array([[0.0, 0], [20, 1], [10, 0], [40, 0], [30, 1]])
    expected = [0, 2, 1, 4, 3]
    sorter = NeuronSorter("position", positions=positions)
    assert sorter.fit(Windower(16).fit_transform(traces)).order_.tolist() == expected
    assert clone(sorter).fit(traces).order_.tolist() == expected
    recording = Recording(traces, 10.0, metadata={"positions": positions})
    assert NeuronSorter("position").fit(recording).order_.tolist() == expected
    swapped = recording.select([0, 2, 1, 4])
    assert swapped.metadata["positions"].tolist() == positions[[0, 2, 1, 4]].tolist()
    assert NeuronSorter("position").fit(swapped).order_.tolist() == [0, 1, 2, 3]
    # The parameter goes before, and recordings in order are in order.
    other = NeuronSorter("position", positions=positions[::-1].tolist()).fit(recording)
    assert other.order_.tolist() != expected
    in_order = NeuronSorter("position").fit_transform(recording)
    assert NeuronSorter("position").fit(in_order).order_.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("positions", "error", "match"),
    [
        (None, ValueError, "needs the neurons' positions: pass positions=.*windows do not carry"),
        (np.zeros((4, 2)), ValueError, "positions holds 4 neurons, but X has 5"),
        (np.zeros((5, 4)), ValueError, r"of shape \(N, 2\) or \(N, 3\), got shape \(5, 4\)"),
        (np.zeros(5), ValueError, r"got shape \(5,\)"),
        ([[0, 0], [1, np.nan], [2, 0], [3, 0], [4, 0]], ValueError, "that of neuron 1"),
        ([["a", "b"]] * 5, TypeError, "positions must hold real numbers"),
    ],
)
def test_bad_positions(
    positions: Any, error: type[Exception], match: str, traces: np.ndarray
) -> None:
    with pytest.raises(error, match=match):
        NeuronSorter("position", positions=positions).fit(traces)


def test_bad_method(traces: np.ndarray) -> None:
    with pytest.raises(ValueError, match="method must be 'correlation', 'seriation' or 'pos"):
        NeuronSorter("activity").fit(traces)


@pytest.mark.parametrize("rule", [leaf_order, spectral_order])
@pytest.mark.parametrize(
    ("matrix", "match"),
    [
        (np.zeros((2, 3)), r"square matrix of shape \(N, N\), got shape \(2, 3\)"),
        ([[1.0, 0.5], [0.1, 1.0]], "symmetric"),
        ([[1.0, np.nan], [np.nan, 1.0]], "set the whole row and column"),
    ],
)
def test_bad_matrices(rule: Any, matrix: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        rule(matrix)


def test_parts_without_a_link_follow_one_another() -> None:
    chain = np.exp(-np.abs(np.subtract.outer(np.arange(5), np.arange(5))) / 2.0)
    matrix = np.eye(9)
    matrix[:3, :3] = chain[:3, :3]
    matrix[3:8, 3:8] = chain
    matrix[0:3, 3:8] = matrix[3:8, 0:3].T
    assert spectral_order(matrix).tolist() in (
        [3, 4, 5, 6, 7, 0, 1, 2, 8],
        [8, 2, 1, 0, 7, 6, 5, 4, 3],
    )


def test_a_thousand_neurons_take_seconds() -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1500, 1000), dtype=np.float32)
    for method in ("correlation", "seriation", "position"):
        began = time.process_time()
        NeuronSorter(method, positions=rng.random((1000, 2))).fit(X)
        assert time.process_time() - began < 20, method  # 1 to 3 s when idle
