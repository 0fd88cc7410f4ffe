"""Songs side by side: results in order or as they come, errors told, nobody left working."""

import os
import signal
import time
import warnings

import pytest

from Input.Workers import in_workers
from Spec.Errors import DataError, RunFailed


def square(number):
    return number * number


def refuse(number):
    if number == 3:
        raise DataError("three is wrong")
    return number


def work_long(folder, number):
    time.sleep(0 if number == 0 else 60)
    (folder / f"{number} ended").touch()
    return os.getpid()


def blocked_signals():
    return signal.pthread_sigmask(signal.SIG_BLOCK, ())


def kill_oneself(number):
    os._exit(9)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_are_all_there(workers):
    jobs = [(number,) for number in range(7)]
    assert list(in_workers(square, jobs, workers, ordered=True)) == [0, 1, 4, 9, 16, 25, 36]
    assert sorted(in_workers(square, jobs, workers, ordered=False)) == [0, 1, 4, 9, 16, 25, 36]
    assert list(in_workers(square, [], workers, ordered=True)) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_is_raised_as_it_is(workers):
    with pytest.raises(DataError, match="three is wrong"):
        list(in_workers(refuse, [(number,) for number in range(9)], workers, ordered=True))


def test_a_worker_that_dies_is_told():
    with pytest.raises(RunFailed, match="was killed, most likely for want of memory: lower"):
        list(in_workers(kill_oneself, [(1,), (2,)], 2, ordered=True))


def test_a_signal_to_all_processes_is_heard_by_their_parent_alone():
    before = blocked_signals()
    for heard in in_workers(blocked_signals, [(), ()], 2, ordered=True):
        assert {signal.SIGINT, signal.SIGTERM, signal.SIGHUP} <= heard
    assert blocked_signals() == before
    assert not before & {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def test_closing_ends_the_workers_without_a_word(tmp_path):
    results = in_workers(work_long, [(tmp_path, number) for number in range(4)], 2, ordered=True)
    worker = next(results)
    assert worker != os.getpid()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results.close()
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
    assert not list(tmp_path.glob("[1-9] ended"))
