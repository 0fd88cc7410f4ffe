"""Benchmark of the run time of short commands, and of the time to the first training step.

`python benchmarks/startup.py [--runs 5] [--json FILE]` prints one line per command: the median and
the shortest time in seconds from the start of the process to its end. Each round runs every command
once, so that slow drifts of the machine affect all commands alike. `--json` writes the times of all
rounds. The first training step of U1, the plain Wave-U-Net, uses the demo corpus, which is prepared
in a temporary folder before the measurement.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import machine

ROOT = Path(__file__).parent.parent
PACKAGES = ("tensorflow", "keras", "sacred")
# `ONE_STEP` runs a training that ends with this exit status when its first step is done.
STEP_TAKEN_STATUS = 77
ONE_STEP = f"""
import os, runpy, sys
sys.path.insert(0, {str(ROOT)!r})
class ImportHook:  # patches `TrainingStep` when the command imports it: an earlier import of
    # the training code would import TensorFlow too early
    def find_spec(self, name, path=None, target=None):
        if name == "jnet.training.train":
            sys.meta_path.remove(self)
            from jnet.training.step import TrainingStep
            run_step = TrainingStep.__call__
            def run_first_step(self, *batch):
                run_step(self, *batch)
                self.find_failed_step()  # reads a result, and so waits for the device
                os._exit({STEP_TAKEN_STATUS})
            TrainingStep.__call__ = run_first_step
sys.meta_path.insert(0, ImportHook())
sys.argv = ["Training.py", *sys.argv[1:]]
runpy.run_path({str(ROOT / "Training.py")!r}, run_name="__main__")
"""


def list_commands(folder: Path) -> dict[str, tuple[list[str], int]]:
    """Return, by label, the arguments for Python and the expected exit status of each command."""
    training = str(ROOT / "Training.py")
    training_arguments = ["with", "cfg.U1", *make_config_entries(folder)]
    return {
        "print_config": ([training, "print_config", "with", "cfg.J1"], 0),
        "help": ([training, "help", "train_and_score"], 0),
        # A usage error, whose exit status is 2
        "a mistyped entry": ([training, "with", "cfg.J1", "cfg.batch_size=[16]"], 2),
        "Report.py table1": ([str(ROOT / "Report.py"), "table1"], 0),  # without recorded runs
        "import tensorflow": (["-c", "import tensorflow, keras"], 0),
        "first step of U1": (["-c", ONE_STEP, *training_arguments], STEP_TAKEN_STATUS),
    }


def make_config_entries(folder: Path) -> list[str]:
    """Return the config entries for the demo corpus in `folder`."""
    return [
        "cfg.dataset=demo",
        "cfg.num_validation_tracks=2",
        f"cfg.demo_path={folder / 'demo'}",
        f"cfg.store_path={folder / 'store'}",
        f"cfg.output_path={folder / 'experiments'}",
    ]


def time_process(label: str, arguments: list[str], status: int, folder: Path) -> float:
    """Return the duration in seconds of a Python process.

    Parameters
    ----------
    label : str
        The name of the command, for error messages.
    arguments : list of str
        The arguments of Python.
    status : int
        The expected exit status.
    folder : Path
        The working directory.

    Returns
    -------
    float

    Raises
    ------
    SystemExit
        For another exit status.
    """
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - start
    if done.returncode != status:
        raise SystemExit(
            f"{label}: exit status {done.returncode}, not {status}\n{done.stderr[-2000:]}"
        )
    return seconds


def main() -> None:
    """Time all commands alternately and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="number of rounds")
    parser.add_argument("--json", type=Path, help="file for the times of all rounds")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare = [
            str(ROOT / "Datasets.py"),
            "prepare",
            "with",
            "cfg.U1",
            *make_config_entries(folder),
        ]
        time_process("preparation", prepare, 0, folder)
        timed = list_commands(folder)
        times: dict[str, list[float]] = {name: [] for name in timed}
        for _ in range(arguments.runs):
            for name, (command, status) in timed.items():
                times[name].append(time_process(name, command, status, folder))
    for name, seconds in times.items():
        print(f"{name}: {statistics.median(seconds):.2f} s (shortest {min(seconds):.2f})")
    if arguments.json:
        content = {"machine": machine(*PACKAGES), "seconds": times}
        arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
