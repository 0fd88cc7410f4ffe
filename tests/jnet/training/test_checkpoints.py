"""Checkpoints: written completely or not at all, restored bit by bit, the previous if damaged."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jnet.errors import RecordError, RunFailed, WeightsError
from jnet.training.checkpoints import (
    CHECKPOINTS_FOLDER,
    CHECKPOINTS_KEPT,
    STATE_FILE,
    State,
    format_state,
    read_checkpoint,
    read_newest_checkpoint,
    read_newest_state,
    save_checkpoint,
)
from jnet.training.schedule import Progress
from tests.disk import file_size_limit

FINGERPRINT = {"num_layers": 3, "seed": 1, "learning_rates": [1e-3, 1e-4], "store": "demo-1"}
RANDOM = np.random.default_rng(0)
WEIGHTS = {"encoder_01_conv/kernel": RANDOM.normal(size=(5, 2, 4)).astype(np.float32)}
TRAINING = {
    "adam/iteration": np.array(7),
    "adam/moment": RANDOM.normal(size=(5, 2, 4)).astype(np.float32),
    "random/0": np.array([3, 2**32 - 1], np.uint32),
}
TENSORS = {"weights": WEIGHTS, "training": TRAINING}
# 0.1 + 0.2 and π have no short decimal form: they show whether floats are restored exactly.
ADVANCED = State(
    Progress(1, 5, 2, 15, 1, 0.1 + 0.2, 4),
    epoch_steps=2,
    loss_sum=np.pi,
    curves=((3, {"training.loss": 0.1 + 0.2}), (6, {"training.loss": 1e-300})),
    runs=(261120155450123, "named"),
    test_loss=1 / 3,
)
FILES = ("weights.safetensors", "training.safetensors", "best.safetensors", "best.json", STATE_FILE)


@pytest.fixture
def folder(tmp_path):
    """Return the folder of a training with its best weights."""
    (tmp_path / "best.safetensors").write_bytes(b"the best weights")
    (tmp_path / "best.json").write_text("{}")
    return tmp_path


def save(folder, steps=0):
    """Save a checkpoint of `ADVANCED` after `steps` more steps."""
    state = replace(ADVANCED, epoch_steps=ADVANCED.epoch_steps + steps)
    return save_checkpoint(folder, state, FINGERPRINT, TENSORS)


def assert_identical(tensors, wanted):
    assert tensors.keys() == wanted.keys()
    for name, value in wanted.items():
        assert tensors[name].dtype == value.dtype
        assert tensors[name].shape == value.shape
        assert tensors[name].tobytes() == value.tobytes()


@pytest.mark.parametrize("state", [State(Progress()), ADVANCED], ids=["new", "advanced"])
def test_checkpoints_are_restored_bit_by_bit(folder, state):
    save_checkpoint(folder, state, FINGERPRINT, TENSORS)
    checkpoint = read_newest_checkpoint(folder, pytest.fail)
    assert checkpoint.state == state
    assert checkpoint.fingerprint == FINGERPRINT
    assert_identical(checkpoint.read_tensors("weights"), WEIGHTS)
    assert_identical(checkpoint.read_tensors("training"), TRAINING)


def test_the_last_two_are_kept_and_the_newest_is_read(folder):
    for steps in range(12):
        save(folder, steps)
        names = sorted(path.name for path in (folder / CHECKPOINTS_FOLDER).iterdir())
        assert len(names) == min(steps + 1, CHECKPOINTS_KEPT)
        assert read_newest_checkpoint(folder, pytest.fail).state.epoch_steps == 2 + steps
    assert names == ["000011", "000012"]


def test_the_best_weights_are_saved_and_restored(folder):
    checkpoint = read_checkpoint(save(folder))
    best = folder / "best.safetensors"
    checkpoint.restore_best(best)
    before = best.stat().st_mtime_ns
    best.write_bytes(b"of a lost epoch")
    best.with_suffix(".json").unlink()
    checkpoint.restore_best(best)
    assert best.read_bytes() == b"the best weights"
    assert best.with_suffix(".json").read_text() == "{}"
    assert best.stat().st_mtime_ns != before
    assert sorted(path.name for path in folder.iterdir()) == [
        "best.json",
        "best.safetensors",
        CHECKPOINTS_FOLDER,
    ]


def test_checkpoints_without_best_weights_can_be_saved(tmp_path):
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
def test_a_damaged_checkpoint_is_named_and_the_previous_is_read(folder, name, how):
    before, newest = save(folder), save(folder, 1)
    damage(newest / name, how)
    messages = []
    checkpoint = read_newest_checkpoint(folder, messages.append)
    assert checkpoint.folder == before
    assert checkpoint.state.epoch_steps == 2
    (line,) = messages
    assert str(newest / name) in line
    assert ("missing" if how == "missing" else "damaged") in line
    assert "resuming from the previous checkpoint" in line
    assert "\n" not in line
    assert_identical(checkpoint.read_tensors("weights"), WEIGHTS)


def test_two_damaged_checkpoints_raise_an_error(folder):
    for steps in range(2):
        damage(save(folder, steps) / "weights.safetensors", "half")
    with pytest.raises(WeightsError, match="all checkpoints are damaged: remove"):
        read_newest_checkpoint(folder, lambda line: None)


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
def test_an_invalid_state_is_damaged(folder, change):
    place = save(folder)
    content = json.loads((place / STATE_FILE).read_text())
    (place / STATE_FILE).write_text(format_state({**content, **change}))
    with pytest.raises(WeightsError, match="is damaged"):
        read_checkpoint(place)


def test_a_changed_digit_in_a_state_is_detected(folder):
    place = save(folder)
    text = (place / STATE_FILE).read_text()
    assert text.count('"step": 15') == 1
    (place / STATE_FILE).write_text(text.replace('"step": 15', '"step": 16'))
    with pytest.raises(WeightsError, match="its SHA-256 is wrong"):
        read_checkpoint(place)


def test_the_keys_of_a_state_equal_those_of_version_0_1_0(folder):
    """A training that version 0.1.0 started can be resumed."""
    progress = json.loads((save(folder) / STATE_FILE).read_text())["state"]["progress"]
    assert progress.pop("waited") == 1
    assert progress.keys() == {"stage", "epoch", "stage_epoch", "step", "best_loss", "best_epoch"}


def test_a_folder_without_checkpoints_returns_none(tmp_path):
    assert read_newest_checkpoint(tmp_path, pytest.fail) is None
    assert read_newest_state(tmp_path) is None


def test_the_newest_state_is_read_without_tensors(folder):
    save(folder)
    newest = save(folder, 1)
    (newest / "weights.safetensors").unlink()
    assert read_newest_state(folder).state.epoch_steps == 3
    (newest / STATE_FILE).write_text("{")
    assert read_newest_state(folder).state.epoch_steps == 2


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("kind", ["weights", "training"])
def test_values_that_are_not_finite_are_never_saved(folder, kind, value):
    save(folder)
    tensors = {"weights": dict(WEIGHTS), "training": dict(TRAINING)}
    name = list(tensors[kind])[-1] if kind == "weights" else "adam/moment"
    tensors[kind][name] = tensors[kind][name].copy()
    tensors[kind][name][0, 1, 2] = value
    with pytest.raises(RunFailed, match=f"{name} is no longer finite at step 17") as error:
        save_checkpoint(folder, ADVANCED, FINGERPRINT, tensors)
    assert error.value.exit_status == 3
    assert [path.name for path in (folder / CHECKPOINTS_FOLDER).iterdir()] == ["000001"]


def test_leftovers_of_a_killed_process_are_removed_and_never_read(folder):
    place = folder / CHECKPOINTS_FOLDER
    newest = save(folder)
    for name in (".000002.tmp", ".000001.tmp"):
        shutil.copytree(newest, place / name)
    assert read_newest_checkpoint(folder, pytest.fail).folder == newest
    save(folder, 1)
    assert sorted(path.name for path in place.iterdir()) == ["000001", "000002"]


def test_a_full_disk_keeps_the_previous_checkpoint_and_raises_one_line(folder):
    """Only files up to 150 bytes can be written."""
    before = save(folder)
    with file_size_limit(150), pytest.raises(RecordError) as error:
        save(folder, 1)
    line = str(error.value)
    assert "\n" not in line
    assert line.startswith(f"{folder / CHECKPOINTS_FOLDER}: cannot be written (")
    assert "free disk space and start again, which resumes from the previous checkpoint" in line
    assert list((folder / CHECKPOINTS_FOLDER).iterdir()) == [before]
    assert read_newest_checkpoint(folder, pytest.fail).folder == before


def test_an_unwritable_folder_raises_one_line(folder, monkeypatch):
    def raise_permission_error(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", raise_permission_error)
    with pytest.raises(RecordError, match=r"cannot be written \(Permission denied\)"):
        save(folder)
