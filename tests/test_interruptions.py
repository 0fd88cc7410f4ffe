"""Trainings killed at any moment, and started again: as if nothing had happened."""

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from Engine.Checkpoints import FOLDER, read_checkpoint
from Engine.Weights import sha256_of
from tests.forked import WAIT, Forked

KILLS = 20
EPOCH_STEPS = 9
# The same arithmetic in the same order every time: no threads that share a sum.
ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}


@pytest.fixture(scope="module")
def forked(tmp_path_factory):
    server = Forked(tmp_path_factory.mktemp("forked") / "errors.txt")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def entries(tiny, tiny_store):
    """Two stages of four epochs, with a checkpoint after every step."""
    changed = {
        **tiny,
        "batch_sizes": [2, 3],
        "epoch_steps": EPOCH_STEPS,
        "patience": 9,
        "max_epochs": 4,
        "frozen": ["encoder"],
        "deterministic": True,
        "checkpoint_minutes": 0,
    }
    return {name: value for name, value in changed.items() if name != "__doc__"}


class Training:
    """A training that is started again and again with one command line."""

    def __init__(self, forked: Forked, entries: dict, folder: Path):
        self.forked, self.folder = forked, folder
        self.steps_log, self.lives = folder / "steps.txt", 0
        folder.mkdir(exist_ok=True)
        entries = {**entries, "output_path": str(folder / "experiments")}
        self.argv = ["-F", str(folder / "runs"), "with"]
        self.argv += [f"cfg.{name}={value!r}" for name, value in entries.items()]

    @property
    def place(self) -> Path:
        """The one folder that all starts have worked in, once there was a model to work on."""
        (place,) = (self.folder / "experiments").glob(f"*/{FOLDER}")
        return place.parent

    def start(self) -> int:
        self.lives += 1
        self.output = self.folder / f"output{self.lives}.txt"
        return self.forked.start(
            "Training.py", self.argv, self.output, STEPS_LOG=str(self.steps_log), **ONE_THREAD
        )

    def run(self) -> int:
        self.start()
        return self.forked.wait()

    def steps_of(self, pid: int) -> list[int]:
        """The steps that a process has done so far."""
        if not self.steps_log.exists():
            return []
        rows = [line.split() for line in self.steps_log.read_text().splitlines()]
        return [int(row[1]) for row in rows if len(row) == 3 and int(row[0]) == pid]

    def resumed_after(self) -> int:
        """The step that the last start went on from; 0 where it began."""
        said = [
            line
            for line in self.output.read_text().splitlines()
            if line.startswith(("going on with", "training into"))
        ]
        assert len(said) == 1, self.output.read_text()
        return int(said[0].split()[-1]) if "after step" in said[0] else 0

    def outcome(self) -> dict:
        """All that a training leaves which is not the machine's or the clock's."""
        newest = read_checkpoint(sorted((self.place / FOLDER).iterdir())[-1])
        curves = [
            (step, {name: value for name, value in row.items() if "per_second" not in name})
            for step, row in newest.state.curves
        ]
        return {
            "best": sha256_of(self.place / "best.safetensors"),
            "last": sha256_of(newest.folder / "weights.safetensors"),
            "optimizer": sha256_of(newest.folder / "training.safetensors"),
            "progress": newest.state.progress,
            "curves": curves,
            "scores": json.loads((self.place / "scores.json").read_text()),
        }


def wait_until(condition, process: int) -> None:
    """Until `condition` holds or the process has ended."""
    deadline = time.monotonic() + WAIT
    while not condition() and Path(f"/proc/{process}/stat").exists():
        assert time.monotonic() < deadline
        if Path(f"/proc/{process}/stat").read_text().split()[2] == "Z":
            return
        time.sleep(0.002)


@pytest.fixture(scope="module")
def undisturbed(forked, entries, tmp_path_factory):
    """What the training leaves when nothing happens to it."""
    training = Training(forked, entries, tmp_path_factory.mktemp("undisturbed"))
    assert training.run() == 0, training.output.read_text()
    assert training.resumed_after() == 0
    return training.outcome()


