"""The report: one self-contained page that says what was measured, whatever there is to show."""

from __future__ import annotations

import base64
import html
import io
import os
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

import calgan
from calgan.evaluation import Evaluation, Statistic
from calgan.evaluation.report import build_html
from calgan.metrics.groups import GROUPS

HISTORY = [
    {"step": step, "critic_loss": 1.0 / step, "val_score": 0.5 + 1.0 / step}
    for step in range(1, 31)
]


META = {
    "spike_inference": "OASIS with decay, noise and threshold of each neuron, window by window",
    "random_state": 4711,
    "best_iter": 20,
    "shared_frames": 0.0,
    "relative_sd": 1.0,
    "relative_window_sd": 1.0,
    "silent_synthetic": 0.4,
    "silent_real": 0.4,
}


def make_evaluation(n_neurons=6, *, train=True, n=24, window=24, kind="good", **changes):
    """Return an `Evaluation` of random traces, with as few windows as draw every figure."""
    rng = np.random.default_rng(0)

    def draw():
        spikes = (rng.random((n, window, n_neurons)) < 0.1).astype(np.float32)
        traces = np.cumsum(spikes, axis=1) * 0.2 + rng.normal(size=spikes.shape) * 0.1
        return traces.astype(np.float32), spikes

    pairs = {
        name: draw() for name in ("real", "synthetic", "train", "shuffled", "dichotomized_gaussian")
    }
    windows = {name: traces for name, (traces, _) in pairs.items()}
    spikes = {name: events for name, (_, events) in pairs.items()}
    if kind == "collapsed":
        windows["synthetic"] = np.full_like(windows["real"], 0.5)
        spikes["synthetic"] = np.zeros_like(spikes["real"])
    elif kind == "silent":
        spikes = {name: np.zeros_like(events) for name, events in spikes.items()}
    if not train:
        windows["train"] = spikes["train"] = None
    row = Statistic(
        name="correlation_matrix_r",
        label="correlation <matrix> r",
        group="population",
        value=0.61,
        value_interval=(0.5, 0.7),
        baseline=0.8 if train else None,
        baseline_interval=(0.7, 0.9) if train else None,
        ratio=1.95 if train else None,
        ratio_interval=(1.5, 2.4) if train else None,
        controls={
            "replay": 0.79 if train else None,
            "shuffled": 0.0213,
            "dichotomized_gaussian": 0.0317,
        },
        trained_on=True,
        better="higher",
    )
    other = Statistic(
        "firing_rate_kl", "firing rate KL", "published", 0.4, None,
        0.2 if train else None, None, 2.0 if train else None, None,
        {
            "replay": 0.21 if train else None, "shuffled": 0.22, "dichotomized_gaussian": 0.23,
        }, unit="nats",
    )  # fmt: skip
    memorisation = {
        "value": 0.932,
        "interval": (0.9, 0.97),
        "replay": 0.0123,
        "second_held_out": None,
        "second_held_out_interval": None,
        "share_copied": 0.0,
        "membership": {"value": 0.617, "replay": 0.998, "drift": 0.583, "n_samples": 24},
        "n_samples": 24,
        "n_reference": 24,
    }
    by_difference = Statistic(
        "classifier_auc", "classifier AUC", "window", 0.91, (0.8, 0.96),
        0.56 if train else None, None, None, None,
        {
            "replay": 0.55 if train else None, "shuffled": 0.97, "dichotomized_gaussian": 0.88,
        }, judged_by="difference", difference_interval=(0.2, 0.4) if train else None,
    )  # fmt: skip
    scores = {
        name: rng.normal(size=(2, 2, 3, 8)) + np.array([0, 1]).reshape(2, 1, 1, 1)
        for name in ("synthetic", "train", "replay", "shuffled", "dichotomized_gaussian")
        if train or name not in ("train", "replay")
    }
    values = {
        "statistics": (other, row, by_difference),
        "memorisation": memorisation if train else None,
        "conclusion": ("Twice the baseline & a half.", "No replay."),
        "protocol": "blocked",
        "n_windows": n,
        "window": window,
        "frame_rate": 10.0,
        "roi_ids": np.arange(100, 100 + n_neurons),
        "units": "dF/F",
        "windows": windows,
        "spikes": spikes,
        "classifier_scores": scores,
        "history": HISTORY,
        "meta": META,
    }
    return Evaluation(**{**values, **changes})


