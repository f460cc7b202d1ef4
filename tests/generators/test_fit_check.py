"""The check at the end of every fit, on samples whose distance from the windows is known."""

from __future__ import annotations

import json
import math
import warnings
from typing import Any
from unittest import mock

import numpy as np
import pytest

from calgan import Recording, Windower
from calgan.datasets import make_recording
from calgan.generators import fit_check
from calgan.generators.fit_check import (
    FitWarning,
    check_fit,
    compare_with_training,
    n_compared_windows,
    progress,
    warn_of_mismatch,
)

RATE = 10.0
N = 6


@pytest.fixture(scope="module")
def windows() -> np.ndarray:
    """Return 200 windows (200, 40, 6) that do not overlap."""
    recording, _ = make_recording(800.0, n_neurons=N, frame_rate=RATE, random_state=0)
    return np.asarray(Windower(40, stride=40).fit_transform(recording))


def times(windows: np.ndarray, neuron: int, factor: float) -> np.ndarray:
    factors = np.ones(windows.shape[2], dtype=np.float32)
    factors[neuron] = factor
    return windows * factors


def test_the_training_windows_themselves_match(windows: np.ndarray) -> None:
    summary = compare_with_training(windows, windows, RATE)
    assert summary == {"sd_ratio": [1.0] * N, "rate_ratio": [1.0] * N, "mismatched": []}
    warn_of_mismatch(summary, "replay")  # warnings are errors here


@pytest.mark.parametrize("factor", [3.0, 1 / 3])
def test_a_scaled_neuron_is_named(windows: np.ndarray, factor: float) -> None:
    summary = compare_with_training(windows, times(windows, 2, factor), RATE)
    assert summary["sd_ratio"][2] == pytest.approx(factor, abs=1e-4)
    assert summary["mismatched"] == [2]
    with pytest.warns(FitWarning, match=r"CalciumGAN do not match 1 of 6 neurons \(number 2\)"):
        warn_of_mismatch(summary, "CalciumGAN")


def test_standard_deviations_are_pooled_over_windows_and_frames(windows: np.ndarray) -> None:
    samples = windows[::-1] + np.linspace(0, 5, len(windows), dtype=np.float32)[:, None, None]
    found = compare_with_training(windows, samples, RATE)["sd_ratio"]
    wanted = samples.std(axis=(0, 1), dtype=float) / windows.std(axis=(0, 1), dtype=float)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_a_neuron_without_events_is_named_by_its_rate(windows: np.ndarray) -> None:
    samples = windows.copy()
    noise = np.random.default_rng(0).normal(size=samples.shape[:2])
    samples[..., 1] = samples[..., 1].mean() + samples[..., 1].std() * noise
    samples[..., 1] -= 3 * windows[..., 1].std()  # far below the baseline: no events
    summary = compare_with_training(windows, samples, RATE)
    assert summary["sd_ratio"][1] == pytest.approx(1, abs=0.1)
    assert summary["rate_ratio"][1] < 0.1
    assert summary["mismatched"] == [1]


def silent(n_windows: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(n_windows, 40, 1)).astype(np.float32)


def test_a_silent_neuron_is_not_flagged(windows: np.ndarray) -> None:
    noise = silent(2 * len(windows))
    real, fake = (
        np.concatenate([windows, part], axis=2)
        for part in (noise[: len(windows)], noise[len(windows) :])
    )
    summary = compare_with_training(real, fake, RATE)
    assert math.isfinite(summary["rate_ratio"][N])
    assert summary["mismatched"] == []


def test_a_constant_neuron_is_not_flagged(windows: np.ndarray) -> None:
    real, fake = times(windows, 0, 0), times(windows, 0, 0)
    fake[..., 0] = silent(len(windows))[..., 0]
    summary = compare_with_training(real, fake, RATE)
    assert math.isnan(summary["sd_ratio"][0])
    assert summary["mismatched"] == []
    constant = np.zeros_like(windows)
    summary = compare_with_training(constant, constant, RATE)
    warn_of_mismatch(summary, "CalciumGAN")


def test_few_events_flag_no_neuron() -> None:
    a, b = np.zeros((2, 50, 1))
    a[:6], b[:2] = 1, 1
    assert not fit_check._counts_differ(a, b).any()  # a ratio of 3, and 4 < 4 sqrt(8)
    a[:] = 1  # 50 events and 2: 48 > 4 sqrt(52)
    assert fit_check._counts_differ(a, b).all()


def test_chance_does_not_flag_windows_of_one_process() -> None:
    recording, _ = make_recording(800.0, n_neurons=30, frame_rate=RATE, random_state=1)
    every = np.asarray(Windower(40, stride=40).fit_transform(recording))
    flagged = compare_with_training(every[::2], every[1::2], RATE)["mismatched"]
    assert flagged == []


