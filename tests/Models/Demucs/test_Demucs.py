"""Demucs against the original code in PyTorch (`make_reference.py`), and its initial weights."""

import json
import math
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from Config import DEFAULTS
from jnet.training.losses import separation_loss
from Models.Build import build
from Models.Demucs.Demucs import UniformInitializer
from Models.Demucs.StateDict import map_state_dict
from Models.Freezing import count_scalars
from Models.Initializers import LayerInitializer
from Models.Networks import make_model_settings
from tests.Models.Demucs.drawn import MODELS, SAMPLES, SHOWN, draw, draw_tensor, select

REFERENCE = Path(__file__).with_name("reference.npz")
SMALL = {
    **DEFAULTS,
    "network": "demucs",
    "task": "multi_instrument",
    "num_layers": 6,
    "num_initial_filters": 4,
    "sample_rate": 44100,
    "num_frames": SAMPLES,
    "init": "pytorch_uniform",
}
# The original order of the sources, as indices of ours: drums, bass, other, vocals.
ORDER = [1, 0, 2, 3]


@pytest.fixture(scope="module")
def reference():
    with np.load(REFERENCE) as arrays:
        return dict(arrays)


@pytest.fixture
def float64():
    policy = keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy(policy)


def load_model(name, reference):
    """Build a model with the weights of the reference."""
    settings = make_model_settings({**SMALL, **MODELS[name]}, seed=1)
    model = build(settings)
    factors = json.loads(str(reference[f"{name}/factors"]))
    state = {
        key: factors[key] * draw_tensor(f"{name}/{key}", tuple(shape))
        for key, shape in json.loads(str(reference[f"{name}/tensors"])).items()
    }
    tensors = map_state_dict(settings)
    used = [part for tensor in tensors.values() for part in tensor.names]
    assert sorted(used) == sorted(state)
    weights = {weight.path: weight for weight in model.weights}
    assert weights.keys() == tensors.keys()
    for path, weight in weights.items():
        tensor = tensors[path]
        weight.assign(tensor.convert(*(state[part] for part in tensor.names)))
    return model, settings, tensors


