"""The convolution that all Wave-U-Nets use, and decimation and cropping."""

import keras
from keras import ops

from Models.Initializers import LayerInitializer
from Models.WaveUnet.Settings import WaveUnetSettings

LEAKY_SLOPE = 0.2  # of the original Wave-U-Net code; that of keras.layers.LeakyReLU is 0.3


def leaky_relu(x):
    """Return LeakyReLU of `x` with the slope of the Wave-U-Net."""
    return ops.leaky_relu(x, negative_slope=LEAKY_SLOPE)


class Convolution(keras.layers.Conv1D):
    """A convolution whose bias has an exact gradient in bfloat16.

    The gradient of TensorFlow's bias addition sums over batch and time in bfloat16 on a CPU, where
    sums stop growing after 256 equal terms. The gradient of a broadcast sum adds in float32; Keras
    selects it if the bias is the first operand.
    """

    def call(self, inputs):
        if self.compute_dtype != "bfloat16":
            return super().call(inputs)
        return self.activation(ops.add(self.bias, self.convolution_op(inputs, self.kernel)))


def convolution(
    x, filters: int, size: int, settings: WaveUnetSettings, name: str, activation=leaky_relu
):
    """Apply a convolution over time.

    Parameters
    ----------
    x : tensor [B, T, C]
        The input.
    filters : int
        The number of output channels.
    size : int
        The number of taps.
    settings : WaveUnetSettings
        The settings of the model.
    name : str
        The name of the layer, which with the seed determines its initial weights.
    activation : callable or str or None
        A Keras activation.

    Returns
    -------
    tensor [B, T, filters]
        The output. In *context* mode there is no padding, and the output is `size − 1` samples
        shorter.
    """
    return Convolution(
        filters,
        size,
        padding="valid" if settings.context else "same",
        activation=activation,
        kernel_initializer=LayerInitializer(settings, name),
        name=name,
    )(x)


def convolution_block(x, filters: int, size: int, settings: WaveUnetSettings, name: str):
    """Apply the block of the original Wave-U-Net: one convolution with LeakyReLU.

    Parameters
    ----------
    x : tensor [B, T, C]
        The input.
    filters : int
        The number of output channels.
    size : int
        The number of taps.
    settings : WaveUnetSettings
        The settings of the model.
    name : str
        The beginning of the layer name.

    Returns
    -------
    tensor [B, T, filters]
        The output. In *context* mode it is `size − 1` samples shorter.
    """
    return convolution(x, filters, size, settings, f"{name}_conv")


class Decimate(keras.layers.Layer):
    """Decimation by two, which keeps samples 0, 2, 4, …: [B, T, C] → [B, ceil(T / 2), C]."""

    def call(self, x):
        samples, channels = x.shape[1:]
        if samples % 2:
            return x[:, ::2]
        # On a CPU, a strided slice is several times slower than putting two samples side by side
        # as channels and keeping the left half.
        pairs = ops.reshape(x, (-1, samples // 2, 2 * channels))  # [B, T / 2, 2 C]
        return pairs[:, :, :channels]

    def compute_output_shape(self, input_shape):
        batch, samples, channels = input_shape
        return batch, (samples + 1) // 2, channels


def centre_crop(x, samples: int, name: str):
    """Crop a signal to its middle.

    Parameters
    ----------
    x : tensor [B, T, C]
        The signal.
    samples : int
        The number of samples to keep. T − `samples` must be even.
    name : str
        The name of the layer.

    Returns
    -------
    tensor [B, samples, C]
        The middle of the signal; `x` itself if T is already `samples`.
    """
    cut = x.shape[1] - samples
    return keras.layers.Cropping1D(cut // 2, name=name)(x) if cut else x
