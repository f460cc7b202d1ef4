"""The figures of a report, each with the caption that says how to read it."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from calgan import metrics, plotting
from calgan.evaluation.report._measured import Array, Measured
from calgan.plotting._headline import LARGEST_RATIO
from calgan.plotting._style import figure_legend, new_figure, styled

_DPI = 130
_N_HEATMAP_WINDOWS = 50


@dataclass(frozen=True)
class ReportFigure:
    """A figure with what the report says about it.

    Attributes
    ----------
    name : str
        Stem of its file name.
    section : str
        Heading of the report under which it stands.
    title : str
        What it shows, in a few words.
    caption : str
        What is drawn and how to read it.
    figure : matplotlib Figure
        The figure itself.
    vector : bool
        Whether it is light enough to be embedded as SVG.
    """

    name: str
    section: str
    title: str
    caption: str
    figure: Figure
    vector: bool = False

    def render(self, kind: str) -> bytes:
        """Return the figure as the bytes of a PNG or SVG file, the same bytes at every call."""
        buffer = io.BytesIO()
        with mpl.style.context(["default", {"svg.hashsalt": self.name}]):
            if kind == "svg":
                self.figure.savefig(buffer, format="svg", metadata={"Date": None})
            else:
                self.figure.savefig(buffer, format="png", dpi=_DPI)
        # The layout is found once; a second file is drawn as the first was.
        self.figure.set_layout_engine("none")
        return buffer.getvalue()


def save_figures(evaluation: Any, folder: str | os.PathLike[str]) -> list[Path]:
    """Write every figure of an evaluation's report as a PNG file.

    Parameters
    ----------
    evaluation : Evaluation
        What :func:`calgan.evaluate` returned.
    folder : str or path-like
        Where to write; made if need be. Files of the same names are replaced.

    Returns
    -------
    list of Path
        The files written, in the order of the report.

    Examples
    --------
    >>> from calgan.evaluation.report import save_figures
    >>> paths = save_figures(evaluation, "figures")  # doctest: +SKIP
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, item in enumerate(report_figures(evaluation), start=1):
        path = target / file_name(number, item)
        path.write_bytes(item.render("png"))
        paths.append(path)
    return paths


def file_name(number: int, item: ReportFigure) -> str:
    """Name of a figure's PNG file, so that the files sort as in the report."""
    return f"{number:02d}_{item.name}.png"


