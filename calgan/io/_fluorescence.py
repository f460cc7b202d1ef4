"""Recordings of raw fluorescence, corrected for neuropil and turned into dF/F."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from calgan.data.fluorescence import delta_f_over_f
from calgan.data.recording import Recording
from calgan.io._build import build, say
from calgan.io._options import ReadOptions

_PERCENTILE, _WINDOW = 8.0, 60.0  # of the baseline: percent, seconds


def build_from_raw(
    raw: np.ndarray,
    options: ReadOptions,
    *,
    roi_ids: np.ndarray,
    neuropil: np.ndarray | None = None,
    coefficient: float = 0.7,
    what: str = "F",
    **known: Any,
) -> Recording:
    """Make a recording of the raw traces (T, N) that `chosen` chose, as dF/F if it is wanted."""
    if neuropil is not None:
        what = f"F - {coefficient:g} Fneu"
        if np.isnan(neuropil).any():
            raw = np.where(np.isnan(neuropil), np.nan, raw)
    if options.dff:
        processing = (
            f"dF/F of {what}; the baseline is the running {_PERCENTILE:g}th percentile over "
            f"{_WINDOW:g} s."
        )
    else:
        processing = f"{what}."
    recording = build(raw, options, roi_ids=roi_ids, processing=processing, **known)
    around = None if neuropil is None else neuropil[:, np.isin(roi_ids, recording.roi_ids)]
    if not options.dff:
        if around is None:
            return recording
        return recording.with_traces(recording.traces - np.float32(coefficient) * around)
    try:
        return delta_f_over_f(
            recording,
            neuropil=around,
            neuropil_coefficient=coefficient,
            percentile=_PERCENTILE,
            window=_WINDOW,
        )
    except ValueError as error:
        say(f"{options.name}: {error} The traces were read as with dff=False.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # they were said already
        return build_from_raw(
            raw,
            replace(options, dff=False),
            roi_ids=roi_ids,
            neuropil=neuropil,
            coefficient=coefficient,
            what=what,
            **known,
        )
