"""Songs worked on side by side in processes of their own."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import joblib

from Spec.Errors import RunFailed


def in_workers(
    work: Callable[..., Any], arguments: Iterable[tuple], num_workers: int, ordered: bool
) -> Iterator[Any]:
    """What `work` returns for each of `arguments`, in their order or as they are done.

    An error of `work` is raised here; `RunFailed` when a process was killed.
    """
    jobs = (joblib.delayed(work)(*each) for each in arguments)
    kind = "generator" if ordered else "generator_unordered"
    try:
        yield from joblib.Parallel(num_workers, return_as=kind)(jobs)
    except BrokenProcessPool as error:
        raise RunFailed(
            "a process that read songs was killed, most likely for want of memory: "
            "lower cfg.num_workers"
        ) from error
