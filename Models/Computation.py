"""The function that computes a model: its Keras graph, or a faster equivalent on a CPU.

The Keras graph is the reference. It is the only implementation on GPUs and on backends other than
TensorFlow. Every implementation uses the same weights, with the same names in the same order.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

from Models.Network import SeparateFunction
from Models.Networks import import_network
from Models.Settings import ModelSettings


def model_function(
    model: keras.Model,
    settings: ModelSettings,
    precision: str = "float32",
    computation: str = "fast",
) -> SeparateFunction:
    """Return a function that maps the mix [B, T, C] to the outputs of `model`.

    Parameters
    ----------
    model : keras.Model
        The model that `Models.Build` builds from `settings`, or a graph that shares its weights.
    settings : ModelSettings
        The settings of the model.
    precision : str
        A value of `cfg.precision`: the number format of all layers between the mix and the outputs.
        Weights and outputs are float32.
    computation : str
        A value of `cfg.computation`: 'fast' uses the faster implementation of the network if there
        is one for this device, 'plain' uses the Keras graph. The results agree to rounding.

    Returns
    -------
    SeparateFunction
        A function of (mix, training=False). It returns the outputs of `model`: estimates
        [B, T, S, C] for a complete model.
    """
    devices = keras.distribution.list_devices()
    on_cpu = not any(name.startswith("gpu") for name in devices)
    if computation == "fast" and on_cpu and keras.backend.backend() == "tensorflow":
        dtype = choose_dtype(precision)
        if (
            fast := import_network(settings).make_fast_function(model, settings, dtype)
        ) is not None:
            return fast
    if precision == "float32":
        return model

    def separate(mix, training=False):
        with layers_computing_in(model, precision):
            return model(mix, training=training)

    return separate


def choose_dtype(precision: str) -> str:
    """Return the dtype of the layers between the mix and the outputs.

    `precision` is a value of `cfg.precision`.
    """
    return keras.config.floatx() if precision == "float32" else precision.removeprefix("mixed_")


@contextmanager
def layers_computing_in(model: keras.Model, precision: str) -> Iterator[None]:
    """Set the precision of all layers of `model` but input and output, within the block.

    `precision` is a Keras dtype policy. A compiled function keeps the precision with which it was
    traced.
    """
    inner_layers = [
        layer
        for layer in model.layers
        if layer.name.split("_")[0] not in ("mix", "input", "output")
    ]
    policies = [layer.dtype_policy for layer in inner_layers]
    for layer in inner_layers:
        layer.dtype_policy = keras.DTypePolicy(precision)
    try:
        yield
    finally:
        for layer, policy in zip(inner_layers, policies, strict=True):
            layer.dtype_policy = policy
