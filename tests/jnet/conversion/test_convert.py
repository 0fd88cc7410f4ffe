"""Converted checkpoints of the original Wave-U-Net against a TensorFlow 1 graph; bad input."""

import functools
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file

import Convert
from Config import DEFAULTS, make_run_settings
from jnet.conversion.convert import convert, count_steps, make_weight
from jnet.conversion.sources import find_source
from jnet.errors import ConfigError, WeightsError
from jnet.training.step import build_training_step
from jnet.training.train import load_ancestor
from jnet.weights.manifests import check_ancestor, hash_file, optimizer_path, read_manifest
from Models.Foreign import ForeignTensor
from tests.jnet.conversion.original import DOWN, FILTERS, LEVELS, RATE, UP, build_original, draw

SIZES = {
    **DEFAULTS,
    "num_layers": LEVELS,
    "num_initial_filters": FILTERS,
    "filter_size": DOWN,
    "merge_filter_size": UP,
    "num_frames": 64,
    "batch_sizes": [2],
    "learning_rates": [RATE],
}
VOICE, INSTRUMENTS = "voice", "multi_instrument"
# Upsampling, output type, context, task, channels.
MODELS = {
    "M1": ("linear", "direct", False, VOICE, 1),
    "M4": ("linear", "difference", True, VOICE, 2),
    "learned_difference": ("learned", "difference", True, INSTRUMENTS, 2),
    "learned_direct": ("learned", "direct", False, INSTRUMENTS, 1),
}
STEPS, GLOBAL_STEP = 3, 186093


def make_entries(name):
    upsampling, output_type, context, task, channels = MODELS[name]
    return {
        **SIZES,
        "upsampling": upsampling,
        "output_type": output_type,
        "context": context,
        "task": task,
        "num_channels": channels,
    }


def build_graph(settings):
    return build_original(
        settings.input_samples,
        settings.output_samples,
        settings.num_channels,
        len(settings.sources),
        settings.upsampling == "learned",
        settings.output_type == "difference",
        settings.context,
    )


def draw_batch(settings, seed):
    samples, outputs, channels = (
        settings.input_samples,
        settings.output_samples,
        settings.num_channels,
    )
    sources = draw(seed + 1, 2, outputs, len(settings.sources), channels)
    return draw(seed, 2, samples, channels), sources


