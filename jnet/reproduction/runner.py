"""Jobs in separate processes, several at once: starting, waiting and stopping.

A job that crashes or is killed does not affect the other jobs. If this process is stopped, it
stops its jobs, which are recorded as interrupted.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from jnet.system.locks import locked

LOCK, LOCK_WAIT = ".reproduce.lock", 15  # seconds to wait for the runs of a killed process to end
POLL_SECONDS = 0.1
STOP_SECONDS = 30  # time limit for a job to stop before it is killed
LAST_LINES = 8  # number of output lines to print of a failed job
PR_SET_PDEATHSIG = 1  # option of Linux' prctl: the signal to receive when the parent ends

say = partial(print, flush=True)  # flush, so that output to a file is not delayed


def lock_record(runs: Path) -> AbstractContextManager[int]:
    """Lock the record in `runs` within the block, so that no other `Reproduce.py` uses it.

    The context manager returns the file descriptor of the lock; processes that inherit it keep the
    lock. Raises `RecordError` if the record is still locked after `LOCK_WAIT` seconds.
    """
    return locked(
        runs / LOCK,
        "another Reproduce.py, or a run that it started, is using this record: wait for it, or "
        "choose another folder with --runs",
        LOCK_WAIT,
    )


def run_jobs(
    jobs: Mapping[str, Sequence[str]], processes: int, logs: Path, lock: int | None = None
) -> dict[str, list[str]]:
    """Run jobs in parallel processes and return the failed ones.

    All jobs have ended when the function returns or raises an exception.

    Parameters
    ----------
    jobs : mapping of str to sequence of str
        Command lines by the name of the job.
    processes : int
        The maximum number of jobs at once.
    logs : Path
        The folder of the jobs' outputs.
    lock : int or None
        A file descriptor that the jobs inherit, so that its file stays locked while any job runs.

    Returns
    -------
    dict of str to list of str
        The last lines of output of each failed job.
    """
    waiting = list(jobs.items())
    running: dict[str, tuple[subprocess.Popen, float]] = {}  # with start times
    failures = {}
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                name, command = waiting.pop(0)
                running[name] = start_job(command, log_path(logs, name), lock), time.monotonic()
                say(f"{name}: started")
            time.sleep(POLL_SECONDS)
            for name, (process, start) in list(running.items()):
                if process.poll() is None:
                    continue
                del running[name]
                if process.returncode == 0:
                    say(f"{name}: done in {time.monotonic() - start:.0f} s")
                else:
                    failures[name] = lines = read_last_lines(log_path(logs, name))
                    say("\n  ".join([f"{name} ended with status {process.returncode}:", *lines]))
                say(f"  {len(waiting) + len(running)} left")
    finally:
        stop_jobs([process for process, _ in running.values()])
    return failures


def log_path(logs: Path, name: str) -> Path:
    """Return the path of a job's output."""
    return logs / f"{name.replace(' ', '-').replace('/', '_')}.log"


def start_job(command: Sequence[str], log: Path, lock: int | None) -> subprocess.Popen:
    """Start a job in a new process.

    Parameters
    ----------
    command : sequence of str
    log : Path
        The file for standard output and standard error.
    lock : int or None
        A file descriptor that the job inherits.

    Returns
    -------
    subprocess.Popen
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches only this process, which stops its jobs
            pass_fds=() if lock is None else (lock,),
            preexec_fn=end_with_parent(os.getpid()),
        )


def read_last_lines(log: Path) -> list[str]:
    """Return the last lines of a job's output that are not empty."""
    output = log.read_text(encoding="utf-8", errors="replace")
    return [line for line in output.splitlines() if line.strip()][-LAST_LINES:]


def stop_jobs(jobs: Sequence[subprocess.Popen]) -> None:
    """Terminate running jobs, and kill those that do not end within `STOP_SECONDS`."""
    for job in jobs:
        job.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    try:
        for job in jobs:
            job.wait(max(0, deadline - time.monotonic()))
    except (subprocess.TimeoutExpired, KeyboardInterrupt):  # a second Ctrl-C
        pass
    for job in jobs:
        if job.poll() is None:
            os.killpg(job.pid, signal.SIGKILL)
            job.wait()


def end_with_parent(parent: int) -> Callable[[], None] | None:
    """Return a function to call in a new process, which makes Linux terminate it with its parent.

    On other systems it is None: jobs of a killed parent run to their end, and the lock that they
    inherited prevents another start until then.
    """
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def request_signal() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # the parent ended before prctl
            os.kill(os.getpid(), signal.SIGTERM)

    return request_signal
