"""The spectrogram U-Net, the baseline of the Wave-U-Net paper (U7, U7a; Jansson et al., 2017).

One U-Net per source estimates a mask from the log magnitudes of the mix. The inverse STFT of the
masked STFT, with the phase of the mix, is the estimate. The model maps the mix [B, T, 1] to
estimates [B, T, S, 1]. In shapes K counts STFT frames, F counts bins, and `bins` is 513.
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from Models.Initializers import LayerInitializer, derive_layer_seed
from Models.Network import ErrorFunction, Network
from Models.SpectrogramUnet.Settings import (
    KERNEL,
    LEVELS,
    STFT_HOP,
    STFT_LENGTH,
    SpectrogramUnetSettings,
)
from Models.WaveUnet.Convolution import leaky_relu
from Models.WaveUnet.OutputLayer import StackSources

MIN_POWER = 1e-12  # lower limit of a power: the gradient of the square root is infinite at 0
DROPOUT_LEVELS = 3  # number of decoder levels with dropout, the deepest ones
LAST_BIN_MASK = 0.5  # mask of the Nyquist bin, which is not an input of the network


def unet_spectrogram_separator(settings: SpectrogramUnetSettings) -> keras.Model:
    """Build the model with its random initial weights, all of them trainable.

    It maps the mix [B, T, 1] to estimates [B, T, S, 1].
    """
    mix = keras.Input((settings.input_samples, 1), name="mix")  # [B, T, 1]
    stft = Stft(name="input_stft")(mix)  # [B, K, bins, 2]
    magnitudes = Magnitudes(name="input_magnitudes")(stft)  # [B, K, bins]
    log_magnitudes = LogMagnitudes(name="input_log")(magnitudes)  # [B, K, bins − 1, 1]
    masks = [source_unet(log_magnitudes, source, settings) for source in settings.sources]
    mask = StackMasks(name="output_masks")(masks)  # [B, K, bins, S]
    estimates = [
        InverseStft(index, name=f"output_{source}_istft")([stft, mask])
        for index, source in enumerate(settings.sources)
    ]
    return keras.Model(mix, StackSources(name="output_stack")(estimates), name="separator")


def build_magnitude_graph(separator: keras.Model) -> keras.Model:
    """Build the graph from the mix [B, T, 1] to the masked magnitudes [B, K, bins, S].

    The magnitude loss of U7a compares these magnitudes. The graph shares all weights with
    `separator`.
    """
    magnitudes = separator.get_layer("input_magnitudes").output
    mask = separator.get_layer("output_masks").output
    masked = MaskedMagnitudes(name="output_magnitudes")([magnitudes, mask])
    return keras.Model(separator.input, masked, name="magnitudes")


def magnitude_error(sources, magnitudes):
    """Return the mean absolute error of STFT magnitudes, a scalar (U7a).

    `sources` are the waveforms [B, T, S, 1] of the sources and `magnitudes` the estimated
    magnitudes [B, K, bins, S].
    """
    references = [Magnitudes()(Stft()(sources[:, :, index])) for index in range(sources.shape[2])]
    return ops.mean(ops.abs(magnitudes - ops.stack(references, axis=-1)))


def source_unet(x, source: str, settings: SpectrogramUnetSettings):
    """Return the mask of one source, computed by its own U-Net.

    Parameters
    ----------
    x : tensor [B, K, bins − 1, 1]
        Log magnitudes of the mix.
    source : str
        The name of the source, which becomes part of the layer names.
    settings : SpectrogramUnetSettings
        The settings of the model.

    Returns
    -------
    tensor [B, K, bins − 1, 1]
        The mask, in (0, 1).
    """
    skips = []
    for level in range(1, LEVELS + 1):
        x = encoder_block(x, level, source, settings)
        skips.append(x)
    for level in range(LEVELS - 1, 0, -1):
        x = decoder_block(x, skips[level - 1], level, source, settings)
    return transposed_convolution(x, 1, settings, f"output_{source}_conv", activation="sigmoid")


def encoder_block(x, level: int, source: str, settings: SpectrogramUnetSettings):
    """Apply a strided convolution with batch normalisation and LeakyReLU.

    Parameters
    ----------
    x : tensor [B, K, F, C]
        Features of the level above.
    level : int
        The level, from 1.
    source : str
        The name of the source.
    settings : SpectrogramUnetSettings
        The settings of the model.

    Returns
    -------
    tensor [B, K / 2, F / 2, filters of the level]
        Features with half the frames and half the bins.
    """
    name = f"encoder_{level:02d}_{source}"
    x = layers.Conv2D(
        settings.filters(level),
        KERNEL,
        strides=2,
        padding="same",
        kernel_initializer=LayerInitializer(settings, f"{name}_conv"),
        name=f"{name}_conv",
    )(x)
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    return layers.Activation(leaky_relu, name=f"{name}_activation")(x)


def decoder_block(x, skip, level: int, source: str, settings: SpectrogramUnetSettings):
    """Apply a transposed convolution and concatenate the skip.

    Batch normalisation and ReLU follow the convolution; the three deepest levels also have dropout.

    Parameters
    ----------
    x : tensor [B, K, F, C]
        Features of the level below.
    skip : tensor [B, 2 K, 2 F, filters of the level]
        The output of the encoder at this level.
    level : int
        The level, from 1.
    source : str
        The name of the source.
    settings : SpectrogramUnetSettings
        The settings of the model.

    Returns
    -------
    tensor [B, 2 K, 2 F, 2 · filters of the level]
        Features with twice the frames and twice the bins.
    """
    name = f"decoder_{level:02d}_{source}"
    x = transposed_convolution(x, settings.filters(level), settings, f"{name}_conv")
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    x = layers.Activation("relu", name=f"{name}_activation")(x)
    x = layers.Concatenate(name=f"{name}_concat")([x, skip])
    if level >= LEVELS - DROPOUT_LEVELS:
        drop = f"{name}_dropout"
        x = layers.Dropout(0.5, seed=derive_layer_seed(settings.seed, drop), name=drop)(x)
    return x


def transposed_convolution(
    x, filters: int, settings: SpectrogramUnetSettings, name: str, activation=None
):
    """Apply a transposed convolution that doubles the numbers of frames and bins.

    Parameters
    ----------
    x : tensor [B, K, F, C]
        The input.
    filters : int
        The number of filters.
    settings : SpectrogramUnetSettings
        The settings of the model.
    name : str
        The name of the layer, which also determines its random weights.
    activation : str, optional
        A Keras activation.

    Returns
    -------
    tensor [B, 2 K, 2 F, filters]
        The output.
    """
    return layers.Conv2DTranspose(
        filters,
        KERNEL,
        strides=2,
        padding="same",
        activation=activation,
        kernel_initializer=LayerInitializer(settings, name, transposed=True),
        name=name,
    )(x)


class Stft(layers.Layer):
    """An STFT layer with a periodic Hann window: [B, T, 1] → [B, K, bins, 2].

    The last axis has the real and the imaginary part.
    """

    def call(self, x):
        real, imaginary = ops.stft(
            x[:, :, 0], STFT_LENGTH, STFT_HOP, STFT_LENGTH, window="hann", center=False
        )
        return ops.stack([real, imaginary], axis=-1)

    def compute_output_shape(self, input_shape):
        count = 1 + (input_shape[1] - STFT_LENGTH) // STFT_HOP
        return input_shape[0], count, STFT_LENGTH // 2 + 1, 2


class Magnitudes(layers.Layer):
    """The magnitudes of an STFT: [B, K, bins, 2] → [B, K, bins]."""

    def call(self, stft):
        power = ops.sum(ops.square(stft), axis=-1)
        return ops.sqrt(ops.maximum(power, MIN_POWER))

    def compute_output_shape(self, input_shape):
        return input_shape[:-1]


class LogMagnitudes(layers.Layer):
    """The input of the U-Nets, log(1 + magnitude): [B, K, bins] → [B, K, bins − 1, 1].

    The last bin is removed, so that the number of bins is a power of two.
    """

    def call(self, magnitudes):
        return ops.log1p(magnitudes[:, :, :-1, None])

    def compute_output_shape(self, input_shape):
        batch, count, bins = input_shape
        return batch, count, bins - 1, 1


class StackMasks(layers.Layer):
    """All masks in one tensor: S × [B, K, bins − 1, 1] → [B, K, bins, S].

    The mask of the last bin, which the U-Nets do not estimate, is constant.
    """

    def call(self, masks):
        masks = ops.concatenate(masks, axis=-1)  # [B, K, bins − 1, S]
        last = ops.full_like(masks[:, :, :1], LAST_BIN_MASK)
        return ops.concatenate([masks, last], axis=2)

    def compute_output_shape(self, input_shape):
        batch, count, bins, _ = input_shape[0]
        return batch, count, bins + 1, len(input_shape)


class MaskedMagnitudes(layers.Layer):
    """Magnitudes [B, K, bins] multiplied by masks [B, K, bins, S]."""

    def call(self, inputs):
        magnitudes, masks = inputs
        return magnitudes[..., None] * masks

    def compute_output_shape(self, input_shape):
        return input_shape[1]


class InverseStft(layers.Layer):
    """The waveform of one source: STFT [B, K, bins, 2] and masks [B, K, bins, S] → [B, T, 1].

    Without a mask the reconstruction is exact wherever the energy of the overlapping windows is at
    least its minimum between two windows. At both ends of the segment only one window fades in or
    out. Division by its small energy would amplify the changes made by the mask without limit;
    there the divisor is the minimum, and the outermost 150 samples fade.
    """

    def __init__(self, source: int, **kwargs):
        super().__init__(**kwargs)
        self.source = source

    def call(self, inputs):
        stft, masks = inputs
        masked = stft * masks[..., self.source, None]  # [B, K, bins, 2]
        frames = ops.irfft((masked[..., 0], masked[..., 1]), STFT_LENGTH)  # [B, K, window]
        summed = overlap_add(frames * hann_window())  # [B, T]
        return (summed / window_energy(frames.shape[1]))[..., None]

    def compute_output_shape(self, input_shape):
        batch, count = input_shape[0][:2]
        return batch, STFT_LENGTH + STFT_HOP * (count - 1), 1


def overlap_add(frames):
    """Add overlapping windows at their positions: [B, K, window] → [B, T].

    Each window starts one hop after the previous one and overlaps only the window after it.
    """
    count, tail = frames.shape[1], STFT_LENGTH - STFT_HOP
    heads = ops.reshape(frames[:, :, :STFT_HOP], (-1, count * STFT_HOP))
    tails = ops.pad(frames[:, :, STFT_HOP:], ((0, 0), (0, 0), (0, STFT_HOP - tail)))
    tails = ops.reshape(tails, (-1, count * STFT_HOP))
    last = STFT_HOP - tail  # zeros appended to the last tail
    return ops.pad(heads, ((0, 0), (0, tail))) + ops.pad(tails[:, :-last], ((0, 0), (STFT_HOP, 0)))


def hann_window() -> np.ndarray:
    """Return the periodic Hann window, [window] float32."""
    phase = np.pi * np.arange(STFT_LENGTH) / STFT_LENGTH
    return (np.sin(phase) ** 2).astype(np.float32)


def window_energy(count: int) -> np.ndarray:
    """Return the sum of `count` overlapping squared windows, [T] float32.

    At both ends the values are clipped from below to the minimum between two windows.
    """
    window = hann_window().astype(np.float64)
    energy = np.zeros(STFT_LENGTH + STFT_HOP * (count - 1))
    for first in range(0, count * STFT_HOP, STFT_HOP):
        energy[first : first + STFT_LENGTH] += window**2
    between = window[: STFT_LENGTH - STFT_HOP] ** 2 + window[STFT_HOP:] ** 2
    return np.maximum(energy, between.min()).astype(np.float32)


class SpectrogramUnet(Network):
    """The spectrogram U-Net as a `Network`."""

    def build(self, settings: SpectrogramUnetSettings) -> keras.Model:
        return unet_spectrogram_separator(settings)

    def draw(self, sheet: Any) -> None:
        from Models.SpectrogramUnet.Drawing import draw_network

        draw_network(sheet)

    def build_loss_graph(
        self, model: keras.Model, loss: str
    ) -> tuple[keras.Model, ErrorFunction | None]:
        if loss == "magnitude":
            return build_magnitude_graph(model), magnitude_error
        return super().build_loss_graph(model, loss)


NETWORK = SpectrogramUnet()