class _Page(HTMLParser):
    """Collects what a page links to, and checks that its tags close."""

    VOID = ("meta", "img", "br", "link", "hr")

    def __init__(self, text):
        super().__init__()
        self.open, self.sources, self.links, self.ids, self.tags = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        if "src" in attributes:
            self.sources.append(attributes["src"])
            assert attributes["alt"]
        if "href" in attributes:
            self.links.append(attributes["href"])
        if "id" in attributes:
            self.ids.append(attributes["id"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def quick(monkeypatch):
    """Draw small images without fitting the layout, which takes most of the time; list them."""
    drawn = []

    def render(item, kind):
        drawn.append(item)
        buffer = io.BytesIO()
        item.figure.set_layout_engine("none")
        item.figure.savefig(buffer, format=kind, dpi=25)
        return buffer.getvalue()

    monkeypatch.setattr("calgan.evaluation.report._sections.ReportFigure.render", render)
    return drawn


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("figures")


@pytest.fixture(scope="module")
def page(folder):
    return build_html(make_evaluation(12), title="Mouse <7>", figures_folder=folder)


def test_the_page_writes_its_figures_too(page, folder):
    assert len(list(folder.glob("*.png"))) == page.count("<figure ")


def test_the_page_is_well_formed_and_self_contained(page):
    parsed = _Page(page)
    assert parsed.open == []
    assert "script" not in parsed.tags
    assert "link" not in parsed.tags
    assert parsed.sources
    assert all(source.startswith("data:image/") for source in parsed.sources)
    for source in parsed.sources:
        data = base64.b64decode(source.split(",", 1)[1])
        assert data.startswith((b"\x89PNG", b"<?xml"))
    assert {link.removeprefix("#") for link in parsed.links} <= set(parsed.ids)
    assert len(parsed.ids) == len(set(parsed.ids))
    assert len(page) < 6_000_000
    assert "Mouse &lt;7&gt;" in page


def test_the_page_says_what_was_measured(page):
    for text in (
        "Twice the baseline &amp; a half.",
        "correlation &lt;matrix&gt; r",
        "0.610",
        "[0.70, 0.90]",
        "0.0213",
        "0.0317",
        "Dichotomized Gaussian</th>",
        "<b>dichotomized Gaussian</b>: windows of a simple model",
        GROUPS["population"],
        "trained on",
        "0.932",
        "0.0123",
        "<b>+0.35</b> <small>[0.20, 0.40]</small>",
        "0.617",
        "0.583",
        "4711",
        calgan.__version__,
        "prefers-color-scheme: dark",
        "@media print",
    ):
        assert text in page
    # The verdict stands before every figure, and every figure is numbered once.
    assert page.index("As close to the held-out recording") < page.index("<figure")
    numbers = [int(number) for number in re.findall(r"<b>Figure (\d+)\.", page)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) == 17


def test_without_train_nothing_is_made_up(quick):
    text = build_html(make_evaluation(train=False, history=[]))
    assert text.count("not available (pass train=)") == 4  # three rows and the memorisation
    assert 'id="headline"' not in text
    assert 'id="nearest_training_windows"' not in text
    assert 'id="training"' not in text
    assert "real, training" not in text
    assert "nan" not in re.sub(r"base64,[^\"]*", "", text).lower()


def without(evaluation, *names):
    """Return the evaluation with some controls left out."""
    rows = tuple(
        replace(row, controls={k: v for k, v in row.controls.items() if k not in names})
        for row in evaluation.statistics
    )
    parts = [
        {name: array for name, array in groups.items() if name not in names}
        for groups in (evaluation.windows, evaluation.spikes)
    ]
    return replace(evaluation, statistics=rows, windows=parts[0], spikes=parts[1])


def test_a_control_left_out_is_nowhere(quick):
    labels = {
        "replay": "replay control",
        "shuffled": "neuron-shuffled",
        "dichotomized_gaussian": "dichotomized Gaussian",
    }
    evaluation = make_evaluation(6, n=8, history=[])
    for left_out in (["dichotomized_gaussian"], list(labels)):
        text = build_html(without(evaluation, *left_out))
        _Page(text)
        for name, label in labels.items():
            shown = name not in left_out
            assert (f"<b>{label}</b>" in text) == shown
            assert (f"<th>{label[0].upper()}{label[1:]}</th>" in text) == shown
        assert f'colspan="{7 - len(left_out)}"' in text
        assert "The dichotomized Gaussian" not in text


def test_a_gaussian_that_could_not_be_fitted_is_not_available(quick):
    evaluation = make_evaluation(6, n=8, history=[])
    rows = tuple(
        replace(row, controls={**row.controls, "dichotomized_gaussian": None})
        for row in evaluation.statistics
    )
    evaluation.windows["dichotomized_gaussian"] = None
    evaluation.spikes["dichotomized_gaussian"] = None
    text = build_html(replace(evaluation, statistics=rows))
    _Page(text)
    assert text.count("<td>n/a</td>") == len(rows)
    assert "Dichotomized Gaussian</th>" in text
    assert "<b>dichotomized Gaussian</b>" not in text


def test_figures_show_the_gaussian_where_it_helps(quick):
    def texts(item):
        found = {text.get_text() for ax in item.figure.axes for text in [ax.title, ax.yaxis.label]}
        for ax in item.figure.axes:
            found |= set(ax.get_legend_handles_labels()[1])
        return " ".join(sorted(found)).replace("\n", " ")

    build_html(make_evaluation(8, n=8))
    with_it = {item.name for item in quick if "dichotomized Gaussian" in texts(item)}
    assert with_it == {
        "headline", "traces", "windows", "pairs", "correlation_matrices", "correlation_agreement",
        "population_counts", "classifier", "intervals_and_events",
    }  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"n_neurons": 1, "history": []},
        {"n_neurons": 2, "n": 3, "history": [{"step": 1}]},
        {"n_neurons": 3, "kind": "collapsed", "protocol": "thesis"},
        {"n_neurons": 40, "n": 4, "kind": "silent", "history": []},
    ],
    ids=["one neuron", "two neurons without curves", "collapsed", "many silent"],
)
def test_odd_evaluations_draw_without_warnings(quick, changes):
    _Page(build_html(make_evaluation(**changes)))


