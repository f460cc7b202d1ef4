"""Files that are replaced only once the new one is complete."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from calgan.data.validation import shown


@contextmanager
def replaced(path: Path) -> Iterator[str]:
    """Give a temporary file that takes the place of `path` once it is complete."""
    temporary = path.parent / f".{path.name}.{secrets.token_hex(4)}"
    try:
        # Opened, and not made by tempfile: the system applies the user's mask.
        os.close(os.open(str(temporary), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield str(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        if path.exists():
            os.chmod(temporary, stat.S_IMODE(path.stat().st_mode))
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(temporary)):
            raise OSError(error.errno, error.strerror, str(path)) from error  # the user's name
        raise


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Return the path of a folder, made if need be."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"the name of a folder must be a path, got {shown(path)}.")
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file: give the name of a folder.")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
