"""Upsampling by two in time: samples kept, a midpoint put after each (Wave-U-Net, Section 3.1.1).

Not what image resizing does: that shifts the grid by a quarter of a sample or extrapolates.
In *same* mode a midpoint follows every sample, T → 2 T; in *context* mode midpoints stand only
between neighbours, T → 2 T − 1.
"""

import keras
from keras import ops

from Models.Initializers import LayerDraw
from Spec.Model import ModelSpec


def upsample(x, spec: ModelSpec, name: str):
    """Twice the frames by the spec's interpolation, [B, T, C] → [B, 2 T or 2 T − 1, C]."""
    if spec.upsampling == "learned":
        return LearnedUpsample(LayerDraw(spec, name), spec.context, name=name)(x)
    return LinearUpsample(spec.context, name=name)(x)


class Upsample(keras.layers.Layer):
    """What both interpolations share: neighbours in, samples and midpoints in turn out."""

    def __init__(self, context: bool, **kwargs):
        super().__init__(**kwargs)
        self.context = context

    def call(self, x):
        frames, channels = x.shape[1:]
        midpoints = self.midpoints(x, ops.concatenate([x[:, 1:], self.past_the_end(x)], axis=1))
        pairs = ops.stack([x, midpoints], axis=2)  # [B, T, 2, C]
        upsampled = ops.reshape(pairs, (-1, 2 * frames, channels))
        return upsampled[:, :-1] if self.context else upsampled

    def midpoints(self, before, after):
        """The values halfway between [B, T, C] and [B, T, C]."""
        raise NotImplementedError

    def past_the_end(self, x):
        """The neighbour after the last sample, [B, 1, C]."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape):
        batch, frames, channels = input_shape
        return batch, 2 * frames - (1 if self.context else 0), channels


class LinearUpsample(Upsample):
    """`y[2k] = x[k]`, `y[2k + 1] = (x[k] + x[k + 1]) / 2`; the last sample repeats."""

    def midpoints(self, before, after):
        return (before + after) * 0.5

    def past_the_end(self, x):
        return x[:, -1:]


class LearnedUpsample(Upsample):
    """`y[2k + 1] = σ(w) x[k] + (1 − σ(w)) x[k + 1]`, one w per channel (Wave-U-Net, Section 3.2.4).

    Past the end stands zero.
    """

    def __init__(self, draw: LayerDraw, context: bool, **kwargs):
        super().__init__(context, **kwargs)
        self.draw = draw

    def build(self, input_shape):
        self.weight = self.add_weight(
            shape=(input_shape[-1],), initializer=self.draw, name="interpolation"
        )

    def midpoints(self, before, after):
        share = ops.sigmoid(self.weight)  # [C]
        return share * before + (1.0 - share) * after

    def past_the_end(self, x):
        return ops.zeros_like(x[:, -1:])
