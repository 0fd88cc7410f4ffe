"""Interrupted and resumed trainings have the same results as uninterrupted ones."""

import contextlib
import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from Config import DEFAULTS
from jnet.training.checkpoints import CHECKPOINTS_FOLDER, read_checkpoint
from jnet.weights.manifests import hash_file
from tests.forked import WAIT, ForkServer

# When each start is killed: before training, after some steps, or while it writes a checkpoint.
KILLS = ("start", "save", "save", "steps", "save", "start", "save", "save", "steps")
EPOCHS, EPOCH_STEPS = 4, 11
# With one thread all sums are computed in the same order.
ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}


@pytest.fixture(scope="module")
def forked(tmp_path_factory):
    server = ForkServer(tmp_path_factory.mktemp("forked") / "errors.txt")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def entries(tiny, tiny_store):
    """Return the entries of two stages of two epochs with a checkpoint after every step."""
    changed = {
        **tiny,
        "num_layers": 2,
        "batch_sizes": [2, 3],
        "epoch_steps": EPOCH_STEPS,
        "patience": 9,
        "max_epochs": EPOCHS // 2,
        "frozen": ["encoder"],
        "deterministic": True,
        "checkpoint_minutes": 0,
    }
    return {name: value for name, value in changed.items() if name != "__doc__"}


class Training:
    """A training that is started several times with the same command line."""

    def __init__(self, forked: ForkServer, entries: dict, folder: Path):
        self.forked, self.folder = forked, folder
        self.steps_log, self.starts = folder / "steps.txt", 0
        folder.mkdir(exist_ok=True)
        entries = {**entries, "output_path": str(folder / "experiments")}
        self.argv = ["-F", str(folder / "runs"), "with"]
        changed = {name: value for name, value in entries.items() if value != DEFAULTS[name]}
        self.argv += [f"cfg.{name}={value!r}" for name, value in changed.items()]

    @property
    def place(self) -> Path:
        """The folder of the training, the same for all starts."""
        (place,) = (self.folder / "experiments").glob(f"*/{CHECKPOINTS_FOLDER}")
        return place.parent

    def start(self) -> int:
        self.starts += 1
        self.output = self.folder / f"output{self.starts}.txt"
        return self.forked.start(
            "Training.py", self.argv, self.output, STEPS_LOG=str(self.steps_log), **ONE_THREAD
        )

    def run(self) -> int:
        self.start()
        return self.forked.wait()

    def steps_of(self, pid: int) -> list[int]:
        """Return the steps that a process has completed so far."""
        if not self.steps_log.exists():
            return []
        rows = [line.split() for line in self.steps_log.read_text().splitlines()]
        return [int(row[1]) for row in rows if len(row) == 3 and int(row[0]) == pid]

    def resumed_after(self) -> int:
        """Return the step after which the last start resumed; 0 for a new training."""
        lines = [
            line
            for line in self.output.read_text().splitlines()
            if line.startswith(("resuming", "training into"))
        ]
        assert len(lines) == 1, self.output.read_text()
        return int(lines[0].split()[-1]) if "after step" in lines[0] else 0

    def outcome(self) -> dict:
        """Return all results that do not depend on the machine or the time."""
        newest = read_checkpoint(sorted((self.place / CHECKPOINTS_FOLDER).iterdir())[-1])
        curves = [
            (step, {name: value for name, value in row.items() if "per_second" not in name})
            for step, row in newest.state.curves
        ]
        return {
            "best": hash_file(self.place / "best.safetensors"),
            "last": hash_file(newest.folder / "weights.safetensors"),
            "optimizer": hash_file(newest.folder / "training.safetensors"),
            "progress": newest.state.progress,
            "curves": curves,
            "scores": json.loads((self.place / "scores.json").read_text()),
        }


def wait_until(condition, process: int) -> None:
    """Wait until `condition` is true or the process has ended."""
    deadline = time.monotonic() + WAIT
    while not condition() and Path(f"/proc/{process}/stat").exists():
        assert time.monotonic() < deadline
        if Path(f"/proc/{process}/stat").read_text().split()[2] == "Z":
            return
        time.sleep(0.001)


