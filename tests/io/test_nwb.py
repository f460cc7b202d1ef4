"""NWB files as pynwb, suite2p, CaImAn and others write them: which series is read, and how."""

import datetime
import warnings

import numpy as np
import pytest
from io_cases import comes_back, fluorescence, without

from calgan import Recording, read_recording, write_recording

h5py = pytest.importorskip("h5py")
pynwb = pytest.importorskip("pynwb")
ophys = pynwb.ophys

N, T, RATE = 6, 400, 15.0
RAW = fluorescence(T, N)
DFF = (RAW / RAW.min(axis=0) - 1.0).astype(np.float32)
CELLS = [True, True, False, True, True, False]


class Session:
    """An NWB file in the making: one imaging plane, one table of N ROIs."""

    def __init__(self, description="ROIs", ids=None, mask="pixel_mask", **columns):
        self.file = pynwb.NWBFile("a session", "id", datetime.datetime.now(datetime.UTC))
        plane = self.file.create_imaging_plane(
            name="ImagingPlane",
            description="layer 2/3",
            device=self.file.create_device(name="Microscope"),
            optical_channel=ophys.OpticalChannel(
                name="OpticalChannel", description="green", emission_lambda=520.0
            ),
            excitation_lambda=920.0,
            imaging_rate=RATE,
            indicator="GCaMP6s",
            location="V1",
        )
        self.module = self.file.create_processing_module("ophys", "calcium")
        segmentation = ophys.ImageSegmentation()
        self.module.add(segmentation)
        self.rois = segmentation.create_plane_segmentation(
            name="PlaneSegmentation", description=description, imaging_plane=plane
        )
        image = np.zeros((N, 20, 12))
        image[np.arange(N), 2 * np.arange(N), np.arange(N)] = 1.0
        for roi in range(N):
            pixels = [(2 * roi, roi, 1.0)]
            self.rois.add_roi(
                id=roi if ids is None else ids[roi],
                **{mask: image[roi] if mask == "image_mask" else pixels},
            )
        for name, values in columns.items():
            self.rois.add_column(name=name, description=name, data=values)

    def series(self, container, data, name="RoiResponseSeries", rows=None, unit="n.a.", **timing):
        """Add one series to a container of this type or name."""
        timing = timing or {"rate": RATE, "starting_time": 0.0}
        region = self.rois.create_roi_table_region(
            "ROIs", region=list(range(N)) if rows is None else rows
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that data are transposed
            series = ophys.RoiResponseSeries(name=name, data=data, rois=region, unit=unit, **timing)
        if container not in self.module.data_interfaces:
            kind = ophys.DfOverF if container == "DfOverF" else ophys.Fluorescence
            self.module.add(kind(name=container))
        self.module[container].add_roi_response_series(series)
        return self

    def save(self, path):
        """Write the file."""
        with pynwb.NWBHDF5IO(str(path), "w") as io:
            io.write(self.file)
        return path


def test_dff_is_preferred_to_raw_and_denoised_traces(tmp_path):
    session = Session(ids=range(100, 100 + N), is_cell=CELLS, mask="image_mask")
    session.series("Fluorescence", RAW).series("Fluorescence", RAW, "Denoised")
    session.series("Fluorescence", RAW, "Neuropil").series("DfOverF", DFF)
    recording = read_recording(session.save(tmp_path / "session.nwb"))
    assert recording.frame_rate == RATE
    assert recording.units == "dF/F"
    assert recording.roi_ids.tolist() == [100, 101, 103, 104]
    assert np.array_equal(recording.traces, DFF[:, CELLS])
    assert recording.metadata["variable"] == "processing/ophys/DfOverF/RoiResponseSeries"
    assert recording.metadata["indicator"] == "GCaMP6s"
    assert recording.metadata["accepted"].all()
    cells = np.flatnonzero(CELLS)
    assert np.array_equal(recording.metadata["positions"], np.column_stack([2 * cells, cells]))


def test_series_are_named_by_their_container_or_path(tmp_path):
    session = Session()  # as the Allen Institute's files: every series is called alike
    around = np.full_like(RAW, 10.0)
    for container, data in {"dff": DFF, "demixed_trace": RAW, "neuropil_trace": around}.items():
        session.series(container, data, "traces")
    path = session.series("corrected_fluorescence", RAW, "traces").save(tmp_path / "ophys.nwb")
    assert np.array_equal(read_recording(path).traces, DFF)
    for name, traces in {"demixed_trace": RAW - 7.0, "corrected_fluorescence": RAW}.items():
        for variable in (name, f"{name}/traces", f"processing/ophys/{name}/traces"):
            recording = read_recording(path, variable=variable, dff=False)
            np.testing.assert_allclose(recording.traces, traces, rtol=1e-5)
    with pytest.raises(ValueError, match="has 4 series 'traces'; it has: processing/ophys/"):
        read_recording(path, variable="traces")


def test_a_session_comes_back_through_every_format(tmp_path):
    session = Session(ids=[4, 7, 1, 12, 30, 2]).series("DfOverF", DFF)
    recording = read_recording(session.save(tmp_path / "session.nwb"))
    comes_back(recording, tmp_path, [".npz", ".nwb", ""])


@pytest.mark.parametrize("dff", [True, False])
def test_suite2p_files_are_corrected_for_neuropil(tmp_path, dff):
    is_cell = np.column_stack([CELLS, np.full(N, 0.5)])
    session = Session("suite2p output", iscell=is_cell)
    session.series("Fluorescence", RAW, "plane0").series("Deconvolved", RAW, "plane0")
    session.series("Neuropil", np.full_like(RAW, 10.0), "plane0", unit="lumens")
    recording = read_recording(session.save(tmp_path / "ophys.nwb"), dff=dff)
    assert recording.n_neurons == 4
    assert recording.metadata["positions"].tolist() == [[0, 0], [2, 1], [6, 3], [8, 4]]
    if dff:
        assert recording.units == "dF/F"
        assert recording.metadata["processing"].startswith("dF/F of F - 0.7 Fneu")
    else:
        assert recording.units == "a.u."
        np.testing.assert_allclose(recording.traces, RAW[:, CELLS] - 7.0, rtol=1e-5)


def test_caimans_residuals_are_added_to_its_denoised_traces(tmp_path):
    session = Session("CNMF_ROIs", accepted=[False] * N, keep=CELLS)
    session.series("Fluorescence", RAW, timestamps=np.arange(T) / RATE)
    residuals = np.random.default_rng(0).normal(size=RAW.shape)
    bare = session.save(tmp_path / "bare.nwb")
    with pytest.raises(ValueError, match="denoised trace, and its residuals are not in the file"):
        read_recording(bare)
    session = Session("CNMF_ROIs", accepted=[False] * N, keep=CELLS)
    session.series("Fluorescence", RAW, timestamps=np.arange(T) / RATE)
    session.module.add(
        pynwb.TimeSeries(name="residuals", data=residuals, unit="NA", rate=RATE, starting_time=0.0)
    )
    recording = read_recording(session.save(tmp_path / "caiman.nwb"))
    assert recording.units == "a.u."
    assert recording.n_neurons == 4
    np.testing.assert_allclose(recording.traces, (RAW + residuals)[:, CELLS], rtol=1e-5)


@pytest.mark.filterwarnings("ignore:.*more neurons")
@pytest.mark.parametrize("n_frames", [T, 4])  # fewer frames than neurons, too
def test_neurons_first_are_transposed_with_a_word(tmp_path, n_frames):
    session = Session().series("DfOverF", DFF[:n_frames].T)
    path = session.save(tmp_path / "session.nwb")
    with pytest.warns(UserWarning, match=r"stored as \(neurons, frames\) and was transposed"):
        recording = read_recording(path)
    assert np.array_equal(recording.traces, DFF[:n_frames])


def test_of_several_planes_one_is_to_be_named(tmp_path):
    session = Session()
    session.series("DfOverF", DFF, "plane0").series("DfOverF", 2 * DFF, "plane1")
    path = session.save(tmp_path / "session.nwb")
    with pytest.raises(ValueError, match="several series: processing/ophys/DfOverF/plane0 400x6"):
        read_recording(path)
    for name in ("plane1", "DfOverF/plane1", "/processing/ophys/DfOverF/plane1"):
        assert np.array_equal(read_recording(path, variable=name).traces, 2 * DFF)
    with pytest.raises(ValueError, match="has no series 'plane7'; it has: processing"):
        read_recording(path, variable="plane7")


def test_a_region_of_the_table_names_the_neurons(tmp_path):
    session = Session(ids=range(10, 10 + N), accepted=CELLS)
    session.series("DfOverF", DFF[:, :3], rows=[5, 0, 1])
    path = session.save(tmp_path / "session.nwb")
    recording = read_recording(path)
    assert recording.roi_ids.tolist() == [10, 11]
    assert np.array_equal(recording.traces, DFF[:, 1:3])
    chosen = read_recording(path, neurons=[2, 0])
    assert chosen.roi_ids.tolist() == [11, 15]
    assert np.array_equal(chosen.traces, DFF[:, [2, 0]])


def test_gaps_in_time_stamps_are_borders(tmp_path):
    rng = np.random.default_rng(0)
    times = 20.0 + np.arange(T) / RATE + rng.uniform(-1, 1, T) * 1e-3
    times[150:] += 3.0
    path = Session().series("DfOverF", DFF, timestamps=times).save(tmp_path / "session.nwb")
    with pytest.warns(UserWarning, match="time stamps have a gap"):
        recording = read_recording(path)
    assert recording.segments.tolist() == [[0, 150], [150, 400]]
    assert recording.frame_rate == pytest.approx(RATE, rel=1e-3)
    assert recording.metadata["t_start"] == times[0]


def test_uneven_time_stamps_are_said(tmp_path):
    times = np.arange(T) / RATE
    times[1::2] += 0.3 / RATE
    path = Session().series("DfOverF", DFF, timestamps=times).save(tmp_path / "session.nwb")
    with pytest.warns(UserWarning, match="not evenly spaced .* mean rate of 14.98"):
        assert read_recording(path).frame_rate == pytest.approx(RATE, rel=1e-2)


def test_trials_and_stimuli_come_along_in_seconds_from_the_first_frame(tmp_path):
    session = Session().series("DfOverF", DFF, rate=RATE, starting_time=5.0)
    session.file.add_trial_column("side", "left or right")
    session.file.add_trial(start_time=6.0, stop_time=8.0, side="left")
    session.file.add_trial(start_time=9.0, stop_time=11.0, side="right")
    flashes = pynwb.epoch.TimeIntervals(name="flashes", description="flashes")
    flashes.add_interval(start_time=7.0, stop_time=7.5)
    session.file.add_time_intervals(flashes)
    metadata = read_recording(session.save(tmp_path / "session.nwb")).metadata
    assert metadata["trials"]["start_time"].tolist() == [1.0, 4.0]
    assert metadata["trials"]["side"].tolist() == ["left", "right"]
    assert metadata["stimulus_times"]["flashes"].tolist() == [2.0]


def test_trials_lie_at_the_frames_that_they_accompanied_though_time_stamps_have_gaps(tmp_path):
    times = 20.0 + np.arange(T) / RATE
    times[150:] += 30.0
    session = Session().series("DfOverF", DFF, timestamps=times)
    session.file.add_trial(start_time=times[40], stop_time=times[60])
    session.file.add_trial(start_time=times[200], stop_time=times[-1] + 1)
    path = session.save(tmp_path / "session.nwb")
    with (
        pytest.warns(UserWarning, match="have a gap; segments end there"),
        pytest.warns(UserWarning, match="trials and stimuli leave these gaps out"),
    ):
        recording = read_recording(path)
    trials = recording.metadata["trials"]
    frames = np.array([trials["start_time"], trials["stop_time"]]) * recording.frame_rate
    np.testing.assert_allclose(frames, [[40, 200], [60, T - 1 + RATE]], atol=0.01)


def test_conversion_and_missing_values_are_heeded(tmp_path):
    data = (100 * DFF).astype(np.int16)
    session = Session().series("DfOverF", data)
    session.module["DfOverF"]["RoiResponseSeries"].fields["conversion"] = 0.01
    recording = read_recording(session.save(tmp_path / "session.nwb"))
    np.testing.assert_allclose(recording.traces, 0.01 * data, rtol=1e-5)
    data = DFF.copy()
    data[100:120, 2] = np.nan
    path = Session().series("DfOverF", data).save(tmp_path / "gap.nwb")
    with pytest.warns(UserWarning, match="20 of 400 frames hold NaN"):
        assert read_recording(path).segments.tolist() == [[0, 100], [120, 400]]


def test_files_that_pynwb_cannot_read_are_read(tmp_path):
    path = Session().series("DfOverF", DFF).save(tmp_path / "session.nwb")
    with h5py.File(path, "r+") as file:  # an extension that is nowhere to be found
        series = file["processing/ophys/DfOverF/RoiResponseSeries"]
        series.attrs["neurodata_type"] = "MyRoiResponseSeries"
        series.attrs["namespace"] = "ndx-gone"
        del file["session_start_time"]
    assert np.array_equal(read_recording(path).traces, DFF)


def test_nwb_1_is_read(tmp_path):
    path = tmp_path / "old.nwb"
    with h5py.File(path, "w") as file:
        file["nwb_version"] = "NWB-1.0.6"
        series = file.create_group("processing/pipeline/DfOverF/imaging_plane_1")
        series.attrs["ancestry"] = np.array([b"TimeSeries", b"RoiResponseSeries"])
        series["data"] = DFF.T
        series["timestamps"] = np.arange(T) / RATE
    with pytest.warns(UserWarning, match="was transposed"):
        recording = read_recording(path)
    assert np.array_equal(recording.traces, DFF)
    assert recording.frame_rate == pytest.approx(RATE)


def test_a_rate_that_is_missing_is_asked_for(tmp_path):
    path = Session().series("DfOverF", DFF).save(tmp_path / "session.nwb")
    with h5py.File(path, "r+") as file:
        del file["processing/ophys/DfOverF/RoiResponseSeries/starting_time"]
        del file["general/optophysiology/ImagingPlane/imaging_rate"]
    with pytest.raises(ValueError, match="does not say its frame rate"):
        read_recording(path)
    assert read_recording(path, frame_rate=RATE).frame_rate == RATE


def test_what_is_no_nwb_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "text.nwb").write_text("no file")
    with pytest.raises(ValueError, match=r"text.nwb is no HDF5 file, or is damaged"):
        read_recording(tmp_path / "text.nwb")
    (tmp_path / "zarr.nwb").mkdir()
    with pytest.raises(ValueError, match=r"zarr.nwb is a folder, but nwb is read from a file"):
        read_recording(tmp_path / "zarr.nwb")
    with pytest.raises(ValueError, match="holds no traces of ROIs"):
        read_recording(Session().save(tmp_path / "empty.nwb"))
    only = Session().series("Fluorescence", RAW, "Deconvolved").save(tmp_path / "only.nwb")
    with pytest.raises(ValueError, match="neither raw traces nor dF/F: processing/ophys"):
        read_recording(only)
    whole = (tmp_path / "only.nwb").read_bytes()
    (tmp_path / "cut.nwb").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"cut.nwb is damaged"):
        read_recording(tmp_path / "cut.nwb")


