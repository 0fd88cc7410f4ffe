"""The MultiRes block: convolutions at two receptive fields (J-Net, Section 2.2; MultiResUNet)."""

from keras import layers

from Models.WaveUnet.Convolution import centre_crop, convolution, leaky_relu
from Models.WaveUnet.Settings import WaveUnetSettings


def multires_block(x, filters: int, size: int, settings: WaveUnetSettings, name: str):
    """Apply two convolutions in a row and add a 1×1 shortcut to both outputs.

    The two convolutions approximate filters of `size` taps and of about twice as many.

    Parameters
    ----------
    x : tensor [B, T, C]
        The input.
    filters : int
        The number of output channels of each of the two convolutions.
    size : int
        The number of taps of each of the two convolutions.
    settings : WaveUnetSettings
        The settings of the model.
    name : str
        The beginning of all layer names.

    Returns
    -------
    tensor [B, T, 2 · filters]
        The output. In *context* mode it has the length of the second convolution's output, and the
        other signals are centre-cropped to it.
    """
    short = convolution(x, filters, size, settings, f"{name}_conv1")
    long = convolution(short, filters, size, settings, f"{name}_conv2")
    samples = long.shape[1]
    both = layers.Concatenate(name=f"{name}_both")(
        [centre_crop(short, samples, f"{name}_crop1"), long]
    )  # [B, T, 2 filters]
    shortcut = convolution(
        centre_crop(x, samples, f"{name}_crop"), 2 * filters, 1, settings, f"{name}_shortcut", None
    )
    added = layers.Add(name=f"{name}_add")([shortcut, both])
    return layers.Activation(leaky_relu, name=f"{name}_activation")(added)
