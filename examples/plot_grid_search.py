"""
Grid search over the thesis's variants
======================================

Networks, encoding and order of the neurons are variants of :class:`~calgan.CalciumGAN`.
scikit-learn's ``GridSearchCV`` compares them on folds that are blocked in time, by several
statistics of samples against held-out windows, in several processes.

.. note::

   To be built in a minute, this page trains small networks for a few steps. Its ranking says
   nothing about the variants at full size and length.
"""

# %%
# Data
# ----
# 16 simulated neurons, 4 minutes at 10 Hz. The search never sees the last part. It runs over
# windows and not over the recording, so that folds can be drawn over them.

import joblib
from sklearn.model_selection import GridSearchCV

import calgan
from calgan import Windower, datasets, make_calcium_pipeline
from calgan.metrics import make_scorer
from calgan.model_selection import BlockedKFold, search_table, train_test_blocks
from calgan.plotting import SearchDisplay

recording, _ = datasets.make_recording(240.0, n_neurons=16, random_state=0)
train, test = train_test_blocks(recording, test_size=0.25, gap=64)
windows = Windower(64).fit_transform(train)
windows

# %%
# One pipeline, five variants
# ---------------------------
# Settings that are not a variant's own hold for all of them.

pipeline = make_calcium_pipeline(
    "gan",
    window=64,
    filters=4,  # published: 64 in one dimension, 20 in two
    batch_size=16,  # 128
    max_iter=40,  # 27,600
    learning_rate=1e-3,  # 1e-4
    settings={"critic_learning_rate": 1e-3, "n_critic": 2},  # 1e-4, 5
    random_state=0,
)
variants = ["1d", "1d-no-shuffle", "2d", "2d-sorted", "2d-fft-packed"]

# %%
# Folds, scores, processes
# ------------------------
# :class:`~calgan.model_selection.BlockedKFold` keeps each fold together in time and leaves out
# training windows that overlap it. The scorer draws samples once and returns every statistic;
# higher is better. ``refit`` names the one that decides.
#
# ``n_jobs=2`` runs two fits at once, each with one thread (``inner_max_num_threads``). The number
# of processes does not change the result.

search = GridSearchCV(
    pipeline,
    {"generator__variant": variants},
    scoring=make_scorer(n_samples=200),
    refit="correlation_matrix",
    cv=BlockedKFold(3),
    n_jobs=2,
)
with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
    search.fit(windows)

# %%
# Results
# -------
# Small dots are the folds. Look at all statistics, not only at the one that decided, and at the
# folds: two variants that differ less than their folds are not told apart.

print(search_table(search))

# %%
SearchDisplay.from_search(search)

# %%
# The winner
# ----------
# It was fitted again on all windows. :func:`calgan.sample` takes samples of it in the units of the
# recording. The score of a winner is the best of several and flatters it: judge it on the part that
# the search has not seen, with ``calgan.evaluate(test, samples, train=train)``.

samples = calgan.sample(search, 200)
print(f"best: {search.best_params_}, samples {samples.shape}")
