"""The tensors of the original code of Demucs (PyTorch, versions 1 and 2) for our weights."""

import numpy as np

from Models.Demucs.Settings import DemucsSettings
from Models.Entries import ConfigError
from Models.Foreign import ForeignTensor

ORIGINAL_SOURCES = ("drums", "bass", "other", "vocals")


def map_state_dict(settings: DemucsSettings) -> dict[str, ForeignTensor]:
    """Return the tensors of a state dict for each weight of the model, by the weight's path.

    Raises `ConfigError` for a model with other sources than the original code.
    """
    if {*settings.sources} != {*ORIGINAL_SOURCES}:
        raise ConfigError(
            f"the model has the sources {', '.join(settings.sources)}, the original Demucs "
            f"{', '.join(ORIGINAL_SOURCES)}: give cfg.task=multi_instrument"
        )
    tensors: dict[str, ForeignTensor] = {}
    for level in range(1, settings.num_layers + 1):
        first = f"encoder.{level - 1}"
        tensors |= map_convolution(f"encoder_{level:02d}_conv", f"{first}.0")
        if settings.rewrite == "all":
            tensors |= map_convolution(f"encoder_{level:02d}_rewrite", f"{first}.2")
    for level in range(settings.num_layers, 0, -1):
        block, name = f"decoder.{settings.num_layers - level}", f"decoder_{level:02d}"
        index = 0
        if settings.rewrite != "none":
            tensors |= map_convolution(f"{name}_rewrite", f"{block}.0")
            index = 2  # after the convolution and the gates
        tensors |= map_convolution(f"{name}_conv", f"{block}.{index}")
    tensors |= order_sources("decoder_01_conv", tensors, settings)
    for layer in range(settings.lstm_layers):
        for direction, suffix in (("forward", ""), ("backward", "_reverse")):
            name = f"lstm_{layer + 1}_{direction}/lstm_cell"
            tensors |= map_lstm(name, f"l{layer}{suffix}")
    if settings.lstm_layers:
        tensors["lstm_linear/kernel"] = ForeignTensor(("lstm.linear.weight",), np.transpose)
        tensors["lstm_linear/bias"] = ForeignTensor(("lstm.linear.bias",))
    return tensors


def map_convolution(name: str, original: str) -> dict[str, ForeignTensor]:
    """Return the tensors of a convolution or transposed convolution: (a, b, k) → (k, b, a)."""
    return {
        f"{name}/kernel": ForeignTensor((f"{original}.weight",), np.transpose),
        f"{name}/bias": ForeignTensor((f"{original}.bias",)),
    }


def map_lstm(name: str, original: str) -> dict[str, ForeignTensor]:
    """Return the tensors of one direction of an LSTM layer.

    The gates have the same order. The bias of Keras is the sum of the two biases of PyTorch.
    """
    biases = tuple(f"lstm.lstm.bias_{kind}_{original}" for kind in ("ih", "hh"))
    return {
        f"{name}/kernel": ForeignTensor((f"lstm.lstm.weight_ih_{original}",), np.transpose),
        f"{name}/recurrent_kernel": ForeignTensor(
            (f"lstm.lstm.weight_hh_{original}",), np.transpose
        ),
        f"{name}/bias": ForeignTensor(biases, np.add),
    }


def order_sources(
    name: str, tensors: dict[str, ForeignTensor], settings: DemucsSettings
) -> dict[str, ForeignTensor]:
    """Return the tensors of the output layer with its channels in our order of the sources.

    Parameters
    ----------
    name : str
        The name of the layer.
    tensors : dict of str to ForeignTensor
        The tensors of the layer in the original order.
    settings : DemucsSettings
        The settings of the model.

    Returns
    -------
    dict of str to ForeignTensor
    """
    channels = settings.num_channels
    places = [ORIGINAL_SOURCES.index(source) for source in settings.sources]
    order = [place * channels + channel for place in places for channel in range(channels)]
    return {
        f"{name}/kernel": ForeignTensor(
            tensors[f"{name}/kernel"].names, lambda weight: np.transpose(weight)[:, order]
        ),
        f"{name}/bias": ForeignTensor(tensors[f"{name}/bias"].names, lambda bias: bias[order]),
    }
