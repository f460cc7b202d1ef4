"""Figures refuse wrong arguments with one sentence that names the argument."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from calgan import Recording, evaluate, plotting
from calgan.datasets import make_process
from calgan.spikes.noise_study import NoiseStudy

RATE, N, T, NEURONS = 10.0, 6, 16, 4


def groups(*shape, names=("real", "synthetic")):
    rng = np.random.default_rng(0)
    return {name: rng.random(shape) for name in names}


def row(**changes):
    values = {"name": "a", "group": "published", "value": 0.4, "baseline": None}
    return SimpleNamespace(**{**values, "judged_by": "ratio", "controls": {}, **changes})


WINDOWS = groups(N, T, NEURONS)
STUDY = NoiseStudy("OASIS", np.array([2.0, 1.0]), np.array([[0.8], [0.4]]), None, 0.1, np.arange(1))
SEARCH = {
    "params": [{"x": 1}, {"x": 2}],
    "mean_fit_time": [1.0, 2.0],
    "split0_test_score": [0.1, 0.2],
}
# The arguments of each display, the first of them its numbers.
GOOD = {
    "AutocorrelationDisplay": {"autocorrelations": groups(3, 5), "frame_rate": RATE},
    "CellsDisplay": {"masks": np.ones((2, 4, 5)), "image": np.ones((4, 5))},
    "CorrelationDisplay": {"correlations": groups(5, 6), "bin_seconds": 0.5},
    "CorrelationMatrixDisplay": {"matrices": groups(4, 4)},
    "CorrelationScatterDisplay": {"matrices": groups(4, 4)},
    "CovarianceScatterDisplay": {"matrices": groups(4, 4)},
    "FiringRateDisplay": {"rates": groups(9, 3)},
    "HeadlineDisplay": {"statistics": [row()]},
    "KLHistogramDisplay": {"divergences": {"firing_rate": groups(9)}},
    "NoiseStudyDisplay": {"studies": {"first": STUDY, "second": STUDY}},
    "PopulationCountDisplay": {"counts": {"real": [[0, 2, 1]]}, "n_neurons": 3},
    "PowerSpectrumDisplay": {"spectra": {"real": (np.arange(1, 5), np.ones((3, 4)))}},
    "RasterDisplay": {"spikes": WINDOWS, "frame_rate": RATE},
    "RateScatterDisplay": {"mean_rates": groups(5)},
    "RocDisplay": {"scores": groups(2, 3, 9, names=("synthetic", "train"))},
    "SearchDisplay": {"results": SEARCH},
    "TracesDisplay": {"windows": WINDOWS, "frame_rate": RATE},
    "TrainingDisplay": {"history": [{"step": 1, "loss": 0.5}]},
    "VanRossumDisplay": {"distances": groups(5, 6)},
    "VanRossumMatrixDisplay": {"distances": groups(2, 5, 6)},
    "WindowsDisplay": {"windows": WINDOWS, "frame_rate": RATE},
}


def draw(name, plot=None, **arguments):
    """Draw a display of good numbers, some of its arguments replaced."""
    return getattr(plotting, name)(**{**GOOD[name], **arguments}).plot(**(plot or {}))


def refused(call, *arguments, **options):
    """Return the sentence with which a call is refused."""
    with pytest.raises((TypeError, ValueError)) as caught:
        call(*arguments, **options)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert 20 < len(sentence) < 400
    return sentence


def test_every_display_is_tested_here():
    assert sorted(GOOD) == sorted(plotting.__all__)


WRONG = [None, -1, np.nan, "text", b"x", [], [[1, 2], [3]], {}, {1}, 1j, object(), np.ones((3, 4))]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda x: type(x).__name__)
@pytest.mark.parametrize("name", GOOD)
def test_numbers_of_another_kind_are_refused(name, wrong):
    first = next(iter(GOOD[name]))
    message = refused(draw, name, **{first: wrong})
    assert first in message or message.startswith("No statistic has a train-test baseline")


UNGROUPED = {"CellsDisplay", "HeadlineDisplay", "SearchDisplay", "TrainingDisplay"}
GROUPED = sorted(set(GOOD) - UNGROUPED)


@pytest.mark.parametrize("name", GROUPED)
@pytest.mark.parametrize(
    "wrong",
    [None, "text", [[1.0, 2.0], [3.0]], np.ones((4, 4)) * 1j, ["a", "b"], 1e300, object()],
    ids=["none", "text", "ragged", "complex", "names", "huge", "object"],
)
def test_a_group_of_what_is_no_numbers_is_refused_by_name(name, wrong):
    first, good = next(iter(GOOD[name].items()))
    inner = good.get("firing_rate", good)
    last = list(inner)[-1]
    wrong = {**inner, last: (np.arange(1, 5), wrong) if name == "PowerSpectrumDisplay" else wrong}
    wrong = {"firing_rate": wrong} if name == "KLHistogramDisplay" else wrong
    message = refused(draw, name, **{first: wrong})
    assert first in message
    assert last in message


@pytest.mark.parametrize("name", GOOD)
def test_a_place_that_is_no_axes_of_a_figure_is_refused(name):
    removed, free = Figure().add_subplot(), Figure().add_axes((0, 0, 1, 1))
    removed.remove()
    polar = Figure().add_subplot(projection="polar")
    display = getattr(plotting, name)(**GOOD[name])
    for place in ("ax", 3, Figure(), [free], Figure().subplots(1, 2), Figure().add_gridspec(1, 1)):
        assert "ax must be matplotlib Axes, got" in refused(display.plot, ax=place)
    assert "ax was removed from its figure" in refused(display.plot, ax=removed)
    assert "ax is polar" in refused(display.plot, ax=polar)


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        # numbers
        ("TracesDisplay", {"windows": {}}, "windows must be a non-empty mapping"),
        ("TracesDisplay", {"windows": {3: WINDOWS["real"]}}, "names of groups as its keys, got 3"),
        ("TracesDisplay", {"windows": {"real": np.zeros(3)}}, "must have 3 dimensions"),
        ("TracesDisplay", {"windows": {"real": np.zeros((0, T, 2))}}, r"'real'\] is empty"),
        ("TracesDisplay", {"windows": {"real": WINDOWS["real"] * np.nan}}, "nan at (0, 0, 0)"),
        ("RasterDisplay", {"spikes": {"real": WINDOWS["real"] + np.inf}}, "are finite, got inf"),
        ("RasterDisplay", {"spikes": {**WINDOWS, "train": np.ones((2, T, 3))}}, "last axis"),
        ("TracesDisplay", {"spikes": groups(N - 1, T, NEURONS)}, "spikes must be of the windows"),
        ("TracesDisplay", {"spikes": groups(N, T, NEURONS, names=["real"])}, "of the windows"),
        ("WindowsDisplay", {"scale": np.ones((2, T, 3))}, "must share their last axis"),
        ("WindowsDisplay", {"order": [0, 1, 1, 2]}, "order must hold each of the 4 neurons once"),
        ("WindowsDisplay", {"order": [0, 1, 2, 4]}, "neuron 4 is out of range"),
        ("CorrelationMatrixDisplay", {"order": [1, 0]}, "order must hold each of the 4"),
        ("CorrelationMatrixDisplay", {"matrices": groups(3, 4)}, "must be square, got shape"),
        ("CorrelationScatterDisplay", {"matrices": groups(4, 4, names="ab")}, 'must hold "real"'),
        ("CorrelationScatterDisplay", {"matrices": {"real": np.eye(3)}}, "at least one other"),
        ("CorrelationScatterDisplay", {"matrices": groups(1, 1)}, "one has no pairs"),
        ("VanRossumMatrixDisplay", {"distances": {"synthetic": np.eye(3)}}, "3 dimensions, got"),
        ("VanRossumMatrixDisplay", {"distances": {**groups(2, 3, 3), "train": np.ones((3, 3, 3))}},
         "share their first axis"),
        ("PowerSpectrumDisplay", {"spectra": {"real": ([1, 2], np.ones((3, 4)))}}, "shape"),
        ("PowerSpectrumDisplay", {"spectra": {"real": [1, 2, 3]}}, "pairs (frequencies, power)"),
        ("RocDisplay", {"scores": {"synthetic": np.ones(3)}}, "must hold two sides"),
        ("RocDisplay", {"scores": {"synthetic": np.ones((2, 0))}}, "must hold two sides"),
        ("RateScatterDisplay", {"mean_rates": {"real": [1, 2], "train": [1]}}, "last axis"),
        ("FiringRateDisplay", {"rates": {"real": [[0.1, -0.2]]}}, "not negative, got -0.2 at"),
        ("PopulationCountDisplay", {"n_neurons": 1}, "counts hold 2, but n_neurons=1"),
        ("TrainingDisplay", {"history": [{3: 1.0}]}, "a list of mappings from names to numbers"),
        ("TrainingDisplay", {"history": [{"step": "a", "loss": 1}]}, "a step of history must be"),
        # what goes with them
        ("RasterDisplay", {"frame_rate": 0}, "frame_rate must be a positive, finite number"),
        ("AutocorrelationDisplay", {"frame_rate": None}, "frame_rate must be a number of frames"),
        ("WindowsDisplay", {"frame_rate": np.ones(3)}, "got an array of shape (3,)"),
        ("CorrelationDisplay", {"bin_seconds": "a"}, "bin_seconds must be a finite number above 0"),
        ("FiringRateDisplay", {"resolution": -1}, "resolution must be a finite number above 0"),
        ("FiringRateDisplay", {"roi_ids": "abc"}, "roi_ids must be a list of 3 names"),
        ("TracesDisplay", {"roi_ids": [1]}, "roi_ids must be a list of 4 names"),
        ("TracesDisplay", {"units": None}, "units must be text such as"),
        ("PowerSpectrumDisplay", {"units": 3}, "units must be text such as"),
        ("CorrelationScatterDisplay", {"of": "rates"}, "of must be 'traces' or 'spikes', got 'ra"),
        ("PopulationCountDisplay", {"n_neurons": 2.0}, "n_neurons must be an integer"),
        ("TrainingDisplay", {"best_step": "last"}, "best_step must be an integer"),
        # options of plot
        ("TrainingDisplay", {"plot": {"max_panels": 0}}, "max_panels must be an integer"),
        ("WindowsDisplay", {"plot": {"n_shown": 0}}, "n_shown must be an integer of at least 1"),
        ("TracesDisplay", {"plot": {"neurons": [[0], [1, 2]]}}, "neurons is ragged"),
        ("TracesDisplay", {"plot": {"neurons": -1}}, "neuron -1 is out of range"),
        ("FiringRateDisplay", {"plot": {"neurons": [0.5]}}, "an index or a list of indices"),
        ("VanRossumMatrixDisplay", {"plot": {"neurons": []}}, "an index or a list of indices"),
        ("RasterDisplay", {"plot": {"window": N}}, "there are 6 real windows, numbered 0 to 5"),
        ("RasterDisplay", {"plot": {"window": 0.5}}, "window must be an integer of at least 0"),
        ("KLHistogramDisplay", {"plot": {"statistic": ["x"]}}, "only of 'firing_rate'"),
    ],
)  # fmt: skip
def test_wrong_arguments_get_one_clear_sentence(name, arguments, sentence):
    assert sentence.replace("\\", "") in refused(draw, name, **arguments)


def test_names_of_groups_are_drawn_as_they_are():
    values = {"real": np.arange(5.0), "_hidden": np.arange(5.0), "$x": np.ones(5), "y" * 90: 3.0}
    display = plotting.CorrelationDisplay(values, 0.5).plot()
    display.figure_.canvas.draw()
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels[1:3] == [" _hidden", r"\$x"]
    assert labels[3].replace("\n", "") == "y" * 90


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"ax": 3}, "ax must be matplotlib Axes"),
        ({"scores": 3}, "scores must be a list of names, got 3"),
        ({"sort_by": 3}, "sort_by must be a list of names, got [3]"),
        ({"labels": [1, 2]}, "labels must be a list of names"),
        ({"params": "text"}, "'params' of the results must be a list of mappings"),
        ({"mean_fit_time": [1.0]}, "'mean_fit_time' of the results must hold a number for each"),
        ({"split0_test_score": ["a", "b"]}, "'split0_test_score' must hold real numbers"),
    ],
)
def test_wrong_results_of_a_search_are_refused(arguments, sentence):
    options = {name: x for name, x in arguments.items() if name not in SEARCH}
    results = {**SEARCH, **{name: x for name, x in arguments.items() if name in SEARCH}}
    assert sentence in refused(plotting.SearchDisplay.from_search, results, **options)


# --- constructors -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def evaluation():
    process = make_process(NEURONS, frame_rate=RATE, random_state=0)
    train, test = (process.sample_recording(60.0, random_state=i)[0] for i in (1, 2))
    synthetic, _ = process.sample_windows(100, T, random_state=3)
    return evaluate(test, synthetic, train=train, random_state=0, n_splits=1, n_bootstrap=0)


OF_OTHERS = {"CellsDisplay", "NoiseStudyDisplay", "SearchDisplay"}


@pytest.mark.parametrize("name", sorted(set(GOOD) - OF_OTHERS))
def test_only_an_evaluation_is_one(name, evaluation):
    display = getattr(plotting, name)
    empty = SimpleNamespace(statistics=3, windows=3, spikes=3)
    for wrong in (None, 3, "text", [], {}, np.ones(3), empty):
        assert "a result of calgan.evaluate" in refused(display.from_evaluation, wrong)
    if name == "HeadlineDisplay":
        assert "a result of calgan.compare" in refused(display.from_comparison, evaluation)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"synthetic": WINDOWS["real"][0]}, "the figure takes windows of shape (M, T, N)"),
        ({"synthetic": WINDOWS["real"] * np.nan}, "synthetic contains NaN or infinity"),
        ({"real": WINDOWS["real"] * 1j}, "Complex data not supported: real"),
        ({"real": lambda: 0}, "real must be an array of real numbers, got function"),
        ({"real": WINDOWS["real"][:, :9]}, "real holds windows of 9 frames, but the synthetic"),
        ({"real": WINDOWS["real"][:, :, :3]}, "real has 3 neurons and synthetic has 4"),
        ({"real": np.ones((9, NEURONS))}, "the longest segment of real has only 9"),
        ({"train": np.ones((99, 3))}, "train has 3 neurons"),
        ({"train": Recording(np.ones((99, NEURONS)), 2 * RATE)}, "frame rates differ"),
        ({"frame_rate": np.ones((3, 3))}, "frame_rate must be a number of frames per second"),
        ({"random_state": np.ones((3, 3))}, "random_state must be None, a non-negative integer"),
        ({"deconvolver": "oasis"}, "deconvolver must be an OasisDeconvolver, got str"),
        ({"spikes": WINDOWS["real"]}, "spikes must be a pair"),
        ({"spikes": ([[1, 2], [3]], WINDOWS["real"])}, "real spikes is ragged"),
        ({"spikes": (WINDOWS["real"][1:], WINDOWS["real"])}, "spikes of the real windows have"),
        ({"train": np.ones((99, NEURONS)), "spikes": (0, 0)}, "belong to two arrays of windows"),
        ({"real": np.ones((99, NEURONS)), "spikes": (0, 0)}, "belong to two arrays of windows"),
        ({"window": N}, "there are 6 real windows"),
        ({"axis": 3}, "RasterDisplay has no option 'axis'; its options are window, ax"),
    ],
)
def test_wrong_samples_are_refused(arguments, sentence):
    given = {**WINDOWS, "frame_rate": RATE, "spikes": tuple(WINDOWS.values()), **arguments}
    if not {"spikes", "axis", "window"} & set(arguments):
        given["spikes"] = None
    assert sentence in refused(plotting.RasterDisplay.from_samples, **given)


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("CorrelationMatrixDisplay", {"of": np.ones(3)}, "of must be 'traces' or 'spikes'"),
        (
            "KLHistogramDisplay",
            {"protocol": "x"},
            "protocol must be 'blocked' or 'thesis', got 'x'",
        ),
        ("TracesDisplay", {"neurons": [1, NEURONS]}, "neuron 4 is out of range"),
        ("WindowsDisplay", {"n_shown": 1.5}, "n_shown must be an integer"),
        ("RocDisplay", {"ax": "ax"}, "ax must be matplotlib Axes, got str"),
        ("HeadlineDisplay", {"ax": Figure()}, "ax must be matplotlib Axes, got Figure"),
    ],
)
def test_wrong_options_are_refused(name, options, sentence, evaluation):
    assert sentence in refused(getattr(plotting, name).from_evaluation, evaluation, **options)


def test_a_figure_of_pairs_needs_two_neurons():
    one = {name: x[:, :, :1] for name, x in WINDOWS.items()}
    message = refused(plotting.CorrelationDisplay.from_samples, **one, frame_rate=RATE)
    assert message == "the figure compares pairs of neurons, but there is only one neuron."


def test_what_cannot_be_sampled_is_refused():
    for wrong in (None, 3, "text", [], np.ones(3)):
        assert "cannot sample" in refused(
            plotting.RasterDisplay.from_estimator, wrong, WINDOWS["real"]
        )
        assert "keeps no training history" in refused(
            plotting.TrainingDisplay.from_estimator, wrong
        )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"path": 3}, "a file name must be a path such as"),
        ({"title": ["a"]}, "title must be text such as"),
        ({"figures": 3}, "the name of a folder must be a path, got 3"),
        ({"verbose": "loud"}, "verbose must be None, 0 or 1, got 'loud'"),
    ],
)
def test_wrong_arguments_of_a_report_are_refused(arguments, sentence, evaluation, tmp_path):
    given = {"path": tmp_path / "report.html", **arguments}
    assert sentence in refused(evaluation.to_html, **given)
    assert not list(tmp_path.iterdir())
