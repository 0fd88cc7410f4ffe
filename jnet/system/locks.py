"""Lock files, each locked by at most one process at a time, and temporary folders with locks."""

import math
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from jnet.errors import RecordError

RETRY_SECONDS = 0.2
LOCK, CONTENT = "lock", "content"  # names in a temporary folder


def creation_lock(folder: Path, activity: str) -> AbstractContextManager[int]:
    """Return a lock for the creation of `folder`. Other processes print a notice and wait for it.

    The lock file is next to the folder, so that the folder contains no other files than its own.
    `activity` describes the creation in the notice, for example 'preparing'.
    """
    notice = f"another process is {activity} {folder}: waiting for it"
    return locked(folder.with_name(f".{folder.name}.lock"), "is locked", math.inf, notice)


@contextmanager
def locked(path: Path, occupied: str, wait: float = 0.0, notice: str = "") -> Iterator[int]:
    """Lock the file `path` within the block and yield its file descriptor.

    A child process that inherits the descriptor keeps the lock. The kernel releases the lock when
    the last process with the descriptor ends in any way. The file is not removed.

    Parameters
    ----------
    path : Path
        The lock file; it is created if it does not exist.
    occupied : str
        The error message if another process has locked the file.
    wait : float
        The time in seconds to wait for the lock; `math.inf` waits without a limit.
    notice : str
        A line that is printed to standard error before waiting.

    Raises
    ------
    RecordError
        If the file cannot be written to, or is still locked after `wait` seconds.
    """
    import fcntl

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise RecordError(f"{path}: cannot be written to ({error.strerror})") from error
    with file:
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise RecordError(f"{path}: {occupied}") from None
                if notice:
                    print(notice, file=sys.stderr, flush=True)
                    notice = ""
                time.sleep(RETRY_SECONDS)
        yield file.fileno()


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Yield a folder in a hidden folder of `parent`, which is removed at the end of the block.

    The hidden folders of killed processes in `parent` are removed first: their lock files are not
    locked. Raises `OSError` or `RecordError` if the folder cannot be made.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for lock in parent.glob(f".*.tmp/{LOCK}"):
        with suppress(RecordError), locked(lock, "is used by its process"):
            shutil.rmtree(lock.parent, ignore_errors=True)
    hidden = Path(tempfile.mkdtemp(prefix=".", suffix=".tmp", dir=parent))
    created = hidden / f"new {LOCK}"
    try:
        with locked(created, "is locked"):
            created.rename(hidden / LOCK)  # no other process sees the lock file without its lock
            (hidden / CONTENT).mkdir()
            yield hidden / CONTENT
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
