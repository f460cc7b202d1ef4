"""What is done with a deconvolver that a user passes, before it infers spikes."""

from __future__ import annotations

import copy
from typing import Any, Literal

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from calgan.data.validation import common_frame_rate


def missing_step(deconvolver: Any) -> Literal["fit", "adapt"] | None:
    """Return what a deconvolver needs before it infers spikes; None if it can be used as it is.

    An estimator that is not fitted needs a fit. One that was trained elsewhere, and knows no
    neurons yet, has to adapt to a recording.
    """
    if not hasattr(deconvolver, "fit"):
        return None
    if not hasattr(deconvolver, "get_params"):
        if hasattr(deconvolver, "n_features_in_"):
            return None
        raise TypeError(
            f"deconvolver is a {type(deconvolver).__name__} that has a fit but no get_params, so "
            "it cannot be cloned; make it a scikit-learn estimator, or pass it fitted, with its "
            "n_features_in_."
        )
    try:
        check_is_fitted(deconvolver)
    except NotFittedError:
        return "fit"
    knows_neurons = hasattr(deconvolver, "n_features_in_")
    return "adapt" if hasattr(deconvolver, "adapt") and not knows_neurons else None


def fitted_to(deconvolver: Any, data: Any, frame_rate: float | None, *, whole: bool = False) -> Any:
    """Return a deconvolver whose `transform` infers spikes of the neurons of some data.

    It is a copy, fitted or adapted to the data, or the one given if no step is missing. A copy
    takes the frame rate (Hz) of the data; one of its own must not differ. If spikes have to be
    `whole`, a network becomes a copy with ``output="counts"``: callers take each value above 0 for
    a spike.
    """
    if whole and getattr(deconvolver, "output", None) == "expected":
        deconvolver = copy.copy(deconvolver).set_params(output="counts")
    step = missing_step(deconvolver)
    if step is None:
        return deconvolver
    # A clone would forget what was trained.
    copied = clone(deconvolver) if step == "fit" else copy.copy(deconvolver)
    params = copied.get_params(deep=False)
    if "frame_rate" in params:
        known = {"the data": frame_rate, "the deconvolver": params["frame_rate"]}
        rate = common_frame_rate(known)
        if params["frame_rate"] is None:
            copied.set_params(frame_rate=rate)
    if step == "adapt":
        return copied.adapt(data)
    copied.fit(data)
    return copied
