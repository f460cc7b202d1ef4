"""Files that are replaced only once the new one is complete."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from calgan.data.validation import shown

_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:6]
_ABANDONED_AFTER = 3600.0  # s without a change, of a file whose process cannot be asked
_written: set[str] = set()  # temporary files of this process


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[str]:
    """Give a temporary file that takes the place of `path` once it is complete and on the disk.

    Temporary files of the same target that a process left when it was killed are removed.
    """
    _remove_abandoned(path)
    temporary = path.parent / f".{path.name}.{_HOST}-{os.getpid()}-{secrets.token_hex(4)}"
    _written.add(temporary.name)
    try:
        # Opened, and not made by tempfile: the system applies the user's mask.
        os.close(os.open(str(temporary), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield str(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        if path.exists():
            os.chmod(temporary, stat.S_IMODE(path.stat().st_mode))
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(temporary)):
            raise OSError(error.errno, error.strerror, str(path)) from error  # the user's name
        raise
    finally:
        _written.discard(temporary.name)


def _remove_abandoned(path: Path) -> None:
    """Remove the temporary files of a target that no living process writes."""
    name = re.compile(rf"\.{re.escape(path.name)}\.([0-9a-f]{{6}})-(\d+)-[0-9a-f]{{8}}")
    with contextlib.suppress(OSError):  # they are in nobody's way
        for file in path.parent.iterdir():
            found = name.fullmatch(file.name)
            if found and not _is_written(file, found[1], int(found[2])):
                file.unlink(missing_ok=True)


def _is_written(file: Path, host: str, process: int) -> bool:
    if host != _HOST or os.name != "posix":  # elsewhere, signal 0 would end the process
        return time.time() - file.stat().st_mtime < _ABANDONED_AFTER
    if process == os.getpid():  # as it may be again in a container that was started again
        return file.name in _written
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's
        return True
    return True


def _sync_folder(folder: Path) -> None:
    """Bring the new name itself to the disk, where the system can."""
    with contextlib.suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Return the path of a folder, made if need be."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"the name of a folder must be a path, got {shown(path)}.")
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file: give the name of a folder.")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
