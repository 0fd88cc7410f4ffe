"""The pieces of one level: every other frame, the leaky slope, the padding of a convolution."""

import keras
import numpy as np
import pytest

from Config import DEFAULTS, specs
from Models.Build import build
from Models.Convolution import Decimate, leaky_relu


def first_convolution(size):
    """The encoder's first layer in a model of one channel and one filter of `size` taps."""
    entries = {
        **DEFAULTS,
        "num_channels": 1,
        "num_layers": 1,
        "num_initial_filters": 1,
        "filter_size": size,
        "num_frames": 32,
    }
    return build(specs(entries, 1).model).get_layer("encoder_01_conv")


@pytest.mark.parametrize("frames", [1, 2, 3, 8, 9, 16, 147443])
def test_decimation_keeps_every_other_frame_and_the_first(frames):
    x = np.random.default_rng(0).normal(size=(2, frames, 3)).astype(np.float32)
    decimated = np.array(Decimate()(x))
    assert decimated.shape == (2, (frames + 1) // 2, 3)
    np.testing.assert_array_equal(decimated, x[:, ::2])


@pytest.mark.parametrize("frames", [8, 9])
def test_decimation_knows_its_shape_before_the_values(frames):
    assert Decimate()(keras.Input((frames, 3))).shape == (None, (frames + 1) // 2, 3)
    assert Decimate().compute_output_shape((None, frames, 3)) == (None, (frames + 1) // 2, 3)


def test_the_leaky_slope_is_one_fifth():
    """As in the original Wave-U-Net; Keras' own layer has 0.3."""
    x = np.array([-10.0, -1.0, 0.0, 2.0], np.float32)
    np.testing.assert_allclose(leaky_relu(x), [-2.0, -0.2, 0.0, 2.0], atol=1e-7)
    assert float(keras.layers.LeakyReLU()(x)[1]) == pytest.approx(-0.3)


def test_a_convolution_is_leaky():
    layer = first_convolution(1)
    layer.kernel.assign([[[1.0]]])
    layer.bias.assign([0.5])
    x = np.array([-1.5, -0.5, 0.0, 2.0], np.float32).reshape(1, 4, 1)
    np.testing.assert_allclose(layer(x)[0, :, 0], [-0.2, 0.0, 0.5, 2.5], atol=1e-7)


@pytest.mark.parametrize("size", [1, 5, 15])
def test_a_convolution_followed_by_decimation_is_centred(size):
    """An impulse comes out as the filter mirrored about its place. Of the strided convolution it
    could be confused with, that place is a frame off: Keras pads it (6, 7), not (7, 6)."""
    layer = first_convolution(size)
    taps = np.arange(1.0, size + 1)
    layer.kernel.assign(taps.reshape(size, 1, 1))
    x = np.zeros((1, 32, 1), np.float32)
    x[0, 16] = 1
    wanted = np.zeros(32)
    wanted[16 - size // 2 : 17 + size // 2] = taps[::-1]
    np.testing.assert_allclose(layer(x)[0, :, 0], wanted, atol=1e-6)
    np.testing.assert_allclose(Decimate()(layer(x))[0, :, 0], wanted[::2], atol=1e-6)
