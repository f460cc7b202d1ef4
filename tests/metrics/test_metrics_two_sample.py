import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import signal, stats
from scipy.spatial.distance import cdist
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from calgan import metrics
from calgan.metrics import two_sample

seeds = st.integers(0, 2**31)


def draw(n, seed, width=32, n_neurons=4, *, decay=0.8, common=0.7):
    """Windows of an autoregression with a common input, of distinct neurons."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(n, width + 30, n_neurons))
    steps += common * rng.normal(size=(n, width + 30, 1))
    X = signal.lfilter([1.0], [1.0, -decay], steps, axis=1)[:, 30:]
    return X * np.arange(1, n_neurons + 1) + np.arange(n_neurons)


def shuffled(X, seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([x[rng.permutation(len(x))] for x in np.moveaxis(X, 2, 0)], axis=2)


def column(features, names, wanted):
    return features[:, names.index(wanted)]


# --- features ---------------------------------------------------------------------------------


def test_features_agree_with_numpy_and_scipy():
    X = draw(5, 0)
    table, names = metrics.window_features(X)
    assert table.shape == (5, len(names)) == (5, len(set(names)))
    for row, x in zip(table, X, strict=True):
        feature = dict(zip(names, row, strict=True))
        assert feature["mean of neuron 2"] == pytest.approx(x[:, 2].mean())
        assert feature["deviation of neuron 2"] == pytest.approx(x[:, 2].std())
        others = stats.zscore(x)[:, [0, 1, 3]].sum(axis=1)
        assert feature["coupling of neuron 2"] == pytest.approx(np.corrcoef(x[:, 2], others)[0, 1])
        skewness = stats.skew(x)
        assert feature["mean of skewness"] == pytest.approx(skewness.mean())
        assert feature["deviation of skewness"] == pytest.approx(skewness.std())
        z = stats.zscore(x)
        lagged = np.mean([z[4:, n] @ z[:-4, n] / len(z) for n in range(4)])
        assert feature["autocorrelation at 4 frames"] == pytest.approx(lagged)
        population = z.mean(axis=1)
        assert feature["deviation of the population mean"] == pytest.approx(population.std())
        assert feature["skewness of the population mean"] == pytest.approx(stats.skew(population))
        assert feature["maximum of the population mean"] == pytest.approx(population.max())
        pairs = np.corrcoef(x.T)[np.triu_indices(4, 1)]
        assert feature["mean of correlations"] == pytest.approx(pairs.mean())
        assert feature["deviation of correlations"] == pytest.approx(pairs.std())
        expected = np.quantile(pairs, 0.95)
        assert feature["95 % quantile of correlations"] == pytest.approx(expected)


@pytest.mark.parametrize("width", [4, 5, 31, 32, 600])
def test_bands_hold_all_power_once(width):
    X = draw(3, 0, width)
    table, names = metrics.window_features(X)
    shares = 10 ** table[:, [name.startswith("log power") for name in names]]
    assert shares.shape[1] == min(8, int(np.log2(width)))
    assert_allclose(shares.sum(axis=1), 1.0)
    frequency, power = signal.periodogram(stats.zscore(X, axis=1), axis=1)
    power = power.sum(axis=2)
    expected = power[:, (frequency > 0.125) & (frequency <= 0.25)].sum(axis=1) / power.sum(axis=1)
    if width > 5:
        wanted = column(table, names, "log power at 0.125-0.25 cycles/frame")
        assert_allclose(10**wanted, expected)


def test_the_frame_rate_only_names():
    X = draw(3, 0)
    plain, names = metrics.window_features(X)
    timed, timed_names = metrics.window_features(X, frame_rate=20.0)
    assert_array_equal(plain, timed)
    assert len(names) == len(timed_names)
    assert {"log power at 5-10 Hz", "autocorrelation at 0.2 s"} <= set(timed_names)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_features_move_with_neurons_and_units(seed):
    rng = np.random.default_rng(seed)
    X = draw(4, seed)
    table, _ = metrics.window_features(X)
    order = rng.permutation(4)
    permuted, _ = metrics.window_features(X[:, :, order])
    assert_allclose(permuted[:, 12:], table[:, 12:], atol=1e-9)
    for block in range(3):  # means, deviations, couplings
        own = slice(4 * block, 4 * block + 4)
        assert_allclose(permuted[:, own], table[:, own][:, order], atol=1e-9)
    scale, offset = rng.uniform(0.1, 10, 4), rng.normal(size=4)
    scaled, _ = metrics.window_features(X * scale + offset)
    assert_allclose(scaled[:, 8:], table[:, 8:], atol=1e-9)
    assert_allclose(scaled[:, :4], table[:, :4] * scale + offset, atol=1e-9)
    assert_allclose(scaled[:, 4:8], table[:, 4:8] * scale, atol=1e-9)
    # a window's features are its own
    assert_allclose(metrics.window_features(X[2:3])[0], table[2:3], atol=1e-12)


@pytest.mark.parametrize("n_neurons", [1, 2, 5])
def test_features_of_constant_neurons_are_finite(n_neurons):
    X = draw(4, 0, n_neurons=n_neurons)
    X[0] = 0.1
    X[1, :, 0] = 0.1
    table, names = metrics.window_features(X)
    assert np.isfinite(table).all()
    assert_array_equal(table[0, n_neurons : 2 * n_neurons], 0.0)
    powers = table[0, [name.startswith("log power") for name in names]]
    assert_array_equal(powers, -6.0)


def test_features_need_windows():
    with pytest.raises(ValueError, match="windows have 3 frames; features need at least 4"):
        metrics.window_features(np.zeros((2, 3, 1)))
    with pytest.raises(ValueError, match=r"windows must be windows \(M, T, N\)"):
        metrics.window_features(np.zeros((20, 3)))


# --- classifier -------------------------------------------------------------------------------


def test_equal_distributions_score_a_half():
    areas = [
        metrics.classifier_auc(draw(30, 2 * i), draw(40, 2 * i + 1), random_state=i)
        for i in range(40)
    ]
    assert abs(np.mean(areas) - 0.5) < 3 * np.std(areas) / np.sqrt(len(areas))
    assert np.std(areas) < 0.15


@pytest.mark.parametrize("classifier", ["logistic", "forest"])
def test_what_the_marginals_hide_is_found(classifier):
    X = draw(50, 0, n_neurons=8)
    noise = np.random.default_rng(1).permuted(X.reshape(-1, 8), axis=0).reshape(X.shape)
    for synthetic in (shuffled(X), noise):
        assert_allclose(metrics.wasserstein_marginals(X, synthetic), 0, atol=1e-12)
        kwargs = {"classifier": classifier, "random_state": 0}
        assert metrics.classifier_auc(X, synthetic, **kwargs) > 0.95
    equal = metrics.classifier_auc(X, draw(50, 1, n_neurons=8), **kwargs)
    assert 0.3 < equal < 0.7


def test_the_forest_finds_a_difference_of_spread_only():
    rng = np.random.default_rng(0)
    real, synthetic = rng.normal(size=(2, 100, 4, 1)) * np.array([1.0, 4.0])[:, None, None, None]

    def first_value(X):
        return X[:, 0]

    line, forest = (
        metrics.classifier_auc(
            real, synthetic, features=first_value, classifier=classifier, random_state=0
        )
        for classifier in ("logistic", "forest")
    )
    assert line < 0.65 < 0.75 < forest


def test_the_score_is_that_of_scikit_learn():
    X, Y = draw(40, 0), draw(30, 1, decay=0.7)
    groups = np.arange(40) // 5, np.arange(30) // 5

    def features(windows):
        return windows.reshape(len(windows), -1)[:, :7]

    result = metrics.classifier_auc(X, Y, features=features, groups=groups, n_splits=3)
    table, y = np.concatenate([features(X), features(Y)]), np.repeat([0, 1], [40, 30])
    of_X, of_Y = (
        [test for _, test in GroupKFold(3).split(group, groups=group)] for group in groups
    )
    areas = []
    for a, b in zip(of_X, of_Y, strict=True):
        test = np.concatenate([a, 40 + b])
        fit = np.setdiff1d(np.arange(70), test)
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced"))
        model.fit(table[fit], y[fit])
        areas.append(roc_auc_score(y[test], model.decision_function(table[test])))
    assert result == pytest.approx(np.mean(areas), abs=1e-3)


def test_groups_keep_overlapping_windows_together():
    """Blocks of one recording with labels by lot: nothing to find but the overlap."""
    grouped, naive = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        recording = draw(1, seed, 24 * 40, 3, decay=0.95)[0]
        start = np.concatenate([np.arange(40 * block, 40 * block + 9, 2) for block in range(24)])
        block = start // 40
        synthetic = np.isin(block, rng.permutation(24)[:12])
        windows = np.stack([recording[s : s + 32] for s in start])
        X, Y = windows[~synthetic], windows[synthetic]
        groups = (block[~synthetic], block[synthetic])
        grouped.append(metrics.classifier_auc(X, Y, groups=groups, random_state=0))
        naive.append(metrics.classifier_auc(X, Y, random_state=0))
    assert np.mean(naive) > 0.7
    assert abs(np.mean(grouped) - 0.5) < 3 * np.std(grouped) / np.sqrt(len(grouped))


@given(seeds, st.integers(2, 6))
@settings(max_examples=30, deadline=None)
def test_folds_share_no_block_and_take_every_window_once(seed, n_splits):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 8, size=60)
    fold = two_sample._folds(60, n_splits, groups, rng, "real")
    assert set(fold) == set(range(n_splits))
    for group in np.unique(groups):
        assert len(set(fold[groups == group])) == 1
    free = np.bincount(two_sample._folds(60, n_splits, None, rng, "real"))
    assert len(free) == n_splits
    assert free.max() - free.min() <= 1


@settings(max_examples=50, deadline=None)
@given(seeds, st.integers(1, 30), st.integers(1, 30))
def test_the_area_under_the_curve_agrees_with_scikit_learn(seed, n, m):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 6, size=n), rng.integers(0, 5, size=m)  # with ties
    expected = roc_auc_score(np.repeat([1, 0], [n, m]), np.concatenate([a, b]))
    assert two_sample.roc_area(a, b) == pytest.approx(expected)
    assert two_sample.roc_area(b, a) == pytest.approx(1 - expected)


@settings(max_examples=5, deadline=None)
@given(seeds)
def test_the_classifier_does_not_see_units_or_the_order_of_neurons(seed):
    rng = np.random.default_rng(seed)
    X, Y = draw(30, 0), draw(30, 1, decay=0.7)
    order, scale, offset = rng.permutation(4), rng.uniform(0.1, 10, 4), rng.normal(size=4)
    expected = metrics.classifier_auc(X, Y, random_state=0)
    moved = metrics.classifier_auc(
        (X * scale + offset)[:, :, order], (Y * scale + offset)[:, :, order], random_state=0
    )
    assert moved == pytest.approx(expected, abs=0.01)  # the solver stops at a tolerance


def test_the_random_state_decides_and_the_global_one_is_left_alone():
    X, Y = draw(20, 0), draw(20, 1, decay=0.75)
    before = np.random.get_state()[1].copy()
    kwargs = {"classifier": "forest", "n_splits": 2}
    areas = [metrics.classifier_auc(X, Y, random_state=s, **kwargs) for s in (3, 3, 4, 5)]
    metrics.sliced_wasserstein(X, Y)
    assert_array_equal(before, np.random.get_state()[1])
    assert areas[0] == areas[1]
    assert len(set(areas)) > 1


def test_classifier_requests_that_cannot_be_met():
    X = draw(10, 0)
    with pytest.raises(ValueError, match="synthetic has 4 windows, too few for 5 folds"):
        metrics.classifier_auc(X, X[:4])
    with pytest.raises(ValueError, match="groups of real hold 2 blocks, too few for 5 folds"):
        metrics.classifier_auc(X, X, groups=np.arange(10) // 5)
    with pytest.raises(ValueError, match=r"groups of synthetic have shape \(9,\), but there are"):
        metrics.classifier_auc(X, X, groups=(None, np.arange(9)))
    with pytest.raises(ValueError, match="groups is a tuple of 3"):
        metrics.classifier_auc(X, X, groups=(1, 2, 3))
    with pytest.raises(ValueError, match="classifier must be 'logistic' or 'forest', got 'svm'"):
        metrics.classifier_auc(X, X, classifier="svm")
    with pytest.raises(ValueError, match=r"must return an array of shape \(10, F\)"):
        metrics.classifier_auc(X, X, features=lambda X: X)
    with pytest.raises(ValueError, match="NaN or infinity for real, the first for window 0"):
        metrics.classifier_auc(X, X, features=lambda X: np.full((len(X), 1), np.nan))
    with pytest.raises(ValueError, match="10 columns for real and 9 for synthetic"):
        metrics.classifier_auc(X, X[:9], features=lambda X: np.zeros((len(X), len(X))))
    with pytest.raises(ValueError, match="real has windows of 32 frames and synthetic of 31"):
        metrics.classifier_auc(X, X[:, 1:])


def test_importing_metrics_does_not_load_the_classifiers():
    code = "import sys, calgan.metrics; assert 'sklearn.ensemble' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- MMD --------------------------------------------------------------------------------------


def slow_mmd(real, synthetic, bandwidth):
    """The definition, pair by pair."""
    mean, deviation = real.mean(axis=(0, 1)), real.std(axis=(0, 1))
    x, y = (((Z - mean) / deviation).reshape(len(Z), -1) for Z in (real, synthetic))
    if bandwidth is None:
        bandwidth = np.median([np.linalg.norm(a - b) for i, a in enumerate(x) for b in x[:i]])

    def k(a, b):
        return np.exp(-np.sum((a - b) ** 2) / (2 * bandwidth**2))

    within_x = np.mean([k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j])
    within_y = np.mean([k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j])
    return within_x + within_y - 2 * np.mean([k(a, b) for a in x for b in y])


@pytest.mark.parametrize("bandwidth", [None, 10.0])
@pytest.mark.parametrize("batch_bytes", [1, 8 * 128 * 4, 2**27])
def test_mmd_follows_its_definition_in_blocks_of_any_size(monkeypatch, bandwidth, batch_bytes):
    X, Y = draw(9, 0), draw(7, 1) + 1.0
    monkeypatch.setattr(two_sample, "_BATCH_BYTES", batch_bytes)
    result = metrics.mmd(X, Y, bandwidth=bandwidth)
    assert result == pytest.approx(slow_mmd(X, Y, bandwidth), abs=1e-12)
    assert result > 0.01


def test_mmd_of_equal_distributions_is_zero_on_average():
    values = [metrics.mmd(draw(8, 2 * i, 4), draw(10, 2 * i + 1, 4)) for i in range(300)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(300)
    assert np.min(values) < 0 < np.max(values)
    bias = 1 / 8 + 1 / 10  # that of the estimate which keeps each window's own kernel
    assert 3 * np.std(values) / np.sqrt(300) < bias / 10


@settings(max_examples=20, deadline=None)
@given(seeds, st.floats(0.5, 20.0))
def test_laws_of_mmd(seed, bandwidth):
    rng = np.random.default_rng(seed)
    X, Y = draw(6, seed), draw(8, seed + 1, decay=0.5)
    expected = metrics.mmd(X, Y, bandwidth=bandwidth)
    order, scale, offset = rng.permutation(4), rng.uniform(0.1, 10, 4), rng.normal(size=4)
    moved = [rng.permutation((Z * scale + offset)[:, :, order]) for Z in (X, Y)]
    assert metrics.mmd(*moved, bandwidth=bandwidth) == pytest.approx(expected, abs=1e-9)
    assert -2 <= expected <= 2
    # symmetric where both sides have the same scale: a window backwards has the same moments
    forth, back = X, X[:, ::-1]
    assert metrics.mmd(forth, back, bandwidth=bandwidth) == pytest.approx(
        metrics.mmd(back, forth, bandwidth=bandwidth), abs=1e-9
    )
    # a replay of all windows: pairs with themselves are in the cross term only
    assert -2 / 6 - 1e-9 <= metrics.mmd(X, X, bandwidth=bandwidth) <= 0


def test_the_median_heuristic_looks_at_evenly_spaced_windows(monkeypatch):
    X = draw(50, 0)
    pairs = cdist(*[((X - X.mean((0, 1))) / X.std((0, 1))).reshape(50, -1)] * 2)
    standardised, _ = two_sample._standardised_pair(X, X, None)
    full = np.median(pairs[np.triu_indices(50, 1)])
    assert two_sample.median_distance(standardised) == pytest.approx(full)
    monkeypatch.setattr(two_sample, "_MEDIAN_WINDOWS", 8)
    some = pairs[::7, ::7][np.triu_indices(8, 1)]
    assert two_sample.median_distance(standardised) == pytest.approx(np.median(some))


@pytest.mark.parametrize("distance", [metrics.mmd, metrics.sliced_wasserstein])
def test_distances_of_features_and_what_is_constant(distance):
    X, Y = draw(20, 0), draw(20, 1)
    kwargs = {} if distance is metrics.mmd else {"random_state": 0}
    of_features = distance(X, shuffled(Y), features=metrics.window_features, **kwargs)
    assert of_features > 2 * distance(X, Y, features=metrics.window_features, **kwargs)

    table = metrics.window_features(X)[0][:, np.newaxis]
    other = metrics.window_features(Y)[0][:, np.newaxis]
    expected = distance(table, other, **kwargs)
    result = distance(X, Y, features=metrics.window_features, **kwargs)
    assert result == pytest.approx(expected)

    expected = distance(X[:, :, :3], Y[:, :, :3], **kwargs)
    X[:, :, 3] = 0.1
    assert distance(X, Y, **kwargs) == pytest.approx(expected)
    assert np.isnan(distance(np.ones_like(X), Y))
    assert np.isnan(distance(X, Y, features=lambda X: np.ones((len(X), 2))))


def test_mmd_requests_that_cannot_be_met():
    X = draw(5, 0)
    with pytest.raises(ValueError, match="synthetic has one window; the unbiased"):
        metrics.mmd(X, X[:1])
    with pytest.raises(ValueError, match="bandwidth must be a finite number above 0, got 0"):
        metrics.mmd(X, X, bandwidth=0.0)
    assert np.isnan(metrics.mmd(np.repeat(X[:1], 5, axis=0), X))  # no median distance
    with pytest.raises(ValueError, match="windows of 32 frames and synthetic of 31"):
        metrics.mmd(X, X[:, 1:])


# --- sliced Wasserstein -----------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(seeds, st.integers(1, 25), st.integers(1, 25))
def test_wasserstein_of_columns_agrees_with_scipy(seed, n, m):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(n, 3)).round(1), 2 * rng.normal(size=(m, 3)).round(1)
    expected = [stats.wasserstein_distance(a[:, i], b[:, i]) for i in range(3)]
    assert_allclose(two_sample._wasserstein_columns(a, b), expected, atol=1e-12)


@pytest.mark.parametrize("batch_bytes", [1, 8 * 128 * 5, 2**27])
def test_sliced_wasserstein_is_the_mean_over_unit_directions(monkeypatch, batch_bytes):
    X, Y = draw(9, 0), draw(7, 1, decay=0.6)
    directions = np.random.default_rng(7).standard_normal((12, 128))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    mean, deviation = X.mean(axis=(0, 1)), X.std(axis=(0, 1))
    a, b = (((Z - mean) / deviation).reshape(len(Z), -1) for Z in (X, Y))
    expected = np.mean([stats.wasserstein_distance(a @ u, b @ u) for u in directions])

    monkeypatch.setattr(two_sample, "_BATCH_BYTES", batch_bytes)
    monkeypatch.setattr(two_sample, "rng_from", lambda seed: np.random.default_rng(seed))
    result = metrics.sliced_wasserstein(X, Y, n_projections=12, random_state=7)
    assert result == pytest.approx(expected)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_laws_of_sliced_wasserstein(seed):
    rng = np.random.default_rng(seed)
    X, Y, Z = (draw(6, seed + i, decay=0.5 + 0.2 * i) for i in range(3))

    def distance(a, b):
        return metrics.sliced_wasserstein(a, b, n_projections=8, random_state=seed)

    assert distance(X, rng.permutation(X)) == pytest.approx(0, abs=1e-12)
    scale, offset = rng.uniform(0.1, 10, 4), rng.normal(size=4)
    moved = distance(X * scale + offset, Y * scale + offset)
    assert moved == pytest.approx(distance(X, Y))
    # In real units: symmetric, and with a triangle, where moments agree.
    back, flat = X[:, ::-1], np.roll(X, 5, axis=1)
    assert distance(X, back) == pytest.approx(distance(back, X))
    assert distance(X, flat) <= distance(X, back) + distance(back, flat) + 1e-12
    assert distance(X, Z) > 0


def test_an_offset_of_one_deviation_is_what_the_documentation_says():
    X = draw(10, 0)
    moved = X + X.std(axis=(0, 1))
    result = metrics.sliced_wasserstein(X, moved, n_projections=4000, random_state=0)
    assert result == pytest.approx(np.sqrt(2 / np.pi), abs=0.03)


def test_the_order_of_neurons_does_not_matter_but_for_the_draw_of_directions():
    X, Y = draw(10, 0), draw(12, 1, decay=0.5)
    order = [2, 0, 3, 1]
    results = [
        metrics.sliced_wasserstein(a, b, n_projections=3000, random_state=0)
        for a, b in ((X, Y), (X[:, :, order], Y[:, :, order]))
    ]
    assert results[0] == pytest.approx(results[1], rel=0.05)


# --- membership -------------------------------------------------------------------------------


def test_membership_finds_a_replay_and_nothing_else():
    train, held_out = draw(30, 0), draw(40, 1)
    assert metrics.membership_auc(train, train, held_out) == 1.0
    assert metrics.membership_auc(held_out, train, held_out) == 0.0
    shifted = np.roll(train, 3, axis=1)
    assert metrics.membership_auc(shifted, train, held_out, max_shift=4) == 1.0
    assert metrics.membership_auc(shifted, train, held_out, max_shift=0) < 0.9
    areas = [metrics.membership_auc(draw(20, 3 * i), *map(draw, (30, 30), (3 * i + 1, 3 * i + 2)))
             for i in range(20)]  # fmt: skip
    assert abs(np.mean(areas) - 0.5) < 3 * np.std(areas) / np.sqrt(20)


def test_membership_of_a_share_of_copies():
    train, held_out = draw(40, 0), draw(40, 1)
    samples = np.concatenate([train[:20], draw(20, 2)])
    assert metrics.membership_auc(samples, train, held_out) == pytest.approx(0.75, abs=0.1)


@pytest.mark.parametrize("max_shift", [0, 2])
def test_membership_by_brute_force(max_shift):
    samples, train, held_out = draw(5, 0), draw(8, 1), draw(6, 2)
    mean, deviation = train.mean(axis=(0, 1)), train.std(axis=(0, 1))
    samples_z, train_z, held_z = ((X - mean) / deviation for X in (samples, train, held_out))
    width = 32 - 2 * max_shift

    def nearest(window):
        centre = window[max_shift : max_shift + width]
        return min(
            np.linalg.norm(centre - sample[shift : shift + width])
            for sample in samples_z
            for shift in range(2 * max_shift + 1)
        )

    score = [-nearest(window) for window in (*train_z, *held_z)]
    expected = roc_auc_score([1] * 8 + [0] * 6, score)
    result = metrics.membership_auc(samples, train, held_out, max_shift=max_shift)
    assert result == pytest.approx(expected)


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_membership_does_not_see_units_or_order(seed):
    rng = np.random.default_rng(seed)
    samples, train, held_out = (draw(6, i) for i in range(3))
    order, scale, offset = rng.permutation(4), rng.uniform(0.1, 10, 4), rng.normal(size=4)
    moved = [rng.permutation((X * scale + offset)[:, :, order]) for X in (samples, train, held_out)]
    assert metrics.membership_auc(*moved) == metrics.membership_auc(samples, train, held_out)


def test_membership_requests_that_cannot_be_met():
    X = draw(5, 0)
    expected = metrics.membership_auc(X[:, :, :3], draw(5, 1)[:, :, :3], draw(6, 2)[:, :, :3])
    train = draw(5, 1)
    train[:, :, 3] = 0.1
    assert metrics.membership_auc(X, train, draw(6, 2)) == expected
    assert np.isnan(metrics.membership_auc(X, np.ones_like(X), X))
    with pytest.raises(ValueError, match="max_shift=16 leaves no central part"):
        metrics.membership_auc(X, X, X, max_shift=16)
    with pytest.raises(ValueError, match="samples has 4 neurons and held_out has 3"):
        metrics.membership_auc(X, X, X[:, :, :3])


# --- dimensions -------------------------------------------------------------------------------


def test_participation_ratio_is_that_of_the_eigenvalues():
    windows = draw(8, 0, 40, 5)
    eigenvalues = np.linalg.eigvalsh(np.cov(windows.reshape(-1, 5).astype(np.float64).T))
    expected = eigenvalues.sum() ** 2 / np.sum(eigenvalues**2)
    assert metrics.participation_ratio(windows) == pytest.approx(expected, rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31))
def test_participation_ratio_does_not_depend_on_order_rotation_or_units(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(6, 20, 4)) @ rng.normal(size=(4, 4))
    expected = metrics.participation_ratio(X)
    assert 1.0 <= expected <= 4.0
    rotation = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    moved = rng.permutation(1e3 * X @ rotation + rng.normal(size=4))
    assert metrics.participation_ratio(moved) == pytest.approx(expected)
    with_constant = np.concatenate([X, np.full((6, 20, 1), 0.1)], axis=2)
    result = metrics.participation_ratio(with_constant)
    assert result == pytest.approx(expected) or expected == 4.0  # the clip moves with N


def test_the_bias_of_the_participation_ratio_is_as_documented():
    n, n_neurons = 50, 20
    ratios = [
        metrics.participation_ratio(np.random.default_rng(seed).normal(size=(1, n, n_neurons)))
        for seed in range(20)
    ]
    assert np.mean(ratios) == pytest.approx(n_neurons * n / (n_neurons + n), rel=0.05)


def test_constant_neurons_have_no_dimensions():
    assert np.isnan(metrics.participation_ratio(np.ones((3, 10, 2))))


def test_mmd_keeps_its_kernel_within_memory(monkeypatch):
    sizes = []
    plain = two_sample._squared_distances

    def note(*args):
        distances = plain(*args)
        sizes.append(distances.nbytes)
        return distances

    monkeypatch.setattr(two_sample, "_squared_distances", note)
    monkeypatch.setattr(two_sample, "_BATCH_BYTES", 8 * 100)
    rng = np.random.default_rng(0)
    metrics.mmd(rng.normal(size=(60, 4, 1)), rng.normal(size=(50, 4, 1)), bandwidth=1.0)
    assert sizes
    assert max(sizes) <= 8 * 100
