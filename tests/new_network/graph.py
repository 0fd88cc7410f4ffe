"""The graph of a network that is not part of the project."""

import keras
from keras import layers, ops

from Models.Initializers import LayerInitializer
from Models.Network import Network


class Stack(layers.Layer):
    """Stack the estimates of all sources: S × [B, T, C] → [B, T, S, C]."""

    def call(self, estimates):
        return ops.stack(estimates, axis=2)


class OneLayer(Network):
    """A network with one convolution and a head per source."""

    def build(self, settings):
        mix = keras.Input((settings.input_samples, settings.num_channels), name="mix")
        x = convolution(mix, settings.filters, 9, settings, "encoder_01_conv", "relu")
        heads = [
            convolution(x, settings.num_channels, 1, settings, f"output_{source}_conv", "tanh")
            for source in settings.sources
        ]
        return keras.Model(mix, Stack(name="output_stack")(heads), name="separator")

    def draw(self, sheet):
        sheet.draw_layers("mix", "mix", "", 0, 0)
        sheet.draw_layers("encoder_01", "encoder", "conv", 0, 1)


def convolution(x, filters, size, settings, name, activation):
    return layers.Conv1D(
        filters,
        size,
        padding="same",
        activation=activation,
        kernel_initializer=LayerInitializer(settings, name),
        name=name,
    )(x)


NETWORK = OneLayer()
