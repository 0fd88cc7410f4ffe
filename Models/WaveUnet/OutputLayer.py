"""The output layers: one waveform per source (Wave-U-Net, Sections 3.1 and 3.2.1)."""

import keras
from keras import ops

from Models.WaveUnet.Convolution import convolution
from Models.WaveUnet.Settings import WaveUnetSettings


def estimate_sources(mix, features, settings: WaveUnetSettings):
    """Return the estimates of all sources.

    Parameters
    ----------
    mix : tensor [B, T, C]
        The mix, cropped to the output length.
    features : tensor [B, T, F]
        The last features.
    settings : WaveUnetSettings
        The settings of the model.

    Returns
    -------
    tensor [B, T, S, C]
        The estimates, in the order of the sources.
    """
    return OUTPUTS[settings.output_type](mix, features, settings)


def direct_output(mix, features, settings: WaveUnetSettings):
    """Return one head per source; the estimates need not add up to the mix.

    Parameters
    ----------
    mix : tensor [B, T, C]
        Not used.
    features : tensor [B, T, F]
        The last features.
    settings : WaveUnetSettings
        The settings of the model.

    Returns
    -------
    tensor [B, T, S, C]
        The estimates.
    """
    return StackSources(name="output_stack")(
        [head(features, name, settings) for name in settings.sources]
    )


def difference_output(mix, features, settings: WaveUnetSettings):
    """Return S − 1 heads and, as the last source, the mix minus their sum.

    Parameters
    ----------
    mix : tensor [B, T, C]
        The mix, cropped to the output length.
    features : tensor [B, T, F]
        The last features.
    settings : WaveUnetSettings
        The settings of the model.

    Returns
    -------
    tensor [B, T, S, C]
        The estimates.
    """
    estimates = [head(features, source, settings) for source in settings.sources[:-1]]
    rest = Difference(name=f"output_{settings.sources[-1]}_difference")([mix, *estimates])
    return StackSources(name="output_stack")([*estimates, rest])


OUTPUTS = {"direct": direct_output, "difference": difference_output}


def head(features, source: str, settings: WaveUnetSettings):
    """Apply the output convolution of one source, with one tap and tanh.

    Parameters
    ----------
    features : tensor [B, T, F]
        The last features.
    source : str
        The name of the source.
    settings : WaveUnetSettings
        The settings of the model.

    Returns
    -------
    tensor [B, T, C]
        The estimate, in (−1, 1).
    """
    return convolution(
        features, settings.num_channels, 1, settings, f"output_{source}_conv", "tanh"
    )


class Difference(keras.layers.Layer):
    """The last source as the mix minus all other estimates: [mix, *estimates] → [B, T, C].

    All inputs are [B, T, C]. The output is clipped to [−1, 1], except in training, where clipping
    would set the gradient to zero.
    """

    def call(self, inputs, training=False):
        mix, *estimates = inputs
        rest = mix - sum(estimates)
        return rest if training else ops.clip(rest, -1.0, 1.0)

    def compute_output_shape(self, input_shape):
        return input_shape[0]


class StackSources(keras.layers.Layer):
    """The estimates of all sources in one tensor: S × [B, T, C] → [B, T, S, C]."""

    def call(self, estimates):
        return ops.stack(estimates, axis=2)

    def compute_output_shape(self, input_shape):
        batch, samples, channels = input_shape[0]
        return batch, samples, len(input_shape), channels
