"""Signals and errors that end a program: how they are raised, deferred and reported."""

import os
import re
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jnet.errors import JNetError

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# User and password of a URL: `Path` turns // into /, and a password may contain / and @.
CREDENTIALS = re.compile(r"(\w:/{1,2})\S*@")
# `timeout` and a closing terminal send a signal twice: within this time it counts as one signal.
SAME_SIGNAL_SECONDS = 1.0


class Terminated(KeyboardInterrupt):
    """An interruption by SIGTERM, from a scheduler, or by SIGHUP, from a closed terminal.

    With SIGPIPE: the program that reads the standard output, such as head, has ended.
    """

    def __init__(self, number: int):
        super().__init__()
        self.number = number


class Interruptions:
    """The interruptions of the current run and the number of active blocks that defer them."""

    def __init__(self) -> None:
        self.recorded: list[tuple[float, KeyboardInterrupt]] = []
        self.raised: KeyboardInterrupt | None = None
        self.deferring = 0

    def interrupt(self, interruption: KeyboardInterrupt) -> None:
        """Record an interruption and raise it unless a block defers it.

        It is recorded in any case, because a library may suppress an exception that is raised in
        one of its callbacks.
        """
        now = time.monotonic()
        self.recorded.append((now, interruption))
        if not self.deferring or now - self.recorded[0][0] > SAME_SIGNAL_SECONDS:
            self.raised = interruption
            raise interruption

    def check(self) -> None:
        """Raise the first recorded interruption, which may have been deferred or suppressed."""
        if self.recorded:
            raise self.recorded[0][1]

    @contextmanager
    def defer(self) -> Iterator[Callable[[], None]]:
        """Only record interruptions within the block and raise them at its end.

        The block can call the yielded `check` at points where it can stop earlier. A second signal
        that arrives more than `SAME_SIGNAL_SECONDS` after the first is raised immediately.
        """
        self.deferring += 1
        try:
            yield self.check
        finally:
            self.deferring -= 1
        self.check()

    @contextmanager
    def allow(self) -> Iterator[None]:
        """Raise interruptions immediately within the block, even if a block around it defers them.

        If the block raises another exception because of an interruption, as C extensions do when
        they are imported, the interruption is raised instead.
        """
        self.check()
        before, self.deferring, self.raised = self.deferring, 0, None
        try:
            yield
        except Exception as error:
            if isinstance(error, BrokenPipeError) and discard_unread_output():
                raise Terminated(signal.SIGPIPE) from error
            if self.raised is None:
                raise
            raise self.raised from error
        finally:
            self.deferring = before


INTERRUPTIONS = Interruptions()  # a single object, because signals are sent to the process
check_interrupted, defer_interruptions = INTERRUPTIONS.check, INTERRUPTIONS.defer
allow_interruptions = INTERRUPTIONS.allow


@contextmanager
def end_on_signals() -> Iterator[None]:
    """Raise `KeyboardInterrupt` for Ctrl-C and `Terminated` for SIGTERM and SIGHUP in the block.

    An ignored signal remains ignored, so that a run started with `nohup` survives the end of its
    terminal.
    """

    def stop(number, frame):
        INTERRUPTIONS.interrupt(
            KeyboardInterrupt() if number == signal.SIGINT else Terminated(number)
        )

    INTERRUPTIONS.recorded.clear()
    try:
        before = {
            number: signal.signal(number, stop)
            for number in ENDING_SIGNALS
            if signal.getsignal(number) is not signal.SIG_IGN
        }
    except ValueError:  # only the main thread can handle signals
        yield
        return
    try:
        with allow_interruptions():
            try:
                yield
            finally:
                sys.stdout.flush()  # an error of the output is raised here, not at exit
    finally:
        INTERRUPTIONS.recorded.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


def discard_unread_output() -> bool:
    """Return whether the reader of the standard output has ended; if so, discard more output."""
    output = select.poll()
    output.register(1, 0)
    ended = any(event & (select.POLLERR | select.POLLHUP) for _, event in output.poll(0))
    if ended:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return ended


def format_error(error: BaseException) -> str:
    """Return the one-line message of an error, without user and password of URLs."""
    if isinstance(error, KeyboardInterrupt):
        return "terminated" if isinstance(error, Terminated) else "interrupted"
    if isinstance(error, OSError) and error.filename:
        message = f"{error.filename}: {error.strerror}"
    else:
        message = " ".join(str(error).split())
    return CREDENTIALS.sub(r"\1", message)


def report_error(program: str, error: BaseException) -> int:
    """Print the one-line message of an error that ends `program` and return the exit status.

    The exit status for signal n is 128 + n, as in a shell. If the reader of the output has ended,
    nothing is printed.
    """
    if isinstance(error, BrokenPipeError) and discard_unread_output():
        error = Terminated(signal.SIGPIPE)
    if not (isinstance(error, Terminated) and error.number == signal.SIGPIPE):
        print(f"{program}: {format_error(error)}", file=sys.stderr)
    if isinstance(error, KeyboardInterrupt):
        return 128 + (error.number if isinstance(error, Terminated) else signal.SIGINT)
    return getattr(error, "exit_status", JNetError.exit_status)
