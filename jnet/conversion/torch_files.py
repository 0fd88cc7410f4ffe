"""A reader of PyTorch's files that knows only tensors and containers.

A file of `torch.save` is a zip archive with a pickle and one entry per storage. Unpickling imports
and calls whatever a pickle names; here every name but those in `CALLABLES` and `STORAGES` ends with
an error, and these are functions of this module.
"""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jnet.errors import WeightsError

MAX_PICKLE_BYTES = 2**24
DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",  # the upper half of a float32
    "LongStorage": "<i8",
    "IntStorage": "<i4",
}


@dataclass(frozen=True)
class StorageType:
    """The class of a storage, which gives the type of its numbers."""

    name: str


def rebuild_tensor(
    storage: np.ndarray, offset: int, size: tuple, stride: tuple, *unused: Any
) -> np.ndarray:
    """Return a tensor, which is a view of a storage, as an array of its own.

    Parameters
    ----------
    storage : numpy.ndarray
        The numbers of the storage, [N].
    offset : int
        The first number of the tensor.
    size, stride : tuple of int
        Shape, and the distance of neighbours along each axis.
    *unused
        Gradients and hooks.

    Returns
    -------
    numpy.ndarray
    """
    numbers = (offset, *size, *stride)
    if any(type(number) is not int or number < 0 for number in numbers) or len(size) != len(stride):
        raise pickle.UnpicklingError(f"a tensor of shape {size}, strides {stride}, from {offset}")
    steps = [(count - 1) * step for count, step in zip(size, stride, strict=True)]
    count = int(np.prod(size, dtype=object))
    if count and (count > len(storage) or offset + sum(steps) >= len(storage)):
        raise pickle.UnpicklingError(f"a tensor of shape {size} exceeds its storage")
    strides = [step * storage.itemsize for step in stride]
    view = np.lib.stride_tricks.as_strided(storage[offset:], size, strides, writeable=False)
    return view.copy()


def rebuild_parameter(tensor: np.ndarray, *unused: Any) -> np.ndarray:
    """Return the tensor of a parameter."""
    return tensor


CALLABLES: dict[str, Callable] = {
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_tensor_v2": rebuild_tensor,
    "torch._utils._rebuild_parameter": rebuild_parameter,
}
STORAGES = {f"torch.{name}": StorageType(name) for name in DTYPES}


class TensorUnpickler(pickle.Unpickler):
    """An unpickler of tensors and containers.

    Parameters
    ----------
    archive : zipfile.ZipFile
    root : str
        The folder in the archive.
    """

    def __init__(self, archive: zipfile.ZipFile, root: str):
        super().__init__(archive.open(f"{root}/data.pkl"), encoding="utf-8")
        self.archive, self.root = archive, root

    def find_class(self, module: str, name: str) -> Any:
        found = {**CALLABLES, **STORAGES}.get(f"{module}.{name}")
        if found is None:
            raise pickle.UnpicklingError(f"it contains {module}.{name}")
        return found

    def persistent_load(self, pid: Any) -> np.ndarray:
        kind, storage_type, key, _, count = pid
        if kind != "storage" or not isinstance(storage_type, StorageType):
            raise pickle.UnpicklingError(f"an unknown reference {pid!r}")
        stored = self.archive.read(read_entry(self.archive, f"{self.root}/data/{key}"))
        numbers = np.frombuffer(stored, DTYPES[storage_type.name])
        if len(numbers) != count:
            raise pickle.UnpicklingError(f"storage {key} has {len(numbers)} of {count} numbers")
        if storage_type.name == "BFloat16Storage":
            numbers = (numbers.astype("<u4") << 16).view("<f4")
        return numbers


def read_entry(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """Return an entry of the archive; raise an error for a compressed one, which may be a bomb."""
    entry = archive.getinfo(name)
    if entry.compress_type != zipfile.ZIP_STORED:
        raise pickle.UnpicklingError(f"its entry {name} is compressed")
    return entry


def read_torch_file(path: Path) -> dict[str, np.ndarray]:
    """Read the state dict in a file of `torch.save`.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict of str to numpy.ndarray

    Raises
    ------
    WeightsError
        If the file is damaged, has another format, or contains anything but tensors in a dict.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            if len(pickles) != 1:
                raise pickle.UnpicklingError(f"it has {len(pickles)} entries data.pkl")
            if read_entry(archive, pickles[0]).file_size > MAX_PICKLE_BYTES:
                raise pickle.UnpicklingError(f"its pickle exceeds {MAX_PICKLE_BYTES} bytes")
            root = pickles[0].removesuffix("/data.pkl")
            if f"{root}/byteorder" in archive.namelist():
                order = archive.read(read_entry(archive, f"{root}/byteorder"))
                if order != b"little":
                    raise pickle.UnpicklingError(f"its byte order is {order!r}")
            state = TensorUnpickler(archive, root).load()
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: does not exist: correct the input_path") from error
    except MemoryError as error:
        raise WeightsError(f"{path}: is too large for the memory") from error
    except Exception as error:  # a damaged pickle can raise any exception
        raise WeightsError(
            f"{path}: is not a state dict of PyTorch, which has only tensors and containers: "
            f"{' '.join(str(error).split()) or type(error).__name__}"
        ) from error
    if not isinstance(state, dict) or not state:
        raise WeightsError(f"{path}: contains no state dict: save model.state_dict() with PyTorch")
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, np.ndarray):
            raise WeightsError(
                f"{path}: its entry {name!r} is not a tensor: save only model.state_dict()"
            )
    return dict(state)
