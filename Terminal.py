"""Progress bars on the real terminal, out of every record; and interruptions that hold."""

import sys
from collections.abc import Callable

from tqdm import tqdm

_noted: list[KeyboardInterrupt] = []


def note_interruption(interruption: KeyboardInterrupt) -> None:
    """Remember a signal's exception: raised inside a library's callback it can get lost."""
    _noted.append(interruption)


def forget_interruptions() -> None:
    """Begin anew, before a run."""
    _noted.clear()


def check_interrupted() -> None:
    """Raise again what was noted, should whoever it was raised in have swallowed it."""
    if _noted:
        raise _noted[0]


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
