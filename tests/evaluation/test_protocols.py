"""The published protocol beside our own."""

from __future__ import annotations

import re

import numpy as np
import pytest
from evaluation_cases import (
    PUBLISHED,
    RATE,
    WINDOW,
    judge,
    replayed,
)

from calgan import evaluate, metrics
from calgan.model_selection import thesis_split


def test_thesis_protocol_is_marked_as_such(recordings, samples):
    evaluation = judge(recordings, samples[:100], n_splits=1, protocol="thesis")
    assert "for comparison with the published table only" in " ".join(str(evaluation).split())
    assert max(map(len, str(evaluation).splitlines())) <= 120
    for name in PUBLISHED:
        assert evaluation[name].baseline is not None
        assert evaluation[name].baseline_interval is None
    real, synthetic = evaluation.spikes["real"], evaluation.spikes["synthetic"]
    expected = metrics.correlation_kl(real, synthetic, RATE, protocol="thesis")
    assert evaluation["correlation_kl"].value == pytest.approx(expected)
    expected = metrics.firing_rate_kl(real, synthetic, RATE, protocol="thesis")
    assert evaluation["firing_rate_kl"].value == pytest.approx(expected)


def test_thesis_spikes_at_the_published_frame_rate(process):
    windows = np.zeros((100, 48, 2), dtype=np.float32)
    rng = np.random.default_rng(0)
    windows[:, 5] = 1.0
    for t in range(6, 48):
        windows[:, t] = 0.95 * windows[:, t - 1]
    windows += 0.01 * rng.normal(size=windows.shape).astype(np.float32)
    evaluation = evaluate(
        windows, windows, frame_rate=24.0, protocol="thesis", random_state=0, n_bootstrap=0
    )
    assert np.all(evaluation.spikes["synthetic"].sum(axis=1) == 1)


@pytest.fixture(scope="module")
def leaking(recordings):
    return thesis_split(recordings[0], WINDOW, n_test=120, random_state=0)


def test_thesis_compares_every_window_of_the_published_split_once(recordings, samples, leaking):
    train, test = leaking
    assert len(test) == 120
    evaluation = evaluate(test, samples, train=train, protocol="thesis", random_state=0)
    assert evaluation.n_windows == 120
    held_out = {window.tobytes() for window in test}
    drawn = [window.tobytes() for window in evaluation.windows["real"]]
    assert len(set(drawn)) == len(drawn) == 120
    assert set(drawn) == held_out
    of_training = {window.tobytes() for window in train}
    drawn = [window.tobytes() for window in evaluation.windows["train"]]
    assert len(set(drawn)) == 120
    assert set(drawn) <= of_training
    assert not held_out & of_training
    remark = next(text for text in evaluation.conclusion if "occur in train" in text)
    assert re.match("[0-9]+ % of the frames of real occur in train: it is not held out", remark)
    assert remark.endswith("as with the published split.")
    assert None not in evaluation["van_rossum_kl"].controls.values()


def test_memorising_cannot_be_judged_with_the_published_split(samples, leaking):
    train, test = leaking
    params = {"protocol": "thesis", "random_state": 0, "controls": (), "n_bootstrap": 0}
    evaluation = evaluate(test, samples, train=train, n_splits=1, **params)
    assert evaluation.meta["shared_frames"] > 0.9
    (text,) = [text for text in evaluation.conclusion if "emoris" in text and "figure" in text]
    assert re.match(
        "Memorising cannot be judged with this split: 100 % of the held-out frames are in the "
        "training recording",
        text,
    )
    assert "second held-out" not in " ".join(evaluation.conclusion)
    assert not any("Which real windows" in text for text in evaluation.conclusion)


def test_the_published_split_rewards_a_replay(recordings, samples, leaking):
    train, test = leaking
    params = {"train": train, "protocol": "thesis", "random_state": 0, "controls": ()}
    truth = evaluate(test, samples, **params)
    replay = evaluate(test, replayed(recordings[0]), **params)
    assert replay["firing_rate_kl"].value < 0.7 * truth["firing_rate_kl"].value


def test_numbers_of_windows_by_protocol(recordings, process):
    many, _ = process.sample_windows(1100, WINDOW, random_state=3)
    params = {"n_splits": 1, "n_bootstrap": 0, "controls": ()}
    assert judge(recordings, many, **params).n_windows == 500
    assert judge(recordings, many, protocol="thesis", **params).n_windows == 1000
    assert judge(recordings, many, protocol="thesis", n_windows=150, **params).n_windows == 150
    train, test = recordings
    short = judge((train, test[: WINDOW + 10]), many, protocol="thesis", **params)
    assert short.n_windows == 11


def test_the_published_split_warns_where_it_does_not_belong(samples, leaking):
    train, test = leaking
    with pytest.warns(UserWarning, match="of the frames of real occur in train.*train_test_blocks"):
        evaluate(test, samples, train=train, random_state=0, n_splits=1, n_bootstrap=0, controls=())
