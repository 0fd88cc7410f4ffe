"""The choice of the training that a start resumes, and the trainings that it rejects."""

import os

import numpy as np
import pytest

from Config import make_run_settings
from jnet.errors import ConfigError, RecordError, WeightsError
from jnet.names import SCORES
from jnet.settings.run import make_training_fingerprint
from jnet.system.locks import locked
from jnet.training.checkpoints import State, save_checkpoint
from jnet.training.resume import TRAINING, claim_training
from jnet.training.schedule import Progress

TENSORS = {"x": np.zeros(3, np.float32)}


@pytest.fixture(scope="module")
def fingerprint(tiny_settings):
    return make_training_fingerprint(tiny_settings, "tiny-8000Hz-0123")


@pytest.fixture
def save_training(tmp_path, fingerprint):
    """Return a function that saves a checkpoint of a training in a folder."""

    def save(name, step=3, test_loss=None, fingerprint=fingerprint, run=17):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        state = State(Progress(step=step), runs=(run,), test_loss=test_loss)
        saved = save_checkpoint(folder, state, fingerprint, {"weights": TENSORS})
        os.utime(saved, (step, step))  # ordered by time, unlike the names
        return folder

    return save


def claim(root, fingerprint, experiment_id=None, report=pytest.fail):
    with claim_training(root, experiment_id, "new", fingerprint, report) as claimed:
        return claimed


def test_a_new_training_gets_a_new_folder(tmp_path, fingerprint):
    claimed = claim(tmp_path, fingerprint)
    assert (claimed.folder, claimed.checkpoint, claimed.resumed) == (tmp_path / "new", None, None)
    assert claimed.describe() == f"training into {tmp_path / 'new'}"


def test_the_newest_interrupted_training_is_resumed(tmp_path, fingerprint, save_training):
    save_training("b", step=5, run=1)
    save_training("c", step=9, run=2)
    save_training("a", step=7, run=3)
    claimed = claim(tmp_path, fingerprint)
    assert claimed.folder == tmp_path / "c"
    assert claimed.resumed == 2
    assert claimed.checkpoint.state.step == 9
    assert claimed.describe() == f"resuming {tmp_path / 'c'}, run 2, after step 9"


def test_a_training_without_scores_is_resumed(tmp_path, fingerprint, save_training):
    folder = save_training("a", test_loss=0.5)
    claimed = claim(tmp_path, fingerprint)
    assert claimed.folder == folder
    assert claimed.describe() == f"{folder} is trained: only its scores are missing"


def test_a_finished_training_is_used_again_if_none_is_unfinished(
    tmp_path, fingerprint, save_training
):
    finished = [save_training(f"finished {step}", step, test_loss=0.5) for step in (8, 9)]
    for folder in finished:
        (folder / SCORES).write_text("{}")
    claimed = claim(tmp_path, fingerprint)
    assert claimed.folder == finished[1]
    assert claimed.describe().endswith("to train again, give a new experiment_id")
    assert claim(tmp_path, fingerprint, "other").checkpoint is None
    unfinished = save_training("unfinished", 1)
    assert claim(tmp_path, fingerprint).folder == unfinished


def test_trainings_with_another_config_seed_or_data_are_not_resumed(
    tmp_path, fingerprint, tiny, save_training
):
    other = make_training_fingerprint(
        make_run_settings({**tiny, "filter_size": 7}, 1), fingerprint["store"]
    )
    save_training("config", fingerprint=other)
    save_training(
        "seed",
        fingerprint=make_training_fingerprint(make_run_settings(tiny, 2), fingerprint["store"]),
    )
    save_training("data", fingerprint={**fingerprint, "store": "tiny-8000Hz-4567"})
    assert claim(tmp_path, fingerprint).folder == tmp_path / "new"


def test_another_config_with_the_same_experiment_id_is_rejected_with_differences(
    tmp_path, fingerprint, tiny, save_training
):
    changed = make_run_settings({**tiny, "filter_size": 7, "learning_rates": [1e-2, 1e-4]}, 2)
    save_training("a", fingerprint=make_training_fingerprint(changed, "tiny-8000Hz-4567"))
    with pytest.raises(ConfigError) as error:
        claim(tmp_path, fingerprint, "a")
    for words in (
        "cfg.filter_size is 5 and was 7",
        "cfg.learning_rates is [0.001, 0.0001] and was [0.01, 0.0001]",
        "; seed is 1 and was 2",
        "the prepared data is 'tiny-8000Hz-0123' and was 'tiny-8000Hz-4567'",
    ):
        assert words in str(error.value)
    assert str(error.value).count(" and was ") == 4


@pytest.mark.parametrize(
    "entry",
    [{"output_path": "elsewhere"}, {"eval_batch_size": 1}, {"checkpoint_minutes": None}],
    ids=lambda entry: next(iter(entry)),
)
def test_entries_that_affect_no_weights_may_change(fingerprint, tiny, entry):
    assert (
        make_training_fingerprint(make_run_settings({**tiny, **entry}, 1), fingerprint["store"])
        == fingerprint
    )


def test_additional_entries_in_fingerprints_of_version_0_1_0_are_ignored(
    tmp_path, save_training, fingerprint
):
    save_training(
        "a", fingerprint={**fingerprint, "deterministic": True, "precision_of_0_1_0": "x"}
    )
    assert claim(tmp_path, fingerprint).folder == tmp_path / "a"


def test_a_training_of_another_process_is_not_resumed(tmp_path, fingerprint, save_training):
    folder = save_training("a")
    with locked(folder / TRAINING.lock, ""):
        assert claim(tmp_path, fingerprint).folder == tmp_path / "new"
        with pytest.raises(RecordError, match="another process is training in this folder"):
            claim(tmp_path, fingerprint, "a")
    assert claim(tmp_path, fingerprint).folder == folder


def test_weights_without_a_checkpoint_are_not_overwritten(tmp_path, fingerprint):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "best.json").write_text("{}")
    with pytest.raises(WeightsError, match="contains weights but no checkpoint"):
        claim(tmp_path, fingerprint, "a")


def test_a_damaged_checkpoint_is_reported(tmp_path, fingerprint, save_training):
    save_training("a", step=3)
    save_training("a", step=5)
    os.truncate(tmp_path / "a/checkpoints/000002/weights.safetensors", 1)
    messages = []
    assert claim(tmp_path, fingerprint, report=messages.append).checkpoint.state.step == 3
    assert "000002/weights.safetensors: is damaged: resuming from" in messages[0]
