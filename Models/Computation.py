"""How a separator is computed where it runs: the one place that chooses between ways.

The plain graph of Keras layers is what every way is held to, and the way of GPUs and of other
backends than TensorFlow. No way changes the weights, their names or their order.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras

from Spec.Model import ModelSpec

Separate = Callable[..., Any]  # (mix, training=False) → estimates


def computation(model: keras.Model, spec: ModelSpec, precision: str = "float32") -> Separate:
    """The function of `model`, by the quickest way for this backend and device.

    `model` is what `Models.Build` makes of `spec`, or a part of it; it and the function share
    every weight. `precision` is one of `Spec.Training.PRECISIONS`: what is computed in between
    mix and outputs; weights, outputs and what comes out are float32.
    """
    devices = keras.distribution.list_devices()
    device = "gpu" if any(name.startswith("gpu") for name in devices) else "cpu"
    way = WAYS.get((spec.network, keras.backend.backend(), device), plain)
    return way(model, spec, precision)


def fast_unet(model: keras.Model, spec: ModelSpec, precision: str) -> Separate:
    """The Wave-U-Net by operations of its own; imported here since only TensorFlow has them."""
    from Models.FastUnet import FastUnet

    return FastUnet(model, spec, dtype_between(precision))


def plain(model: keras.Model, spec: ModelSpec, precision: str) -> Separate:
    """The graph of Keras layers."""
    if precision == "float32":
        return model

    def separate(mix, training=False):
        with computing_in(model, precision):
            return model(mix, training=training)

    return separate


WAYS = {("unet", "tensorflow", "cpu"): fast_unet}


def dtype_between(precision: str) -> str:
    """What is computed in between mix and outputs, as a dtype's name."""
    return keras.config.floatx() if precision == "float32" else precision.removeprefix("mixed_")


@contextmanager
def computing_in(model: keras.Model, precision: str) -> Iterator[None]:
    """While it lasts, a call of `model` computes its encoder, bottleneck, skips and decoder in
    `precision`. A compiled function keeps what it was traced in."""
    between = [
        layer
        for layer in model.layers
        if layer.name.split("_")[0] not in ("mix", "input", "output")
    ]
    policies = [layer.dtype_policy for layer in between]
    for layer in between:
        layer.dtype_policy = keras.DTypePolicy(precision)
    try:
        yield
    finally:
        for layer, policy in zip(between, policies, strict=True):
            layer.dtype_policy = policy
