"""Results of CaImAn (hdf5): dF/F, or denoised traces with their residuals, never without."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from calgan.data.recording import ARBITRARY, Recording
from calgan.data.stored import IN_MEMORY, as_stored
from calgan.io._build import build, chosen, say
from calgan.io._fluorescence import build_from_raw
from calgan.io._hdf5 import as_text, holds, is_hdf5, open_hdf5
from calgan.io._options import ReadOptions


def recognises(path: Path) -> bool:
    """Tell a file with CaImAn's estimates; without h5py, by its suffix."""
    if importlib.util.find_spec("h5py") is None:
        return path.suffix.lower() in (".hdf5", ".h5") and is_hdf5(path)
    return holds(path, "estimates")


def read(path: Path, options: ReadOptions) -> Recording:
    """Read F_dff if it is there, C + YrA otherwise."""
    with open_hdf5(path, "CaImAn") as file:
        estimates = file.get("estimates")
        if not hasattr(estimates, "get"):
            raise ValueError(f"{path} holds no estimates of CaImAn: save them with cnm.save(...).")
        return _read(file, estimates, options)


def _read(file: Any, estimates: Any, options: ReadOptions) -> Recording:
    names = ("F_dff", "C", "YrA", "R", options.variable)
    arrays = {name: _array(estimates.get(name)) for name in names if name}
    residuals = arrays["YrA"] if arrays["YrA"] is not None else arrays["R"]
    C, dff = arrays["C"], arrays["F_dff"]
    name = options.variable
    if name is None:
        if dff is not None and (options.dff or C is None or residuals is None):
            name = "F_dff"
        elif C is not None and residuals is not None:
            name = "C + YrA"
        else:
            raise ValueError(
                f"{options.name} holds neither F_dff nor the residuals YrA, and C alone is "
                "denoised, so that samples would lack the noise: compute them with "
                "cnm.estimates.compute_residuals and save again."
            )
    elif arrays[name] is None:
        there = ", ".join(repr(key) for key, value in arrays.items() if value is not None)
        raise ValueError(f"{options.name} holds no traces {name!r}; it has {there or 'none'}.")
    stored = C if name == "C + YrA" else arrays[name]
    if name == "C + YrA" and residuals.shape != C.shape:
        raise ValueError(
            f"{options.name}: C has shape {C.shape}, but YrA {residuals.shape}: they belong to "
            "different runs."
        )
    n_rois = stored.shape[0]
    accepted = _accepted(estimates, n_rois)
    keep, options = chosen(n_rois, options, accepted=accepted, frame_rate=_frame_rate(file))
    A = _matrix(estimates.get("A"))
    A = None if A is None or A.shape[1] != n_rois else A[:, keep]
    known: dict[str, Any] = {
        "roi_ids": keep,
        "accepted": None if accepted is None else accepted[keep],
        "positions": None if A is None else _positions(A, _dims(file, estimates, A.shape[0])),
    }
    large = stored.shape[1] * len(keep) > IN_MEMORY and name != "C + YrA"
    traces: Any = as_stored(stored, turned=True) if large else _rows(stored, keep).T
    if large:
        traces = traces.part(neurons=keep)
    if name != "C + YrA":
        has_baseline = name == "F_dff" and _matrix(estimates.get("b")) is not None
        units = "dF/F" if has_baseline else ARBITRARY
        return build(traces, options, units=units, processing=f"{name} of CaImAn.", **known)
    traces = traces + _rows(residuals, keep).T
    background = _background(estimates, A, len(traces)) if options.dff else None
    if background is not None:
        what = "F = C + YrA + background of CaImAn"
        return build_from_raw(traces + background, options, what=what, **known)
    if options.dff:
        say(
            f"{options.name} holds no F_dff and no background, so that dF/F is unknown; C + YrA "
            "were read, in arbitrary units."
        )
    return build(traces, options, processing="C + YrA of CaImAn.", **known)


def _array(node: Any) -> Any:
    """Return an array (N, T) of the file, unread; CaImAn writes text where there is none."""
    there = hasattr(node, "shape") and len(node.shape) == 2 and node.dtype.kind in "fiu"
    return node if there and 0 not in node.shape else None


