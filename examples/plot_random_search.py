"""
Random search over step sizes
=============================

The thesis chose its settings by random search, and for a GAN that is still the way: two or three
settings matter, which ones is not known beforehand, and step sizes are best drawn over orders of
magnitude. ``RandomizedSearchCV`` draws them from ``scipy.stats`` distributions and runs the fits
in several processes.

.. note::

   To be built in a minute, the networks train for a few steps on a small simulated recording. What
   does well after so few steps need not do well after many.
"""

# %%
# What is searched
# ----------------
# A distribution is drawn from and a list is chosen from, for any parameter of any step.

import pickle

import joblib
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import loguniform, randint
from sklearn.base import clone
from sklearn.model_selection import RandomizedSearchCV

import calgan
from calgan import Windower, datasets, make_calcium_pipeline
from calgan.metrics import make_scorer
from calgan.model_selection import BlockedKFold, search_table
from calgan.plotting import SearchDisplay

process = datasets.make_process(n_neurons=16, random_state=0)
recording, _ = process.sample_recording(duration=240.0, random_state=1)
windows = Windower(64).fit_transform(recording)

pipeline = make_calcium_pipeline(
    "1d",
    window=64,
    recipe="compact",
    filters=16,
    max_iter=60,
    validation_fraction=0,
    random_state=0,
)
distributions = {
    "generator__learning_rate": loguniform(1e-4, 1e-2),
    "generator__critic_learning_rate": loguniform(1e-5, 1e-2),
    "generator__noise_size": randint(4, 33),
    "scaler__per_neuron": [True, False],  # a range for each neuron, or one for all
}

# %%
# How it gets to other processes
# ------------------------------
# Every candidate is a clone of the pipeline with its parameters set. It is pickled and sent to a
# worker together with the view of the windows, which is the recording and a few integers. What
# comes back are scores.

candidate = clone(pipeline).set_params(generator__learning_rate=3e-3)
print(f"pipeline: {len(pickle.dumps(candidate)) / 1e3:.1f} kB")
print(f"view:     {len(pickle.dumps(windows)) / 1e3:.0f} kB")
print(f"windows:  {windows.nbytes / 1e3:.0f} kB if they were expanded")

# %%
# torch takes all cores in every process unless told otherwise. ``inner_max_num_threads`` tells the
# workers: cores divided by ``n_jobs``. In a shell, ``OMP_NUM_THREADS`` does the same. It is set
# before the workers start; those that are up already keep what they have.

search = RandomizedSearchCV(
    pipeline,
    distributions,
    n_iter=8,
    scoring=make_scorer(n_samples=200),
    refit="van_rossum",
    cv=BlockedKFold(2),
    n_jobs=2,
    random_state=0,
)
with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
    search.fit(windows)

# %%
# What was found
# --------------
# The winner by one statistic is rarely that by all of them, and here the two folds differ by more
# than most candidates do: a ranking like this one wants more folds, or more data.

print(search_table(search, scores=["firing_rate", "van_rossum", "correlation_matrix"]))

# %%
SearchDisplay.from_search(search, scores=["firing_rate", "van_rossum", "correlation_matrix"])

# %%
# Which setting mattered? Each score over each step size: a range that is too narrow shows in its
# best candidates standing at an end of it.

names = ["generator__learning_rate", "generator__critic_learning_rate"]
figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained", sharey=True)
for ax, name in zip(axes, names, strict=True):
    drawn = np.array([params[name] for params in search.cv_results_["params"]])
    for fold in range(search.n_splits_):
        scores = search.cv_results_[f"split{fold}_test_van_rossum"]
        ax.plot(drawn, scores, "o", label=f"fold {fold}", alpha=0.7)
    ax.set(xscale="log", xlabel=name.removeprefix("generator__").replace("_", " "))
axes[0].set_ylabel("van Rossum score\n(higher is better)")
axes[0].legend()

# %%
# The winner was fitted again on all windows and samples in the units of the recording. The whole
# search pickles too, and what is loaded draws the same samples.

samples = calgan.sample(search, 5)
reloaded = pickle.loads(pickle.dumps(search))
np.testing.assert_array_equal(calgan.sample(reloaded, 5), samples)
samples.shape
