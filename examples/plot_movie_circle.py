"""
From movie to cells and back
============================

A recording becomes a model, the model a synthetic recording, and that a movie. The movie is then
analysed as a real one: motion, cells, traces, dF/F, spikes. The truth is known at every step, so
that this page can tell what each step loses. :doc:`/cells` has the details.
"""

# %%
# A recording and its model
# -------------------------
# 24 neurons of the optic tectum of a larval zebrafish. ``sample_recording`` draws five minutes of
# synthetic activity. Its metadata hold the calcium and the spikes behind the traces.

import numpy as np
from matplotlib.figure import Figure

from calgan import OasisDeconvolver, datasets, io, make_calcium_pipeline
from calgan.cells import CellDetector, MotionCorrector
from calgan.metrics import detection_scores
from calgan.plotting import CellsDisplay

recording = datasets.load_zebrafish_tectum().select(slice(24))
model = make_calcium_pipeline(window=64, random_state=0, verbose=0).fit(recording)
synthetic = model.sample_recording(300.0, random_state=0)
steps = synthetic.metadata["components"]
synthetic

# %%
# A movie of it
# -------------
# The calcium is rendered as a two-photon movie with cells, tissue, neuropil, photon noise, and
# motion of 1.5 pixels. Above: three frames without noise. Below: the same frames as they are
# recorded.

truth = datasets.make_movie(synthetic, (112, 112), radius=5, motion=1.5, random_state=0)
print(truth)

numbers = (100, 300, 500)
figure = Figure(figsize=(8, 5.6), layout="constrained")
rows = figure.subplots(2, len(numbers))
for row, name in zip(rows, ("expected", "movie"), strict=True):
    for ax, number in zip(row, numbers, strict=True):
        ax.imshow(getattr(truth, name).frames[number], cmap="gray", vmin=0, vmax=600)
        ax.set_title(f"frame {number}" + ", no noise" * (name == "expected"), loc="left")
        ax.set_axis_off()
figure

# %%
# Motion
# ------
# The shifts of all frames are measured and undone. Shifts have no origin: their median is taken
# off.

corrector = MotionCorrector(verbose=0)
still = corrector.fit_transform(truth.movie)
error = corrector.shifts_ - truth.shifts
error -= np.median(error, axis=0)
print(f"true shifts: {np.sqrt((truth.shifts**2).sum(axis=1).mean()):.2f} pixels (RMS)")
print(f"error:       {np.sqrt((error**2).sum(axis=1).mean()):.2f} pixels")

# %%
# Cells
# -----
# A found cell is right if it lies within one radius of a true one. Each true cell counts once.

detector = CellDetector(radius=5, verbose=0).fit(still)
fluorescence = detector.transform(still)
scores = detection_scores(detector.centres_, truth.centres, max_distance=5)
print(f"{scores.n_true} true cells, {scores.n_found} found, F1 {scores.f1:.2f}")
CellsDisplay.from_estimator(detector, still, truth=truth, scores=scores, traces=fluorescence.traces)

# %%
# Traces
# ------
# Traces of matched cells are correlated with the calcium of the true ones. dF/F is smaller than the
# truth: the light of the tissue around a cell adds to the F that it is divided by.

found, true = scores.pairs.T
activity = io.delta_f_over_f(fluorescence)
for name, traces in (("fluorescence", fluorescence), ("dF/F", activity)):
    r_traces = scores.trace_correlations(traces, steps.calcium)
    print(f"{name:12s} r: median {np.median(r_traces):.2f}, smallest {r_traces.min():.2f}")
size = activity.traces[:, found].std(axis=0) / steps.calcium[:, true].std(axis=0)
print(f"SD of dF/F, as a share of the true one: median {np.median(size):.2f}")

# %%
# Spikes
# ------
# OASIS infers in which frames a cell spiked. For comparison it does so from the traces of the
# synthetic recording, too, which no microscope has seen. At 2.2 frames a second, several spikes
# often fall in one frame, and count as one.

deconvolver = OasisDeconvolver()
inferred = deconvolver.fit_transform(activity).traces[:, found]
direct = deconvolver.fit_transform(synthetic).traces[:, true]
spikes = steps.spikes[:, true]
rate = spikes.sum(axis=0) / synthetic.duration
for name, events in (("traces", direct), ("movie", inferred)):
    both = ((events > 0) & (spikes > 0)).sum(axis=0)
    hit, right = (np.median(both / (x > 0).sum(axis=0)) for x in (spikes, events))
    r = np.corrcoef(rate, events.mean(axis=0))[0, 1]
    print(f"{name:6s} {hit:.0%} of frames with spikes found, {right:.0%} right, r of rates {r:.2f}")

# %%
# Left: a cell whose trace is as good as the median, and its spikes. Right: the rates of all cells.
# The movie has less noise than the traces of the tectum, so that more spikes are inferred from it,
# true and false ones.

cell = int(np.argsort(r_traces)[len(r_traces) // 2])
shown = slice(0, round(100 * synthetic.frame_rate))
seconds = synthetic.times[shown]
calcium = steps.calcium[shown, true[cell]]
figure = Figure(figsize=(8, 3.8), layout="constrained")
left, right = figure.subplots(1, 2, width_ratios=(2, 1))
left.plot(seconds, calcium, color="black", label="true")
scaled = activity.traces[shown, found[cell]] / size[cell]
left.plot(seconds, scaled, color="#0072B2", linewidth=1, label="from the movie, scaled")
lines = [seconds[x[shown, cell] > 0] for x in (spikes, inferred)]
step = 0.1 * calcium.max()
left.eventplot(
    lines, lineoffsets=[-3 * step, -4 * step], linelengths=0.8 * step, colors=["black", "#0072B2"]
)
left.set(xlabel="time (s)", ylabel="dF/F", ylim=(-5 * step, 13 * step))
left.legend(frameon=False, ncols=2, loc="upper left")
for name, events, color in (("traces", direct, "0.6"), ("movie", inferred, "#0072B2")):
    right.scatter(rate, synthetic.frame_rate * events.mean(axis=0), color=color, label=name)
right.axline((0, 0), slope=1, color="black", linewidth=0.8)
right.set(xlabel="true rate (Hz)", ylabel="inferred rate (Hz)", ylim=(0, 0.7))
right.legend(frameon=False, loc="upper left")
figure

# %%
# The cells and the course of their calcium come back; lost on the way are the size of dF/F, which
# the light of the tissue lowers, and much of the differences in rate, because spikes share frames
# and noise is taken for spikes.
