"""Progress bars on the real terminal, out of every record; and interruptions that hold."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

# `timeout` and a closing terminal send their signal twice: only a later one is a second wish.
SAME_WISH = 1.0  # seconds

_noted: list[tuple[float, KeyboardInterrupt]] = []
_holding: list[bool] = []  # as many as there are blocks that hold


def interrupt(interruption: KeyboardInterrupt) -> None:
    """What a signal's handler does: raise, unless a block holds interruptions back. In any case
    it is noted: raised inside a library's callback an exception can get lost."""
    now = time.monotonic()
    _noted.append((now, interruption))
    if not _holding or now - _noted[0][0] > SAME_WISH:
        raise interruption


def forget_interruptions() -> None:
    """Begin anew, before a run."""
    _noted.clear()


@contextmanager
def interruptions_held() -> Iterator[Callable[[], None]]:
    """Within the block a signal is only noted: the block calls what it gets, `check_interrupted`,
    wherever it can stop, and the end of the block is such a place.

    A second signal, more than `SAME_WISH` after the first, raises at once.
    """
    _holding.append(True)
    try:
        yield check_interrupted
    finally:
        _holding.pop()
    check_interrupted()


def check_interrupted() -> None:
    """Raise again what was noted, should whoever it was raised in have swallowed it."""
    if _noted:
        raise _noted[0][1]


def bar(title: str) -> Callable[[str, int, int], None]:
    """A bar that is told what was done, how many are done, and of how many.

    Where there is no terminal, a line at the end says how many were done.
    """
    shown: tqdm | None = None

    def advance(name: str, done: int, total: int) -> None:
        nonlocal shown
        check_interrupted()
        if shown is None:
            shown = tqdm(
                total=total, desc=title, unit="song", file=sys.__stderr__, disable=None, leave=False
            )
        shown.set_postfix_str(name)
        shown.update(done - shown.n)
        if done == total:
            shown.close()
            shown = None  # a next round of songs gets a bar of its own
            print(f"{title}: {total} songs", flush=True)

    return advance