def plural(n: int, noun: str) -> str:
    """So many of a noun."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _subset(values: dict[str, Any], groups: list[str]) -> dict[str, Any]:
    return {group: values[group] for group in groups}


_legend = styled(figure_legend)


@styled
def _panels(n_rows: int, n_columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    figure = new_figure(width, height)
    return figure, list(figure.subplots(n_rows, n_columns, squeeze=False).flat)


def _baseline_phrase(measured: Measured, text: str) -> str:
    return text if measured.has_train else ""


def _gaussian_phrase(measured: Measured, text: str) -> str:
    return text if "dichotomized_gaussian" in measured.windows else ""


def report_figures(evaluation: Any) -> Iterator[ReportFigure]:
    """Yield the figures of a report one after the other, none kept when the next is drawn.

    Parameters
    ----------
    evaluation : Evaluation
        What :func:`calgan.evaluate` returned.

    Yields
    ------
    ReportFigure
        Figures that the evaluation has the data for.
    """
    m = Measured(evaluation)
    headline = _headline(evaluation)
    if headline is not None:
        yield headline
    if evaluation.classifier_scores:
        yield _classifier(m, evaluation.classifier_scores)
    if m.has_train:
        yield _nearest(m)
    yield _traces(m)
    yield _heat_maps(m)
    yield _raster(m)
    yield _rate_histograms(m)
    yield _per_neuron(m)
    if m.n_neurons > 1:
        yield _pair_histograms(m)
    yield _kl_histograms(m)
    yield _van_rossum_heatmaps(m)
    if m.n_neurons > 1:
        yield _matrices(m)
    if m.n_pairs > 2:
        yield _agreement(m)
    yield _population(m)
    yield _dynamics(m)
    yield _intervals_and_events(m)
    training = _training(evaluation)
    if training is not None:
        yield training


_HEADLINE = "How far from the baseline"
_ACTIVITY = "Traces and spikes"
_PUBLISHED = "The published statistics"
_POPULATION = "What the neurons do together"
_TRACES = "Time course of the traces"
_TRAINING = "Training"
_MEMORISATION = "Does it copy the training recording?"
_WINDOWS = "Can the windows be told from real ones?"

SECTIONS = (
    _HEADLINE,
    _WINDOWS,
    _MEMORISATION,
    _ACTIVITY,
    _PUBLISHED,
    _POPULATION,
    _TRACES,
    _TRAINING,
)


def _headline(evaluation: Any) -> ReportFigure | None:
    with_baseline = [row for row in evaluation.statistics if row.baseline is not None]
    if not with_baseline:
        return None
    trained = any(row.trained_on for row in with_baseline)
    caption = (
        "Each distance from the held-out windows is divided by its baseline, the same distance of "
        "real training windows; a generator as good as more real data lies at 1. Grey bars: the "
        "baseline's 95 % bootstrap interval over contiguous blocks of the recording; orange lines: "
        "that of the ratio. Numbers at the right: ratios of the synthetic windows. Where more is "
        "better (r), the distance is 1 − r. Read a mark of the synthetic windows "
        "beside the controls: one no better than the neuron-shuffled windows has not learnt what "
        "the neurons do together, one no better than the dichotomized Gaussian has learnt no more "
        "than rates, the correlations of pairs and an average memory, and one as good as the "
        "replay is good only if the memorisation figure below is."
    )
    if any(row.judged_by == "difference" for row in with_baseline):
        caption += (
            " Statistics whose baseline may be next to nothing, such as the classifiers', have no "
            "ratio: see the table."
        )
    if any(row.ratio is not None and row.ratio > LARGEST_RATIO for row in with_baseline):
        caption += " Marks on the right border lie beyond it."
    if trained:
        caption += " † The model's objective trained on this statistic or on a close relative."
    return ReportFigure(
        "headline",
        _HEADLINE,
        "Every statistic against its train-test baseline and controls",
        caption,
        plotting.plot_headline(evaluation.statistics),
        vector=True,
    )


def _classifier(m: Measured, scores: dict[str, Array]) -> ReportFigure:
    groups = ("synthetic", "train", "replay", "shuffled", "dichotomized_gaussian")
    shown = {group: scores[group] for group in groups if group in scores}
    sides = [group for group in ("synthetic", "train") if group in shown]
    figure, axes = _panels(1, 1 + len(sides), 3.2 + 3.1 * len(sides), 3.9)
    plotting.plot_roc(shown, legend=False, ax=axes[0])
    figure.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=3,
        fontsize=8.5,
        frameon=False,
    )
    # The middle of all scores: outliers would leave the rest in one bin.
    pooled = np.concatenate([np.ravel(shown[group]) for group in sides])
    low, high = np.percentile(pooled, [0.5, 99.5])
    edges = np.linspace(low, high if high > low else low + 1.0, 31)
    for ax, group in zip(axes[1:], sides, strict=True):
        real, other = (
            np.clip(np.ravel(side), edges[0], edges[-1]) for side in np.asarray(shown[group])
        )
        plotting.plot_distribution(
            {"real": real, group: other},
            xlabel="score (log odds of not being held-out)",
            edges=edges,
            ax=ax,
        )
    _, n_draws, n_folds, size = shown["synthetic"].shape
    return ReportFigure(
        "classifier",
        _WINDOWS,
        "A classifier of held-out windows against others",
        f"A logistic regression on features of whole windows (means, deviations and population "
        f"couplings of the neurons, spectrum, skewness, autocorrelation, correlations), fitted for "
        f"each group on {n_folds - 1} of {n_folds} segments of time and tried on the one left "
        f"out, of which no frame was in the fit; {size} windows a segment and side. Left: ROC "
        f"curves, mean over segments and {plural(n_draws, 'draw')}; brackets: area, 0.5 where it "
        f"can only guess. Right: its scores, the outermost bins holding what is beyond them."
        + _baseline_phrase(
            m,
            " Synthetic windows should be no easier to tell than real training windows (grey "
            "dashes), which drift may set apart.",
        )
        + " A curve of shuffled windows near the diagonal would mean that the classifier is blind "
        "to what neurons do together.",
        figure,
        vector=True,
    )


def _traces(m: Measured) -> ReportFigure:
    groups = m.shown("real", "synthetic", "dichotomized_gaussian")
    windows = {group: m.windows[group][m.typical[group]] for group in groups}
    spikes = {group: m.spikes[group][m.typical[group]] for group in groups}
    return ReportFigure(
        "traces",
        _ACTIVITY,
        "Traces of the same neurons, with inferred spikes",
        f"{m.chosen_phrase}; of each group the window with the median number of spikes (chosen "
        f"by this rule, not by eye). Ticks below a trace: inferred spikes. The y scale (in "
        f"{m.units}) is common to a row. Synthetic traces should rise sharply, decay slowly and "
        f"carry the same noise; they need not match in time, as each window is another draw."
        + _gaussian_phrase(
            m,
            " The dichotomized Gaussian has its decay and noise from the recording, but its spikes "
            "know nothing of the frame before: look for bursts and pauses that it lacks.",
        ),
        plotting.plot_traces(
            windows,
            m.frame_rate,
            spikes=spikes,
            neurons=m.chosen,
            roi_ids=m.roi_ids,
            units=m.units,
        ),
    )


def _heat_maps(m: Measured) -> ReportFigure:
    groups = m.shown("real", "synthetic", "dichotomized_gaussian")
    few = {group: m.windows[group][:4] for group in groups}
    return ReportFigure(
        "windows",
        _ACTIVITY,
        "Whole windows",
        f"The first four windows of each group (held-out windows start at random times), "
        f"{plural(m.n_neurons, 'neuron')} sorted as in the correlation matrices below, in standard "
        f"deviations of the held-out neuron; one colour scale. A collapsed generator shows four "
        f"alike windows; one that ignores the population shows no common events."
        + _gaussian_phrase(
            m,
            " The dichotomized Gaussian has common events, too, but their spikes fall into single "
            "frames: nothing builds up.",
        ),
        plotting.plot_windows(few, m.frame_rate, scale=m.windows["real"], order=m.matrix_order),
    )


def _nearest(m: Measured) -> ReportFigure:
    synthetic = m.windows["synthetic"][:4]
    train = m.windows["train"]
    mean, scale = train.mean(axis=(0, 1)), train.std(axis=(0, 1))
    scale = np.where(scale > 0, scale, 1.0)
    flat = ((train - mean) / scale).reshape(len(train), -1)
    samples = ((synthetic - mean) / scale).reshape(len(synthetic), -1)
    squared = np.sum(flat**2, axis=1) - 2.0 * samples @ flat.T
    nearest = np.argmin(squared, axis=1)
    return ReportFigure(
        "nearest_training_windows",
        _MEMORISATION,
        "Synthetic windows and the training windows nearest to them",
        f"Top: the first four synthetic windows. Below each: the nearest (Euclidean distance of "
        f"the standardised traces) of {len(train)} training windows at random starts. Pairs that "
        f"look like copies would mean memorising. Neurons sorted as in the correlation matrices "
        f"below; colours in standard deviations of the held-out neuron.",
        plotting.plot_windows(
            {"synthetic": synthetic, "train": train[nearest]},
            m.frame_rate,
            scale=m.windows["real"],
            order=m.matrix_order,
        ),
    )


def _raster(m: Measured) -> ReportFigure:
    spikes = {group: m.spikes[group][m.typical[group]] for group in ("real", "synthetic")}
    return ReportFigure(
        "raster",
        _ACTIVITY,
        "Spike rasters with marginal rates",
        f"Inferred spikes of {plural(m.n_neurons, 'neuron')} in the windows of the median number "
        f"of spikes. Above: mean rate of the neurons in each frame; right: rate of each neuron in "
        f"this window. Neurons sorted by held-out mean rate in both panels; common scales.",
        plotting.plot_raster(spikes, m.frame_rate, order=m.order),
    )


def _rate_histograms(m: Measured) -> ReportFigure:
    groups = m.shown("real", "synthetic", "train")
    rates = _subset(m.rates, groups)
    neurons = plotting.spread_neurons(m.mean_rates["real"], 12)
    return ReportFigure(
        "firing_rates",
        _PUBLISHED,
        "Firing rate of single neurons",
        f"Distribution over {m.n['real']} windows of {m.seconds:.3g} s of the firing rate of "
        f"{plural(len(neurons), 'neuron')} spread over the ranks of the held-out mean rate, most "
        f"active first. Bins are whole multiples of one spike a window; the y scale is common."
        + _baseline_phrase(
            m,
            " Real training windows (dashed) show how far the recording itself "
            "drifts between its training and held-out parts.",
        ),
        plotting.plot_rate_histograms(
            rates, neurons=neurons, roi_ids=m.roi_ids, resolution=m.frame_rate / m.window
        ),
    )


def _per_neuron(m: Measured) -> ReportFigure:
    groups = m.shown("real", "synthetic", "train")
    panels = {
        "mean firing rate (Hz)": _subset(m.mean_rates, groups),
        f"mean trace ({m.units})": {g: m.windows[g].mean(axis=(0, 1)) for g in groups},
        f"s.d. of trace ({m.units})": {g: m.windows[g].std(axis=(0, 1)) for g in groups},
    }
    figure, axes = _panels(1, len(panels), 9.0, 3.4)
    for ax, (quantity, values) in zip(axes, panels.items(), strict=True):
        plotting.plot_per_neuron(values, quantity=quantity, legend=False, ax=ax)
    _legend(figure, axes[0])
    return ReportFigure(
        "neurons",
        _PUBLISHED,
        "Mean rate, mean and spread of every neuron",
        f"One point a neuron (n = {m.n_neurons}), the value in the held-out windows on the x "
        f"axis; on the grey line both are equal. Points on a horizontal line would mean that "
        f"synthetic neurons do not differ from one another."
        + _baseline_phrase(m, " Grey points compare real training windows in the same way."),
        figure,
        vector=True,
    )


def _pair_histograms(m: Measured) -> ReportFigure:
    groups = m.shown("real", "synthetic", "train", "shuffled", "dichotomized_gaussian")
    figure, axes = _panels(1, 2, 9.0, 3.5)
    bin_seconds = m.bin_frames / m.frame_rate
    plotting.plot_distribution(
        _subset(m.correlations, groups),
        xlabel=f"Pearson correlation of a pair (bins of {bin_seconds:.2g} s)",
        log=True,
        legend=False,
        ax=axes[0],
    )
    plotting.plot_distribution(
        _subset(m.van_rossum, groups),
        xlabel="van Rossum distance of a pair (τ = 1 s)",
        legend=False,
        ax=axes[1],
    )
    _legend(figure, axes[0])
    return ReportFigure(
        "pairs",
        _PUBLISHED,
        "Correlations and van Rossum distances between neurons",
        f"Distributions over {plural(m.n_pairs, 'pair')} of neurons and {m.n_pair_windows} windows "
        f"a group (pairs with a silent train have no correlation); the correlations on a "
        f"logarithmic axis. The x axes hold the central 99.8 % of the values. "
        f"Such "
        f"distributions can hide whether the right neurons fire together: compare the "
        f"neuron-shuffled curve, and see the population statistics below."
        + _gaussian_phrase(
            m,
            " The dichotomized Gaussian should have the right correlations; that its trains lie at "
            "other distances shows what their timing adds.",
        ),
        figure,
        vector=True,
    )


def _kl_histograms(m: Measured) -> ReportFigure:
    panels: list[tuple[str, str, dict[str, Array]]] = [
        ("firing rate", "neurons", m.neuron_kls(m.rates))
    ]
    if m.n_neurons > 1:
        panels.append(("correlation", "windows", m.window_kls(m.correlations)))
        panels.append(("van Rossum distance", "windows", m.window_kls(m.van_rossum)))
    panels = [panel for panel in panels if panel[2]]
    figure, axes = _panels(1, len(panels), max(3.0 * len(panels), 4.5), 3.2)
    for ax, (quantity, of, values) in zip(axes, panels, strict=True):
        plotting.plot_kl_histogram(
            values, xlabel=f"KL of {quantity} (nats)", of=of, legend=False, ax=ax
        )
    _legend(figure, axes[0])
    caption = ("Left: the" if len(panels) > 1 else "The") + (
        f" KL divergence of each neuron's firing rates over windows "
        f"({plural(m.n_neurons, 'neuron')})."
    )
    if len(panels) > 1:
        caption += (
            f" Right: divergences of single windows over their {m.n_pairs} pairs of neurons, "
            f"held-out window i against window i of the group ({m.n_pair_windows} windows)."
        )
    elif m.n_neurons > 1:
        caption += f" {plural(m.n_pairs, 'pair')} of neurons: too few for one histogram a window."
    return ReportFigure(
        "kl",
        _PUBLISHED,
        "KL divergences by neuron and by window",
        caption
        + " Smoothed KL from the held-out windows (0.5 added to every count, bins from the pooled "
        "real values). Triangles: medians."
        + _baseline_phrase(
            m,
            " The baseline (dashed) is the same divergence of real training windows: "
            "a good generator's histogram covers it.",
        ),
        figure,
        vector=True,
    )


def _van_rossum_heatmaps(m: Measured) -> ReportFigure:
    neurons = m.chosen[:4]
    groups = m.shown("synthetic", "train")
    few = {
        group: m.spikes[group][:_N_HEATMAP_WINDOWS][:, :, neurons] for group in ("real", *groups)
    }
    distances = {
        group: metrics.van_rossum_cross(few["real"], few[group], m.frame_rate) for group in groups
    }
    return ReportFigure(
        "van_rossum_heatmaps",
        _PUBLISHED,
        "Van Rossum distances between real and synthetic trains of one neuron",
        f"For {plural(len(neurons), 'neuron')}, the distances (τ = 1 s) between {len(few['real'])} "
        f"held-out windows (rows) and as many windows of the group (columns), both sorted by "
        f"their mean distance, the smallest at the top left. One colour scale a neuron. Stripes "
        f"across the whole width are windows far from all others, such as bursts; blocks of one "
        f"colour come from silent trains."
        + _baseline_phrase(
            m,
            " The lower row, real against real training windows, is what the upper "
            "one should look like.",
        ),
        plotting.plot_van_rossum_heatmaps(
            distances, names=[f"ROI {m.roi_ids[neuron]}" for neuron in neurons]
        ),
    )


def _matrices(m: Measured) -> ReportFigure:
    groups = m.shown("real", "train", "synthetic", "shuffled", "dichotomized_gaussian")
    source = "training" if m.has_train else "held-out"
    return ReportFigure(
        "correlation_matrices",
        _POPULATION,
        "Correlation matrices",
        f"Pearson correlation of the traces of every pair of neurons over all frames of all "
        f"windows. Neurons sorted by the leading eigenvector of the real {source} matrix, the "
        f"same order and colours in all panels; the diagonal is left out. Blocks in the real "
        f"matrix should reappear at the same places in the synthetic one; shuffling wipes them "
        f"out.",
        plotting.plot_correlation_matrices(_subset(m.matrices, groups), order=m.matrix_order),
    )


def _agreement(m: Measured) -> ReportFigure:
    groups = m.shown("real", "synthetic", "train", "shuffled", "dichotomized_gaussian")
    figure = plotting.plot_correlation_agreement(
        _subset(m.matrices, groups), figure=new_figure(10.0, 3.1) if len(groups) > 4 else None
    )
    if len(groups) > 4:  # so many titles side by side fit their panels in small letters only
        for ax in figure.axes:
            ax.title.set_fontsize(8.0)
    return ReportFigure(
        "correlation_agreement",
        _POPULATION,
        "Agreement of the correlations, pair by pair",
        f"One point a pair of neurons (n = {m.n_pairs}): its correlation in the held-out windows "
        f"against that in the group. r is the agreement over pairs, 1 where all points lie on one "
        f"rising line (grey: equality)."
        + _baseline_phrase(
            m, " The real training windows show what agreement the recording allows."
        ),
        figure,
    )


def _population(m: Measured) -> ReportFigure:
    groups = m.shown("real", "synthetic", "train", "shuffled", "dichotomized_gaussian")
    figure, axes = _panels(1, 1, 6.4, 3.8)
    plotting.plot_population_counts(
        _subset(m.counts, groups), m.n_neurons, legend=False, ax=axes[0]
    )
    _legend(figure, axes[0])
    return ReportFigure(
        "population_counts",
        _POPULATION,
        "How many neurons are active at once",
        f"Share of frames ({m.n['real']} windows × {m.window} frames a group) with a given number "
        f"of active neurons, logarithmic. Neurons that fire together make the right tail heavy; "
        f"shuffled neurons, independent of one another, lack it."
        + _gaussian_phrase(
            m,
            " The dichotomized Gaussian has the tail that correlations of pairs imply; where the "
            "real one is another, more than pairs is at work.",
        ),
        figure,
        vector=True,
    )


def _dynamics(m: Measured) -> ReportFigure:
    groups = m.shown("real", "synthetic", "train")
    mean = m.windows["real"].mean(axis=(0, 1))
    scale = m.windows["real"].std(axis=(0, 1))
    scale = np.where(scale > 0, scale, 1.0)
    standardised = {group: (m.windows[group] - mean) / scale for group in groups}
    increments = {group: np.diff(x, axis=1) for group, x in standardised.items()}
    max_lag = max(min(m.window // 2, round(20 * m.frame_rate)), 1)
    figure, axes = _panels(2, 2, 9.0, 6.2)
    plotting.plot_distribution(
        standardised,
        xlabel="trace (s.d. of the real neuron)",
        log=True,
        max_bins=60,
        legend=False,
        ax=axes[0],
    )
    plotting.plot_distribution(
        increments,
        xlabel="change from frame to frame (s.d. of the real neuron)",
        log=True,
        max_bins=60,
        legend=False,
        ax=axes[1],
    )
    plotting.plot_autocorrelation(
        {group: metrics.autocorrelation(m.windows[group], max_lag) for group in groups},
        m.frame_rate,
        legend=False,
        ax=axes[2],
    )
    plotting.plot_power_spectra(
        {group: metrics.power_spectrum(m.windows[group], m.frame_rate) for group in groups},
        units=m.units,
        legend=False,
        ax=axes[3],
    )
    _legend(figure, axes[0])
    for ax, letter in zip(axes, "ABCD", strict=True):
        ax.set_title(letter, loc="left")
    return ReportFigure(
        "dynamics",
        _TRACES,
        "Amplitudes, changes, autocorrelation and power spectrum",
        "A, B: distributions of the trace and of its change from one frame to the next, pooled "
        "over neurons after the held-out mean and standard deviation of each were taken out; "
        "logarithmic. Sharp rises of transients give B a heavy right tail. C: "
        "autocorrelation of single traces within windows. D: power spectrum. In C and D lines "
        "are medians over neurons and bands their quartiles (held-out and synthetic).",
        figure,
    )


def _intervals_and_events(m: Measured) -> ReportFigure:
    groups = m.shown("real", "synthetic", "train", "dichotomized_gaussian")
    intervals = {
        group: np.asarray(metrics.inter_spike_intervals(m.spikes[group], m.frame_rate))
        for group in groups
    }
    panels: list[tuple[str, dict[str, Array], Array | None]] = [
        ("interval between spikes (s)", intervals, _frame_edges(intervals["real"], m.frame_rate))
    ]
    before, after = min(1.0, m.seconds / 8), min(2.0, m.seconds / 4)
    try:
        shapes = {
            group: metrics.event_shapes(
                m.windows[group], m.spikes[group], m.frame_rate, before=before, after=after
            )
            for group in groups
        }
    except ValueError:  # windows too short for an event between its margins
        shapes = {}
    if shapes and len(shapes["real"].amplitude):
        real = shapes["real"]
        medians = np.full(m.n_neurons, np.nan)
        for neuron in np.unique(real.neuron):
            medians[neuron] = np.median(real.amplitude[real.neuron == neuron])
        panels += [
            (
                "event amplitude (held-out medians)",
                {g: each.amplitude / medians[each.neuron] for g, each in shapes.items()},
                np.linspace(0.0, 4.0, 41),
            ),
            (
                "rise time, 10 to 90 % (s)",
                {g: each.rise_time for g, each in shapes.items()},
                None,
            ),
            (
                "time to half the amplitude (s)",
                {g: each.decay_time for g, each in shapes.items()},
                None,
            ),
        ]
    n_rows = -(-len(panels) // 2)
    figure, axes = _panels(
        n_rows, min(len(panels), 2), 9.0 if len(panels) > 1 else 5.2, 3.1 * n_rows
    )
    for ax, (xlabel, values, edges) in zip(axes, panels, strict=True):
        plotting.plot_distribution(
            values, xlabel=xlabel, edges=edges, log=edges is not None, legend=False, ax=ax
        )
    _legend(figure, axes[0])
    caption = (
        f"Intervals between successive spikes of a neuron within a window of {m.seconds:.3g} s, "
        f"all neurons pooled; logarithmic. Bursts make the left end high, pauses the right end."
    )
    if len(panels) > 1:
        caption += (
            " Amplitude, rise and decay of the events at isolated spikes, measured in the traces: "
            "amplitudes as multiples of the neuron's median in held-out windows, on a logarithmic "
            "axis; an event that has not decayed to half counts at the right end of the last "
            "panel. Too soft a generator has slow rises or small amplitudes, whatever its spectrum."
        )
    return ReportFigure(
        "intervals_and_events",
        _TRACES,
        "Time between spikes" + (", and shapes of events" if len(panels) > 1 else ""),
        caption
        + _gaussian_phrase(
            m,
            " The dichotomized Gaussian shows what noise and overlap make of events of one shape a "
            "neuron.",
        ),
        figure,
        vector=True,
    )


def _frame_edges(intervals: Array, frame_rate: float) -> Array:
    """Edges of bins of whole frames, at most 40 of them, over nearly all of the intervals."""
    frames = np.round(intervals * frame_rate)
    longest = int(np.percentile(frames, 99.5)) if frames.size else 1
    step = max(1, -(-longest // 40))
    return np.asarray((np.arange(1, longest + step + 1, step) - 0.5) / frame_rate)


def _training(evaluation: Any) -> ReportFigure | None:
    history = getattr(evaluation, "history", None)
    if not history:
        return None
    best = (getattr(evaluation, "meta", None) or {}).get("best_iter")
    try:
        figure = plotting.plot_training_curves(history, best_step=best)
    except ValueError:
        return None  # rows without losses or validation statistics leave nothing to draw
    return ReportFigure(
        "training",
        _TRAINING,
        "Training curves",
        "Losses (grey) and statistics on the validation windows, the last part of the training "
        "recording (orange), over generator steps. Thick lines are running medians where there "
        "are many steps; the y axes hold the central 98 % of the values."
        + (" The dashed line marks the step whose weights were kept." if best else "")
        + " Adversarial losses measure no quality by themselves: that they stay bounded is what to "
        "look for.",
        figure,
        vector=False,
    )