def draw_batch(name, settings):
    """Return the mix with the zeros around it, the sources, and where they are in the output."""
    mix = draw(f"{name}/mix", (2, 2, SAMPLES)).transpose(0, 2, 1)
    sources = draw(f"{name}/sources", (2, 4, 2, SAMPLES)).transpose(0, 3, 1, 2)[:, :, ORDER]
    more = settings.input_samples - SAMPLES
    mix = np.pad(mix, ((0, 0), (more // 2, more - more // 2), (0, 0)))
    first = (settings.output_samples - SAMPLES) // 2
    return mix, sources, slice(first, first + SAMPLES)


@pytest.mark.parametrize("name", MODELS)
def test_outputs_loss_and_gradients_are_those_of_the_original_code(name, reference, float64):
    model, settings, tensors = load_model(name, reference)
    mix, sources, middle = draw_batch(name, settings)
    with tf.GradientTape() as tape:
        estimates = model(mix)[:, middle]
        loss = separation_loss(sources, estimates, "waveform_l1")
    gradients = tape.gradient(loss, [weight.value for weight in model.weights])
    shown = estimates.numpy()[:, ::SHOWN][:, :, ORDER].transpose(0, 2, 3, 1)
    wanted = reference[f"{name}/estimates"]
    assert np.abs(shown - wanted).max() < 1e-12 * reference[f"{name}/maximum"]
    assert abs(float(loss) - reference[f"{name}/loss"]) < 1e-12
    for weight, gradient in zip(model.weights, gradients, strict=True):
        original = reference[f"{name}/gradient/{tensors[weight.path].names[0]}"]
        ours = select(invert(gradient.numpy(), weight.path))
        np.testing.assert_allclose(ours, original, rtol=1e-9, atol=1e-12 * np.abs(original).max())


def invert(gradient, path):
    """Return a gradient in the layout of PyTorch."""
    if path.startswith("decoder_01_conv"):
        shape = gradient.shape
        in_order = gradient.reshape(shape[0], 4, 2, -1) if gradient.ndim == 3 else gradient
        if gradient.ndim == 3:
            gradient = in_order[:, ORDER].reshape(shape)
        else:
            gradient = gradient.reshape(4, 2)[ORDER].reshape(shape)
    return gradient.T


@pytest.mark.parametrize("name", ["version_1", "version_2"])
def test_float32_outputs_are_those_of_the_original_code(name, reference):
    model, settings, _ = load_model(name, reference)
    mix, _, middle = draw_batch(name, settings)
    shown = np.asarray(model(mix.astype(np.float32)))[:, middle][:, ::SHOWN][:, :, ORDER]
    wanted = reference[f"{name}/estimates"].transpose(0, 3, 1, 2)
    assert np.abs(shown - wanted).max() < 1e-5 * reference[f"{name}/maximum"]


# PyTorch has two biases per LSTM layer and direction: so many more weights per channel of level 1.
MORE_BIASES = 2 * 2 * 4 * 32
DEEP = {"num_layers": 12, "kernel_size": 4, "stride": 2, "growth": 2**0.5}


@pytest.mark.parametrize(
    ("entries", "weights"),
    [
        ({}, {64: 265_679_496 - 64 * MORE_BIASES, 100: 648_548_208 - 100 * MORE_BIASES}),
        ({}, {64: 265_646_728, 48: 149_437_928, 4: 1_043_376 - 4 * MORE_BIASES}),
        ({"glu": False}, {64: 243_307_272 - 64 * MORE_BIASES}),
        ({"lstm_layers": 0}, {64: 89_451_144}),
        ({"decoder_context": 1}, {64: 243_315_336 - 64 * MORE_BIASES}),
        ({"rewrite": "none"}, {64: 220_935_048 - 64 * MORE_BIASES}),
        ({"rewrite": "decoder"}, {64: 254_489_352 - 64 * MORE_BIASES}),
    ],
)
def test_numbers_of_weights_are_those_of_the_original_code(entries, weights):
    """The number is a quadratic polynomial of the channels, which three small models determine."""
    counts = []
    for channels in (1, 2, 3):
        changed = {**SMALL, **entries, "num_initial_filters": channels}
        counts.append(count_scalars(build(make_model_settings(changed, seed=1)).weights))
    second = (counts[2] - 2 * counts[1] + counts[0]) // 2
    first = counts[1] - counts[0] - 3 * second
    constant = counts[0] - first - second
    for channels, wanted in weights.items():
        assert constant + first * channels + second * channels**2 == wanted


def test_channels_that_grow_by_a_fraction_are_truncated(monkeypatch):
    """560,515,810 weights in PyTorch, with two biases; zeros are faster than random numbers."""
    monkeypatch.setattr(LayerInitializer, "__call__", zeros)
    monkeypatch.setattr(UniformInitializer, "__call__", zeros)
    entries = {**SMALL, **DEEP, "num_initial_filters": 64, "rescale": None}
    model = build(make_model_settings(entries, seed=1))
    assert count_scalars(model.weights) == 560_515_810 - 2 * 2 * 4 * 2843


def zeros(initializer, shape, dtype=None):
    return keras.ops.zeros(shape, dtype)


def test_lengths_are_those_of_the_original_code():
    settings = make_model_settings({**SMALL, "num_frames": 441_000}, seed=1)
    assert (settings.input_samples, settings.output_samples) == (451_924, 441_004)
    lengths = [layer.output.shape[1] for layer in build(settings).layers if "er_" in layer.name]
    assert lengths[:12:2] == [112_980, 28_244, 7_060, 1_764, 440, 109]
    assert (
        make_model_settings({**SMALL, "num_frames": 441_000, "resample": 2}, 1).input_samples
        == 447_146
    )


@pytest.mark.parametrize("name", MODELS)
def test_lengths_of_the_settings_are_those_of_the_model(name):
    settings = make_model_settings({**SMALL, **MODELS[name]}, seed=1)
    model = build(settings)
    assert model.input.shape == (None, settings.input_samples, 2)
    assert model.output.shape == (None, settings.output_samples, 4, 2)
    assert settings.output_samples >= settings.num_frames


def test_initial_weights_have_the_deviations_of_the_original_code():
    """Uniform within ±1/√inputs, then divided by √(deviation / 0.1) in convolutions."""
    model = build(make_model_settings({**SMALL, "num_initial_filters": 8}, seed=1))
    tested = 0
    for weight in model.weights:
        layer, name = weight.path.split("/")[0], weight.path.split("/")[-1]
        if name == "bias" or math.prod(weight.shape) < 1000:
            continue
        shape = weight.shape
        inputs = 256 if layer.startswith("lstm") else math.prod(shape[:-1])
        inputs = 512 if layer == "lstm_linear" else inputs
        wanted = 1 / math.sqrt(3 * inputs)
        if not layer.startswith("lstm"):
            wanted = math.sqrt(0.1 * wanted)
        assert float(np.std(weight)) == pytest.approx(wanted, rel=0.03), weight.path
        tested += 1
    assert tested > 20


def test_a_bias_of_the_lstm_is_the_sum_of_two_of_pytorch():
    model = build(make_model_settings({**SMALL, "num_initial_filters": 8}, seed=1))
    bias = np.asarray(model.get_layer("lstm_1_forward").cell.bias)
    assert np.std(bias) == pytest.approx(math.sqrt(2 / 3 / 256), rel=0.05)
    assert 1 / 16 < np.abs(bias).max() < 2 / 16


def test_without_rescaling_weights_keep_their_deviation():
    settings = make_model_settings({**SMALL, "num_initial_filters": 8}, seed=1)
    plain = build(replace(settings, rescale=None))
    for layer in build(settings).layers:
        if not isinstance(layer, keras.layers.Conv1D | keras.layers.Conv1DTranspose):
            continue
        same = plain.get_layer(layer.name)
        scale = math.sqrt(np.std(same.kernel, ddof=1) / 0.1)
        np.testing.assert_allclose(layer.kernel, same.kernel / scale, rtol=1e-5)
        np.testing.assert_allclose(layer.bias, same.bias / scale, rtol=1e-5)
