"""Files that are there whole or not at all."""

import json
import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from Spec.Errors import DataError, RecordError

LONGEST_NAME = 230  # bytes; 255 is what file systems take, and suffixes are put to it


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary path to write to, which becomes `path` when the block ends well.

    The content is on the disk before the name is; after an error nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        sync_file(temporary)
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove from `folder`, not from those below it, what killed processes left of files they
    were writing. Only for whoever has the folder to himself."""
    for path in folder.glob(".*.tmp"):
        if path.is_file():
            path.unlink()


def sync_file(path: Path) -> None:
    """Put a file's content on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Put a folder's names on the disk, so that a rename in it survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Errors of the disk within the block as a `RecordError` that names `place`."""
    try:
        yield
    except OSError as error:
        raise RecordError(
            f"{place}: cannot be written ({error.strerror}): make room, or write elsewhere"
        ) from error


def refuse_unfit_name(what: str, name: str) -> None:
    """`DataError` for a name that cannot be a file's or a folder's within another: it would lead
    elsewhere or be hidden, or could not be printed or written. `what` says whose it is."""
    if not name or name.startswith(".") or "/" in name:
        raise DataError(
            f"{what} {name!r} cannot name a file: rename it, without '/' or leading '.'"
        )
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise DataError(f"{what} {name!r} has a name that cannot be printed: rename it")
    if len(name.encode()) > LONGEST_NAME:
        raise DataError(f"{what} {name!r} has a name of over {LONGEST_NAME} bytes: rename it")


def write_json(path: Path, content: Any) -> None:
    """Write `content` as strict JSON, whole or not at all."""
    with replaced(path) as temporary:
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")
