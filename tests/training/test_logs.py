"""The history as it is written while a network trains."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gan_cases import quick, set_of

import calgan
from calgan import Windower, make_calcium_pipeline
from calgan.data.windows import WindowView
from calgan.datasets import make_recording
from calgan.generators.gan.steps import AdversarialSteps
from calgan.plotting import TrainingDisplay
from calgan.training.logs import logged

CHECKED = {"validation_fraction": 0.1, "max_iter": 5}  # the last check is off the schedule


@pytest.fixture(scope="module")
def windows() -> WindowView:
    recording, _ = make_recording(60.0, n_neurons=4, random_state=0)
    return Windower(32).fit_transform(recording)


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a table as a history has them: without what is empty."""
    with open(path, newline="") as file:
        rows = [{k: v for k, v in row.items() if v != ""} for row in csv.DictReader(file)]
    return [{k: int(v) if k == "step" else float(v) for k, v in row.items()} for row in rows]


def assert_same_rows(found: list[dict[str, Any]], history: list[dict[str, Any]]) -> None:
    assert [row.keys() for row in found] == [row.keys() for row in history]
    for one, other in zip(found, history, strict=True):
        np.testing.assert_array_equal([one[k] for k in other], list(other.values()))


def test_a_table_has_the_history_to_the_last_digit(windows: WindowView, tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    gan = quick(**CHECKED, log=path).fit(windows)
    assert_same_rows(rows_of(path), gan.history_)
    header = path.read_text().partition("\n")[0].split(",")
    assert header[0] == "step"
    assert set(header) == set().union(*gan.history_)
    set_of(gan, warm_start=True, max_iter=7).fit(windows)
    assert_same_rows(rows_of(path), gan.history_)


def test_a_row_is_there_when_the_next_step_begins(
    windows: WindowView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, path, found = AdversarialSteps.__call__, tmp_path / "history.csv", []

    def step(self: Any, number: int) -> dict[str, float]:
        found.append(len(rows_of(path)))
        return plain(self, number)

    monkeypatch.setattr(AdversarialSteps, "__call__", step)
    quick(log=path).fit(windows)
    assert found == [0, 1, 2, 3]


def test_the_curves_of_a_running_training_are_drawn_from_its_files(
    windows: WindowView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the checkpoint as from any model, from the table as from any list of rows."""
    plain, drawn = AdversarialSteps.__call__, []

    def step(self: Any, number: int) -> dict[str, float]:
        if number == 4:
            model = calgan.load(tmp_path / "run.ckpt")
            drawn.append(TrainingDisplay.from_estimator(model))
            drawn.append(TrainingDisplay(rows_of(tmp_path / "run.csv")).plot())
        return plain(self, number)

    monkeypatch.setattr(AdversarialSteps, "__call__", step)
    files = {"checkpoint": tmp_path / "run.ckpt", "log": tmp_path / "run.csv"}
    quick(**CHECKED, **files, checkpoint_every=0).fit(windows)
    titles = [sorted(ax.get_title() for ax in each.axes_) for each in drawn]
    assert titles[0] == titles[1]
    assert {"critic loss", "val. score"} <= set(titles[0])


def test_a_file_of_other_content_is_not_replaced(windows: WindowView, tmp_path: Path) -> None:
    path = tmp_path / "F.csv"
    path.write_text("roi,0,1\n")
    with pytest.raises(ValueError, match="is no history of a training, and would be replaced"):
        quick(log=path).fit(windows)
    assert path.read_text() == "roi,0,1\n"


def test_a_former_history_stays_until_there_is_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    with logged(path, history := [{"step": 1, "loss": 2.0}], []):
        pass
    former = path.read_text()
    with logged(path, [], []):
        pass
    assert path.read_text() == former
    with logged(path, again := [], []) as log:
        again.append({"step": 1, "loss": 3.0})
        log.add(again)
    assert path.read_text() == former.replace("2.0", "3.0")
    assert history == [{"step": 1, "loss": 2.0}]


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        (3, TypeError, "log must be None, a file such as"),
        ("nowhere/history.csv", FileNotFoundError, "create it first"),
        ("text", NotADirectoryError, "name one that ends in .csv, or a folder"),
    ],
)
def test_what_is_no_log_is_refused(
    windows: WindowView, tmp_path: Path, name: Any, error: type[Exception], message: str
) -> None:
    (tmp_path / "text").touch()
    with pytest.raises(error, match=message):
        quick(log=name if name == 3 else tmp_path / name).fit(windows)


def test_without_tensorboard_a_sentence_says_what_to_install(
    windows: WindowView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorboard", None)
    with pytest.raises(ImportError, match=r"pip install 'calgan\[tensorboard\]', or name a file"):
        quick(log=tmp_path / "events").fit(windows)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of tensorboard's own parts
def test_tensorboard_has_the_history(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra 'tensorboard' is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = tmp_path / "events"
    recording, _ = make_recording(60.0, n_neurons=4, random_state=0)
    small = {"window": 32, "max_iter": 5, "filters": 4, "random_state": 0}
    small |= {"settings": {"check_every": 2}}
    gan = make_calcium_pipeline("gan", **small, log=folder).fit(recording)[-1]
    gan.set_params(warm_start=True, max_iter=7).partial_fit(Windower(32).fit_transform(recording))
    events = EventAccumulator(str(folder)).Reload()
    names = set(events.Tags()["scalars"])
    assert names == set().union(*gan.history_) - {"step"}
    for name in names - {"val_score"}:
        found = {each.step: each.value for each in events.Scalars(name)}
        known = {row["step"]: np.float32(row[name]) for row in gan.history_ if name in row}
        assert known.keys() <= found.keys()
        np.testing.assert_array_equal([found[step] for step in known], list(known.values()))
