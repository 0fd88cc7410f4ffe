"""Runs of a few lines, and what they leave."""

import json
from pathlib import Path

from Experiments import ROOT, JNetExperiment


def scripted(action) -> JNetExperiment:
    """An experiment whose main function is `action`."""
    ex = JNetExperiment("scripted", str(ROOT / "Training.py"))

    @ex.main
    def act(_run):
        return action(_run)

    return ex


def command_line(ex: JNetExperiment, *argv: str) -> int:
    """Run it as from a command line; its exit status."""
    try:
        ex.run_commandline(["Training.py", *argv])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def the_run(runs: Path | str = "runs") -> Path:
    """The folder of the one run there."""
    (path,) = Path(runs).glob("*/run.json")
    return path.parent


def entry_of(run: Path) -> dict:
    """What its record says."""
    return json.loads((run / "run.json").read_text())
