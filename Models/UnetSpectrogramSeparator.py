"""The spectrogram U-Net that the Wave-U-Net is compared with (U7, U7a; Jansson et al., 2017).

One U-Net per source turns the mix's log magnitudes into a mask; the masked STFT, with the
mixture's own phase, is turned back: `[B, T, 1]` of mix in, `[B, T, S, 1]` of estimates out.
"""

import keras
import numpy as np
from keras import layers, ops

from Models.Convolution import leaky_relu
from Models.Initializers import LayerDraw, layer_seed
from Models.OutputLayer import StackSources
from Spec.Model import ModelSpec
from Spec.Shapes import SPECTROGRAM_HALVINGS, STFT_HOP, STFT_LENGTH, input_frames

KERNEL = (5, 5)
SMALLEST_POWER = 1e-12  # below it a magnitude has no gradient, which at zero would be infinite
DROPPED = 3  # decoder levels with dropout, from the deepest
MASK_OF_LAST_BIN = 0.5  # of the Nyquist bin, which the network never sees


def unet_spectrogram_separator(spec: ModelSpec) -> keras.Model:
    """The separator that `spec` describes, at its random start, nothing frozen yet."""
    frames = input_frames(spec)
    mix = keras.Input((frames, 1), name="mix")  # [B, T, 1]
    stft = Stft(name="input_stft")(mix)  # [B, K, bins, 2]
    magnitudes = Magnitudes(name="input_magnitudes")(stft)  # [B, K, bins]
    heard = LogMagnitudes(name="input_log")(magnitudes)  # [B, K, bins − 1, 1]
    masks = [source_unet(heard, source, spec) for source in spec.sources]
    mask = StackMasks(name="output_masks")(masks)  # [B, K, bins, S]
    estimates = [
        InverseStft(index, name=f"output_{source}_istft")([stft, mask])
        for index, source in enumerate(spec.sources)
    ]
    return keras.Model(mix, StackSources(name="output_stack")(estimates), name="separator")


def masked_magnitudes(separator: keras.Model) -> keras.Model:
    """The same network up to its masked magnitudes: `[B, T, 1]` of mix in, `[B, K, bins, S]` out.

    What the magnitude loss of U7a looks at; it shares every weight with `separator`.
    """
    magnitudes = separator.get_layer("input_magnitudes").output
    mask = separator.get_layer("output_masks").output
    masked = MaskedMagnitudes(name="output_magnitudes")([magnitudes, mask])
    return keras.Model(separator.input, masked, name="magnitudes")


def source_unet(x, source: str, spec: ModelSpec):
    """One source's U-Net: [B, K, bins − 1, 1] of log magnitudes to a mask of the same shape."""
    kept = []
    for level in range(1, SPECTROGRAM_HALVINGS + 1):
        x = encoder_block(x, level, source, spec)
        kept.append(x)
    for level in range(SPECTROGRAM_HALVINGS - 1, 0, -1):
        x = decoder_block(x, kept[level - 1], level, source, spec)
    return transposed(x, 1, spec, f"output_{source}_conv", activation="sigmoid")


def encoder_block(x, level: int, source: str, spec: ModelSpec):
    """One level down: half the frames and bins, twice the filters."""
    name = f"encoder_{level:02d}_{source}"
    x = layers.Conv2D(
        spectrogram_filters(level, spec),
        KERNEL,
        strides=2,
        padding="same",
        kernel_initializer=LayerDraw(spec, f"{name}_conv"),
        name=f"{name}_conv",
    )(x)
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    return layers.Activation(leaky_relu, name=f"{name}_activation")(x)


def decoder_block(x, kept, level: int, source: str, spec: ModelSpec):
    """One level up: twice the frames and bins, and the encoder's features beside them."""
    name = f"decoder_{level:02d}_{source}"
    x = transposed(x, spectrogram_filters(level, spec), spec, f"{name}_conv")
    x = layers.BatchNormalization(name=f"{name}_norm")(x)
    x = layers.Activation("relu", name=f"{name}_activation")(x)
    x = layers.Concatenate(name=f"{name}_concat")([x, kept])
    if level >= SPECTROGRAM_HALVINGS - DROPPED:
        drop = f"{name}_dropout"
        x = layers.Dropout(0.5, seed=layer_seed(spec.seed, drop), name=drop)(x)
    return x


def transposed(x, filters: int, spec: ModelSpec, name: str, activation=None):
    """A transposed convolution that doubles frames and bins."""
    return layers.Conv2DTranspose(
        filters,
        KERNEL,
        strides=2,
        padding="same",
        activation=activation,
        kernel_initializer=LayerDraw(spec, name, transposed=True),
        name=name,
    )(x)


def spectrogram_filters(level: int, spec: ModelSpec) -> int:
    """Filters of a level of the spectrogram U-Net: each level has twice those above it."""
    return spec.num_initial_filters * 2 ** (level - 1)


