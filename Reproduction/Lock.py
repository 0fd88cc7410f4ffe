"""One start of `Reproduce.py` at a time for a record."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from Spec.Errors import RecordError

LOCK, LOCK_WAIT = ".reproduce.lock", 15  # seconds that runs of a killed start may take to end


@contextmanager
def alone(folder: Path) -> Iterator[int]:
    """Within the block no other start of `Reproduce.py` works with the record in `folder`; the
    number of the open file that the lock hangs on."""
    import fcntl

    path = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise RecordError(f"{path}: cannot be written to ({error.strerror})") from error
    with file:
        deadline = time.monotonic() + LOCK_WAIT
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise RecordError(
                        f"{path}: another Reproduce.py, or a run it left behind, is at work with "
                        f"this record: wait for it, or keep this record elsewhere with --runs"
                    ) from None
                time.sleep(0.2)
        yield file.fileno()
