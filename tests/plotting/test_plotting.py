"""The figures: what they draw, on what, and what they leave alone."""

from __future__ import annotations

from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from calgan import plotting


def _groups(shape, names=("real", "synthetic"), seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.random(shape) for name in names}


def _row(**changes):
    row = SimpleNamespace(
        label="rate KL",
        group="published",
        value=0.4,
        baseline=0.2,
        baseline_interval=(0.1, 0.3),
        ratio_interval=(1.5, 2.5),
        controls={"replay": 0.21, "shuffled": 0.5},
        trained_on=False,
        better="lower",
    )
    row.__dict__.update(changes)
    return row


HISTORY = [
    {"step": s, "critic_loss": 1.0 / s, **({"val_score": 1.0} if s % 5 == 0 else {})}
    for s in range(1, 21)
]
# Every function of the module that draws, with the smallest sensible input.
CALLS = {
    "autocorrelation": lambda: plotting.plot_autocorrelation(_groups((3, 5)), 10.0),
    "agreement": lambda: plotting.plot_correlation_agreement(_groups((4, 4))),
    "matrices": lambda: plotting.plot_correlation_matrices(_groups((4, 4))),
    "distribution": lambda: plotting.plot_distribution(_groups((50,)), xlabel="r"),
    "headline": lambda: plotting.plot_headline([_row(), _row(better="higher", trained_on=True)]),
    "kl": lambda: plotting.plot_kl_histogram(_groups((20,))),
    "per_neuron": lambda: plotting.plot_per_neuron(_groups((6,)), quantity="rate (Hz)"),
    "roc": lambda: plotting.plot_roc({"synthetic": np.random.default_rng(0).random((2, 3, 9))}),
    "counts": lambda: plotting.plot_population_counts({"real": np.arange(12).reshape(3, 4)}, 20),
    "spectra": lambda: plotting.plot_power_spectra({"real": (np.arange(1, 5), np.ones((3, 4)))}),
    "raster": lambda: plotting.plot_raster(_groups((16, 4)), 10.0),
    "rates": lambda: plotting.plot_rate_histograms(_groups((20, 3))),
    "traces": lambda: plotting.plot_traces(
        _groups((16, 4)), 10.0, spikes=_groups((16, 4)), roi_ids=list("abcd")
    ),
    "training": lambda: plotting.plot_training_curves(HISTORY, best_step=10),
    "heatmaps": lambda: plotting.plot_van_rossum_heatmaps(_groups((2, 5, 6))),
    "windows": lambda: plotting.plot_windows(_groups((2, 16, 4)), 10.0),
}


def _draw(drawn):
    figure = drawn.get_figure() if isinstance(drawn, Axes) else drawn
    figure.canvas.draw()
    return figure


@pytest.mark.parametrize("name", CALLS)
def test_every_figure_draws_and_labels_its_axes(name):
    figure = _draw(CALLS[name]())
    assert isinstance(figure, Figure)
    visible = [ax for ax in figure.axes if ax.get_visible()]
    assert visible
    assert all(np.isfinite([*ax.get_xlim(), *ax.get_ylim()]).all() for ax in visible)
    # Inner axes of a grid share the labels at its rim; the rows of the headline are their names.
    assert any(ax.get_xlabel() for ax in visible)
    assert any(ax.get_ylabel() or ax.get_yticklabels()[0].get_text() for ax in visible)


@pytest.mark.parametrize("name", CALLS)
def test_no_global_state_is_touched(name):
    with mpl.rc_context({"font.size": 23.0, "axes.facecolor": "red", "text.usetex": False}):
        before = dict(mpl.rcParams)
        figure = _draw(CALLS[name]())
        assert dict(mpl.rcParams) == before
        assert all(ax.get_facecolor() != (1.0, 0.0, 0.0, 1.0) for ax in figure.axes)
    import matplotlib.pyplot as plt

    assert plt.get_fignums() == []


def test_drawing_on_given_axes_returns_them():
    figure = Figure()
    ax = figure.add_subplot()
    assert plotting.plot_distribution(_groups((9,)), xlabel="r", ax=ax) is ax
    other = Figure()
    assert plotting.plot_raster(_groups((8, 3)), 10.0, figure=other) is other


def test_colours_are_those_of_the_groups():
    figure = plotting.plot_traces(_groups((16, 2)), 10.0)
    colors = [ax.lines[0].get_color() for ax in figure.axes[:2]]
    assert colors == [plotting.COLORS["real"], plotting.COLORS["synthetic"]]
    assert len(set(plotting.COLORS.values())) == len(plotting.COLORS) == len(plotting.LABELS)


def test_an_unknown_group_gets_a_colour_of_its_own():
    ax = plotting.plot_kl_histogram({"real": [0.1, 0.2], "dichotomized Gaussian": [0.1, 0.3]})
    handles, labels = ax.get_legend_handles_labels()
    assert labels == ["real, held-out", "dichotomized Gaussian"]
    assert handles[0].get_edgecolor() != handles[1].get_edgecolor()


