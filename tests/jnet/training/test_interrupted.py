"""Trainings interrupted in a step or a validation and resumed in the same process."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from Config import make_run_settings
from jnet.data.preparation import prepare
from jnet.errors import WeightsError
from jnet.training.checkpoints import read_newest_checkpoint
from jnet.training.resume import TrainingFolder
from jnet.training.train import TrainingRun
from tests.jnet.training.test_train import Record, copy_weights
from tests.Models.tiny import as_spectrogram_unet

SMALL_J = {"frozen": ["encoder"], "num_layers": 1, "eval_batch_size": 8}
SMALL_U7 = {"num_frames": 49408, "sample_rate": 22050, "batch_sizes": [1], "learning_rates": [1e-3]}
KINDS = {
    "J": lambda tiny: {**tiny, **SMALL_J},
    # With dropout and batch normalisation: states that belong neither to weights nor optimizer.
    "U7": lambda tiny: as_spectrogram_unet(tiny, num_initial_filters=2, **SMALL_U7),
}


class Stopped(KeyboardInterrupt):
    """The exception that `check_interrupted` raises in these tests."""


def stop_at(*calls):
    """Return a `check_interrupted` that raises at the calls with these numbers, from 0."""
    count = iter(range(10**6))

    def check():
        if next(count) in calls:
            raise Stopped

    return check


def train(settings, store, folder, check=lambda: None, run_id=1, report=pytest.fail):
    """Start or resume a training; return its record and its result, None if interrupted."""
    claimed, record = TrainingFolder(folder, {}, read_newest_checkpoint(folder, report)), Record()
    try:
        return record, TrainingRun(settings, store, claimed, record, run_id, check).train()
    except Stopped:
        return record, None


@pytest.fixture(scope="module")
def get_training(tiny, tmp_path_factory):
    """Return a function from a key of `KINDS` to an uninterrupted training.

    The function returns the settings, the store, the record with the result, and the number of
    checks for interruptions.
    """
    trainings = {}

    def get(name):
        if name not in trainings:
            settings = make_run_settings({**KINDS[name](tiny), "max_epochs": 1}, seed=1)
            store = prepare(settings.data, lambda *_: None)
            checks, folder = [], tmp_path_factory.mktemp(name)
            uninterrupted = train(settings, store, folder, lambda: checks.append(1))
            trainings[name] = settings, store, uninterrupted, len(checks)
        return trainings[name]

    return get


def reproducible_scalars(record):
    """Return the recorded scalars, except for the speed of the machine."""
    return {
        name: rows for name, rows in record.scalars.items() if name != "training.steps_per_second"
    }


@pytest.fixture
def without_graphs_for_u7(name):
    """Disable graphs for U7: tracing them takes ten times as long as the few steps."""
    tf.config.run_functions_eagerly(name == "U7")
    yield
    tf.config.run_functions_eagerly(False)


# Two stages of one epoch of three steps: calls 0 to 2 follow the steps of the first epoch, the
# next calls precede the batches of its validation. The graphs of the data cause the warning.
@pytest.mark.usefixtures("without_graphs_for_u7")
@pytest.mark.filterwarnings("ignore:Even though the `tf.config:UserWarning")
@pytest.mark.parametrize(("name", "calls"), [("J", (0, 2)), ("J", (4,)), ("U7", (0,))])
def test_a_resumed_training_equals_an_uninterrupted_training(get_training, tmp_path, name, calls):
    settings, store, (record_wanted, wanted), _ = get_training(name)
    for start, call in enumerate(calls):
        _, trained = train(settings, store, tmp_path, stop_at(call), start)
        assert trained is None
    record, trained = train(settings, store, tmp_path, run_id=9)
    for name, rows in reproducible_scalars(record_wanted).items():
        steps, values = zip(*rows, strict=True)
        again_steps, again = zip(*record.scalars[name], strict=True)
        assert again_steps == steps
        np.testing.assert_allclose(again, values, rtol=1e-5)
    assert record.scalars.keys() == record_wanted.scalars.keys()
    assert dataclasses.replace(trained.progress, best_loss=0) == dataclasses.replace(
        wanted.progress, best_loss=0
    )
    weights = copy_weights(wanted.separator)
    for path, value in copy_weights(trained.separator).items():
        np.testing.assert_allclose(value, weights[path], rtol=1e-4, atol=1e-7, err_msg=path)
    assert read_newest_checkpoint(tmp_path, pytest.fail).state.runs == (*range(len(calls)), 9)


def test_an_interruption_in_the_test_set_repeats_no_training(get_training, tmp_path, capsys):
    settings, store, (record_wanted, wanted), checks = get_training("J")
    capsys.readouterr()
    _, trained = train(settings, store, tmp_path / "stopped", stop_at(checks - 1))
    assert trained is None
    assert "stopped after step 6" in capsys.readouterr().out
    record, trained = train(settings, store, tmp_path / "stopped")
    assert "stage" not in capsys.readouterr().out
    assert trained.test_loss == pytest.approx(wanted.test_loss, rel=1e-5)
    assert record.steps("test.loss") == record_wanted.steps("test.loss")


def test_a_checkpoint_is_written_after_the_configured_time(tiny, tiny_store, tmp_path, monkeypatch):
    """With steps of 40 s and a checkpoint every 100 s: after steps 3 and 6, and after the epoch."""
    entries = {**tiny, "epoch_steps": 8, "max_epochs": 1, "batch_sizes": [2]}
    entries |= {"learning_rates": [1e-3], "checkpoint_minutes": 100 / 60, "num_layers": 1}
    settings = make_run_settings(entries, seed=1)
    now, saved = [0.0], []
    monkeypatch.setattr("jnet.training.train.time.monotonic", lambda: now[0])

    def save(folder, state, *_):
        saved.append((now[0], state.step))

    monkeypatch.setattr("jnet.training.train.save_checkpoint", save)

    def check():
        now[0] += 40.0

    TrainingRun(settings, tiny_store, TrainingFolder(tmp_path, {}), Record(), 1, check).train()
    assert saved[:3] == [(0.0, 0), (120.0, 3), (240.0, 6)]
    assert {step for _, step in saved[3:]} == {8}


def test_a_training_resumes_from_the_checkpoint_before_a_damaged_one(get_training, tmp_path):
    settings, store, (_, wanted), _ = get_training("J")
    train(settings, store, tmp_path, stop_at(1))
    train(settings, store, tmp_path, stop_at(0))
    newest = max((tmp_path / "checkpoints").iterdir())
    (newest / "training.safetensors").unlink()
    messages = []
    _, trained = train(settings, store, tmp_path, report=messages.append)
    assert len(messages) == 1
    assert trained.test_loss == pytest.approx(wanted.test_loss, rel=1e-5)


def test_a_checkpoint_of_another_model_is_rejected(tiny, tiny_store, tmp_path):
    settings = make_run_settings(tiny, seed=1)
    train(settings, tiny_store, tmp_path, stop_at(0))
    other = make_run_settings({**tiny, "filter_size": 7}, seed=1)
    with pytest.raises(WeightsError, match=r"kernel is \[5, 12, 16\] float32 in the file"):
        train(other, tiny_store, tmp_path)
