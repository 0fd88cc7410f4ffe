"""Claims of output folders: one process at a time writes to a folder, always with one fingerprint.

A fingerprint is a dictionary in JSON's types with every entry that affects the results in the
folder. A claim with another fingerprint is an error that names the different entries. A claim
removes the temporary files of killed processes.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jnet.errors import ConfigError, RecordError
from jnet.system.files import remove_leftovers
from jnet.system.locks import locked

MAX_VALUE_CHARACTERS = 70  # longer values are cut in error messages
MAX_NAMES = 5  # number of names in an error message

Fingerprint = Mapping[str, Any]


@dataclass(frozen=True)
class Work:
    """A kind of work for which folders are claimed: its lock file and its error messages.

    Attributes
    ----------
    lock : str
        The name of the lock file in a claimed folder.
    occupied : str
        The error message if another process has claimed the folder.
    other : str
        The error message if the folder has another fingerprint; the different entries follow it.
    remedy : str
        The end of that message: what the user can do.
    name_entry : callable
        Returns the name by which the user knows an entry of the fingerprint.
    """

    lock: str
    occupied: str
    other: str
    remedy: str
    name_entry: Callable[[str], str] = str


def make_fingerprint(entries: Mapping[str, Any]) -> Fingerprint:
    """Convert `entries` to JSON's types, so that a tuple and a list with equal values are equal."""
    return json.loads(json.dumps(entries))


@contextmanager
def claim_folder(
    folders: Sequence[Path],
    work: Work,
    fingerprint: Fingerprint,
    read_fingerprint: Callable[[Path], Fingerprint | None],
    subfolders: Iterable[str | Path] = (),
) -> Iterator[Path]:
    """Yield the first of `folders` that no other process has locked, locked within the block.

    Parameters
    ----------
    folders : sequence of Path
        The folders, in order of preference.
    work : Work
        The kind of work.
    fingerprint : Fingerprint
        The fingerprint of the work.
    read_fingerprint : callable
        Returns the fingerprint stored in a folder, or None if it has none.
    subfolders : iterable of str or Path
        Subfolders from which temporary files are removed, in addition to the folder itself.

    Raises
    ------
    RecordError
        If all folders are locked.
    ConfigError
        If the folder has another fingerprint.
    """
    with ExitStack() as stack:
        folder = lock_free_folder(folders, work, stack)
        stored = read_fingerprint(folder)
        if stored is not None:
            refuse_other_fingerprint(folder, work, stored, fingerprint)
        for subfolder in {folder, *(folder / name for name in subfolders)}:
            remove_leftovers(subfolder)
        yield folder


def lock_free_folder(folders: Sequence[Path], work: Work, stack: ExitStack) -> Path:
    """Lock the first free folder until `stack` is closed and return it.

    Raises `RecordError` if all folders are locked.
    """
    for folder in folders[:-1]:
        with suppress(RecordError):
            stack.enter_context(locked(folder / work.lock, work.occupied))
            return folder
    stack.enter_context(locked(folders[-1] / work.lock, work.occupied))
    return folders[-1]


def refuse_other_fingerprint(
    folder: Path, work: Work, stored: Fingerprint, wanted: Fingerprint
) -> None:
    """Raise `ConfigError` with the different entries if the fingerprints are not equal."""
    differences = [
        describe_difference(work.name_entry(key), stored.get(key), wanted[key])
        for key in find_differing_keys(stored, wanted)
    ]
    if differences:
        raise ConfigError(f"{folder}: {work.other}: {'; '.join(differences)}: {work.remedy}")


def find_differing_keys(stored: Fingerprint, wanted: Fingerprint) -> list[str]:
    """Return the keys of `wanted` whose values differ in `stored`, those of dicts last.

    Other keys of `stored`, written by version 0.1.0, are ignored because they affect no result.
    """
    keys = [key for key in wanted if stored.get(key) != wanted[key]]
    return sorted(keys, key=lambda key: (isinstance(wanted[key], dict), key))


def describe_difference(name: str, stored: Any, wanted: Any) -> str:
    """Describe how an entry differs: by its two values, or by the differing keys of two dicts."""
    if isinstance(stored, dict) and isinstance(wanted, dict):
        names = sorted({key for key, _ in stored.items() ^ wanted.items()})
        more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
        return f"{name} differ in {', '.join(names[:MAX_NAMES])}{more}"
    return f"{name} is {format_value(wanted)} and was {format_value(stored)}"


def format_value(value: Any) -> str:
    """Return the text of a value, cut after `MAX_VALUE_CHARACTERS`."""
    text = repr(value)
    return text if len(text) <= MAX_VALUE_CHARACTERS else f"{text[:MAX_VALUE_CHARACTERS]}…"
