"""CaImAn's hdf5 files: which traces are read, and that denoised ones are never read alone."""

import json

import numpy as np
import pytest
from io_cases import comes_back, fluorescence, without
from scipy import sparse

from calgan import read_recording

h5py = pytest.importorskip("h5py")

N, T, RATE, DIMS = 6, 400, 12.0, (8, 20)  # rows, columns
RAW = fluorescence(T, N).T  # (N, T), on a baseline of 100 and more
BASELINE = 100.0 + 10.0 * np.arange(N)
NOISE = np.random.default_rng(1).normal(size=RAW.shape)
CENTRES = np.array([[2.0 * roi + 4.0, 3.0] for roi in range(N)])  # (x, y)


def footprints():
    """Return A (pixels, N), three pixels a neuron in a column, of norm 1."""
    A = np.zeros((DIMS[0], DIMS[1], N))
    for roi, (x, _) in enumerate(CENTRES.astype(int)):
        A[2:5, x, roi] = 1.0 / np.sqrt(3.0)
    return sparse.csc_matrix(A.reshape(-1, N, order="F"))


def save(path, *, leave_out=(), rate="dataset", **estimates):
    """Save estimates as CaImAn does: None as text, sparse matrices as groups."""
    A = footprints()
    fields = {
        "A": A,
        "C": (RAW - BASELINE[:, None]) - NOISE,
        "YrA": NOISE,
        "F_dff": RAW / BASELINE[:, None] - 1.0,
        "b": A @ BASELINE[:, None],
        "f": np.ones((1, T)),
        "R": None,
        "idx_components": np.array([0, 1, 3, 4]),
        "idx_components_bad": np.array([2, 5]),
        "dims": np.array(DIMS),
        **estimates,
    }
    with h5py.File(path, "w") as file:
        for name, value in fields.items():
            key = f"estimates/{name}"
            if name in leave_out:
                continue
            if sparse.issparse(value):
                for part in ("data", "indices", "indptr", "shape"):
                    file[f"{key}/{part}"] = getattr(value, part)
            else:
                file[key] = "NoneType" if value is None else value
        if rate == "dataset":
            file["params/data/fr"] = RATE
        elif rate == "attribute":
            file.create_group("params/data").attrs["fr"] = RATE
        elif rate == "json":
            file["params"] = json.dumps({"data": {"fr": RATE}})
    return path


@pytest.mark.parametrize("rate", ["dataset", "attribute", "json"])
def test_dff_of_the_accepted_components_is_read(tmp_path, rate):
    recording = read_recording(save(tmp_path / "results.hdf5", rate=rate))
    assert recording.frame_rate == RATE
    assert recording.units == "dF/F"
    assert recording.roi_ids.tolist() == [0, 1, 3, 4]
    expected = (RAW / BASELINE[:, None] - 1.0).T[:, [0, 1, 3, 4]]
    np.testing.assert_allclose(recording.traces, expected, rtol=1e-5)
    np.testing.assert_allclose(recording.metadata["positions"], CENTRES[[0, 1, 3, 4]])
    assert recording.metadata["processing"] == "F_dff of CaImAn."


def test_results_come_back_through_every_format(tmp_path):
    recording = read_recording(save(tmp_path / "results.hdf5"))
    comes_back(recording, tmp_path, [".npz", ".nwb", ""])


def test_without_dff_residuals_and_background_make_it(tmp_path):
    recording = read_recording(save(tmp_path / "results.h5", F_dff=None), cells="all")
    assert recording.units == "dF/F"
    assert "F = C + YrA + background" in recording.metadata["processing"]
    raw = RAW.T
    baseline = np.percentile(raw, 8.0, axis=0)
    np.testing.assert_allclose(recording.traces, raw / baseline - 1.0, atol=0.02)


def test_without_background_residuals_are_added_in_arbitrary_units(tmp_path):
    path = save(tmp_path / "results.hdf5", F_dff=None, b=None)
    with pytest.warns(UserWarning, match="dF/F is unknown; C \\+ YrA were read"):
        recording = read_recording(path, cells="all")
    assert recording.units == "a.u."
    np.testing.assert_allclose(recording.traces, (RAW - BASELINE[:, None]).T, atol=1e-3)
    as_it_is = read_recording(save(tmp_path / "results.h5"), dff=False, neurons=[5, 2])
    assert np.array_equal(as_it_is.traces, recording.traces[:, [5, 2]])
    assert as_it_is.metadata["processing"] == "C + YrA of CaImAn."


def test_denoised_traces_are_read_if_they_are_named_alone(tmp_path):
    path = save(tmp_path / "results.hdf5", F_dff=None, YrA=None)
    with pytest.raises(ValueError, match="neither F_dff nor the residuals YrA, and C alone is"):
        read_recording(path)
    recording = read_recording(path, variable="C", cells="all")
    np.testing.assert_allclose(recording.traces.T, RAW - BASELINE[:, None] - NOISE, atol=1e-3)
    assert recording.units == "a.u."
    with pytest.raises(ValueError, match="holds no traces 'S'; it has 'C'"):
        read_recording(path, variable="S")


def test_detrended_traces_of_one_photon_data_are_not_called_dff(tmp_path):
    recording = read_recording(save(tmp_path / "results.hdf5", b=None))
    assert recording.units == "a.u."


@pytest.mark.parametrize(
    ("good", "bad", "n_neurons"),
    [(None, None, N), (np.array([]), np.array([]), N), (None, np.array([0]), N - 1)],
)
def test_components_that_were_not_judged_are_read(tmp_path, good, bad, n_neurons):
    path = save(tmp_path / "results.hdf5", idx_components=good, idx_components_bad=bad)
    assert read_recording(path).n_neurons == n_neurons


def test_what_is_missing_is_said(tmp_path):
    path = save(tmp_path / "results.hdf5", rate=None, leave_out=["A", "dims", "R"])
    with pytest.raises(ValueError, match="does not say its frame rate"):
        read_recording(path)
    assert "positions" not in read_recording(path, frame_rate=RATE).metadata
    other = save(tmp_path / "other.hdf5", F_dff=None, YrA=NOISE[:, :-1])
    with pytest.raises(ValueError, match=r"C has shape \(6, 400\), but YrA \(6, 399\)"):
        read_recording(other)
    none = save(tmp_path / "none.hdf5", idx_components=np.array([], dtype=int))
    with pytest.raises(ValueError, match="accepts none of its 6 ROIs"):
        read_recording(none)


def test_damaged_footprints_are_refused(tmp_path):
    path = save(tmp_path / "results.hdf5")
    with h5py.File(path, "r+") as file:
        file["estimates/A/indices"][0] = 1 << 30
    with pytest.raises(ValueError, match=r"results.hdf5 is damaged: /estimates/A\."):
        read_recording(path)


def test_another_hdf5_file_is_refused(tmp_path):
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["numbers"] = np.arange(3)
    with pytest.raises(ValueError, match="holds no array of traces"):
        read_recording(tmp_path / "other.hdf5")
    with pytest.raises(ValueError, match="holds no estimates of CaImAn"):
        read_recording(tmp_path / "other.hdf5", format="caiman")


def test_a_missing_library_is_named_with_its_command(tmp_path, monkeypatch):
    path = save(tmp_path / "results.hdf5")
    without(monkeypatch, "h5py")
    with pytest.raises(ImportError, match=r"reading CaImAn needs h5py: pip install 'calgan\[io\]'"):
        read_recording(path)
