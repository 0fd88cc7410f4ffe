"""The random start of every weight, drawn from the run's seed and the layer's name alone.

The draw is NumPy's, so that it is the same on every backend, machine and release, and a part
that was never trained can be rebuilt from its seed. No two layers share a draw, and a model and
its frozen twin of the same seed start identically (J-Net paper, Section 4).
"""

import math
import zlib

import keras
import numpy as np
from keras import ops

from Spec.Model import ModelSpec

# Standard deviation of a normal distribution cut off at two deviations, relative to the whole.
TRUNCATED = 0.87962566103423978


def layer_seed(seed: int, name: str) -> int:
    """The same run seed and layer name give the same weights; no two layers share a draw."""
    return zlib.crc32(f"{seed}/{name}".encode())


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Inputs and outputs of one unit of a kernel [..., inputs, outputs] or of a vector."""
    if len(shape) == 1:
        return shape[0], shape[0]
    field = math.prod(shape[:-2])
    return field * shape[-2], field * shape[-1]


def glorot_uniform(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform of variance 2 / (inputs + outputs) (Glorot and Bengio, 2010)."""
    limit = math.sqrt(6.0 / sum(fans(shape)))
    return random.uniform(-limit, limit, shape)


def truncated_normal(
    random: np.random.Generator, shape: tuple[int, ...], variance: float
) -> np.ndarray:
    """Normal of the given variance, drawn anew beyond two of its untruncated deviations."""
    values = random.standard_normal(shape)
    while (beyond := np.abs(values) > 2.0).any():
        values[beyond] = random.standard_normal(int(beyond.sum()))
    return values * (math.sqrt(variance) / TRUNCATED)


def he_normal(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Truncated normal of variance 2 / inputs (He et al., 2015)."""
    return truncated_normal(random, shape, 2.0 / fans(shape)[0])


def lecun_normal(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Truncated normal of variance 1 / inputs (LeCun et al., 1998)."""
    return truncated_normal(random, shape, 1.0 / fans(shape)[0])


def orthogonal(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Orthonormal rows or columns of the kernel as a matrix [rest, outputs], whichever are fewer
    (Saxe et al., 2014)."""
    rows, columns = math.prod(shape[:-1]), shape[-1]
    square, upper = np.linalg.qr(random.standard_normal((max(rows, columns), min(rows, columns))))
    square *= np.sign(np.diag(upper))  # without it the distribution is not uniform
    return (square if rows >= columns else square.T).reshape(shape)


DISTRIBUTIONS = {
    "glorot_uniform": glorot_uniform,
    "he_normal": he_normal,
    "lecun_normal": lecun_normal,
    "orthogonal": orthogonal,
}


def draw_kernel(
    shape: tuple[int, ...], seed: int, init: str = "glorot_uniform", deviation: float = 1.0
) -> np.ndarray:
    """Random weights of `shape` [..., inputs, outputs] or [features], float32.

    `init` is one of `cfg.init`'s names; `deviation` is the standard deviation of 'normal'.
    """
    random = np.random.Generator(np.random.Philox(key=seed))
    if init == "normal":
        return (deviation * random.standard_normal(shape)).astype(np.float32)
    return DISTRIBUTIONS[init](random, shape).astype(np.float32)


class LayerDraw(keras.initializers.Initializer):
    """The Keras initializer of one layer's random weights.

    `transposed` is for kernels that Keras keeps as [..., outputs, inputs].
    """

    def __init__(self, spec: ModelSpec, name: str, transposed: bool = False):
        self.spec = spec
        self.name = name
        self.transposed = transposed

    def __call__(self, shape, dtype=None):
        seed = layer_seed(self.spec.seed, self.name)
        if self.transposed:
            shape = (*shape[:-2], shape[-1], shape[-2])
        kernel = draw_kernel(tuple(shape), seed, self.spec.init, self.spec.init_deviation)
        if self.transposed:
            kernel = np.swapaxes(kernel, -1, -2)
        return ops.convert_to_tensor(kernel, dtype=dtype)
