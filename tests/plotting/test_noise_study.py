"""The figure of noise studies shows the numbers of each, and says in which bins."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

from calgan.plotting import NoiseStudyDisplay
from calgan.spikes.noise_study import NoiseStudy

LEVELS = np.array([4.0, 2.0, 1.0, 0.5])


def study(seed=0, *, n_neurons=6, has_truth=True, bin_width=0.1, levels=LEVELS):
    """Curves that fall through half between 2 and 1."""
    spread = np.random.default_rng(seed).uniform(-0.1, 0.1, n_neurons)
    curves = np.array([0.9, 0.7, 0.35, 0.2])[: len(levels), None] + spread
    truth = np.vstack([curves[:1], curves]) - 0.05 if has_truth else None
    return NoiseStudy("OASIS", levels, curves, truth, bin_width, np.arange(n_neurons))


def labels_of(display):
    (legend,) = display.figure_.legends
    return [text.get_text().split("\n") for text in legend.get_texts()]


def curves_of(ax):
    """Return the thick lines, one a study, by their colours."""
    return {line.get_color(): line for line in ax.lines if line.get_marker() in "osD^v"}


def test_lines_are_the_neurons_and_their_mean():
    one = study()
    display = NoiseStudyDisplay.from_study(one)
    left, right = display.axes_
    thin = [line for line in left.lines if line.get_linewidth() < 0.7]
    assert_allclose([line.get_ydata() for line in thin], one.correlation.T)
    assert_allclose([line.get_xdata() for line in thin], np.tile(LEVELS, (6, 1)))
    (mean,) = curves_of(left).values()
    assert_allclose(mean.get_ydata(), one.mean)
    marks = [line for line in left.lines if line.get_marker() == "|"]
    assert_allclose([mark.get_xdata() for mark in marks], [[one.half_point]])
    bars = [line for line in left.lines if line.get_linewidth() == 4.0]
    assert_allclose([bar.get_xdata() for bar in bars], [one.half_point_interval])
    (truth,) = [
        line for line in right.lines if len(line.get_xdata()) == 4 and line.get_marker() == "o"
    ]
    assert_allclose(truth.get_ydata(), one.truth[1:].mean(axis=1))
    (alone,) = [line for line in right.lines if len(line.get_xdata()) == 1]
    assert alone.get_xdata()[0] > LEVELS.max()
    assert_allclose(alone.get_ydata(), one.truth[:1].mean(axis=1))
    ticks = [text.get_text() for text in right.get_xticklabels()]
    assert ticks == ["0.5", "1", "2", "4", "∞"]


def test_the_legend_has_name_half_point_and_interval():
    one = study()
    low, high = one.half_point_interval
    sentence = f"half at SNR {one.half_point:.2f} [{low:.2f}, {high:.2f}]"
    assert labels_of(NoiseStudyDisplay.from_study(one)) == [["OASIS", sentence]]
    never = study(levels=LEVELS[:2])
    assert labels_of(NoiseStudyDisplay.from_study(never))[0][1] == "half at SNR n/a [n/a, n/a]"


def test_several_studies_have_colours_and_markers_of_their_own():
    names = ["OASIS", "a network", "$dollars", "_hidden"]
    display = NoiseStudyDisplay.from_study({name: study(i) for i, name in enumerate(names)})
    display.figure_.canvas.draw()
    lines = curves_of(display.axes_[0])
    assert len(lines) == 4
    assert len({line.get_marker() for line in lines.values()}) == 4
    assert [label[0] for label in labels_of(display)] == [
        "OASIS",
        "a network",
        r"\$dollars",
        " _hidden",
    ]


def test_true_spikes_have_a_panel_where_a_study_knows_them():
    blind = study(has_truth=False)
    assert len(NoiseStudyDisplay.from_study(blind).axes_) == 1
    display = NoiseStudyDisplay.from_study({"blind": blind, "seeing": study()})
    left, right = display.axes_
    assert len(curves_of(left)) == 2
    assert len(curves_of(right)) == 1
    assert set(curves_of(right)) < set(curves_of(left))


def test_bins_are_stated_with_each_study_where_they_differ():
    same = NoiseStudyDisplay.from_study({"a": study(), "b": study(1)})
    assert same.axes_[0].get_ylabel() == "correlation\n(bins of 0.1 s)"
    differ = NoiseStudyDisplay.from_study({"a": study(), "b": study(1, bin_width=0.5)})
    assert differ.axes_[0].get_ylabel() == "correlation"
    assert [label[1].rpartition(", ")[2] for label in labels_of(differ)] == [
        "bins of 0.1 s",
        "bins of 0.5 s",
    ]


def test_panels_share_the_place_of_given_axes():
    figure = Figure()
    left, right = figure.subplots(1, 2)
    display = NoiseStudyDisplay.from_study(study(), ax=right)
    assert display.figure_ is figure
    assert not left.has_data()
    again = display.plot()
    assert again.figure_ is not figure


@pytest.mark.parametrize("n_neurons", [1, 3])
def test_neurons_without_a_correlation_are_left_out(n_neurons):
    one = study(n_neurons=n_neurons)
    one.correlation[:, 0] = np.nan
    one.truth[:, 0] = np.nan
    display = NoiseStudyDisplay.from_study(one)
    display.figure_.canvas.draw()
    assert all(np.isfinite([*ax.get_xlim(), *ax.get_ylim()]).all() for ax in display.axes_)


def test_only_studies_are_drawn():
    for wrong in (None, 3, "OASIS", [study()], {}):
        with pytest.raises(TypeError, match=r"studies must be a non-empty mapping"):
            NoiseStudyDisplay.from_study(wrong)
    with pytest.raises(TypeError, match=r"studies\['a'\] must be a result of calgan.noise_study"):
        NoiseStudyDisplay.from_study({"a": study().correlation})
    with pytest.raises(TypeError, match="must have names as its keys, got 3"):
        NoiseStudyDisplay.from_study({3: study()})
