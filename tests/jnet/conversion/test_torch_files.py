"""Files of PyTorch: values as PyTorch wrote them; hostile and damaged files end with one line."""

import io
import os
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import Convert
from Config import DEFAULTS, make_run_settings
from jnet.conversion.convert import convert
from jnet.conversion.sources import find_source
from jnet.conversion.torch_files import LEGACY_BEGIN, read_state_dict
from jnet.errors import ConfigError, WeightsError
from jnet.weights.manifests import hash_file, optimizer_path, read_manifest

FOLDER = Path(__file__).parent  # of the files that make_torch_files.py wrote
DEMUCS = {
    "network": "demucs",
    "task": "multi_instrument",
    "num_layers": 2,
    "num_initial_filters": 2,
    "num_frames": 256,
    "resample": 2,
}


@pytest.fixture(scope="module")
def tensors():
    with np.load(FOLDER / "tensors.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize("name", ["demucs.th", "demucs_legacy.th", "types.th", "types_legacy.th"])
def test_tensors_have_the_values_that_pytorch_wrote(tensors, name):
    state = read_state_dict(find_source(FOLDER / name).path)
    assert len(state) == (7 if name.startswith("types") else 34)
    for key, tensor in state.items():
        assert tensor.dtype == tensors[key].dtype
        np.testing.assert_array_equal(tensor, tensors[key], strict=True)


# Demucs


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    output = tmp_path_factory.mktemp("demucs") / "w.safetensors"
    path = str(FOLDER / "demucs.th")
    updates = {"input_path": path, "output_path": str(output), "cfg": DEMUCS}
    Convert.ex.run(config_updates=updates, options={"--unobserved": True})
    return output


def test_the_weights_of_demucs_are_in_our_layout(converted, tensors):
    """Each formula is that of PyTorch's documentation on one side and Keras' on the other."""
    ours = load_file(converted)
    wanted = {
        "encoder_01_conv/kernel": np.einsum("oik->kio", tensors["encoder.0.0.weight"]),
        "encoder_02_rewrite/bias": tensors["encoder.1.2.bias"],
        "decoder_02_rewrite/kernel": np.einsum("oik->kio", tensors["decoder.0.0.weight"]),
        "decoder_02_conv/kernel": np.einsum("iok->koi", tensors["decoder.0.2.weight"]),
        "lstm_2_backward/lstm_cell/recurrent_kernel": tensors["lstm.lstm.weight_hh_l1_reverse"].T,
        "lstm_1_forward/lstm_cell/kernel": tensors["lstm.lstm.weight_ih_l0"].T,
        "lstm_1_forward/lstm_cell/bias": tensors["lstm.lstm.bias_ih_l0"]
        + tensors["lstm.lstm.bias_hh_l0"],
        "lstm_linear/kernel": tensors["lstm.linear.weight"].T,
    }
    for name, value in wanted.items():
        np.testing.assert_array_equal(ours[name], value, name)
    # drums, bass, other, vocals → bass, drums, other, vocals, each left and right
    order = [2, 3, 0, 1, 4, 5, 6, 7]
    np.testing.assert_array_equal(ours["decoder_01_conv/bias"], tensors["decoder.1.2.bias"][order])
    kernel = np.einsum("iok->koi", tensors["decoder.1.2.weight"])[:, order]
    np.testing.assert_array_equal(ours["decoder_01_conv/kernel"], kernel)


def test_the_manifest_names_the_state_dict(converted):
    manifest = read_manifest(converted)
    file = FOLDER / "demucs.th"
    assert manifest["origin"] == {
        "format": "PyTorch state dict",
        "files": {"demucs.th": hash_file(file)},
    }
    assert manifest["model"]["resample"] == 2
    assert not optimizer_path(converted).exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_layers": 3}, "has no tensor decoder.2.0.bias"),
        ({"num_initial_filters": 3}, "the tensor encoder.0.0.weight has the shape [2, 2, 8]"),
        ({"lstm_layers": 1}, "has the tensor lstm.lstm.bias_hh_l1"),
        ({"rewrite": "decoder"}, "has the tensor encoder.0.2.bias"),
        ({"glu": False}, "the tensor encoder.0.2.weight has the shape [4, 2, 1]"),
        ({"num_channels": 1}, "the tensor encoder.0.0.weight has the shape [2, 2, 8]"),
    ],
    ids=str,
)
def test_tensors_of_another_demucs_are_named(tmp_path, changes, words):
    settings = make_run_settings({**DEFAULTS, **DEMUCS, **changes}, seed=1).model
    with pytest.raises(WeightsError) as error:
        convert(find_source(FOLDER / "demucs.th"), tmp_path / "w.safetensors", settings, None)
    assert words in str(error.value)
    assert [*tmp_path.iterdir()] == []


