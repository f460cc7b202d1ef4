"""
A recording whose truth is known
================================

Whether a model has learnt the firing of a population can be said exactly when the truth is known.
The thesis simulates such a recording with a dichotomized Gaussian (its section 4.2): spikes with
given rates and covariances, a calcium decay of 0.95 a frame, and noise, and compares traces, rates
and covariances (its figures 4.1 to 4.3). This is the experiment at a size that a laptop finishes in
a minute; ``benchmarks/ground_truth.py`` has it with 102 neurons, over seeds, and the published
networks at full size.
"""

# %%
# The process
# -----------
#
# The process holds the true rates and covariances. Recordings and windows are drawn from it, with
# the true spikes beside the traces.

import numpy as np

from calgan import OasisDeconvolver, make_calcium_pipeline
from calgan.datasets import make_dichotomized_gaussian_process
from calgan.metrics import firing_rate
from calgan.plotting import (
    CorrelationScatterDisplay,
    FiringRateDisplay,
    RateScatterDisplay,
    TracesDisplay,
)
from calgan.spikes.oasis import infer_spikes

process = make_dichotomized_gaussian_process(24, random_state=0)
recording, true_spikes = process.sample_recording(300.0, random_state=1)
print(process)
print(f"true rates: {process.rates.min():.2f} to {process.rates.max():.2f} Hz")

# %%
# A model that sees nothing but the traces
# ----------------------------------------
#
# calgan's default.

model = make_calcium_pipeline("1d", window=128, random_state=0, verbose=0)
model.fit(recording)
synthetic = model.sample(200)

# %%
# Traces
# ------
#
# What to compare the samples with are fresh windows of the process, which the model has not seen.
# Spikes are inferred in both alike, as published: OASIS with the true decay and baseline, and a
# smallest spike of 0.55.

fresh, fresh_spikes = process.sample_windows(200, 128, random_state=2)


def infer(windows):
    return infer_spikes(windows, decay=0.95, baseline=0.0, threshold=0.55) >= 0.5


spikes = (infer(fresh), infer(synthetic))
compared = {"frame_rate": process.frame_rate, "spikes": spikes, "random_state": 0}
TracesDisplay.from_samples(fresh, synthetic, **compared)

# %%
# Firing rates
# ------------
#
# The root mean square error of the mean rates has parts that are not the model's: 200 windows give
# the rates only so well, and the inference misses and invents spikes, in fresh windows as well. A
# deconvolver that has to find decay, baseline and noise in the traces loses more.

deconvolver = OasisDeconvolver(process.frame_rate).fit(recording)
found = {
    "fresh windows, true spikes": fresh_spikes,
    "fresh windows, inferred": spikes[0],
    "samples, inferred": spikes[1],
    "fresh windows, nothing known": deconvolver.transform(fresh),
}
for name, windows in found.items():
    rates = firing_rate(np.asarray(windows, dtype=float), process.frame_rate).mean(axis=0)
    error = np.sqrt(np.mean((rates - process.rates) ** 2))
    print(f"{name:30s} RMSE of the mean rates {error:.3f} Hz")

RateScatterDisplay.from_samples(fresh, synthetic, **compared)

# %%
FiringRateDisplay.from_samples(fresh, synthetic, **compared)

# %%
# Correlations
# ------------

CorrelationScatterDisplay.from_samples(fresh, synthetic, of="spikes", **compared)
