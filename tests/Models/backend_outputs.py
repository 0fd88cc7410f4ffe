"""Outputs of every kind of separator on the backend of the variable KERAS_BACKEND.

`python backend_outputs.py FILE` writes them as one `.npz` file.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import keras
import numpy as np

from Config import DEFAULTS, make_run_settings
from Models.Build import build
from Models.Computation import model_function
from Models.Passes import separate_sources
from tests.Models.tiny import as_spectrogram_unet

SMALL = {
    **DEFAULTS,
    "num_layers": 2,
    "num_initial_filters": 3,
    "num_frames": 64,
    "filter_size": 5,
    "merge_filter_size": 3,
}
KINDS = {
    "plain": {},
    "direct, four, last skip": {
        "output_type": "direct",
        "num_channels": 1,
        "task": "multi_instrument",
        "skip_levels": "last1",
    },
    "learned, res path": {
        "upsampling": "learned",
        "res_path_units": 2,
        "res_path_levels": "first1",
    },
    "context, learned": {"context": True, "upsampling": "learned"},
    "orthogonal, multires": {"init": "orthogonal", "multires_levels": "first1"},
    "all, context": {"multires_levels": "all", "res_path_units": 1, "context": True},
    "spectrogram": as_spectrogram_unet(SMALL, num_initial_filters=3, num_frames=64),
}


def compute_outputs() -> dict[str, np.ndarray]:
    """Return the estimates of every kind of separator with seed 7 after one and two passes."""
    outputs = {}
    for kind, changes in KINDS.items():
        settings = make_run_settings({**SMALL, **changes}, seed=7).model
        separator = build(settings)
        separate = model_function(separator, settings)  # the plain graph with JAX
        random = np.random.default_rng(3)
        mix = random.uniform(-0.5, 0.5, (2, *separator.input_shape[1:])).astype(np.float32)
        for name, estimates in compile_for_jax(make_passes(separate))(mix).items():
            outputs[f"{kind}, {name}"] = keras.ops.convert_to_numpy(estimates)
    return outputs


def make_passes(separate):
    """Return a function that computes one pass and, if the lengths allow it, a second one."""

    def passes(mix):
        first = separate(mix, training=False)
        if first.shape[1] != mix.shape[1]:
            return {"first pass": first}
        return {
            "first pass": first,
            "second pass": separate_sources(separate, first, training=False),
        }

    return passes


def compile_for_jax(function):
    """Compile `function` on the JAX backend, which would otherwise compile each operation."""
    if keras.backend.backend() != "jax":
        return function
    import jax

    return jax.jit(function)


if __name__ == "__main__":
    np.savez(sys.argv[1], **compute_outputs())