def test_a_model_with_other_sources_than_the_original_is_refused(tmp_path):
    settings = make_run_settings({**DEFAULTS, **DEMUCS, "task": "voice"}, seed=1).model
    with pytest.raises(ConfigError, match=r"sources accompaniment, vocals, the original Demucs"):
        convert(find_source(FOLDER / "demucs.th"), tmp_path / "w.safetensors", settings, None)


# Hostile and damaged files


class Name:
    """A name that is pickled as it is, without importing it."""

    def __init__(self, name):
        self.name = name


class Call:
    """An object whose pickle is a call of a name with arguments."""

    def __init__(self, name, *arguments):
        self.name, self.arguments = name, arguments


class Pickler(pickle._Pickler):
    """Python's pickler with references to storages, and with calls of any name."""

    dispatch = {**pickle._Pickler.dispatch}  # noqa: RUF012

    def save_name(self, obj):
        self.write(f"c{obj.name.replace(' ', chr(10))}\n".encode())

    def save_call(self, obj):
        self.save_name(obj)
        self.save(obj.arguments)
        self.write(pickle.REDUCE)

    def persistent_id(self, obj):
        return None if not isinstance(obj, Storage) else obj.reference

    dispatch[Name], dispatch[Call] = save_name, save_call


class Storage:
    """A storage of float32 numbers."""

    def __init__(self, count=4, key="0", kind="FloatStorage"):
        self.reference = ("storage", Name(f"torch {kind}"), key, "cpu", count)


def make_pickle(obj):
    buffer = io.BytesIO()
    Pickler(buffer, 2).dump(obj)
    return buffer.getvalue()


def tensor(storage=None, offset=0, shape=(4,), strides=(1,)):
    return Call(
        "torch._utils _rebuild_tensor_v2", storage or Storage(), offset, shape, strides, False, {}
    )


def write_zip(path, content, compression=zipfile.ZIP_STORED, more=()):
    """Write a file of torch.save with one storage of four numbers, and other members."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/data/0", np.arange(4, dtype="<f4").tobytes())
        for name, value in more:
            archive.writestr(name, value)
    return path


def write_legacy(path, content):
    """Write a file of PyTorch before 1.6 with one storage of four numbers."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    path.write_bytes(
        LEGACY_BEGIN
        + make_pickle(1001)
        + make_pickle(system)
        + content
        + make_pickle(["0"])
        + struct.pack("<q", 4)
        + np.arange(4, dtype="<f4").tobytes()
    )
    return path


WRITERS = {"zip": write_zip, "legacy": write_legacy}


def check_refused(path, words=""):
    """Check that reading ends with one line."""
    with pytest.raises(WeightsError) as error:
        find_source(path).read()
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert len(message) < 600
    assert words in message


@pytest.mark.parametrize("writer", WRITERS)
def test_the_files_that_these_tests_write_are_read(tmp_path, writer):
    path = WRITERS[writer](
        tmp_path / "good.th", make_pickle({"a": tensor(shape=(2, 2), strides=(1, 2))})
    )
    np.testing.assert_array_equal(read_state_dict(path)["a"], [[0, 2], [1, 3]])


