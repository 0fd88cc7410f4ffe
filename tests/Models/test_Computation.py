"""Which way a separator is computed, and in which precision."""

import numpy as np
import pytest
import tensorflow as tf

from Config import DEFAULTS, specs
from Models import Computation
from Models.Build import build
from Models.Computation import computation
from Models.FastConvolution import sum_over_frames
from Models.FastUnet import FastUnet
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
    """A separator and its spec."""
    spec = specs(TINY, 1).model
    return build(spec), spec


@pytest.fixture(scope="module")
def mix():
    return np.random.default_rng(0).uniform(-1, 1, (4, 64, 2)).astype(np.float32)


def test_the_wave_u_net_is_computed_fast_on_a_cpu(tiny_unet):
    assert isinstance(computation(*tiny_unet), FastUnet)


def test_on_a_gpu_or_another_backend_the_plain_graph_computes(tiny_unet, monkeypatch):
    monkeypatch.setattr("keras.distribution.list_devices", lambda: ["cpu:0", "gpu:0"])
    assert computation(*tiny_unet) is tiny_unet[0]
    monkeypatch.setattr("keras.distribution.list_devices", lambda: ["cpu:0"])
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    assert computation(*tiny_unet) is tiny_unet[0]


def test_the_spectrogram_u_net_is_its_plain_graph():
    spec = specs(SPECTROGRAM, 1).model
    model = build(spec)
    assert computation(model, spec) is model


def gradients_of(separate, model, mix):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(separate(mix, training=True)[:, :, 0] ** 2)
    return tape.gradient(loss, [weight.value for weight in model.trainable_variables])


@pytest.mark.parametrize("way", ["fast_unet", "plain"])
def test_bfloat16_is_near_and_weights_gradients_and_estimates_are_float32(tiny_unet, mix, way):
    model, spec = tiny_unet
    separate = getattr(Computation, way)(model, spec, "mixed_bfloat16")
    estimates = separate(mix, training=True)
    assert estimates.dtype == tf.float32
    apart = np.abs(estimates - model(mix, training=True)).max()
    assert 1e-4 < apart < 3e-2  # it is not float32 under another name, and near
    wanted = gradients_of(model, model, mix)
    for one, other, weight in zip(
        gradients_of(separate, model, mix), wanted, model.trainable_variables, strict=True
    ):
        assert one.dtype == tf.float32
        assert weight.dtype == "float32"
        assert np.linalg.norm(one - other) < 0.1 * np.linalg.norm(other), weight.path


def test_the_plain_graph_is_as_it_was_after_it_was_computed_in_bfloat16(tiny_unet, mix):
    model, spec = tiny_unet
    before = model(mix)
    Computation.plain(model, spec, "mixed_bfloat16")(mix)
    np.testing.assert_array_equal(model(mix), before)


def test_gradients_of_biases_are_summed_in_float32():
    """8192 times one and a half: a sum kept in bfloat16 stands still at 512."""
    constant = tf.fill((4, 2048, 3), tf.constant(1.5, tf.bfloat16))
    np.testing.assert_array_equal(tf.cast(sum_over_frames(constant), tf.float32), 8192 * 1.5)
    assert float(tf.raw_ops.BiasAddGrad(out_backprop=constant)[0]) < 1024