def test_traces_have_seconds_and_one_y_scale_a_row():
    traces = {"real": np.zeros((20, 2)), "synthetic": np.full((20, 2), 5.0)}
    figure = plotting.plot_traces(traces, 10.0, spikes=traces, neurons=[1], units="counts")
    real, synthetic = figure.axes
    assert real.get_xlim() == (0.0, 2.0)
    assert real.get_ylim() == synthetic.get_ylim()
    assert real.get_ylabel() == "ROI 1\n(counts)"
    assert len(real.collections[0].get_segments()) == 0
    assert len(synthetic.collections[0].get_segments()) == 20


def test_raster_marks_every_spike_and_its_margins_are_rates():
    spikes = np.zeros((10, 3))
    spikes[4, 2] = spikes[5, 2] = spikes[5, 0] = 1
    figure = plotting.plot_raster({"real": spikes}, 10.0)
    raster, top, right = figure.axes
    assert len(raster.collections[0].get_segments()) == 3
    np.testing.assert_allclose(top.patches[0].get_data().values[5], 2 / 3 * 10.0)
    # Sorted by rate: the most active neuron, two spikes in one second, is at the top.
    np.testing.assert_allclose([bar.get_width() for bar in right.patches], [0.0, 1.0, 2.0])


def test_rate_bins_are_whole_multiples_of_one_spike_a_window():
    rates = np.random.default_rng(0).integers(0, 40, size=(200, 1)) / 30.0
    figure = plotting.plot_rate_histograms({"real": rates}, resolution=1 / 30.0)
    edges = figure.axes[0].patches[0].get_data().edges
    steps = np.diff(edges) * 30.0
    np.testing.assert_allclose(steps, np.round(steps))
    heights = figure.axes[0].patches[0].get_data().values
    np.testing.assert_allclose(heights.sum(), 1.0)


def test_densities_integrate_to_the_share_that_is_shown():
    values = np.random.default_rng(0).normal(size=2000)
    ax = plotting.plot_distribution({"real": [*values, np.nan]}, xlabel="x", edges=[-9, 0, 9])
    data = ax.patches[0].get_data()
    np.testing.assert_allclose((data.values * np.diff(data.edges)).sum(), 1.0)


def test_headline_divides_by_the_baseline():
    rows = [_row(value=0.6, baseline=0.2), _row(value=0.7, baseline=0.9, better="higher")]
    figure = plotting.plot_headline(rows)
    ax = figure.axes[0]
    dots = {dot.get_label(): dot.get_offsets()[:, 0] for dot in ax.collections}
    np.testing.assert_allclose(dots["synthetic"], [3.0, 3.0])
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["rate KL", "1 − rate KL"]


def test_headline_without_baselines_says_what_to_do():
    with pytest.raises(ValueError, match="train="):
        plotting.plot_headline([_row(baseline=None)])


def test_headline_keeps_extreme_ratios_inside():
    figure = plotting.plot_headline([_row(), _row(value=9e5), _row(value=0.0)])
    left, right = figure.axes[0].get_xlim()
    assert 0.0 < left < 1.0 < right < 1000.0


def test_agreement_is_the_correlation_over_pairs():
    real = np.corrcoef(np.random.default_rng(0).normal(size=(6, 40)))
    other = np.corrcoef(np.random.default_rng(1).normal(size=(6, 40)))
    pairs = np.triu_indices(6, 1)
    expected = np.corrcoef(real[pairs], other[pairs])[0, 1]
    figure = plotting.plot_correlation_agreement({"real": real, "synthetic": other})
    assert figure.axes[0].get_title() == f"synthetic: r = {expected:.2f}"
    flat = plotting.plot_correlation_agreement({"real": real, "synthetic": np.eye(6)})
    assert flat.axes[0].get_title() == "synthetic: r = 0.00"


def test_heatmaps_are_sorted_by_their_means():
    distances = np.random.default_rng(0).random((1, 6, 4))
    figure = plotting.plot_van_rossum_heatmaps({"synthetic": distances})
    drawn = figure.axes[0].images[0].get_array()
    assert np.all(np.diff(drawn.mean(axis=1)) >= 0)
    assert np.all(np.diff(drawn.mean(axis=0)) >= 0)
    assert sorted(drawn.ravel()) == sorted(distances.ravel())


@pytest.mark.parametrize(
    ("n_terms", "n_validation", "n_panels", "expected"),
    [
        (30, 3, 12, (9, 3)),
        (30, 20, 12, (4, 8)),
        (3, 20, 12, (3, 9)),
        (5, 6, 12, (5, 6)),
        (30, 0, 12, (12, 0)),
        (30, 3, 1, (1, 0)),
    ],
)
def test_many_terms_do_not_hide_the_validation(n_terms, n_validation, n_panels, expected):
    rows = [
        {"step": step}
        | {f"term_{i}": 1.0 / step for i in range(n_terms)}
        | {f"val_{i}": 1.0 / step for i in range(n_validation)}
        for step in (1, 2, 3)
    ]
    panels = plotting.plot_training_curves(rows, max_panels=n_panels).axes
    titles = [ax.get_title() for ax in panels]
    terms, validation = expected
    assert titles == [f"term {i}" for i in range(terms)] + [f"val. {i}" for i in range(validation)]


