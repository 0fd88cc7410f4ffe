"""Atomic writing of files: a file is either complete or does not exist."""

import json
import os
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jnet.errors import DataError, JNetError, RecordError
from jnet.names import format_scores_artifact

FILE_SYSTEM_BYTES = 255  # longest name of a file
MAX_PID = 2**22


def make_temporary_name(name: str, pid: int) -> str:
    """Return the name of the file that a process writes before it is renamed to `name`."""
    return f".{name}.{pid}.tmp"


# The longest name of a track. Its longest file name is that of its scores in the record of a run.
MAX_NAME_BYTES = FILE_SYSTEM_BYTES - len(
    make_temporary_name(format_scores_artifact("train", ""), MAX_PID)
)


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yield a temporary path that is renamed to `path` at the end of the block.

    The content is written to the disk before the file is renamed. After an error, the temporary
    file is removed and `path` is unchanged.
    """
    temporary = path.with_name(make_temporary_name(path.name, os.getpid()))
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of killed processes from `folder`, but not from its subfolders.

    No other process may be writing to the folder at the same time.
    """
    for path in folder.glob(".*.tmp"):
        if path.is_file():
            path.unlink()


def sync(path: Path) -> None:
    """Flush the content of a file, or the names in a folder, to the disk.

    After that, the content or a rename survives a power failure.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def writing(
    path: Path,
    error_type: type[JNetError] = RecordError,
    remedy: str = "free disk space or write to another folder",
) -> Iterator[None]:
    """Convert `OSError` within the block to an error with a one-line message.

    Parameters
    ----------
    path : Path
        The file or folder that is written, for the message.
    error_type : type of JNetError
        The class of the error.
    remedy : str
        The end of the message: what the user can do.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise error_type(f"{path}: cannot be written ({reason}): {remedy}") from error


def check_writable(folder: Path, remedy: str) -> None:
    """Raise `RecordError` with `remedy` if `folder` is not writable or cannot be made.

    The folder is not made; of a missing folder, the nearest existing parent is tested.
    """
    with writing(folder, remedy=remedy):
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        tempfile.TemporaryFile(dir=existing).close()


def refuse_unfit_name(what: str, name: str) -> None:
    """Raise `DataError` if `name` cannot be used as the name of a file or folder.

    Names are refused if they are empty, contain '/', begin with a dot, contain characters that
    cannot be printed, or are too long. `what` describes the named object, for the message.
    """
    if not name or name.startswith(".") or "/" in name:
        raise DataError(
            f"{what} {name!r} cannot name a file: rename it, without '/' or leading '.'"
        )
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise DataError(f"{what} {name!r} has a name that cannot be printed: rename it")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise DataError(f"{what} {name!r} has a name of over {MAX_NAME_BYTES} bytes: rename it")


def write_json(path: Path, content: Any) -> None:
    """Write `content` atomically as strict JSON, that is without NaN and infinity."""
    with replaced(path) as temporary:
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")
