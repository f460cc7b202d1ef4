"""The benchmark of spike inference: readers, sets left out, rows, table."""

from __future__ import annotations

import gzip
import importlib
import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from scipy.signal import lfilter

import calgan
from calgan import OasisDeconvolver, Recording
from calgan.metrics import spike_inference_scores

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
try:
    truth = importlib.import_module("benchmarks.spike_ground_truth")
    benchmark = importlib.import_module("benchmarks.spike_inference")
    methods = importlib.import_module("benchmarks.spike_inference_methods")
    training = importlib.import_module("benchmarks.train_spike_inference")
finally:
    sys.path.remove(str(ROOT))

RATE = 30.0


def simulated(n_frames: int, rate: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a trace and the spikes behind it."""
    rng = np.random.default_rng(seed)
    spikes = rng.poisson(1.0 / rate, n_frames)
    calcium = lfilter([1.0], [1.0, -np.exp(-2.0 / rate)], spikes)
    return (calcium + 0.3 * rng.normal(size=n_frames)).astype(np.float32), spikes


def write_database(folder: Path, name: str, lengths: list[int], rates: list[float]) -> None:
    """Write recordings of two neurons in turn."""
    parts = [simulated(n, rate, i) for i, (n, rate) in enumerate(zip(lengths, rates, strict=True))]
    np.savez(
        folder / f"groundtruth_{name}.npz",
        dataset=name,
        dff=np.concatenate([trace for trace, _ in parts]),
        spike_counts=np.concatenate([spikes for _, spikes in parts]).astype(np.uint8),
        offsets=np.cumsum([0, *lengths]),
        frame_rate=np.array(rates),
        neuron=np.arange(len(lengths)) % 2,
        neuron_names=np.array(["a", "b"]),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a folder of three sets; SpikeFinder's fifth holds the cells of DS16."""
    path = tmp_path_factory.mktemp("data")
    write_database(path, "DS01-OGB1", [900, 600, 300, 60], [RATE, RATE, RATE, 2.5])
    write_database(path, "DS16-GCaMP6s", [900, 900], [RATE, RATE])
    (path / "spikefinder").mkdir()
    write_pair(path / "spikefinder", "5.train", 2000)
    return path


def write_pair(folder: Path, name: str, n_rows: int, *, seed: int = 9) -> None:
    """Write two neurons as SpikeFinder does; the second has three quarters of the rows."""
    trace, spikes = simulated(n_rows, 100.0, seed)
    short = [f"{x:g}" if i < 3 * n_rows // 4 else "nan" for i, x in enumerate(trace)]
    for kind, columns in (("calcium", (trace, short)), ("spikes", (spikes, spikes))):
        lines = ["0,1", *(f"{a},{b}" for a, b in zip(*columns, strict=True))]
        (folder / f"{name}.{kind}.csv").write_text("\n".join(lines) + "\n")


def test_the_benchmark_reads_all_recordings_with_their_spikes(folder) -> None:
    data = truth.any_folder(folder)
    assert list(data) == ["DS01", "DS16", "SF5"]
    cells = [(cell.neuron, [len(each) for each in cell.recordings]) for cell in data["DS01"]]
    # The fourth recording is slower: another cell of the same name.
    assert cells == [("a", [900, 300]), ("b", [600]), ("b", [60])]
    assert data["DS01"][0].joined().segments.tolist() == [[0, 900], [900, 1200]]
    trace, spikes = simulated(300, RATE, 2)
    recording = data["DS01"][0].recordings[1]
    np.testing.assert_array_equal(recording.traces[:, 0], trace)
    np.testing.assert_array_equal(recording.metadata["spikes"][:, 0], spikes)
    assert [len(cell.recordings[0]) for cell in data["SF5"]] == [2000, 1500]
    assert data["SF5"][1].recordings[0].frame_rate == 100


def test_test_cells_of_spikefinder_belong_to_the_set_if_their_spikes_are_there(tmp_path) -> None:
    for name, n_rows in (("1.train", 800), ("1.test", 600), ("2.test", 400), ("2.train", 400)):
        write_pair(tmp_path, name, n_rows)
    (tmp_path / "2.test.spikes.csv").unlink()
    with pytest.warns(UserWarning, match=r"2\.test\.calcium\.csv is left out: 2\.test\.spikes"):
        data = truth.any_folder(tmp_path)
    lengths = {
        name: {cell.neuron: len(cell.recordings[0]) for cell in cells}
        for name, cells in data.items()
    }
    assert lengths == {
        "SF1": {"0": 800, "1": 600, "test 0": 600, "test 1": 450},
        "SF2": {"0": 400, "1": 300},
    }


def test_two_sets_of_one_name_are_refused(tmp_path) -> None:
    write_pair(tmp_path, "1.train", 400)
    for kind in ("calcium", "spikes"):
        path = tmp_path / f"1.train.{kind}.csv"
        with gzip.open(f"{path}.gz", "wb") as file:
            file.write(path.read_bytes())
    with pytest.raises(ValueError, match="is there with and without .gz: take one of the two out"):
        truth.spikefinder(tmp_path)
    write_database(tmp_path, "DS01-OGB1", [90], [RATE])
    write_database(tmp_path, "DS01-Cal520", [90], [RATE])
    with pytest.raises(ValueError, match="DS01-Cal520 and DS01-OGB1 are both called DS01"):
        truth.database(tmp_path)


def test_sets_of_the_same_cells_are_left_out_together(folder) -> None:
    groups = benchmark.groups_of(["DS01", "DS16", "SF4", "SF5"])
    assert groups == {"DS01": ["DS01"], "DS16+SF5": ["DS16", "SF5"], "SF4": ["SF4"]}
    names = [name for group in groups.values() for name in group]
    assert benchmark.training_sets(names, groups["DS01"]) == ["DS16", "SF4"]
    assert benchmark.training_sets(names, groups["DS16+SF5"]) == ["DS01", "SF4"]


def run(folder: Path, output: Path, monkeypatch, *options: str) -> list[dict]:
    monkeypatch.setattr(
        sys, "argv", ["x", "--data", str(folder), "--output", str(output), *options]
    )
    benchmark.main()
    return [json.loads(line) for line in output.read_text().splitlines()]


def test_oasis_is_scored_tuned_and_tabulated(folder, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(methods, "THRESHOLDS", (1.0, 3.0))
    monkeypatch.setattr(methods, "DECAY_TIMES", (None, 0.5))
    monkeypatch.setattr(methods, "SMOOTHINGS", (0.0, 0.1))
    settings = list(itertools.product((1.0, 3.0), (None, 0.5), (0.0, 0.1), (0.0, 0.1)))
    monkeypatch.setattr(methods, "LAGS", (0.0, 0.1))
    monkeypatch.setattr(methods, "SETTINGS", settings)
    output = tmp_path / "rows.jsonl"
    rows = run(folder, output, monkeypatch, "--only", "oasis-*/*")
    assert len(rows) == 2 + 4 * 2
    by_key = {(row["method"], row["group"]): row["sets"] for row in rows}
    found = by_key["oasis-raw", "DS01"]["DS01"]["7.5 Hz"]
    assert (found["neuron"], found["seconds"], found["slow"]) == (["a", "b"], [40.0, 20.0], 1)
    # By hand: one fit for the two recordings of a neuron, bins of four frames.
    recordings = truth.database(folder)["DS01"][0].recordings
    inferred = OasisDeconvolver(output="amplitudes").fit_transform(list(recordings))
    r = [
        np.corrcoef(
            each.traces.reshape(-1, 4).sum(axis=1),
            own.metadata["spikes"].reshape(-1, 4).sum(axis=1),
        )[0, 1]
        for each, own in zip(inferred, recordings, strict=True)
    ]
    np.testing.assert_allclose(found["correlation"][0], (3 * r[0] + r[1]) / 4, atol=1e-4)
    # The setting for one set is the best for the other; SpikeFinder's copy is not asked.
    grid = by_key["oasis-grid", "DS16+SF5"]["DS16"]["7.5 Hz"]["settings"]
    other = by_key["oasis-grid", "DS01"]["DS01"]["7.5 Hz"]["settings"]
    for method, lags in (("oasis-tuned", (0.0,)), ("oasis-tuned-lag", (0.0, 0.1))):
        best = max((k for k in range(16) if settings[k][3] in lags), key=lambda k: grid[k])
        tuned = by_key[method, "DS01"]["DS01"]["7.5 Hz"]
        assert tuple(tuned["setting"]) == settings[best]
        np.testing.assert_allclose(np.mean(tuned["correlation"]), other[best], atol=1e-4)
    assert list(by_key["oasis-raw", "DS16+SF5"]["SF5"]) == ["7.5 Hz", "25 Hz"]
    text = output.with_suffix(".txt").read_text()
    assert text in capsys.readouterr().out
    assert "1 of DS01" in text
    means = [
        np.mean(
            [
                np.mean(by_key[method, group][name]["7.5 Hz"]["correlation"])
                for group, name in (("DS01", "DS01"), ("DS16+SF5", "DS16"))
            ]
        )
        for method in ("oasis-raw", "oasis-smoothed", "oasis-tuned", "oasis-tuned-lag")
    ]
    line = next(line for line in text.splitlines() if line.startswith("mean over sets"))
    assert line.split()[3:] == [f"{mean:.3f}" for mean in means]
    # What has a row is not run again.
    assert run(folder, output, monkeypatch, "--only", "oasis-*/*") == rows


class StandInNetwork:
    """Infers the trace itself, and notes what it was trained on."""

    trained_on: list[list[int]] = []
    saved: dict[Path, StandInNetwork] = {}

    def __init__(self, adaptation=None, *, random_state=None, **settings) -> None:
        self.random_state = random_state

    def fit(self, X, y=None):
        if y is not None:
            assert [len(each) for each in X] == [len(each) for each in y]
            self.trained_on.append([len(each) for each in X])
        return self

    def adapt(self, X):
        return self

    def transform(self, X):
        return X

    def save(self, path) -> None:
        self.saved[path] = self


def test_networks_never_see_the_sets_left_out(folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(calgan, "SpikeInferenceNetwork", StandInNetwork, raising=False)
    monkeypatch.setattr(StandInNetwork, "trained_on", [])
    options = ("--only", "conditional/*", "shipped/DS01", "--seeds", "0", "1")
    rows = run(folder, tmp_path / "rows.jsonl", monkeypatch, *options)
    assert [(row["method"], row["group"], row["seed"]) for row in rows] == [
        ("shipped", "DS01", 0),
        ("conditional", "DS01", 0),
        ("conditional", "DS01", 1),
        ("conditional", "DS16+SF5", 0),
        ("conditional", "DS16+SF5", 1),
    ]
    assert StandInNetwork.trained_on == [[900, 900]] * 2 + [[1200, 600, 60]] * 2
    # The stand-in infers the trace.
    for row in rows[:3]:
        own = [
            spike_inference_scores(
                each.metadata["spikes"], each.traces, each.frame_rate, bin_width=1 / 7.5
            )
            for cell in truth.database(folder)["DS01"][:2]
            for each in cell.recordings
        ]
        scores = row["sets"]["DS01"]["7.5 Hz"]
        for score in ("correlation", "bias", "error", "auc"):
            first, second, other = (float(each[score][0]) for each in own)
            expected = [(3 * first + second) / 4, other]
            np.testing.assert_allclose(scores[score], expected, atol=1e-4)


def test_published_folders_are_read_too_and_one_set_has_no_others(
    cascade, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(calgan, "SpikeInferenceNetwork", StandInNetwork, raising=False)
    output = tmp_path / "rows.jsonl"
    (row,) = run(cascade, output, monkeypatch, "--only", "shipped/*")
    # The first neuron's second recording holds no spikes.
    found = row["sets"]["DS40"]["7.5 Hz"]
    assert (found["neuron"], found["silent"]) == (["CAttached_a_mini", "CAttached_b_mini"], 1)
    capsys.readouterr()
    for only in ("conditional/*", "oasis-tuned/*"):
        with pytest.raises(SystemExit):
            run(cascade, output, monkeypatch, "--only", only)
        said = capsys.readouterr().err
        assert f"{only[:-2]} learns from other sets than DS40, and there are none" in said


def test_only_frames_of_segments_count() -> None:
    trace, spikes = simulated(600, RATE, 3)
    parts = [(trace[:250], spikes[:250]), (trace[330:], spikes[330:])]
    traces = trace[:, np.newaxis].copy()
    traces[250:330] = np.nan
    counts = spikes[:, np.newaxis].astype(np.float32)
    counts[250:330] = 9
    recording = Recording(
        traces, RATE, segments=[[0, 250], [330, 600]], metadata={"spikes": counts}
    )
    # Bins of four frames start with each segment: 62 in the first, 67 in the second.
    m, n = (
        np.concatenate([part[k][: len(part[k]) // 4 * 4].reshape(-1, 4).sum(1) for part in parts])
        for k in (0, 1)
    )
    cell = truth.Cell("DS01-here", "a", (recording,))
    for score in (spike_inference_scores, benchmark.correlations):
        found = benchmark.score_set([cell], lambda *_: [traces], "7.5 Hz", score)
        np.testing.assert_allclose(found["correlation"], [[np.corrcoef(n, m)[0, 1]]], rtol=1e-5)
        assert found["seconds"] == [520 / RATE]
    # Spikes between segments are none.
    counts = np.where(np.isnan(traces), 9, 0).astype(np.float32)
    silent = Recording(traces, RATE, segments=recording.segments, metadata={"spikes": counts})
    cell = truth.Cell("DS01-here", "a", (silent,))
    assert benchmark.score_set([cell], lambda *_: [traces], "7.5 Hz")["silent"] == 1
    # Nor do inferred spikes go from one segment to another.
    jump = np.where(np.arange(600)[:, np.newaxis] < 250, 1.0, 5.0)
    moved = methods.changed(recording.with_traces(jump), 0.1, 0.1)
    np.testing.assert_allclose(moved[:250], 1.0, rtol=1e-6)
    np.testing.assert_allclose(moved[330:], 5.0, rtol=1e-6)


# --- the table ------------------------------------------------------------------------------------


def a_row(
    method: str, sets: dict[str, list[float]], *, seconds: float = 0.0, seed: int = 0
) -> dict:
    """Return a row whose scores of each neuron are these; a set without any was too slow."""
    contents = {
        name: {
            "7.5 Hz": {
                "dataset": f"{name}-here",
                "neuron": [str(k) for k in range(len(values))],
                "seconds": [36.0] * len(values),
                "slow": 0 if values else 3,
                "silent": 0,
                **dict.fromkeys(("correlation", "bias", "error", "auc"), values),
            }
        }
        for name, values in sets.items()
    }
    group = "+".join(sets)
    return {
        "method": method, "group": group, "seed": seed, "training_seconds": seconds,
        "sets": contents,
    }  # fmt: skip


def test_the_table_compares_methods_on_the_sets_that_all_have() -> None:
    rows = [
        a_row("shipped", {"DS01": [0.2, 0.4]}),
        a_row("shipped", {"DS02": [0.5]}),
        a_row("shipped", {"DS03": []}),
        a_row("shipped", {"DS04": [0.9, float("nan")]}),
        a_row("conditional", {"DS01": [0.4, 0.5]}, seconds=70),
        a_row("conditional", {"DS02": [0.6]}, seconds=90),
        a_row("conditional", {"DS03": []}, seconds=80),
    ]
    lines = benchmark.table(rows).splitlines()
    assert lines[2:5] == [
        "Pearson's r of inferred and true spikes in bins, mean over neurons.",
        "shipped: the networks of the package, which were trained on simulated recordings.",
        "conditional: a network of adaptation 'conditional', trained on the other sets.",
    ]
    assert [" ".join(line.split()) for line in lines[6:13]] == [
        "database, bins of 1/7.5 s cells shipped conditional",
        "DS01-here (0.02 h) 2 0.300 0.450",
        "DS02-here (0.01 h) 1 0.500 0.600",
        "DS03-here (0.00 h) 0",
        "DS04-here (0.02 h) 2 0.900",
        "mean over the 2 sets of all methods 0.400 0.525",
        "SD over the 2 sets of all methods 0.100 0.075",
    ]
    of = "median over the database's 2 sets of all methods: shipped 0.40, conditional 0.53"
    assert lines[14:17] == [
        f"bias (0 at best), {of}",
        f"error (0 at best), {of}",
        f"auc (1 at best), {of}",
    ]
    assert lines[18:] == [
        "CPU seconds of training, median over groups of sets: conditional 80",
        "",
        "left out, recordings below 7.5 frames a second: 3 of DS03",
        "left out, recordings without spikes: none",
    ]
    alone = benchmark.table([a_row("oasis-raw", {"SF1": [0.5]})])
    assert "mean over sets                                               0.500" in alone
    assert "auc (1 at best), median over SpikeFinder's sets: OASIS 0.50" in alone
    for word in ("database", "shipped", "conditional", "training", "same cells", "bias"):
        assert word not in alone


def test_a_set_without_a_usable_recording_is_listed(tmp_path, monkeypatch) -> None:
    write_database(tmp_path, "DS01-OGB1", [600, 600], [RATE, RATE])
    write_database(tmp_path, "DS02-slow", [60, 60], [2.5, 2.5])
    monkeypatch.setattr(methods, "THRESHOLDS", (1.0,))
    monkeypatch.setattr(methods, "DECAY_TIMES", (0.5,))
    monkeypatch.setattr(methods, "SMOOTHINGS", (0.0,))
    monkeypatch.setattr(methods, "LAGS", (0.0,))
    monkeypatch.setattr(methods, "SETTINGS", [(1.0, 0.5, 0.0, 0.0)])
    output = tmp_path / "rows.jsonl"
    only = ("--only", "oasis-raw/*", "oasis-tuned/DS02")
    rows = run(tmp_path, output, monkeypatch, *only)
    assert [row["sets"]["DS02"] for row in rows if row["group"] == "DS02" and row["sets"]] == [
        {
            "7.5 Hz": {
                "dataset": "DS02-slow", "neuron": [], "seconds": [], "slow": 2, "silent": 0,
                "correlation": [], "bias": [], "error": [], "auc": [],
            }
        }
    ] * 2  # fmt: skip
    text = output.with_suffix(".txt").read_text()
    assert "DS02-slow (0.00 h)                                  0" in text
    assert "2 of DS02" in text


def test_the_table_of_the_repository_is_that_of_its_rows() -> None:
    rows = benchmark.read(benchmark.OUTPUT)
    assert benchmark.table(rows) == benchmark.OUTPUT.with_suffix(".txt").read_text()


# --- a network for one's own data -----------------------------------------------------------------


def write_cattached(path: Path, *recordings: dict) -> None:
    content = np.empty((1, len(recordings)), dtype=object)
    for i, recording in enumerate(recordings):
        content[0, i] = recording
    savemat(path, {"CAttached": content})


@pytest.fixture
def cascade(tmp_path) -> Path:
    """Return a folder as the database is published."""
    times = np.arange(50) / 10.0 + 2.0
    one = {
        "fluo_time": times[:, None],
        "fluo_mean": np.sin(times)[None],
        # In 1e-4 s: too early, nearest to frames 0, 3, 3 and 49, too late.
        "events_AP": np.array([[1.9e4, 1.96e4, 2.26e4, 2.34e4, 6.94e4, 6.96e4]]).T,
    }
    two = one | {"fluo_mean": np.where(times > 4, np.nan, 1.0), "events_AP": np.zeros((0, 0))}
    (tmp_path / "DS40-here").mkdir()
    write_cattached(tmp_path / "DS40-here" / "CAttached_a_mini.mat", one, two)
    write_cattached(tmp_path / "DS40-here" / "CAttached_b_mini.mat", one)
    return tmp_path


def test_the_database_is_read_as_it_is_published(cascade) -> None:
    for folder in (cascade, cascade / "DS40-here"):
        data = truth.any_folder(folder)
        assert list(data) == ["DS40"]
        first, second = data["DS40"]
        assert (first.neuron, len(first.recordings)) == ("CAttached_a_mini", 2)
        recording, holed = first.recordings
        assert recording.frame_rate == pytest.approx(10.0)
        spikes = recording.metadata["spikes"][:, 0]
        assert {int(k): int(spikes[k]) for k in np.flatnonzero(spikes)} == {0: 1, 3: 2, 49: 1}
        np.testing.assert_allclose(
            recording.traces[:, 0], np.sin(np.arange(50) / 10 + 2), rtol=1e-6
        )
        assert holed.segments.tolist() == [[0, 21]]
        assert not holed.metadata["spikes"].any()
        assert len(second.recordings) == 1


def test_a_network_is_trained_on_a_folder_and_saved(cascade, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(calgan, "SpikeInferenceNetwork", StandInNetwork, raising=False)
    monkeypatch.setattr(StandInNetwork, "trained_on", [])
    monkeypatch.setattr(StandInNetwork, "saved", {})
    target = tmp_path / "network.calgan"
    monkeypatch.setattr(sys, "argv", ["x", str(cascade), "--output", str(target), "--seed", "3"])
    training.main()
    assert StandInNetwork.trained_on == [[100, 50]]
    assert StandInNetwork.saved[target].random_state == 3
    assert "DS40-here" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("make", "options", "sentence"),
    [
        (lambda path: None, (), "holds no folders DSxx-* of CAttached_*.mat"),
        (lambda path: path.rmdir(), (), "is no folder: give one with recordings and spikes"),
        (
            lambda path: savemat(path / "CAttached_a.mat", {"other": 1}),
            (),
            "holds no variable CAttached",
        ),
        (
            lambda path: write_cattached(path / "CAttached_a.mat", {"fluo_time": np.arange(9.0)}),
            (),
            "CAttached{1} of",
        ),
        (
            lambda path: (path / "7.train.calcium.csv").write_text("0\n1.0\n2.0\n3.0\n"),
            (),
            "put the file 7.train.spikes.csv into the same folder",
        ),
        (
            lambda path: write_database(path, "DS01-OGB1", [90], [RATE]),
            ("--only", "DS1*"),
            "no set matches 'DS1*': there are DS01",
        ),
    ],
    ids=["empty", "missing", "no variable", "no fields", "no spikes", "no set"],
)
def test_wrong_folders_get_one_clear_sentence(
    make, options, sentence, tmp_path, monkeypatch, capsys
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    make(folder)
    target = str(tmp_path / "network.calgan")
    monkeypatch.setattr(sys, "argv", ["x", str(folder), "--output", target, *options])
    with pytest.raises(SystemExit):
        training.main()
    assert sentence in capsys.readouterr().err
