"""Converted weights give the outputs of the graphs from which they come, and the next step."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

import Convert
from Config import DEFAULTS, make_run_settings
from jnet.conversion.convert import convert
from jnet.errors import ConfigError, WeightsError
from jnet.training.step import build_training_step
from jnet.training.train import load_ancestor
from jnet.weights.files import load_weights
from jnet.weights.manifests import optimizer_path, read_manifest
from Models.Build import build
from Models.Demucs.StateDict import map_state_dict
from Models.WaveUnet.OriginalNames import map_variables
from tests.jnet.conversion.states import draw_state
from tests.jnet.conversion.test_torch_files import HERE

v1 = tf.compat.v1
TINY = {
    **DEFAULTS,
    "num_layers": 3,
    "num_initial_filters": 2,
    "filter_size": 5,
    "merge_filter_size": 3,
    "num_frames": 64,
    "sample_rate": 8000,
    "batch_sizes": [2],
    "learning_rates": [1e-3],
}
# Linear and learned upsampling, direct and difference output, two and four sources, both modes.
MODELS = {
    "M1": {"num_channels": 1, "output_type": "direct"},
    "M5": {"context": True, "upsampling": "learned"},
    "M6": {"context": True, "task": "multi_instrument"},
}
DEMUCS = {
    **DEFAULTS,
    "network": "demucs",
    "task": "multi_instrument",
    "num_layers": 2,
    "num_initial_filters": 1,
    "num_frames": 64,
}
STEPS = 3  # of the original graph before its checkpoint


class OriginalGraph:
    """The Wave-U-Net in TensorFlow 1, with the variables of its original code."""

    def __init__(self, settings):
        self.settings = settings
        self.count = self.upsamplings = 0

    def convolve(self, x, filters, size):
        """Apply the next convolution; TensorFlow numbers the layers of a graph."""
        name = f"separator/conv1d_{self.count}" if self.count else "separator/conv1d"
        self.count += 1
        draw = v1.random_normal_initializer(stddev=1 / math.sqrt(size * int(x.shape[2])), seed=1)
        kernel = v1.get_variable(
            f"{name}/kernel", (size, int(x.shape[2]), filters), initializer=draw
        )
        bias = v1.get_variable(f"{name}/bias", (filters,), initializer=draw)
        padding = "VALID" if self.settings.context else "SAME"
        return tf.nn.conv1d(x, kernel, 1, padding) + bias

    def upsample(self, x):
        after = x[:, 1:]
        weight = 0.5
        if self.settings.upsampling == "learned":
            name = f"separator/interp_{self.upsamplings}"
            draw = v1.random_normal_initializer(seed=2)
            weight = tf.sigmoid(v1.get_variable(name, (int(x.shape[2]),), initializer=draw))
        self.upsamplings += 1
        if not self.settings.context:
            learned = self.settings.upsampling == "learned"
            after = tf.concat([after, 0 * x[:, -1:] if learned else x[:, -1:]], 1)
        between = weight * x[:, : after.shape[1]] + (1 - weight) * after
        between = tf.concat([between, x[:, int(between.shape[1]) :]], 1)  # not used if appended
        samples, channels = map(int, x.shape[1:])
        upsampled = tf.reshape(tf.stack([x, between], 2), (-1, 2 * samples, channels))
        return upsampled[:, : 2 * samples - self.settings.context]

    def __call__(self, mix):
        settings = self.settings
        levels = range(1, settings.num_layers + 1)
        x, skips = mix, []
        for level in levels:
            filters = settings.num_initial_filters * level
            x = tf.nn.leaky_relu(self.convolve(x, filters, settings.filter_size), 0.2)
            skips.append(x)
            x = x[:, ::2]
        filters = settings.num_initial_filters * (settings.num_layers + 1)
        x = tf.nn.leaky_relu(self.convolve(x, filters, settings.filter_size), 0.2)
        for level in reversed(levels):
            x = self.upsample(x)
            x = tf.concat([crop(skips[level - 1], x), x], 2)
            filters = settings.num_initial_filters * level
            x = tf.nn.leaky_relu(self.convolve(x, filters, settings.merge_filter_size), 0.2)
        x = tf.concat([crop(mix, x), x], 2)
        direct = settings.output_type == "direct"
        heads = [
            tf.tanh(self.convolve(x, settings.num_channels, 1))
            for _ in settings.sources[: None if direct else -1]
        ]
        if not direct:
            heads.append(crop(mix, x) - sum(heads))
        return tf.stack(heads, 2)


def crop(x, wanted):
    more = int(x.shape[1]) - int(wanted.shape[1])
    return x[:, more // 2 : more // 2 + int(wanted.shape[1])]


@pytest.fixture(scope="module", params=MODELS)
def original(request, tmp_path_factory):
    """Train the original graph, save a checkpoint, and take one more step."""
    run = make_run_settings({**TINY, **MODELS[request.param]}, seed=1)
    settings = run.model
    random = np.random.default_rng(0)
    shape = 2, settings.output_samples, len(settings.sources), settings.num_channels
    sources = random.uniform(-0.3, 0.3, shape).astype(np.float32)
    mix = random.uniform(-1, 1, (2, settings.input_samples, shape[3])).astype(np.float32)
    prefix = tmp_path_factory.mktemp(request.param) / "model-186093"
    with tf.Graph().as_default(), v1.Session() as session:
        estimates = OriginalGraph(settings)(tf.constant(mix))
        loss = tf.reduce_mean(tf.square(estimates - sources))
        v1.get_variable("global_step", (), tf.int64, initializer=v1.zeros_initializer())
        with v1.variable_scope("separator_solver"):
            step = v1.train.AdamOptimizer(1e-3).minimize(loss, var_list=v1.trainable_variables())
        session.run(v1.global_variables_initializer())
        for _ in range(STEPS):
            session.run(step)
        v1.train.Saver().save(session, str(prefix), write_meta_graph=False)
        outputs = session.run(estimates)
        session.run(step)
        after = {weight.op.name: session.run(weight) for weight in v1.trainable_variables()}
    return SimpleNamespace(
        run=run, prefix=prefix, mix=mix, sources=sources, outputs=outputs, after=after
    )


def test_outputs_of_a_converted_checkpoint_are_those_of_the_graph(original, tmp_path):
    settings, output = original.run.model, tmp_path / "a.safetensors"
    convert(original.prefix, output, settings, "MIT")
    model = build(settings)
    load_weights(model, settings, output)
    outputs = np.clip(original.outputs, -1, 1)
    np.testing.assert_allclose(model(original.mix), outputs, rtol=0, atol=1e-6)


def test_the_next_step_is_that_of_the_adam_of_the_graph(original, tmp_path):
    run, output = original.run, tmp_path / "a.safetensors"
    convert(original.prefix, output, run.model, None)
    step = build_training_step(run.model, run.training, "plain")
    load_ancestor(step, run.model, output)
    assert int(step.optimizer.iterations) == STEPS
    before = [weight.numpy() for weight in step.model.weights]
    tf.config.run_functions_eagerly(True)  # faster than tracing a single step
    step.train_on_batch(original.mix, original.sources, 0)
    tf.config.run_functions_eagerly(False)
    mapped = map_variables(run.model)
    for weight, earlier in zip(step.model.weights, before, strict=True):
        wanted = original.after[mapped[weight.path].names[0]]
        np.testing.assert_allclose(weight.numpy(), wanted, rtol=0, atol=1e-6)
        assert np.abs(weight.numpy() - earlier).max() > 1e-4


@pytest.fixture(scope="module")
def checkpoint(original):
    if len(original.run.model.sources) == 2:
        pytest.skip("one checkpoint is enough")
    return original


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"num_layers": 2}, "has the tensor separator/conv1d_"),
        ({"num_layers": 4}, "has no tensor separator/conv1d_"),
        ({"num_initial_filters": 3}, "the tensor separator/conv1d/kernel has the shape (5, 2, 2)"),
        ({"upsampling": "learned"}, "has no tensor separator/interp_0"),
        ({"skip_levels": "first1"}, "the original Wave-U-Net has all skips"),
    ],
)
def test_the_wrong_model_ends_with_the_name_of_a_tensor(checkpoint, entries, message, tmp_path):
    settings = make_run_settings({**TINY, **MODELS["M6"], **entries}, seed=1).model
    with pytest.raises((WeightsError, ConfigError), match=r"\A[^\n]*\Z") as error:
        convert(checkpoint.prefix, tmp_path / "a.safetensors", settings, None)
    assert message in str(error.value)
    assert not list(tmp_path.iterdir())


def test_damaged_checkpoints_end_with_the_name_of_the_file(checkpoint, tmp_path):
    def convert_copy(prefix="model-186093"):
        with pytest.raises(WeightsError, match=r"\A[^\n]*\Z") as error:
            convert(tmp_path / prefix, tmp_path / "a.safetensors", checkpoint.run.model, None)
        return str(error.value)

    data, index = "model-186093.data-00000-of-00001", "model-186093.index"
    content = {name: (checkpoint.prefix.parent / name).read_bytes() for name in (data, index)}
    assert "does not exist" in convert_copy()
    (tmp_path / index).write_bytes(content[index])
    assert convert_copy().startswith(f"{tmp_path / data}: is missing")
    (tmp_path / data).write_bytes(content[data][:-50])
    assert f"{tmp_path / index}: cannot be read" in convert_copy(data)
    (tmp_path / data).write_bytes(content[data][:100] + b"x" + content[data][101:])
    assert "cannot be read" in convert_copy(index)
    (tmp_path / index).write_bytes(content[index][:40])
    (tmp_path / data).write_bytes(content[data])
    assert "cannot be read" in convert_copy()
    (tmp_path / index).unlink()
    assert convert_copy().startswith(f"{tmp_path / index}: is missing")


def test_a_checkpoint_of_another_network_is_refused(checkpoint, tmp_path):
    with pytest.raises(WeightsError, match=r"has no tensor decoder\.0\.0\.bias"):
        convert(checkpoint.prefix, tmp_path / "a.safetensors", make_demucs(), None)


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x80\x02K\x01."])
def test_other_files_are_named(content, tmp_path):
    (tmp_path / "a.th").write_bytes(content)
    with pytest.raises(WeightsError, match="is neither a file of torch"):
        convert(tmp_path / "a.th", tmp_path / "a.safetensors", make_demucs(), None)


def test_the_old_format_of_pytorch_is_named(tmp_path):
    with pytest.raises(WeightsError, match="has the format of PyTorch before"):
        convert(HERE / "legacy.th", tmp_path / "a.safetensors", make_demucs(), None)


def make_demucs(**changes):
    return make_run_settings({**DEMUCS, **changes}, seed=1).model


def test_a_state_dict_of_demucs_is_converted_by_the_program(tmp_path):
    output = tmp_path / "new/demucs.safetensors"
    words = [f"cfg.{key}={DEMUCS[key]}" for key in DEMUCS if DEMUCS[key] != DEFAULTS[key]]
    paths = [f"input_path={HERE / 'demucs.th'}", f"output_path={output}", "licence=MIT"]
    Convert.ex.run_commandline(["Convert.py", "-u", "with", *paths, *words])
    settings = make_demucs()
    model = build(settings)
    load_weights(model, settings, output)
    state, mapped = draw_state(), map_state_dict(settings)
    for weight in model.weights:
        foreign = mapped[weight.path]
        wanted = foreign.convert(*(state[name] for name in foreign.names))
        np.testing.assert_array_equal(weight.numpy(), wanted)
    manifest = read_manifest(output)
    assert manifest["licence"] == "MIT"
    assert manifest["origin"]["format"] == "PyTorch state dict"
    assert list(manifest["origin"]["files"]) == ["demucs.th"]
    assert not optimizer_path(output).exists()
    before = output.read_bytes()
    with pytest.raises(SystemExit, match="2"):
        Convert.ex.run_commandline(["Convert.py", "-u", "with", *paths, *words])
    assert output.read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_layers": 3}, "has no tensor decoder.2.0.bias"),
        ({"num_initial_filters": 2}, "the tensor encoder.0.0.weight has the shape (1, 2, 8)"),
        ({"lstm_layers": 1}, "has the tensor lstm.lstm.bias_hh_l1"),
        ({"glu": False}, "the tensor encoder.0.2.weight has the shape (2, 1, 1)"),
        ({"rewrite": "none"}, "has "),
        ({"num_channels": 1}, "the tensor encoder.0.0.weight has the shape (1, 2, 8)"),
    ],
)
def test_a_state_dict_of_another_demucs_is_refused(changes, message, tmp_path):
    with pytest.raises(WeightsError, match=r"\A[^\n]*\Z") as error:
        convert(HERE / "demucs.th", tmp_path / "a.safetensors", make_demucs(**changes), None)
    assert message in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_damaged_optimizer_state_is_refused(checkpoint, tmp_path):
    run, output = checkpoint.run, tmp_path / "a.safetensors"
    convert(checkpoint.prefix, output, run.model, None)
    optimizer_path(output).write_bytes(b"x")
    step = build_training_step(run.model, run.training, "plain")
    with pytest.raises(WeightsError, match=r"a.optimizer.safetensors: is missing or does not"):
        load_ancestor(step, run.model, output)
    assert json.loads(output.with_suffix(".json").read_text())["optimizer"]
