"""Weights and audio for the comparison with PyTorch, drawn by NumPy in both environments."""

import math
import zlib

import numpy as np

# The models of the comparison: arguments of `DemucsSettings`, for 4 channels at level 1.
MODELS = {
    "version_1": {"num_layers": 6},
    "version_2": {"num_layers": 4, "resample": 2},
    "relu": {"num_layers": 4, "glu": False, "decoder_context": 1},
    "deep": {"num_layers": 5, "kernel_size": 4, "stride": 2, "growth": 2**0.5, "lstm_layers": 0},
    "no_rewrite": {"num_layers": 4, "rewrite": "none", "lstm_layers": 1},
}
SAMPLES = 6000  # samples of the mix, before the zeros that the model needs around it
SHOWN = 197  # every so many values of outputs are stored
GRADIENTS = 16  # number of stored values of each gradient


def draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Draw normal numbers that depend on a name."""
    random = np.random.Generator(np.random.Philox(key=zlib.crc32(name.encode())))
    return random.standard_normal(shape)


def draw_tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Draw a weight of a state dict, with the deviation 1 / √inputs."""
    return draw(name, shape) / math.sqrt(max(1, math.prod(shape[1:])))


def select(values: np.ndarray, count: int = GRADIENTS) -> np.ndarray:
    """Return `count` values of an array, evenly spaced, or all if there are fewer."""
    flat = values.reshape(-1)
    return flat[:: max(1, len(flat) // count)][:count]
