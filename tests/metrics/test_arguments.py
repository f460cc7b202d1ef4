"""Metrics, data sets and splits refuse wrong arguments with one sentence that names them."""

from __future__ import annotations

import numpy as np
import pytest

from calgan import Recording, datasets, metrics, model_selection

M, T, N, RATE = 6, 24, 3, 10.0
RNG = np.random.default_rng(0)
X, Y, Z = RNG.normal(size=(3, M, T, N))
A, B = (RNG.random((2, M, T, N)) < 0.3).astype(float)
RECORDING = Recording(RNG.normal(size=(200, N)), RATE)
SEARCH = {"params": [{"x": 1}], "mean_fit_time": [1.0], "split0_test_score": [0.1]}

PAIR, SPIKES = {"real": X, "synthetic": Y}, {"real_spikes": A, "synthetic_spikes": B}
COPIES = {"samples": X, "train": Y, "held_out": Z}
CALLS = {
    "autocorrelation": {"X": X, "max_lag": 3},
    "bin_frames_for": {"frame_rate": RATE},
    "classifier_auc": {**PAIR, "n_splits": 2},
    "correlation_kl": {**SPIKES, "frame_rate": RATE},
    "correlation_matrix": {"X": X},
    "correlation_matrix_agreement": PAIR,
    "detection_scores": {"found": np.ones((3, 2)), "truth": np.ones((3, 2)), "max_distance": 5},
    "event_shapes": {"traces": X, "spikes": A, "frame_rate": RATE, "before": 0.3, "after": 0.5},
    "firing_rate": {"spikes": A, "frame_rate": RATE},
    "firing_rate_kl": {**SPIKES, "frame_rate": RATE},
    "inter_spike_intervals": {"spikes": A, "frame_rate": RATE},
    "lagged_correlation_matrix": {"X": X, "lag": 2},
    "log_spectrum_error": PAIR,
    "make_scorer": {},
    "membership_auc": COPIES,
    "memorisation_ratio": COPIES,
    "mmd": PAIR,
    "pairwise_correlation": {"spikes": A},
    "participation_ratio": {"windows": X},
    "population_count": {"spikes": A},
    "population_count_kl": SPIKES,
    "power_spectrum": {"X": X, "frame_rate": RATE},
    "sliced_wasserstein": {**PAIR, "n_projections": 4},
    "smoothed_kl": {"p": X, "q": Y},
    "spike_inference_scores": {"true": A, "inferred": B, "frame_rate": RATE, "bin_width": 0.2},
    "thesis_kl": {"real": X, "synthetic": Y},
    "van_rossum_cross": {"real": A, "synthetic": B, "frame_rate": RATE},
    "van_rossum_distance": {"spikes": A, "frame_rate": RATE},
    "van_rossum_kl": {**SPIKES, "frame_rate": RATE},
    "wasserstein_increments": PAIR,
    "wasserstein_marginals": PAIR,
    "window_features": {"windows": X},
    # data sets and splits
    "make_process": {"n_neurons": 3},
    "make_movie": {"duration": 2.0, "n_neurons": 3},
    "make_recording": {"duration": 5.0, "n_neurons": 3},
    "make_dichotomized_gaussian_process": {"n_neurons": 3},
    "make_dichotomized_gaussian_recording": {"duration": 5.0, "n_neurons": 3},
    "train_test_blocks": {"recording": RECORDING, "gap": 8},
    "thesis_split": {"recording": RECORDING, "window": 8, "n_test": 2},
    "search_table": {"search": SEARCH},
}
MODULES = (metrics, datasets, model_selection)


def call(name, **arguments):
    function = next(getattr(module, name) for module in MODULES if hasattr(module, name))
    return function(**{**CALLS[name], **arguments})


def refused(name, **arguments):
    """Return the sentence with which a call is refused."""
    with pytest.raises((TypeError, ValueError)) as caught:
        call(name, **arguments)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert 20 < len(sentence) < 400
    return sentence


def test_every_function_is_tested_here():
    names = {name for module in MODULES for name in module.__all__ if name[0].islower()}
    scorers = {name for name in names if name.endswith("_scorer")} - {"make_scorer"}
    assert set(CALLS) == names - scorers - {"load_zebrafish_tectum"}
    for name in CALLS:
        call(name)


ARRAYS = [
    (name, argument)
    for name, arguments in CALLS.items()
    for argument, value in arguments.items()
    if isinstance(value, (np.ndarray, Recording))
]
NO_NUMBERS = [None, "text", b"x", [[1, 2], [3]], {}, {1}, X * 1j, object(), ["a"], len]
# These take values of any shape, or cells.
WINDOWS = set(metrics.__all__) - {"smoothed_kl", "thesis_kl", "detection_scores"}


@pytest.mark.parametrize("wrong", NO_NUMBERS, ids=lambda x: type(x).__name__)
@pytest.mark.parametrize(("name", "argument"), ARRAYS)
def test_what_is_no_array_of_numbers_is_refused_by_name(name, argument, wrong):
    assert argument in refused(name, **{argument: wrong})


@pytest.mark.parametrize(
    "wrong",
    [3.0, [], [1.0], X[0], X[:0], X * np.nan, X * np.inf, X * 1e300],
    ids=["0-D", "empty", "1-D", "2-D", "no window", "nan", "inf", "huge"],
)
@pytest.mark.parametrize(("name", "argument"), [pair for pair in ARRAYS if pair[0] in WINDOWS])
def test_what_is_no_finite_windows_is_refused_by_name(name, argument, wrong):
    assert argument in refused(name, **{argument: wrong})


