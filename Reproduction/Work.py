"""Jobs in processes of their own, some at once: started, waited for, stopped.

A job that crashes or is killed harms no other. When this process is stopped, the jobs are stopped
with it and end as runs that were interrupted.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

WAIT = 0.1  # seconds between two looks at the jobs
PATIENCE = 30  # seconds a job may take to stop before it is killed
LAST_LINES = 8  # of its output, shown of a job that failed
DIE_WITH_PARENT = 1  # prctl's PR_SET_PDEATHSIG


@dataclass(frozen=True)
class Job:
    """Something to run: `command` is asked for when it starts, when what it needs is there.

    It waits for the jobs named in `after`, and is not started when one of them failed.
    """

    name: str
    command: Callable[[], Sequence[str]]
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failure:
    """A job that failed, and why, in some lines."""

    job: str
    status: int | None
    lines: tuple[str, ...]

    def __str__(self) -> str:
        ended = "did not start" if self.status is None else f"ended with status {self.status}"
        return "\n".join([f"{self.job} {ended}:", *(f"  {line}" for line in self.lines)])


@dataclass
class Crew:
    """The running jobs of this process. `lock` is the number of an open file that they keep open
    too, so that it stays locked while one of them lives."""

    logs: Path
    say: Callable[[str], None]
    lock: int | None = None
    running: dict[str, tuple[subprocess.Popen, float]] = field(default_factory=dict)

    def run(self, jobs: Sequence[Job], processes: int) -> list[Failure]:
        """Run `jobs`, no more than `processes` at once; those that failed.

        However this ends, no job is left running.
        """
        waiting = list(jobs)
        failures: list[Failure] = []
        done: set[str] = set()
        try:
            while waiting or self.running:
                for job in [job for job in waiting if failed_before(job, failures)]:
                    waiting.remove(job)
                    failures.append(Failure(job.name, None, ("what it needs has failed",)))
                for job in ready(waiting, done)[: processes - len(self.running)]:
                    waiting.remove(job)
                    self.start(job, failures)
                time.sleep(WAIT)
                for name, failure in self.finished():
                    done.add(name)
                    if failure is not None:
                        failures.append(failure)
                        self.say(str(failure))
                    left = len(waiting) + len(self.running)
                    self.say(f"  {left} left" if left else "  all done")
        finally:
            self.stop()
        return failures

    def start(self, job: Job, failures: list[Failure]) -> None:
        """Start a job, its output into a file of its name."""
        try:
            command = list(job.command())
        except LookupError as error:
            failures.append(Failure(job.name, None, (str(error),)))
            self.say(str(failures[-1]))
            return
        self.logs.mkdir(parents=True, exist_ok=True)
        with self.log(job.name).open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for this process, which then stops its jobs
                pass_fds=() if self.lock is None else (self.lock,),
                preexec_fn=end_with_parent(os.getpid()),
            )
        self.running[job.name] = (process, time.monotonic())
        self.say(f"{job.name}: started")

    def log(self, name: str) -> Path:
        """Where a job's output is."""
        return self.logs / f"{name.replace(' ', '-').replace('/', '_')}.log"

    def finished(self) -> list[tuple[str, Failure | None]]:
        """The jobs that have ended since the last look, with how they failed if they did."""
        found: list[tuple[str, Failure | None]] = []
        for name, (process, start) in list(self.running.items()):
            status = process.poll()
            if status is None:
                continue
            del self.running[name]
            if status:
                found.append((name, Failure(name, status, last_lines(self.log(name)))))
            else:
                self.say(f"{name}: done in {time.monotonic() - start:.0f} s")
                found.append((name, None))
        return found

    def stop(self) -> None:
        """End what is running: asked to first, made to after a while."""
        for process, _ in self.running.values():
            send(process, signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE
        try:
            for process, _ in self.running.values():
                process.wait(max(0, deadline - time.monotonic()))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):  # a second Ctrl-C
            pass
        for process, _ in self.running.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.running.clear()


def ready(waiting: Sequence[Job], done: set[str]) -> list[Job]:
    """The jobs that wait for nothing any more."""
    return [job for job in waiting if done.issuperset(job.after)]


def failed_before(job: Job, failures: Sequence[Failure]) -> bool:
    """Whether something that a job needs has failed."""
    return bool({failure.job for failure in failures}.intersection(job.after))


def send(process: subprocess.Popen, number: int) -> None:
    """A signal to a process that may have ended."""
    if process.poll() is None:
        process.send_signal(number)


def end_with_parent(parent: int) -> Callable[[], None] | None:
    """What a new process does first on Linux: ask to be terminated when this one is killed.

    Elsewhere such jobs go on to their end; the lock that they hold tells the next start.
    """
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(DIE_WITH_PARENT, signal.SIGTERM)
        if os.getppid() != parent:  # killed in between
            os.kill(os.getpid(), signal.SIGTERM)

    return ask


def last_lines(path: Path) -> tuple[str, ...]:
    """The end of a job's output, without empty lines."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return tuple([line for line in text.splitlines() if line.strip()][-LAST_LINES:])


def ask(command: Sequence[str], text: str, environment: Mapping[str, str]) -> str:
    """What a command writes when it is given `text`; `ValueError` with its last line on failure."""
    asked = subprocess.run(command, input=text, capture_output=True, text=True, env=environment)
    if asked.returncode:
        said = asked.stderr.strip().splitlines() or [f"ended with status {asked.returncode}"]
        raise ValueError(said[-1])
    return asked.stdout
