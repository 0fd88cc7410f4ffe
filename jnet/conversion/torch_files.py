"""A reader of state dicts in PyTorch's files that knows only tensors and containers.

A file of `torch.save` contains a pickle and the numbers of its tensors. Unpickling calls whatever
functions a pickle names. Here the operations of the pickle are interpreted instead: they make
containers, numbers and texts, and descriptions of tensors; every other operation is an error.
`pickle.Unpickler` with a restricted `find_class` is not enough, because a nested tuple as the key
of a dict exhausts the stack of the interpreter, which ends the process.
"""

import io
import math
import pickletools
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from jnet.errors import WeightsError

MAX_PICKLE_BYTES = 2**18  # far more than the pickle of a state dict, without its numbers
MAGIC_NUMBER = 0x1950A86A20F9469CFC6C  # the first pickle of a file before version 1.6
LEGACY_BEGIN = b"\x80\x02\x8a\x0a" + MAGIC_NUMBER.to_bytes(10, "little") + b"."
ORDERED_DICT = "collections OrderedDict"
REBUILD_TENSOR = "torch._utils _rebuild_tensor_v2"
DTYPES = {
    "torch DoubleStorage": "<f8",
    "torch FloatStorage": "<f4",
    "torch HalfStorage": "<f2",
    "torch BFloat16Storage": "<u2",  # the upper half of a float32
    "torch LongStorage": "<i8",
    "torch IntStorage": "<i4",
}


class TorchFileError(Exception):
    """A file that is damaged or contains anything but tensors in a dict."""


@dataclass(frozen=True)
class Name:
    """A name of a function or class in a pickle, which is never imported."""

    name: str


@dataclass(frozen=True)
class Storage:
    """The numbers of one or several tensors: their type, their key in the file, their count."""

    kind: str
    key: str
    count: int

    @property
    def size(self) -> int:
        """The number of bytes."""
        return self.count * np.dtype(DTYPES[self.kind]).itemsize


