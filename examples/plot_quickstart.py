"""
From a recording to samples, and a judgement of them
====================================================

Load a real recording, split it in time, fit the default generator
(:class:`~calgan.CalciumFactorModel`), sample new windows and compare them with the part that was
held out. To be quick this takes 40 of the 143 neurons and 100 samples. ``make demo`` does the same
in full, and :doc:`/model` says what that gives.
"""

# %%
# A recording, split in time
# --------------------------
# 15 minutes of the optic tectum of a larval zebrafish. The last 30 % are held out, with a gap of
# one window before them, because neighbouring frames are nearly copies of one another.

from calgan import datasets, evaluate, make_calcium_pipeline
from calgan.model_selection import train_test_blocks

recording = datasets.load_zebrafish_tectum().select(slice(40))
train, test = train_test_blocks(recording, test_size=0.3, gap=64)
recording

# %%
# Fit and sample
# --------------
# The pipeline cuts windows of 64 frames and fits the model to them. Samples are independent windows
# in the units of the recording.

model = make_calcium_pipeline("1d", window=64, random_state=0).fit(train)
synthetic = model.sample(100)
print(f"{model[-1].n_iter_} rounds, samples {synthetic.shape} in {recording.units}")

# %%
# Look at the traces
# ------------------
# One window of held-out data and one sample, with the spikes that are inferred in both alike. A
# sample is not meant to match the real window beside it, only to look as if it could be one.

from calgan import OasisDeconvolver
from calgan.plotting import plot_traces

deconvolver = OasisDeconvolver().fit(train)
shown = {"real": test.traces[:64], "synthetic": synthetic[0]}
plot_traces(
    shown,
    recording.frame_rate,
    spikes={name: deconvolver.transform(window) for name, window in shown.items()},
)

# %%
# Judge
# -----
# Every statistic stands beside its train-test baseline, the distance of the training recording
# from the held-out one, and beside controls. Intervals are wide, because 270 s hold nine windows
# side by side.

evaluation = evaluate(test, synthetic, train=train, model=model, random_state=0)

from calgan.plotting import plot_headline

plot_headline(evaluation.statistics)

# %%
# 1 is as close as real data are, and the grey band is how far those scatter. The table has the
# numbers; statistics with a star were trained on.

print(evaluation)

# %%
# How it was calibrated
# ---------------------
# After the initial fit, each round simulates the recording and corrects the parameters by what
# their statistics miss, of which the medians over neurons are shown, the first six.

from calgan.plotting import plot_training_curves

plot_training_curves(model[-1].history_, max_panels=6)

# %%
# ``evaluation.to_html("report.html")`` writes one page with all figures. Continue with
# :doc:`/training`, :doc:`/evaluation` and :doc:`/model_selection`.
