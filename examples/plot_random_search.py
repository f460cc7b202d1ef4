"""
Random search over step sizes
=============================

The thesis chose its settings by random search. Two or three settings of a GAN matter, nobody knows
beforehand which, and step sizes are best drawn over orders of magnitude. ``RandomizedSearchCV``
draws them from ``scipy.stats`` distributions and runs the fits in several processes.

.. note::

   To be built in a minute, the networks train for a few steps. A setting that does well after few
   steps need not do well after many.
"""

# %%
# The distributions
# -----------------
# A distribution is drawn from, a list is chosen from, for any parameter of any step.

import pickle

import joblib
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import loguniform, randint
from sklearn.model_selection import RandomizedSearchCV

import calgan
from calgan import Windower, datasets, make_calcium_pipeline
from calgan.metrics import make_scorer
from calgan.model_selection import BlockedKFold, search_table
from calgan.plotting import SearchDisplay

recording, _ = datasets.make_recording(240.0, n_neurons=16, random_state=0)
windows = Windower(64).fit_transform(recording)

pipeline = make_calcium_pipeline(
    "gan", window=64, max_iter=60, validation_fraction=0, random_state=0
)
distributions = {
    "generator__learning_rate": loguniform(1e-4, 1e-2),
    "generator__filters": randint(8, 33),
    "generator__variant": ["compact", "relativistic"],
}

# %%
# Processes
# ---------
# Every candidate is pickled and sent to a worker together with the view of the windows, which is
# the recording and a few integers. Scores come back.

print(f"pipeline: {len(pickle.dumps(pipeline)) / 1e3:.1f} kB")
print(f"view:     {len(pickle.dumps(windows)) / 1e3:.0f} kB")
print(f"windows:  {windows.nbytes / 1e3:.0f} kB if they were expanded")

# %%
# torch takes all cores in every process unless told otherwise: ``inner_max_num_threads`` tells the
# workers (cores divided by ``n_jobs``). It is set before the workers start.

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
# Results
# -------
# The winner by one statistic is rarely that by all of them.

scores = ["firing_rate", "van_rossum", "correlation_matrix"]
print(search_table(search, scores=scores))

# %%
SearchDisplay.from_search(search, scores=scores)

# %%
# The score over each setting. Best candidates at an end of a range mean that it is too narrow.

names = ["generator__learning_rate", "generator__filters"]
figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained", sharey=True)
for ax, name in zip(axes, names, strict=True):
    drawn = [params[name] for params in search.cv_results_["params"]]
    for fold in range(search.n_splits_):
        found = search.cv_results_[f"split{fold}_test_van_rossum"]
        ax.plot(drawn, found, "o", label=f"fold {fold}", alpha=0.7)
    ax.set(xlabel=name.removeprefix("generator__").replace("_", " "))
axes[0].set(xscale="log", ylabel="van Rossum score\n(higher is better)")
axes[0].set_xticks([4e-4, 1e-3, 4e-3], ["0.0004", "0.001", "0.004"])
axes[0].minorticks_off()
axes[0].legend()
plt.show()

# %%
# The winner was fitted again on all windows. The whole search pickles, too, and draws the same
# samples when it is loaded.

samples = calgan.sample(search, 5)
reloaded = pickle.loads(pickle.dumps(search))
assert np.array_equal(calgan.sample(reloaded, 5), samples)
