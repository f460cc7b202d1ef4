"""Recordings at the edge of what statistics can say end with numbers, NaN or one sentence."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calgan import evaluate, metrics
from calgan.datasets import make_process
from calgan.metrics import make_scorer

RATE, WINDOW = 10.0, 24
KINDS = ("active", "silent", "constant", "duplicated", "noise", "dead here")

PROCESS = make_process(n_neurons=5, frame_rate=RATE, random_state=0)
TRAIN, TEST = (np.array(PROCESS.sample_recording(60.0, random_state=i)[0].traces) for i in (1, 2))
NEW = PROCESS.sample_windows(30, WINDOW, random_state=3)[0]


class Case:
    """Training and held-out frames (T, N) and samples (M, T, N) of neurons of these kinds."""

    def __init__(self, kinds: list[str], n_frames: int, n_samples: int, dead: int) -> None:
        rng = np.random.default_rng(0)
        parts = [TRAIN[:n_frames], TEST[:n_frames], NEW[:n_samples]]
        parts = [part[..., : len(kinds)].astype(np.float32) for part in parts]
        for neuron, kind in enumerate(kinds):
            for number, part in enumerate(parts):
                if kind == "silent" or (kind == "dead here" and number == dead):
                    part[..., neuron] = 0.0
                elif kind == "constant":
                    part[..., neuron] = 0.1
                elif kind == "duplicated":
                    part[..., neuron] = part[..., 0]
                elif kind == "noise":
                    part[..., neuron] = rng.normal(size=part.shape[:-1])
        self.train, self.test, self.samples = parts

    def windows(self) -> np.ndarray:
        """Held-out windows side by side."""
        n_windows = len(self.test) // WINDOW
        return self.test[: n_windows * WINDOW].reshape(n_windows, WINDOW, -1)


cases = st.builds(
    Case,
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=5),
    n_frames=st.sampled_from([WINDOW, 2 * WINDOW + 3, 600]),
    n_samples=st.sampled_from([8, 30]),
    dead=st.sampled_from([0, 1, 2]),
)
few_examples = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def flat(found: Any) -> np.ndarray:
    """All numbers of a result, whatever holds them."""
    if isinstance(found, dict):
        found = list(found.values())
    if isinstance(found, (list, tuple)):
        return np.concatenate([np.zeros(0), *(flat(each) for each in found)])
    return np.ravel(np.asarray(found, dtype=float))


def of_metrics(real: np.ndarray, synthetic: np.ndarray) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every metric of two sets of windows, of which active frames count as spikes."""
    a, b = (np.where(x > np.float32(0.5), 1.0, 0.0) for x in (real, synthetic))
    n = min(len(real), len(synthetic))
    yield "autocorrelation", lambda: metrics.autocorrelation(real, 5)
    yield "classifier_auc", lambda: metrics.classifier_auc(real, synthetic, n_splits=2)
    yield "correlation_kl", lambda: metrics.correlation_kl(a, b, RATE)
    yield "correlation_matrix", lambda: metrics.correlation_matrix(real)
    yield (
        "correlation_matrix_agreement",
        lambda: metrics.correlation_matrix_agreement(real, synthetic),
    )
    yield "event_shapes", lambda: metrics.event_shapes(real, a, RATE, before=0.3, after=0.3)
    yield "firing_rate", lambda: metrics.firing_rate(a, RATE)
    yield "firing_rate_kl", lambda: metrics.firing_rate_kl(a, b, RATE)
    yield "inter_spike_intervals", lambda: metrics.inter_spike_intervals(a, RATE)
    yield "lagged_correlation_matrix", lambda: metrics.lagged_correlation_matrix(real, 3)
    yield "log_spectrum_error", lambda: metrics.log_spectrum_error(real, synthetic)
    yield "membership_auc", lambda: metrics.membership_auc(synthetic, real, real)
    yield (
        "memorisation_ratio",
        lambda: metrics.memorisation_ratio(synthetic, real[:n], synthetic[:n]),
    )
    yield "mmd", lambda: metrics.mmd(real, synthetic)
    yield "pairwise_correlation", lambda: metrics.pairwise_correlation(a, bin_frames=5)
    yield "participation_ratio", lambda: metrics.participation_ratio(real)
    yield "population_count", lambda: metrics.population_count(a)
    yield "population_count_kl", lambda: metrics.population_count_kl(a, b)
    yield "power_spectrum", lambda: metrics.power_spectrum(real, RATE)
    yield "sliced_wasserstein", lambda: metrics.sliced_wasserstein(real, synthetic)
    yield "smoothed_kl", lambda: metrics.smoothed_kl(real, synthetic)
    yield (
        "spike_inference_scores",
        lambda: metrics.spike_inference_scores(a[:n], b[:n], RATE, bin_width=0.5),
    )
    yield "thesis_kl", lambda: metrics.thesis_kl(real, synthetic)
    yield "van_rossum_cross", lambda: metrics.van_rossum_cross(a, b, RATE)
    yield "van_rossum_distance", lambda: metrics.van_rossum_distance(a, RATE)
    yield "van_rossum_kl", lambda: metrics.van_rossum_kl(a, b, RATE)
    yield "wasserstein_increments", lambda: metrics.wasserstein_increments(real, synthetic)
    yield "wasserstein_marginals", lambda: metrics.wasserstein_marginals(real, synthetic)
    yield "window_features", lambda: metrics.window_features(real)[0]