SCALARS = {
    "frame_rate": [0, -1.0, np.nan, np.inf, "fast", True, [1.0], 1j, np.ones((3, 3)), object()],
    "random_state": [-1, 1.5, "text", [1], np.ones((3, 3))],
    "protocol": ["x", None, 1, ["blocked"], np.ones(3)],
}


@pytest.mark.parametrize(
    ("name", "argument", "wrong"),
    [
        (name, argument, value)
        for name, arguments in CALLS.items()
        for argument, values in SCALARS.items()
        if argument in arguments
        or (
            argument == "protocol" and name in ("firing_rate_kl", "correlation_kl", "van_rossum_kl")
        )
        or (argument == "random_state" and name in ("make_process", "sliced_wasserstein"))
        or (argument == "frame_rate" and name.startswith("make_") and name != "make_scorer")
        for value in values
    ],
    ids=lambda x: x if isinstance(x, str) else f"{type(x).__name__}",
)
def test_frame_rates_seeds_and_words_are_checked_alike(name, argument, wrong):
    assert argument in refused(name, **{argument: wrong})


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("autocorrelation", {"max_lag": T}, "max_lag=24 frames does not fit windows of 24 frames"),
        ("autocorrelation", {"max_lag": 1.5}, "max_lag must be an integer of at least 0"),
        ("lagged_correlation_matrix", {"lag": T}, "lag=24 frames does not fit windows"),
        ("power_spectrum", {"X": X[:, :1]}, "a spectrum needs at least 2"),
        ("wasserstein_increments", {"real": X[:, :1]}, "windows of at least 2 frames"),
        ("wasserstein_marginals", {"real": X[:, :, :2]}, "real has 2 neurons and synthetic has 3"),
        ("log_spectrum_error", {"real": X[:, :9]}, "real has windows of 9 frames"),
        ("van_rossum_kl", {"protocol": "thesis", "real_spikes": A[:3]}, "3 real and 6 synthetic"),
        ("inter_spike_intervals", {"per_neuron": "yes"}, "per_neuron must be True or False"),
        ("event_shapes", {"before": -1}, "before must be a finite number above 0"),
        ("event_shapes", {"spikes": A[:3]}, "traces have shape"),
        ("memorisation_ratio", {"max_shift": T}, "leaves no central part"),
        ("memorisation_ratio", {"train": Y[:3]}, "train has 3 windows and held_out 6"),
        ("mmd", {"bandwidth": 0}, "bandwidth must be a finite number above 0"),
        ("mmd", {"features": 3}, "features must be a function of windows, got 3"),
        ("sliced_wasserstein", {"n_projections": 0}, "n_projections must be an integer"),
        ("classifier_auc", {"classifier": "svm"}, "classifier must be 'logistic' or 'forest', got"),
        ("classifier_auc", {"groups": [1, 2]}, "pass one label a window"),
        ("smoothed_kl", {"p": [np.inf]}, "p holds infinite values"),
        ("spike_inference_scores", {"bin_width": None}, "bin_width must be a finite number above"),
        ("spike_inference_scores", {"bin_width": 0.05}, "bin_width=0.05 s is shorter than a frame"),
        ("spike_inference_scores", {"bin_width": 3.0}, "leaves 0 bins in true, which holds 14.4 s"),
        ("spike_inference_scores", {"true": A[:3]}, "true has shape (3, 24, 3) and inferred (6,"),
        ("spike_inference_scores", {"true": A - 1}, "true must hold numbers of spikes, but its"),
        ("spike_inference_scores", {"inferred": A[0, :, 0]}, "one neuron are inferred[:, np.new"),
        (
            "spike_inference_scores",
            {"true": A[0], "inferred": Recording(A[0], 20.0)},
            "frame_rate says 10 Hz and inferred 20 Hz",
        ),
        (
            "spike_inference_scores",
            {"true": Recording(A[0], RATE, segments=[[0, 9]]), "inferred": Recording(A[0], RATE)},
            "true and inferred differ in their segments",
        ),
        ("smoothed_kl", {"edges": [1.0, 0.0]}, "increasing inner bin edges"),
        ("smoothed_kl", {"edges": "text"}, "edges must be an array of real numbers"),
        ("thesis_kl", {"bins": 0}, "bins must be an integer of at least 1"),
        ("make_scorer", {"statistic": ["rate"]}, "statistic must be 'firing_rate', 'correlation'"),
        ("make_scorer", {"deconvolver": np.ones((3, 3))}, "got an array of shape (3, 3)"),
        ("make_process", {"n_neurons": 0}, "n_neurons must be an integer of at least 1"),
        ("make_recording", {"duration": np.ones((3, 3))}, "number of seconds, got an array"),
        ("train_test_blocks", {"test_size": np.ones((3, 3))}, "between 0 and 1, got an array"),
        ("train_test_blocks", {"gap": -1}, "gap must be an integer of at least 0"),
        ("thesis_split", {"stride": 0}, "stride must be an integer of at least 1"),
        ("search_table", {"search": 3}, "or its cv_results_, got int"),
        ("search_table", {"scores": 3}, "scores must be a list of names, got 3"),
        ("search_table", {"search": {**SEARCH, "params": 3}}, "must be a list of mappings"),
        ("search_table", {"search": {**SEARCH, "mean_fit_time": "x"}}, "array of real numbers"),
    ],
)  # fmt: skip
def test_wrong_arguments_get_one_clear_sentence(name, arguments, sentence):
    assert sentence in refused(name, **arguments)
