"""Upsampling by two is linear interpolation on the original grid."""

import keras
import numpy as np
import pytest

from Config import DEFAULTS, make_run_settings
from Models.Build import build

TINY = {**DEFAULTS, "num_layers": 1, "num_initial_filters": 3, "num_frames": 64}


@pytest.fixture(scope="module")
def upsample():
    """Return the layer of a model; it has no weights and accepts any length."""
    return build(make_run_settings(TINY, 1).model).get_layer("decoder_01_upsample")


@pytest.mark.parametrize("samples", [1, 2, 5, 8, 33, 64])
def test_upsampling_is_numpys_interpolation_on_the_original_grid(upsample, samples):
    x = np.random.default_rng(0).normal(size=(2, samples, 3)).astype(np.float32)
    up = np.array(upsample(x))
    assert up.shape == (2, 2 * samples, 3)
    grid = np.arange(2 * samples) / 2
    for batch in range(2):
        for channel in range(3):
            wanted = np.interp(grid, np.arange(samples), x[batch, :, channel])
            np.testing.assert_allclose(up[batch, :, channel], wanted, atol=1e-6)


def test_a_ramp_stays_a_ramp_and_its_last_sample_repeats(upsample):
    x = np.array([[[0.0], [1.0], [2.0]]], np.float32)
    np.testing.assert_array_equal(upsample(x)[0, :, 0], [0, 0.5, 1, 1.5, 2, 2])


def test_the_original_samples_are_kept_exactly(upsample):
    x = np.random.default_rng(0).normal(size=(2, 9, 3)).astype(np.float32)
    np.testing.assert_array_equal(np.array(upsample(x))[:, ::2], x)


def test_upsampling_is_neither_repetition_nor_image_resizing(upsample):
    x = np.arange(4, dtype=np.float32).reshape(1, 4, 1)
    up = np.array(upsample(x))
    repeated = np.array(keras.layers.UpSampling1D(2)(x))
    resized = np.array(keras.ops.image.resize(x[:, :, None], (8, 1), "bilinear"))[:, :, 0]
    assert np.abs(up - repeated).max() == pytest.approx(0.5)
    assert np.abs(up - resized).max() == pytest.approx(0.25)  # a quarter of a sample of shift


def test_the_output_shape_is_inferred(upsample):
    assert upsample(keras.Input((7, 3))).shape == (None, 14, 3)
    assert upsample.compute_output_shape((None, 7, 3)) == (None, 14, 3)
    assert upsample.count_params() == 0