OTHERS = {
    "DetectionScores",
    "bin_frames_for",
    "detection_scores",
    "make_scorer",
}  # that take no windows


def numbers_or_sentence(compute: Callable[[], Any]) -> Any:
    """What is computed; nothing if an error says in a sentence why not."""
    try:
        return compute()
    except ValueError as error:
        if not str(error).endswith(".") or "\n" in str(error):
            raise
        return ()


def test_every_metric_is_tried():
    tried = {name for name, _ in of_metrics(NEW, NEW)}
    public = {name for name in metrics.__all__ if not name.endswith("_scorer")}
    assert tried == public - OTHERS


@few_examples
@given(case=cases)
def test_metrics_end_with_numbers_nan_or_one_sentence(case):
    real, synthetic = case.windows(), case.samples
    for name, compute in of_metrics(real, synthetic):
        found = numbers_or_sentence(compute)
        assert not np.isinf(flat(found)).any() or name == "memorisation_ratio", name


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kinds", [["active"] * 5, ["active", "silent", "constant", "active"]])
def test_an_ordinary_recording_is_not_refused(kinds):
    case = Case(kinds, n_frames=600, n_samples=30, dead=0)
    evaluation = evaluate(
        case.test, case.samples, train=case.train, frame_rate=RATE, random_state=0,
        n_splits=1, n_bootstrap=20, n_jobs=1,
    )  # fmt: skip
    assert np.isfinite([row.value for row in evaluation.statistics]).mean() > 0.8
    if "silent" in kinds:
        return
    for name, compute in of_metrics(case.windows(), case.samples):
        assert np.isfinite(flat(compute())).any() or name == "memorisation_ratio", name


def test_what_is_undefined_is_nan():
    silent = np.zeros((8, WINDOW, 3))
    undefined = dict(of_metrics(silent, silent))
    numbers = {"firing_rate", "population_count", "power_spectrum", "window_features"}
    empty = {"inter_spike_intervals", "event_shapes"}
    # Equal constants are at no distance; a classifier cannot tell them apart.
    equal = {"smoothed_kl", "thesis_kl", "van_rossum_cross", "van_rossum_distance"}
    for name in undefined.keys() - numbers - empty - equal - {"classifier_auc"}:
        assert np.isnan(flat(undefined[name]())).all(), name
    assert all(flat(undefined[name]()).size == 0 for name in empty)
    assert undefined["classifier_auc"]() == 0.5


class Drawn:
    """Stands for a fitted generator of such samples."""

    def __init__(self, samples: np.ndarray) -> None:
        self.samples = samples

    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> np.ndarray:
        return self.samples[np.arange(n_samples) % len(self.samples)]


@few_examples
@given(case=cases)
def test_scorers_end_with_numbers_or_nan_and_at_most_one_warning(case):
    scorer = make_scorer(n_samples=20, frame_rate=RATE)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        scores = scorer(Drawn(case.samples), case.test)
    undefined = [name for name, score in scores.items() if np.isnan(score)]
    assert len(caught) == bool(undefined)
    for warning in caught:
        assert f"the score of {', '.join(undefined)} is NaN" in str(warning.message)
    assert not np.isinf(list(scores.values())).any()


@few_examples
@given(case=cases)
def test_evaluations_end_with_numbers_or_reasons_and_judge_no_undefined_row(case):
    def judge() -> Any:
        return evaluate(
            case.test, case.samples, train=case.train, frame_rate=RATE, random_state=0,
            n_splits=1, n_bootstrap=20, n_jobs=1,
        )  # fmt: skip

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        evaluation = numbers_or_sentence(judge)
    assert {warning.category for warning in caught} <= {UserWarning}
    if evaluation == ():
        return
    told = [str(row.text) for row in evaluation.summary().rows]
    for row in evaluation.statistics:
        undefined = np.isnan(row.value)
        whole = not undefined and np.isfinite(row.baseline)
        assert (row.reason is None) == whole, row.name
        assert whole or row.ratio is None, row.name
        if undefined:
            assert not any(text.startswith(f"{row.label}:") for text in told), row.name
    assert not re.search(r"\bnan\b", f"{evaluation} {evaluation.summary()}")
