"""Reading recordings."""

from __future__ import annotations

import importlib
import os
from typing import Any

from calgan.data.fluorescence import find_artefacts
from calgan.data.recording import Recording
from calgan.data.validation import check_boolean, check_choice, check_frame_rate, check_text
from calgan.io._build import few, say
from calgan.io._formats import check_format, check_source, format_of, module_of
from calgan.io._options import ReadOptions


def read_recording(
    source: Any,
    format: str | None = None,
    *,
    frame_rate: float | None = None,
    variable: str | None = None,
    neurons: Any = None,
    cells: str = "accepted",
    dff: bool = True,
    without_artefacts: bool = False,
) -> Recording:
    """Read a recording from a file, a folder or an object of another library.

    Parameters
    ----------
    source : str, path-like or object
        File or folder; or a neo Block, Segment or AnalogSignal, a pynapple TsdFrame or Tsd, an
        xarray DataArray or Dataset, or a pandas DataFrame.
    format : str or None, default=None
        Name of the format: "suite2p", "nwb", "caiman", "minian", "extract", "cnmfe", "inscopix",
        "matlab", "hdf5", "csv", "parquet", "npy", "npz", "pynapple" or "zarr". None recognises it.
    frame_rate : float or None, default=None
        Frames per second (Hz), for files that do not say it. It replaces the rate of the file.
    variable : str or None, default=None
        Name of the array, series or signal, where there are several.
    neurons : array-like of int or bool or None, default=None
        Numbers of the traces to read, as the file counts them from 0, whether they are accepted or
        not; None reads all of `cells`.
    cells : {"accepted", "all"}, default="accepted"
        Whether to leave out ROIs that the file does not accept as cells. Of what
        `write_recording` wrote, none is left out.
    dff : bool, default=True
        Whether raw fluorescence of suite2p (a folder or Fall.mat), CaImAn and NWB becomes dF/F
        (`calgan.io.delta_f_over_f`). What looks like dF/F already stays as it is, with a warning.
        False keeps raw fluorescence, in the units of the file, after the correction for neuropil.
        Traces of other formats stay as they are.
    without_artefacts : bool, default=False
        Whether the frames that `calgan.io.find_artefacts` finds are left out of the segments.

    Returns
    -------
    recording : Recording
        Traces (T, N). Frames in which a neuron has no value lie outside its segments. More than
        2**25 values (128 MB) stay in npy, HDF5 and zarr files, in NWB if they are dF/F, and in
        CaImAn's F_dff: see the Notes of `Recording`. dF/F is computed in memory, and all other
        files are read into memory.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    PermissionError
        If the file cannot be read.
    TypeError
        If an argument is of another type than it must be.
    ImportError
        If a library is missing that the format needs.
    IndexError
        If `neurons` are not in the file.
    ValueError
        If the format is unknown, the file is damaged, or it holds no traces, several of them, or
        no frame rate.

    Warns
    -----
    UserWarning
        If something was assumed, changed or left out; the warning names it.

    See Also
    --------
    write_recording : Write a recording.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from calgan import read_recording, write_recording
    >>> from calgan.datasets import make_recording
    >>> recording, _ = make_recording(60.0, n_neurons=5, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_recording(recording, Path(folder) / "session.npz")
    ...     read_recording(path)
    Recording(600 frames x 5 neurons, 10 Hz, 60.0 s, dF/F)
    """
    if variable is not None:
        check_text(variable, "variable", "F_dff")
    if isinstance(source, (str, os.PathLike)):
        path = check_source(source)
        format = format_of(path) if format is None else format
        module, name = module_of(format), str(path)
        check_format(format, path, variable)
    else:
        if format is not None:
            raise ValueError(f"format is for files, but source is an object: leave {format!r} out.")
        library = type(source).__module__.partition(".")[0]
        name = f"the {library} {type(source).__name__}".replace(" builtins", "")
        module, path, format = importlib.import_module("calgan.io._objects"), source, library
    check_boolean(without_artefacts, "without_artefacts")
    check_choice(cells, "cells", ("accepted", "all"))
    options = ReadOptions(
        name=name,
        format=format,
        frame_rate=None if frame_rate is None else check_frame_rate(frame_rate),
        variable=variable,
        neurons=neurons,
        cells=cells,
        dff=check_boolean(dff, "dff"),
    )
    recording = module.read(path, options)
    if not without_artefacts:
        return recording
    artefacts = find_artefacts(recording)
    if artefacts.any():
        frames = few(artefacts.nonzero()[0])
        say(f"{name}: frames with artefacts were left out of the segments: {frames}.")
    return recording.without_frames(artefacts)