def test_a_missing_library_is_named_with_its_command(tmp_path, monkeypatch):
    path = Session().series("DfOverF", DFF).save(tmp_path / "session.nwb")
    recording = Recording(DFF, RATE)
    without(monkeypatch, "pynwb")
    assert read_recording(path).shape == (T, N)  # reading takes h5py alone
    with pytest.raises(ImportError, match=r"writing NWB needs pynwb: pip install 'calgan\[io\]'"):
        write_recording(recording, tmp_path / "new.nwb")
    without(monkeypatch, "h5py")
    with pytest.raises(ImportError, match=r"reading NWB needs h5py: pip install 'calgan\[io\]'"):
        read_recording(path)


@pytest.mark.parametrize("units", ["dF/F", "a.u."])
def test_a_written_file_is_valid_and_says_that_it_is_synthetic(tmp_path, units):
    spikes = np.random.default_rng(0).poisson(0.1, RAW.shape)
    recording = Recording(
        RAW,
        10.0 / 3.0,
        units=units,
        roi_ids=list("abcdef"),
        segments=[[0, 100], [120, 400]],
        metadata={
            "synthetic": True,
            "generator": "CalciumFactorModel",
            "model": "1a2b",
            "components": {"spikes": spikes, "calcium": RAW / 2, "rates": None},
            "positions": np.arange(2.0 * N).reshape(N, 2) / 3.0,
            "indicator": "GCaMP8m",
        },
    )
    path = write_recording(recording, tmp_path / "drawn.nwb")
    assert not pynwb.validate(path=str(path))
    back = read_recording(path)
    assert back == recording
    for key in ("synthetic", "generator", "model", "positions", "indicator"):
        assert np.array_equal(back.metadata[key], recording.metadata[key]), key
    assert np.array_equal(back.metadata["components"].spikes, spikes)
    assert np.array_equal(back.metadata["components"].calcium, RAW / 2)
    assert read_recording(path, neurons=[2, 0]) == recording.select([2, 0])
    with pynwb.NWBHDF5IO(str(path), "r") as io:
        file = io.read()
        assert "Synthetic recording sampled by calgan" in file.session_description
        assert "synthetic" in file.keywords[:]
        assert file.was_generated_by[1].tolist() == ["CalciumFactorModel", "model 1a2b"]
        assert '"generated_by"' in file.notes
        assert file.intervals["segments"]["stop_frame"][:].tolist() == [100, 400]
        assert len(file.processing["ophys"]["ImageSegmentation"]["PlaneSegmentation"]) == N


