"""The choice of the function that computes a model, and its precision."""

import numpy as np
import pytest
import tensorflow as tf

from Config import DEFAULTS, make_run_settings
from Models.Build import build
from Models.Computation import model_function
from Models.WaveUnet.Fast.Convolution import sum_over_time
from Models.WaveUnet.Fast.Unet import FastUnet
from tests.Models.tiny import TINY

SPECTROGRAM = {
    **DEFAULTS,
    "network": "unet_spectrogram",
    "num_channels": 1,
    "num_frames": 2048,
    "num_initial_filters": 1,
}


@pytest.fixture(scope="module")
def tiny_unet():
    """Return a model and its settings."""
    settings = make_run_settings(TINY, 1).model
    return build(settings), settings


@pytest.fixture(scope="module")
def mix():
    return np.random.default_rng(0).uniform(-1, 1, (4, 64, 2)).astype(np.float32)


def test_the_wave_u_net_is_computed_fast_on_a_cpu(tiny_unet):
    assert isinstance(model_function(*tiny_unet), FastUnet)


def test_gpus_and_other_backends_use_the_keras_graph(tiny_unet, monkeypatch):
    monkeypatch.setattr("keras.distribution.list_devices", lambda: ["cpu:0", "gpu:0"])
    assert model_function(*tiny_unet) is tiny_unet[0]
    monkeypatch.setattr("keras.distribution.list_devices", lambda: ["cpu:0"])
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    assert model_function(*tiny_unet) is tiny_unet[0]


def test_the_spectrogram_u_net_uses_the_keras_graph():
    settings = make_run_settings(SPECTROGRAM, 1).model
    model = build(settings)
    assert model_function(model, settings) is model


def compute_gradients(separate, model, mix):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(separate(mix, training=True)[:, :, 0] ** 2)
    return tape.gradient(loss, [weight.value for weight in model.trainable_variables])


@pytest.mark.parametrize("computation", ["fast", "plain"])
def test_in_bfloat16_weights_gradients_and_estimates_are_float32(tiny_unet, mix, computation):
    model, settings = tiny_unet
    separate = model_function(model, settings, "mixed_bfloat16", computation)
    estimates = separate(mix, training=True)
    assert estimates.dtype == tf.float32
    difference = np.abs(estimates - model(mix, training=True)).max()
    assert 1e-4 < difference < 3e-2  # similar, but not computed in float32
    reference = compute_gradients(model, model, mix)
    for gradient, expected, weight in zip(
        compute_gradients(separate, model, mix), reference, model.trainable_variables, strict=True
    ):
        assert gradient.dtype == tf.float32
        assert weight.dtype == "float32"
        assert np.linalg.norm(gradient - expected) < 0.1 * np.linalg.norm(expected), weight.path


def test_bfloat16_leaves_the_keras_graph_unchanged(tiny_unet, mix):
    model, settings = tiny_unet
    before = model(mix)
    model_function(model, settings, "mixed_bfloat16", "plain")(mix)
    np.testing.assert_array_equal(model(mix), before)


def test_gradients_of_biases_are_summed_in_float32():
    """A sum of 8192 times 1.5 in bfloat16 stops growing at 512."""
    constant = tf.fill((4, 2048, 3), tf.constant(1.5, tf.bfloat16))
    np.testing.assert_array_equal(tf.cast(sum_over_time(constant), tf.float32), 8192 * 1.5)
    assert float(tf.raw_ops.BiasAddGrad(out_backprop=constant)[0]) < 1024
