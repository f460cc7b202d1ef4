"""
From spikes to fluorescence, and back: a tutorial
=================================================

A neuron fires spikes, and a microscope sees light. This page explains what is measured, shows how
spikes are inferred from it, and trains a generator that makes new traces with spikes, or without.

No recording is needed. Cells are simulated, and written in the format of the SpikeFinder challenge.
If you have files of that challenge, put them into a folder ``spikefinder``, and let the environment
variable ``CALGAN_DATA`` name the folder above it. Then ``6.train.calcium.csv.gz`` and
``6.train.spikes.csv.gz`` take the place of the simulated cells.
"""

# %%
# What calcium imaging measures
# -----------------------------
# From a spike to a number in a file there are four steps:
#
# 1. The neuron fires *spikes*. Each lasts about a millisecond.
# 2. Calcium enters the cell with each spike. *Calcium* rises within some hundredths of a second,
#    and falls for about a second.
# 3. An indicator binds calcium, and then it shines. If most of it is bound, it can hardly shine
#    brighter: *fluorescence* saturates.
# 4. The microscope takes *frames*. A frame is the mean light of a short time. The number of photons
#    varies by chance, which is *noise*. The baseline drifts.
#
# This function takes the four steps.

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

FINE, MICROSCOPE = 1000, 50  # time steps and frames per second


def leaky_sum(inputs, time_constant):
    """Add up inputs, which are forgotten exponentially."""
    return lfilter([1.0], [1.0, -np.exp(-1 / (FINE * time_constant))], inputs)


def slow_noise(n, smoothness, rng):
    """Return n values of smooth noise, of mean 0 and standard deviation 1."""
    noise = gaussian_filter1d(rng.normal(size=n), smoothness)
    return (noise - noise.mean()) / noise.std()


