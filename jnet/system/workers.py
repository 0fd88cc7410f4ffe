"""Parallel work on tracks in worker processes."""

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

from jnet.errors import RunFailed
from jnet.system.signals import ENDING_SIGNALS

PARENT_CHECK_SECONDS = 0.1  # interval at which a worker checks that its parent is running


def run_in_workers(
    work: Callable[..., Any], arguments: Iterable[tuple], num_workers: int, ordered: bool
) -> Generator[Any]:
    """Call `work` with each tuple of `arguments` in worker processes and yield the results.

    At most `num_workers` tuples are in memory at the same time. The workers are stopped when this
    process ends, after an error, and when the generator is closed. A file that a stopped worker was
    writing is incomplete.

    Parameters
    ----------
    work : callable
        The function to call.
    arguments : iterable of tuple
        The positional arguments of each call.
    num_workers : int
        The number of processes; 1 works in this process.
    ordered : bool
        Whether results have the order of `arguments`; otherwise they come as soon as available.

    Yields
    ------
    object
        The result of one call.

    Raises
    ------
    RunFailed
        If a worker was killed. Exceptions of `work` are raised unchanged.
    """
    jobs = (joblib.delayed(work)(*job) for job in arguments)
    parallel = joblib.Parallel(
        num_workers,
        return_as="generator" if ordered else "generator_unordered",
        pre_dispatch=num_workers,
        initializer=exit_with_parent,
        initargs=(os.getpid(),),
    )
    with block_signals() if num_workers > 1 else nullcontext():
        results = parallel(jobs)
    try:
        for result in results:  # noqa: UP028 - closing `yield from` would warn, see below
            yield result
    except BrokenProcessPool as error:
        raise RunFailed(
            "a worker process was killed, probably because of too little memory: "
            "lower cfg.num_workers"
        ) from error
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about cancelled jobs, which are intended
            results.close()


@contextmanager
def block_signals() -> Iterator[None]:
    """Block ending signals in all processes that are started within the block.

    A terminal or scheduler sends these signals to all processes. Only this process handles them and
    ends the others, so that the others print no tracebacks.
    """
    resource_tracker.ensure_running()  # starting it later would unblock some of the signals
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def exit_with_parent(parent: int) -> None:
    """End this worker process soon after the process `parent` has ended in any way.

    Otherwise it could write to a store that another process is completing.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
