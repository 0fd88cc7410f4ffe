"""Upsampling by two in time: a midpoint after each sample (Wave-U-Net, Section 3.1.1).

The original samples are kept unchanged. The resizing of image libraries differs: it shifts the
grid by a quarter of a sample, or it extrapolates. In *same* mode there is a midpoint after every
sample, T → 2 T. In *context* mode midpoints are only between neighbours, T → 2 T − 1.
"""

import keras
from keras import ops

from Models.Initializers import LayerInitializer
from Models.WaveUnet.Settings import WaveUnetSettings


def upsample(x, settings: WaveUnetSettings, name: str):
    """Double the number of samples with the interpolation that `settings` selects.

    Parameters
    ----------
    x : tensor [B, T, C]
        The input.
    settings : WaveUnetSettings
        The settings of the model.
    name : str
        The name of the layer.

    Returns
    -------
    tensor [B, 2 T, C] or [B, 2 T − 1, C]
        The upsampled signal; 2 T − 1 samples in *context* mode.
    """
    if settings.upsampling == "learned":
        return LearnedUpsample(LayerInitializer(settings, name), settings.context, name=name)(x)
    return LinearUpsample(settings.context, name=name)(x)


class LinearUpsample(keras.layers.Layer):
    """Linear interpolation: `y[2k] = x[k]`, `y[2k + 1] = (x[k] + x[k + 1]) / 2`.

    In *same* mode the last sample is repeated as its own neighbour.
    """

    def __init__(self, context: bool, **kwargs):
        super().__init__(**kwargs)
        self.context = context

    def call(self, x):
        samples, channels = x.shape[1:]
        midpoints = self.midpoints(x, ops.concatenate([x[:, 1:], self.past_the_end(x)], axis=1))
        pairs = ops.stack([x, midpoints], axis=2)  # [B, T, 2, C]
        upsampled = ops.reshape(pairs, (-1, 2 * samples, channels))
        return upsampled[:, :-1] if self.context else upsampled

    def midpoints(self, before, after):
        """Return the midpoints of two signals [B, T, C]."""
        return (before + after) * 0.5

    def past_the_end(self, x):
        """Return the neighbour after the last sample, [B, 1, C]."""
        return x[:, -1:]

    def compute_output_shape(self, input_shape):
        batch, samples, channels = input_shape
        return batch, 2 * samples - (1 if self.context else 0), channels


class LearnedUpsample(LinearUpsample):
    """Learned interpolation: `y[2k + 1] = σ(w) x[k] + (1 − σ(w)) x[k + 1]`, one w per channel.

    In *same* mode the neighbour after the last sample is zero (Wave-U-Net, Section 3.2.4).
    """

    def __init__(self, draw: LayerInitializer, context: bool, **kwargs):
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
