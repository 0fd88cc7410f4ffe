"""Demucs, a U-Net on waveforms with strided convolutions, an LSTM and gates (arXiv 1911.13254).

The model maps the mix [B, T, C] to estimates [B, T, S, C]. Convolutions are not padded, so that the
input is longer than the output. The architecture is that of the paper's ICLR 2020 submission
(Section 3), with the decoder's gated convolution of the original code (version 1).
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from Models.Demucs.Resampling import Resample
from Models.Demucs.Settings import DemucsSettings
from Models.Demucs.StateDict import map_state_dict
from Models.Foreign import ForeignTensor
from Models.Initializers import LayerInitializer, derive_layer_seed
from Models.Network import Network
from Models.Settings import ModelSettings


def demucs(settings: DemucsSettings) -> keras.Model:
    """Build the model with its random initial weights, all of them trainable.

    It maps the mix [B, T, C] to estimates [B, T, S, C].
    """
    mix = keras.Input((settings.input_samples, settings.num_channels), name="mix")  # [B, T, C]
    levels = range(1, settings.num_layers + 1)
    x, skips = mix, []
    if settings.resample > 1:
        x = Resample(1, settings.resample, name="input_resample")(x)  # [B, 2 T, C]
    for level in levels:
        x = encoder_block(x, level, settings)  # [B, T / 4, filters of the level]
        skips.append(x)
    x = bidirectional_lstm(x, settings)
    for level in reversed(levels):
        x = add_skip(x, skips[level - 1], level)
        x = decoder_block(x, level, settings)  # [B, 4 T, filters of the level above]
    if settings.resample > 1:
        x = Resample(settings.resample, 1, name="output_resample")(x)  # [B, T, S · C]
    shape = settings.output_samples, len(settings.sources), settings.num_channels
    estimates = layers.Reshape(shape, name="output_sources")(x)  # [B, T, S, C]
    separator = keras.Model(mix, estimates, name="separator")
    if settings.rescale is not None:
        rescale_convolutions(separator, settings.rescale)
    return separator


def encoder_block(x, level: int, settings: DemucsSettings):
    """Apply a strided convolution with ReLU, and a 1×1 convolution with gates (Section 3.1).

    Parameters
    ----------
    x : tensor [B, T, C]
        Features of the level above.
    level : int
        The level, from 1.
    settings : DemucsSettings
        The settings of the model.

    Returns
    -------
    tensor [B, (T − kernel) / stride + 1, filters of the level]
    """
    filters, name = settings.filters[level - 1], f"encoder_{level:02d}"
    options = {"strides": settings.stride, "activation": "relu"}
    x = convolution(x, filters, settings.kernel_size, settings, f"{name}_conv", **options)
    if settings.rewrite == "all":
        x = gated_convolution(x, filters, 1, settings, name)
    return x


def decoder_block(x, level: int, settings: DemucsSettings):
    """Apply a convolution with gates and a transposed convolution (Section 3.2).

    ReLU follows, except at level 1, whose channels are those of all sources.

    Parameters
    ----------
    x : tensor [B, T, filters of the level]
        Features of the level below, with the skip added.
    level : int
        The level, from 1.
    settings : DemucsSettings
        The settings of the model.

    Returns
    -------
    tensor [B, (T − context) · stride + kernel, filters of the level above]
    """
    name = f"decoder_{level:02d}"
    if settings.rewrite != "none":
        filters = settings.filters[level - 1]
        x = gated_convolution(x, filters, settings.decoder_context, settings, name)
    of_all_sources = len(settings.sources) * settings.num_channels
    outputs = settings.filters[level - 2] if level > 1 else of_all_sources
    return layers.Conv1DTranspose(
        outputs,
        settings.kernel_size,
        strides=settings.stride,
        activation="relu" if level > 1 else None,
        name=f"{name}_conv",
        **initializers(settings, f"{name}_conv", settings.kernel_size * outputs),
    )(x)


def gated_convolution(x, filters: int, taps: int, settings: DemucsSettings, name: str):
    """Apply a convolution and a gated linear unit, or ReLU with `cfg.glu = False`.

    Parameters
    ----------
    x : tensor [B, T, C]
        The input.
    filters : int
        The number of output channels.
    taps : int
        The number of taps of the convolution.
    settings : DemucsSettings
        The settings of the model.
    name : str
        Part and level, with which the name of the layer begins.

    Returns
    -------
    tensor [B, T − taps + 1, filters]
    """
    name = f"{name}_rewrite"
    if not settings.glu:
        return convolution(x, filters, taps, settings, name, activation="relu")
    return ops.glu(convolution(x, 2 * filters, taps, settings, name))  # first half × σ(second half)


def convolution(x, filters: int, taps: int, settings: DemucsSettings, name: str, **options: Any):
    """Apply a convolution without padding.

    Parameters
    ----------
    x : tensor [B, T, C]
        The input.
    filters : int
        The number of output channels.
    taps : int
        The number of taps.
    settings : DemucsSettings
        The settings of the model.
    name : str
        The name of the layer, which also determines its random weights.
    **options
        Further arguments of `keras.layers.Conv1D`.

    Returns
    -------
    tensor [B, (T − taps) / stride + 1, filters]
    """
    inputs = taps * x.shape[-1]
    start = initializers(settings, name, inputs)
    return layers.Conv1D(filters, taps, name=name, **start, **options)(x)


def bidirectional_lstm(x, settings: DemucsSettings):
    """Apply the layers of the bidirectional LSTM and a linear layer (Section 3.1).

    Parameters
    ----------
    x : tensor [B, T, C]
        The output of the encoder.
    settings : DemucsSettings
        The settings of the model. Without LSTM layers, `x` is returned.

    Returns
    -------
    tensor [B, T, C]
    """
    if not settings.lstm_layers:
        return x
    units = x.shape[-1]
    for layer in range(1, settings.lstm_layers + 1):
        outputs = []  # of both directions
        for direction in ("forward", "backward"):
            name = f"lstm_{layer}_{direction}"
            outputs.append(
                layers.LSTM(
                    units,
                    return_sequences=True,
                    go_backwards=direction == "backward",
                    unit_forget_bias=False,
                    name=name,
                    **lstm_initializers(settings, name, units),
                )(x)
            )
        x = ops.concatenate([outputs[0], ops.flip(outputs[1], axis=1)], axis=-1)  # [B, T, 2 C]
    name = "lstm_linear"
    return layers.Dense(units, name=name, **initializers(settings, name, 2 * units))(x)


def add_skip(x, skip, level: int):
    """Add the middle part of a skip.

    Parameters
    ----------
    x : tensor [B, T, C]
        Features of the decoder.
    skip : tensor [B, at least T, C]
        The output of the encoder at the level.
    level : int
        The level, from 1.

    Returns
    -------
    tensor [B, T, C]
    """
    more = skip.shape[1] - x.shape[1]
    if more:
        skip = layers.Cropping1D((more // 2, more - more // 2), name=f"skip_{level:02d}_crop")(skip)
    return x + skip


def initializers(settings: DemucsSettings, name: str, inputs: int) -> dict[str, Any]:
    """Return the initializers of kernel and bias of a layer, as arguments of the layer.

    With `cfg.init = 'pytorch_uniform'` the bias is random, too, as in PyTorch.

    Parameters
    ----------
    settings : DemucsSettings
        The settings of the model.
    name : str
        The name of the layer.
    inputs : int
        The number of inputs of an output. For a transposed convolution PyTorch counts the outputs
        of an input.

    Returns
    -------
    dict
    """
    bias: Any = "zeros"
    if settings.init == "pytorch_uniform":
        bias = UniformInitializer(settings, f"{name}_bias", inputs)
    return {"kernel_initializer": LayerInitializer(settings, name), "bias_initializer": bias}


def lstm_initializers(settings: DemucsSettings, name: str, units: int) -> dict[str, Any]:
    """Return the initializers of an LSTM layer, as arguments of the layer.

    PyTorch draws all weights within ±1 / √units. It has two biases; the bias of Keras is their sum.

    Parameters
    ----------
    settings : DemucsSettings
        The settings of the model.
    name : str
        The name of the layer.
    units : int
        The number of units of a direction.

    Returns
    -------
    dict
    """
    if settings.init != "pytorch_uniform":
        return {
            "kernel_initializer": LayerInitializer(settings, name),
            "recurrent_initializer": LayerInitializer(settings, f"{name}_recurrent"),
        }
    return {
        "kernel_initializer": UniformInitializer(settings, name, units),
        "recurrent_initializer": UniformInitializer(settings, f"{name}_recurrent", units),
        "bias_initializer": UniformInitializer(settings, f"{name}_bias", units, terms=2),
    }


class UniformInitializer(keras.initializers.Initializer):
    """Draw each weight as the sum of `terms` uniform numbers within ±1 / √inputs."""

    def __init__(self, settings: ModelSettings, name: str, inputs: int, terms: int = 1):
        self.seed = derive_layer_seed(settings.seed, name)
        self.limit, self.terms = inputs**-0.5, terms

    def __call__(self, shape, dtype=None):
        random = np.random.Generator(np.random.Philox(key=self.seed))
        drawn = random.uniform(-self.limit, self.limit, (self.terms, *shape)).sum(axis=0)
        return ops.convert_to_tensor(drawn.astype(np.float32), dtype=dtype)


def rescale_convolutions(separator: keras.Model, reference: float) -> None:
    """Divide kernel and bias of each convolution by √(deviation of the kernel / `reference`).

    The initial scales of all layers become more similar (Section 3.4). A kernel of a single weight
    has no deviation and remains.
    """
    for layer in separator.layers:
        if isinstance(layer, layers.Conv1D | layers.Conv1DTranspose):
            kernel, bias = (np.asarray(weight) for weight in (layer.kernel, layer.bias))
            if kernel.size == 1:
                continue
            scale = np.sqrt(kernel.std(ddof=1, dtype=np.float64) / reference)
            layer.kernel.assign((kernel / scale).astype(kernel.dtype))
            layer.bias.assign((bias / scale).astype(bias.dtype))


class Demucs(Network):
    """Demucs as a `Network`."""

    def build(self, settings: DemucsSettings) -> keras.Model:
        return demucs(settings)

    def draw(self, sheet: Any) -> None:
        from Models.Demucs.Drawing import draw_network

        draw_network(sheet)

    def map_foreign_tensors(self, settings: DemucsSettings) -> dict[str, ForeignTensor]:
        return map_state_dict(settings)


NETWORK = Demucs()
