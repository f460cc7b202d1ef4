"""CSV, TSV and Parquet with a column for each neuron, SpikeFinder's pairs, Inscopix's exports."""

import gzip

import numpy as np
import pytest
from io_cases import comes_back, fluorescence, without

from calgan import read_recording

pandas = pytest.importorskip("pandas")


@pytest.fixture
def traces():
    return fluorescence(400, 6).round(3)


@pytest.fixture
def frame(traces):
    return pandas.DataFrame(traces, columns=list("abcdef"))


def test_a_column_of_times_tells_the_rate(tmp_path, frame, traces):
    frame.insert(0, "time", np.round(2.0 + np.arange(400) / 30, 6))
    frame.to_csv(tmp_path / "a.csv", index=False)
    recording = read_recording(tmp_path / "a.csv")
    np.testing.assert_array_equal(recording.traces, traces)
    assert recording.frame_rate == 30.0
    assert recording.roi_ids.tolist() == list("abcdef")
    assert recording.metadata["t_start"] == 2.0
    assert recording.metadata["format"] == "csv"
    some = read_recording(tmp_path / "a.csv", neurons=[4, 0])
    assert some == recording.select([4, 0])
    comes_back(recording, tmp_path)


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        *(("Time (s)", 1), ("t", 1), ("timestamps", 1), ("Elapsed time", 1), ("", 1), (None, 1)),
        *(("time_ms", 1e-3), ("Time(ms)", 1e-3), ("Time [ms]", 1e-3), ("msec", 1e-3)),
        *(("Time (\u00b5s)", 1e-6), ("timestamp_us", 1e-6), ("time (min)", 60)),
    ],
)
def test_times_are_known_by_their_name_or_place(tmp_path, frame, traces, name, unit):
    times = np.round(np.arange(400) / 20 / unit, 6)
    frame.insert(0, name, times, allow_duplicates=True)
    frame.to_csv(tmp_path / "a.csv", index=False, header=name is not None)
    if name is None:
        with pytest.warns(UserWarning, match="its first column was taken for times in seconds"):
            recording = read_recording(tmp_path / "a.csv")
    else:
        recording = read_recording(tmp_path / "a.csv")
    assert recording.frame_rate == 20.0
    np.testing.assert_array_equal(recording.traces, traces)


@pytest.mark.parametrize(("name", "step", "what"), [("Slice", 20, "frames"), ("Zeit", 1, "times")])
def test_a_first_column_that_rises_evenly_is_no_neuron(tmp_path, frame, traces, name, step, what):
    frame.insert(0, name, np.arange(400) * step / 20)
    frame.to_csv(tmp_path / "a.csv", index=False)
    with pytest.warns(UserWarning, match=f"first column, '{name}', was taken for .*{what}"):
        recording = read_recording(tmp_path / "a.csv", frame_rate=20.0)
    np.testing.assert_array_equal(recording.traces, traces)


@pytest.mark.parametrize("n_neurons", [1, 6])
def test_the_numbers_that_pandas_writes_are_no_frame_and_no_neuron(tmp_path, traces, n_neurons):
    pandas.DataFrame(traces[:, :n_neurons]).to_csv(tmp_path / "a.csv")
    recording = read_recording(tmp_path / "a.csv", frame_rate=10.0)
    np.testing.assert_array_equal(recording.traces, traces[:, :n_neurons])
    assert recording.roi_ids.tolist() == list(range(n_neurons))


@pytest.mark.parametrize("rate", [15.0, 30.0, 60.0, 75.0])
def test_rounded_times_tell_the_rate_without_gaps(tmp_path, frame, rate):
    frame.insert(0, "time", np.round(np.arange(400) / rate, 2))
    frame.to_csv(tmp_path / "a.csv", index=False)
    recording = read_recording(tmp_path / "a.csv")
    assert recording.frame_rate == pytest.approx(rate, rel=2e-3)
    assert len(recording.segments) == 1


