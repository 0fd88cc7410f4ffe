"""Start scripts many times in separate processes, with TensorFlow imported only once.

`python tests/forked.py` imports the modules of a training and runs no TensorFlow operation, after
which TensorFlow could not be forked. For every line on standard input, a JSON object with the keys
script, argv (without the script), output (a file) and environment, it forks a child process that
runs the script. It answers with two lines of JSON: the pid of the child and, after its end, its
status. With STEPS_LOG=FILE in the environment, the child logs every training step.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
WAIT = 120  # seconds that tests wait for a script, and `stop` for the server


class ForkServer:
    """The process that imports the modules and forks the children, one at a time.

    `log` is the file for its standard error. Call `wait` after each `start`.
    """

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
        """Start `script` with `argv` and return its pid.

        Parameters
        ----------
        script : str
            The name of the script.
        argv : list of str
            Its arguments.
        output : Path
            The file for its standard output and standard error.
        **environment : str
            Environment variables.

        Returns
        -------
        int
            The pid.
        """
        request = {
            "script": script,
            "argv": argv,
            "output": str(output),
            "environment": environment,
        }
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["pid"]

    def wait(self) -> int:
        """Return the status of the last script: its exit status, or −n for signal n."""
        return json.loads(self.process.stdout.readline())["status"]

    def run(self, script: str, argv: list[str], output: Path, **environment: str) -> int:
        """Start a script, wait for its end, and return its status."""
        self.start(script, argv, output, **environment)
        return self.wait()

    def stop(self) -> None:
        """Stop the fork server."""
        self.process.stdin.close()
        self.process.wait(WAIT)
        self.errors.close()


def serve() -> None:
    """Fork a child for every line on standard input."""
    sys.path.insert(0, str(ROOT))
    import Evaluate  # noqa: F401
    import jnet.scoring.evaluation
    import jnet.training.resume
    import jnet.training.train  # noqa: F401 - the scripts import these three late
    import Training  # noqa: F401

    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            run_child(request)
        print(json.dumps({"pid": pid}), flush=True)
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status)}), flush=True)


def run_child(request: dict) -> None:
    """Run a script in the child process and end the process."""
    os.setsid()
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.update(request["environment"])
    status = 1
    try:
        script = sys.modules[request["script"].removesuffix(".py")]
        if steps := os.environ.get("STEPS_LOG"):
            enable_step_log(Path(steps))
        script.ex.run_commandline([request["script"], *request["argv"]])
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def enable_step_log(path: Path) -> None:
    """Make every training step append a line to `path`: pid, number, seconds since the epoch."""
    from jnet.training.step import TrainingStep

    run_step = TrainingStep.__call__

    def run_and_log(self, batches, number):
        run_step(self, batches, number)
        with path.open("a") as file:
            file.write(f"{os.getpid()} {int(number)} {time.time()}\n")

    TrainingStep.__call__ = run_and_log


if __name__ == "__main__":
    serve()