def test_a_training_killed_twenty_times_ends_as_one_that_was_left_alone(
    forked, entries, undisturbed, tmp_path
):
    training, moments = Training(forked, entries, tmp_path), random.Random(20)
    done, in_saves = 0, 0
    for kill in range(KILLS):
        process = training.start()
        if kill % 5 == 0:  # while it starts, or at its first steps
            time.sleep(moments.uniform(0, 2))
        else:
            steps = moments.randint(1, 4)
            wait_until(lambda n=steps, p=process: len(training.steps_of(p)) >= n, process)
            if kill % 2:  # while it saves
                hidden = training.place / FOLDER
                wait_until(lambda at=hidden: any(at.glob(".*.tmp")), process)
            time.sleep(moments.uniform(0, 0.02))
        os.kill(process, signal.SIGKILL)
        assert training.forked.wait() == -signal.SIGKILL
        place = training.folder / "experiments"
        in_saves += any(place.glob(f"*/{FOLDER}/.*.tmp"))
        taken = training.steps_of(process)
        if taken:  # a step is lost at most: that of which the checkpoint was being written
            assert taken[0] >= done - 1
            assert taken == list(range(taken[0], taken[-1] + 1))
            done = taken[-1] + 1
    assert in_saves >= 3
    assert done < 8 * EPOCH_STEPS, "it was finished before it was killed often enough"
    assert training.run() == 0, training.output.read_text()
    assert training.resumed_after() >= done - 1
    assert training.outcome() == undisturbed


def test_a_training_that_is_told_to_stop_loses_no_step(forked, entries, undisturbed, tmp_path):
    training = Training(forked, {**entries, "checkpoint_minutes": None}, tmp_path)
    done = 0
    for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGTERM, 143)):
        process = training.start()
        wait_until(lambda p=process: len(training.steps_of(p)) >= 7, process)
        os.kill(process, number)
        assert forked.wait() == status, training.output.read_text()
        lines = training.output.read_text().splitlines()
        taken = training.steps_of(process)
        assert training.resumed_after() == taken[0] == done
        done = taken[-1] + 1
        assert f"stopped after step {done}, to go on from there" in lines
        assert lines[-1] == f"Training.py: {'interrupted' if status == 130 else 'terminated'}"
        record = max((training.folder / "runs").glob("[0-9]*"))
        assert json.loads((record / "run.json").read_text())["status"] == "INTERRUPTED"
        said = json.loads((record / "info.json").read_text())["resumed"]
        assert (said is None) == (training.lives == 1)
    before = record.name
    assert training.run() == 0, training.output.read_text()
    assert training.outcome() == undisturbed
    record = max((training.folder / "runs").glob("[0-9]*"))
    result = json.loads((record / "run.json").read_text())["result"]
    assert str(result["resumed"]) == before
    metrics = json.loads((record / "metrics.json").read_text())
    assert metrics["validation.loss"]["steps"] == [EPOCH_STEPS * (n + 1) for n in range(8)]
    last = training.output.read_text().splitlines()[-1]
    assert last.startswith(f"weights {training.place / 'best.safetensors'} sha256 ")


def test_a_training_that_blows_up_fails_and_keeps_its_best(forked, entries, tmp_path):
    """Its second stage cannot go well. Started again it goes on, to the same end."""
    training = Training(forked, {**entries, "learning_rates": [1e-3, 1e30]}, tmp_path)
    for _ in range(2):
        assert training.run() == 3, training.output.read_text()
        last = training.output.read_text().splitlines()[-1]
        assert last.startswith("Training.py: the loss or its gradient is no longer finite in step ")
        assert "which heard " in last
        record = max((training.folder / "runs").glob("[0-9]*"))
        assert json.loads((record / "run.json").read_text())["status"] == "FAILED"
        manifest = json.loads((training.place / "best.json").read_text())
        assert manifest["sha256"] == sha256_of(training.place / "best.safetensors")
        assert manifest["step"] <= 4 * EPOCH_STEPS
    assert training.resumed_after() >= 4 * EPOCH_STEPS