class Stft(layers.Layer):
    """[B, T, 1] → [B, K, bins, 2], real and imaginary part, by a periodic Hann window."""

    def call(self, x):
        real, imaginary = ops.stft(
            x[:, :, 0], STFT_LENGTH, STFT_HOP, STFT_LENGTH, window="hann", center=False
        )
        return ops.stack([real, imaginary], axis=-1)

    def compute_output_shape(self, input_shape):
        count = 1 + (input_shape[1] - STFT_LENGTH) // STFT_HOP
        return input_shape[0], count, STFT_LENGTH // 2 + 1, 2


class Magnitudes(layers.Layer):
    """[B, K, bins, 2] → [B, K, bins]."""

    def call(self, stft):
        power = ops.sum(ops.square(stft), axis=-1)
        return ops.sqrt(ops.maximum(power, SMALLEST_POWER))

    def compute_output_shape(self, input_shape):
        return input_shape[:-1]


class LogMagnitudes(layers.Layer):
    """What the network hears: [B, K, bins] → [B, K, bins − 1, 1], without the last bin."""

    def call(self, magnitudes):
        return ops.log1p(magnitudes[:, :, :-1, None])

    def compute_output_shape(self, input_shape):
        batch, count, bins = input_shape
        return batch, count, bins - 1, 1


class StackMasks(layers.Layer):
    """S × [B, K, bins − 1, 1] → [B, K, bins, S], the last bin's mask a constant."""

    def call(self, masks):
        masks = ops.concatenate(masks, axis=-1)  # [B, K, bins − 1, S]
        last = ops.full_like(masks[:, :, :1], MASK_OF_LAST_BIN)
        return ops.concatenate([masks, last], axis=2)

    def compute_output_shape(self, input_shape):
        batch, count, bins, _ = input_shape[0]
        return batch, count, bins + 1, len(input_shape)


class MaskedMagnitudes(layers.Layer):
    """Magnitudes [B, K, bins] under masks [B, K, bins, S]."""

    def call(self, inputs):
        magnitudes, masks = inputs
        return magnitudes[..., None] * masks

    def compute_output_shape(self, input_shape):
        return input_shape[1]


class InverseStft(layers.Layer):
    """One source's masked STFT as a waveform: [B, K, bins, 2] and masks → [B, T, 1].

    Exact wherever windows overlap as they do inside. At either end, where one STFT window alone
    fades in, dividing by it would amplify without bound what the mask changed; there the divisor
    stays at the smallest of the inside, and the last 150 frames fade.
    """

    def __init__(self, source: int, **kwargs):
        super().__init__(**kwargs)
        self.source = source

    def call(self, inputs):
        stft, masks = inputs
        masked = stft * masks[..., self.source, None]  # [B, K, bins, 2]
        frames = ops.irfft((masked[..., 0], masked[..., 1]), STFT_LENGTH)  # [B, K, window]
        summed = overlap_add(frames * hann())  # [B, T]
        return (summed / overlapped_energy(frames.shape[1]))[..., None]

    def compute_output_shape(self, input_shape):
        batch, count = input_shape[0][:2]
        return batch, STFT_LENGTH + STFT_HOP * (count - 1), 1


def overlap_add(frames):
    """Windows put back where they came from and added: [B, K, window] → [B, T].

    Each window begins one hop after the last and reaches only into the next one's hop.
    """
    count, tail = frames.shape[1], STFT_LENGTH - STFT_HOP
    heads = ops.reshape(frames[:, :, :STFT_HOP], (-1, count * STFT_HOP))
    tails = ops.pad(frames[:, :, STFT_HOP:], ((0, 0), (0, 0), (0, STFT_HOP - tail)))
    tails = ops.reshape(tails, (-1, count * STFT_HOP))
    last = STFT_HOP - tail  # frames of silence that the last tail was padded with
    return ops.pad(heads, ((0, 0), (0, tail))) + ops.pad(tails[:, :-last], ((0, 0), (STFT_HOP, 0)))


def hann() -> np.ndarray:
    """The periodic Hann window, [window] float32."""
    phase = np.pi * np.arange(STFT_LENGTH) / STFT_LENGTH
    return (np.sin(phase) ** 2).astype(np.float32)


def overlapped_energy(count: int) -> np.ndarray:
    """What `count` overlapping windows, squared, add up to, [T] float32; at either end not less
    than at the weakest point inside."""
    window = hann().astype(np.float64)
    energy = np.zeros(STFT_LENGTH + STFT_HOP * (count - 1))
    for first in range(0, count * STFT_HOP, STFT_HOP):
        energy[first : first + STFT_LENGTH] += window**2
    inside = window[: STFT_LENGTH - STFT_HOP] ** 2 + window[STFT_HOP:] ** 2
    return np.maximum(energy, inside.min()).astype(np.float32)
