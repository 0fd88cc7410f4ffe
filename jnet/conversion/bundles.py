"""A reader of TensorFlow 1 checkpoints: Saver V2 bundles of an index and data files."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from jnet.errors import WeightsError

# What TensorFlow raises for damaged files: a file that is cut off is an IndexError.
DAMAGES = (tf.errors.OpError, ValueError, RuntimeError, IndexError)


class Bundle(Mapping[str, np.ndarray]):
    """The tensors of a checkpoint, which are read when they are used.

    `path` is the prefix of its files, and `size` the number of bytes of all files.
    """

    def __init__(self, path: Path, size: int):
        self.path, self.size = path, size
        try:
            self.reader = tf.train.load_checkpoint(str(path))
            self.shapes = self.reader.get_variable_to_shape_map()
            self.dtypes = self.reader.get_variable_to_dtype_map()
        except DAMAGES as error:
            raise self.describe(error) from error

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.shapes:
            raise KeyError(name)
        dtype = self.dtypes[name]
        if not (dtype.is_floating or dtype.is_integer):
            raise WeightsError(
                f"{self.path}: the tensor {name} has the type {dtype.name}, not numbers: replace "
                f"the files"
            )
        # TensorFlow allocates a tensor before it reads it.
        if np.prod(self.shapes[name], dtype=object) * dtype.size > self.size:
            raise WeightsError(
                f"{self.path}: the tensor {name} of shape {self.shapes[name]} is larger than the "
                f"files: replace them"
            )
        try:
            return np.asarray(self.reader.get_tensor(name))
        except DAMAGES as error:
            raise self.describe(error) from error

    def __contains__(self, name: object) -> bool:
        return name in self.shapes  # Mapping would read the tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)

    def describe(self, error: Exception) -> WeightsError:
        """Return the error for a checkpoint that cannot be read."""
        reason = " ".join(str(error).split())
        return WeightsError(f"{self.path}: is damaged ({reason}): replace its files")
