"""From a model's description to the model: the one place that chooses between architectures."""

import keras

from Models.Freezing import freeze
from Models.UnetAudioSeparator import unet_audio_separator
from Models.UnetSpectrogramSeparator import unet_spectrogram_separator
from Spec.Model import ModelSpec

BUILDERS = {"unet": unet_audio_separator, "unet_spectrogram": unet_spectrogram_separator}


def build(spec: ModelSpec) -> keras.Model:
    """The separator at its random start, its frozen parts no longer trainable.

    Takes `[B, T, C]` of mix in [−1, 1] and gives `[B, T, S, C]`, sources in `spec.sources` order.
    """
    return freeze(BUILDERS[spec.network](spec), spec.frozen)