def test_frames_outside_segments_may_be_missing(tmp_path):
    traces = DFF.copy()
    traces[100:120] = np.nan
    recording = Recording(traces, RATE, segments=[[0, 100], [120, 400]])
    for name in ("gap.nwb", "gap"):
        back = read_recording(write_recording(recording, tmp_path / name))
        assert np.array_equal(back.segments, recording.segments)
        assert np.array_equal(back.traces, traces, equal_nan=True)


@pytest.mark.parametrize("name", ["again.nwb", "again"])
def test_metadata_of_a_file_are_written_again_or_named(tmp_path, name):
    session = Session(is_cell=CELLS).series("DfOverF", DFF, rate=RATE, starting_time=5.0)
    session.file.add_trial_column("side", "where the odour came from")
    session.file.add_trial(start_time=6.0, stop_time=8.0, side="left")
    session.file.add_trial(start_time=9.0, stop_time=9.5, side="right")
    session.file.create_time_intervals("grating", "stimulus").add_interval(6.5, 7.0)
    recording = read_recording(session.save(tmp_path / "session.nwb"), cells="all")
    trials = recording.metadata["trials"]
    assert trials["start_time"].tolist() == [1.0, 4.0]
    if name.endswith(".nwb"):
        back = read_recording(write_recording(recording, tmp_path / name))
        for key, values in trials.items():
            assert np.array_equal(back.metadata["trials"][key], values), key
        assert back.metadata["stimulus_times"]["grating"].tolist() == [1.5]
    else:
        with pytest.warns(UserWarning, match="which npz keeps: trials, stimulus_times"):
            back = read_recording(write_recording(recording, tmp_path / name))
    assert back == recording
    for key in ("accepted", "positions", "t_start", "indicator"):
        assert np.array_equal(back.metadata[key], recording.metadata[key]), key
