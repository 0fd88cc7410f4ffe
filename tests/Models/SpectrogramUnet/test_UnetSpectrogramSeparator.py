"""The spectrogram U-Net: transforms as in SciPy, estimates as defined by the masks."""

import keras
import numpy as np
import pytest
import scipy.signal
import tensorflow as tf

from Config import make_run_settings
from Models.Build import build
from Models.Computation import layers_computing_in
from Models.Freezing import get_part, group_weights_by_part
from Models.SpectrogramUnet.UnetSpectrogramSeparator import InverseStft, Stft
from tests.Models.tiny import as_spectrogram_unet

SAMPLES = 1024 + 63 * 768
FADED = 160  # samples at both ends that the inverse does not reconstruct exactly


@pytest.fixture(scope="module")
def settings(tiny):
    entries = as_spectrogram_unet(tiny, num_initial_filters=2, num_frames=SAMPLES)
    return make_run_settings(entries, seed=4).model


@pytest.fixture(scope="module")
def signal():
    random = np.random.default_rng(1)
    return random.uniform(-0.5, 0.5, (2, SAMPLES, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def stft(signal):
    return keras.ops.convert_to_numpy(Stft()(signal))


def test_the_stft_equals_scipys_with_a_periodic_hann_window(signal, stft):
    window = scipy.signal.get_window("hann", 1024, fftbins=True)
    for index in (0, 1, 30, 63):
        part = signal[1, index * 768 : index * 768 + 1024, 0]
        expected = np.fft.rfft(part * window)
        ours = stft[1, index, :, 0] + 1j * stft[1, index, :, 1]
        np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_the_inverse_stft_reconstructs_the_signal(signal, stft):
    masks = np.ones((2, 64, 513, 1), np.float32)
    back = keras.ops.convert_to_numpy(InverseStft(0)([stft, masks]))
    inside = slice(FADED, SAMPLES - FADED)
    np.testing.assert_allclose(back[:, inside], signal[:, inside], atol=1e-6)


def test_the_ends_of_an_estimate_fade(signal, stft):
    random = np.random.default_rng(2)
    masks = random.uniform(0, 1, (2, 64, 513, 1)).astype(np.float32)
    back = keras.ops.convert_to_numpy(InverseStft(0)([stft, masks]))
    inside = np.abs(back[:, 1024:-1024]).max()
    assert np.abs(back).max() <= 1.5 * inside
    assert np.abs(back[:, 0]).max() < 1e-6


def test_an_estimate_is_the_masked_mix_with_the_phase_of_the_mix(settings, signal):
    separator = build(settings)
    masks_of = keras.Model(separator.input, separator.get_layer("output_masks").output)
    masks = keras.ops.convert_to_numpy(masks_of(signal, training=False))
    estimates = keras.ops.convert_to_numpy(separator(signal, training=False))
    assert ((masks > 0) & (masks < 1)).all()
    assert (masks[:, :, -1] == 0.5).all()
    window = scipy.signal.get_window("hann", 1024, fftbins=True)
    for source in range(2):
        wave, energy = np.zeros(SAMPLES), np.zeros(SAMPLES)
        for index in range(64):
            position = slice(index * 768, index * 768 + 1024)
            spectrum = np.fft.rfft(signal[0, position, 0] * window)
            wave[position] += window * np.fft.irfft(spectrum * masks[0, index, :, source])
            energy[position] += window**2
        inside = slice(FADED, SAMPLES - FADED)
        expected = (wave / np.maximum(energy, 1e-12))[inside]
        np.testing.assert_allclose(estimates[0, inside, source, 0], expected, atol=2e-6)


def test_each_source_has_separate_weights(settings):
    separator = build(settings)
    first = separator.get_layer("encoder_02_accompaniment_conv").kernel.numpy()
    second = separator.get_layer("encoder_02_vocals_conv").kernel.numpy()
    assert first.shape == second.shape
    assert not np.allclose(first, second)
    assert {get_part(weight, settings.PARTS) for weight in separator.weights} == {
        "encoder",
        "decoder",
        "output",
    }


def test_a_frozen_encoder_updates_its_running_statistics(tiny):
    settings = make_run_settings(as_spectrogram_unet(tiny, frozen=["encoder"]), seed=2).model
    separator = build(settings)
    trainable = {id(weight) for weight in separator.trainable_variables}
    frozen = group_weights_by_part(separator, settings)["encoder"]
    assert not any(id(weight) in trainable for weight in frozen)
    norm = separator.get_layer("encoder_01_vocals_norm")
    before = norm.moving_mean.numpy()
    mix = np.random.default_rng(0).uniform(-1, 1, (2, separator.input_shape[1], 1))
    separator(mix.astype(np.float32), training=True)
    assert not np.allclose(norm.moving_mean.numpy(), before)


def test_the_gradient_of_the_output_bias_is_exact_in_bfloat16(settings):
    """With weights of 0 each mask is 1/2 and its derivative 1/4, and 2^15 of them add up to 2^13.

    TensorFlow's bias addition in bfloat16 ends at 64 on a CPU: adding 1/4 to it changes nothing.
    """
    model = build(settings)
    layer = model.get_layer("output_vocals_conv")
    for variable in layer.variables:
        variable.assign(np.zeros(variable.shape))
    features = tf.zeros((2, 64, 64, layer.input.shape[-1]))
    with layers_computing_in(model, "mixed_bfloat16"), tf.GradientTape() as tape:
        total = tf.reduce_sum(tf.cast(layer(features), tf.float32))
    np.testing.assert_array_equal(tape.gradient(total, layer.bias.value), [2.0**13])
