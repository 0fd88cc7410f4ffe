"""The one convolution all separators are made of, and the decimation after it."""

import keras
from keras import ops

from Models.Initializers import LayerDraw
from Spec.Model import ModelSpec

LEAKY_SLOPE = 0.2  # the slope of the original; Keras' default is 0.3, TensorFlow's 0.2


def leaky_relu(x):
    """LeakyReLU with the slope of the Wave-U-Net."""
    return ops.leaky_relu(x, negative_slope=LEAKY_SLOPE)


def convolution(
    filters: int, size: int, spec: ModelSpec, name: str, activation=leaky_relu
) -> keras.layers.Layer:
    """A convolution over time, [B, T, C] → [B, T, filters], its kernel drawn from its name."""
    return keras.layers.Conv1D(
        filters,
        size,
        padding="same",
        activation=activation,
        kernel_initializer=LayerDraw(spec.seed, name),
        name=name,
    )


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
