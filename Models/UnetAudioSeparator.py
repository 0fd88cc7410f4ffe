"""The Wave-U-Net: `[B, T, C]` of mix in, `[B, T, S, C]` of estimates out (its paper, Table 1)."""

import keras
from keras import layers

from Models.Convolution import Decimate, centre_crop, convolution, convolution_block
from Models.InterpolationLayer import upsample
from Models.MultiResBlock import multires_block
from Models.OutputLayer import separated
from Models.ResPath import res_path
from Spec.Model import ModelSpec
from Spec.Shapes import input_frames

# What can stand at a level of either path, and on a skip; the spec says which at which level.
BLOCKS = {"convolution": convolution_block, "multires": multires_block}
SKIPS = {"direct": lambda skip, level, spec: skip, "res_path": res_path}


def unet_audio_separator(spec: ModelSpec) -> keras.Model:
    """The separator that `spec` describes, at its random start, nothing frozen yet."""
    mix = keras.Input((input_frames(spec), spec.num_channels), name="mix")  # [B, T, C]
    x = mix
    kept = {}
    for level in range(1, spec.num_layers + 1):
        kept[level], x = encoder_block(x, level, spec)
    filters = spec.filters(spec.num_layers + 1)
    x = convolution(x, filters, spec.filter_size, spec, "bottleneck_conv")  # [B, T / 2^L, F]
    for level in range(spec.num_layers, 0, -1):
        x = decoder_block(x, kept[level], level, spec)
    cropped = centre_crop(mix, x.shape[1], "output_crop_mix")
    features = layers.Concatenate(name="output_concat")([cropped, x])  # [B, T, C + F]
    return keras.Model(mix, separated(cropped, features, spec), name="separator")


def encoder_block(x, level: int, spec: ModelSpec):
    """One level down: the features kept for the skip, and every second frame of them."""
    name = f"encoder_{level:02d}"
    kept = BLOCKS[spec.block(level)](x, spec.filters(level), spec.filter_size, spec, name)
    return kept, Decimate(name=f"{name}_decimate")(kept)


def decoder_block(x, kept, level: int, spec: ModelSpec):
    """One level up: twice the frames, the skip beside them where there is one, and a block."""
    name = f"decoder_{level:02d}"
    x = upsample(x, spec, f"{name}_upsample")
    if spec.skip(level) != "none":
        skip = SKIPS[spec.skip(level)](kept, level, spec)
        skip = centre_crop(skip, x.shape[1], f"skip_{level:02d}_crop")
        x = layers.Concatenate(name=f"{name}_concat")([skip, x])
    return BLOCKS[spec.block(level)](x, spec.filters(level), spec.merge_filter_size, spec, name)
