"""From the last features to one waveform per source (Wave-U-Net, Sections 3.1 and 3.2.1)."""

import keras
from keras import ops

from Models.Convolution import convolution
from Spec.Model import ModelSpec


def separated(mix, features, spec: ModelSpec):
    """Estimates [B, T, S, C], in the order of the sources, from the mix and the last features."""
    return OUTPUTS[spec.output_type](mix, features, spec)


def direct_output(mix, features, spec: ModelSpec):
    """One head per source; nothing makes them add up to the mix."""
    return StackSources(name="output_stack")([head(features, name, spec) for name in spec.sources])


def difference_output(mix, features, spec: ModelSpec):
    """K − 1 heads and, as the last source, their difference from the mix."""
    estimates = [head(features, source, spec) for source in spec.sources[:-1]]
    rest = Difference(name=f"output_{spec.sources[-1]}_difference")([mix, *estimates])
    return StackSources(name="output_stack")([*estimates, rest])


OUTPUTS = {"direct": direct_output, "difference": difference_output}


def head(features, source: str, spec: ModelSpec):
    """One source's own 1-tap convolution, [B, T, F] → [B, T, C], within (−1, 1)."""
    return convolution(features, spec.num_channels, 1, spec, f"output_{source}_conv", "tanh")


class Difference(keras.layers.Layer):
    """The last source as what the others leave of the mix: K × [B, T, C] → [B, T, C].

    Called on `[mix, *estimates]`. Clipped to [−1, 1] except in training, where clipping would
    stop the gradient.
    """

    def call(self, inputs, training=False):
        mix, *estimates = inputs
        rest = mix - sum(estimates)
        return rest if training else ops.clip(rest, -1.0, 1.0)

    def compute_output_shape(self, input_shape):
        return input_shape[0]


class StackSources(keras.layers.Layer):
    """S × [B, T, C] → [B, T, S, C]."""

    def call(self, estimates):
        return ops.stack(estimates, axis=2)

    def compute_output_shape(self, input_shape):
        batch, frames, channels = input_shape[0]
        return batch, frames, len(input_shape), channels
