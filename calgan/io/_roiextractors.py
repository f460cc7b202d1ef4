"""EXTRACT, CNMF-E and Inscopix, which roiextractors reads."""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from calgan.data.recording import ARBITRARY, Recording
from calgan.io._build import build, chosen, needs, say
from calgan.io._hdf5 import holds, is_hdf5
from calgan.io._masks import centre_of_image
from calgan.io._options import ReadOptions

_EXTRACTORS = {
    "extract": ("EXTRACT", "ExtractSegmentationExtractor"),
    "cnmfe": ("CNMF-E", "CnmfeSegmentationExtractor"),
    "inscopix": ("Inscopix", "InscopixSegmentationExtractor"),
}
_HELD = {
    "extract": ("output/temporal_weights", "extractAnalysisOutput/traces"),
    "cnmfe": ("cnmfeAnalysisOutput/extractedSignals",),
}


def recognises(path: Path) -> bool:
    """Tell Inscopix by its suffix, EXTRACT and CNMF-E by what they hold."""
    return _format_of(path) is not None


def read(path: Path, options: ReadOptions) -> Recording:
    """Read dF/F if there is any, raw traces otherwise, and denoised ones with a word."""
    # The formats share this module, so the first of them is asked for any of their files.
    format = _format_of(path) or options.format
    options = replace(options, format=format)
    program, name_of_class = _EXTRACTORS[format]
    extractors = needs("roiextractors", f"reading {program}")
    arguments: dict[str, Any] = {}
    if format == "extract":
        # The extractor wants a rate; that of older files is in the file.
        given = np.nan if options.frame_rate is None else options.frame_rate
        arguments = {"sampling_frequency": given, "output_struct_name": options.variable}
    if format == "inscopix":
        _needs_isx()
    elif not is_hdf5(path):
        raise ValueError(f"{path} is no file of MATLAB 7.3, in which {program} is read.")
    with _quiet(path, program):
        extractor = getattr(extractors, name_of_class)(path, **arguments)
        ids = np.asarray(extractor.get_roi_ids())
        found = _all_traces(extractor, len(ids))
        rate = extractor.get_sampling_frequency()
        accepted = _accepted(extractor, ids.tolist())
    name: str | None = next((key for key in ("dff", "raw", "denoised") if key in found), None)
    if options.variable is not None and format != "extract":
        name = options.variable
    if name is None or name not in found:
        raise ValueError(
            f"{path} holds no traces {name or ''!r}; it has {', '.join(found) or 'none'}."
        )
    rate = None if rate is None or not np.isfinite(rate) else float(rate)
    keep, options = chosen(len(ids), options, accepted=accepted, frame_rate=rate)
    if name == "denoised" and options.variable is None:
        say(f"{path} holds denoised traces alone, so samples of a model of them lack the noise.")
    with _quiet(path, program):
        positions = _positions(extractor, ids[keep].tolist())
    return build(
        found[name][:, keep],
        options,
        units="dF/F" if name == "dff" else ARBITRARY,
        roi_ids=ids[keep],
        accepted=None if accepted is None else accepted[keep],
        positions=positions,
        processing=f"{name} of {program}.",
    )


def _format_of(path: Path) -> str | None:
    """Return the format of a file that roiextractors reads."""
    suffix = path.suffix.lower()
    if suffix == ".isxd":
        return "inscopix"
    if suffix != ".mat":
        return None
    for format, places in _HELD.items():
        if any(holds(path, place) for place in places):
            return format
    return None


def _needs_isx() -> None:
    try:
        importlib.import_module("isx")
    except ImportError as error:
        raise ImportError(
            "reading Inscopix needs its own library isx (Python 3.12 or older): pip install isx."
        ) from error


@contextlib.contextmanager
def _quiet(path: Path, program: str) -> Iterator[None]:
    """Keep what roiextractors prints and warns of from users; say its errors in a sentence."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            yield
        except (ImportError, PermissionError):
            raise
        except Exception as error:
            raise ValueError(
                f"{path}: roiextractors cannot read it as {program} ({type(error).__name__}: "
                f"{error})."
            ) from error


def _all_traces(extractor: Any, n_rois: int) -> dict[str, np.ndarray]:
    """Return the traces (T, N) that an extractor has, by their names."""
    found = {name: data for name, data in extractor.get_traces_dict().items() if data is not None}
    if not found:  # Inscopix has no other way
        found = {"raw": extractor.get_traces()}
    arrays = {name: np.asarray(data[:]) for name, data in found.items()}
    arrays = {name: array for name, array in arrays.items() if array.ndim == 2}
    for name, array in arrays.items():
        if array.shape[1] != n_rois and array.shape[0] == n_rois:
            arrays[name] = array.T
    return {name: array for name, array in arrays.items() if array.shape[1] == n_rois}


def _accepted(extractor: Any, ids: list[Any]) -> np.ndarray | None:
    """Return which ROIs were accepted, if they were judged."""
    if "cell_status" in getattr(extractor, "get_property_keys", list)():
        status = np.asarray(extractor.get_property("cell_status", ids)).astype(str)
        return status == "accepted" if (status == "accepted").any() else status != "rejected"
    if not hasattr(extractor, "get_accepted_list"):
        return None
    accepted = set(extractor.get_accepted_list() or ids)
    return np.array([roi in accepted for roi in ids])


def _positions(extractor: Any, ids: list[Any]) -> np.ndarray | None:
    """Return the centres of mass (x, y) of masks."""
    centres = []
    for roi in ids:
        mask = np.squeeze(np.asarray(extractor.get_roi_image_masks(roi_ids=[roi])))
        centre = centre_of_image(mask)
        if centre.shape != (2,) or np.isnan(centre).any():
            return None
        centres.append(centre[::-1])
    return np.array(centres)
