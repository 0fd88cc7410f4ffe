"""The MultiRes block: one block that hears at two scales (J-Net, Section 2.2; MultiResUNet)."""

from keras import layers

from Models.Convolution import centre_crop, convolution, leaky_relu
from Spec.Model import ModelSpec


def multires_block(x, filters: int, size: int, spec: ModelSpec, name: str):
    """Two convolutions in a row, both kept, over a 1×1 shortcut: [B, T, C] → [B, T, 2 filters].

    The two stand for filters of `size` and about twice that; in *context* mode the longer one
    decides the frames and the others are centre-cropped to it.
    """
    short = convolution(x, filters, size, spec, f"{name}_conv1")
    long = convolution(short, filters, size, spec, f"{name}_conv2")
    frames = long.shape[1]
    both = layers.Concatenate(name=f"{name}_both")(
        [centre_crop(short, frames, f"{name}_crop1"), long]
    )  # [B, T, 2 filters]
    shortcut = convolution(
        centre_crop(x, frames, f"{name}_crop"), 2 * filters, 1, spec, f"{name}_shortcut", None
    )
    added = layers.Add(name=f"{name}_add")([shortcut, both])
    return layers.Activation(leaky_relu, name=f"{name}_activation")(added)
