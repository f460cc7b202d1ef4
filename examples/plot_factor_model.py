"""
From factors to a trace
=======================

:class:`~calgan.CalciumFactorModel` simulates a recording step by step: factors, rates, spikes,
calcium, trace. It returns every step, so that the spikes behind a synthetic trace are known. This
example draws the steps, and then asks how many of the spikes OASIS finds. :doc:`/model` has the
equations.
"""

# %%
# Fit
# ---
# The recording is simulated: 24 neurons, 10 minutes at 10 Hz. The default has eight factors. Here
# it has three, so that one panel can show them all.

import sys

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from scipy.ndimage import maximum_filter1d

from calgan import OasisDeconvolver, datasets, make_calcium_pipeline

recording, _ = datasets.make_recording(600.0, n_neurons=24, random_state=0)
model = make_calcium_pipeline(window=64, n_factors=3, random_state=0, verbose=0).fit(recording)

# %%
# Sample
# ------
# ``sample_recording`` draws one recording of any length. Its metadata hold the steps before the
# traces.

synthetic = model.sample_recording(600.0, random_state=0)
steps = synthetic.metadata["components"]
print(synthetic)
for name, values in steps.items():
    print(f"{name:10s} {values.shape}")

# %%
# Draw the steps
# --------------
# Four neurons for 22 seconds, one colour a neuron. Rows 1 and 2: factors change slowly, and rates
# follow them. Neurons 1 and 2 follow factor 2; neurons 3 and 4 follow factor 3. Row 3: a spike is
# as likely as the rate is high. Row 4: each spike raises the calcium, which then decays. Row 5: the
# trace is the calcium (black) plus a baseline and noise.
#
# The sign of a factor has no meaning. Here most neurons fire more when a factor is high.

neurons, colors = [9, 18, 22, 0], ("#0072B2", "#56B4E9", "#D55E00", "#E69F00")
shown = slice(*(round(second * synthetic.frame_rate) for second in (57, 79)))
seconds = synthetic.times[shown] - synthetic.times[shown][0]
fitted = model[-1].model_  # parameters, arrays by neuron
factors = steps.factors[shown] * np.sign(fitted.loadings.sum(axis=0))
apart = 0.8 * np.ptp(synthetic.traces[shown, neurons], axis=0).max()

figure = Figure(figsize=(8, 8.4), layout="constrained")
axes = figure.subplots(5, 1, sharex=True, height_ratios=(1.0, 1.0, 0.7, 1.4, 1.4))
for k, (style, grey) in enumerate(((":", "0.45"), ("--", "0.35"), ("-", "0.0"))):
    axes[0].plot(seconds, factors[:, k], style, color=grey, label=f"factor {k + 1}")
for row, (neuron, color) in enumerate(zip(neurons, colors, strict=True)):
    calcium = steps.calcium[shown, neuron] - apart * row  # one neuron below another
    trace = synthetic.traces[shown, neuron] - apart * row
    spikes = steps.spikes[shown, neuron]
    axes[1].plot(seconds, steps.rates[shown, neuron], color=color)
    axes[2].eventplot(seconds[spikes > 0], lineoffsets=-row, linelengths=0.75, colors=color)
    axes[3].plot(seconds, calcium, color=color)
    axes[4].plot(seconds, trace, color=color, linewidth=1.2)
    axes[4].plot(seconds, fitted.baseline[neuron] + calcium, color="black", linewidth=0.8)

titles = (
    "factors $x$",
    r"rates: exp($b + w \cdot x$ + changes of the neuron's own)",
    "spikes $s$: Poisson, at these rates",
    "calcium $c$: each spike adds to it, and it decays",
    "trace $y$ = baseline + $c$ + noise",
)
for ax, title in zip(axes, titles, strict=True):
    ax.set_title(title, loc="left", fontsize=11)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("s.d.")
axes[0].legend(frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1.0, 0.97))
axes[1].set(ylabel="Hz", yscale="log", ylim=(0.002, 20), yticks=[0.01, 0.1, 1, 10])
axes[1].set_yticklabels(["0.01", "0.1", "1", "10"])
axes[1].yaxis.set_minor_locator(NullLocator())
for ax, step in zip(axes[2:], (1.0, apart, apart), strict=True):
    ax.set(ylabel="neuron", yticks=-step * np.arange(4), yticklabels=["1", "2", "3", "4"])
for ax in axes[3:]:
    ax.plot([22.15, 22.15], [-apart, 1 - apart], color="black", linewidth=2, clip_on=False)
    ax.text(22.3, 0.5 - apart, "1 dF/F", rotation=90, va="center")
axes[2].set_ylim(-3.6, 0.6)
axes[4].set(xlabel="time (s)", xlim=(0, 22))
figure.align_ylabels()
figure

# %%
# The figure of the README is this one: ``python examples/plot_factor_model.py FILE`` saves it.

if len(sys.argv) > 1:
    with mpl.rc_context({"svg.hashsalt": "calgan"}):
        figure.savefig(sys.argv[1], metadata={"Date": None})

# %%
# Judge a spike-inference method
# ------------------------------
# :class:`~calgan.OasisDeconvolver` reads decay, baseline and noise from the traces, and infers
# spikes. A frame with spikes is found if a spike is inferred in it or in a frame beside it. An
# inferred spike is right if a true one is in its frame or in a frame beside it. Some spikes are
# found by chance: the last line has inferred spikes that are shifted by a minute.

true = steps.spikes > 0
inferred = OasisDeconvolver().fit_transform(synthetic).traces > 0


def near(spikes):
    """Mark frames with a spike, and the frames beside them."""
    return maximum_filter1d(spikes, size=3, axis=0)


found = (true & near(inferred)).sum(axis=0) / true.sum(axis=0)  # of each neuron
right = (inferred & near(true)).sum(axis=0) / inferred.sum(axis=0)
shifted = np.roll(inferred, round(60 * synthetic.frame_rate), axis=0)
chance = (true & near(shifted)).sum(axis=0) / true.sum(axis=0)
print(f"spikes found:   {np.median(found):.0%} (median of {len(found)} neurons)")
print(f"inferred right: {np.median(right):.0%}")
print(f"by chance:      {np.median(chance):.0%} found")

# %%
# More spikes are found in neurons whose spikes are large beside the noise.

size = np.exp(fitted.log_amplitude - fitted.log_noise)
comparison = Figure(figsize=(8, 3.4), layout="constrained")
left, ax = comparison.subplots(1, 2, width_ratios=(2, 1))
for row, (neuron, color) in enumerate(zip(neurons, colors, strict=True)):
    pair = [seconds[spikes[shown, neuron]] for spikes in (true, inferred)]
    left.eventplot(pair, lineoffsets=[-row, -row - 0.38], linelengths=0.34, colors=["black", color])
left.set(xlabel="time (s)", ylabel="neuron", yticks=-0.19 - np.arange(4), xlim=(0, 22))
left.set_yticklabels(["1", "2", "3", "4"])
left.set_title("true spikes (black), inferred spikes (colour)", loc="left", fontsize=11)
left.set_ylim(-3.8, 0.4)
ax.scatter(size, found, color="0.6")
ax.scatter(size[neurons], found[neurons], color=colors, edgecolor="black")
ax.set(xscale="log", xlabel="calcium of one spike / noise", ylabel="share of spikes found")
ax.set(ylim=(0, 1.04), xticks=[3, 10, 30], xticklabels=["3", "10", "30"])
ax.xaxis.set_minor_locator(NullLocator())
comparison
