"""Checkpoints: written whole or not at all, read back bit by bit, the one before when damaged."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from Engine.Checkpoints import (
    FOLDER,
    KEPT,
    STATE,
    State,
    newest_checkpoint,
    newest_state,
    read_checkpoint,
    save_checkpoint,
    signed,
)
from Engine.Schedule import Progress
from Spec.Errors import RecordError, RunFailed, WeightsError

STATEMENT = {"num_layers": 3, "seed": 1, "learning_rates": [1e-3, 1e-4], "store": "demo-1"}
RANDOM = np.random.default_rng(0)
WEIGHTS = {"encoder_01_conv/kernel": RANDOM.normal(size=(5, 2, 4)).astype(np.float32)}
TRAINING = {
    "adam/iteration": np.array(7),
    "adam/moment": RANDOM.normal(size=(5, 2, 4)).astype(np.float32),
    "random/0": np.array([3, 2**32 - 1], np.uint32),
}
# 0.1 + 0.2 and π have no short decimal form: they show whether floats come back bit by bit.
ADVANCED = State(
    Progress(1, 5, 2, 15, 1, 0.1 + 0.2, 4),
    epoch_steps=2,
    loss_sum=np.pi,
    curves=((3, {"training.loss": 0.1 + 0.2}), (6, {"training.loss": 1e-300})),
    runs=(261120155450123, "named"),
    test_loss=1 / 3,
)
FILES = ("weights.safetensors", "training.safetensors", "best.safetensors", "best.json", STATE)


@pytest.fixture
def folder(tmp_path):
    """A training's folder with its best weights."""
    (tmp_path / "best.safetensors").write_bytes(b"the best weights")
    (tmp_path / "best.json").write_text("{}")
    return tmp_path


def save(folder, steps=0):
    """A checkpoint of `ADVANCED`, some steps on."""
    state = replace(ADVANCED, epoch_steps=ADVANCED.epoch_steps + steps)
    return save_checkpoint(folder, state, STATEMENT, WEIGHTS, TRAINING)


def same(tensors, wanted):
    assert tensors.keys() == wanted.keys()
    for name, value in wanted.items():
        assert tensors[name].dtype == value.dtype
        assert tensors[name].shape == value.shape
        assert tensors[name].tobytes() == value.tobytes()


@pytest.mark.parametrize("state", [State(Progress()), ADVANCED], ids=["begun", "advanced"])
def test_what_was_saved_comes_back_bit_by_bit(folder, state):
    save_checkpoint(folder, state, STATEMENT, WEIGHTS, TRAINING)
    checkpoint = newest_checkpoint(folder, pytest.fail)
    assert checkpoint.state == state
    assert checkpoint.statement == STATEMENT
    same(checkpoint.weights(), WEIGHTS)
    same(checkpoint.training_state(), TRAINING)


def test_the_last_two_are_kept_and_the_newest_is_taken(folder):
    for steps in range(12):
        save(folder, steps)
        names = sorted(path.name for path in (folder / FOLDER).iterdir())
        assert len(names) == min(steps + 1, KEPT)
        assert newest_checkpoint(folder, pytest.fail).state.epoch_steps == 2 + steps
    assert names == ["000011", "000012"]


def test_the_best_weights_are_kept_beside_and_put_back(folder):
    checkpoint = read_checkpoint(save(folder))
    best = folder / "best.safetensors"
    checkpoint.restore_best(best)
    before = best.stat().st_mtime_ns
    best.write_bytes(b"of an epoch that was lost")
    best.with_suffix(".json").unlink()
    checkpoint.restore_best(best)
    assert best.read_bytes() == b"the best weights"
    assert best.with_suffix(".json").read_text() == "{}"
    assert best.stat().st_mtime_ns != before
    assert sorted(path.name for path in folder.iterdir()) == [
        "best.json",
        "best.safetensors",
        FOLDER,
    ]


def test_a_training_without_best_weights_yet_has_checkpoints_too(tmp_path):
    checkpoint = read_checkpoint(save(tmp_path))
    checkpoint.restore_best(tmp_path / "best.safetensors")
    assert not (tmp_path / "best.safetensors").exists()


