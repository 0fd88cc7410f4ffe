"""A reader of TensorFlow 1 checkpoints: Saver V2 bundles of an index and data files."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from jnet.errors import WeightsError

INDEX = ".index"


class Bundle(Mapping[str, np.ndarray]):
    """The tensors of a checkpoint, which are read when they are used.

    Parameters
    ----------
    prefix : Path
        The path without `.index`.
    """

    def __init__(self, prefix: Path):
        self.prefix = prefix
        try:
            self.reader = tf.train.load_checkpoint(str(prefix))
            self.shapes = self.reader.get_variable_to_shape_map()
        except Exception as error:  # TensorFlow raises errors of many types
            raise self.describe(error) from error

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.shapes:
            raise KeyError(name)
        try:
            return np.asarray(self.reader.get_tensor(name))
        except Exception as error:  # such as IndexError for a short file
            raise self.describe(error) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)

    def describe(self, error: Exception) -> WeightsError:
        """Return the error for a checkpoint that cannot be read."""
        reason = " ".join(str(error).split())
        return WeightsError(f"{self.prefix}{INDEX}: cannot be read: {reason}: replace the files")


def list_bundle_files(prefix: Path) -> list[Path]:
    """Return the index and data files of a checkpoint.

    Raises `WeightsError` if one of them is missing.
    """
    index = Path(f"{prefix}{INDEX}")
    data = sorted(prefix.parent.glob(f"{glob_escape(prefix.name)}.data-*-of-*"))
    count = int(data[0].name.rpartition("-of-")[2]) if data else 1
    wanted = [Path(f"{prefix}.data-{part:05}-of-{count:05}") for part in range(count)]
    for path in (index, *wanted):
        if not path.is_file():
            raise WeightsError(f"{path}: is missing: put it beside {prefix.name}.*")
    return [index, *wanted]


def glob_escape(name: str) -> str:
    """Return a name with the special characters of patterns escaped."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
