"""The Wave-U-Net: `[B, T, C]` of mix in, `[B, T, S, C]` of estimates out (its paper, Table 1)."""

import keras
from keras import layers

from Models.Convolution import Decimate, convolution
from Models.InterpolationLayer import UpsampleSame
from Models.OutputLayer import difference_output
from Spec.Model import ModelSpec
from Spec.Shapes import input_frames


def unet_audio_separator(spec: ModelSpec) -> keras.Model:
    """The separator that `spec` describes, at its random start, nothing frozen yet."""
    mix = keras.Input((input_frames(spec), spec.num_channels), name="mix")  # [B, T, C]
    x = mix
    skips = {}
    for level in range(1, spec.num_layers + 1):
        skips[level], x = encoder_block(x, level, spec)
    x = bottleneck_block(x, spec)  # [B, T / 2^L, F]
    for level in range(spec.num_layers, 0, -1):
        skip = skips[level] if level in spec.skip_levels else None
        x = decoder_block(x, skip, level, spec)
    features = layers.Concatenate(name="output_concat")([mix, x])  # [B, T, C + F]
    return keras.Model(mix, difference_output(mix, features, spec), name="separator")


def encoder_block(x, level: int, spec: ModelSpec):
    """One level down: the features kept for the skip, and every second frame of them."""
    name = f"encoder_{level:02d}"
    skip = convolution(spec.filters(level), spec.filter_size, spec, f"{name}_conv")(x)
    return skip, Decimate(name=f"{name}_decimate")(skip)


def bottleneck_block(x, spec: ModelSpec):
    """The convolution below the deepest level."""
    filters = spec.filters(spec.num_layers + 1)
    return convolution(filters, spec.filter_size, spec, "bottleneck_conv")(x)


def decoder_block(x, skip, level: int, spec: ModelSpec):
    """One level up: twice the frames, the skip beside them where it is kept, one convolution."""
    name = f"decoder_{level:02d}"
    x = UpsampleSame(name=f"{name}_upsample")(x)
    if skip is not None:
        x = layers.Concatenate(name=f"{name}_concat")([skip, x])
    return convolution(spec.filters(level), spec.merge_filter_size, spec, f"{name}_conv")(x)