def test_training_curves_skip_what_is_not_a_finite_number():
    rows = [{"step": 1, "loss": np.nan, "note": "x"}, {"step": 2, "loss": 1.0, "val_x": None}]
    assert [ax.get_title() for ax in plotting.plot_training_curves(rows).axes] == ["loss"]
    with pytest.raises(ValueError, match="history_"):
        plotting.plot_training_curves([{"step": 1}])


def test_long_histories_are_smoothed():
    rows = [{"step": s, "loss": float(s % 7)} for s in range(1, 1001)]
    ax = _draw(plotting.plot_training_curves(rows)).axes[0]
    assert [len(line.get_xdata()) for line in ax.lines] == [1000, 50]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plotting.plot_traces({}, 10.0), "non-empty mapping"),
        (lambda: plotting.plot_traces({"real": np.zeros(3)}, 10.0), "2 dimensions"),
        (
            lambda: plotting.plot_raster({"real": np.eye(3), "synthetic": np.eye(4)}, 10.0),
            "share their last axis",
        ),
        (lambda: plotting.plot_correlation_agreement({"real": np.eye(3)}), "at least one other"),
        (lambda: plotting.plot_van_rossum_heatmaps({"real": np.eye(3)}), "shape"),
        (lambda: plotting.plot_power_spectra({"real": ([1, 2], np.ones((3, 4)))}), "shape"),
    ],
)
def test_wrong_input_gets_one_clear_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_constant_data_draw_without_warnings(value):
    constant = {name: np.full((4, 16, 3), value) for name in ("real", "synthetic")}
    flat = {name: array[0] for name, array in constant.items()}
    _draw(plotting.plot_windows(constant, 10.0))
    _draw(plotting.plot_traces(flat, 10.0, spikes=flat))
    _draw(plotting.plot_raster({name: np.zeros((16, 3)) for name in flat}, 10.0))
    _draw(plotting.plot_rate_histograms(flat, resolution=0.1))
    _draw(plotting.plot_distribution(constant, xlabel="x", log=True))
    _draw(plotting.plot_distribution({"real": [np.nan]}, xlabel="x", log=True))
    _draw(plotting.plot_kl_histogram({"train": np.full(4, value), "synthetic": [np.nan]}))
    _draw(plotting.plot_population_counts({"real": np.zeros((2, 3), dtype=int)}, 3))
    _draw(plotting.plot_power_spectra({"real": ([1.0, 2.0], np.zeros((3, 2)))}))
    _draw(plotting.plot_van_rossum_heatmaps({"synthetic": np.zeros((2, 3, 3))}))
    _draw(plotting.plot_correlation_matrices({"real": np.eye(3), "synthetic": np.eye(3)}))


@settings(max_examples=40, deadline=None)
@given(
    activity=st.lists(st.floats(0, 10, allow_nan=False), min_size=1, max_size=30),
    n=st.integers(1, 12),
)
def test_spread_neurons_are_distinct_ordered_and_active_where_possible(activity, n):
    chosen = plotting.spread_neurons(activity, n)
    values = np.asarray(activity)[chosen]
    assert len(set(chosen.tolist())) == len(chosen) == min(n, len(activity))
    assert np.all(np.diff(values) <= 0)
    if np.sum(np.asarray(activity) > 0) >= n:
        assert np.all(values > 0)


def test_correlation_order_groups_neurons_that_fire_together():
    rng = np.random.default_rng(0)
    common = rng.normal(size=(1, 500))
    traces = rng.normal(size=(6, 500))
    traces[[1, 4]] += 2 * common
    assert set(plotting.correlation_order(np.corrcoef(traces))[:2].tolist()) == {1, 4}


def test_roc_curves_have_the_area_in_their_labels():
    from sklearn.metrics import roc_auc_score

    scores = np.round(np.random.default_rng(0).normal(size=(2, 2, 3, 40)), 1)  # with ties
    scores[1] += 0.7
    areas = [
        roc_auc_score(np.repeat([0, 1], 40), scores[:, i, j].ravel())
        for i in range(2)
        for j in range(3)
    ]
    ax = plotting.plot_roc({"synthetic": scores, "train": scores[:, 0, 0]})
    _, labels = ax.get_legend_handles_labels()
    assert labels[0] == f"synthetic ({np.mean(areas):.2f})"
    assert labels[1] == f"real, training ({areas[0]:.2f})"
    x, y = ax.lines[0].get_data()
    assert np.trapezoid(y, x) == pytest.approx(np.mean(areas), abs=0.01)
    with pytest.raises(ValueError, match="must hold two sides"):
        plotting.plot_roc({"synthetic": scores[0, 0]})