def test_figures_are_saved_in_order(quick, tmp_path):
    folder = tmp_path / "a" / "b"
    evaluation = make_evaluation(1, n=4)
    evaluation.to_html(tmp_path / "report.html", figures=folder, verbose=0)
    paths = sorted(folder.iterdir())
    assert [int(path.name[:2]) for path in paths] == list(range(1, len(paths) + 1))
    assert paths[0].name == "01_headline.png"
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


def test_a_place_that_cannot_be_written_is_refused_before_drawing(quick, tmp_path, monkeypatch):
    evaluation, file = make_evaluation(2, n=4), tmp_path / "file"
    file.touch()
    with pytest.raises(NotADirectoryError, match="file is a file: give the name of a folder"):
        evaluation.to_html(tmp_path / "report.html", figures=file)
    with pytest.raises(FileNotFoundError, match="does not exist: create it first"):
        evaluation.to_html(tmp_path / "none" / "report.html")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(PermissionError, match="cannot be written to: choose another"):
        evaluation.to_html(tmp_path / "report.html")
    assert quick == []
    assert list(tmp_path.iterdir()) == [file]


def test_drawing_names_its_figures_when_asked_to(quick, tmp_path, capsys):
    for verbose, shown in ((0, False), (1, True)):
        make_evaluation(1, n=4).to_html(tmp_path / "report.html", verbose=verbose)
        assert ("report: drawing whole windows" in capsys.readouterr().err) == shown


def test_the_same_evaluation_gives_the_same_bytes():
    evaluation = make_evaluation(1, n=4, train=False, history=[])
    assert build_html(evaluation) == build_html(evaluation)


def test_a_real_evaluation_becomes_a_report(quick, tmp_path):
    process = calgan.datasets.make_process(4, random_state=0)
    train, _ = process.sample_recording(60.0, random_state=1)
    test, _ = process.sample_recording(60.0, random_state=2)
    synthetic, _ = process.sample_windows(100, 32, random_state=3)
    evaluation = calgan.evaluate(
        test, synthetic, train=train, random_state=0, n_splits=1, n_bootstrap=20
    )
    path = evaluation.to_html(tmp_path / "report.html")
    text = path.read_text(encoding="utf-8")
    for row in evaluation.statistics:
        assert row.label in text
    assert all(html.escape(sentence) in text for sentence in evaluation.conclusion)
