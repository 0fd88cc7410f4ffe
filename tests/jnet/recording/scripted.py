"""Make, run and inspect small experiments."""

import json
from pathlib import Path

from jnet.recording.experiment import ROOT, JNetExperiment


def make_experiment(action) -> JNetExperiment:
    """Return an experiment whose main function is `action`."""
    ex = JNetExperiment("scripted", str(ROOT / "Training.py"))

    @ex.main
    def act(_run):
        return action(_run)

    return ex


def run_command_line(ex: JNetExperiment, *argv: str) -> int:
    """Run a command line of an experiment and return the exit status."""
    try:
        ex.run_commandline(["Training.py", *argv])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def find_run(runs: Path | str = "runs") -> Path:
    """Return the folder of the only run below `runs`."""
    (path,) = Path(runs).glob("*/run.json")
    return path.parent


def read_entry(run: Path) -> dict:
    """Return the entry of a run."""
    return json.loads((run / "run.json").read_text())