def test_samples_that_are_not_finite_are_flagged(windows: np.ndarray) -> None:
    for bad in (np.nan, np.inf):
        samples = windows.copy()
        samples[3, 2, 4] = bad
        summary = compare_with_training(windows, samples, RATE)
        assert summary["sd_ratio"][4] == math.inf
        assert math.isnan(summary["rate_ratio"][4])
        assert summary["mismatched"] == [4]
        assert json.loads(json.dumps(summary))["mismatched"] == [4]
        nothing = compare_with_training(windows, np.full_like(windows, bad), RATE)
        assert nothing["mismatched"] == list(range(N))
        with pytest.warns(FitWarning, match="is inf for standard deviations; train longer"):
            warn_of_mismatch(nothing, "CalciumGAN")


def test_a_model_that_matches_no_neuron_is_wrong_as_a_whole(windows: np.ndarray) -> None:
    summary = compare_with_training(windows, windows / 4, RATE)
    message = (
        r"in 6 of 6 neurons: the median ratio .* is 0.25 for standard deviations and 0.\d+ for"
    )
    with pytest.warns(FitWarning, match=message) as caught:
        warn_of_mismatch(summary, "CalciumGAN")
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_at_most_ten_neurons_are_named() -> None:
    ratios = [1.0] * 40
    summary = {"sd_ratio": ratios, "rate_ratio": ratios, "mismatched": list(range(12))}
    with pytest.warns(FitWarning, match=r"12 of 40 neurons \(number 0, 1, .* 9, \.\.\.\)"):
        warn_of_mismatch(summary, "CalciumGAN")


def test_rates_are_not_compared_where_no_frame_rate_is_known(windows: np.ndarray) -> None:
    summary, with_rate = (
        compare_with_training(windows, times(windows, 1, 2), rate) for rate in (None, RATE)
    )
    assert np.isnan(summary["rate_ratio"]).all()
    assert np.isfinite(with_rate["rate_ratio"]).all()
    assert summary["sd_ratio"] == with_rate["sd_ratio"]


def test_events_of_many_neurons_are_inferred_for_some(windows: np.ndarray) -> None:
    with mock.patch.object(fit_check, "_INFERRED_NEURONS", 3):
        summary = compare_with_training(windows, times(windows, 1, 9), RATE)
    assert np.isfinite(summary["rate_ratio"]).sum() == 3
    assert np.isfinite(summary["sd_ratio"]).all()
    assert summary["mismatched"] == [1]  # by its standard deviation, if not by its rate


def test_shapes_must_agree(windows: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"one shape \(M, T, N\)"):
        compare_with_training(windows, windows[:-1], RATE)


@pytest.mark.parametrize("shape", [(3, 40, 6), (10**6, 64, 143), (10**6, 2048, 10**4)])
def test_few_windows_are_compared(shape: tuple[int, int, int]) -> None:
    n = n_compared_windows(shape)
    assert min(shape[0], 8) <= n <= min(shape[0], 200)
    assert n == min(8, shape[0]) or n * shape[1] * min(shape[2], 2000) <= 4_000_000


# ------------------------------------------------------------------ the last phase of a fit


def fit(X: Any, draw: Any, **params: Any) -> dict[str, Any]:
    return check_fit(X, draw, "CalciumGAN", stacklevel=3, **params)


def test_the_windows_trained_on_are_compared(windows: np.ndarray) -> None:
    loud = np.concatenate([windows, 9 * windows])
    trained_on = np.arange(len(windows))
    assert fit(loud, lambda n: windows[:n], indices=trained_on)["mismatched"] == []
    with pytest.warns(FitWarning, match="median ratio") as caught:
        assert fit(loud, lambda n: np.resize(windows, (n, 40, N)))["mismatched"] != []
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_a_lazy_view_is_read_in_part() -> None:
    traces = np.random.default_rng(0).normal(size=(5000, 2)).astype(np.float32)
    view = Windower(32).fit_transform(Recording(traces, RATE))
    drawn = []

    def draw(n: int) -> np.ndarray:
        drawn.append(n)
        return view.gather(np.arange(n))

    assert check_fit(view, draw, "replay", warn=False)["sd_ratio"]
    assert drawn == [200]


def test_encoded_windows_are_no_traces(windows: np.ndarray) -> None:
    assert fit(windows[..., None], lambda n: windows[:n, ..., None]) == {}


def test_it_can_be_told_not_to_warn(windows: np.ndarray) -> None:
    assert fit(windows, lambda n: 3 * windows[:n], warn=False)["mismatched"] == list(range(N))


def test_ctrl_c_ends_the_check_with_a_warning(windows: np.ndarray) -> None:
    def draw(n: int) -> np.ndarray:
        raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="check of the samples of CalciumGAN was interrupted") as c:
        assert fit(windows, draw) == {}
    assert c[0].filename == __file__


def test_no_global_warning_filter_is_changed(windows: np.ndarray) -> None:
    before = list(warnings.filters)
    compare_with_training(times(windows, 0, 0), windows, RATE)
    assert warnings.filters == before


def test_progress_is_shown_on_request_only(capsys: pytest.CaptureFixture[str]) -> None:
    for verbose in (0, None):
        with progress(verbose, "reading windows"):
            pass
    assert capsys.readouterr().err == ""
    with progress(1, "reading windows"):
        pass
    assert "reading windows" in capsys.readouterr().err
