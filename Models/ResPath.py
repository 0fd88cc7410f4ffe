"""The Res path: convolutions on a skip, against the semantic gap between encoder and decoder
(J-Net, Section 2.1; MultiResUNet)."""

from keras import layers

from Models.Convolution import centre_crop, convolution, leaky_relu
from Spec.Model import ModelSpec


def res_path(skip, level: int, spec: ModelSpec):
    """`res_path_units` units in a row, [B, T, C] → [B, T, filters of the level]."""
    for unit in range(1, spec.res_path_units + 1):
        skip = res_path_unit(skip, spec.filters(level), spec, f"skip_{level:02d}_unit{unit}")
    return skip


def res_path_unit(x, filters: int, spec: ModelSpec, name: str):
    """A convolution like the encoder's at that level, over a 1×1 shortcut."""
    features = convolution(x, filters, spec.filter_size, spec, f"{name}_conv")
    shortcut = convolution(
        centre_crop(x, features.shape[1], f"{name}_crop"),
        filters,
        1,
        spec,
        f"{name}_shortcut",
        None,
    )
    added = layers.Add(name=f"{name}_add")([shortcut, features])
    return layers.Activation(leaky_relu, name=f"{name}_activation")(added)
