"""Shared by the tests of file formats: the way of a file through calgan and back."""

import sys
import warnings

import numpy as np

from calgan import make_calcium_pipeline, read_recording, write_recording


def fluorescence(n_frames=400, n_neurons=6, seed=0):
    """Return raw traces (T, N) with transients on a baseline of about 100."""
    rng = np.random.default_rng(seed)
    spikes = rng.random((n_frames, n_neurons)) < 0.03
    kernel = np.exp(-np.arange(40) / 8.0)
    calcium = np.array([np.convolve(s, kernel)[:n_frames] for s in spikes.T.astype(float)]).T
    noise = rng.normal(size=(n_frames, n_neurons))
    baseline = 100.0 + 10.0 * np.arange(n_neurons)
    return (baseline * (1.0 + 0.5 * calcium) + 2.0 * noise).astype(np.float32)


def comes_back(recording, folder, suffixes=(".npz",)):
    """Fit, sample, write the samples in each format, and read them back equal and synthetic."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a fit that stops after one iteration
        model = make_calcium_pipeline(window=16, max_iter=1, random_state=0).fit(recording)
    drawn = model.sample_recording(n_frames=[60, 50])
    assert np.array_equal(drawn.roi_ids, recording.roi_ids)
    for suffix in suffixes:
        path = write_recording(drawn, folder / f"drawn{suffix}")
        back = read_recording(path)
        assert back == drawn, suffix
        assert back.metadata["synthetic"] is True, suffix
        assert back.metadata["generator"] == drawn.metadata["generator"], suffix
        for name, values in drawn.metadata["components"].items():
            assert values is None or np.array_equal(back.metadata["components"][name], values), name


def without(monkeypatch, module):
    """Make a library look as if it were not installed."""
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
