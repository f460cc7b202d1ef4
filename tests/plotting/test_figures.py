"""Every figure shows its numbers: artists, labels, units, order, and a sentence where it cannot."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from calgan import plotting
from calgan.spikes.noise_study import NoiseStudy


def groups(shape, names=("real", "synthetic"), seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.random(shape) for name in names}


NUMBERS = itertools.count()


def row(**changes):
    values = {
        "name": f"statistic {next(NUMBERS)}",
        "label": "rate KL",
        "group": "published",
        "value": 0.4,
        "baseline": 0.2,
        "baseline_interval": (0.1, 0.3),
        "ratio_interval": (1.5, 2.5),
        "controls": {"replay": 0.21, "shuffled": 0.5},
        "trained_on": False,
        "better": "lower",
        "judged_by": "ratio",
    }
    return SimpleNamespace(**{**values, **changes})


HISTORY = [
    {"step": s, "critic_loss": 1.0 / s, **({"val_score": 1.0} if s % 5 == 0 else {})}
    for s in range(1, 21)
]
# Every display, of the smallest sensible numbers.
DISPLAYS = [
    plotting.AutocorrelationDisplay(groups((3, 5)), 10.0),
    plotting.CellsDisplay(np.ones((2, 4, 5)), np.eye(4, 5), traces=np.eye(9, 2), frame_rate=10.0),
    plotting.CorrelationDisplay(groups((5, 6)), 0.5),
    plotting.CorrelationMatrixDisplay(groups((4, 4))),
    plotting.CorrelationScatterDisplay(groups((4, 4))),
    plotting.CovarianceScatterDisplay(groups((4, 4))),
    plotting.FiringRateDisplay(groups((20, 3))),
    plotting.HeadlineDisplay([row(), row(better="higher", trained_on=True)]),
    plotting.KLHistogramDisplay({"firing_rate": groups(20, ("synthetic", "train"))}),
    plotting.NoiseStudyDisplay(
        {
            "OASIS": NoiseStudy(
                "OasisDeconvolver",
                np.array([2.0, 1.0]),
                np.array([[0.8, 0.7], [0.4, 0.3]]),
                np.array([[0.8, 0.7], [0.7, 0.6], [0.4, 0.2]]),
                0.1,
                np.arange(2),
            )
        }
    ),
    plotting.PopulationCountDisplay({"real": np.arange(12).reshape(3, 4)}, 20),
    plotting.PowerSpectrumDisplay({"real": (np.arange(1, 5), np.ones((3, 4)))}),
    plotting.RasterDisplay(groups((2, 16, 4)), 10.0),
    plotting.RateScatterDisplay(groups(6)),
    plotting.RocDisplay({"synthetic": np.random.default_rng(0).random((2, 3, 9))}),
    plotting.SearchDisplay.from_search(
        {
            "params": [{"x": 1}, {"x": 2}],
            "mean_fit_time": np.ones(2),
            "split0_test_score": np.arange(2.0),
        }
    ),
    plotting.TracesDisplay(
        groups((3, 16, 4)), 10.0, spikes=groups((3, 16, 4)), roi_ids=list("abcd")
    ),
    plotting.TrainingDisplay(HISTORY, best_step=10),
    plotting.VanRossumDisplay(groups((5, 6))),
    plotting.VanRossumMatrixDisplay(groups((2, 5, 6), ("synthetic", "train"))),
    plotting.WindowsDisplay(groups((2, 16, 4)), 10.0),
]
each_display = pytest.mark.parametrize("display", DISPLAYS, ids=lambda d: type(d).__name__)


def test_every_display_is_tested_here():
    assert sorted(type(display).__name__ for display in DISPLAYS) == sorted(plotting.__all__)


@each_display
def test_axes_are_labelled_and_no_global_state_is_touched(display):
    with mpl.rc_context({"font.size": 23.0, "axes.facecolor": "red", "text.usetex": False}):
        before = dict(mpl.rcParams)
        figure = display.plot().figure_
        figure.canvas.draw()
        assert dict(mpl.rcParams) == before
    visible = [ax for ax in figure.axes if ax.get_visible()]
    assert all(ax.get_facecolor() != (1.0, 0.0, 0.0, 1.0) for ax in visible)
    assert all(np.isfinite([*ax.get_xlim(), *ax.get_ylim()]).all() for ax in visible)
    # Inner axes of a grid share the labels at its rim; the rows of some figures are their names.
    assert any(ax.get_xlabel() for ax in visible)
    assert any(ax.get_ylabel() or ax.get_yticklabels()[0].get_text() for ax in visible)
    import matplotlib.pyplot as plt

    assert plt.get_fignums() == []


def test_groups_keep_their_colours_and_unknown_ones_get_their_own():
    traces = plotting.TracesDisplay(groups((1, 16, 2)), 10.0).plot()
    divergences = plotting.KLHistogramDisplay(
        {"correlation": {"synthetic": [0.1, 0.2], "mine": [0.1, 0.3]}}
    ).plot()
    handles, labels = divergences.axes_[0].get_legend_handles_labels()
    assert labels == ["synthetic", "mine"]
    real, synthetic = (ax.lines[0].get_color() for ax in traces.axes_[:2])
    mine = mpl.colors.to_hex(handles[1].get_edgecolor()).upper()
    assert mpl.colors.to_hex(handles[0].get_edgecolor()).upper() == synthetic
    assert len({real, synthetic, mine}) == 3


def test_traces_have_seconds_and_one_y_scale_a_row():
    traces = {"real": np.zeros((1, 20, 2)), "synthetic": np.full((1, 20, 2), 5.0)}
    display = plotting.TracesDisplay(traces, 10.0, spikes=traces, units="counts")
    real, synthetic = display.plot(neurons=[1]).axes_
    assert real.get_xlim() == (0.0, 2.0)
    assert real.get_ylim() == synthetic.get_ylim()
    assert real.get_ylabel() == "ROI 1\n(counts)"
    assert len(real.collections[0].get_segments()) == 0
    assert len(synthetic.collections[0].get_segments()) == 20


def test_neurons_are_spread_over_the_active_ones_most_active_first():
    rates = [[0.0, 0.1, 0.5, 0.3, 0.2, 0.0]] * 5
    few = plotting.FiringRateDisplay({"real": rates}).plot()
    assert [ax.get_title() for ax in few.axes_] == [f"ROI {k}" for k in (2, 3, 4, 1, 0, 5)]
    many = np.random.default_rng(0).random(40) * (np.arange(40) % 2)
    chosen = plotting.FiringRateDisplay({"real": np.tile(many, (5, 1))}).plot()
    shown = [many[int(ax.get_title().split()[1])] for ax in chosen.axes_]
    assert len(shown) == 12
    assert shown == sorted(shown, reverse=True)
    assert shown[0] == many.max()
    assert min(shown) == many[many > 0].min()


def test_windows_are_standardised_and_their_neurons_ordered():
    windows = np.random.default_rng(0).normal(size=(5, 8, 3)) * [1.0, 2.0, 3.0] + [0.0, 5.0, 9.0]
    display = plotting.WindowsDisplay({"real": windows, "synthetic": windows[:1]}, 4.0)
    display.order = [2, 0, 1]
    first = display.plot(n_shown=2).axes_[0].images[0]
    expected = (windows[0] - windows.mean((0, 1))) / windows.std((0, 1))
    np.testing.assert_allclose(first.get_array(), expected[:, [2, 0, 1]].T)
    assert first.get_extent() == [0, 2.0, 0.5, 3.5]
    assert [ax.get_visible() for ax in display.axes_] == [True, True, True, False]
    display.scale = 2.0 * windows
    scaled = display.plot().axes_[0].images[0].get_array()
    expected = (windows[0] / 2.0 - windows.mean((0, 1))) / windows.std((0, 1))
    np.testing.assert_allclose(scaled, expected[:, [2, 0, 1]].T)


def test_raster_marks_every_spike_and_its_margins_are_rates():
    spikes = np.zeros((1, 10, 3))
    spikes[0, 4, 2] = spikes[0, 5, 2] = spikes[0, 5, 0] = 1
    raster, top, right = plotting.RasterDisplay({"real": spikes}, 10.0).plot().axes_
    # Sorted by rate: the most active neuron, two spikes in one second, is at the top.
    np.testing.assert_array_equal(raster.images[0].get_array(), spikes[0].T[[1, 0, 2]])
    assert raster.images[0].get_extent() == [0, 1.0, 0.5, 3.5]
    np.testing.assert_allclose(top.patches[0].get_data().values[5], 2 / 3 * 10.0)
    np.testing.assert_allclose(right.patches[0].get_data().values, [0.0, 1.0, 2.0])


def test_a_raster_of_many_frames_and_neurons_loses_no_spike():
    spikes = np.zeros((1, 1000, 900))
    spikes[0, 501, 700] = spikes[0, 999, 899] = 1
    raster, *_ = plotting.RasterDisplay({"real": spikes}, 10.0).plot().axes_
    (image,) = raster.images
    assert max(image.get_array().shape) <= 400
    assert image.get_array().sum() == 2
    assert image.get_extent() == [0, 100.0, 0.5, 900.5]


def test_rate_bins_are_whole_multiples_of_one_spike_a_window():
    rates = np.random.default_rng(0).integers(0, 40, size=(200, 1)) / 30.0
    display = plotting.FiringRateDisplay({"real": rates}, resolution=1 / 30.0).plot()
    histogram = display.axes_[0].patches[0].get_data()
    steps = np.diff(histogram.edges) * 30.0
    np.testing.assert_allclose(steps, np.round(steps))
    np.testing.assert_allclose(histogram.values.sum(), 1.0)


def test_densities_integrate_to_one_and_leave_out_nan():
    values = np.random.default_rng(0).uniform(size=(50, 40))
    values[0, 0] = np.nan
    ax = plotting.CorrelationDisplay({"real": values}, 0.5).plot().ax_
    data = ax.patches[0].get_data()
    np.testing.assert_allclose((data.values * np.diff(data.edges)).sum(), 1.0, atol=3e-3)
    assert ax.get_xlabel() == "correlation of a pair (bins of 0.5 s)"
    assert ax.get_yscale() == "log"


def test_densities_of_more_values_than_the_eye_can_see_stay_what_they_are():
    values = np.random.default_rng(0).normal(size=1_500_000).astype(np.float32)
    ax = plotting.VanRossumDisplay({"real": values}).plot().ax_
    data = ax.patches[0].get_data()
    middle = (data.edges[1:] + data.edges[:-1]) / 2
    expected = np.exp(-(middle**2) / 2) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(data.values, expected, atol=0.005)


def test_headline_divides_by_the_baseline():
    rows = [row(value=0.6), row(value=0.7, baseline=0.9, better="higher", trained_on=True)]
    (ax,) = plotting.HeadlineDisplay(rows).plot().axes_
    dots = {dot.get_label(): dot.get_offsets()[:, 0] for dot in ax.collections}
    np.testing.assert_allclose(dots["synthetic"], [3.0, 3.0])
    assert "replay control" in dots
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["rate KL", "1 − rate KL †"]
    assert ax.get_xlabel().startswith("distance / train-test baseline")


def test_headline_leaves_out_rows_without_a_ratio():
    rows = [row(), row(baseline=None), row(baseline=0.0), row(judged_by="difference")]
    (ax,) = plotting.HeadlineDisplay(rows).plot().axes_
    assert len(ax.get_yticklabels()) == 1
    with pytest.raises(ValueError, match="train="):
        plotting.HeadlineDisplay(rows[1:]).plot()


def test_undefined_rows_are_left_out_of_the_headline():
    nothing = float("nan")
    rows = [
        row(),
        row(value=nothing),
        row(baseline=nothing),
        row(controls={"replay": nothing, "shuffled": None}, baseline_interval=(nothing, nothing)),
    ]
    (ax,) = plotting.HeadlineDisplay(rows).plot().axes_
    dots = {dot.get_label(): len(dot.get_offsets()) for dot in ax.collections if dot.get_label()}
    assert len(ax.get_yticklabels()) == 2
    assert (dots["synthetic"], dots["replay control"], dots["neuron-shuffled"]) == (2, 1, 1)


def compare(**values):
    """Return populations of a value each for two statistics, None for an undefined one."""
    evaluations = {
        name: SimpleNamespace(
            statistics=[
                row(name="a", label="a", value=np.nan if value is None else value),
                row(name="b", label="b", value=0.2),
                row(name="c", label="c", judged_by="difference"),
            ]
        )
        for name, value in values.items()
    }
    return SimpleNamespace(evaluations=evaluations)


def test_populations_stand_side_by_side_on_one_baseline():
    display = plotting.HeadlineDisplay.from_comparison(compare(flow=0.6, shuffled=0.3, gan=None))
    (ax,) = display.axes_
    dots = [dot for dot in ax.collections if not dot.get_label().startswith("_")]
    found = {dot.get_label(): dot.get_offsets() for dot in dots}
    # A population may be called as a control is, which has its own marker and label.
    assert list(found) == ["flow", "shuffled", "gan", "replay control", "neuron-shuffled"]
    ratios = {label: points[:, 0].tolist() for label, points in found.items()}
    assert ratios["flow"] == pytest.approx([3.0, 1.0])
    assert ratios["shuffled"] == pytest.approx([1.5, 1.0])
    assert ratios["gan"] == pytest.approx([1.0])
    assert ratios["replay control"] == pytest.approx([1.05, 1.05])
    heights = [points[-1, 1] for label, points in found.items() if label != "neuron-shuffled"]
    assert len({round(height, 6) for height in heights}) == 4
    assert len({tuple(dot.get_facecolor()[0]) for dot in dots}) == 5
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    legend = [text.get_text() for text in display.figure_.legends[0].get_texts()]
    assert legend[:3] == ["flow", "shuffled", "gan"]


def test_many_populations_of_long_names_have_room_and_looks_of_their_own():
    names = [
        f"_a model of ${i}$ with a name that is longer than anyone wants to read" for i in "12"
    ]
    names += [f"model {i}" for i in range(10)]
    display = plotting.HeadlineDisplay.from_comparison(compare(**dict.fromkeys(names, 0.3)))
    figure = display.figure_
    figure.canvas.draw()
    (legend,) = figure.legends
    assert len(legend.get_texts()) == len(names) + 4
    box, whole = legend.get_window_extent(), figure.bbox
    assert box.x0 >= 0
    assert box.x1 <= whole.x1
    dots = display.axes_[0].collections
    looks = {
        (tuple(dot.get_facecolor()[0]), dot.get_paths()[0].vertices.tobytes())
        for dot in dots
        if "model" in str(dot.get_label())
    }
    assert len(looks) == len(names)


def test_headline_keeps_extreme_ratios_inside():
    display = plotting.HeadlineDisplay([row(), row(value=9e5), row(value=0.0)]).plot()
    left, right = display.axes_[0].get_xlim()
    assert 0.0 < left < 1.0 < right < 1000.0


def test_agreement_is_the_correlation_over_pairs():
    real, other = (
        np.corrcoef(np.random.default_rng(seed).normal(size=(6, 40))) for seed in range(2)
    )
    pairs = np.triu_indices(6, 1)
    expected = np.corrcoef(real[pairs], other[pairs])[0, 1]
    matrices = {"real": real, "synthetic": other, "train": np.eye(6)}
    display = plotting.CorrelationScatterDisplay(matrices).plot()
    titles = [ax.get_title() for ax in display.axes_]
    assert titles == [f"synthetic: r = {expected:.2f}", "real, training: r = n/a"]


def test_many_pairs_are_drawn_in_part_and_agree_in_full():
    real, other = (np.random.default_rng(seed).random((150, 150)) for seed in range(2))
    display = plotting.CorrelationScatterDisplay({"real": real, "synthetic": other}).plot()
    pairs = np.triu_indices(150, 1)
    assert display.r["synthetic"] == pytest.approx(np.corrcoef(real[pairs], other[pairs])[0, 1])
    points = display.axes_[0].collections[0].get_offsets()
    assert points.shape == (5000, 2)
    assert {tuple(point) for point in points} < set(zip(real[pairs], other[pairs], strict=True))


def test_heat_maps_of_distances_are_sorted_by_their_means():
    distances = np.random.default_rng(0).random((1, 6, 4))
    display = plotting.VanRossumMatrixDisplay({"synthetic": distances}).plot()
    drawn = display.axes_[0].images[0].get_array()
    assert np.all(np.diff(drawn.mean(axis=1)) >= 0)
    assert np.all(np.diff(drawn.mean(axis=0)) >= 0)
    assert sorted(drawn.ravel()) == sorted(distances.ravel())


def test_neurons_that_fire_together_stand_together_in_the_matrices():
    traces = np.random.default_rng(0).normal(size=(6, 500))
    traces[[1, 4]] += 2 * np.random.default_rng(1).normal(size=500)
    matrix = np.corrcoef(traces)
    display = plotting.CorrelationMatrixDisplay({"real": matrix, "synthetic": matrix}).plot()
    drawn = display.axes_[0].images[0].get_array()
    assert drawn[0, 1] == pytest.approx(matrix[1, 4])
    assert np.ma.getmaskarray(drawn).diagonal().all()  # ones would hide everything else
    limits = [ax.images[0].get_clim() for ax in display.axes_]
    assert limits[0] == limits[1] == (-limits[0][1], limits[0][1])


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
def test_many_losses_do_not_hide_the_validation(n_terms, n_validation, n_panels, expected):
    rows = [
        {"step": step}
        | {f"term_{i}": 1.0 / step for i in range(n_terms)}
        | {f"val_{i}": 1.0 / step for i in range(n_validation)}
        for step in (1, 2, 3)
    ]
    display = plotting.TrainingDisplay(rows).plot(max_panels=n_panels)
    terms, validation = expected
    titles = [f"term {i}" for i in range(terms)] + [f"val. {i}" for i in range(validation)]
    assert [ax.get_title() for ax in display.axes_] == titles


def test_training_curves_skip_what_is_not_a_finite_number():
    rows = [{"step": 1, "loss": np.nan, "note": "x"}, {"step": 2, "loss": 1.0, "val_x": None}]
    assert [ax.get_title() for ax in plotting.TrainingDisplay(rows).plot().axes_] == ["loss"]
    with pytest.raises(ValueError, match="history_"):
        plotting.TrainingDisplay([{"step": 1}]).plot()


def test_long_histories_are_smoothed():
    rows = [{"step": s, "loss": float(s % 7)} for s in range(1, 1001)]
    (ax,) = plotting.TrainingDisplay(rows).plot().axes_
    assert [len(line.get_xdata()) for line in ax.lines] == [1000, 50]


def test_roc_curves_have_the_area_in_their_labels():
    scores = np.round(np.random.default_rng(0).normal(size=(2, 2, 3, 40)), 1)  # with ties
    scores[1] += 0.7
    areas = [
        roc_auc_score(np.repeat([0, 1], 40), scores[:, i, j].ravel())
        for i in range(2)
        for j in range(3)
    ]
    display = plotting.RocDisplay({"synthetic": scores, "train": scores[:, 0, 0]}).plot()
    curves, *histograms = display.axes_
    _, labels = curves.get_legend_handles_labels()
    assert labels[0] == f"synthetic ({np.mean(areas):.2f})"
    assert labels[1] == f"real, training ({areas[0]:.2f})"
    x, y = curves.lines[0].get_data()
    assert np.trapezoid(y, x) == pytest.approx(np.mean(areas), abs=0.01)
    shown = [ax.get_legend_handles_labels()[1] for ax in histograms]
    assert shown == [["real, held-out", "synthetic"], ["real, held-out", "real, training"]]


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_constant_data_draw_without_warnings(value):
    windows = {name: np.full((4, 16, 3), value) for name in ("real", "synthetic")}
    flat = {name: array[0] for name, array in windows.items()}
    for display in (
        plotting.WindowsDisplay(windows, 10.0),
        plotting.TracesDisplay(windows, 10.0, spikes=windows),
        plotting.RasterDisplay({name: np.zeros((1, 16, 3)) for name in flat}, 10.0),
        plotting.FiringRateDisplay(flat, resolution=0.1),
        plotting.CorrelationDisplay({"real": [np.nan], "synthetic": [value]}, 0.5),
        plotting.CorrelationDisplay({"real": [np.nan]}, 0.5),
        plotting.KLHistogramDisplay({"x": {"train": np.full(4, value), "synthetic": [np.nan]}}),
        plotting.PopulationCountDisplay({"real": np.zeros((2, 3), dtype=int)}, 3),
        plotting.PowerSpectrumDisplay({"real": ([1.0, 2.0], np.full((3, 2), value))}),
        plotting.VanRossumMatrixDisplay({"synthetic": np.full((2, 3, 3), value)}),
        plotting.CorrelationMatrixDisplay({"real": np.eye(3), "synthetic": np.eye(3)}),
    ):
        display.plot().figure_.canvas.draw()
