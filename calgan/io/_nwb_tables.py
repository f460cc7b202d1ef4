"""Tables of NWB files: ROIs, trials, stimuli."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from calgan.io._hdf5 import as_text
from calgan.io._masks import centre_of_image

TEXT_IDS = "roi_id"  # column of ids that are no numbers
CENTRES = ("centroid", "ROICentroids", "roi_centroids", "centroids")
# Of the columns that say which ROIs are cells, the first that is there and accepts one.
_ACCEPTED = ("keep", "iscell", "is_cell", "is_accepted", "accepted", "valid_roi", "valid")
_MOST_VALUES = 1 << 28  # of image masks that are read for positions


def about_rois(table: Any, rows: np.ndarray | None) -> Bunch:
    """Return what the table of ROIs says of some of its rows: ids, accepted, positions."""
    if table is None or rows is None or len(rows) == 0:
        return Bunch(ids=None, accepted=None, positions=lambda keep: None, imaging_rate=None)
    columns = {name.lower(): name for name in table}

    def column(name: str) -> np.ndarray | None:
        name = columns.get(name.lower(), name)
        data = table.get(name)
        if not hasattr(data, "shape") or data.ndim == 0 or f"{name}_index" in table:
            return None
        return np.asarray(data[()])[rows] if len(data) > rows.max() else None

    ids = column(TEXT_IDS)
    ids = _plain(ids) if ids is not None else column("id")
    if ids is not None and (ids.ndim != 1 or len(np.unique(ids)) != len(ids)):
        ids = None
    accepted = None
    for name in _ACCEPTED:
        value = column(name)
        if value is None or value.dtype.kind not in "biuf":
            continue
        value = value.reshape(len(rows), -1)[:, 0] > 0.5
        if value.any():
            accepted = value
            break
    plane = table.get("imaging_plane")
    rate = None if plane is None else plane.get("imaging_rate")
    rate = None if rate is None else float(rate[()])
    return Bunch(
        ids=ids,
        accepted=accepted,
        positions=lambda keep: _known(_positions(table, rows[keep], column, keep)),
        imaging_rate=rate if rate is not None and 0 < rate < np.inf else None,
    )


def indicator_of(table: Any) -> str | None:
    """Return the indicator of the imaging plane."""
    plane = None if table is None else table.get("imaging_plane")
    indicator = None if plane is None else plane.get("indicator")
    text = "unknown" if indicator is None else as_text(indicator[()])
    return None if text.lower() in ("", "unknown", "none", "n/a") else text


def times_of_events(file: Any, since_first: Callable[[Any], np.ndarray]) -> dict[str, Any]:
    """Return trials and stimuli, times in s from the first frame, which the function tells."""
    found: dict[str, Any] = {}
    trials = file.get("intervals/trials")
    if trials is not None:
        found["trials"] = {
            name: since_first(data[()])
            if data.dtype.kind in "fiu" and name.endswith("_time")
            else _plain(data[()])
            for name, data in trials.items()
            if _is_column(trials, name)
        }
    stimuli = {}
    for place in ("intervals", "stimulus/presentation"):
        for name, group in (file.get(place) or {}).items():
            if name in ("trials", "epochs", "invalid_times", "segments"):
                continue
            for key in ("start_time", "timestamps"):
                if hasattr(group, "get") and _is_column(group, key):
                    stimuli[name] = since_first(group[key][()])
                    break
    if stimuli:
        found["stimulus_times"] = stimuli
    return found


def _is_column(group: Any, name: str) -> bool:
    data = group.get(name)
    return (
        hasattr(data, "shape")
        and data.ndim == 1
        and not name.endswith("_index")
        and f"{name}_index" not in group
        and (data.dtype.kind in "biufSU" or _holds_text(data))
    )


def _holds_text(data: Any) -> bool:
    return data.dtype.kind == "O" and all(isinstance(value, (bytes, str)) for value in data[:1])


def _plain(values: np.ndarray) -> np.ndarray:
    """Return bytes as text, and all else as it is."""
    if values.dtype.kind in "SO":
        return np.array([as_text(value) for value in values.ravel()])
    return values


def _positions(table: Any, rows: np.ndarray, column: Any, keep: np.ndarray) -> np.ndarray | None:
    """Return the centres of ROIs: as the table has them, or of their masks."""
    for name in CENTRES:
        centres = column(name)
        if centres is not None and centres.ndim == 2 and centres.shape[1] in (2, 3):
            return centres[keep].astype(float)
    for name, axes in (("pixel_mask", ("x", "y")), ("voxel_mask", ("x", "y", "z"))):
        mask, index = table.get(name), table.get(f"{name}_index")
        if mask is not None and index is not None and set(axes) <= set(mask.dtype.names or ()):
            stops = np.concatenate([[0], index[()]]).astype(int)
            return np.array([_centre(mask[stops[r] : stops[r + 1]], axes) for r in rows])
    masks = table.get("image_mask")
    if masks is None or masks.ndim not in (3, 4) or masks.size > _MOST_VALUES:
        return None
    return np.array([centre_of_image(masks[row]) for row in rows])


def _known(positions: np.ndarray | None) -> np.ndarray | None:
    """Return positions if every neuron has one."""
    return None if positions is None or np.isnan(positions).any() else positions


def _centre(mask: np.ndarray, axes: tuple[str, ...]) -> np.ndarray:
    """Return the centre of mass of pixels with weights."""
    points = np.column_stack([mask[axis] for axis in axes]).astype(float)
    weights = np.asarray(mask["weight"], dtype=float)
    if not weights.sum() > 0:
        return np.full(len(axes), np.nan)
    return np.average(points, axis=0, weights=weights)
