"""
Neighbours that are alike: the order of neurons
===============================================

A 2-D convolution over frames and neurons takes neurons that stand next to one another for
neighbours, as if they were pixels. In a recording they are in the order in which a segmentation
program found them. :class:`~calgan.NeuronSorter` puts similar neurons next to one another, and
puts samples back exactly.
"""

# %%
# An order learnt on one part of a recording
# ------------------------------------------
# The order is learnt on the first part of the recording. What follows is measured on the last part,
# which had no say in it: chance correlations would bring any neurons together.

import matplotlib.pyplot as plt
import numpy as np

from calgan import NeuronSorter, Windower, datasets
from calgan.data.ordering import tour_order
from calgan.model_selection import train_test_blocks
from calgan.plotting import CorrelationMatrixDisplay

recording = datasets.load_zebrafish_tectum()
train, test = train_test_blocks(recording, test_size=0.4, gap=64)
sorters = {
    "correlation": NeuronSorter("correlation").fit(train),
    "seriation": NeuronSorter("seriation").fit(train),
}

# %%
# Before and after
# ----------------
# Correlations of the held-out part. They are the same numbers in all three panels.

correlation = np.corrcoef(np.asarray(test.traces).T)
panels = {"as recorded": correlation}
for method, sorter in sorters.items():
    panels[method] = correlation[np.ix_(sorter.order_, sorter.order_)]
CorrelationMatrixDisplay(panels, order=np.arange(recording.n_neurons)).plot()

# %%
# A convolution sees as many neurons at once as its kernel is wide, 8 in the thesis's 2-D generator.
# So what counts is how alike the neurons are that stand up to 7 places apart. ``"correlation"``
# serves that best here. ``"seriation"`` looks for one gradual sequence, which this population does
# not follow.


def likeness(order, reach):
    """Mean correlation of neurons that stand at most `reach` places apart."""
    sorted_ = correlation[np.ix_(order, order)]
    return np.mean(np.concatenate([np.diag(sorted_, k) for k in range(1, reach + 1)]))


orders = {
    "at random": np.random.default_rng(0).permutation(recording.n_neurons),
    "as recorded": np.arange(recording.n_neurons),
    **{method: sorter.order_ for method, sorter in sorters.items()},
}
print("mean correlation, held out   next neighbours   within 8 neurons")
for name, order in orders.items():
    print(f"{name:<27}  {likeness(order, 1):>15.3f}  {likeness(order, 7):>17.3f}")

best = sorters["correlation"].order_
assert likeness(best, 7) > likeness(orders["as recorded"], 7)

# %%
# What a 2-D network is shown
# ---------------------------
# A window of frames and neurons, as an image. The sorter takes recordings, windows and lazy views;
# a view keeps the neurons' ids in step.

windows = Windower(64).fit_transform(test)
in_order = sorters["correlation"].transform(windows)
liveliest = int(np.argmax([window.mean() for window in windows]))
figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained", sharey=True)
for ax, view, title in zip(axes, (windows, in_order), ("as recorded", "sorted"), strict=True):
    image = ax.imshow(view[liveliest], aspect="auto", cmap="magma", vmin=0, vmax=1.5)
    ax.set(title=title, xlabel="neuron")
axes[0].set_ylabel("frame")
figure.colorbar(image, ax=axes, label="dF/F", extend="both")
in_order.roi_ids[:8]

# %%
# The way back is exact, bit for bit. In a pipeline it is a step of its own, after the
# :class:`~calgan.Windower` and before the encoder and the scaler, and ``sample`` takes samples back
# through it: ``make_calcium_pipeline("2d-sorted", window=64)``.

back = sorters["correlation"].inverse_transform(in_order)
assert np.array_equal(np.asarray(back), np.asarray(windows))

# %%
# Neighbours in the tissue
# ------------------------
# Where positions are known, neurons can be ordered by them: along a short path, so that no two
# neighbours are far apart. Give the positions as ``NeuronSorter("position", positions=...)``, or
# with the recording as ``Recording(..., metadata={"positions": ...})``. The bundled recording has
# none; these are drawn at random.

positions = np.random.default_rng(1).uniform(0, 400, size=(143, 2))  # micrometres
path = positions[tour_order(positions)]
figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained", sharey=True)
for ax, points, title in zip(axes, (positions, path), ("as drawn", "path"), strict=True):
    step = np.linalg.norm(np.diff(points, axis=0), axis=1).mean()
    ax.plot(*points.T, "-", color="0.6", linewidth=0.8)
    ax.scatter(*points.T, c=np.arange(143), cmap="viridis", s=14, zorder=2)
    ax.set(title=f"{title}: {step:.0f} µm between neighbours", xlabel="x (µm)", aspect="equal")
axes[0].set_ylabel("y (µm)")
