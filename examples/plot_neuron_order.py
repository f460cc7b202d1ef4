"""
Neighbours that are alike: the order of neurons
===============================================

A 2-D convolution over frames and neurons treats neurons as pixels: those that stand side by side
are neighbours. A recording has them in the order of a segmentation program.
:class:`~calgan.NeuronSorter` puts similar neurons side by side, and puts samples back exactly.
"""

# %%
# An order learnt on one part of a recording
# ------------------------------------------
# The order is learnt on the first part and measured on the last: chance correlations would bring
# any neurons together.

import matplotlib.pyplot as plt
import numpy as np

from calgan import NeuronSorter, Windower, datasets
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
# Correlations of the held-out part: the same numbers in all three panels.

correlation = np.corrcoef(np.asarray(test.traces).T)
as_recorded = np.arange(recording.n_neurons)
orders = {"as recorded": as_recorded} | {name: each.order_ for name, each in sorters.items()}
panels = {name: correlation[np.ix_(order, order)] for name, order in orders.items()}
CorrelationMatrixDisplay(panels, order=as_recorded).plot()

# %%
# A convolution sees as many neurons at once as its kernel is wide: 8 in the thesis's 2-D generator.
# So neurons up to 7 places apart should be alike. ``"correlation"`` serves that best here.
# ``"seriation"`` looks for one gradual sequence, which this population does not follow.


def likeness(order, reach):
    """Mean correlation of neurons that stand at most `reach` places apart."""
    matrix = correlation[np.ix_(order, order)]
    return np.mean(np.concatenate([np.diag(matrix, k) for k in range(1, reach + 1)]))


orders["at random"] = np.random.default_rng(0).permutation(recording.n_neurons)
print("mean correlation, held out   next neighbours   within 8 neurons")
for name, order in orders.items():
    print(f"{name:<27}  {likeness(order, 1):>15.3f}  {likeness(order, 7):>17.3f}")

# %%
# A window as a 2-D network sees it
# ---------------------------------
# The sorter takes recordings, windows and lazy views.

windows = Windower(64).fit_transform(test)
in_order = sorters["correlation"].transform(windows)
liveliest = int(np.argmax([window.mean() for window in windows]))
figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained", sharey=True)
for ax, view, title in zip(axes, (windows, in_order), ("as recorded", "sorted"), strict=True):
    image = ax.imshow(view[liveliest], aspect="auto", cmap="magma", vmin=0, vmax=1.5)
    ax.set(title=title, xlabel="neuron")
axes[0].set_ylabel("frame")
figure.colorbar(image, ax=axes, label="dF/F", extend="both")
plt.show()

# %%
# The way back is exact, bit for bit. ``CalciumGAN("2d-sorted")`` sorts by itself, and its samples
# have the neurons in the order of the recording.

back = sorters["correlation"].inverse_transform(in_order)
assert np.array_equal(np.asarray(back), np.asarray(windows))

# %%
# Neighbours in the tissue
# ------------------------
# Known positions give an order, too: a short path, so that no two neighbours are far apart. Pass
# ``positions``, or a recording with ``metadata["positions"]``. The bundled recording has none;
# these are drawn at random.

positions = np.random.default_rng(1).uniform(0, 400, size=(143, 2))  # micrometres
path = positions[NeuronSorter("position", positions=positions).fit(train).order_]
figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained", sharey=True)
for ax, points, title in zip(axes, (positions, path), ("as drawn", "path"), strict=True):
    step = np.linalg.norm(np.diff(points, axis=0), axis=1).mean()
    ax.plot(*points.T, "-", color="0.6", linewidth=0.8)
    ax.scatter(*points.T, c=np.arange(143), cmap="viridis", s=14, zorder=2)
    ax.set(title=f"{title}: {step:.0f} µm between neighbours", xlabel="x (µm)", aspect="equal")
axes[0].set_ylabel("y (µm)")
plt.show()
