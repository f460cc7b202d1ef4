"""The figures of a report, each with the caption that says how to read it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from calgan import metrics, plotting
from calgan.evaluation.report._sections import (
    ACTIVITY,
    HEADLINE,
    MEMORISATION,
    POPULATION,
    PUBLISHED,
    TRACES,
    TRAINING,
    WINDOWS,
    ReportFigure,
    plural,
)
from calgan.metrics.events import median_amplitudes
from calgan.plotting.compared_windows import (
    WITH_TRAIN,
    ComparedWindows,
    compare_evaluation,
    few_neurons,
)
from calgan.plotting.style import (
    Array,
    draw_distribution,
    draw_neurons,
    figure_legend,
    new_figure,
    styled,
)

_N_NEAREST = 4
# What is enough for the eye: neurons of a heat map; neurons and values of the other statistics.
_MAP_NEURONS, _MAP_VALUES, _FEW_NEURONS, _FEW_VALUES = 300, 10_000_000, 200, 1_500_000


def report_figures(evaluation: Any) -> Iterator[ReportFigure]:
    """Yield the figures that an evaluation has the data for, one after the other."""
    # One comparison for all figures, so that none computes what another one has.
    whole = compare_evaluation(evaluation)
    maps = whole.part(_MAP_NEURONS, _MAP_VALUES)
    few = whole.part(_FEW_NEURONS, _FEW_VALUES)
    if "train" in whole.windows:
        with suppress(ValueError):  # no statistic is defined
            yield _headline(evaluation)
    if evaluation.classifier_scores:
        yield _classifier(evaluation)
    if "train" in whole.windows:
        yield _nearest(whole, maps)
    yield _traces(whole)
    yield _heat_maps(maps)
    yield _raster(whole)
    yield _rate_histograms(whole)
    yield _per_neuron(whole)
    if whole.n_neurons > 1:
        yield _pair_histograms(whole)
    yield _kl_histograms(whole)
    yield _van_rossum_heatmaps(maps)
    if whole.n_neurons > 1:
        yield _matrices(maps)
    if whole.n_neurons > 2:
        yield _agreement(maps)
    yield _population(whole)
    yield _dynamics(few)
    yield _intervals_and_events(few)
    if evaluation.history:
        # Rows without losses or validation statistics leave nothing to draw.
        with suppress(ValueError):
            yield _training(evaluation)


def _with(comparison: ComparedWindows, group: str, text: str) -> str:
    """A part of a caption that is said only where the group is shown."""
    return text if group in comparison.windows else ""


def _neurons(comparison: ComparedWindows) -> str:
    """How many neurons are shown, and how these were chosen."""
    n, n_all = comparison.n_neurons, comparison.n_all
    return plural(n, "neuron") if n == n_all else f"{n} of {n_all} neurons drawn at random"


def _scale(comparison: ComparedWindows, group: str) -> tuple[Array, Array]:
    """Mean and standard deviation (N,) of each neuron, 1 for a constant one."""
    mean, deviation = comparison.moments(group)
    return mean.astype(np.float32), np.where(deviation > 0, deviation, 1.0).astype(np.float32)


def _sizes(comparison: ComparedWindows) -> str:
    """How many windows of a group and how many neurons a statistic is of."""
    return f"{plural(len(comparison.windows['real']), 'window')} a group, {_neurons(comparison)}"


def _pairs(comparison: ComparedWindows) -> str:
    """How many pairs of neurons the distributions over pairs are of."""
    n = comparison.few_spikes["real"].shape[2]
    pairs = plural(n * (n - 1) // 2, "pair") + " of neurons"
    if n == comparison.n_neurons:
        return pairs
    return f"{pairs} (all of {n} neurons drawn at random)"


@styled()
def _panels(n_rows: int, n_columns: int, width: float, height: float) -> tuple[Figure, list[Any]]:
    """Figure (inches) of several displays."""
    figure = new_figure(width, height)
    return figure, list(figure.subplots(n_rows, n_columns, squeeze=False).flat)


def _headline(evaluation: Any) -> ReportFigure:
    rows = [row for row in evaluation.statistics if row.baseline is not None]
    caption = (
        "Each distance from the held-out windows is divided by its train-test baseline, the same "
        "distance of real training windows. A generator as good as more real data lies at 1. Grey "
        "bars: 95 % bootstrap interval of the baseline, over contiguous blocks of the recording. "
        "Orange lines: 95 % interval of the ratio. Numbers at the right: ratios of the synthetic "
        "windows. Where more is better (r), the distance is 1 − r. Compare the synthetic windows "
        "with the controls. No better than neuron-shuffled windows: the model has not learnt "
        "the joint activity of the neurons. No better than the dichotomized Gaussian: it has "
        "learnt rates, correlations of pairs and an average memory only. As good as the replay "
        "control: good only if the memorisation figure below is good, too."
    )
    if any(row.judged_by == "difference" for row in rows):
        caption += (
            " A statistic whose baseline may be close to 0, such as the classifiers', has no "
            "ratio: see the table."
        )
    caption += " Ratios above 300 lie on the right border."
    if any(row.trained_on for row in rows):
        caption += " † The model's objective trained on this statistic or on a close relative."
    return ReportFigure(
        "headline",
        HEADLINE,
        "Every statistic against its train-test baseline and controls",
        caption,
        plotting.HeadlineDisplay.from_evaluation(evaluation).figure_,
        vector=True,
    )


def _classifier(evaluation: Any) -> ReportFigure:
    _, n_draws, n_folds, size = np.shape(evaluation.classifier_scores["synthetic"])
    return ReportFigure(
        "classifier",
        WINDOWS,
        "A classifier of held-out windows against others",
        f"A logistic regression on features of whole windows (means, deviations and population "
        f"couplings of the neurons, spectrum, skewness, autocorrelation, correlations). It is "
        f"fitted for each group on {n_folds - 1} of {n_folds} segments of time and tried on the "
        f"one left out, which shares no frame with the fit; {size} windows a segment and side. "
        f"Left: ROC curves, mean over segments and {plural(n_draws, 'draw')}; brackets: area, 0.5 "
        f"for a guess. Right: scores; the outermost bins hold all that lies beyond."
        + _with(
            evaluation,
            "train",
            " Synthetic windows should be no easier to tell than real training windows (grey "
            "dashes), which drift may set apart.",
        )
        + " A curve of shuffled windows near the diagonal means that the classifier does not see "
        "the joint activity of the neurons.",
        plotting.RocDisplay.from_evaluation(evaluation).figure_,
        vector=True,
    )


def _nearest(whole: ComparedWindows, maps: ComparedWindows) -> ReportFigure:
    synthetic, train = whole.windows["synthetic"][:_N_NEAREST], whole.windows["train"]
    _, scale = _scale(whole, "train")
    distances = [np.sum(((synthetic - window) / scale) ** 2, axis=(1, 2)) for window in train]
    nearest = np.argmin(distances, axis=0)
    shown = {
        "synthetic": maps.windows["synthetic"][:_N_NEAREST],
        "train": few_neurons(train[nearest], _MAP_NEURONS),
    }
    display = plotting.WindowsDisplay(
        shown, maps.frame_rate, order=maps.order, scale=maps.windows["real"]
    )
    return ReportFigure(
        "nearest_training_windows",
        MEMORISATION,
        "Synthetic windows and the training windows nearest to them",
        f"Top: the first four synthetic windows. Below each: the nearest (Euclidean distance of "
        f"the standardised traces of all neurons) of {len(train)} training windows at random "
        f"starts. Pairs that look like copies would mean memorising. {_neurons(maps)}, sorted as "
        f"in the correlation matrices below; colours in standard deviations of the held-out "
        f"neuron.",
        display.plot(n_shown=_N_NEAREST).figure_,
    )


def _traces(comparison: ComparedWindows) -> ReportFigure:
    display = plotting.TracesDisplay.from_evaluation(comparison)
    n_shown = display.axes_.size // len(display.windows)
    return ReportFigure(
        "traces",
        ACTIVITY,
        "Traces of the same neurons, with inferred spikes",
        f"{n_shown} of {_neurons(comparison)}, spread over the ranks of held-out "
        f"activity. Each group shows the window with the median number of spikes, chosen by this "
        f"rule and not by eye. Ticks below a trace: inferred spikes. The y scale (in "
        f"{comparison.units}) is common to a row. Synthetic traces should rise sharply, decay "
        f"slowly and carry the same noise. They need not match in time: each window is another "
        f"draw."
        + _with(
            comparison,
            "dichotomized_gaussian",
            " The dichotomized Gaussian has its decay and noise from the recording, and an average "
            "memory: look for bursts and pauses that it lacks.",
        ),
        display.figure_,
    )


def _heat_maps(comparison: ComparedWindows) -> ReportFigure:
    return ReportFigure(
        "windows",
        ACTIVITY,
        "Whole windows",
        f"The first four windows of each group (held-out windows start at random times), "
        f"{_neurons(comparison)}, sorted as in the correlation matrices below, in "
        f"standard deviations of the held-out neuron; one colour scale. A collapsed generator "
        f"shows four alike windows; one that ignores the population shows no common events."
        + _with(
            comparison,
            "dichotomized_gaussian",
            " The dichotomized Gaussian has common events, too, but their spikes fall into single "
            "frames: nothing builds up.",
        ),
        plotting.WindowsDisplay.from_evaluation(comparison).figure_,
    )


def _raster(comparison: ComparedWindows) -> ReportFigure:
    return ReportFigure(
        "raster",
        ACTIVITY,
        "Spike rasters with marginal rates",
        f"Inferred spikes of {_neurons(comparison)} in the windows of the median "
        f"number of spikes. Above: mean rate of the neurons in each frame; right: rate of each "
        f"neuron in this window. Neurons sorted by held-out mean rate in both panels; common "
        f"scales. Where frames or neurons are many, some of them share a mark.",
        plotting.RasterDisplay.from_evaluation(comparison).figure_,
    )


def _rate_histograms(comparison: ComparedWindows) -> ReportFigure:
    display = plotting.FiringRateDisplay.from_evaluation(comparison)
    return ReportFigure(
        "firing_rates",
        PUBLISHED,
        "Firing rate of single neurons",
        f"Distribution over {len(comparison.windows['real'])} windows of "
        f"{_seconds(comparison):.3g} s of the firing rate of "
        f"{plural(display.axes_.size, 'neuron')} spread over the ranks of the held-out mean rate, "
        f"most active first. Bins are whole multiples of one spike a window; the y scale is common."
        + _with(
            comparison,
            "train",
            " Real training windows (dashed) show how far the recording itself drifts between its "
            "training and held-out parts.",
        ),
        display.figure_,
    )


def _per_neuron(comparison: ComparedWindows) -> ReportFigure:
    figure, axes = _panels(1, 3, 9.0, 3.4)
    plotting.RateScatterDisplay.from_evaluation(comparison, ax=axes[0])
    moments = {g: comparison.moments(g) for g in comparison.of(comparison.windows, WITH_TRAIN)}
    for position, quantity in enumerate(("mean trace", "s.d. of trace")):
        values = {group: both[position] for group, both in moments.items()}
        draw_neurons(axes[1 + position], values, quantity, comparison.units)
    return ReportFigure(
        "neurons",
        PUBLISHED,
        "Mean rate, mean and spread of every neuron",
        f"One point a neuron (n = {comparison.n_neurons}), the value in the held-out windows on "
        f"the x axis; on the grey line both are equal. Points on a horizontal line would mean that "
        f"synthetic neurons do not differ from one another."
        + _with(comparison, "train", " Grey points compare real training windows in the same way."),
        figure,
        vector=comparison.n_neurons <= _MAP_NEURONS,
    )


def _pair_histograms(comparison: ComparedWindows) -> ReportFigure:
    figure, axes = _panels(1, 2, 9.0, 3.5)
    display = plotting.CorrelationDisplay.from_evaluation(comparison, ax=axes[0])
    plotting.VanRossumDisplay.from_evaluation(comparison, ax=axes[1])
    figure_legend(figure, axes[0])
    n_windows = len(np.asarray(display.correlations["real"]))
    return ReportFigure(
        "pairs",
        PUBLISHED,
        "Correlations and van Rossum distances between neurons",
        f"Distributions over {_pairs(comparison)} and {n_windows} windows a group (pairs with a "
        f"silent train have no correlation); the correlations on a logarithmic axis. "
        f"The x axes hold the central 99.8 % of the values. Such distributions can hide whether "
        f"the right neurons fire together: compare the neuron-shuffled curve, and see the "
        f"population statistics below."
        + _with(
            comparison,
            "dichotomized_gaussian",
            " The dichotomized Gaussian should have the right correlations; that its trains lie at "
            "other distances shows what their timing adds.",
        ),
        figure,
        vector=True,
    )


def _kl_histograms(comparison: ComparedWindows) -> ReportFigure:
    display = plotting.KLHistogramDisplay.from_evaluation(comparison)
    n = comparison.n_neurons
    n_pairs = n * (n - 1) // 2
    caption = (
        f"KL divergence of each neuron's firing rates over windows ({plural(n, 'neuron')}) from "
        f"the held-out windows (0.5 added to every count, bins from the pooled real values)."
    )
    if "correlation" in display.divergences:
        n_windows = np.size(display.divergences["correlation"]["synthetic"])
        caption += (
            f" Middle and right: divergences of single windows over {_pairs(comparison)}, held-out "
            f"window i against window i of the group ({n_windows} windows)."
        )
    elif n_pairs:
        caption += f" {plural(n_pairs, 'pair')} of neurons: too few for one histogram a window."
    caption += " Triangles: medians."
    return ReportFigure(
        "kl",
        PUBLISHED,
        "KL divergences by neuron and by window",
        caption
        + _with(
            comparison,
            "train",
            " The train-test baseline (dashed) is the same divergence of real training windows: a "
            "good generator's histogram covers it.",
        ),
        display.figure_,
        vector=True,
    )


def _van_rossum_heatmaps(comparison: ComparedWindows) -> ReportFigure:
    display = plotting.VanRossumMatrixDisplay.from_evaluation(comparison)
    n_shown = display.axes_.size // len(display.distances)
    return ReportFigure(
        "van_rossum_heatmaps",
        PUBLISHED,
        "Van Rossum distances between real and synthetic trains of one neuron",
        f"For {plural(n_shown, 'neuron')}, spread over the ranks of the mean distance, the "
        f"distances (τ = 1 s) between {np.shape(display.distances['synthetic'])[1]} held-out "
        f"windows (rows) and as many windows of the group (columns), both sorted by their mean "
        f"distance, the smallest at the top left. One colour scale a neuron. Stripes across the "
        f"whole map are windows far from all others, such as bursts; blocks of one colour come "
        f"from silent trains."
        + _with(
            comparison,
            "train",
            " The lower row, real against real training windows, shows a good model's result.",
        ),
        display.figure_,
    )


def _matrices(comparison: ComparedWindows) -> ReportFigure:
    source = "training" if "train" in comparison.windows else "held-out"
    return ReportFigure(
        "correlation_matrices",
        POPULATION,
        "Correlation matrices",
        f"Pearson correlation of the traces of every pair of neurons over all frames "
        f"({_sizes(comparison)}), sorted by the leading eigenvector of the real {source} "
        f"matrix, the same order and colours in all panels; the diagonal is left out. Blocks in "
        f"the real matrix should reappear at the same places in the synthetic one; shuffling wipes "
        f"them out.",
        plotting.CorrelationMatrixDisplay.from_evaluation(comparison).figure_,
    )


def _agreement(comparison: ComparedWindows) -> ReportFigure:
    display = plotting.CorrelationScatterDisplay.from_evaluation(comparison)
    n_pairs = comparison.n_neurons * (comparison.n_neurons - 1) // 2
    n_shown = len(display.axes_[0].collections[0].get_offsets())
    drawn = "" if n_shown == n_pairs else f", of which {n_shown} drawn at random are shown"
    return ReportFigure(
        "correlation_agreement",
        POPULATION,
        "Agreement of the correlations, pair by pair",
        f"One point a pair ({n_pairs} pairs of {_neurons(comparison)}{drawn}): its correlation in "
        f"the held-out windows against that in the group. r is the agreement over all these pairs, "
        f"1 where all points lie on one rising line (grey: equality)."
        + _with(
            comparison,
            "train",
            " The real training windows show what agreement the recording allows.",
        ),
        display.figure_,
    )


def _population(comparison: ComparedWindows) -> ReportFigure:
    return ReportFigure(
        "population_counts",
        POPULATION,
        "Number of neurons that are active at once",
        f"Share of frames ({len(comparison.windows['real'])} windows × {comparison.window} frames "
        f"a group) with a given number of active neurons, logarithmic. Neurons that fire together "
        f"make the right tail heavy; shuffled neurons, independent of one another, lack it."
        + _with(
            comparison,
            "dichotomized_gaussian",
            " The dichotomized Gaussian has the tail that correlations of pairs imply; where the "
            "real one is another, more than pairs is at work.",
        ),
        plotting.PopulationCountDisplay.from_evaluation(comparison).figure_,
        vector=True,
    )


def _dynamics(comparison: ComparedWindows) -> ReportFigure:
    windows = comparison.of(comparison.windows, WITH_TRAIN)
    mean, scale = _scale(comparison, "real")
    standardised = {group: (array - mean) / scale for group, array in windows.items()}
    changes = {group: np.diff(array, axis=1) for group, array in standardised.items()}
    figure, axes = _panels(2, 2, 9.0, 6.2)
    xlabel = "trace (s.d. of the real neuron)"
    draw_distribution(axes[0], standardised, xlabel, max_bins=60, log=True)
    xlabel = "change from frame to frame (s.d. of the real neuron)"
    draw_distribution(axes[1], changes, xlabel, max_bins=60, log=True)
    plotting.AutocorrelationDisplay.from_evaluation(comparison, ax=axes[2])
    plotting.PowerSpectrumDisplay.from_evaluation(comparison, ax=axes[3])
    figure_legend(figure, axes[0])
    for ax, letter in zip(axes, "ABCD", strict=True):
        ax.set_title(letter, loc="left", fontsize=10, fontweight="bold")
    return ReportFigure(
        "dynamics",
        TRACES,
        "Amplitudes, changes, autocorrelation and power spectrum",
        "A, B: distributions of the trace and of its change from one frame to the next, pooled "
        "over neurons after the held-out mean and standard deviation of each were taken out; "
        "logarithmic. Sharp rises of transients give B a heavy right tail. C: "
        "autocorrelation of single traces within windows. D: power spectrum. In C and D lines "
        "are medians over neurons and bands their quartiles (held-out and synthetic). A and B are "
        f"of at most a million values, drawn at random. {_sizes(comparison)}.",
        figure,
    )


def _intervals_and_events(comparison: ComparedWindows) -> ReportFigure:
    groups = (*WITH_TRAIN, "dichotomized_gaussian")
    windows = comparison.of(comparison.windows, groups)
    rate, seconds = comparison.frame_rate, _seconds(comparison)
    intervals = {
        group: np.asarray(metrics.inter_spike_intervals(comparison.spikes[group], rate))
        for group in windows
    }
    events = _events(comparison, windows)
    n_panels = 1 + len(events)
    n_rows = -(-n_panels // 2)
    figure, axes = _panels(n_rows, min(n_panels, 2), 9.0 if events else 5.2, 3.1 * n_rows)
    known = intervals["real"] if intervals["real"].size else np.concatenate([*intervals.values()])
    edges: Array | None = _frame_edges(known, rate)
    draw_distribution(axes[0], intervals, "interval between spikes (s)", edges=edges, log=True)
    for ax, (xlabel, values) in zip(axes[1:], events.items(), strict=True):
        edges = np.linspace(0.0, 4.0, 41) if xlabel.startswith("event") else None
        draw_distribution(ax, values, xlabel, edges=edges, log=edges is not None)
    figure_legend(figure, axes[0])
    caption = (
        f"Intervals between successive spikes of a neuron within a window of {seconds:.3g} s, "
        f"all neurons pooled ({_sizes(comparison)}); logarithmic. Bursts make the left end high, "
        f"pauses the right end."
    )
    if events:
        caption += (
            " Amplitude, rise and decay of the events at isolated spikes, measured in the traces: "
            "amplitudes as multiples of the neuron's median in held-out windows, on a logarithmic "
            "axis; an event that has not decayed to half counts at the right end of the last "
            "panel. Too soft a generator has slow rises or small amplitudes, whatever its spectrum."
        )
    return ReportFigure(
        "intervals_and_events",
        TRACES,
        "Time between spikes" + (", and shapes of events" if events else ""),
        caption
        + _with(
            comparison,
            "dichotomized_gaussian",
            " The dichotomized Gaussian shows what noise and overlap make of events of one shape a "
            "neuron.",
        ),
        figure,
        vector=True,
    )


def _events(comparison: ComparedWindows, windows: dict[str, Array]) -> dict[str, dict[str, Array]]:
    """Amplitudes, rise and decay times of isolated events, by label; empty if there are none."""
    seconds = _seconds(comparison)
    margins = {"before": min(1.0, seconds / 8), "after": min(2.0, seconds / 4)}
    try:
        shapes = {
            group: metrics.event_shapes(
                array, comparison.spikes[group], comparison.frame_rate, **margins
            )
            for group, array in windows.items()
        }
    except ValueError:  # windows too short for an event between its margins
        return {}
    real = shapes["real"]
    if not len(real.amplitude):
        return {}
    medians = median_amplitudes(real, comparison.n_neurons)
    return {
        "event amplitude (held-out medians)": {
            group: each.amplitude / medians[each.neuron] for group, each in shapes.items()
        },
        "rise time, 10 to 90 % (s)": {g: each.rise_time for g, each in shapes.items()},
        "time to half the amplitude (s)": {g: each.decay_time for g, each in shapes.items()},
    }


def _training(evaluation: Any) -> ReportFigure:
    display = plotting.TrainingDisplay.from_evaluation(evaluation)
    return ReportFigure(
        "training",
        TRAINING,
        "Training curves",
        "Losses (grey) and statistics on the validation windows, the last part of the training "
        "recording (orange), over generator steps. Thick lines are running medians where there "
        "are many steps; the y axes hold the central 98 % of the values."
        + (" The dashed line marks the step whose weights were kept." if display.best_step else "")
        + " Adversarial losses measure no quality by themselves: they should stay bounded.",
        display.figure_,
    )


def _seconds(comparison: ComparedWindows) -> float:
    """Duration of a window."""
    return float(comparison.window / comparison.frame_rate)


def _frame_edges(intervals: Array, frame_rate: float) -> Array:
    """Edges (s) of bins of whole frames, at most 40 of them, over nearly all of the intervals."""
    frames = np.round(intervals * frame_rate)
    longest = int(np.percentile(frames, 99.5)) if frames.size else 1
    step = max(1, -(-longest // 40))
    return np.asarray((np.arange(1, longest + step + 1, step) - 0.5) / frame_rate)