def simulate(duration, *, rate, decay, gain, noise, rng):
    """Simulate a neuron; return spikes, calcium, fluorescence and frames."""
    drive = 1.6 * slow_noise(round(duration * FINE), 0.5 * FINE, rng)  # bursts and pauses
    spikes = rng.poisson(rate / FINE * np.exp(drive - 1.6**2 / 2))
    rise = 0.03
    calcium = leaky_sum(leaky_sum(spikes, rise), decay) / (rise * FINE)
    fluorescence = gain * calcium / (1 + calcium / 20)
    frames = fluorescence.reshape(-1, FINE // MICROSCOPE).mean(axis=1)
    drift = 0.3 * slow_noise(len(frames), 10 * MICROSCOPE, rng)
    frames += noise * (rng.normal(size=len(frames)) + drift)
    return spikes, calcium, fluorescence, frames


# %%
# Look at the spikes that follow others closely: each adds to calcium that is still there. Look at
# single spikes, too: they are hardly larger than the noise. This is why spikes have to be inferred.

import matplotlib.pyplot as plt


def finish(figure):
    """Leave out the lines above and to the right of each panel."""
    for ax in figure.axes:
        ax.spines[["top", "right"]].set_visible(False)


rng = np.random.default_rng(4)
steps = simulate(15.0, rate=1.0, decay=0.7, gain=0.25, noise=0.15, rng=rng)
times = np.arange(len(steps[0])) / FINE
figure, axes = plt.subplots(4, sharex=True, figsize=(8, 5.5), layout="constrained")
axes[0].vlines(times[steps[0] > 0], 0, 1, color="black", linewidth=1)
axes[0].set(ylabel="spikes", yticks=[])
axes[1].plot(times, steps[1], color="#009E73")
axes[1].set_ylabel("calcium\n(of a spike)")
axes[2].plot(times, 0.25 * steps[1], color="#6B6B6B", linestyle="--", label="unsaturated")
axes[2].plot(times, steps[2], color="#009E73")
axes[2].set_ylabel("fluorescence\n(dF/F)")
axes[2].legend(loc="upper left", frameon=False)
axes[3].plot((np.arange(len(steps[3])) + 0.5) / MICROSCOPE, steps[3], ".", markersize=2)
axes[3].set(ylabel="frames\n(dF/F)", xlabel="time (s)")
figure.align_ylabels()
finish(figure)

# %%
# The format of SpikeFinder
# -------------------------
# In some experiments an electrode records the spikes of a cell while it is imaged. The true spikes
# of such a cell are known, which is called *ground truth*. The SpikeFinder challenge collected such
# cells. Its files have a simple form:
#
# - Two CSV files belong together. ``1.train.calcium.csv`` has the fluorescence, and
#   ``1.train.spikes.csv`` the number of spikes. Both may be compressed (``.csv.gz``).
# - A column is a neuron. A row is 10 ms (100 Hz), however fast the microscope was.
# - Cells were recorded one at a time, some of them longer. NaN fill the ends of short columns.
#
# Eight simulated cells are written in this form.

import os
import tempfile
from pathlib import Path

import pandas as pd

FILE_RATE = 100  # rows per second


def write_simulated_cells(folder, n_cells=8):
    """Write cells as SpikeFinder does; return the path of the fluorescence."""
    rng = np.random.default_rng(1)
    traces, counts = {}, {}
    for k in range(n_cells):
        duration = float(rng.integers(200, 261))
        spikes, _, _, frames = simulate(
            duration,
            rate=rng.uniform(0.5, 1.5),
            decay=rng.uniform(0.4, 1.0),
            gain=rng.uniform(0.15, 0.3),
            noise=rng.uniform(0.1, 0.25),
            rng=rng,
        )
        of_frames = (np.arange(len(frames)) + 0.5) / MICROSCOPE
        of_rows = (np.arange(round(duration * FILE_RATE)) + 0.5) / FILE_RATE
        traces[k] = pd.Series(np.interp(of_rows, of_frames, frames))
        counts[k] = pd.Series(spikes.reshape(-1, FINE // FILE_RATE).sum(axis=1))
    pd.DataFrame(traces).to_csv(folder / "1.train.calcium.csv.gz", index=False)
    pd.DataFrame(counts).to_csv(folder / "1.train.spikes.csv.gz", index=False)
    return folder / "1.train.calcium.csv.gz"


if "CALGAN_DATA" in os.environ:
    path = Path(os.environ["CALGAN_DATA"]) / "spikefinder" / "6.train.calcium.csv.gz"
else:
    path = write_simulated_cells(Path(tempfile.mkdtemp()))
table = pd.read_csv(path)
print(f"{path.name}: the first two rows and the last one")
print(table.iloc[[0, 1, -1]].round(2).to_string())

# %%
# `read_recording` knows this form. ``neurons=[k]`` reads one cell, leaves out the NaN at its end,
# and finds its spikes in the other file. From here on a frame is 40 ms (25 Hz), as it was in the
# scores of the challenge: the fluorescence of four rows is averaged, and their spikes are added.

from calgan import Recording, read_recording

FRAME_RATE = 25.0  # Hz
ROWS = 4  # of the file, in a frame

recordings, spikes = [], []
for k in range(table.shape[1]):
    cell = read_recording(path, neurons=[k])
    n_rows = len(cell) - len(cell) % ROWS
    rows = cell.traces[:n_rows].reshape(-1, ROWS, 1)
    recordings.append(Recording(rows.mean(axis=1), FRAME_RATE))
    spikes.append(cell.metadata["spikes"][:n_rows].reshape(-1, ROWS, 1).sum(axis=1))
    rate = spikes[k].sum() / recordings[k].duration
    print(f"cell {k}: {recordings[k].duration:5.1f} s, {rate:.2f} spikes per second")

# %%
# Fluorescence with and without spikes
# ------------------------------------
# Does the level of fluorescence alone tell when a cell fires? Each recording is cut into periods of
# 1 s. A period is *spiking* if it holds a spike, and *silent* if not. The figure shows the
# fluorescence of all frames of spiking periods, and of all frames of silent ones (without the
# largest 2 %).
#
# One number says how well the mean level of a period tells the two: the area under the ROC curve
# (AUC). It is the chance that a spiking period has a higher level than a silent one. 1 is always,
# 0.5 is a coin toss.

from calgan.metrics import spike_inference_scores

PERIOD = 1.0  # s
n_frames = round(PERIOD * FRAME_RATE)
n_columns = -(-len(recordings) // 2)
figure, axes = plt.subplots(2, n_columns, figsize=(10, 4.5), layout="constrained")
for k, ax in enumerate(axes.flat):
    if k >= len(recordings):
        ax.set_visible(False)
        continue
    n = len(recordings[k]) - len(recordings[k]) % n_frames
    frames = recordings[k].traces[:n].reshape(-1, n_frames)
    is_spiking = spikes[k][:n].reshape(-1, n_frames).any(axis=1)
    edges = np.linspace(*np.quantile(frames, [0, 0.98]), 30)
    for name, chosen, color in (
        ("silent", ~is_spiking, "#6B6B6B"),
        ("spiking", is_spiking, "#D55E00"),
    ):
        values = frames[chosen].ravel()
        weights = np.full(len(values), 1 / len(values))
        ax.hist(values, edges, weights=weights, histtype="step", color=color, label=name)
    scores = spike_inference_scores(spikes[k], recordings[k], FRAME_RATE, bin_width=PERIOD)
    ax.set_title(f"cell {k}, AUC {scores['auc'][0]:.2f}", fontsize=10)
lines, names = axes[0, 0].get_legend_handles_labels()
figure.legend(lines, names, loc="outside upper right", ncols=2, frameon=False)
figure.supxlabel("fluorescence (units of the file)")
figure.supylabel("share of frames")
finish(figure)

# %%
# The level says something, but the distributions overlap in all cells. There are two reasons. In a
# silent period there is calcium of earlier spikes. And a spike near the end of a period, or a
# single one, hardly changes its mean. So inference has to use the *shape* of the trace: a steep
# rise, then a slow decay.
#
# Inferring spikes
# ----------------
# Four methods are compared, with the level of fluorescence as a control:
#
# - *OASIS* (`OasisDeconvolver`) assumes a shape: a spike is a jump, which decays exponentially. It
#   returns the size of each jump, in the units of the trace.
# - *OASIS, smoothed*: the same, spread by a Gaussian with a standard deviation of 0.1 s. A jump
#   that is found a little too late then counts as nearly right.
# - *Networks of calgan* (`SpikeInferenceNetwork`) have learnt shapes from many simulated cells.
#   They come with calgan, and have seen no cell of this page.
# - *Network trained here*: it learns from every second cell of this page and its spikes. It is
#   small, and its training short.
#
# All methods are tested on the other cells. A network that is tested on a cell from which it learnt
# may know its gain and noise by heart.

from calgan import OasisDeconvolver, SpikeInferenceNetwork

trained = SpikeInferenceNetwork(
    n_networks=1, filters=16, max_iter=300, device="cpu", verbose=0, random_state=0
)
trained.fit(recordings[::2], spikes[::2])

test_cells = range(1, len(recordings), 2)
inferred = {}
for k in test_cells:
    jumps = OasisDeconvolver(output="amplitudes").fit_transform(recordings[k]).traces
    inferred[k] = {
        "level alone": recordings[k].traces,
        "OASIS": jumps,
        "OASIS, smoothed": gaussian_filter1d(jumps, 0.1 * FRAME_RATE, axis=0),
        "networks of calgan": SpikeInferenceNetwork().fit_transform(recordings[k]).traces,
        "network trained here": trained.transform(recordings[k]).traces,
    }

# %%
# Scores depend on the width of the bins in which spikes are counted, so it is named: the
# correlation of true and inferred spikes is that in bins of 0.2 s, and the AUC that of periods of
# 1 s, as above. The last column divides the number of inferred spikes by that of true ones. The
# jumps of OASIS are no numbers of spikes.

BIN = 0.2  # s
methods = list(inferred[test_cells[0]])
print(f"means over {len(test_cells)} cells")
print(f"{'':20s}  correlation ({BIN:g} s)  AUC ({PERIOD:g} s)  inferred/true")
for method in methods:
    fine, coarse = (
        [
            spike_inference_scores(spikes[k], inferred[k][method], FRAME_RATE, bin_width=width)
            for k in test_cells
        ]
        for width in (BIN, PERIOD)
    )
    correlation = np.mean([scores["correlation"] for scores in fine])
    auc = np.mean([scores["auc"] for scores in coarse])
    ratio = 1 + np.mean([scores["bias"] for scores in fine])
    known = f"{ratio:15.2f}" if "network" in method else f"{'-':>15s}"
    print(f"{method:20s}{correlation:21.2f}{auc:11.2f}{known}")

# %%
# Compare the rows. Simulated cells resemble those from which the networks of calgan learnt; real
# cells may give another order. Trust the times of networks more than their numbers: by how much a
# spike raises the fluorescence of a test cell, they have to guess.
#
# The figure shows the busiest 20 s of one test cell. Networks return the number of spikes that they
# expect in a frame. Where they cannot tell the frame, they share a spike out among several.

shown = test_cells[0]
n = round(20 * FRAME_RATE)
first = int(np.argmax(np.convolve(spikes[shown][:, 0], np.ones(n), "valid")))
times = np.arange(n) / FRAME_RATE
figure, axes = plt.subplots(6, sharex=True, figsize=(9, 7), layout="constrained")
axes[0].plot(times, recordings[shown].traces[first : first + n], linewidth=0.8)
axes[0].set_title(f"cell {shown}")
names = ["trace", "true spikes", "OASIS", "OASIS,\nsmoothed", "networks\nof calgan"]
for ax, name in zip(axes, [*names, "network\ntrained here"], strict=True):
    ax.set_ylabel(name, rotation=0, ha="right", va="center")
found = [spikes[shown], *(inferred[shown][method] for method in methods[1:])]
for ax, values in zip(axes[1:], found, strict=True):
    color = "black" if values is spikes[shown] else "#D55E00"
    ax.vlines(times, 0, values[first : first + n, 0], color=color, linewidth=1.2)
axes[-1].set_xlabel("time (s)")
finish(figure)

# %%
# A generator that can be asked for spikes
# ----------------------------------------
# Now the other way round. We want new traces, and we want to say whether they have spikes.
#
# Each trace is cut into blocks of 512 frames. From two blocks of three the generator learns; the
# third is held out, to judge it. Then cells are brought to one scale: the median is subtracted, and
# the trace is divided by the standard deviation. Both are those of the training blocks, so that
# nothing is learnt from what is held out.

BLOCK, WINDOW = 512, 64  # frames
blocks = {"training": [], "held-out": []}
for recording, counts in zip(recordings, spikes, strict=True):
    cuts = [slice(first, first + BLOCK) for first in range(0, len(recording) - BLOCK + 1, BLOCK)]
    kinds = ["held-out" if i % 3 == 2 else "training" for i in range(len(cuts))]
    learnt = [
        recording.traces[cut] for cut, kind in zip(cuts, kinds, strict=True) if kind == "training"
    ]
    median, deviation = np.median(learnt), np.std(learnt)
    for cut, kind in zip(cuts, kinds, strict=True):
        blocks[kind].append(((recording.traces[cut] - median) / deviation, counts[cut]))

# %%
# Blocks are cut into windows of 64 frames (2.56 s). A window is spiking if it holds a spike, and
# silent if not. Windows to learn from overlap, so that a spike is seen early and late in a window.
# Neighbouring frames resemble each other: held-out windows therefore keep a distance of 64 frames
# from the ends of their block.


def cut_windows(blocks, step, margin=0):
    """Return windows (M, T, 1) of each condition, and the spikes in them."""
    windows, counts = [], []
    for trace, of_trace in blocks:
        for start in range(margin, BLOCK - WINDOW - margin + 1, step):
            windows.append(trace[start : start + WINDOW])
            counts.append(of_trace[start : start + WINDOW])
    windows, counts = np.array(windows), np.array(counts)
    is_spiking = counts.any(axis=(1, 2))
    chosen = {"spiking": is_spiking, "silent": ~is_spiking}
    return {c: windows[chosen[c]] for c in chosen}, {c: counts[chosen[c]] for c in chosen}


overlapping, _ = cut_windows(blocks["training"], step=8)
training, _ = cut_windows(blocks["training"], step=WINDOW)
held_out, true_spikes = cut_windows(blocks["held-out"], step=WINDOW, margin=WINDOW)
for c in held_out:
    print(f"{c}: {len(overlapping[c])} windows to learn from, {len(held_out[c])} held out")

# %%
# A generator with a condition draws from p(window | condition). Here there are just two conditions,
# and we know that of each window. So we train one generator on spiking windows, and one on silent
# windows. The two together *are* the conditional generator. `CalciumFlow` learns to turn noise into
# windows, step by step. It does not know what a spike is.

from calgan import CalciumFlow

generators = {}
for condition, windows in overlapping.items():
    flow = CalciumFlow(
        max_iter=400,
        filters=32,
        settings={"check_every": 400},
        device="cpu",
        verbose=0,
        random_state=0,
    )
    generators[condition] = flow.fit(windows)


def sample(condition, n, rng):
    """Draw n new windows (n, T, 1), "spiking" or "silent"."""
    return generators[condition].sample(n, random_state=rng)


# %%
# If you do not want to choose, let chance choose, with the frequencies of the recordings:
# p(window) = p(spiking) p(window | spiking) + p(silent) p(window | silent).

p_spiking = len(training["spiking"]) / sum(map(len, training.values()))
print(f"p(spiking) = {p_spiking:.2f}")


def sample_any(n, rng):
    """Draw n new windows (n, T, 1); spiking ones are as frequent as they are in recordings."""
    n_spiking = rng.binomial(n, p_spiking)
    return np.concatenate([sample("spiking", n_spiking, rng), sample("silent", n - n_spiking, rng)])


# %%
# Real windows (blue) and samples (red). They were not chosen by eye: the real ones are equally far
# apart in the list, and the samples are the first ones. Black lines are true spikes, which samples
# do not have. Silent windows, too, may start with a decay, after spikes that came earlier.

rng = np.random.default_rng(0)
samples = {condition: sample(condition, 300, rng) for condition in held_out}

figure, axes = plt.subplots(4, 6, sharex=True, figsize=(10, 6), layout="constrained")
times = np.arange(WINDOW) / FRAME_RATE
for (real_row, sample_row), c in zip(axes.reshape(2, 2, 6), held_out, strict=True):
    numbers = np.linspace(0, len(held_out[c]) - 1, 6).round().astype(int)
    both = np.concatenate([held_out[c][numbers], samples[c][:6]])
    limits = both.min() - 0.3, both.max() + 0.3
    for i, number in enumerate(numbers):
        real_row[i].plot(times, held_out[c][number], color="#0072B2", linewidth=0.9)
        for time in times[true_spikes[c][number, :, 0] > 0]:
            real_row[i].axvline(time, 0.9, 1, color="black", linewidth=1)
        sample_row[i].plot(times, samples[c][i], color="#D55E00", linewidth=0.9)
    for name, row in (("real", real_row), ("sample", sample_row)):
        row[0].set_ylabel(f"{c},\n{name}", rotation=0, ha="right", va="center")
        for i, ax in enumerate(row):
            ax.set_ylim(limits)
            ax.tick_params(labelleft=i == 0)
figure.supxlabel("time (s)")
finish(figure)

# %%
# Has it learnt the conditions?
# -----------------------------
# Samples are compared with held-out windows. Real training windows are compared with them, too.
# This is the *baseline*: a generator can hardly be expected to be better.
#
# The level comes first. The Wasserstein distance says how far the values of one distribution have
# to be moved, on average, to make it the other. Its unit is the standard deviation of the held-out
# windows, and 0 is equal.

from calgan.metrics import classifier_auc, wasserstein_marginals


def print_table(title, score):
    """Print scores of windows of each condition against held-out windows of each."""
    print(f"{title}, against held-out windows that are")
    print(f"{'':18s}  spiking  silent")
    for name, windows in {"sample": samples, "training": training}.items():
        for condition in held_out:
            found = [score(held_out[other], windows[condition]) for other in held_out]
            print(f"{name + ', ' + condition:18s}{found[0]:9.2f}{found[1]:8.2f}")


print_table("Wasserstein distance", lambda *pair: wasserstein_marginals(*pair)[0])

everything = np.concatenate([held_out["spiking"], held_out["silent"]])
distance = wasserstein_marginals(everything, sample_any(300, rng))[0]
baseline = wasserstein_marginals(everything, np.concatenate(list(training.values())))[0]
print(f"without a condition: sample {distance:.2f}, training {baseline:.2f}")

# %%
# The same distributions as curves. The axis of shares is logarithmic, so that large and rare values
# can be seen.

figure, axes = plt.subplots(1, 2, sharey=True, figsize=(9, 3.4), layout="constrained")
edges = np.linspace(*np.quantile(everything, [0, 0.999]), 30)
for ax, condition in zip(axes, held_out, strict=True):
    for name, windows, style in (
        ("real, held-out", held_out, {"color": "#0072B2"}),
        ("real, training", training, {"color": "#6B6B6B", "linestyle": "--"}),
        ("sample", samples, {"color": "#D55E00"}),
    ):
        values = windows[condition].ravel()
        weights = np.full(len(values), 1 / len(values))
        ax.hist(values, edges, weights=weights, histtype="step", label=name, log=True, **style)
    ax.set(title=condition, xlabel="fluorescence (standard deviations)")
axes[0].set_ylabel("share of frames")
axes[1].legend(frameon=False)
finish(figure)

# %%
# Spikes come second. The networks of calgan infer them in real windows and in samples alike. They
# are adapted once, to the blocks of training. Compare the rows of inferred spikes with each other:
# errors of the inference are in all of them. The first row shows how large these errors are.

judge = SpikeInferenceNetwork(frame_rate=FRAME_RATE)
judge.fit([trace for trace, _ in blocks["training"]])

print(f"{'spikes per second':20s}  spiking  silent")
rows = {"true, held-out": true_spikes}
for name, windows in {"held-out": held_out, "training": training, "sample": samples}.items():
    rows[f"inferred, {name}"] = {c: judge.transform(windows[c]) for c in held_out}
for name, found in rows.items():
    rates = [found[c].sum() / len(found[c]) / (WINDOW / FRAME_RATE) for c in held_out]
    print(f"{name:20s}{rates[0]:9.2f}{rates[1]:8.2f}")

# %%
# Third, the shape as a whole. A classifier learns to tell held-out windows from others by summary
# statistics of each window, such as its spectrum. Its AUC is 0.5 if it cannot, and 1 if it always
# can. If the condition does what it says, samples are hard to tell from held-out windows of their
# own condition, and easy to tell from those of the other.

print_table("AUC of a classifier", lambda *pair: classifier_auc(*pair, random_state=0))

# %%
# So the condition does what it says: ask for spiking windows, and they are near real spiking ones
# and far from silent ones, and the other way round. Where a sample has a larger number than
# training windows of its condition, the generator has missed something, if the difference is not
# chance. There are few held-out windows here, and chance is large. `evaluate` makes such
# comparisons with intervals, for populations of neurons.
