"""Programs started many times in a row, each in a process of its own, TensorFlow imported once.

`python tests/forked.py` imports what a training imports, runs no operation, and then forks a child
for every line of JSON it reads: `{"script", "argv", "output", "environment"}`. It answers with the
child's pid, and when that has ended with its status, a line of JSON each.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
WAIT = 120  # seconds after which a program counts as stuck


class Forked:
    """The importing process, seen from the test."""

    def __init__(self, log: Path):
        self.errors = log.open("w")
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            cwd=ROOT,
        )

    def start(self, script: str, argv: list[str], output: Path, **environment: str) -> int:
        """Start `script` with `argv`; its pid. What it prints goes to `output`."""
        asked = {"script": script, "argv": argv, "output": str(output), "environment": environment}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["pid"]

    def wait(self) -> int:
        """The status of the program started last: an exit status, or −n for signal n."""
        return json.loads(self.process.stdout.readline())["status"]

    def run(self, script: str, argv: list[str], output: Path, **environment: str) -> int:
        """Start a program and wait for its end; its status."""
        self.start(script, argv, output, **environment)
        return self.wait()

    def stop(self) -> None:
        """End the importing process."""
        self.process.stdin.close()
        self.process.wait(WAIT)
        self.errors.close()


def serve() -> None:
    """Fork a child for every line on standard input."""
    sys.path.insert(0, str(ROOT))
    import Engine.Resume
    import Engine.Score
    import Engine.Train  # noqa: F401 - what a program imports late
    import Evaluate  # noqa: F401
    import Training  # noqa: F401

    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            work(asked)
        print(json.dumps({"pid": pid}), flush=True)
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status)}), flush=True)


def work(asked: dict) -> None:
    """The child: run the program as its own process would, and end."""
    os.setsid()
    output = os.open(asked["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.update(asked["environment"])
    status = 1
    try:
        script = sys.modules[asked["script"].removesuffix(".py")]
        if steps := os.environ.get("STEPS_LOG"):
            log_steps(Path(steps))
        script.ex.run_commandline([asked["script"], *asked["argv"]])
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def log_steps(path: Path) -> None:
    """Write down every step when it is done, from outside: its number and the time."""
    from Engine.Steps import Steps

    begun = Steps.__init__

    def watched(self, trainer):
        begun(self, trainer)
        take = self.take

        def logged(batches, number):
            take(batches, number)
            with path.open("a") as file:
                file.write(f"{os.getpid()} {int(number)} {time.time()}\n")

        self.take = logged

    Steps.__init__ = watched


if __name__ == "__main__":
    serve()