@dataclass(frozen=True)
class Tensor:
    """A tensor: its storage, its first number, its shape and its strides, in numbers."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def view(self, stored: bytes) -> np.ndarray:
        """Return the tensor as an array, given the bytes of its storage."""
        numbers = np.frombuffer(stored, DTYPES[self.storage.kind])
        if self.storage.kind == "torch BFloat16Storage":
            numbers = (numbers.astype("<u4") << 16).view("<f4")
        if 0 in self.shape:
            return np.zeros(self.shape, numbers.dtype)
        strides = [stride * numbers.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(
            numbers[self.offset :], self.shape, strides, writeable=False
        )


def is_count(value: Any) -> bool:
    """Return whether a value is a whole number of at least zero and below 2**63."""
    return type(value) is int and 0 <= value < 2**63


def make_storage(reference: Any) -> Storage:
    """Return the storage that the reference `('storage', class, key, device, count)` describes."""
    match reference:
        case ("storage", Name(kind), str(key), str(), count, *more) if more in ([], [None]):
            if kind in DTYPES and is_count(count):
                return Storage(kind, key, count)
            if is_count(count):
                raise TorchFileError(f"its numbers are a {kind.replace(' ', '.')}")
        case ("module", Name(name), *_):
            raise TorchFileError(f"its pickle has the class {name.replace(' ', '.')}")
    raise TorchFileError("a reference of its pickle is not a storage")


def make_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Tensor:
    """Return the description of a tensor.

    Parameters
    ----------
    storage : Storage
        Its numbers.
    offset : int
        Its first number.
    shape, strides : tuple of int
        Its shape, and the distance of neighbours along each axis.
    *_
        `requires_grad` and hooks, which are ignored.

    Returns
    -------
    Tensor

    Raises
    ------
    TorchFileError
        If the tensor does not lie within its storage, or has more numbers than the storage.
    """
    lengths = (shape, strides)
    if not isinstance(storage, Storage) or not all(isinstance(each, tuple) for each in lengths):
        raise TorchFileError("a tensor of its pickle is malformed")
    if len(shape) != len(strides) or not all(map(is_count, (offset, *shape, *strides))):
        raise TorchFileError(f"storage {storage.key} has a tensor with invalid shape or strides")
    last = offset + sum((count - 1) * step for count, step in zip(shape, strides, strict=True))
    count = math.prod(shape)
    if len(shape) > 8 or count > storage.count or (count and last >= storage.count):
        raise TorchFileError(f"a tensor of shape {list(shape)} exceeds its storage {storage.key}")
    return Tensor(storage, offset, shape, strides)


class PickleReader:
    """An interpreter of the pickle operations of a state dict.

    Attributes
    ----------
    stack : list
        The stack of the pickle machine.
    marks : list of int
        Lengths of the stack at which MARK operations stand.
    memo : dict
        Objects by the number under which the pickle remembers them.
    """

    # Operations that put a value on the stack.
    VALUES: ClassVar[dict[str, Callable[[Any], Any]]] = {
        **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1"), int),
        "BINFLOAT": float,
        "BINUNICODE": str,
        "GLOBAL": Name,
        "NONE": lambda _: None,
        "NEWTRUE": lambda _: True,
        "NEWFALSE": lambda _: False,
        "EMPTY_DICT": lambda _: {},
        "EMPTY_LIST": lambda _: [],
        "EMPTY_TUPLE": lambda _: (),
    }

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def read(self, file: BinaryIO) -> Any:
        """Return the object of the next pickle in a file.

        Raises `TorchFileError` for an unknown operation; a damaged pickle raises other exceptions,
        too.
        """
        for operation, argument, position in pickletools.genops(file):
            if (position or 0) > MAX_PICKLE_BYTES:
                raise TorchFileError(f"its pickle exceeds {MAX_PICKLE_BYTES} bytes")
            self.apply(operation.name, argument)
        return self.stack.pop()

    def apply(self, operation: str, argument: Any) -> None:
        """Apply an operation to the stack."""
        stack = self.stack
        match operation:
            case name if name in self.VALUES:
                stack.append(self.VALUES[name](argument))
            case "PROTO" | "STOP":
                pass
            case "MARK":
                self.marks.append(len(stack))
            case "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(self.pop(len(stack) - int(operation[-1]))))
            case "TUPLE":
                stack.append(tuple(self.pop(self.marks.pop())))
            case "APPEND" | "APPENDS":
                items = self.pop(len(stack) - 1 if operation == "APPEND" else self.marks.pop())
                if not isinstance(stack[-1], list):
                    raise TorchFileError("it appends to an object that is not a list")
                stack[-1].extend(items)
            case "SETITEM" | "SETITEMS":
                items = self.pop(len(stack) - 2 if operation == "SETITEM" else self.marks.pop())
                self.set_items(stack[-1], items)
            case "BUILD":  # attributes of an OrderedDict
                stack.pop()
                if not isinstance(stack[-1], dict):
                    raise TorchFileError("it sets attributes of an object")
            case "BINPERSID":
                stack.append(make_storage(stack.pop()))
            case "REDUCE":
                arguments = stack.pop()
                stack.append(self.call(stack.pop(), arguments))
            case _:
                names = [item.name.replace(" ", ".") for item in stack if isinstance(item, Name)]
                place = f" with {names[-1]}" if names else ""
                raise TorchFileError(f"its pickle has the operation {operation}{place}")

    def pop(self, start: int) -> list[Any]:
        """Remove and return the objects of the stack from `start`."""
        if not 0 <= start <= len(self.stack):
            raise TorchFileError("its pickle is malformed")
        items = self.stack[start:]
        del self.stack[start:]
        return items

    @staticmethod
    def set_items(target: Any, items: list[Any]) -> None:
        """Set items of a dict, given as key, value, key, …; all keys must be texts or numbers."""
        keys, values = items[::2], items[1::2]
        if not isinstance(target, dict) or not all(isinstance(key, str | int) for key in keys):
            raise TorchFileError("it has a dict whose keys are not texts")
        target.update(zip(keys, values, strict=True))

    @staticmethod
    def call(function: Any, arguments: Any) -> Any:
        """Return what one of the two known functions returns."""
        if not isinstance(function, Name):
            raise TorchFileError("it calls an object that is not a function")
        if function.name == ORDERED_DICT and arguments == ():
            return {}
        if function.name == REBUILD_TENSOR and isinstance(arguments, tuple) and len(arguments) >= 4:
            return make_tensor(*arguments)
        raise TorchFileError(f"it calls {function.name.replace(' ', '.')}")


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """Read the state dict in a file of `torch.save`, of version 1.6 and later or before.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict of str to numpy.ndarray
        Views of the numbers in the file, by name.

    Raises
    ------
    WeightsError
        If the file is damaged, has another format, or contains anything but tensors in a dict.
    """
    try:
        read = read_zip if zipfile.is_zipfile(path) else read_legacy
        return read(path)
    except MemoryError as error:
        raise WeightsError(f"{path}: is too large for the memory: use a larger machine") from error
    except Exception as error:  # a damaged file can raise any exception
        reason = str(error) if isinstance(error, TorchFileError) else f"it is damaged ({error!r})"
        raise WeightsError(
            f"{path}: is not a state dict of PyTorch: {' '.join(reason.split())[:300]}: save "
            f"model.state_dict() with torch.save"
        ) from error


def read_zip(path: Path) -> dict[str, np.ndarray]:
    """Read a file of PyTorch 1.6 and later: a zip archive of a pickle and the storages."""
    with zipfile.ZipFile(path) as archive:
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise TorchFileError(f"it is an archive with {len(pickles)} files data.pkl")
        root = pickles[0].removesuffix("data.pkl")
        if f"{root}byteorder" in archive.namelist():
            order = read_member(archive, f"{root}byteorder", len("little"))
            if order != b"little":
                raise TorchFileError(f"its byte order is {order!r}")
        content = read_member(archive, pickles[0], MAX_PICKLE_BYTES)
        tensors = check_state(PickleReader().read(io.BytesIO(content)))
        stored: dict[str, bytes] = {}
        left = path.stat().st_size  # entries that overlap could contain more
        for storage in {tensor.storage.key: tensor.storage for tensor in tensors.values()}.values():
            stored[storage.key] = read_member(archive, f"{root}data/{storage.key}", left)
            left -= len(stored[storage.key])
        return view_tensors(tensors, stored)


def read_member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """Return the bytes of a member of an archive.

    Raises `TorchFileError` if it is compressed, as `torch.save` never does, or exceeds `limit`.
    """
    try:
        member = archive.getinfo(name)
    except KeyError as error:
        raise TorchFileError(f"it has no file {name}") from error
    if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
        raise TorchFileError(f"its file {name} is compressed")
    if member.file_size > limit:
        raise TorchFileError(f"its file {name} has {member.file_size} bytes, more than {limit}")
    return archive.read(member)


def read_legacy(path: Path) -> dict[str, np.ndarray]:
    """Read a file of PyTorch before 1.6: four pickles, the list of storages, and the storages."""
    with path.open("rb") as file:
        if file.read(len(LEGACY_BEGIN)) != LEGACY_BEGIN:
            raise TorchFileError("it does not begin as a file of torch.save")
        if PickleReader().read(file) != 1001:
            raise TorchFileError("it has an unknown version")
        system = PickleReader().read(file)
        if not isinstance(system, dict) or system.get("little_endian") is not True:
            raise TorchFileError("its byte order is not little")
        tensors = check_state(PickleReader().read(file))
        storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
        stored: dict[str, bytes] = {}
        for key in PickleReader().read(file):
            if key not in storages or key in stored:
                raise TorchFileError(f"it has the storage {key!r} twice or without a tensor")
            (count,) = struct.unpack("<q", file.read(8))
            left = path.stat().st_size - file.tell()
            if count != storages[key].count or storages[key].size > left:
                raise TorchFileError(f"its storage {key} is cut off")
            stored[key] = file.read(storages[key].size)
        return view_tensors(tensors, stored)


def check_state(state: Any) -> dict[str, Tensor]:
    """Return a state dict; raise `TorchFileError` if it is not a dict of tensors by name."""
    if not isinstance(state, dict) or not state:
        raise TorchFileError("it has no dict of tensors")
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise TorchFileError(f"its entry {str(name)[:99]!r} is not a tensor")
    return state


def view_tensors(tensors: dict[str, Tensor], stored: dict[str, bytes]) -> dict[str, np.ndarray]:
    """Return the tensors as arrays, given the bytes of the storages by key."""
    for name, tensor in tensors.items():
        if len(stored.get(tensor.storage.key, b"")) != tensor.storage.size:
            raise TorchFileError(
                f"the storage {tensor.storage.key} of the tensor {name} does not have "
                f"{tensor.storage.size} bytes"
            )
    return {name: tensor.view(stored[tensor.storage.key]) for name, tensor in tensors.items()}
