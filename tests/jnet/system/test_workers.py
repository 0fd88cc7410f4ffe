"""Work in parallel processes: order of results, errors, and the end of all workers."""

import os
import signal
import time
import warnings

import pytest

from jnet.errors import DataError, RunFailed
from jnet.system.workers import run_in_workers


def square(number):
    return number * number


def refuse_three(number):
    if number == 3:
        raise DataError("three is wrong")
    return number


def work_for_long(folder, number):
    time.sleep(0 if number == 0 else 60)
    (folder / f"{number} ended").touch()
    return os.getpid()


def get_blocked_signals():
    return signal.pthread_sigmask(signal.SIG_BLOCK, ())


def end_own_process(number):
    os._exit(9)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_has_its_result(workers):
    jobs = [(number,) for number in range(7)]
    assert list(run_in_workers(square, jobs, workers, ordered=True)) == [0, 1, 4, 9, 16, 25, 36]
    assert sorted(run_in_workers(square, jobs, workers, ordered=False)) == [0, 1, 4, 9, 16, 25, 36]
    assert list(run_in_workers(square, [], workers, ordered=True)) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_worker_is_raised_unchanged(workers):
    with pytest.raises(DataError, match="three is wrong"):
        list(
            run_in_workers(refuse_three, [(number,) for number in range(9)], workers, ordered=True)
        )


def test_a_killed_worker_is_an_error():
    with pytest.raises(RunFailed, match="was killed, probably because of too little memory: lower"):
        list(run_in_workers(end_own_process, [(1,), (2,)], 2, ordered=True))


def test_workers_block_ending_signals_and_their_parent_does_not():
    before = get_blocked_signals()
    for blocked in run_in_workers(get_blocked_signals, [(), ()], 2, ordered=True):
        assert {signal.SIGINT, signal.SIGTERM, signal.SIGHUP} <= blocked
    assert get_blocked_signals() == before
    assert not before & {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def test_closing_the_results_ends_the_workers_without_a_warning(tmp_path):
    results = run_in_workers(
        work_for_long, [(tmp_path, number) for number in range(4)], 2, ordered=True
    )
    worker = next(results)
    assert worker != os.getpid()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results.close()
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
    assert not list(tmp_path.glob("[1-9] ended"))
