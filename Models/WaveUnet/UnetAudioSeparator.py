"""The Wave-U-Net: from the mix [B, T, C] to estimates [B, T, S, C] (its paper, Table 1).

On a CPU with TensorFlow, `Fast.Unet` computes the same function on the same weights with fewer
operations, unless `cfg.computation` is 'plain'.
"""

from typing import Any

import keras
from keras import layers

from Models.Foreign import ForeignTensor
from Models.Network import Network, SeparateFunction
from Models.WaveUnet.Convolution import Decimate, centre_crop, convolution, convolution_block
from Models.WaveUnet.InterpolationLayer import upsample
from Models.WaveUnet.MultiResBlock import multires_block
from Models.WaveUnet.OriginalNames import map_variables
from Models.WaveUnet.OutputLayer import estimate_sources
from Models.WaveUnet.ResPath import res_path
from Models.WaveUnet.Settings import WaveUnetSettings

# The blocks of a level and the kinds of skips; the settings choose one of each for every level.
BLOCKS = {"convolution": convolution_block, "multires": multires_block}
SKIPS = {"direct": lambda skip, level, settings: skip, "res_path": res_path}


def unet_audio_separator(settings: WaveUnetSettings) -> keras.Model:
    """Build the model with its random initial weights, all of them trainable.

    It maps the mix [B, T, C] to estimates [B, T, S, C]. In *context* mode the estimates are shorter
    than the mix.
    """
    mix = keras.Input((settings.input_samples, settings.num_channels), name="mix")  # [B, T, C]
    x = mix
    skips = {}
    for level in range(1, settings.num_layers + 1):
        skips[level], x = encoder_block(x, level, settings)
    filters = settings.filters(settings.num_layers + 1)
    x = convolution(
        x, filters, settings.filter_size, settings, "bottleneck_conv"
    )  # [B, T / 2^L, F]
    for level in range(settings.num_layers, 0, -1):
        x = decoder_block(x, skips[level], level, settings)
    cropped = centre_crop(mix, x.shape[1], "output_crop_mix")
    features = layers.Concatenate(name="output_concat")([cropped, x])  # [B, T, C + F]
    return keras.Model(mix, estimate_sources(cropped, features, settings), name="separator")


def encoder_block(x, level: int, settings: WaveUnetSettings):
    """Apply the block of an encoder level and decimate its output.

    Parameters
    ----------
    x : tensor [B, T, C]
        Features of the level above.
    level : int
        The level, from 1.
    settings : WaveUnetSettings
        The settings of the model.

    Returns
    -------
    skip : tensor [B, T, F]
        The features before decimation, for the skip.
    decimated : tensor [B, ceil(T / 2), F]
        The features for the next level.
    """
    name = f"encoder_{level:02d}"
    skip = BLOCKS[settings.block(level)](
        x, settings.filters(level), settings.filter_size, settings, name
    )
    return skip, Decimate(name=f"{name}_decimate")(skip)


def decoder_block(x, skip, level: int, settings: WaveUnetSettings):
    """Upsample, concatenate the skip, and apply the block of a decoder level.

    Parameters
    ----------
    x : tensor [B, T, C]
        Features of the level below.
    skip : tensor
        The features of the encoder at this level, for the skip. A level without a skip ignores
        them.
    level : int
        The level, from 1.
    settings : WaveUnetSettings
        The settings of the model.

    Returns
    -------
    tensor [B, 2 T, F]
        The output. In *context* mode it is shorter.
    """
    name = f"decoder_{level:02d}"
    x = upsample(x, settings, f"{name}_upsample")
    if settings.skip(level) != "none":
        skip = SKIPS[settings.skip(level)](skip, level, settings)
        skip = centre_crop(skip, x.shape[1], f"skip_{level:02d}_crop")
        x = layers.Concatenate(name=f"{name}_concat")([skip, x])
    return BLOCKS[settings.block(level)](
        x, settings.filters(level), settings.merge_filter_size, settings, name
    )


class WaveUnet(Network):
    """The Wave-U-Net as a `Network`."""

    def build(self, settings: WaveUnetSettings) -> keras.Model:
        return unet_audio_separator(settings)

    def draw(self, sheet: Any) -> None:
        from Models.WaveUnet.Drawing import draw_network

        draw_network(sheet)

    def map_foreign_tensors(self, settings: WaveUnetSettings) -> dict[str, ForeignTensor]:
        return map_variables(settings)

    def make_fast_function(
        self, model: keras.Model, settings: WaveUnetSettings, dtype: str
    ) -> SeparateFunction | None:
        from Models.WaveUnet.Fast.Unet import FastUnet  # its operations need TensorFlow

        return FastUnet(model, settings, dtype)


NETWORK = WaveUnet()
