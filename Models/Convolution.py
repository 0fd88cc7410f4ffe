"""The one convolution all Wave-U-Nets are made of, and the decimation and cropping after it."""

import keras
from keras import ops

from Models.Initializers import LayerDraw
from Spec.Model import ModelSpec

LEAKY_SLOPE = 0.2  # the slope of the original; Keras' layer has 0.3


def leaky_relu(x):
    """LeakyReLU with the slope of the Wave-U-Net."""
    return ops.leaky_relu(x, negative_slope=LEAKY_SLOPE)


def convolution(x, filters: int, size: int, spec: ModelSpec, name: str, activation=leaky_relu):
    """A convolution over time, [B, T, C] → [B, T, filters], its kernel drawn from its name.

    In *context* mode nothing is padded and T shrinks by `size − 1`.
    """
    return keras.layers.Conv1D(
        filters,
        size,
        padding="valid" if spec.context else "same",
        activation=activation,
        kernel_initializer=LayerDraw(spec, name),
        name=name,
    )(x)


def convolution_block(x, filters: int, size: int, spec: ModelSpec, name: str):
    """The block of the plain Wave-U-Net: one convolution, [B, T, C] → [B, T, filters]."""
    return convolution(x, filters, size, spec, f"{name}_conv")


class Decimate(keras.layers.Layer):
    """Every second frame, the first kept: [B, T, C] → [B, ceil(T / 2), C]."""

    def call(self, x):
        frames, channels = x.shape[1:]
        if frames % 2:
            return x[:, ::2]
        # Side by side in memory and then the left half: a strided slice is eight times slower
        # on a CPU.
        pairs = ops.reshape(x, (-1, frames // 2, 2 * channels))  # [B, T / 2, 2 C]
        return pairs[:, :, :channels]

    def compute_output_shape(self, input_shape):
        batch, frames, channels = input_shape
        return batch, (frames + 1) // 2, channels


class CentreCrop(keras.layers.Layer):
    """The middle `frames` of a signal: [B, T, C] → [B, frames, C]; what is cut must be even."""

    def __init__(self, frames: int, **kwargs):
        super().__init__(**kwargs)
        self.frames = frames

    def call(self, x):
        first = (x.shape[1] - self.frames) // 2
        return x[:, first : first + self.frames]

    def compute_output_shape(self, input_shape):
        return input_shape[0], self.frames, *input_shape[2:]


def centre_crop(x, frames: int, name: str):
    """The middle `frames` of `x`; `x` itself where it is that long already."""
    return x if x.shape[1] == frames else CentreCrop(frames, name=name)(x)
