"""
Your own data: from a suite2p folder to a synthetic one
=======================================================

Read a suite2p folder, look at its traces, leave out bad frames, fit the default generator
(:class:`~calgan.CalciumFactorModel`), and write a synthetic recording as a folder of the same kind.

The folder of this page is simulated, so that the true traces are known. With a folder of your own,
start at the second section.
"""

# %%
# A folder like suite2p's
# -----------------------
# suite2p writes the raw fluorescence of each region (``F.npy``), that of the neuropil around it
# (``Fneu.npy``), which regions are cells (``iscell.npy``), and the frame rate (``ops.npy``). Here
# cells sit on a baseline of about 400 counts, the baseline sinks by a tenth (bleaching), and 70 %
# of the neuropil leaks into them. The last five regions are no cells. In 6 frames the animal moved.

import tempfile
from pathlib import Path

import numpy as np

from calgan.datasets import make_recording

truth, _ = make_recording(600.0, n_neurons=30, random_state=0)
rng = np.random.default_rng(1)
n_frames, n_cells = truth.shape
times = truth.times[:, None]
bleaching = 1 - 0.1 * times / times[-1]
baseline = rng.uniform(300, 500, n_cells) * bleaching
slow = np.convolve(rng.normal(size=n_frames), np.ones(50) / 12, "same")[:, None]
neuropil = rng.uniform(150, 250, n_cells + 5) * (1 + slow)
cells = baseline * (1 + truth.traces) + 0.7 * neuropil[:, :n_cells]
others = neuropil[:, n_cells:] + rng.normal(0, 20, (n_frames, 5))
fluorescence = np.hstack([cells, others])
moved = np.arange(3000, 3006)
fluorescence[moved] -= 150

folder = Path(tempfile.mkdtemp()) / "suite2p" / "plane0"
folder.mkdir(parents=True)
np.save(folder / "F.npy", fluorescence.T.astype(np.float32))  # neurons first
np.save(folder / "Fneu.npy", neuropil.T.astype(np.float32))
is_cell = np.arange(n_cells + 5) < n_cells
np.save(folder / "iscell.npy", np.column_stack([is_cell, np.full(len(is_cell), 0.9)]))
np.save(folder / "ops.npy", {"fs": truth.frame_rate, "neucoeff": 0.7})

# %%
# Read it
# -------
# `read_recording` recognises the format. It takes the cells, subtracts 0.7 of the neuropil, and
# divides by a running baseline. The metadata say so.

from calgan import read_recording

recording = read_recording(folder)
print(recording)
print(recording.metadata["processing"])

# %%
# Compare with the truth. The same raw traces without correction are another recording.

from matplotlib.figure import Figure

from calgan.io import delta_f_over_f

uncorrected = delta_f_over_f(fluorescence[:, :n_cells], truth.frame_rate)
figure = Figure(figsize=(8, 5), layout="constrained")
axes = figure.subplots(3, sharex=True)
traces = {"truth": truth.traces, "F": uncorrected}
traces["F - 0.7 Fneu"] = recording.traces
for ax, (name, values) in zip(axes, traces.items(), strict=True):
    ax.plot(truth.times[2500:3500], values[2500:3500, 3], linewidth=0.8)
    ax.set_ylabel(f"{name}\n(dF/F)")
    ax.spines[["top", "right"]].set_visible(False)
axes[-1].set_xlabel("time (s)")
figure

# %%
# Leave out bad frames
# --------------------
# `find_artefacts` finds frames in which most neurons jump together and jump back. Frames that are
# left out belong to no segment, and no window crosses them.

from calgan.io import find_artefacts

bad = find_artefacts(recording)
print(f"frames {np.flatnonzero(bad).tolist()}")
recording = recording.without_frames(bad)
print(recording, recording.segments.tolist())

# %%
# Fit, and judge
# --------------

from calgan import evaluate, make_calcium_pipeline
from calgan.model_selection import train_test_blocks

train, test = train_test_blocks(recording, test_size=0.3, gap=64)
model = make_calcium_pipeline(window=64, random_state=0).fit(train)
synthetic = model.sample(100)
evaluate(test, synthetic, train=train, model=model, random_state=0).summary()

# %%
# Write a synthetic recording
# ---------------------------
# A name without a suffix makes a folder like suite2p's, ``.nwb`` an NWB file. Every format marks
# the recording as synthetic.

from calgan import write_recording

synthetic = model.sample_recording(300.0)
path = write_recording(synthetic, folder.parent / "synthetic")
print(sorted(file.name for file in path.rglob("*.npy")))
print(read_recording(path))

# %%
# Keep the model
# --------------
# The file holds the whole pipeline. Loading it runs no code from it.

import calgan

model.save(folder.parent / "session.calgan")
loaded = calgan.load(folder.parent / "session.calgan")
print(np.array_equal(loaded.sample(3), model.sample(3)))
