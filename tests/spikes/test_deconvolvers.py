"""Deconvolvers that a user passes: fitted, adapted, or used as they are."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from calgan import MinMaxScaler, OasisDeconvolver
from calgan.spikes.deconvolvers import fitted_to, missing_step

SEGMENTS = [np.full((4, 2), 1.0, np.float32), np.full((6, 2), 3.0, np.float32)]
MEAN = 2.2  # of their frames


class Level(BaseEstimator):
    """Takes a frame above the neurons' mean for a spike; needs no frame rate."""

    def fit(self, X, y=None):
        self.level_ = float(np.concatenate(X).mean())  # and returns nothing

    def transform(self, X):
        return np.asarray(X) > self.level_


class Timed(Level):
    """Has a frame rate."""

    def __init__(self, frame_rate=None):
        self.frame_rate = frame_rate


class Network(BaseEstimator):
    """Is trained on known spikes, and adapts to the neurons of a recording."""

    def __init__(self, frame_rate=None):
        self.frame_rate = frame_rate

    def fit(self, X, y=None):
        if y is None:
            self.n_features_in_ = X[0].shape[1]
        self.weights_ = np.ones(3)
        return self

    def adapt(self, X):
        placed = Network(self.frame_rate)
        placed.weights_ = self.weights_
        placed.level_ = float(np.concatenate(X).mean())
        placed.n_features_in_ = X[0].shape[1]
        return placed

    def transform(self, X):
        return np.asarray(X) > self.level_


class Threshold:
    """No estimator."""

    def transform(self, X):
        return np.asarray(X) > 0.5


def test_an_estimator_that_is_not_fitted_is_cloned_and_fitted():
    for given in (Level(), Timed()):
        assert missing_step(given) == "fit"
        found = fitted_to(given, SEGMENTS, 10.0)
        assert found.level_ == pytest.approx(MEAN)
        assert type(found) is type(given)
        assert not hasattr(given, "level_")
        assert missing_step(found) is None


@pytest.mark.parametrize("make", [Timed, lambda *rate: Network(*rate).fit([], [])])
def test_a_copy_takes_the_frame_rate_of_the_data(make):
    given = make()
    assert fitted_to(given, SEGMENTS, 10.0).frame_rate == 10.0
    assert given.frame_rate is None
    assert fitted_to(given, SEGMENTS, None).frame_rate is None
    assert fitted_to(make(10.0), SEGMENTS, None).frame_rate == 10.0
    assert fitted_to(make(10), SEGMENTS, 10.001).frame_rate == 10
    with pytest.raises(ValueError, match="the data says 10 Hz and the deconvolver 24 Hz"):
        fitted_to(make(24.0), SEGMENTS, 10.0)


def test_a_trained_network_adapts_and_keeps_what_it_learnt():
    given = Network().fit([], [])
    assert missing_step(given) == "adapt"
    found = fitted_to(given, SEGMENTS, 10.0)
    assert found.weights_ is given.weights_
    assert found.level_ == pytest.approx(MEAN)
    assert not hasattr(given, "level_")
    assert missing_step(found) is None
    assert fitted_to(found, SEGMENTS, 24.0) is found


def test_an_untrained_network_is_fitted():
    assert missing_step(Network()) == "fit"
    found = fitted_to(Network(), SEGMENTS, 10.0)
    assert found.n_features_in_ == 2
    assert not hasattr(found, "level_")


def test_whatever_else_infers_spikes_is_used_as_it_is(traces):
    fitted = OasisDeconvolver(10.0).fit(traces)
    steps = make_pipeline(MinMaxScaler(), OasisDeconvolver(10.0)).fit(traces)
    own = Timed()
    own.fit(SEGMENTS)
    for given in (fitted, steps, own, Threshold(), FunctionTransformer()):
        assert missing_step(given) is None
        assert fitted_to(given, SEGMENTS, 24.0) is given


def test_a_pipeline_is_fitted_as_a_whole(traces):
    given = make_pipeline(MinMaxScaler(), OasisDeconvolver(10.0))
    assert missing_step(given) == "fit"
    found = fitted_to(given, [traces], 10.0)
    np.testing.assert_array_equal(found.transform(traces), given.fit([traces]).transform(traces))
