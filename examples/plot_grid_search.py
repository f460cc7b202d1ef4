"""
Grid search over the thesis's variants
======================================

Which network, which encoding, which order of the neurons? Every variant is a setting of one
pipeline, so scikit-learn's ``GridSearchCV`` can compare them: on folds that are blocked in time,
by several statistics of samples against held-out windows, and in several processes.

.. note::

   To be built in a minute, this page trains networks a fraction of the published size for a few
   steps on a small simulated recording. It shows how a search is made. The ranking that comes out
   says nothing about the systems at full size and length.
"""

# %%
# Data
# ----
# 16 simulated neurons, 4 minutes at 10 Hz. The last part is put aside: the search never sees it. A
# search runs over windows, not over the recording, so that folds can be drawn over them. The view
# costs no more memory than the recording, in each process.

import joblib
import numpy as np
from sklearn.model_selection import GridSearchCV

import calgan
from calgan import Windower, datasets, make_calcium_pipeline
from calgan.metrics import make_scorer
from calgan.model_selection import BlockedKFold, search_table, train_test_blocks
from calgan.pipeline import variant_grid
from calgan.plotting import SearchDisplay

process = datasets.make_process(n_neurons=16, random_state=0)
recording, _ = process.sample_recording(duration=240.0, random_state=1)
train, test = train_test_blocks(recording, test_size=0.25, gap=64)
windows = Windower(64).fit_transform(train)
windows

# %%
# One pipeline, five variants
# ---------------------------
# The steps are always called the same, and :func:`~calgan.pipeline.variant_grid` says what each
# variant sets. Each dictionary is a grid of its own: add a parameter to cross it with that variant.

pipeline = make_calcium_pipeline(
    "1d",
    window=64,
    recipe="thesis",
    filters=4,  # published: 64 in one dimension, 20 in two
    batch_size=16,  # 128
    n_critic=2,  # 5
    learning_rate=1e-3,  # 1e-4
    critic_learning_rate=1e-3,  # 1e-4
    max_iter=40,  # 27,600
    random_state=0,
)
variants = ["1d", "1d-no-shuffle", "2d", "2d-sorted", "2d-fft-packed"]
grid = variant_grid(variants, recipe="thesis")
grid[variants.index("2d-sorted")]

# %%
# Folds, scores, processes
# ------------------------
# :class:`~calgan.model_selection.BlockedKFold` keeps each fold together in time and leaves out
# training windows that overlap it. The scorer draws samples once and returns every statistic; all
# are divergences with their sign changed, but for ``correlation_matrix``, an r. ``refit`` names the
# one that decides.
#
# ``n_jobs=2`` runs two fits at once. Each fit would like to use all cores, and two that do are
# slower than one after the other, so ``inner_max_num_threads`` gives each process one thread. The
# number of processes does not change what is found.

search = GridSearchCV(
    pipeline,
    grid,
    scoring=make_scorer(n_samples=200),
    refit="correlation_matrix",
    cv=BlockedKFold(3),
    n_jobs=2,
)
with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
    search.fit(windows)

# %%
# What was found
# --------------
# The same as a table and as a figure, in which small dots are the folds. Look at all statistics,
# not only at the one that decided, and at the spread over folds: variants closer to each other
# than their folds are not told apart.

print(search_table(search, labels=variants))

# %%
SearchDisplay.from_search(search, labels=variants)

# %%
# The winner
# ----------
# It was fitted again on all windows. :func:`calgan.sample` takes its samples back through the
# inverse of every step, whichever steps the winner has, to the units of the recording.

print("best:", variants[search.best_index_])
samples = calgan.sample(search, 200)
assert samples.shape == (200, 64, recording.n_neurons)

by_hand = search.best_estimator_["generator"].sample(200)  # in the units of the scaler, or a code
for step in ("scaler", "encoder", "sorter"):
    if search.best_estimator_[step] != "passthrough":
        by_hand = search.best_estimator_[step].inverse_transform(by_hand)
np.testing.assert_array_equal(samples, by_hand)

print(f"training part: {train.traces.min():.2f} to {train.traces.max():.2f} dF/F")
print(f"samples:       {samples.min():.2f} to {samples.max():.2f} dF/F")

# %%
# After so few steps there is little to judge, as the range of the samples shows. The score of a
# winner is the best of several in any case, and flatters it: judge it on the part that was put
# aside, with ``calgan.evaluate(test, samples, train=train)``.
