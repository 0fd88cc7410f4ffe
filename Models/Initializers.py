"""Random initial weights, which depend only on the seed of the run and the name of the layer.

The weights are drawn with NumPy, so that they are the same on every backend, machine and release,
and frozen weights can be reproduced from the seed. Each layer has its own random stream. A model
and its frozen variant with the same seed have the same initial weights (J-Net paper, Section 4).
"""

import math
import zlib

import keras
import numpy as np
from keras import ops

from Models.Settings import ModelSettings

# Standard deviation of the standard normal distribution after truncation at ±2.
TRUNCATED_DEVIATION = 0.87962566103423978


def derive_layer_seed(seed: int, name: str) -> int:
    """Return the seed of a layer's random weights, from the seed of the run and its name.

    Layers with different names have different seeds.
    """
    return zlib.crc32(f"{seed}/{name}".encode())


def compute_fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the numbers of inputs and outputs of one unit of a kernel.

    `shape` is [..., inputs, outputs], or [features] for a vector.
    """
    if len(shape) == 1:
        return shape[0], shape[0]
    field = math.prod(shape[:-2])
    return field * shape[-2], field * shape[-1]


def glorot_uniform(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw from a uniform distribution with variance 2 / (inputs + outputs).

    Glorot and Bengio, 2010.
    """
    limit = math.sqrt(6.0 / sum(compute_fans(shape)))
    return random.uniform(-limit, limit, shape)


def pytorch_uniform(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw from a uniform distribution within ±1 / √inputs, the default of PyTorch's layers."""
    limit = 1.0 / math.sqrt(compute_fans(shape)[0])
    return random.uniform(-limit, limit, shape)


def truncated_normal(
    random: np.random.Generator, shape: tuple[int, ...], variance: float
) -> np.ndarray:
    """Draw from a normal distribution truncated at two standard deviations.

    Parameters
    ----------
    random : numpy.random.Generator
        The random stream.
    shape : tuple of int
        The shape of the result.
    variance : float
        The variance after truncation. The distribution is truncated at two standard deviations of
        the normal distribution before truncation.

    Returns
    -------
    numpy.ndarray
        The values, in `shape`.
    """
    values = random.standard_normal(shape)
    while (beyond := np.abs(values) > 2.0).any():
        values[beyond] = random.standard_normal(int(beyond.sum()))
    return values * (math.sqrt(variance) / TRUNCATED_DEVIATION)


def he_normal(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw from a truncated normal distribution with variance 2 / inputs.

    He et al., 2015.
    """
    return truncated_normal(random, shape, 2.0 / compute_fans(shape)[0])


def lecun_normal(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw from a truncated normal distribution with variance 1 / inputs.

    LeCun et al., 1998.
    """
    return truncated_normal(random, shape, 1.0 / compute_fans(shape)[0])


def orthogonal(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw a kernel that is an orthogonal matrix when reshaped to [rest, outputs].

    Its rows or its columns are orthonormal, whichever are fewer (Saxe et al., 2014).
    """
    rows, columns = math.prod(shape[:-1]), shape[-1]
    square, upper = np.linalg.qr(random.standard_normal((max(rows, columns), min(rows, columns))))
    square *= np.sign(np.diag(upper))  # without the signs the distribution is not uniform
    return (square if rows >= columns else square.T).reshape(shape)


DISTRIBUTIONS = {
    "glorot_uniform": glorot_uniform,
    "he_normal": he_normal,
    "lecun_normal": lecun_normal,
    "orthogonal": orthogonal,
    "pytorch_uniform": pytorch_uniform,
}


def draw_kernel(
    shape: tuple[int, ...], seed: int, init: str = "glorot_uniform", deviation: float = 1.0
) -> np.ndarray:
    """Draw the random weights of one layer.

    Parameters
    ----------
    shape : tuple of int
        [..., inputs, outputs] or [features].
    seed : int
        The seed of the layer, from `derive_layer_seed`.
    init : str
        A value of `cfg.init`: the distribution.
    deviation : float
        The standard deviation of 'normal'; other distributions ignore it.

    Returns
    -------
    numpy.ndarray
        The weights in `shape`, float32.
    """
    random = np.random.Generator(np.random.Philox(key=seed))
    if init == "normal":
        return (deviation * random.standard_normal(shape)).astype(np.float32)
    return DISTRIBUTIONS[init](random, shape).astype(np.float32)


class LayerInitializer(keras.initializers.Initializer):
    """The Keras initializer of the random weights of one layer.

    `transposed` is True for kernels that Keras stores as [..., outputs, inputs].
    """

    def __init__(self, settings: ModelSettings, name: str, transposed: bool = False):
        self.settings = settings
        self.name = name
        self.transposed = transposed

    def __call__(self, shape, dtype=None):
        seed = derive_layer_seed(self.settings.seed, self.name)
        if self.transposed:
            shape = (*shape[:-2], shape[-1], shape[-2])
        kernel = draw_kernel(tuple(shape), seed, self.settings.init, self.settings.init_deviation)
        if self.transposed:
            kernel = np.swapaxes(kernel, -1, -2)
        return ops.convert_to_tensor(kernel, dtype=dtype)
