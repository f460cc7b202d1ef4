"""Writing recordings."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from calgan.data.files import replaced
from calgan.data.recording import Recording
from calgan.data.validation import check_boolean, check_choice, check_target, shown
from calgan.io._formats import FORMATS, module_of

# Format of a name's suffix; a folder has none.
_SUFFIXES = {".npz": "npz", ".nwb": "nwb", "": "suite2p"}
_FOLDERS = {"suite2p"}
_NAMED = ("pynapple",)  # formats that no suffix names


def write_recording(
    recording: Recording,
    path: str | os.PathLike[str],
    format: str | None = None,
    *,
    overwrite: bool = False,
) -> Path:
    """Write a recording to a file or folder that other programs read.

    A recording that a generator drew is marked synthetic in every format.

    Parameters
    ----------
    recording : Recording
        Recording to write.
    path : str or path-like
        File to write: ``.npz`` or ``.nwb``; a name without suffix is a folder like suite2p's.
    format : {"npz", "nwb", "suite2p", "pynapple"} or None, default=None
        Name of the format; None takes that of the suffix. ``"pynapple"`` is an npz of a TsdFrame.
    overwrite : bool, default=False
        Whether to replace an existing file, or a folder with nothing but what calgan wrote.

    Returns
    -------
    path : pathlib.Path
        File or folder that was written. It appears when it is complete.

    Raises
    ------
    TypeError
        If `recording` is no Recording, or `path` no path.
    FileExistsError
        If the file exists and `overwrite` is False, or a folder holds files of others.
    FileNotFoundError
        If the folder above does not exist.
    IsADirectoryError, NotADirectoryError
        If a folder has the name of the file, or a file that of the folder.
    PermissionError
        If the folder above cannot be written to.
    ValueError
        If no format has such a suffix, or the format cannot be written.

    See Also
    --------
    read_recording : Read it back.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from calgan import read_recording, write_recording
    >>> from calgan.datasets import make_recording
    >>> recording, _ = make_recording(60.0, n_neurons=5, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_recording(recording, Path(folder) / "session.npz")
    ...     read_recording(path) == recording
    True
    """
    if not isinstance(recording, Recording):
        raise TypeError(
            f"write_recording takes a Recording, got {type(recording).__name__}: make one with "
            "Recording(traces, frame_rate)."
        )
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path must be the name of a file or folder, got {shown(path)}.")
    path = Path(path).expanduser()
    if format is None:
        suffix = path.suffix.lower()
        if suffix not in _SUFFIXES:
            known = ", ".join(name for name in _SUFFIXES if name)
            raise ValueError(
                f"{path}: no format that calgan writes has the suffix {suffix!r}; take {known}, or "
                "a name without suffix for a suite2p folder."
            )
        format = _SUFFIXES[suffix]
    writers = [name for name in FORMATS if name in {*_SUFFIXES.values(), *_NAMED}]
    check_choice(format, "format", writers)
    module, is_folder = module_of(format), format in _FOLDERS
    if not check_boolean(overwrite, "overwrite") and path.exists():
        raise FileExistsError(f"{path} exists: choose another name, or pass overwrite=True.")
    if not is_folder:
        target = check_target(path)
        with replaced(target) as temporary:
            module.write(recording, Path(temporary))
        return target
    return _write_folder(recording, path, module)


def _write_folder(recording: Recording, path: Path, module: object) -> Path:
    """Write a folder under a temporary name, and rename it."""
    check_target(path / "file") if path.is_dir() else check_target(path)
    if path.is_file():
        raise NotADirectoryError(f"{path} is a file: give the name of a folder.")
    if path.is_dir() and any(path.iterdir()) and not module.is_ours(path):  # type: ignore[attr-defined]
        raise FileExistsError(
            f"{path} is a folder with files that calgan did not write, so it is not replaced: "
            "choose another."
        )
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        module.write(recording, temporary)  # type: ignore[attr-defined]
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)
        former = temporary.with_name(f"{temporary.name}.former")
        if path.exists():
            path.rename(former)
        try:
            temporary.rename(path)
        except OSError:
            if former.exists():
                former.rename(path)
            raise
        shutil.rmtree(former, ignore_errors=True)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return path