LOOP = b"\x80\x02]q\x00h\x00a."  # a list that contains itself
LOOPING_DICT = b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s."
DEEP_KEY = b"\x80\x02})" + b"\x85" * 250_000 + b"K\x01s."  # its hash exhausts Python's stack
DOUBLING_KEY = b"\x80\x02})" + b"2\x86" * 60 + b"K\x01s."  # its hash takes 2 ** 60 steps
SYSTEM = Call("posix system", "touch hacked")
HOSTILE = {
    "a call of os.system": (make_pickle({"a": SYSTEM}), "it calls posix.system"),
    "a call of eval": (make_pickle(Call("builtins eval", "1")), "it calls builtins.eval"),
    "a call of a tensor": (
        make_pickle({"a": tensor()})[:-1] + b")R.",
        "it calls an object that is not a function",
    ),
    "a class": (make_pickle(Call("demucs.model Demucs", 4)), "it calls demucs.model.Demucs"),
    "attributes": (make_pickle([1])[:-1] + b"}b.", "it sets attributes"),
    "a new object": (b"\x80\x02cos\nsystem\n)\x81.", "operation NEWOBJ"),
    "an extension": (b"\x80\x02\x82\x01.", "operation EXT1"),
    "a buffer": (b"\x80\x05\x97.", "operation NEXT_BUFFER"),
    "protocol 0": (b"cos\nsystem\n(S'x'\ntR.", "operation STRING"),
    "a list that contains itself": (LOOP, "it has no dict of tensors"),
    "a dict that contains itself": (LOOPING_DICT, "its entry 'a' is not a tensor"),
    "a deep key": (DEEP_KEY, "it has a dict whose keys are not texts"),
    "a doubling key": (DOUBLING_KEY, "operation DUP"),
    "a negative offset": (make_pickle({"a": tensor(offset=-1)}), "invalid shape or strides"),
    "a negative stride": (make_pickle({"a": tensor(strides=(-1,))}), "invalid shape or strides"),
    "a negative shape": (make_pickle({"a": tensor(shape=(-4,))}), "invalid shape or strides"),
    "an absurd shape": (make_pickle({"a": tensor(shape=(2**40,))}), "exceeds its storage 0"),
    "a repeated number": (
        make_pickle({"a": tensor(shape=(2**30,), strides=(0,))}),
        "exceeds its storage 0",
    ),
    "an absurd integer": (make_pickle({"a": tensor(offset=2**70)}), "invalid shape or strides"),
    "too large a stride": (make_pickle({"a": tensor(strides=(2,))}), "exceeds its storage 0"),
    "too large an offset": (make_pickle({"a": tensor(offset=1)}), "exceeds its storage 0"),
    "shapes that are not numbers": (make_pickle({"a": tensor(shape=("4",))}), "invalid shape"),
    "shape that is not a tuple": (make_pickle({"a": tensor(shape=4)}), "is malformed"),
    "fewer strides": (make_pickle({"a": tensor(strides=())}), "invalid shape or strides"),
    "a tensor without storage": (
        make_pickle({"a": Call("torch._utils _rebuild_tensor_v2", 1, 0, (4,), (1,))}),
        "is malformed",
    ),
    "another storage type": (
        make_pickle({"a": tensor(Storage(kind="ComplexFloatStorage"))}),
        "its numbers are a torch.ComplexFloatStorage",
    ),
    "a storage of many numbers": (
        make_pickle({"a": tensor(Storage(2**40))}),
        "",
    ),
    "a negative storage": (make_pickle({"a": tensor(Storage(-4))}), "is not a storage"),
    "a missing storage": (make_pickle({"a": tensor(Storage(key="../0"))}), ""),
    "a wrong storage": (make_pickle({"a": tensor(Storage(5))}), ""),
    "a number": (make_pickle({"a": 3}), "its entry 'a' is not a tensor"),
    "a nested dict": (make_pickle({"state": {"a": tensor()}}), "its entry 'state' is not a tensor"),
    "no dict": (make_pickle([tensor()]), "it has no dict of tensors"),
    "an empty dict": (make_pickle({}), "it has no dict of tensors"),
    "a cut pickle": (make_pickle({"a": tensor()})[:-9], ""),
    "an unknown object": (b"\x80\x02h\x07.", "it is damaged"),
    "an empty stack": (b"\x80\x02.", "it is damaged"),
    "a long pickle": (b"\x80\x02" + b"N" * 2**20 + b"N.", ""),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_end_with_one_line(tmp_path, monkeypatch, writer, name):
    monkeypatch.chdir(tmp_path)
    content, words = HOSTILE[name]
    check_refused(WRITERS[writer](tmp_path / "h.th", content), words)
    assert not Path("hacked").exists()


@pytest.mark.parametrize("name", ["class.th", "class_legacy.th"])
def test_pickles_of_classes_are_refused_by_name(name):
    check_refused(FOLDER / name, "__main__.Empty")


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("name", ["an absurd shape", "a storage of many numbers"])
def test_absurd_sizes_allocate_no_memory(tmp_path, writer, name):
    path = WRITERS[writer](tmp_path / "h.th", HOSTILE[name][0])
    tracemalloc.start()
    check_refused(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**22


GOOD = make_pickle({"a": tensor()})


@pytest.mark.parametrize("name", ["demucs.th", "demucs_legacy.th"])
@pytest.mark.parametrize("share", [0.001, 0.05, 0.5, 0.999])
def test_truncated_files_end_with_one_line(tmp_path, name, share):
    content = (FOLDER / name).read_bytes()
    (tmp_path / "cut.th").write_bytes(content[: int(share * len(content))])
    check_refused(tmp_path / "cut.th")


def test_flipped_bits_in_an_archive_are_found(tmp_path):
    content = bytearray(write_zip(tmp_path / "a.th", GOOD).read_bytes())
    content[content.index(np.float32(3).tobytes())] ^= 1
    (tmp_path / "a.th").write_bytes(content)
    check_refused(tmp_path / "a.th", "Bad CRC-32")


def test_compressed_members_are_refused(tmp_path):
    path = write_zip(tmp_path / "bomb.th", b"N" * 2**24, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**17
    check_refused(path, "is compressed")


def test_a_member_that_declares_more_than_the_file_is_refused(tmp_path):
    """The sizes of the storage in the central directory are 2 ** 31."""
    path = write_zip(tmp_path / "bomb.th", make_pickle({"a": tensor(Storage(2**29), shape=(4,))}))
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"archive/data/0") - 46
    content[entry + 20 : entry + 28] = struct.pack("<II", 2**31, 2**31)
    path.write_bytes(content)
    check_refused(path, "has 2147483648 bytes, more than")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ([("archive/byteorder", b"big")], "its byte order is b'big'"),
        ([("other/data.pkl", b"")], "an archive with 2 files data.pkl"),
    ],
)
def test_other_archives_are_refused(tmp_path, more, words):
    check_refused(write_zip(tmp_path / "a.th", GOOD, more=more), words)


def test_an_archive_without_a_pickle_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("readme.txt", "text")
    check_refused(tmp_path / "a.zip", "an archive with 0 files data.pkl")


@pytest.mark.parametrize(
    "content", [b"", b"<!DOCTYPE html><html></html>", pickle.dumps({"a": 1}), b"\x1f\x8b" * 9]
)
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "x.th").write_bytes(content)
    check_refused(tmp_path / "x.th", "is neither a file of PyTorch's torch.save nor")


def test_missing_files_and_folders_are_refused(tmp_path):
    check_refused(tmp_path / "x.th", "does not exist")
    for path in (tmp_path, Path(os.sep)):
        check_refused(path, "is a folder")
