"""Progress bars over tracks, written to the terminal but not to the records of runs."""

import sys
from collections.abc import Callable

from tqdm import tqdm

from jnet.names import count_things
from jnet.system.signals import check_interrupted

Progress = Callable[[str, int, int], None]  # name of the last track, number done, total number


def make_progress_bar(title: str) -> Progress:
    """Return a progress bar, a function to call after every track.

    The bar appears only on a terminal. After the last track, one line with the number of tracks is
    printed in any case. A call also raises an interruption that a library has suppressed.
    """
    bar: tqdm | None = None

    def advance(name: str, done: int, total: int) -> None:
        nonlocal bar
        check_interrupted()
        if bar is None:
            bar = tqdm(
                total=total,
                desc=title,
                unit="track",
                file=sys.__stderr__,
                disable=None,
                leave=False,
            )
        bar.set_postfix_str(name)
        bar.update(done - bar.n)
        if done == total:
            bar.close()
            bar = None  # the next series of tracks gets a new bar
            print(f"{title}: {count_things(total, 'track')}", flush=True)

    return advance
