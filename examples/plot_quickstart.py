"""
From a recording to samples, and a judgement of them
====================================================

Load a recording, split it in time, fit the default generator
(:class:`~calgan.CalciumFactorModel`), sample new windows and compare them with the held-out part.
This page takes 40 of the 143 neurons and 100 samples, to be quick. :doc:`/model` has the result for
all of them.
"""

# %%
# A recording, split in time
# --------------------------
# 15 minutes of the optic tectum of a larval zebrafish. The last 30 % are held out, with a gap of
# one window before them: neighbouring frames are nearly copies of one another. With your own data,
# ``recording = calgan.read_recording("suite2p/plane0")``, or ``"session.nwb"``, or CaImAn's
# ``"results.hdf5"`` (:doc:`/data`).

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

model = make_calcium_pipeline(window=64, random_state=0).fit(train)
synthetic = model.sample(100)
print(f"{model[-1].n_iter_} rounds, samples {synthetic.shape} in {recording.units}")

# %%
# Look at the traces
# ------------------
# A held-out window and a sample, with inferred spikes. A sample need not match the real window
# beside it: each is another draw.

from calgan.plotting import TracesDisplay

TracesDisplay.from_samples(test, synthetic, train=train, random_state=0)

# %%
# Judge
# -----
# Every statistic stands beside its train-test baseline, the distance of the training recording from
# the held-out one, and beside controls. Intervals are wide: the held-out 270 s hold nine windows
# side by side.

from calgan.plotting import HeadlineDisplay

evaluation = evaluate(test, synthetic, train=train, model=model, random_state=0)
HeadlineDisplay.from_evaluation(evaluation)

# %%
# 1 is as close as real data. The grey band is the interval of the baseline. The summary gives each
# group of statistics a light; a star marks statistics that the model was trained on.
# ``print(evaluation)`` adds the whole table.

print(evaluation.summary())

# %%
# Calibration
# -----------
# After the initial fit, each round simulates the recording and corrects the parameters by the error
# of their statistics. These are the medians over neurons of the first six.

from calgan.plotting import TrainingDisplay

TrainingDisplay.from_estimator(model, max_panels=6)

# %%
# ``evaluation.to_html("report.html")`` writes one page with all figures.
