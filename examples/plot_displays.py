"""
Every figure, one line each
===========================

Each figure is a display in scikit-learn's manner: a class that computes its numbers from a fitted
model (``from_estimator``), from windows (``from_samples``) or from an evaluation
(``from_evaluation``), keeps them, and draws them on axes of yours or on a figure of its own.

Recording and model are simulated: a generator that draws fresh windows of the process itself shows
the figures of a perfect model.
"""

# %%
# A recording, a model
# --------------------
# ``PerfectModel`` has the two verbs of a generator, and takes the place of
# ``make_calcium_pipeline(window=64)``.

from __future__ import annotations

from sklearn.base import BaseEstimator

from calgan import datasets, evaluate
from calgan.model_selection import train_test_blocks

WINDOW = 64
process = datasets.make_process(n_neurons=24, random_state=0)
recording, _ = process.sample_recording(600.0, random_state=1)
train, test = train_test_blocks(recording, test_size=0.4, gap=WINDOW)


class PerfectModel(BaseEstimator):
    """Draw windows of the true process, and keep a training history that means nothing."""

    def fit(self, X, y=None):
        self.history_ = [
            {"step": step, "critic_loss": 1.0 / step, "val_firing_rate_kl": 0.2 + 1.0 / step}
            for step in range(1, 101)
        ]
        self.best_iter_ = 100
        return self

    def sample(self, n_samples=1, *, random_state=None):
        return process.sample_windows(n_samples, WINDOW, random_state=random_state)[0]


model = PerfectModel().fit(train)

# %%
# From a fitted model
# -------------------
# ``from_estimator`` samples the model, a pipeline or a search, draws as many windows from the
# held-out recording at random starts, infers spikes in both alike, and draws. It shows the window
# with the median number of spikes, not the prettiest.

from calgan.plotting import TracesDisplay

TracesDisplay.from_estimator(model, test, n_samples=200, train=train, random_state=0)

# %%
# From samples
# ------------
# Samples need no model. ``train=`` adds the training recording, the train-test baseline: no model
# can be expected to come closer to the held-out recording.

from calgan.plotting import FiringRateDisplay, RateScatterDisplay

synthetic = model.sample(300, random_state=0)
FiringRateDisplay.from_samples(test, synthetic, train=train, random_state=0, neurons=range(8))

# %%
# A display holds its numbers:

display = RateScatterDisplay.from_samples(test, synthetic, train=train, random_state=0)
print({group: f"{rmse:.3f} Hz" for group, rmse in display.rmse.items()})
display

# %%
# From an evaluation
# ------------------
# An evaluation holds windows and spikes of every group, so its figures are cheap. It has controls,
# too, such as neuron-shuffled windows: every neuron is right, and nothing that they do together.

from calgan.plotting import HeadlineDisplay

evaluation = evaluate(
    test, synthetic, train=train, model=model, random_state=0, n_bootstrap=50, n_splits=2
)
HeadlineDisplay.from_evaluation(evaluation)

# %%
# Several models side by side: ``compare`` judges all of them against the same windows.

from calgan import compare, make_calcium_pipeline

gaussian = make_calcium_pipeline("dichotomized_gaussian", window=WINDOW, random_state=0).fit(train)
comparison = compare(
    {"true process": synthetic, "dichotomized Gaussian, no memory": gaussian.sample(300)},
    test,
    train=train,
    random_state=0,
    controls=("replay", "shuffled"),
    n_bootstrap=50,
    n_splits=2,
)
HeadlineDisplay.from_comparison(comparison)

# %%
# ROC curves of a classifier of held-out windows against others, and its scores.

from calgan.plotting import RocDisplay

RocDisplay.from_evaluation(evaluation)

# %%
# Spikes of whole windows.

from calgan.plotting import RasterDisplay

RasterDisplay.from_evaluation(evaluation)

# %%
# Traces of whole windows.

from calgan.plotting import WindowsDisplay

WindowsDisplay.from_evaluation(evaluation)

# %%
# The divergences that the published table averages, by neuron and by window. With
# ``protocol="thesis"`` they are those of the published estimator.

from calgan.plotting import KLHistogramDisplay

KLHistogramDisplay.from_evaluation(evaluation)

# %%
# Distances between the spike trains of one neuron in real and in other windows, sorted.

from calgan.plotting import VanRossumMatrixDisplay

VanRossumMatrixDisplay.from_evaluation(evaluation)

# %%
# Correlations between neurons: the matrices,

from calgan.plotting import CorrelationMatrixDisplay

CorrelationMatrixDisplay.from_evaluation(evaluation)

# %%
# and the same numbers, pair by pair.

from calgan.plotting import CorrelationScatterDisplay

CorrelationScatterDisplay.from_evaluation(evaluation)

# %%
# Covariances of spike counts in half-second bins.

from calgan.plotting import CovarianceScatterDisplay

CovarianceScatterDisplay.from_evaluation(evaluation)

# %%
# The training curves of the model (here two that were made up).

from calgan.plotting import TrainingDisplay

TrainingDisplay.from_estimator(model)

# %%
# On axes of your own
# -------------------
# ``ax=`` draws on your axes. The panels of a figure of several share their place.

import matplotlib.pyplot as plt

from calgan.plotting import (
    AutocorrelationDisplay,
    CorrelationDisplay,
    PopulationCountDisplay,
    PowerSpectrumDisplay,
    VanRossumDisplay,
)

figure, axes = plt.subplot_mosaic(
    [["correlations", "distances", "counts"], ["spectrum", "lags", "KL"], ["both", "both", "one"]],
    figsize=(11, 9),
    layout="constrained",
)
CorrelationDisplay.from_evaluation(evaluation, ax=axes["correlations"])
VanRossumDisplay.from_evaluation(evaluation, ax=axes["distances"])
PopulationCountDisplay.from_evaluation(evaluation, ax=axes["counts"])
PowerSpectrumDisplay.from_evaluation(evaluation, ax=axes["spectrum"])
AutocorrelationDisplay.from_evaluation(evaluation, ax=axes["lags"])
KLHistogramDisplay.from_evaluation(evaluation, statistic="van_rossum", ax=axes["KL"])
CorrelationMatrixDisplay.from_samples(test, synthetic, random_state=0, ax=axes["both"])
FiringRateDisplay.from_evaluation(evaluation, neurons=15, ax=axes["one"])
plt.show()
