"""Which training a start goes on with, and which it refuses."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from Config import specs
from Engine.Checkpoints import State, save_checkpoint
from Engine.Resume import LOCK, SCORES, claimed, statement_of
from Engine.Schedule import Progress
from Spec.Errors import ConfigError, RecordError, WeightsError
from tests.conftest import ROOT

TENSORS = {"x": np.zeros(3, np.float32)}


@pytest.fixture(scope="module")
def statement(tiny_specs):
    return statement_of(tiny_specs, "tiny-8000Hz-0123")


@pytest.fixture
def held(tmp_path, statement):
    """Puts a training into a folder: `held("a", step=3)`."""

    def put(name, step=3, test_loss=None, statement=statement, run=17):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        state = State(Progress(step=step), runs=(run,), test_loss=test_loss)
        saved = save_checkpoint(folder, state, statement, TENSORS, TENSORS)
        os.utime(saved, (step, step))  # the order of time, not of names
        return folder

    return put


def claim(root, statement, experiment_id=None, said=None):
    with claimed(root, experiment_id, "new", statement, (said or pytest.fail)) as place:
        return place


def test_a_new_training_gets_the_folder_of_its_run(tmp_path, statement):
    place = claim(tmp_path, statement)
    assert (place.folder, place.checkpoint, place.resumed) == (tmp_path / "new", None, None)
    assert place.said() == f"training into {tmp_path / 'new'}"


def test_one_that_was_interrupted_is_gone_on_with(tmp_path, statement, held):
    held("b", step=5, run=1)
    held("c", step=9, run=2)
    held("a", step=7, run=3)
    place = claim(tmp_path, statement)
    assert place.folder == tmp_path / "c"
    assert place.resumed == 2
    assert place.checkpoint.state.step == 9
    assert place.said() == f"going on with {tmp_path / 'c'}, run 2, after step 9"


def test_one_that_is_trained_but_not_scored_is_gone_on_with(tmp_path, statement, held):
    folder = held("a", test_loss=0.5)
    place = claim(tmp_path, statement)
    assert place.folder == folder
    assert place.said() == f"{folder} is trained: going on to its scores"
    (folder / SCORES).write_text("{}")
    assert claim(tmp_path, statement).folder == tmp_path / "new"
    assert claim(tmp_path, statement, "a").folder == folder  # named, it is looked at again


def test_one_of_another_config_seed_or_data_is_left_alone(tmp_path, statement, tiny, held):
    other = statement_of(specs({**tiny, "filter_size": 7}, 1), statement["store"])
    held("config", statement=other)
    held("seed", statement=statement_of(specs(tiny, 2), statement["store"]))
    held("data", statement={**statement, "store": "tiny-8000Hz-4567"})
    assert claim(tmp_path, statement).folder == tmp_path / "new"


def test_another_config_under_the_same_name_is_refused_naming_what_differs(
    tmp_path, statement, tiny, held
):
    changed = specs({**tiny, "filter_size": 7, "learning_rates": [1e-2, 1e-4]}, 2)
    held("a", statement=statement_of(changed, "tiny-8000Hz-4567"))
    with pytest.raises(ConfigError) as error:
        claim(tmp_path, statement, "a")
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
def test_what_no_weight_depends_on_may_change(statement, tiny, entry):
    assert statement_of(specs({**tiny, **entry}, 1), statement["store"]) == statement


def test_every_other_entry_of_model_and_training_counts(tiny_specs, statement):
    """Whatever a model or training is made of is in the statement, also what is added later."""
    for spec in (tiny_specs.model, tiny_specs.training):
        for name in vars(spec):
            if name not in ("stages", "output_path", "eval_batch_size", "checkpoint_minutes"):
                assert name in statement
    stages = (replace(tiny_specs.training.stages[0], batch_size=3),)
    changed = replace(tiny_specs, training=replace(tiny_specs.training, stages=stages))
    assert statement_of(changed, statement["store"])["batch_sizes"] == [3]


def test_one_that_another_process_works_on_is_left_to_it(tmp_path, statement, held):
    folder = held("a")
    script = (
        "import sys\nfrom pathlib import Path\nfrom Spec.Lock import locked\n"
        "with locked(Path(sys.argv[1]), ''):\n    print('locked', flush=True)\n    sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, folder / LOCK],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as other:
        assert other.stdout.readline() == b"locked\n"
        assert claim(tmp_path, statement).folder == tmp_path / "new"
        with pytest.raises(RecordError, match="another training is at work in this folder"):
            claim(tmp_path, statement, "a")
        other.stdin.close()
        other.wait()
    assert claim(tmp_path, statement).folder == folder


def test_weights_without_a_checkpoint_are_not_trained_over(tmp_path, statement):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "best.json").write_text("{}")
    with pytest.raises(WeightsError, match="holds weights and no checkpoint"):
        claim(tmp_path, statement, "a")


def test_a_damaged_checkpoint_is_said(tmp_path, statement, held):
    held("a", step=3)
    held("a", step=5)
    os.truncate(tmp_path / "a/checkpoints/000002/weights.safetensors", 1)
    said = []
    assert claim(tmp_path, statement, said=said.append).checkpoint.state.step == 3
    assert "000002/weights.safetensors: is damaged: going on from" in said[0]
