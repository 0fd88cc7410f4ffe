"""The Res path: convolutions on a skip (J-Net, Section 2.1; MultiResUNet).

It reduces the semantic gap between the features of encoder and decoder.
"""

from keras import layers

from Models.WaveUnet.Convolution import centre_crop, convolution, leaky_relu
from Models.WaveUnet.Settings import WaveUnetSettings


def res_path(skip, level: int, settings: WaveUnetSettings):
    """Apply `settings.res_path_units` units in a row to a skip.

    Parameters
    ----------
    skip : tensor [B, T, C]
        The output of the encoder at `level`.
    level : int
        The level, from 1.
    settings : WaveUnetSettings
        The settings of the model.

    Returns
    -------
    tensor [B, T, filters of the level]
        The skip for the decoder. In *context* mode each unit makes it `filter_size − 1` samples
        shorter.
    """
    for unit in range(1, settings.res_path_units + 1):
        skip = res_path_unit(
            skip, settings.filters(level), settings, f"skip_{level:02d}_unit{unit}"
        )
    return skip


def res_path_unit(x, filters: int, settings: WaveUnetSettings, name: str):
    """Apply a convolution with the encoder's filter size and add a 1×1 shortcut.

    Parameters
    ----------
    x : tensor [B, T, C]
        The input.
    filters : int
        The number of output channels.
    settings : WaveUnetSettings
        The settings of the model.
    name : str
        The beginning of the layer names.

    Returns
    -------
    tensor [B, T, filters]
        The output. In *context* mode it is `filter_size − 1` samples shorter.
    """
    features = convolution(x, filters, settings.filter_size, settings, f"{name}_conv")
    shortcut = convolution(
        centre_crop(x, features.shape[1], f"{name}_crop"),
        filters,
        1,
        settings,
        f"{name}_shortcut",
        None,
    )
    added = layers.Add(name=f"{name}_add")([shortcut, features])
    return layers.Activation(leaky_relu, name=f"{name}_activation")(added)
