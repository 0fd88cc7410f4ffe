"""Trainings that start with the weights of another training (`cfg.init_from`)."""

from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from Config import make_run_settings
from jnet.errors import WeightsError
from jnet.settings.run import make_training_fingerprint
from jnet.training.checkpoints import read_newest_checkpoint
from jnet.training.resume import TrainingFolder
from jnet.training.step import build_training_step
from jnet.training.train import TrainingRun
from jnet.weights.files import save_weights
from jnet.weights.manifests import check_ancestor, hash_file, optimizer_path, read_manifest
from Models.Build import build
from tests.jnet.training.test_train import Record


@pytest.fixture
def ancestor(tiny_settings, tmp_path):
    """Return weights that are not those of any seed."""
    model = build(tiny_settings.model)
    for weight in model.weights:
        weight.assign(weight + 0.01)
    path = tmp_path / "ancestor.safetensors"
    save_weights(model, tiny_settings.model, path)
    return path


def start(tiny, store, folder, ancestor, **changes):
    """Return a new training that starts with the weights, not trained yet."""
    run = make_run_settings({**tiny, "init_from": str(ancestor), "max_epochs": 1, **changes}, 1)
    sha256 = check_ancestor(run.training.init_from, run.model)
    fingerprint = make_training_fingerprint(run, store.folder.name, sha256)
    claimed = TrainingFolder(folder, fingerprint, read_newest_checkpoint(folder, print))
    return TrainingRun(run, store, claimed, Record())


def test_a_training_starts_with_the_weights_and_its_manifest_names_them(
    tiny, tiny_store, tiny_settings, ancestor, tmp_path
):
    folder = tmp_path / "training"
    folder.mkdir()
    sha256 = hash_file(ancestor)
    training = start(tiny, tiny_store, folder, ancestor, frozen=["encoder", "skip"])
    checkpoint = read_newest_checkpoint(folder, print)
    assert checkpoint.fingerprint["init_from"] == sha256
    first = checkpoint.read_tensors("weights")
    for weight in build(tiny_settings.model).weights:
        np.testing.assert_array_equal(first[weight.path], weight.numpy() + np.float32(0.01))
    trained = training.train()
    assert read_manifest(trained.weights)["ancestor"] == sha256
    for weight in trained.separator.weights:
        is_frozen = weight.path.startswith(("encoder", "skip"))
        assert np.array_equal(first[weight.path], weight.numpy()) == is_frozen


def test_a_resumed_training_does_not_start_again(tiny, tiny_store, ancestor, tmp_path):
    folder = tmp_path / "training"
    folder.mkdir()
    started = start(tiny, tiny_store, folder, ancestor)
    started.step.model.weights[0].assign(started.step.model.weights[0] + 1)
    started.save()
    resumed = start(tiny, tiny_store, folder, ancestor)
    for weight, other in zip(resumed.step.model.weights, started.step.model.weights, strict=True):
        np.testing.assert_array_equal(weight, other)


def test_the_path_of_the_weights_is_not_part_of_the_fingerprint(tiny):
    paths = (
        make_run_settings({**tiny, "init_from": path}, 1)
        for path in ("a.safetensors", "b.safetensors")
    )
    first, second = (make_training_fingerprint(settings, "store", "sha") for settings in paths)
    assert first == second
    random = make_training_fingerprint(make_run_settings(tiny, 1), "store")
    assert (first["init_from"], random["init_from"]) == ("sha", None)


def write_state(ancestor, tensors, settings):
    save_file(tensors, optimizer_path(ancestor))
    save_weights(build(settings), settings, ancestor, optimizer=hash_file(optimizer_path(ancestor)))


def test_an_incomplete_state_of_the_optimizer_is_named(
    tiny, tiny_store, tiny_settings, ancestor, tmp_path
):
    step = build_training_step(tiny_settings.model, tiny_settings.training)
    variables = step.collect_variables()["training"]
    state = {name: np.asarray(variable.value) for name, variable in variables.items()}
    name = "optimizer/decoder_01_conv_bias_velocity"
    state[name] += 1
    write_state(ancestor, state, tiny_settings.model)
    started = start(tiny, tiny_store, tmp_path, ancestor)
    np.testing.assert_array_equal(started.step.collect_variables()["training"][name], state[name])
    del state[name]
    write_state(ancestor, state, tiny_settings.model)
    (tmp_path / "second").mkdir()
    with pytest.raises(WeightsError, match=f"the tensor {name} is missing in the file"):
        start(tiny, tiny_store, tmp_path / "second", ancestor)


def test_weights_of_another_model_are_refused(tiny, tiny_settings, ancestor, tmp_path):
    with pytest.raises(WeightsError, match="num_channels is 1 in the config and 2 in the weights"):
        check_ancestor(str(ancestor), replace(tiny_settings.model, num_channels=1))
    with pytest.raises(WeightsError, match=r"missing.safetensors: does not exist"):
        check_ancestor(str(tmp_path / "missing.safetensors"), tiny_settings.model)
