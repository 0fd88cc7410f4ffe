"""The start of a program: Ctrl-C during its imports, and its standard output.

This module imports nothing that takes time, so that Ctrl-C is handled from the beginning.
"""

import atexit
import io
import os
import signal
import sys


def start_program(name: str) -> None:
    """Prepare the process of the program `name`. Call this before the other imports.

    Outside `end_on_signals`, Ctrl-C ends the process with one line. Characters that the encoding of
    the terminal does not have are printed as '?'. Output to a closed standard output is discarded.
    """

    def end(number, frame):
        try:
            os.write(2, f"{name}: interrupted\n".encode())
        finally:
            end_silently()
            os.kill(os.getpid(), number)

    def end_silently():
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, end)
        atexit.register(end_silently)  # the interpreter then removes what `end` needs
    hide_interruptions()
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def hide_interruptions() -> None:
    """Print no tracebacks of `KeyboardInterrupt`, which C extensions and callbacks cannot raise.

    `end_on_signals` raises the interruption again.
    """
    print_error, print_ignored = sys.excepthook, sys.unraisablehook

    def print_other_error(kind, error, trace):
        if not issubclass(kind, KeyboardInterrupt):
            print_error(kind, error, trace)

    def print_other_ignored(ignored):
        if not issubclass(ignored.exc_type, KeyboardInterrupt):
            print_ignored(ignored)

    sys.excepthook, sys.unraisablehook = print_other_error, print_other_ignored
