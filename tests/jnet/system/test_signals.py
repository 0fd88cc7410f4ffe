"""Interruptions: raised, deferred within a block, and reported in one line."""

import contextlib
import os
import signal
import threading

import pytest

from jnet.errors import DataError, RunFailed
from jnet.system.progress import make_progress_bar
from jnet.system.signals import (
    Terminated,
    check_interrupted,
    defer_interruptions,
    end_on_signals,
    report_error,
)


class Clock:
    """The clock that interruptions are recorded with; its time changes only when it is set."""

    now = 0.0


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr("jnet.system.signals.time.monotonic", lambda: Clock.now)
    Clock.now = 0.0
    return Clock


def send(*numbers):
    for number in numbers:
        os.kill(os.getpid(), number)


def work(interrupt):
    """Do three steps, with `interrupt` in the second. Return the steps done and the error."""
    done = []
    error = None
    try:
        with end_on_signals(), defer_interruptions() as check:
            for step in range(3):
                if step == 1:
                    interrupt()
                done.append(f"step {step}")
                check()
    except KeyboardInterrupt as interruption:
        error = interruption
    return done, error


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_block_that_defers_interruptions_ends_at_its_next_check(number):
    before = signal.getsignal(number)
    done, error = work(lambda: send(number))
    assert done == ["step 0", "step 1"]
    assert isinstance(error, Terminated)
    assert error.number == number
    assert signal.getsignal(number) is before


def test_the_same_signal_twice_in_a_moment_counts_once(clock):
    """`timeout` and a closing terminal send their signal twice."""
    done, error = work(lambda: send(signal.SIGHUP, signal.SIGHUP))
    assert (done[-1], error.number) == ("step 1", signal.SIGHUP)


def test_a_second_signal_after_some_time_is_raised_at_once(clock):
    def interrupt():
        send(signal.SIGINT)
        clock.now = 2.0
        send(signal.SIGTERM)

    done, error = work(interrupt)
    assert (done[-1], error.number) == ("step 0", signal.SIGTERM)


def test_a_block_that_never_checks_is_interrupted_at_its_end():
    done = []

    def never_check():
        with end_on_signals():
            with defer_interruptions():
                send(signal.SIGINT)
                done.append("inside")
            done.append("after")

    with pytest.raises(KeyboardInterrupt):
        never_check()
    assert done == ["inside"]


def test_an_interruption_that_a_library_suppresses_is_raised_at_the_next_check():
    with end_on_signals():
        with contextlib.suppress(BaseException):  # as some callbacks do
            send(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            check_interrupted()
        with pytest.raises(KeyboardInterrupt):
            make_progress_bar("tracks")("One", 1, 2)
    check_interrupted()  # the next run has not been interrupted


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with end_on_signals():
            send(signal.SIGHUP)
            check_interrupted()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_only_the_main_thread_changes_signal_handlers():
    before, handlers = signal.getsignal(signal.SIGTERM), []

    def run():
        with end_on_signals():
            handlers.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert handlers == [before]


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (Terminated(signal.SIGHUP), 129, "terminated"),
        (RunFailed("the loss is\nnot finite"), 3, "the loss is not finite"),
        (FileNotFoundError(2, "No such file", "x.wav"), 2, "x.wav: No such file"),
        (OSError("no disk"), 2, "no disk"),
        (DataError("http:/me:p@s/s@host/db: is missing"), 2, "http:/host/db: is missing"),
        (
            FileNotFoundError(2, "No such file", "https://me:x@host"),
            2,
            "https://host: No such file",
        ),
    ],
)
def test_an_error_is_reported_with_one_line_and_an_exit_status(capsys, error, status, line):
    assert report_error("Training.py", error) == status
    assert capsys.readouterr().err == f"Training.py: {line}\n"


def test_without_a_terminal_a_progress_bar_prints_one_line_at_the_end(capsys):
    advance = make_progress_bar("scoring tracks")
    for done in (1, 2):
        advance("One", done, 2)
    assert capsys.readouterr().out == "scoring tracks: 2 tracks\n"
