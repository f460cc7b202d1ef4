"""
A recording whose truth is known
================================

A simulated recording shows exactly whether a model has learnt the firing of a population. As in the
thesis (section 4.2, figures 4.1 to 4.3), the process is a dichotomized Gaussian: spikes with given
rates and covariances, a calcium decay of 0.95 a frame, and noise. ``benchmarks/ground_truth.py``
has the experiment at full size.
"""

# %%
# The process
# -----------
# It holds the true rates and covariances. Recordings and windows are drawn from it, with the true
# spikes beside the traces.

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

process = make_dichotomized_gaussian_process(24, random_state=0)
recording, _ = process.sample_recording(300.0, random_state=1)
print(process)
print(f"true rates: {process.rates.min():.2f} to {process.rates.max():.2f} Hz")

# %%
# The model
# ---------
# The default generator sees the traces alone.

model = make_calcium_pipeline(window=128, random_state=0, verbose=0).fit(recording)
synthetic = model.sample(200)

# %%
# Traces
# ------
# Samples are compared with fresh windows of the process, which the model has not seen. Spikes are
# inferred alike in both, by a deconvolver that was fitted to the recording.

fresh, true_spikes = process.sample_windows(200, 128, random_state=2)
deconvolver = OasisDeconvolver().fit(recording)
TracesDisplay.from_samples(fresh, synthetic, deconvolver=deconvolver)

# %%
# Firing rates
# ------------
# Most of the error of the rates is not the model's: the inference misses and invents spikes in
# fresh windows, too.

found = {
    "fresh windows, true spikes": true_spikes,
    "fresh windows, inferred": deconvolver.transform(fresh),
    "samples, inferred": deconvolver.transform(synthetic),
}
for name, spikes in found.items():
    rates = firing_rate(spikes, process.frame_rate).mean(axis=0)
    error = np.sqrt(np.mean((rates - process.rates) ** 2))
    print(f"{name:27s} RMSE of the mean rates {error:.3f} Hz")

RateScatterDisplay.from_samples(fresh, synthetic, deconvolver=deconvolver)

# %%
FiringRateDisplay.from_samples(fresh, synthetic, deconvolver=deconvolver)

# %%
# Correlations
# ------------

CorrelationScatterDisplay.from_samples(fresh, synthetic, of="spikes", deconvolver=deconvolver)