def damage(path, how):
    size = path.stat().st_size
    if how == "missing":
        path.unlink()
    elif how == "flipped":
        content = bytearray(path.read_bytes())
        content[size // 2] ^= 1
        path.write_bytes(content)
    else:
        os.truncate(path, {"0": 0, "1": 1, "half": size // 2, "all but one": size - 1}[how])


@pytest.mark.parametrize("how", ["0", "1", "half", "all but one", "missing", "flipped"])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_taken(folder, name, how):
    before, newest = save(folder), save(folder, 1)
    damage(newest / name, how)
    said = []
    checkpoint = newest_checkpoint(folder, said.append)
    assert checkpoint.folder == before
    assert checkpoint.state.epoch_steps == 2
    (line,) = said
    assert str(newest / name) in line
    assert ("missing" if how == "missing" else "damaged") in line
    assert "going on from the checkpoint before it" in line
    assert "\n" not in line
    same(checkpoint.weights(), WEIGHTS)


def test_two_damaged_checkpoints_are_an_error_that_names_them(folder):
    for steps in range(2):
        damage(save(folder, steps) / "weights.safetensors", "half")
    with pytest.raises(WeightsError, match="every checkpoint is damaged: remove"):
        newest_checkpoint(folder, lambda line: None)


@pytest.mark.parametrize(
    "change",
    [
        {"format_version": 2},
        {"files": {"../best.safetensors": "00"}},
        {"files": None},
        {"state": {}},
        {"state": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_state_that_is_none_is_damaged(folder, change):
    place = save(folder)
    content = json.loads((place / STATE).read_text())
    (place / STATE).write_text(signed({**content, **change}))
    with pytest.raises(WeightsError, match="is damaged"):
        read_checkpoint(place)


def test_a_changed_digit_of_a_state_is_damage(folder):
    place = save(folder)
    text = (place / STATE).read_text()
    assert text.count('"step": 15') == 1
    (place / STATE).write_text(text.replace('"step": 15', '"step": 16'))
    with pytest.raises(WeightsError, match="is not what was written"):
        read_checkpoint(place)


def test_no_checkpoint_is_no_error(tmp_path):
    assert newest_checkpoint(tmp_path, pytest.fail) is None
    assert newest_state(tmp_path) is None


def test_the_newest_state_is_read_without_its_tensors(folder):
    save(folder)
    newest = save(folder, 1)
    (newest / "weights.safetensors").unlink()
    assert newest_state(folder).state.epoch_steps == 3
    (newest / STATE).write_text("{")
    assert newest_state(folder).state.epoch_steps == 2


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("kind", ["weights", "training"])
def test_numbers_that_are_not_finite_are_never_kept(folder, kind, value):
    save(folder)
    tensors = {"weights": dict(WEIGHTS), "training": dict(TRAINING)}
    name = list(tensors[kind])[-1] if kind == "weights" else "adam/moment"
    tensors[kind][name] = tensors[kind][name].copy()
    tensors[kind][name][0, 1, 2] = value
    with pytest.raises(RunFailed, match=f"{name} is no longer finite at step 17") as error:
        save_checkpoint(folder, ADVANCED, STATEMENT, **tensors)
    assert error.value.exit_status == 3
    assert [path.name for path in (folder / FOLDER).iterdir()] == ["000001"]


def test_what_a_killed_process_left_is_removed_and_never_read(folder):
    place = folder / FOLDER
    newest = save(folder)
    for name in (".000002.tmp", ".000001.tmp"):
        shutil.copytree(newest, place / name)
    assert newest_checkpoint(folder, pytest.fail).folder == newest
    save(folder, 1)
    assert sorted(path.name for path in place.iterdir()) == ["000001", "000002"]


def test_a_full_disk_leaves_the_checkpoint_before_and_one_line(folder):
    """A process that may write no file of more than 150 bytes: all of a checkpoint but these."""
    before = save(folder)
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from Spec.Errors import RecordError\n"
        "from tests.Engine.test_Checkpoints import save\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (150, 150))\n"
        "try:\n    save(Path(sys.argv[1]), 1)\n"
        "except RecordError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=True,
    )
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"{folder / FOLDER}: no checkpoint can be written (")
    assert "make room and start again" in line
    assert list((folder / FOLDER).iterdir()) == [before]
    assert newest_checkpoint(folder, pytest.fail).folder == before


def test_an_unwritable_folder_is_one_line(folder, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(RecordError, match=r"no checkpoint can be written \(Permission denied\)"):
        save(folder)
