"""The spectrogram U-Net: its transforms against SciPy, its masks against their definition."""

import keras
import numpy as np
import pytest
import scipy.signal

from Config import specs
from Models.Build import build
from Models.Freezing import part_of, weights_by_part
from Models.UnetSpectrogramSeparator import InverseStft, Stft

FRAMES = 1024 + 63 * 768
FADED = 160  # frames at either end that the inverse may not give back whole


@pytest.fixture(scope="module")
def spec(tiny):
    entries = {
        **tiny,
        "network": "unet_spectrogram",
        "filter_size": 15,
        "merge_filter_size": 5,
        "num_channels": 1,
        "num_initial_filters": 2,
        "num_frames": FRAMES,
    }
    return specs(entries, seed=4).model


@pytest.fixture(scope="module")
def signal():
    random = np.random.default_rng(1)
    return random.uniform(-0.5, 0.5, (2, FRAMES, 1)).astype(np.float32)


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


def test_there_and_back_is_exact(signal, stft):
    masks = np.ones((2, 64, 513, 1), np.float32)
    back = keras.ops.convert_to_numpy(InverseStft(0)([stft, masks]))
    inside = slice(FADED, FRAMES - FADED)
    np.testing.assert_allclose(back[:, inside], signal[:, inside], atol=1e-6)


def test_the_ends_fade_instead_of_growing(signal, stft):
    random = np.random.default_rng(2)
    masks = random.uniform(0, 1, (2, 64, 513, 1)).astype(np.float32)
    back = keras.ops.convert_to_numpy(InverseStft(0)([stft, masks]))
    inside = np.abs(back[:, 1024:-1024]).max()
    assert np.abs(back).max() <= 1.5 * inside
    assert np.abs(back[:, 0]).max() < 1e-6


def test_an_estimate_is_the_masked_mixture_with_its_own_phase(spec, signal):
    separator = build(spec)
    masks_of = keras.Model(separator.input, separator.get_layer("output_masks").output)
    masks = keras.ops.convert_to_numpy(masks_of(signal, training=False))
    estimates = keras.ops.convert_to_numpy(separator(signal, training=False))
    assert ((masks > 0) & (masks < 1)).all()
    assert (masks[:, :, -1] == 0.5).all()
    window = scipy.signal.get_window("hann", 1024, fftbins=True)
    for source in range(2):
        wave, energy = np.zeros(FRAMES), np.zeros(FRAMES)
        for index in range(64):
            place = slice(index * 768, index * 768 + 1024)
            spectrum = np.fft.rfft(signal[0, place, 0] * window)
            wave[place] += window * np.fft.irfft(spectrum * masks[0, index, :, source])
            energy[place] += window**2
        inside = slice(FADED, FRAMES - FADED)
        expected = (wave / np.maximum(energy, 1e-12))[inside]
        np.testing.assert_allclose(estimates[0, inside, source, 0], expected, atol=2e-6)


def test_each_source_has_weights_of_its_own(spec):
    separator = build(spec)
    first = separator.get_layer("encoder_02_accompaniment_conv").kernel.numpy()
    second = separator.get_layer("encoder_02_vocals_conv").kernel.numpy()
    assert first.shape == second.shape
    assert not np.allclose(first, second)
    assert {part_of(weight) for weight in separator.weights} == {"encoder", "decoder", "output"}


def test_a_frozen_encoder_keeps_its_batch_statistics_moving(tiny):
    entries = {
        **tiny,
        "network": "unet_spectrogram",
        "filter_size": 15,
        "merge_filter_size": 5,
        "num_channels": 1,
        "num_initial_filters": 1,
        "frozen": ["encoder"],
    }
    separator = build(specs(entries, seed=2).model)
    trainable = {id(weight) for weight in separator.trainable_variables}
    frozen = weights_by_part(separator)["encoder"]
    assert not any(id(weight) in trainable for weight in frozen)
    norm = separator.get_layer("encoder_01_vocals_norm")
    before = norm.moving_mean.numpy()
    mix = np.random.default_rng(0).uniform(-1, 1, (2, separator.input_shape[1], 1))
    separator(mix.astype(np.float32), training=True)
    assert not np.allclose(norm.moving_mean.numpy(), before)
