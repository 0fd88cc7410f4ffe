"""Outputs of every kind of separator under the backend that KERAS_BACKEND names.

Run as a program: `python backend_outputs.py FILE` writes them as one `.npz`.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import keras
import numpy as np

from Config import DEFAULTS, specs
from Models.Build import build
from Models.Computation import computation
from Models.Passes import own_outputs

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
    "direct": {"output_type": "direct", "num_channels": 1},
    "four": {"task": "multi_instrument"},
    "last skip": {"skip_levels": "last1"},
    "learned": {"upsampling": "learned"},
    "context, learned": {"context": True, "upsampling": "learned"},
    "res path": {"res_path_units": 2, "res_path_levels": "first1"},
    "multires": {"multires_levels": "first1"},
    "all, context": {"multires_levels": "all", "res_path_units": 1, "context": True},
    "orthogonal": {"init": "orthogonal"},
    "spectrogram": {
        "network": "unet_spectrogram",
        "num_channels": 1,
        "filter_size": 15,
        "merge_filter_size": 5,
    },
}


def outputs() -> dict[str, np.ndarray]:
    """Estimates and second passes of every kind, its weights from seed 7."""
    found = {}
    for kind, changes in KINDS.items():
        spec = specs({**SMALL, **changes}, seed=7).model
        separator = build(spec)
        separate = computation(separator, spec)  # the plain graph with JAX
        random = np.random.default_rng(3)
        mix = random.uniform(-0.5, 0.5, (2, *separator.input_shape[1:])).astype(np.float32)
        for name, estimates in compiled(passes_of(separate))(mix).items():
            found[f"{kind}, {name}"] = keras.ops.convert_to_numpy(estimates)
    return found


def passes_of(separate):
    """A function from a mix to the first pass and, where its length allows one, the second."""

    def passes(mix):
        first = separate(mix, training=False)
        if first.shape[1] != mix.shape[1]:
            return {"first pass": first}
        return {"first pass": first, "second pass": own_outputs(separate, first, training=False)}

    return passes


def compiled(function):
    """`function` as one program under JAX, which else compiles every operation by itself."""
    if keras.backend.backend() != "jax":
        return function
    import jax

    return jax.jit(function)


if __name__ == "__main__":
    np.savez(sys.argv[1], **outputs())