def thread_states(process: int) -> set[str]:
    """Return the states of the threads of a process, as letters of proc(5)."""
    states = set()
    for stat in Path(f"/proc/{process}/task").glob("*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended
            states.add(stat.read_text().rpartition(")")[2].split()[0])
    return states


def stop_in_save(process: int, place: Path) -> bool:
    """Stop a process if it is writing a checkpoint, and return whether it is."""
    if not any((place / CHECKPOINTS_FOLDER).glob(".*.tmp")):
        return False
    os.kill(process, signal.SIGSTOP)
    while thread_states(process) - {"T", "Z"}:
        time.sleep(0.001)  # the threads stop at different times
    if any((place / CHECKPOINTS_FOLDER).glob(".*.tmp")):
        return True
    os.kill(process, signal.SIGCONT)
    return False


@pytest.fixture(scope="module")
def undisturbed(forked, entries, tmp_path_factory):
    """Return the results of an uninterrupted training."""
    training = Training(forked, entries, tmp_path_factory.mktemp("undisturbed"))
    assert training.run() == 0, training.output.read_text()
    assert training.resumed_after() == 0
    return training.outcome()


def test_a_training_killed_several_times_has_the_same_results(
    forked, entries, undisturbed, tmp_path
):
    training, moments = Training(forked, entries, tmp_path), random.Random(20)
    done, in_saves = 0, 0
    for kill in KILLS:
        process = training.start()
        if kill == "start":  # during the start of the program
            time.sleep(moments.uniform(0, 0.7))
        else:
            count = moments.randint(1, 3)
            wait_until(lambda n=count, p=process: len(training.steps_of(p)) >= n, process)
            if kill == "save":
                wait_until(lambda p=process: stop_in_save(p, training.place), process)
            else:
                time.sleep(moments.uniform(0, 0.02))
        os.kill(process, signal.SIGKILL)
        assert training.forked.wait() == -signal.SIGKILL
        place = training.folder / "experiments"
        in_saves += any(place.glob(f"*/{CHECKPOINTS_FOLDER}/.*.tmp"))
        steps = training.steps_of(process)
        if steps:  # at most one step is lost, whose checkpoint was not complete
            assert steps[0] >= done - 1
            assert steps == list(range(steps[0], steps[-1] + 1))
            done = steps[-1] + 1
    assert in_saves >= KILLS.count("save")
    assert done < EPOCHS * EPOCH_STEPS, "the training finished before all kills"
    assert training.run() == 0, training.output.read_text()
    assert training.resumed_after() >= done - 1
    assert training.outcome() == undisturbed


def test_a_training_stopped_by_a_signal_loses_no_step(forked, entries, undisturbed, tmp_path):
    training = Training(forked, {**entries, "checkpoint_minutes": None}, tmp_path)
    done = 0
    for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        process = training.start()
        wait_until(lambda p=process: len(training.steps_of(p)) >= 7, process)
        os.kill(process, number)
        assert forked.wait() == status, training.output.read_text()
        lines = training.output.read_text().splitlines()
        steps = training.steps_of(process)
        assert training.resumed_after() == steps[0] == done
        done = steps[-1] + 1
        assert f"stopped after step {done}: start again to resume" in lines
        assert lines[-1] == f"Training.py: {'interrupted' if status == 130 else 'terminated'}"
        record = max((training.folder / "runs").glob("[0-9]*"))
        assert json.loads((record / "run.json").read_text())["status"] == "INTERRUPTED"
        resumed = json.loads((record / "info.json").read_text())["resumed"]
        assert (resumed is None) == (training.starts == 1)
    before = record.name
    assert training.run() == 0, training.output.read_text()
    assert training.outcome() == undisturbed
    record = max((training.folder / "runs").glob("[0-9]*"))
    result = json.loads((record / "run.json").read_text())["result"]
    assert str(result["resumed"]) == before
    metrics = json.loads((record / "metrics.json").read_text())
    assert metrics["validation.loss"]["steps"] == [EPOCH_STEPS * (n + 1) for n in range(EPOCHS)]
    last = training.output.read_text().splitlines()[-1]
    assert last.startswith(f"weights {training.place / 'best.safetensors'} sha256 ")


def test_a_diverging_training_fails_and_keeps_its_best_weights(forked, entries, tmp_path):
    """The second stage diverges. A second start resumes it with the same end."""
    training = Training(forked, {**entries, "learning_rates": [1e-3, 1e30]}, tmp_path)
    for _ in range(2):
        assert training.run() == 3, training.output.read_text()
        last = training.output.read_text().splitlines()[-1]
        assert last.startswith("Training.py: the loss or its gradient is no longer finite in step ")
        assert "on excerpts of " in last
        record = max((training.folder / "runs").glob("[0-9]*"))
        assert json.loads((record / "run.json").read_text())["status"] == "FAILED"
        manifest = json.loads((training.place / "best.json").read_text())
        assert manifest["sha256"] == hash_file(training.place / "best.safetensors")
        assert manifest["step"] <= EPOCHS // 2 * EPOCH_STEPS
    assert training.resumed_after() >= EPOCHS // 2 * EPOCH_STEPS
