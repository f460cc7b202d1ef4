"""The displays: how they are made, where they draw, their numbers, and what they refuse."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from stand_in import NoiseGenerator

from calgan import (
    MinMaxScaler,
    OasisDeconvolver,
    Recording,
    Windower,
    evaluate,
    metrics,
    plotting,
    sample,
)
from calgan.datasets import make_process

RATE, WINDOW, NEURONS, N = 10.0, 32, 10, 40
EVERY = [getattr(plotting, name) for name in plotting.__all__]
COMPARISONS = [cls for cls in EVERY if hasattr(cls, "from_samples")]
ONE_PANEL = {
    "AutocorrelationDisplay",
    "CorrelationDisplay",
    "PopulationCountDisplay",
    "PowerSpectrumDisplay",
    "RateScatterDisplay",
    "VanRossumDisplay",
}
MANY_PANELS = [cls for cls in COMPARISONS if cls.__name__ not in ONE_PANEL]
HISTORY = [{"step": s, "critic_loss": 1.0 / s, "val_score": 0.1 * s} for s in range(1, 21)]

each_comparison = pytest.mark.parametrize("cls", COMPARISONS, ids=lambda cls: cls.__name__)


@pytest.fixture(scope="module")
def data():
    process = make_process(NEURONS, frame_rate=RATE, random_state=0)
    train, _ = process.sample_recording(60.0, random_state=1)
    test, _ = process.sample_recording(60.0, random_state=2)
    synthetic, spikes = process.sample_windows(N, WINDOW, random_state=3)
    real, real_spikes = process.sample_windows(N + 5, WINDOW, random_state=4)
    return {
        "train": train,
        "test": test,
        "synthetic": synthetic,
        "spikes": spikes,
        "real": real,
        "real_spikes": real_spikes,
    }


@pytest.fixture(scope="module")
def evaluation(data):
    with pytest.warns(UserWarning, match="below 100"):
        return evaluate(
            data["test"],
            data["synthetic"],
            train=data["train"],
            random_state=0,
            n_splits=1,
            n_bootstrap=0,
            model=fitted(data),
        )


def fitted(data):
    steps = [
        ("windower", Windower(WINDOW)),
        ("scaler", MinMaxScaler()),
        ("generator", NoiseGenerator(random_state=0)),
    ]
    return Pipeline(steps).fit(data["train"])


def given(data, cls, **options):
    """Return the display of two arrays of windows with their true spikes."""
    spikes = (data["real_spikes"], data["spikes"])
    return cls.from_samples(
        data["real"], data["synthetic"], frame_rate=RATE, spikes=spikes, **options
    )


def contents(display):
    """Return the arrays that a display holds, flattened to one mapping."""
    found = {}

    def walk(name, value):
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{name}.{key}", inner)
        elif isinstance(value, tuple):
            for key, inner in enumerate(value):
                walk(f"{name}.{key}", inner)
        elif isinstance(value, np.ndarray):
            found[name] = value

    for name, value in vars(display).items():
        if not name.endswith("_"):
            walk(name, value)
    return found


def assert_same(first, second):
    assert set(first) == set(second)
    assert first
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name], err_msg=name)


def assert_drawn(display):
    display.figure_.canvas.draw()
    assert type(display.figure_) is Figure
    assert display.axes_.size
    assert all(panel.has_data() for panel in display.axes_ if panel.get_visible())
    assert any(panel.get_xlabel() for panel in display.axes_)


# --- every display, every constructor -----------------------------------------------------------


@each_comparison
def test_from_samples_sees_what_an_evaluation_sees(cls, data, evaluation):
    of_samples = cls.from_samples(
        data["test"], data["synthetic"], train=data["train"], random_state=0
    )
    of_evaluation = cls.from_evaluation(evaluation)
    assert_drawn(of_evaluation)
    mine, theirs = contents(of_samples), contents(of_evaluation)
    controls = ("shuffled", "dichotomized_gaussian")
    assert_same(mine, {name: x for name, x in theirs.items() if not name.endswith(controls)})


@each_comparison
def test_from_estimator_samples_the_estimator(cls, data):
    model = fitted(data)
    rest = {"train": data["train"], "random_state": 5}
    of_model = cls.from_estimator(model, data["test"], n_samples=24, **rest)
    of_samples = cls.from_samples(data["test"], sample(model, 24, random_state=5), **rest)
    assert_same(contents(of_model), contents(of_samples))


@each_comparison
def test_plot_twice_gives_two_figures_and_no_pyplot(cls, data):
    with mpl.rc_context({"font.size": 23.0}):
        before, numbers = dict(mpl.rcParams), np.random.get_state()[1].tolist()
        display = given(data, cls)
        first = display.figure_
        assert display.plot() is display
        assert display.figure_ is not first
        assert_drawn(display)
        assert dict(mpl.rcParams) == before
        assert np.random.get_state()[1].tolist() == numbers
    import matplotlib.pyplot as plt

    assert plt.get_fignums() == []


@each_comparison
def test_every_option_is_documented_and_unknown_ones_are_refused_at_once(cls):
    with pytest.raises(TypeError, match=f"{cls.__name__} has no option 'axis'") as caught:
        cls.from_estimator(None, None, axis=3)
    options = re.findall(r"\w+", str(caught.value).partition("its options are")[2])
    assert "ax" in options
    documented = cls.__doc__ + cls.plot.__doc__
    assert all(re.search(rf"\b{option}\b", documented) for option in options)
    with pytest.raises(TypeError, match="a result of calgan.evaluate, got dict"):
        cls.from_evaluation({})


# --- where they draw ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(ONE_PANEL))
def test_given_axes_are_drawn_on(name, data):
    figure = Figure()
    left, right = figure.subplots(1, 2)
    display = given(data, getattr(plotting, name), ax=right)
    assert display.ax_ is right
    assert display.figure_ is figure
    assert right.has_data()
    assert not left.has_data()
    assert figure.axes == [left, right]
    assert_drawn(display)
    assert display.plot(ax=left).ax_ is left


@pytest.mark.parametrize("cls", MANY_PANELS, ids=lambda cls: cls.__name__)
def test_several_panels_share_the_place_of_given_axes(cls, data):
    figure = Figure(figsize=(12, 8), layout="constrained")
    left, right = figure.subplots(1, 2)
    display = given(data, cls, ax=right)
    assert display.figure_ is figure
    figure.canvas.draw()
    assert not left.has_data()
    assert left.axison
    assert not right.axison
    middle = right.get_subplotspec().get_position(figure).x0 - 0.1
    assert all(panel.get_position().x0 >= 0 for panel in display.axes_)
    corners = [
        figure.transFigure.inverted().transform(panel.get_window_extent())[0, 0]
        for panel in display.axes_
    ]
    assert min(corners) > middle
    display.plot(ax=left)
    assert_drawn(display)
    upper, lower = Figure(figsize=(12, 8), layout="constrained").subfigures(2, 1)
    assert display.plot(ax=lower.add_subplot()).figure_ is upper.figure
    assert not upper.axes
    assert_drawn(display)


def test_points_that_were_there_keep_their_labels(data):
    ax = Figure().add_subplot()
    ax.scatter([0.1], [0.1], label="mine")
    for n in (2, 3):  # drawn a second time, too
        display = given(data, plotting.RateScatterDisplay, ax=ax)
        labels = [points.get_label() for points in ax.collections]
        rmse = f"synthetic: RMSE {display.rmse['synthetic']:.2g} Hz"
        assert labels == ["mine"] + [rmse] * (n - 1)


def test_a_place_is_axes_in_a_grid(data):
    figure = Figure()
    for cls in (plotting.RasterDisplay, plotting.RateScatterDisplay):
        with pytest.raises(TypeError, match=r"got Figure; of a figure pass figure.add_subplot\(\)"):
            given(data, cls, ax=figure)
    with pytest.raises(ValueError, match="no place in a grid"):
        given(data, plotting.RasterDisplay, ax=figure.add_axes((0.1, 0.1, 0.5, 0.5)))


def test_colour_bars_are_no_panels(data):
    display = given(data, plotting.CorrelationMatrixDisplay)
    assert len(display.figure_.axes) == len(display.axes_) + 1


def test_a_notebook_shows_own_figures_only(data):
    display = given(data, plotting.RateScatterDisplay)
    assert display._repr_png_().startswith(b"\x89PNG")
    assert display._repr_html_().startswith('<img alt="RateScatterDisplay" src="data:image/png')
    display.plot(ax=Figure().add_subplot())
    assert display._repr_html_() is None


def test_importing_the_displays_loads_neither_torch_nor_pyplot():
    code = (
        "import sys, calgan.plotting\n"
        "assert not {'torch', 'matplotlib.pyplot', 'oasis'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- what they hold -----------------------------------------------------------------------------


def test_rates_are_spikes_over_seconds(data):
    display = given(data, plotting.FiringRateDisplay)
    counts = {"real": data["real_spikes"], "synthetic": data["spikes"]}
    for group, spikes in counts.items():
        np.testing.assert_allclose(display.rates[group], spikes.sum(axis=1) / (WINDOW / RATE))
    assert display.resolution == RATE / WINDOW
    scatter = given(data, plotting.RateScatterDisplay)
    real = data["real_spikes"].sum(axis=(0, 1)) / (len(data["real"]) * WINDOW / RATE)
    synthetic = data["spikes"].sum(axis=(0, 1)) / (N * WINDOW / RATE)
    np.testing.assert_allclose(scatter.mean_rates["real"], real)
    expected = np.sqrt(np.mean((real - synthetic) ** 2))
    assert scatter.rmse == {"synthetic": pytest.approx(expected)}
    x, y = scatter.ax_.collections[0].get_offsets().T
    np.testing.assert_allclose([x, y], [real, synthetic])
    legend = [text.get_text() for text in scatter.ax_.get_legend().get_texts()]
    assert legend == [f"synthetic: RMSE {expected:.2g} Hz"]


def test_covariances_are_of_spikes_in_half_second_bins(data):
    display = given(data, plotting.CovarianceScatterDisplay)
    bins = data["spikes"][:, :30].reshape(N, 6, 5, NEURONS).sum(axis=2).reshape(-1, NEURONS)
    expected = (bins - bins.mean(0)).T @ (bins - bins.mean(0)) / (len(bins) - 1)
    np.testing.assert_allclose(display.matrices["synthetic"], expected, rtol=1e-4, atol=1e-6)
    traces = given(data, plotting.CovarianceScatterDisplay, of="traces").matrices["synthetic"]
    np.testing.assert_allclose(traces, np.cov(data["synthetic"].reshape(-1, NEURONS).T), rtol=1e-4)
    correlations = given(data, plotting.CorrelationScatterDisplay, of="spikes")
    np.testing.assert_allclose(
        correlations.matrices["synthetic"], np.corrcoef(bins.T), rtol=1e-4, atol=1e-6
    )
    pairs = np.triu_indices(NEURONS, 1)
    x, y = (display.matrices[group][pairs] for group in ("real", "synthetic"))
    assert display.r["synthetic"] == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert display.rmse["synthetic"] == pytest.approx(np.sqrt(np.mean((x - y) ** 2)))
    assert display.axes_[0].get_title() == f"synthetic: r = {display.r['synthetic']:.2f}"
    assert display.axes_[0].get_xlabel() == "covariance of spikes (real, held-out)"
    np.testing.assert_allclose(display.axes_[0].collections[0].get_offsets().T, [x, y])


def test_correlations_are_of_traces_unless_told(data):
    flat = data["real"].reshape(-1, NEURONS)
    for cls in (plotting.CorrelationScatterDisplay, plotting.CorrelationMatrixDisplay):
        matrices = given(data, cls).matrices
        np.testing.assert_allclose(matrices["real"], np.corrcoef(flat.T), atol=1e-5)
    spikes = given(data, plotting.CorrelationMatrixDisplay, of="spikes").matrices["real"]
    assert np.abs(spikes - matrices["real"]).max() > 0.05


def test_pair_statistics_are_those_of_each_window(data):
    correlations = given(data, plotting.CorrelationDisplay)
    bins = data["spikes"][7, :30].reshape(6, 5, NEURONS).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = np.corrcoef(bins.T)[np.triu_indices(NEURONS, 1)]
    np.testing.assert_allclose(correlations.correlations["synthetic"][7], expected, atol=1e-6)
    assert correlations.bin_seconds == 0.5

    kernel = np.exp(-np.abs(np.subtract.outer(np.arange(WINDOW), np.arange(WINDOW))) / RATE)

    def distance(a, b):
        return np.sqrt((a - b) @ kernel @ (a - b))

    distances = given(data, plotting.VanRossumDisplay).distances["real"]
    assert distances.shape == (N + 5, 45)
    trains = data["real_spikes"][3].astype(float)
    assert distances[3, 0] == pytest.approx(distance(trains[:, 0], trains[:, 1]), abs=1e-6)
    cross = given(data, plotting.VanRossumMatrixDisplay).distances["synthetic"]
    assert cross.shape == (NEURONS, N + 5, N)
    other = data["spikes"][4].astype(float)
    assert cross[6, 3, 4] == pytest.approx(distance(trains[:, 6], other[:, 6]), abs=1e-6)


def test_counts_spectra_and_autocorrelations_have_their_groups(data):
    counts = given(data, plotting.PopulationCountDisplay).counts
    np.testing.assert_array_equal(counts["synthetic"], (data["spikes"] > 0).sum(axis=2))
    frequencies, power = given(data, plotting.PowerSpectrumDisplay).spectra["synthetic"]
    np.testing.assert_array_equal(power, metrics.power_spectrum(data["synthetic"], RATE)[1])
    assert frequencies[-1] == RATE / 2
    lags = given(data, plotting.AutocorrelationDisplay).autocorrelations["real"]
    np.testing.assert_array_equal(lags, metrics.autocorrelation(data["real"], WINDOW // 2))


def test_statistics_of_many_pairs_are_of_neurons_drawn_at_random():
    spikes = (np.random.default_rng(0).random((400, 20, 300)) < 0.2).astype(np.float32)
    pair = {"frame_rate": RATE, "spikes": (spikes, spikes)}
    distances = plotting.VanRossumDisplay.from_samples(spikes, spikes, **pair).distances["real"]
    assert distances.size <= 1_000_000
    assert distances.shape == (200, 4950)  # all pairs of 100 neurons, every other window
    of_all = metrics.van_rossum_distance(spikes[:3], RATE)
    assert np.isin(distances[1].round(6), of_all[2].round(6)).all()
    same = plotting.KLHistogramDisplay.from_samples(spikes, spikes, **pair).divergences
    assert same["firing_rate"]["synthetic"].shape == (300,)
    np.testing.assert_array_equal(same["van_rossum"]["synthetic"], np.zeros(200))


@pytest.mark.parametrize("protocol", ["blocked", "thesis"])
def test_divergences_average_to_the_published_statistics(protocol, data):
    real, synthetic = data["real_spikes"][:N], data["spikes"]
    display = plotting.KLHistogramDisplay.from_samples(
        data["real"][:N],
        data["synthetic"],
        frame_rate=RATE,
        spikes=(real, synthetic),
        protocol=protocol,
    )
    rates = display.divergences["firing_rate"]["synthetic"]
    expected = metrics.firing_rate_kl(real, synthetic, RATE, protocol=protocol)
    assert rates.shape == (NEURONS,)
    assert rates.mean() == pytest.approx(expected)
    if protocol == "thesis":
        for name, divergence in (
            ("correlation", metrics.correlation_kl),
            ("van_rossum", metrics.van_rossum_kl),
        ):
            values = display.divergences[name]["synthetic"]
            expected = divergence(real, synthetic, RATE, protocol="thesis")
            assert np.nanmean(values) == pytest.approx(expected)
        return
    # Two bins of 45 values: the divergence of one window, by hand.
    values = metrics.van_rossum_distance(real, RATE)
    edge = (values.min() + values.max()) / 2
    p, q = (
        np.array([np.sum(d < edge), np.sum(d >= edge)]) + 0.5
        for d in (values[9], metrics.van_rossum_distance(synthetic, RATE)[9])
    )
    p, q = p / p.sum(), q / q.sum()
    found = display.divergences["van_rossum"]["synthetic"]
    assert found.shape == (N,)
    assert found[9] == pytest.approx(np.sum(p * np.log(p / q)))


def test_one_divergence_is_one_panel(data):
    ax = Figure().add_subplot()
    display = given(data, plotting.KLHistogramDisplay, statistic="correlation", ax=ax)
    (panel,) = display.axes_
    assert display.figure_ is ax.figure
    assert panel.get_xlabel() == "KL of correlation (nats)"
    assert display.plot().axes_.size == 3
    with pytest.raises(ValueError, match="no divergences of statistic='rate', only of 'firing"):
        display.plot(statistic="rate")
    few = plotting.KLHistogramDisplay.from_samples(
        data["real"][:, :, :3], data["synthetic"][:, :, :3], frame_rate=RATE
    )
    assert list(few.divergences) == ["firing_rate"]


def test_windows_of_the_median_spike_count_are_shown(data):
    display = given(data, plotting.TracesDisplay, neurons=[4])
    counts = data["spikes"].sum(axis=(1, 2))
    shown = display.axes_[1].lines[0].get_ydata()
    position = int(np.flatnonzero((data["synthetic"][:, :, 4] == shown).all(axis=1))[0])
    assert counts[position] == np.sort(counts)[N // 2]
    assert len(display.axes_[1].collections[0].get_segments()) == np.count_nonzero(
        data["spikes"][position, :, 4]
    )
    display.plot(neurons=4, window=2)
    np.testing.assert_array_equal(display.axes_[0].lines[0].get_ydata(), data["real"][2, :, 4])
    bare = plotting.TracesDisplay(display.windows, RATE).plot(neurons=0)
    assert not bare.axes_[0].collections


# --- where the data come from -------------------------------------------------------------------


def test_views_arrays_and_recordings_are_taken(data):
    view = Windower(WINDOW, stride=WINDOW).fit_transform(data["test"])
    whole = plotting.WindowsDisplay.from_samples(view, data["synthetic"]).windows["real"]
    np.testing.assert_array_equal(whole, view.gather())
    many = Windower(WINDOW).fit_transform(data["test"])
    drawn = plotting.WindowsDisplay.from_samples(many, data["synthetic"], random_state=0)
    assert drawn.windows["real"].shape == (N, WINDOW, NEURONS)
    same = plotting.WindowsDisplay.from_samples(data["test"], data["synthetic"], random_state=0)
    np.testing.assert_array_equal(drawn.windows["real"], same.windows["real"])
    bare = plotting.WindowsDisplay.from_samples(
        data["test"].traces, data["synthetic"], frame_rate=RATE, random_state=0
    )
    np.testing.assert_array_equal(bare.windows["real"], same.windows["real"])


def test_a_search_and_a_bare_generator_are_sampled(data):
    windows = Windower(WINDOW).fit_transform(data["train"])
    search = GridSearchCV(
        NoiseGenerator(random_state=0),
        {"max_iter": [2, 3]},
        cv=2,
        scoring=lambda estimator, X: estimator.max_iter,
    ).fit(windows)
    for model in (search, search.best_estimator_):
        display = plotting.CorrelationMatrixDisplay.from_estimator(
            model, data["test"], n_samples=12, random_state=1
        )
        expected = metrics.correlation_matrix(sample(search, 12, random_state=1))
        np.testing.assert_array_equal(display.matrices["synthetic"], expected)
    training = plotting.TrainingDisplay.from_estimator(search)
    assert [row["step"] for row in training.history] == [1, 2, 3]


def test_a_deconvolver_is_used_as_it_is_or_fitted_on_real_data(data):
    deaf = OasisDeconvolver(threshold=1e6)
    silent = plotting.RateScatterDisplay.from_samples(
        data["test"], data["synthetic"], deconvolver=deaf
    )
    assert silent.mean_rates["synthetic"].max() == 0
    assert not hasattr(deaf, "decay_")
    own = OasisDeconvolver(output="amplitudes").fit(data["train"])
    display = plotting.PopulationCountDisplay.from_samples(
        data["real"], data["synthetic"], deconvolver=own
    )
    expected = (own.transform(data["real"]) > 0).sum(axis=2)
    np.testing.assert_array_equal(display.counts["real"], expected)
    rates = plotting.FiringRateDisplay.from_samples(data["real"], data["real"], deconvolver=own)
    np.testing.assert_allclose(
        rates.rates["real"], (own.transform(data["real"]) > 0).sum(axis=1) * RATE / WINDOW
    )
    with pytest.raises(ValueError, match="frame rates differ: .* 20 Hz and the deconvolver 10 Hz"):
        plotting.RasterDisplay.from_samples(
            data["real"], data["synthetic"], frame_rate=20.0, deconvolver=own
        )


def test_a_deconvolver_still_to_be_fitted_knows_its_frame_rate(data):
    pair = data["real"], data["synthetic"]
    by_deconvolver = plotting.RateScatterDisplay.from_samples(
        *pair, deconvolver=OasisDeconvolver(RATE)
    )
    by_hand = plotting.RateScatterDisplay.from_samples(*pair, frame_rate=RATE)
    assert_same(contents(by_deconvolver), contents(by_hand))
    with pytest.raises(ValueError, match="frame rates differ: .* 10 Hz and the deconvolver 24 Hz"):
        plotting.RateScatterDisplay.from_samples(
            data["test"], data["synthetic"], deconvolver=OasisDeconvolver(24.0)
        )


def test_ids_and_units_are_those_of_the_recording(data):
    test = Recording(data["test"].traces, RATE, roi_ids=[f"c{i}" for i in range(10)], units="dF/F")
    display = plotting.TracesDisplay.from_samples(test, data["synthetic"], neurons=3)
    assert display.axes_[0].get_ylabel() == "ROI c3\n(dF/F)"
    display = plotting.VanRossumMatrixDisplay.from_samples(test, data["synthetic"], neurons=[8])
    assert display.axes_[0].get_title() == "ROI c8"


def test_traces_need_no_frame_rate_until_they_do(data):
    pair = data["real"], data["synthetic"]
    plotting.CorrelationMatrixDisplay.from_samples(*pair)
    for cls in set(COMPARISONS) - {
        plotting.CorrelationMatrixDisplay,
        plotting.CorrelationScatterDisplay,
    }:
        with pytest.raises(ValueError, match=r"no frame rate is known: .*pass frame_rate="):
            cls.from_samples(*pair)


# --- training and headline ----------------------------------------------------------------------


def test_training_curves_of_a_model_and_of_an_evaluation(data, evaluation):
    of_model = plotting.TrainingDisplay.from_estimator(fitted(data))
    of_evaluation = plotting.TrainingDisplay.from_evaluation(evaluation)
    assert of_model.history == of_evaluation.history
    assert len(of_model.history) == 20
    assert_drawn(of_model)
    display = plotting.TrainingDisplay(HISTORY, best_step=7).plot()
    assert [panel.get_title() for panel in display.plot().axes_] == ["critic loss", "val. score"]
    assert display.plot(max_panels=1).axes_.size == 1
    assert display.axes_[0].lines[-1].get_xdata()[0] == 7
    ax = Figure(layout="constrained").subplots(1, 2)[1]
    assert_drawn(display.plot(ax=ax))


def test_headline_of_an_evaluation(data, evaluation):
    display = plotting.HeadlineDisplay.from_evaluation(evaluation)
    assert_drawn(display)
    (ax,) = display.axes_
    dots = {dot.get_label(): dot.get_offsets()[:, 0] for dot in ax.collections}
    ratios = sorted(s.ratio for s in evaluation.statistics if s.judged_by == "ratio")
    np.testing.assert_allclose(sorted(dots["synthetic"]), ratios)
    assert display.plot().figure_ is not ax.figure


# --- what they refuse ---------------------------------------------------------------------------


def test_unfitted_estimators_are_refused(data):
    unfitted = (
        NoiseGenerator(),
        Pipeline([("windower", Windower(WINDOW)), ("generator", NoiseGenerator())]),
        GridSearchCV(NoiseGenerator(), {"max_iter": [2]}),
    )
    for model in unfitted:
        with pytest.raises(NotFittedError, match="not fitted"):
            plotting.TracesDisplay.from_estimator(model, data["test"])
        with pytest.raises(NotFittedError, match="not fitted"):
            plotting.TrainingDisplay.from_estimator(model)


def test_what_cannot_be_drawn_says_why(data):
    class Untrained(NoiseGenerator):
        def fit(self, X, y=None):
            super().fit(X)
            del self.history_
            return self

    model = Untrained(random_state=0).fit(data["real"])
    with pytest.raises(ValueError, match="Untrained keeps no training history"):
        plotting.TrainingDisplay.from_estimator(model)
    with pytest.warns(UserWarning, match="below 100"):
        bare = evaluate(data["test"], data["synthetic"], random_state=0, n_splits=1, n_bootstrap=0)
    with pytest.raises(ValueError, match="evaluate with model="):
        plotting.TrainingDisplay.from_evaluation(bare)
    with pytest.raises(ValueError, match="evaluate with train="):
        plotting.HeadlineDisplay.from_evaluation(bare)
    for cls in COMPARISONS:  # without training windows every other figure is there
        cls.from_evaluation(bare)
    with pytest.raises(ValueError, match="too short"):
        plotting.RocDisplay.from_evaluation(replace(bare, classifier_scores={}))


@each_comparison
def test_silent_and_constant_windows_are_drawn(cls, data):
    flat = np.full((N, WINDOW, NEURONS), 0.5, dtype=np.float32)
    nothing = np.zeros_like(flat)
    display = cls.from_samples(flat, flat, frame_rate=RATE, spikes=(nothing, nothing))
    display.figure_.canvas.draw()
