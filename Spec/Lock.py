"""One process at a time for what a folder holds."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from Spec.Errors import RecordError

POLL = 0.2  # seconds between two tries


@contextmanager
def locked(
    path: Path, occupied: str, wait: float = 0.0, at_waiting: Callable[[], None] = lambda: None
) -> Iterator[int]:
    """Within the block no other process holds the lock file `path`; the number of the open file
    that the lock hangs on, which a child process can be handed to keep it.

    The kernel lets go of it when its holders end, however they end; the file stays. Waits up to
    `wait` seconds (`math.inf`: for as long as it takes), after calling `at_waiting` once; raises
    `RecordError` with the text `occupied` when it is still taken then.
    """
    import fcntl

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise RecordError(f"{path}: cannot be written to ({error.strerror})") from error
    with file:
        deadline = time.monotonic() + wait if math.isfinite(wait) else math.inf
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise RecordError(f"{path}: {occupied}") from None
                if not told:
                    at_waiting()
                    told = True
                time.sleep(POLL)
        yield file.fileno()
