"""The parts of a level: decimation, the slope of LeakyReLU, the padding of a convolution."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from Config import DEFAULTS, make_run_settings
from Models.Build import build
from Models.WaveUnet.Convolution import Convolution, Decimate, leaky_relu


def build_first_convolution(size):
    """Return the first layer of a model with one channel and one filter of `size` taps."""
    entries = {
        **DEFAULTS,
        "num_channels": 1,
        "num_layers": 1,
        "num_initial_filters": 1,
        "filter_size": size,
        "num_frames": 32,
    }
    return build(make_run_settings(entries, 1).model).get_layer("encoder_01_conv")


@pytest.mark.parametrize("samples", [1, 2, 3, 8, 9, 16, 147443])
def test_decimation_keeps_every_second_sample_from_the_first(samples):
    x = np.random.default_rng(0).normal(size=(2, samples, 3)).astype(np.float32)
    decimated = np.array(Decimate()(x))
    assert decimated.shape == (2, (samples + 1) // 2, 3)
    np.testing.assert_array_equal(decimated, x[:, ::2])


@pytest.mark.parametrize("samples", [8, 9])
def test_the_output_shape_of_decimation_is_inferred(samples):
    assert Decimate()(keras.Input((samples, 3))).shape == (None, (samples + 1) // 2, 3)
    assert Decimate().compute_output_shape((None, samples, 3)) == (None, (samples + 1) // 2, 3)


def test_the_slope_of_leaky_relu_is_0_2():
    """The original Wave-U-Net has the same slope; the default of Keras is 0.3."""
    x = np.array([-10.0, -1.0, 0.0, 2.0], np.float32)
    np.testing.assert_allclose(leaky_relu(x), [-2.0, -0.2, 0.0, 2.0], atol=1e-7)
    assert float(keras.layers.LeakyReLU()(x)[1]) == pytest.approx(-0.3)


def test_a_convolution_has_leaky_relu():
    layer = build_first_convolution(1)
    layer.kernel.assign([[[1.0]]])
    layer.bias.assign([0.5])
    x = np.array([-1.5, -0.5, 0.0, 2.0], np.float32).reshape(1, 4, 1)
    np.testing.assert_allclose(layer(x)[0, :, 0], [-0.2, 0.0, 0.5, 2.5], atol=1e-7)


@pytest.mark.parametrize("size", [1, 5, 15])
def test_a_convolution_followed_by_decimation_is_centred(size):
    """The response to an impulse is the mirrored filter, centred at the impulse.

    The response of a strided convolution would be shifted by one sample, because Keras pads it with
    (6, 7) zeros, not with (7, 6).
    """
    layer = build_first_convolution(size)
    taps = np.arange(1.0, size + 1)
    layer.kernel.assign(taps.reshape(size, 1, 1))
    x = np.zeros((1, 32, 1), np.float32)
    x[0, 16] = 1
    wanted = np.zeros(32)
    wanted[16 - size // 2 : 17 + size // 2] = taps[::-1]
    np.testing.assert_allclose(layer(x)[0, :, 0], wanted, atol=1e-6)
    np.testing.assert_allclose(Decimate()(layer(x))[0, :, 0], wanted[::2], atol=1e-6)


def test_the_gradient_of_a_bias_is_exact_in_bfloat16():
    """The gradient of the sum of an output is its number of samples; 2^14 is a bfloat16 number.

    Without the special layer it is 256: adding 1 to it does not change it.
    """
    layer = Convolution(3, 5, padding="same", dtype="mixed_bfloat16")
    x = tf.zeros((4, 4096, 2))
    layer.build(x.shape)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(tf.cast(layer(x), tf.float32))
    np.testing.assert_array_equal(tape.gradient(total, layer.bias.value), [2.0**14] * 3)


def test_in_float32_the_convolution_is_that_of_keras():
    layer = Convolution(3, 5, padding="same", activation="tanh")
    x = np.random.default_rng(0).normal(size=(2, 16, 2)).astype(np.float32)
    plain = keras.layers.Conv1D(3, 5, padding="same", activation="tanh")
    for convolution in (layer, plain):
        convolution.build(x.shape)
    plain.set_weights(layer.get_weights())
    np.testing.assert_array_equal(layer(x), plain(x))
