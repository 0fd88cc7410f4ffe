"""The random start of every weight, drawn from the run's seed and the layer's name alone.

The draw is NumPy's, so that it is the same on every backend, machine and release, and a part
that was never trained can be rebuilt from its seed. No two layers share a draw, and a model and
its frozen twin of the same seed start identically (J-Net paper, Section 4).
"""

import zlib

import keras
import numpy as np
from keras import ops


def layer_seed(seed: int, name: str) -> int:
    """The same run seed and layer name give the same weights; no two layers share a draw."""
    return zlib.crc32(f"{seed}/{name}".encode())


def glorot_limit(shape: tuple[int, ...]) -> float:
    """Half-width of the Glorot-uniform distribution of a kernel [..., inputs, outputs]."""
    field = int(np.prod(shape[:-2]))
    return float(np.sqrt(6.0 / (field * (shape[-2] + shape[-1]))))


def draw_kernel(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Glorot-uniform weights of `shape` [..., inputs, outputs], float32."""
    random = np.random.Generator(np.random.Philox(key=seed))
    limit = glorot_limit(shape)
    return random.uniform(-limit, limit, shape).astype(np.float32)


class LayerDraw(keras.initializers.Initializer):
    """The Keras initializer of one layer's kernel."""

    def __init__(self, seed: int, name: str):
        self.seed = seed
        self.name = name

    def __call__(self, shape, dtype=None):
        kernel = draw_kernel(tuple(shape), layer_seed(self.seed, self.name))
        return ops.convert_to_tensor(kernel, dtype=dtype)

    def get_config(self):
        return {"seed": self.seed, "name": self.name}
