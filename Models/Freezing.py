"""Which weights belong to which part of a separator, and which parts stay at their random start.

Variables are frozen, not layers: freezing a BatchNormalization layer would also switch it to its
moving statistics. Freeze before the training model is compiled; afterwards it does nothing.
"""

import math

import keras

from Spec.Errors import ConfigError, JNetError
from Spec.Model import PARTS


def part_of(variable) -> str:
    """The part a weight belongs to, read from its layer's name `part_level_role`."""
    for layer_name in variable.path.split("/"):
        part = layer_name.split("_")[0]
        if part in PARTS:
            return part
    raise JNetError(
        f"the weight {variable.path!r} belongs to no part: a layer's name begins with one of "
        f"{', '.join(PARTS)}"
    )


def weights_by_part(model: keras.Model) -> dict[str, list]:
    """Every weight of the separator under its part; parts without weights are empty lists."""
    parts: dict[str, list] = {part: [] for part in PARTS}
    for variable in model.weights:
        parts[part_of(variable)].append(variable)
    return parts


def freeze(model: keras.Model, frozen: tuple[str, ...]) -> keras.Model:
    """The same model, the weights of its `frozen` parts no longer trainable.

    Raises `ConfigError` when none of the parts has a weight: nothing would be frozen.
    """
    parts = weights_by_part(model)
    if frozen and not any(parts[part] for part in frozen):
        raise ConfigError(
            f"cfg.frozen is {list(frozen)!r}: this model has no weights there, only in "
            f"{', '.join(part for part, variables in parts.items() if variables)}"
        )
    for part, variables in parts.items():
        for variable in variables:
            if part in frozen:
                variable.trainable = False
    return model


def count(variables) -> int:
    """Numbers held by `variables`."""
    return sum(math.prod(variable.shape) for variable in variables)