def test_uneven_times_are_said_and_a_missing_frame_is_a_border(tmp_path, frame):
    times = np.arange(400) / 10
    times[300:] += 0.1
    frame.insert(0, "time", times)
    frame.to_csv(tmp_path / "a.csv", index=False)
    with pytest.warns(UserWarning, match="have a gap; segments end there"):
        assert read_recording(tmp_path / "a.csv").segments.tolist() == [[0, 300], [300, 400]]
    frame["time"] = (np.arange(400) / 10) ** 1.1
    frame.to_csv(tmp_path / "a.csv", index=False)
    with pytest.warns(UserWarning, match="not evenly spaced .* their mean rate of"):
        read_recording(tmp_path / "a.csv")


@pytest.mark.parametrize("name", ["frame", "Frame Number", ""])
def test_numbers_of_frames_tell_no_rate_but_gaps(tmp_path, frame, traces, name):
    numbers = np.arange(400) + 50 * (np.arange(400) >= 300)
    frame.insert(0, name, numbers)
    frame.to_csv(tmp_path / "a.csv", index=False)
    with (
        pytest.raises(ValueError, match="does not say its frame rate"),
        pytest.warns(UserWarning, match="have a gap"),
    ):
        read_recording(tmp_path / "a.csv")
    with pytest.warns(UserWarning, match="have a gap; segments end there"):
        recording = read_recording(tmp_path / "a.csv", frame_rate=5.0)
    assert recording.segments.tolist() == [[0, 300], [300, 400]]
    np.testing.assert_array_equal(recording.traces, traces)


def test_dates_are_times(tmp_path, frame):
    dates = pandas.date_range("2024-03-01 12:00", periods=400, freq="50ms")
    frame.insert(0, "timestamp", dates)
    frame.to_csv(tmp_path / "a.csv", index=False)
    assert read_recording(tmp_path / "a.csv").frame_rate == 20.0


def test_a_time_beside_numbers_of_frames(tmp_path, frame, traces):
    frame.insert(0, "frame", np.arange(400))
    frame.insert(1, "time", np.arange(400) / 8)
    frame.to_csv(tmp_path / "a.csv", index=False)
    recording = read_recording(tmp_path / "a.csv")
    assert recording.frame_rate == 8.0
    np.testing.assert_array_equal(recording.traces, traces)
    frame.insert(2, "t", np.arange(400))
    frame.to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(ValueError, match="several columns of times, time and t: keep one"):
        read_recording(tmp_path / "b.csv")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.tsv", {"sep": "\t"}),
        ("a.csv", {"sep": ";", "decimal": ","}),
        ("a.csv", {"sep": "\t", "decimal": ","}),
        ("a.csv", {"sep": " "}),
        ("a.csv.gz", {}),
        ("a.csv", {"encoding": "utf-16"}),
        ("a.csv", {"encoding": "utf-8-sig"}),
    ],
)
def test_dialects(tmp_path, frame, traces, name, options):
    frame.to_csv(tmp_path / name, index=False, **options)
    recording = read_recording(tmp_path / name, frame_rate=10.0)
    np.testing.assert_array_equal(recording.traces, traces)
    assert recording.roi_ids.tolist() == list("abcdef")


def test_without_a_header(tmp_path, frame, traces):
    frame.to_csv(tmp_path / "a.csv", index=False, header=False)
    recording = read_recording(tmp_path / "a.csv", frame_rate=10.0)
    np.testing.assert_array_equal(recording.traces, traces)
    assert recording.roi_ids.tolist() == list(range(6))
    (tmp_path / "b.csv").write_text("# made by hand\n" + (tmp_path / "a.csv").read_text())
    assert read_recording(tmp_path / "b.csv", frame_rate=10.0) == recording


