"""Displays of data for which statistics are undefined are drawn, and numpy warns of nothing."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from calgan import plotting

RATE, WINDOW, N = 10.0, 32, 12
DISPLAYS = [
    getattr(plotting, name)
    for name in plotting.__all__
    if hasattr(getattr(plotting, name), "from_samples")
]
PAIRS = {name for name in plotting.__all__ if "Correlation" in name or "Covariance" in name}
PAIRS = (PAIRS | {"VanRossumDisplay"}) - {"AutocorrelationDisplay"}

each_display = pytest.mark.parametrize("cls", DISPLAYS, ids=lambda cls: cls.__name__)


def draw(n_neurons, groups=("real", "synthetic", "train", "shuffled"), seed=0):
    """Return what the displays read of an evaluation: traces and spikes of every group."""
    rng = np.random.default_rng(seed)
    spikes = {g: (rng.random((N, WINDOW, n_neurons)) < 0.2).astype(np.float32) for g in groups}
    windows = {g: x + 0.1 * rng.normal(size=x.shape).astype(np.float32) for g, x in spikes.items()}
    return SimpleNamespace(
        statistics=(),
        windows=windows,
        spikes=spikes,
        frame_rate=RATE,
        roi_ids=None,
        units="dF/F",
    )


def silence(data, group, neurons=slice(None), level=0.3):
    """Make neurons of a group constant, without spikes."""
    data.windows[group][:, :, neurons] = level
    data.spikes[group][:, :, neurons] = 0.0
    return data


def one_neuron():
    return draw(1)


def two_neurons():
    return draw(2)


def two_neurons_of_which_one_is_silent():
    return silence(draw(2), "real", 0)


def silent_synthetic_windows():
    return silence(draw(11), "synthetic")


def silent_real_windows():
    return silence(draw(11), "real")


def nothing_but_silence():
    data = draw(11)
    for group in data.windows:
        silence(data, group)
    return data


def neurons_that_are_constant():
    data = draw(11)
    for group in data.windows:
        silence(data, group, [0, 3], level=0.0)
    return silence(data, "train", 5, level=1000.1)


def neither_controls_nor_training_windows():
    return draw(11, ("real", "synthetic"))


CASES = [
    one_neuron,
    two_neurons,
    two_neurons_of_which_one_is_silent,
    silent_synthetic_windows,
    silent_real_windows,
    nothing_but_silence,
    neurons_that_are_constant,
    neither_controls_nor_training_windows,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
@each_display
def test_undefined_data_are_drawn_without_warnings(cls, case):
    data = case()
    if case is one_neuron and cls.__name__ in PAIRS:
        with pytest.raises(ValueError, match="only one neuron"):
            cls.from_evaluation(data)
        return
    figure = cls.from_evaluation(data).figure_
    figure.canvas.draw()
    panels = [ax for ax in figure.axes if ax.get_visible()]
    assert all(np.isfinite([*ax.get_xlim(), *ax.get_ylim()]).all() for ax in panels)


def test_an_undefined_agreement_says_so():
    display = plotting.CorrelationScatterDisplay.from_evaluation(silent_real_windows())
    assert [ax.get_title().partition(": ")[2] for ax in display.axes_] == ["r = n/a"] * 3
    assert np.isnan(display.r["synthetic"])
    rates = plotting.RateScatterDisplay({"real": [np.nan], "synthetic": [0.3]}).plot()
    assert [text.get_text() for text in rates.ax_.get_legend().get_texts()] == [
        "synthetic: RMSE n/a Hz"
    ]


def test_empty_panels_say_that_there_is_no_number():
    silent = silent_real_windows()
    matrices = plotting.CorrelationMatrixDisplay.from_evaluation(silent).axes_
    divergences = plotting.KLHistogramDisplay.from_evaluation(silent).axes_
    nothing = plotting.CorrelationDisplay({"real": [[np.nan]]}, 0.5).plot().axes_
    said = [[text.get_text() for text in ax.texts] for ax in (*matrices, *divergences, *nothing)]
    assert said == [["n/a"], [], [], [], [], ["n/a"], [], ["n/a"]]
