"""Trainings interrupted at a step, in a validation or between, and gone on with in this process."""

import dataclasses

import numpy as np
import pytest

from Config import specs
from Engine.Checkpoints import newest_checkpoint
from Engine.Resume import Place
from Engine.Train import train
from Input.Preparation import prepare
from Spec.Errors import WeightsError
from Spec.Shapes import ONLY_WAVE_U_NET
from tests.Engine.test_Train import Record, copied

KINDS = {
    "J": {"frozen": ["encoder"]},
    # Dropout and batch normalisation: states that are neither weights nor the optimizer's.
    "U7": {
        **ONLY_WAVE_U_NET,
        "network": "unet_spectrogram",
        "num_initial_filters": 2,
        "num_frames": 49408,
        "num_channels": 1,
        "sample_rate": 22050,
        "batch_sizes": [1],
        "learning_rates": [1e-3],
    },
}


class Stopped(KeyboardInterrupt):
    """What `check_interrupted` raises here."""


def stops(*calls):
    """A `check_interrupted` that raises at the calls of these numbers."""
    count = iter(range(10**6))

    def check():
        if next(count) in calls:
            raise Stopped

    return check


def run(described, store, folder, check=lambda: None, name=1, said=pytest.fail):
    """One start of a training; its record, and what it came to, None when it was interrupted."""
    place, record = Place(folder, {}, newest_checkpoint(folder, said)), Record()
    try:
        return record, train(described.model, described.training, store, place, record, name, check)
    except Stopped:
        return record, None


@pytest.fixture(scope="module")
def kind(tiny, tmp_path_factory):
    """A kind of model, its data, and what an undisturbed training of it comes to."""
    known = {}

    def made(name):
        if name not in known:
            described = specs({**tiny, **KINDS[name], "max_epochs": 1}, seed=1)
            store = prepare(described.data, lambda *_: None)
            known[name] = described, store, run(described, store, tmp_path_factory.mktemp(name))
        return known[name]

    return made


def numbers(record):
    """What was recorded, without what is the machine's."""
    return {
        name: rows for name, rows in record.scalars.items() if name != "training.steps_per_second"
    }


# Two stages of one epoch of three steps: calls 0 to 2 come after the steps of the first, the next
# ones before every batch of its validation.
@pytest.mark.parametrize(("name", "calls"), [("J", (0, 2)), ("J", (4,)), ("U7", (0,))])
def test_a_training_goes_on_as_if_it_had_not_been_interrupted(kind, tmp_path, name, calls):
    described, store, (whole, wanted) = kind(name)
    for start, call in enumerate(calls):
        _, trained = run(described, store, tmp_path, stops(call), start)
        assert trained is None
    record, trained = run(described, store, tmp_path, name=9)
    for name, rows in numbers(whole).items():
        steps, values = zip(*rows, strict=True)
        again_steps, again = zip(*record.scalars[name], strict=True)
        assert again_steps == steps
        np.testing.assert_allclose(again, values, rtol=1e-5)
    assert record.scalars.keys() == whole.scalars.keys()
    assert dataclasses.replace(trained.progress, best_loss=0) == dataclasses.replace(
        wanted.progress, best_loss=0
    )
    weights = copied(wanted.separator)
    for path, value in copied(trained.separator).items():
        np.testing.assert_allclose(value, weights[path], rtol=1e-4, atol=1e-7, err_msg=path)
    assert newest_checkpoint(tmp_path, pytest.fail).state.runs == (*range(len(calls)), 9)


def test_an_interruption_in_the_test_set_costs_no_training(kind, tmp_path, capsys):
    described, store, (whole, wanted) = kind("J")
    checks = []
    run(described, store, tmp_path / "counted", lambda: checks.append(1))
    capsys.readouterr()
    _, trained = run(described, store, tmp_path / "stopped", stops(len(checks) - 1))
    assert trained is None
    assert "stopped after step 6" in capsys.readouterr().out
    record, trained = run(described, store, tmp_path / "stopped")
    assert "stage" not in capsys.readouterr().out
    assert trained.test_loss == pytest.approx(wanted.test_loss, rel=1e-5)
    assert record.steps("test.loss") == whole.steps("test.loss")


def test_a_checkpoint_is_written_after_the_stated_time_and_no_sooner(
    tiny, tiny_store, tmp_path, monkeypatch
):
    """Steps of 40 s and a checkpoint every 100 s: after steps 3 and 6, and at the epoch's end."""
    entries = {**tiny, "epoch_steps": 8, "max_epochs": 1, "batch_sizes": [2]}
    entries |= {"learning_rates": [1e-3], "checkpoint_minutes": 100 / 60}
    described = specs(entries, seed=1)
    now, saved = [0.0], []
    monkeypatch.setattr("Engine.Train.time.monotonic", lambda: now[0])

    def save(folder, state, *_):
        saved.append((now[0], state.step))

    monkeypatch.setattr("Engine.Train.save_checkpoint", save)

    def check():
        now[0] += 40.0

    train(described.model, described.training, tiny_store, Place(tmp_path, {}), Record(), 1, check)
    assert saved[:3] == [(0.0, 0), (120.0, 3), (240.0, 6)]
    assert {step for _, step in saved[3:]} == {8}


def test_a_damaged_checkpoint_costs_what_was_done_since_the_one_before(kind, tmp_path):
    described, store, (_, wanted) = kind("J")
    run(described, store, tmp_path, stops(1))
    run(described, store, tmp_path, stops(0))
    newest = max((tmp_path / "checkpoints").iterdir())
    (newest / "training.safetensors").unlink()
    said = []
    _, trained = run(described, store, tmp_path, said=said.append)
    assert len(said) == 1
    assert trained.test_loss == pytest.approx(wanted.test_loss, rel=1e-5)


def test_a_checkpoint_of_another_model_is_refused_before_anything_is_changed(
    tiny, tiny_store, tmp_path
):
    described = specs(tiny, seed=1)
    run(described, tiny_store, tmp_path, stops(0))
    other = specs({**tiny, "filter_size": 7}, seed=1)
    with pytest.raises(WeightsError, match=r"kernel is \(\(5, 12, 16\), 'float32'\) in the"):
        run(other, tiny_store, tmp_path)
