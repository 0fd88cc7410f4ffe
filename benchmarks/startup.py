"""How long a user waits for commands to answer, and for the first training step.

`python benchmarks/startup.py [--runs 5] [--json FILE]` prints one line per figure: seconds from
the start of a process, the median over the runs, all commands in turn. For the first step a store
of generated music is prepared beforehand, in a temporary folder.
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
# A training that ends itself, with this status, when the device has taken its first step.
TAKEN = 77
ONE_STEP = f"""
import os, runpy, sys
sys.path.insert(0, {str(ROOT)!r})
class Watch:  # TensorFlow is imported when the command imports it, and no sooner
    def find_spec(self, name, path=None, target=None):
        if name == "Engine.Train":
            sys.meta_path.remove(self)
            from Engine.Steps import Steps
            start = Steps.begin_epoch
            def begin_epoch(self, *sums):
                start(self, *sums)
                take = self.take
                def first(*batch):
                    take(*batch)
                    self.failed_step()  # waits for the device
                    os._exit({TAKEN})
                self.take = first
            Steps.begin_epoch = begin_epoch
sys.meta_path.insert(0, Watch())
sys.argv = ["Training.py", *sys.argv[1:]]
runpy.run_path({str(ROOT / "Training.py")!r}, run_name="__main__")
"""


def commands(folder: Path) -> dict[str, tuple[list[str], int]]:
    """What is timed, by what it is called: arguments of Python and the exit status to expect."""
    training = str(ROOT / "Training.py")
    songs = ["with", "cfg.U1", *places(folder)]
    return {
        "print_config": ([training, "print_config", "with", "cfg.J1"], 0),
        "help": ([training, "help", "train_and_score"], 0),
        "a mistyped entry": ([training, "with", "cfg.J1", "cfg.batch_size=[16]"], 2),
        "Report.py table1": ([str(ROOT / "Report.py"), "table1"], 0),
        "import tensorflow": (["-c", "import tensorflow, keras"], 0),
        "first step of U1": (["-c", ONE_STEP, *songs], TAKEN),
    }


def places(folder: Path) -> list[str]:
    """Entries that have a command work in `folder`, on generated music."""
    return [
        "cfg.dataset=demo",
        "cfg.num_validation_songs=2",
        f"cfg.demo_path={folder / 'demo'}",
        f"cfg.store_path={folder / 'store'}",
        f"cfg.output_path={folder / 'experiments'}",
    ]


def seconds_of(arguments: list[str], status: int, folder: Path) -> float:
    """From the start of Python with these arguments, in `folder`, to its end."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    taken = time.perf_counter() - start
    if done.returncode != status:
        raise SystemExit(f"{arguments[-1]}: exit status {done.returncode}\n{done.stderr[-2000:]}")
    return taken


def main() -> None:
    """Time every command in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare = [str(ROOT / "Datasets.py"), "prepare", "with", "cfg.U1", *places(folder)]
        seconds_of(prepare, 0, folder)
        timed = commands(folder)
        times: dict[str, list[float]] = {name: [] for name in timed}
        for _ in range(arguments.runs):
            for name, (command, status) in timed.items():
                times[name].append(seconds_of(command, status, folder))
    for name, taken in times.items():
        print(f"{name}: {statistics.median(taken):.2f} s (shortest {min(taken):.2f})")
    if arguments.json:
        whole = {"machine": machine(*PACKAGES), "seconds": times}
        arguments.json.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