def _rows(array: Any, keep: np.ndarray) -> np.ndarray:
    """Read the rows of some neurons."""
    return array[()] if len(keep) == len(array) else np.stack([array[row] for row in keep])


def _matrix(node: Any) -> sparse.csc_array | None:
    """Return a matrix, stored as an array or as a sparse one."""
    if hasattr(node, "keys") and {"data", "indices", "indptr", "shape"} <= set(node):
        parts = tuple(node[key][()] for key in ("data", "indices", "indptr"))
        if all(np.ndim(part) == 1 for part in parts):
            try:
                matrix = sparse.csc_array(parts, shape=tuple(int(n) for n in node["shape"][()]))
                matrix.check_format()  # scipy would read beyond the ends of a damaged one
            except (TypeError, ValueError, OverflowError) as error:
                raise ValueError(f"{node.file.filename} is damaged: {node.name}.") from error
            return matrix
    array = _array(node)
    return None if array is None else sparse.csc_array(array[()])


def _accepted(estimates: Any, n_rois: int) -> np.ndarray | None:
    """Return which components CaImAn, or its user, accepted."""
    for name, value in (("idx_components", True), ("idx_components_bad", False)):
        indices = estimates.get(name)
        if hasattr(indices, "shape") and len(indices.shape) == 1:
            numbers = np.asarray(indices[()])
            if numbers.size == 0 and value:
                bad = estimates.get("idx_components_bad")
                if getattr(bad, "size", 0) == 0:
                    continue  # no component was judged
            if numbers.dtype.kind in "fiu" and np.all(numbers < n_rois):
                accepted = np.full(n_rois, not value)
                accepted[numbers.astype(int)] = value
                return accepted
    return None


def _frame_rate(file: Any) -> float | None:
    """Return params/data/fr (Hz), wherever the version put it."""
    params = file.get("params")
    if hasattr(params, "shape"):  # as JSON
        try:
            params = json.loads(as_text(params[()]))
        except ValueError:
            params = None
    for place in (params, file):
        for inner in (None if place is None else place.get("data"), place):
            found = _scalar(inner, "fr")
            if found is not None and 0 < found < np.inf:
                return found
    return None


def _scalar(group: Any, name: str) -> float | None:
    """Return a number that is stored as array, attribute or value."""
    if not hasattr(group, "get"):
        return None
    value = group.get(name, getattr(group, "attrs", {}).get(name))
    try:
        return float(value[()] if hasattr(value, "shape") else value)
    except (TypeError, ValueError):
        return None


def _dims(file: Any, estimates: Any, n_pixels: int) -> tuple[int, ...] | None:
    """Return the size of the field of view (rows, columns)."""
    for node in (estimates.get("dims"), file.get("params/data/dims"), file.get("dims")):
        if hasattr(node, "shape") and len(node.shape) == 1 and node.dtype.kind in "fiu":
            dims = tuple(int(n) for n in node[()])
            if np.prod(dims) == n_pixels:
                return dims
    return None


def _positions(A: sparse.csc_array, dims: tuple[int, ...] | None) -> np.ndarray | None:
    """Return the centres of mass (x, y) of footprints; pixels are counted column by column."""
    weight = np.asarray(A.sum(axis=0), dtype=float)
    if dims is None or not (weight > 0).all():
        return None
    axes = np.unravel_index(np.arange(A.shape[0]), dims, order="F")
    centres = np.column_stack([A.T @ axis.astype(float) / weight for axis in axes])
    return centres[:, [1, 0, *range(2, len(dims))]]


def _background(estimates: Any, A: sparse.csc_array | None, n_frames: int) -> np.ndarray | None:
    """Return the background b f seen through each footprint, (T, N), in units of C."""
    b, f = _matrix(estimates.get("b")), _matrix(estimates.get("f"))
    if A is None or b is None or f is None or b.shape[0] != A.shape[0]:
        return None
    if f.shape != (b.shape[1], n_frames):
        return None
    norm = np.asarray((A * A).sum(axis=0), dtype=float)
    if not (norm > 0).all():
        return None
    return ((A.T @ b).toarray() / norm[:, None] @ f.toarray()).T
