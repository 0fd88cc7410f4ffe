"""Files of PyTorch are read exactly, and nothing in them is executed."""

import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from jnet.conversion.torch_files import read_torch_file
from jnet.errors import WeightsError
from tests.jnet.conversion.states import TENSORS, draw_state

HERE = Path(__file__).parent


def test_a_state_dict_is_read_bit_exactly():
    state = read_torch_file(HERE / "demucs.th")
    wanted = draw_state()
    assert list(state) == list(wanted)
    for name, tensor in wanted.items():
        assert state[name].dtype == np.float32
        np.testing.assert_array_equal(state[name], tensor)


def test_types_and_strides_are_those_of_pytorch():
    state = read_torch_file(HERE / "types.pt")
    numbers = np.array(TENSORS)
    for name in ("float32", "float64", "float16", "bfloat16", "int64", "parameter"):
        np.testing.assert_array_equal(state[name], numbers)
    assert state["float16"].dtype == np.float16
    np.testing.assert_array_equal(state["transposed"], numbers.T)
    np.testing.assert_array_equal(state["part"], numbers[1:, 1:])
    np.testing.assert_array_equal(state["scalar"], np.array(3.0))
    assert state["empty"].shape == (0, 3)


class Call:
    """An object whose pickle calls a function."""

    def __init__(self, function, *arguments):
        self.called = function, arguments

    def __reduce__(self):
        return self.called


class Reference:
    """A name in a pickle, without the module that it names."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Pickler(pickle._Pickler):
    """A pickler that writes storages as PyTorch does, and any name of `Reference`."""

    def persistent_id(self, thing):
        return ("storage", *thing[1:]) if isinstance(thing, tuple) and thing[:1] == ("S",) else None

    def save(self, thing, save_persistent_id=True):
        if isinstance(thing, Reference):
            self.write(f"c{thing.module}\n{thing.name}\n".encode())
        elif isinstance(thing, Call):
            function, arguments = thing.called
            self.save(function)
            self.save(arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(thing, save_persistent_id)


REBUILD = Reference("torch._utils", "_rebuild_tensor_v2")
FLOATS = Reference("torch", "FloatStorage")


def make_tensor(offset, size, stride, count=4, key="0"):
    return Call(REBUILD, ("S", FLOATS, key, "cpu", count), offset, size, stride, False, None)


def write_file(path, state, compression=zipfile.ZIP_STORED, storage=bytes(16)):
    with (path.parent / "pickle").open("wb") as file:
        Pickler(file, protocol=2).dump(state)
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.write(path.parent / "pickle", "a/data.pkl")
        archive.writestr("a/data/0", storage)
    return path


def test_the_writer_of_these_tests_writes_readable_files(tmp_path):
    numbers = np.arange(4, dtype=np.float32)
    path = write_file(
        tmp_path / "a.th", {"w": make_tensor(1, (3,), (1,))}, storage=numbers.tobytes()
    )
    np.testing.assert_array_equal(read_torch_file(path)["w"], [1, 2, 3])


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (Call(Reference("posix", "system"), "touch executed"), "it contains posix.system"),
        (Call(Reference("builtins", "eval"), "1"), "it contains builtins.eval"),
        ({"m": Reference("demucs.model", "Demucs")}, "it contains demucs.model.Demucs"),
        ({"w": make_tensor(0, (5,), (1,))}, "exceeds its storage"),
        ({"w": make_tensor(3, (2,), (1,))}, "exceeds its storage"),
        ({"w": make_tensor(-1, (2,), (1,))}, "from -1"),
        ({"w": make_tensor(0, (2,), (-1,))}, "strides (-1,)"),
        ({"w": make_tensor(0, (10**12,), (0,))}, "exceeds its storage"),
        ({"w": make_tensor(0, (2, 2), (1,))}, "shape (2, 2)"),
        ({"w": make_tensor(0, (2.5,), (1,))}, "shape (2.5,)"),
        ({"w": make_tensor(0, (4,), (1,), count=5)}, "4 of 5 numbers"),
        ({"w": make_tensor(0, (4,), (1,), key="7")}, "a/data/7"),
        ({"w": make_tensor(0, (4,), (1,), key="../../x")}, "../../x"),
        ({"w": [1, 2]}, "its entry 'w' is not a tensor"),
        ({1: make_tensor(0, (4,), (1,))}, "its entry 1 is not a tensor"),
        ([1, 2], "contains no state dict"),
        (OrderedDict(), "contains no state dict"),
    ],
    ids=str,
)
def test_other_files_end_with_one_line_and_execute_nothing(state, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_file(tmp_path / "a.th", state)
    with pytest.raises(WeightsError) as error:
        read_torch_file(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert reason in message
    assert {found.name for found in tmp_path.iterdir()} == {"a.th", "pickle"}


def test_a_compressed_entry_is_refused(tmp_path):
    path = write_file(tmp_path / "a.th", {}, zipfile.ZIP_DEFLATED, storage=bytes(2**20))
    with pytest.raises(WeightsError, match="is compressed"):
        read_torch_file(path)


def test_a_container_that_contains_itself_is_refused(tmp_path):
    state = {}
    state["w"] = state
    with pytest.raises(WeightsError, match="'w' is not a tensor"):
        read_torch_file(write_file(tmp_path / "a.th", state))


def test_cut_and_changed_files_end_with_one_line(tmp_path):
    whole = (HERE / "demucs.th").read_bytes()
    random = np.random.default_rng(0)
    path = tmp_path / "a.th"
    messages = []
    for number in range(150):
        damaged = bytearray(whole)
        if number % 2:
            damaged = damaged[: random.integers(len(whole))]
        else:
            damaged[random.integers(len(whole))] ^= 1 << random.integers(8)
        path.write_bytes(damaged)
        try:
            read_torch_file(path)
        except WeightsError as error:
            messages.append(str(error))
    assert len(messages) > 100
    assert not any("\n" in message for message in messages)
