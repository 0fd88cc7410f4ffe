"""One start of `Reproduce.py` at a time for a record."""

from contextlib import AbstractContextManager
from pathlib import Path

from Spec.Lock import locked

LOCK, LOCK_WAIT = ".reproduce.lock", 15  # seconds that runs of a killed start may take to end


def alone(folder: Path) -> AbstractContextManager[int]:
    """Within the block no other start of `Reproduce.py` works with the record in `folder`; the
    number of the open file that the lock hangs on."""
    return locked(
        folder / LOCK,
        "another Reproduce.py, or a run it left behind, is at work with this record: wait for it, "
        "or keep this record elsewhere with --runs",
        LOCK_WAIT,
    )
