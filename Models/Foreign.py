"""The tensors of other implementations from which the weights of a model are made."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


def keep(tensor: np.ndarray) -> np.ndarray:
    """Return a tensor unchanged."""
    return tensor


@dataclass(frozen=True)
class ForeignTensor:
    """How a weight is made from the tensors of another implementation.

    Attributes
    ----------
    names : tuple of str
        The names of the tensors.
    convert : callable
        A function of these tensors that returns the weight.
    """

    names: tuple[str, ...]
    convert: Callable[..., np.ndarray] = keep