def run_convert(entries, path, output, **more):
    """Run Convert.py with the entries that differ from the defaults."""
    changes = {key: value for key, value in entries.items() if value != DEFAULTS[key]}
    updates = {"input_path": str(path), "output_path": str(output), "cfg": changes, **more}
    Convert.ex.run(config_updates=updates, options={"--unobserved": True})


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Return a function that returns the graph of a model and its checkpoint after some steps."""

    @functools.cache
    def train(name):
        settings = make_run_settings(make_entries(name), seed=1).model
        original = build_graph(settings)
        for step in range(STEPS):
            original.step(*draw_batch(settings, 10 * step))
        return original, Path(original.save(tmp_path_factory.mktemp(name) / name, GLOBAL_STEP))

    return train


@pytest.fixture(scope="module", params=MODELS)
def converted(request, originals):
    """Return the run settings, converted weights and the graph."""
    original, prefix = originals(request.param)
    run = make_run_settings(make_entries(request.param), seed=1)
    weights = prefix.with_suffix(".safetensors")
    convert(find_source(prefix), weights, run.model, "MIT")
    return run, weights, original


def test_converted_weights_and_the_next_step_equal_those_of_the_graph(converted):
    run, weights, original = converted
    step = build_training_step(run.model, run.training)
    load_ancestor(step, run.model, weights, read_manifest(weights)["sha256"])
    assert int(step.optimizer.iterations) == STEPS
    mix, sources = draw_batch(run.model, 99)
    wanted = original.separate(mix)
    estimates = np.asarray(step.model(mix, training=True))
    assert estimates.shape == wanted.shape
    assert np.abs(wanted).max() > 0.1
    np.testing.assert_allclose(estimates, wanted, atol=1e-6)

    before = {weight.path: weight.numpy() for weight in step.model.weights}
    step.train_on_batch(mix, sources, 0)
    original.step(mix, sources)
    graph, names = original.weights(), make_map(run.model)
    for weight in step.model.weights:
        value = weight.numpy()
        np.testing.assert_allclose(value, graph[names[weight.path]], atol=1e-6, err_msg=weight.path)
        assert np.abs(value - before[weight.path]).max() > RATE / 20


def make_map(settings):
    """Return the original name of each weight: numbered from the input to the outputs."""
    levels = [*range(1, LEVELS + 1)]
    order = [*(f"encoder_{n:02d}_conv" for n in levels), "bottleneck_conv"]
    order += [f"decoder_{n:02d}_conv" for n in reversed(levels)]
    heads = settings.sources if settings.output_type == "direct" else settings.sources[:-1]
    order += [f"output_{source}_conv" for source in heads]
    names = {}
    for number, layer in enumerate(order):
        for kind in ("kernel", "bias"):
            names[f"{layer}/{kind}"] = f"separator/conv1d{f'_{number}' if number else ''}/{kind}"
    for index in range(LEVELS if settings.upsampling == "learned" else 0):
        path = f"decoder_{LEVELS - index:02d}_upsample/interpolation"
        names[path] = f"separator/interp_{index}"
    return names


def test_the_manifest_names_the_origin_the_licence_and_the_state_of_adam(converted):
    _, weights, _ = converted
    manifest = read_manifest(weights)
    names = [f"{weights.stem}.{end}" for end in ("index", "data-00000-of-00001")]
    assert manifest["origin"] == {
        "format": "TensorFlow 1 checkpoint",
        "files": {name: hash_file(weights.parent / name) for name in names},
    }
    assert manifest["licence"] == "MIT"
    assert manifest["optimizer"] == hash_file(optimizer_path(weights))


def test_the_state_has_all_moments_under_the_names_of_checkpoints(converted):
    run, weights, _ = converted
    state = load_file(optimizer_path(weights))
    step = build_training_step(run.model, run.training)
    variables = step.collect_variables()["training"]
    assert state.keys() == variables.keys() - {"optimizer/learning_rate"}
    assert state["optimizer/iteration"] == STEPS


# Bad input. One checkpoint of M4 for all tests.


@pytest.fixture
def copied(originals, tmp_path):
    _, prefix = originals("M4")
    for end in ("index", "data-00000-of-00001"):
        shutil.copy(f"{prefix}.{end}", tmp_path / f"m4-7.{end}")
    return tmp_path / "m4-7"


def check_refused(path, words, entries=None, error_type=WeightsError):
    """Check that the conversion ends with one line with `words`, and writes nothing."""
    output = path.parent / "out" / "w.safetensors"
    with pytest.raises(error_type) as error:
        convert_directly(entries or make_entries("M4"), path, output)
    message = str(error.value)
    assert "\n" not in message
    assert len(message) < 600
    for word in [words] if isinstance(words, str) else words:
        assert word in message
    assert not output.parent.exists()


def convert_directly(entries, path, output):
    """Convert without Sacred, which takes time."""
    convert(find_source(path), output, make_run_settings(entries, seed=1).model, None)


@pytest.mark.parametrize("end", ["", ".index", ".data-00000-of-00001"])
def test_a_checkpoint_can_be_given_by_its_prefix_or_a_file(copied, end):
    output = copied.parent / "new" / "w.safetensors"
    convert_directly(make_entries("M4"), copied.with_name(copied.name + end), output)
    assert read_manifest(output)["licence"] is None
    assert len(read_manifest(output)["origin"]["files"]) == 2


def test_missing_files_are_named(copied):
    copied.with_name("m4-7.data-00000-of-00001").unlink()
    check_refused(copied, "m4-7.data-00000-of-00001: is missing")
    check_refused(copied.with_name("m4-7.index"), "m4-7.data-00000-of-00001: is missing")
    check_refused(copied.with_name("m4-8"), "m4-8: does not exist")
    check_refused(copied.parent, f"{copied.parent}: is a folder")
    check_refused(copied.with_name("m4-8.index"), "m4-8.index: is missing")
    for part in (1, 2):
        copied.with_name(f"m4-7.data-0000{part}-of-00003").touch()
    check_refused(copied, "m4-7.data-00000-of-00003: is missing")
    copied.with_name("m4-7.index").unlink()
    check_refused(copied, "m4-7.index: is missing")


@pytest.mark.parametrize("end", ["index", "data-00000-of-00001"])
@pytest.mark.parametrize("damage", ["cut", "empty", "flip"])
def test_damaged_checkpoints_are_refused(copied, end, damage):
    path = copied.with_name(f"m4-7.{end}")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle] ^= 0xFF
    path.write_bytes({"cut": content[:middle], "empty": b"", "flip": bytes(content)}[damage])
    check_refused(copied, ["m4-7", "damaged"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_layers": 2}, "has the tensor separator/conv1d_6/bias, which the model does not"),
        ({"num_layers": 4}, "has no tensor separator/conv1d_8/bias"),
        ({"num_initial_filters": 5}, "tensor separator/conv1d/kernel has the shape [5, 2, 4], whi"),
        ({"filter_size": 7}, "tensor separator/conv1d/kernel has the shape [5, 2, 4]"),
        ({"num_channels": 1}, "tensor separator/conv1d/kernel has the shape [5, 2, 4]"),
        ({"upsampling": "learned"}, "has no tensor separator/interp_0"),
        ({"output_type": "direct"}, "has no tensor separator/conv1d_8/bias"),
        ({"task": INSTRUMENTS}, "has no tensor separator/conv1d_8/bias"),
    ],
    ids=str,
)
def test_tensors_of_another_model_are_named(copied, changes, words):
    check_refused(copied, words, {**make_entries("M4"), **changes})


@pytest.mark.parametrize(
    "changes", [{"multires_levels": "first1"}, {"skip_levels": "none"}, {"res_path_units": 1}]
)
def test_models_that_the_original_does_not_have_are_refused(copied, changes):
    entries = {**make_entries("M4"), "context": False, **changes}
    check_refused(copied, "the original Wave-U-Net has all skips", entries, ConfigError)


def write_bundle(prefix, tensors):
    """Write a checkpoint of the given tensors by name."""
    values = [tf.constant(value) for value in tensors.values()]
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=[*tensors],
        shape_and_slices=[""] * len(tensors),
        tensors=values,
    )
    return prefix


@pytest.fixture(scope="module")
def tensors(originals):
    reader = tf.train.load_checkpoint(str(originals("M4")[1]))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


SOLVER = "separator_solver/"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("separator/extra", np.float32(1), "has the tensor separator/extra"),
        ("other", np.float32(1), "has the tensor other"),
        ("separator/conv1d/kernel", None, "has no tensor separator/conv1d/kernel"),
        (
            "separator/conv1d/bias",
            np.full(4, np.nan, np.float32),
            "separator/conv1d/bias has values that",
        ),
        ("separator/conv1d/bias", np.array(["a"] * 4), "separator/conv1d/bias has the type string"),
        ("separator/conv1d/bias", np.zeros((2, 2), np.float32), "bias has the shape [2, 2]"),
        (f"{SOLVER}separator/conv1d/bias/Adam", None, f"no tensor {SOLVER}separator/conv1d/bias/A"),
        (f"{SOLVER}separator/conv1d/bias/Adam_1", np.zeros(3, np.float32), "bias/Adam_1 has the s"),
        (f"{SOLVER}beta1_power", None, f"has no tensor {SOLVER}beta1_power"),
        (f"{SOLVER}beta1_power", np.zeros(2, np.float32), "beta1_power is not a number"),
        (f"{SOLVER}beta1_power", np.float32(0.5), "its beta1_power is 0.5"),
        (f"{SOLVER}beta2_power", np.float32(np.nan), "its beta1_power is 0.6561"),
        ("beta2_power", np.float32(0.998), f"has the tensor {SOLVER}beta2_power"),
    ],
)
def test_missing_and_unknown_and_invalid_tensors_are_named(tensors, tmp_path, name, value, words):
    changed = {key: other for key, other in tensors.items() if key != name}
    if value is not None:
        changed[name] = value
    check_refused(write_bundle(tmp_path / "changed", changed), words)


def test_weights_without_adam_have_no_optimizer(tensors, tmp_path):
    kept = {key: value for key, value in tensors.items() if not key.startswith(SOLVER)}
    output = tmp_path / "w.safetensors"
    optimizer_path(output).write_bytes(b"of earlier weights")
    convert_directly(make_entries("M4"), write_bundle(tmp_path / "few", kept), output)
    assert "optimizer" not in read_manifest(output)
    assert not optimizer_path(output).exists()


def test_a_tensor_larger_than_the_files_is_refused_before_it_is_allocated(copied, monkeypatch):
    reader = tf.train.load_checkpoint(str(copied))

    class Hostile:
        def get_variable_to_shape_map(self):
            return {**reader.get_variable_to_shape_map(), "separator/conv1d/bias": [2**40]}

        def get_variable_to_dtype_map(self):
            return reader.get_variable_to_dtype_map()

        def get_tensor(self, name):
            assert name != "separator/conv1d/bias"
            return reader.get_tensor(name)

    monkeypatch.setattr(tf.train, "load_checkpoint", lambda path: Hostile())
    check_refused(copied, "separator/conv1d/bias of shape [1099511627776] is larger than the files")


def test_existing_weights_are_kept_unless_overwrite_is_given(copied):
    output = copied.with_name("w.safetensors")
    for path in (output, output.with_suffix(".json"), optimizer_path(output)):
        path.write_text("mine")
        with pytest.raises(ConfigError, match=f"{path.name}: exists: give another output_path"):
            run_convert(make_entries("M4"), copied, output)
        assert path.read_text() == "mine"
        path.unlink()
    output.write_text("mine")
    run_convert(make_entries("M4"), copied, output, overwrite=True)
    assert read_manifest(output)["sha256"] == hash_file(output)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"input_path": None}, "nothing to convert: give input_path="),
        ({"output_path": None}, "no output: give output_path="),
        ({"output_path": "w.th"}, "output_path is 'w.th': give a file that ends in .safetensors"),
        ({"licence": 3}, "licence is 3: give a text"),
        ({"overwrite": 1}, "overwrite is 1: give True or False"),
    ],
)
def test_invalid_entries_are_refused(copied, tmp_path, entries, words):
    updates = {"input_path": str(copied), "output_path": str(tmp_path / "w.safetensors"), **entries}
    with pytest.raises(ConfigError, match=words):
        Convert.ex.run(config_updates=updates, options={"--unobserved": True})


def test_networks_without_known_weights_are_refused(copied):
    entries = {**DEFAULTS, "network": "unet_spectrogram", "num_layers": DEFAULTS["num_layers"]}
    check_refused(copied, "unet_spectrogram", entries, ConfigError)


# Adam's number of steps


@pytest.mark.parametrize("steps", [0, 1, 100, 828, 2000, 50000, 80000])
def test_the_number_of_steps_follows_from_the_powers(tmp_path, steps):
    """The powers are multiplied in float32, as in TensorFlow; the global step does not count."""
    powers = {"beta1_power": np.float32(0.9), "beta2_power": np.float32(0.999)}
    factors = dict(powers)
    for _ in range(steps):
        powers = {key: value * factors[key] for key, value in powers.items()}
    numbers = {key: float(value) for key, value in powers.items()}
    assert count_steps(tmp_path, {**numbers, "global_step": 5}) == steps


@pytest.mark.parametrize(("global_step", "steps"), [(186093, 186093), (None, None), (7, None)])
def test_powers_of_zero_are_after_many_steps(tmp_path, global_step, steps):
    numbers = {"beta1_power": 0.0, "beta2_power": 0.0}
    if global_step is not None:
        numbers["global_step"] = global_step
    counted = count_steps(tmp_path, numbers)
    assert counted == steps or counted > math.log(1e-37) / math.log(0.999)


# Weights from several tensors


def test_tensors_of_other_sizes_are_neither_repeated_nor_cut(tmp_path):
    weight = keras.Variable(np.zeros(4, np.float32), name="bias")
    added = ForeignTensor(("ih", "hh"), np.add)
    pair = {"ih": np.ones(4, np.float32), "hh": np.full(4, 2.0, np.float32)}
    np.testing.assert_array_equal(make_weight(tmp_path, pair, added, weight), [3, 3, 3, 3])
    with pytest.raises(WeightsError, match=r"tensor hh has the shape \[1\]"):
        make_weight(tmp_path, {**pair, "hh": np.ones(1)}, added, weight)
    chosen = ForeignTensor(("ih",), lambda bias: bias[[1, 0, 2, 3]])
    with pytest.raises(WeightsError, match=r"tensor ih has the shape \[6\]"):
        make_weight(tmp_path, {"ih": np.ones(6)}, chosen, weight)


# The start of a training


def test_a_training_starts_only_with_weights_of_its_model(copied):
    output = copied.with_name("w.safetensors")
    convert_directly(make_entries("M4"), copied, output)
    model = make_run_settings(make_entries("M4"), seed=3).model
    assert check_ancestor(str(output), model) == hash_file(output)
    assert check_ancestor(None, model) is None
    frozen = make_run_settings({**make_entries("M4"), "frozen": ["encoder"]}, seed=3)
    step = build_training_step(frozen.model, frozen.training)
    load_ancestor(step, frozen.model, output, hash_file(output))
    assert int(step.optimizer.iterations) == STEPS
    with pytest.raises(WeightsError, match=r"num_frames is 128 in the config"):
        check_ancestor(str(output), replace(model, num_frames=128))
    with pytest.raises(WeightsError, match="has changed since the start of this run"):
        load_ancestor(step, frozen.model, output, "another")
    state = optimizer_path(output)
    state.write_bytes(state.read_bytes()[:-1])
    with pytest.raises(WeightsError, match=r"optimizer.safetensors: is missing or does not match"):
        check_ancestor(str(output), model)
    assert json.loads(output.with_suffix(".json").read_text())["optimizer"]