def test_neurons_first_are_transposed_with_a_word(tmp_path, frame, traces):
    frame.T.to_csv(tmp_path / "a.csv", index=False, header=False)
    with pytest.warns(UserWarning, match=r"shape \(6, 400\), .*transposed"):
        recording = read_recording(tmp_path / "a.csv", frame_rate=10.0)
    np.testing.assert_array_equal(recording.traces, traces)


def test_columns_with_names_are_neurons_however_many(tmp_path, frame, traces):
    frame[:4].to_csv(tmp_path / "a.csv", index=False)
    with pytest.warns(UserWarning, match="more neurons"):
        recording = read_recording(tmp_path / "a.csv", frame_rate=10.0)
    np.testing.assert_array_equal(recording.traces, traces[:4])


def test_columns_of_one_name_are_numbered_with_a_word(tmp_path, frame, traces):
    frame.columns = list("abcdea")
    frame.to_csv(tmp_path / "a.csv", index=False)
    with pytest.warns(UserWarning, match="several columns are called 'a'"):
        recording = read_recording(tmp_path / "a.csv", frame_rate=10.0)
    np.testing.assert_array_equal(recording.traces, traces)
    assert recording.roi_ids.tolist() == list(range(6))


def test_columns_of_text_are_named(tmp_path, frame, traces):
    frame["stimulus"] = np.where(np.arange(400) > 200, "on", "off")
    frame.to_csv(tmp_path / "a.csv", index=False)
    with pytest.warns(UserWarning, match="do not hold numbers alone were left out: stimulus"):
        recording = read_recording(tmp_path / "a.csv", frame_rate=10.0)
    np.testing.assert_array_equal(recording.traces, traces)


def test_inscopix_marks_rejected_cells_in_a_second_header(tmp_path, traces):
    status = ["accepted", "rejected", "undecided", "accepted", "accepted", "rejected"]
    lines = [
        " ," + ",".join(f" C{i}" for i in range(6)),
        "Time(s)/Cell Status," + ",".join(status),
        *(f"{t / 20:.6f}," + ",".join(map(str, row)) for t, row in enumerate(traces)),
    ]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    recording = read_recording(tmp_path / "a.csv")
    assert recording.roi_ids.tolist() == ["C0", "C2", "C3", "C4"]
    assert recording.frame_rate == 20.0
    np.testing.assert_array_equal(recording.traces, traces[:, [0, 2, 3, 4]])
    every = read_recording(tmp_path / "a.csv", cells="all")
    assert every.metadata["accepted"].tolist() == [True, False, True, True, True, False]


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_spikefinder_pairs(tmp_path, traces, suffix):
    calcium, spikes = traces.astype(float), (traces > 120).astype(int)
    calcium[350:, 1] = calcium[300:, 4] = np.nan
    header = [str(i) for i in range(6)]
    for kind, table in (("calcium", calcium), ("spikes", spikes)):
        path = tmp_path / f"7.train.{kind}{suffix}"
        pandas.DataFrame(table, columns=header).to_csv(path, index=False)
    path = tmp_path / f"7.train.calcium{suffix}"
    with pytest.warns(UserWarning, match="100 of 400 frames hold NaN .* belong to no segment"):
        recording = read_recording(path)
    assert recording.shape == (400, 6)
    assert recording.frame_rate == 100.0
    assert recording.segments.tolist() == [[0, 300]]
    np.testing.assert_array_equal(recording.metadata["spikes"], spikes)
    assert read_recording(path, neurons=[1]).shape == (350, 1)  # without a warning
    one = read_recording(path, neurons=[4])
    assert (one.shape, one.roi_ids.tolist()) == ((300, 1), [4])
    assert one.metadata["spikes"].shape == (300, 1)
    assert read_recording(path, neurons=[0, 2]).shape == (400, 2)
    with pytest.warns(UserWarning, match="belong to no segment"):
        assert read_recording(tmp_path / f"7.train.spikes{suffix}") == recording
    comes_back(recording, tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match=r"has no traces beside it: 7\.train\.calcium"):
        read_recording(tmp_path / f"7.train.spikes{suffix}")


