"""Objects of neo, pynapple, xarray and pandas become recordings, and recordings these objects."""

import warnings

import neo
import numpy as np
import pytest
import quantities as pq
from io_cases import comes_back, fluorescence, without

from calgan import Recording, make_calcium_pipeline, read_recording
from calgan.io import to_neo, to_pandas, to_pynapple, to_xarray

CONVERTERS = {
    "neo": to_neo,
    "pandas": to_pandas,
    "pynapple": to_pynapple,
    "xarray": to_xarray,
}
every_library = pytest.mark.parametrize("library", CONVERTERS)


@pytest.fixture
def traces():
    return fluorescence(400, 6)


@pytest.fixture(scope="module")
def drawn():
    recording = Recording(fluorescence(400, 6), 15.0, roi_ids=list("abcdef"), units="counts")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make_calcium_pipeline(window=16, max_iter=1, random_state=0).fit(recording)
    return model.sample_recording(n_frames=[60, 50])


@every_library
def test_a_recording_comes_back_equal_and_synthetic(library, drawn):
    pytest.importorskip(library)
    back = read_recording(CONVERTERS[library](drawn))
    assert back == drawn
    assert back.metadata["synthetic"] is True
    assert back.metadata["generator"] == drawn.metadata["generator"]
    assert back.metadata["format"] == library


@every_library
def test_gaps_and_the_start_come_back(library, traces):
    pytest.importorskip(library)
    traces[100:120] = np.nan
    recording = Recording(
        traces,
        30.0000123,
        segments=[[0, 100], [120, 300], [300, 400]],
        metadata={"t_start": 12.5, "indicator": "GCaMP6s"},
    )
    back = read_recording(CONVERTERS[library](recording))
    assert back == recording
    assert back.metadata["t_start"] == pytest.approx(12.5)


@every_library
def test_only_recordings_are_converted(library, traces):
    with pytest.raises(TypeError, match=f"to_{library} takes a Recording, got ndarray"):
        CONVERTERS[library](traces)


@pytest.mark.parametrize("library", ["pandas", "pynapple", "xarray"])
def test_a_missing_library_is_named(library, drawn, monkeypatch):
    without(monkeypatch, library)
    with pytest.raises(ImportError, match=f"needs {library}: pip install"):
        CONVERTERS[library](drawn)


# neo


def test_spikes_are_spike_trains(drawn):
    block = to_neo(drawn)
    assert block.annotations["synthetic"] is True
    assert [len(segment.spiketrains) for segment in block.segments] == [6, 6]
    spikes = np.rint(drawn.metadata["components"].spikes).astype(int)
    trains = block.segments[1].spiketrains
    assert [len(train) for train in trains] == spikes[60:].sum(axis=0).tolist()
    assert float(trains[0].t_start) == pytest.approx(4.0)
    assert trains[2].name == "c"
    np.testing.assert_array_equal(read_recording(block).metadata["spikes"], spikes)


def test_spikes_in_metadata_are_spike_trains(traces):
    spikes = np.zeros((400, 6), dtype=int)
    spikes[[7, 30], [2, 5]] = 1, 3
    recording = Recording(traces, 10.0, metadata={"spikes": spikes, "t_start": 0.7})
    back = read_recording(to_neo(recording))
    np.testing.assert_array_equal(back.metadata["spikes"], spikes)


def test_signals_of_neo_are_read(traces, tmp_path):
    signal = neo.AnalogSignal(
        traces, units="V", sampling_rate=0.02 * pq.kHz, t_start=500 * pq.ms, name="dff"
    )
    recording = read_recording(signal)
    np.testing.assert_array_equal(recording.traces, traces)
    assert recording.frame_rate == pytest.approx(20.0)
    assert recording.units == "V"
    assert recording.metadata["t_start"] == 0.5
    segment = neo.Segment()
    segment.analogsignals.append(signal)
    assert read_recording(segment) == recording
    assert read_recording(signal, neurons=[3]) == recording.select([3])
    comes_back(recording, tmp_path)


def test_irregular_signals_of_neo_have_borders(traces):
    times = np.arange(400) / 10.0
    times[250:] += 3.0
    signal = neo.IrregularlySampledSignal(times * pq.s, traces, units="V")
    with pytest.warns(UserWarning, match="a gap; segments end there"):
        recording = read_recording(signal)
    assert recording.frame_rate == 10.0
    assert recording.segments.tolist() == [[0, 250], [250, 400]]


def test_several_signals_are_told_and_one_can_be_chosen(traces):
    segment = neo.Segment()
    for name in ("F", "dff"):
        signal = neo.AnalogSignal(traces, units="V", sampling_rate=10 * pq.Hz, name=name)
        segment.analogsignals.append(signal)
    with pytest.raises(ValueError, match=r"the neo Segment has 2 arrays .* \(F, dff\): choose"):
        read_recording(segment)
    assert read_recording(segment, variable="dff").shape == (400, 6)
    with pytest.raises(ValueError, match="has no 'C'; it has F, dff"):
        read_recording(segment, variable="C")
    with pytest.raises(ValueError, match="holds no signal with traces"):
        read_recording(neo.Segment())
    with pytest.raises(ValueError, match="the neo Block holds no segment"):
        read_recording(neo.Block())


# pynapple


