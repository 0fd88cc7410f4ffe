"""Songs worked on side by side in processes of their own."""

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from multiprocessing import resource_tracker
from typing import Any

import joblib

from Spec.Errors import RunFailed

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
POLL = 0.1  # seconds after which a worker knows that whoever it works for has been killed


def in_workers(
    work: Callable[..., Any], arguments: Iterable[tuple], num_workers: int, ordered: bool
) -> Generator[Any]:
    """What `work` returns for each of `arguments`, in their order or as they are done. No more of
    `arguments` are there at once than processes.

    An error of `work` is raised here; `RunFailed` when a process was killed. No worker outlives
    this process or, after an error or a `close`, the iterator: what it was writing stays half.
    """
    jobs = (joblib.delayed(work)(*each) for each in arguments)
    parallel = joblib.Parallel(
        num_workers,
        return_as="generator" if ordered else "generator_unordered",
        pre_dispatch=num_workers,
        initializer=end_with,
        initargs=(os.getpid(),),
    )
    with signals_for_parents() if num_workers > 1 else nullcontext():
        results = parallel(jobs)
    try:
        for result in results:  # noqa: UP028 - closing `yield from` would warn, see below
            yield result
    except BrokenProcessPool as error:
        raise RunFailed(
            "a process that worked on songs was killed, most likely for want of memory: "
            "lower cfg.num_workers"
        ) from error
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that jobs are cancelled: as they should
            results.close()


@contextmanager
def signals_for_parents() -> Iterator[None]:
    """Processes started within the block hear no signal that a terminal or scheduler sends to all:
    this process does, and ends them, without a traceback from each."""
    resource_tracker.ensure_running()  # whose start would let some of the signals in again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with(parent: int) -> None:
    """Have this process, a worker, end soon after `parent`, which started it, however that ends:
    one that writes on would meet the next in the same store."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
