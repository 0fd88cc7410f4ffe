"""Building a Keras model from its settings."""

import keras

from Models.Freezing import freeze
from Models.Networks import import_network
from Models.Settings import ModelSettings


def build(settings: ModelSettings) -> keras.Model:
    """Build the model with its random initial weights and freeze its frozen parts.

    The model maps the mix [B, T, C], in [−1, 1], to estimates [B, T, S, C] with the sources in the
    order of `settings.sources`.
    """
    return freeze(import_network(settings).build(settings), settings)