def test_a_tsd_is_one_neuron(traces):
    nap = pytest.importorskip("pynapple")
    tsd = nap.Tsd(t=np.arange(400) / 20, d=traces[:, 0])
    assert read_recording(tsd).shape == (400, 1)
    with pytest.raises(TypeError, match="has times, but no traces"):
        read_recording(nap.Ts(t=np.arange(4.0)))


def test_a_tsd_frame_is_read(traces, tmp_path):
    nap = pytest.importorskip("pynapple")
    frame = nap.TsdFrame(t=np.arange(400) / 20, d=traces, columns=list("abcdef"))
    recording = read_recording(frame)
    np.testing.assert_array_equal(recording.traces, traces)
    assert recording.frame_rate == 20.0
    assert recording.roi_ids.tolist() == list("abcdef")
    comes_back(recording, tmp_path)


# xarray


@pytest.mark.parametrize("dims", [("time", "unit"), ("roi", "frame"), ("neuron", "t")])
def test_dimensions_come_in_any_order(dims, traces, tmp_path):
    xarray = pytest.importorskip("xarray")
    first = dims[0] in ("time", "t", "frame")
    time, other = dims if first else dims[::-1]
    array = xarray.DataArray(
        traces if first else traces.T,
        dims=dims,
        coords={time: np.arange(400) / 8, other: list("abcdef")},
        name="dff",
    )
    rate = {"frame_rate": 8.0} if time == "frame" else {}
    recording = read_recording(array, **rate)
    np.testing.assert_array_equal(recording.traces, traces)
    assert recording.frame_rate == 8.0
    assert recording.roi_ids.tolist() == list("abcdef")
    assert recording.units == "dF/F"
    both = xarray.Dataset({"dff": array, "depth": (other, np.zeros(6))})
    assert read_recording(both, **rate) == recording
    both["F"] = array
    with pytest.raises(ValueError, match="has 2 arrays of two dimensions"):
        read_recording(both, **rate)
    assert read_recording(both, variable="dff", **rate) == recording
    comes_back(recording, tmp_path)


def test_dimensions_without_time_are_told(traces):
    xarray = pytest.importorskip("xarray")
    with pytest.raises(ValueError, match="has the dimensions x, y, but a recording has two"):
        read_recording(xarray.DataArray(traces, dims=("x", "y")), frame_rate=1.0)


# pandas


def test_an_index_of_times_tells_the_rate(traces, tmp_path):
    pandas = pytest.importorskip("pandas")
    seconds = np.arange(400) / 16
    for index in (
        pandas.Index(seconds),
        pandas.Index(seconds * 1000, name="time_ms"),
        pandas.to_timedelta(seconds, unit="s"),
        pandas.Timestamp("2024-01-01") + pandas.to_timedelta(seconds, unit="s"),
    ):
        recording = read_recording(pandas.DataFrame(traces, index=index, columns=list("abcdef")))
        assert recording.frame_rate == 16.0
        assert recording.roi_ids.tolist() == list("abcdef")
        np.testing.assert_array_equal(recording.traces, traces)
    comes_back(recording, tmp_path)


def test_a_frame_without_times_needs_a_rate(traces):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(traces)
    with pytest.raises(ValueError, match="the pandas DataFrame does not say its frame rate"):
        read_recording(frame)
    assert read_recording(frame, frame_rate=10.0) == Recording(traces, 10.0, units="a.u.")
    assert read_recording(frame[0], frame_rate=10.0).shape == (400, 1)
    frame["condition"] = "go"
    with pytest.raises(ValueError, match="the columns condition do not hold numbers"):
        read_recording(frame, frame_rate=10.0)


@pytest.mark.parametrize("source", [np.zeros((50, 2)), [1, 2], {"a": 1}, 5, None])
def test_other_objects_are_refused(source):
    with pytest.raises(TypeError, match=r"takes a path, or an object of neo, .* give an array to"):
        read_recording(source, frame_rate=1.0)


def test_signals_of_unequal_rates_are_refused(traces):
    neo = pytest.importorskip("neo")
    import quantities

    block = neo.Block()
    for start, rate in ((0, 10.0), (60, 20.0)):
        segment = neo.Segment()
        unit, hertz = quantities.dimensionless, rate * quantities.Hz
        signal = neo.AnalogSignal(
            traces, units=unit, sampling_rate=hertz, t_start=start * quantities.s
        )
        segment.analogsignals.append(signal)
        block.segments.append(segment)
    with pytest.raises(ValueError, match=r"one sampling rate, but they have 10\.0, 20\.0 Hz"):
        read_recording(block)


def test_a_column_of_dates_is_one_of_times(traces):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(traces).add_prefix("n")
    frame["time"] = pandas.date_range("2024-01-01", periods=len(frame), freq="50ms")
    recording = read_recording(frame)
    assert recording.frame_rate == 20.0
    np.testing.assert_array_equal(recording.traces, traces)


def test_what_an_object_has_no_use_for_is_refused(traces):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(traces)
    with pytest.raises(ValueError, match="so variable='dff' chooses nothing"):
        read_recording(frame, variable="dff", frame_rate=10.0)
    with pytest.raises(ValueError, match="format is for files"):
        read_recording(frame, "csv", frame_rate=10.0)


def test_spike_times_alone_are_no_traces():
    pynapple = pytest.importorskip("pynapple")
    spikes = pynapple.Ts(np.arange(10.0))
    for source in (spikes, pynapple.TsGroup({0: spikes})):
        with pytest.raises(TypeError, match="has times, but no traces"):
            read_recording(source)
