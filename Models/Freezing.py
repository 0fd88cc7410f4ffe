"""The parts of a model, and freezing the weights of some of them.

This module freezes variables, not layers: a frozen BatchNormalization layer would also normalise
with its moving statistics. Weights must be frozen before an optimizer is built for the model;
later changes have no effect.
"""

import math

import keras

from Models.Entries import JNetError
from Models.Settings import ModelSettings


def get_part(variable: keras.Variable, parts: tuple[str, ...]) -> str:
    """Return the part of a weight, from the name `part_level_role` of its layer.

    Raises `JNetError` if the name begins with none of `parts`.
    """
    for layer_name in variable.path.split("/"):
        part = layer_name.split("_")[0]
        if part in parts:
            return part
    raise JNetError(
        f"the weight {variable.path!r} belongs to no part: begin the name of its layer with one of "
        f"{', '.join(parts)}"
    )


def group_weights_by_part(model: keras.Model, settings: ModelSettings) -> dict[str, list]:
    """Return the weights of each part; the list of a part without weights is empty."""
    parts: dict[str, list] = {part: [] for part in settings.PARTS}
    for variable in model.weights:
        parts[get_part(variable, settings.PARTS)].append(variable)
    return parts


def freeze(model: keras.Model, settings: ModelSettings) -> keras.Model:
    """Make the weights of the frozen parts not trainable and return the same model."""
    parts = group_weights_by_part(model, settings)
    for part in settings.frozen:
        for variable in parts[part]:
            variable.trainable = False
    return model


def count_scalars(variables) -> int:
    """Return the total number of scalars in `variables`."""
    return sum(math.prod(variable.shape) for variable in variables)
