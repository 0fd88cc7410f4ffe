"""Upsampling by two in time: samples kept, a midpoint put after each (Wave-U-Net, Section 3.1.1).

Not what image resizing does: those shift the grid by a quarter of a sample or extrapolate.
"""

import keras
from keras import ops


class UpsampleSame(keras.layers.Layer):
    """[B, T, C] → [B, 2 T, C]: `y[2k] = x[k]`, `y[2k + 1]` halfway to the next sample.

    The last sample has no next one and repeats.
    """

    def call(self, x):
        frames, channels = x.shape[1:]
        following = ops.concatenate([x[:, 1:], x[:, -1:]], axis=1)  # [B, T, C]
        midpoints = (x + following) * 0.5
        pairs = ops.stack([x, midpoints], axis=2)  # [B, T, 2, C]
        return ops.reshape(pairs, (-1, 2 * frames, channels))

    def compute_output_shape(self, input_shape):
        batch, frames, channels = input_shape
        return batch, 2 * frames, channels