def test_parquet(tmp_path, frame, traces):
    pytest.importorskip("pyarrow")
    frame.index = pandas.Index(np.arange(400) / 12.5, name="time")
    frame.to_parquet(tmp_path / "a.parquet")
    recording = read_recording(tmp_path / "a.parquet")
    np.testing.assert_array_equal(recording.traces, traces)
    assert recording.frame_rate == 12.5
    assert recording.roi_ids.tolist() == list("abcdef")
    assert recording.metadata["format"] == "parquet"
    frame.reset_index().to_parquet(tmp_path / "b.pq")
    assert read_recording(tmp_path / "b.pq") == recording
    comes_back(recording, tmp_path)
    (tmp_path / "c.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(ValueError, match=r"c\.parquet is damaged, or no Parquet file"):
        read_recording(tmp_path / "c.parquet")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is empty"),
        (b"# only a comment\n", "is empty"),
        (b"a,b\nx,y\nz,w\n", "holds no column of numbers"),
        (b"time\n0.0\n0.1\n0.2\n", "holds times, but no column of a neuron"),
        (b"a,b\n1,2\n3\n4,5,6\n", "is no table with a column for each neuron"),
        (b"time,a\n0.0,1\n0.2,2\n0.1,3\n", r"that of frame 2 \(0.1\) does not"),
    ],
)
def test_what_is_no_table_of_traces_is_one_sentence(tmp_path, content, match):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ValueError, match=match) as caught:
        read_recording(tmp_path / "a.csv")
    assert "a.csv" in str(caught.value)


def test_a_damaged_gzip_is_one_sentence(tmp_path, frame):
    frame.to_csv(tmp_path / "a.csv", index=False)
    whole = gzip.compress((tmp_path / "a.csv").read_bytes())
    for broken in (b"no gzip", whole[: len(whole) // 2]):
        (tmp_path / "b.csv.gz").write_bytes(broken)
        with pytest.raises(ValueError, match=r"b\.csv\.gz is damaged, or no gzip file"):
            read_recording(tmp_path / "b.csv.gz", frame_rate=10.0)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_missing_library_is_named(tmp_path, monkeypatch, suffix):
    (tmp_path / f"a.{suffix}").write_text("a,b\n1,2\n")
    without(monkeypatch, "pandas")
    with pytest.raises(ImportError, match=r"needs pandas: pip install 'calgan\[io\]'"):
        read_recording(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize("above", ["# made by a laboratory\n", "\n", "# two\n\n# lines\n"])
def test_comments_above_the_header_are_left_out(tmp_path, above):
    pytest.importorskip("pandas")
    rows = "\n".join(f"{i * i % 7},{2 * i},{3 * i}" for i in range(20))
    (tmp_path / "a.csv").write_text(f"{above}ROI 1,ROI 2,ROI 3\n{rows}\n")
    recording = read_recording(tmp_path / "a.csv", frame_rate=10.0)
    assert recording.roi_ids.tolist() == ["ROI 1", "ROI 2", "ROI 3"]
    assert recording.traces[3].tolist() == [2.0, 6.0, 9.0]


def test_spikes_of_a_pair_with_an_index_stay_with_their_neurons(tmp_path):
    pandas = pytest.importorskip("pandas")
    calcium = np.random.default_rng(0).normal(size=(50, 3))
    spikes = np.tile([1.0, 2.0, 3.0], (50, 1))
    for kind, values in {"calcium": calcium, "spikes": spikes}.items():
        pandas.DataFrame(values).to_csv(tmp_path / f"1.train.{kind}.csv")
    recording = read_recording(tmp_path / "1.train.calcium.csv")
    np.testing.assert_allclose(recording.traces, calcium, rtol=1e-5)
    assert recording.metadata["spikes"][0].tolist() == [1.0, 2.0, 3.0]
