"""Weights on disk: every bit comes back, and a file that is not right is refused by name."""

import hashlib
import json
import os
import resource
import struct
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from Engine.Weights import load_weights, manifest_path, read_manifest, save_weights, stored_spec
from Models.Build import build
from Spec.Errors import WeightsError


@pytest.fixture(scope="module")
def model(tiny_specs):
    """A model whose every weight is different from its start."""
    model = build(tiny_specs.model)
    random = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(random.normal(size=variable.shape))
    return model


@pytest.fixture
def saved(model, tiny_specs, tmp_path):
    path = tmp_path / "best.safetensors"
    save_weights(model, tiny_specs.model, path, validation_loss=0.125, epoch=3)
    return path


def rewritten(path, tensors):
    """Other tensors in the file, and a manifest that agrees with them."""
    save_file(tensors, path)
    return agreed(path)


def agreed(path):
    """The manifest brought in line with whatever the file now is."""
    manifest = json.loads(path.with_suffix(".json").read_text())
    manifest["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix(".json").write_text(json.dumps(manifest))
    return path


def refused(path, spec, said):
    """Loading is refused in one line that holds `said`, and changes no weight."""
    target = build(spec)
    before = [variable.numpy() for variable in target.weights]
    with pytest.raises(WeightsError) as error:
        load_weights(target, spec, path)
    message = str(error.value)
    assert said in message
    assert path.name in message or path.with_suffix(".json").name in message
    assert "\n" not in message
    for variable, value in zip(target.weights, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_every_bit_comes_back(saved, model, tiny_specs):
    target = build(replace(tiny_specs.model, seed=99))
    assert not np.array_equal(target.weights[0], model.weights[0])
    load_weights(target, tiny_specs.model, saved)
    for one, other in zip(target.weights, model.weights, strict=True):
        assert one.numpy().tobytes() == other.numpy().tobytes()


def test_bits_that_are_no_ordinary_numbers_come_back(model, tiny_specs, tmp_path):
    odd = build(tiny_specs.model)
    odd.weights[1].assign([np.float32(1e-45), np.float32(-0.0), np.inf, np.nan])
    save_weights(odd, tiny_specs.model, tmp_path / "odd.safetensors")
    target = build(tiny_specs.model)
    load_weights(target, tiny_specs.model, tmp_path / "odd.safetensors")
    assert target.weights[1].numpy().tobytes() == odd.weights[1].numpy().tobytes()


def test_the_file_holds_the_tensors_by_name_for_any_reader(saved, model):
    tensors = load_file(saved)
    assert set(tensors) == {variable.path for variable in model.weights}
    for variable in model.weights:
        np.testing.assert_array_equal(tensors[variable.path], variable.numpy(), strict=True)


def test_the_manifest_says_what_the_weights_are(saved, tiny_specs):
    manifest = json.loads((saved.parent / "best.json").read_text())
    assert manifest_path(saved) == saved.parent / "best.json"
    assert manifest["sha256"] == hashlib.sha256(saved.read_bytes()).hexdigest()
    assert manifest["weights"] == "best.safetensors"
    assert (manifest["validation_loss"], manifest["epoch"]) == (0.125, 3)
    assert manifest["model"] == json.loads(json.dumps(asdict(tiny_specs.model)))
    assert read_manifest(saved) == manifest
    assert {path.name for path in saved.parent.iterdir()} == {"best.safetensors", "best.json"}


def test_the_model_itself_can_be_read_from_its_weights(saved, tiny_specs):
    assert stored_spec(saved) == tiny_specs.model


def test_weights_are_written_over_older_ones(saved, tiny_specs):
    other = build(tiny_specs.model)
    save_weights(other, tiny_specs.model, saved, validation_loss=0.1, epoch=4)
    target = build(replace(tiny_specs.model, seed=99))
    load_weights(target, tiny_specs.model, saved)
    np.testing.assert_array_equal(target.weights[0], other.weights[0])
    assert read_manifest(saved)["epoch"] == 4


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"frozen": ("encoder",)}, "frozen is ('encoder',) in the config and () in the weights"),
        ({"num_layers": 2}, "num_layers is 2 in the config and 3 in the weights"),
        ({"sample_rate": 22050}, "sample_rate is 22050 in the config and 8000 in the weights"),
        ({"num_frames": 2048}, "num_frames is 2048"),
        ({"skip_levels": (1,)}, "skip_levels is (1,) in the config and (1, 2, 3) in the weights"),
    ],
    ids=str,
)
def test_another_model_is_refused_and_what_differs_is_named(saved, tiny_specs, changes, said):
    refused(saved, replace(tiny_specs.model, **changes), said)


def test_all_that_differs_is_named_at_once(saved, tiny_specs):
    other = replace(tiny_specs.model, frozen=("decoder",), num_initial_filters=5, seed=7)
    with pytest.raises(WeightsError) as error:
        load_weights(build(other), other, saved)
    message = str(error.value)
    assert "frozen is ('decoder',)" in message
    assert "num_initial_filters is 5 in the config and 4 in the weights" in message
    assert "seed" not in message


def test_another_seed_is_no_other_model(saved, model, tiny_specs):
    spec = replace(tiny_specs.model, seed=5)
    target = build(spec)
    load_weights(target, spec, saved)
    np.testing.assert_array_equal(target.weights[0], model.weights[0])


def cut(path, kept):
    content = path.read_bytes()
    length = {"nothing": 0, "one byte": 1, "half": len(content) // 2, "all but one": -1}[kept]
    path.write_bytes(content[:length])


@pytest.mark.parametrize("kept", ["nothing", "one byte", "half", "all but one"])
def test_a_truncated_file_is_not_the_one_its_manifest_describes(saved, tiny_specs, kept):
    cut(saved, kept)
    refused(saved, tiny_specs.model, "is not the file its manifest best.json describes")


@pytest.mark.parametrize("kept", ["nothing", "one byte", "half", "all but one"])
def test_a_truncated_file_is_refused_even_with_a_manifest_that_agrees(saved, tiny_specs, kept):
    cut(saved, kept)
    refused(agreed(saved), tiny_specs.model, "is damaged")


def test_a_single_flipped_bit_is_noticed(saved, tiny_specs):
    content = bytearray(saved.read_bytes())
    content[-5] ^= 1
    saved.write_bytes(content)
    refused(saved, tiny_specs.model, "is not the file its manifest best.json describes")


def test_weights_without_manifest_are_refused(saved, tiny_specs):
    manifest_path(saved).unlink()
    refused(saved, tiny_specs.model, "best.json: is missing, it belongs to best.safetensors")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"[]", b"7", b'"text"', b"{}", b'{"sha256": "x"}', b"\xff\xfe\x00"]
    + [b'{"sha256": "x", "model": %s}' % model for model in (b"null", b"[]", b"3", b'"s"', b"{}")],
    ids=repr,
)
def test_a_damaged_manifest_is_refused(saved, tiny_specs, content):
    manifest_path(saved).write_bytes(content)
    refused(saved, tiny_specs.model, "best.json: is damaged")


@pytest.mark.parametrize("digest", ["0" * 64, "", None, 3])
def test_a_manifest_with_another_hash_is_refused(saved, tiny_specs, digest):
    manifest = json.loads(manifest_path(saved).read_text())
    manifest_path(saved).write_text(json.dumps({**manifest, "sha256": digest}))
    refused(saved, tiny_specs.model, "is not the file its manifest best.json describes")


def test_weights_of_another_version_are_refused_and_the_entries_named(saved, tiny_specs):
    manifest = json.loads(manifest_path(saved).read_text())
    manifest["model"]["dropout"] = 0.5
    del manifest["model"]["filter_size"]
    manifest_path(saved).write_text(json.dumps(manifest))
    refused(saved, tiny_specs.model, "it differs in the entries dropout, filter_size")


def test_a_tensor_of_another_shape_is_refused_by_name(saved, tiny_specs):
    tensors = load_file(saved)
    tensors["bottleneck_conv/bias"] = np.zeros(17, np.float32)
    said = "the tensor bottleneck_conv/bias is [17] in the file and [16] in the model"
    refused(rewritten(saved, tensors), tiny_specs.model, said)


def test_a_transposed_tensor_is_refused_though_it_has_as_many_numbers(saved, tiny_specs):
    tensors = load_file(saved)
    name = "bottleneck_conv/kernel"
    tensors[name] = np.ascontiguousarray(tensors[name].transpose(0, 2, 1))
    said = f"the tensor {name} is [5, 16, 12] in the file and [5, 12, 16] in the model"
    refused(rewritten(saved, tensors), tiny_specs.model, said)


def test_a_missing_tensor_is_refused_by_name(saved, tiny_specs):
    tensors = load_file(saved)
    del tensors["decoder_02_conv/kernel"]
    said = "the tensor decoder_02_conv/kernel is missing in the file"
    refused(rewritten(saved, tensors), tiny_specs.model, said)


def test_a_tensor_too_many_is_refused_by_name(saved, tiny_specs):
    tensors = load_file(saved) | {"encoder_04_conv/bias": np.zeros(3, np.float32)}
    said = "the tensor encoder_04_conv/bias is [3] in the file and missing in the model"
    refused(rewritten(saved, tensors), tiny_specs.model, said)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32])
def test_tensors_that_are_no_32_bit_floats_are_refused_by_name(saved, tiny_specs, dtype):
    tensors = load_file(saved)
    tensors["encoder_02_conv/bias"] = tensors["encoder_02_conv/bias"].astype(dtype)
    said = "the tensor encoder_02_conv/bias is"
    refused(rewritten(saved, tensors), tiny_specs.model, said)


@pytest.mark.parametrize("name", ["best.h5", "best.keras", "best.weights.h5", "best.json", "best"])
def test_a_file_of_another_kind_is_refused_before_it_is_opened(saved, tiny_specs, name):
    other = saved.with_name(name)
    if not other.exists():
        other.write_bytes(saved.read_bytes())
    refused(other, tiny_specs.model, "is no weights file of this project")


def test_a_file_that_is_not_there_is_refused(saved, tiny_specs):
    refused(saved.with_name("bset.safetensors"), tiny_specs.model, "there is no such weights file")


def test_an_interrupted_save_leaves_the_older_weights(saved, model, tiny_specs, monkeypatch):
    def interrupted(tensors, path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("Engine.Weights.save_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_weights(build(tiny_specs.model), tiny_specs.model, saved)
    target = build(tiny_specs.model)
    load_weights(target, tiny_specs.model, saved)
    np.testing.assert_array_equal(target.weights[0], model.weights[0])
    assert {path.name for path in saved.parent.iterdir()} == {"best.safetensors", "best.json"}


def stated(path, **entries):
    """The manifest with these entries of its model changed."""
    manifest = json.loads(manifest_path(path).read_text())
    manifest["model"] |= entries
    manifest_path(path).write_text(json.dumps(manifest))
    return path


HUGE = {
    "num_layers": "num_layers is 1000000000: give a whole number of at most",
    "num_frames": "num_frames is 1000000000: give a whole number of at most",
    "num_channels": "num_channels is 1000000000: give a whole number of at most",
    "sample_rate": "sample_rate is 1000000000: give a whole number of at most",
    "num_initial_filters": "describes a model of at least",
    "filter_size": "describes a model of at least",
    "merge_filter_size": "describes a model of at least",
    "res_path_units": "describes a model of at least",
}


@contextmanager
def no_more_memory(mebibytes):
    """The process may take as much more address space as this, and no more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    most = pages * resource.getpagesize() + mebibytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("key", HUGE)
def test_a_manifest_of_a_huge_model_is_refused_before_one_is_built(saved, key):
    odd = 10**9 + (key in ("filter_size", "merge_filter_size"))
    stated(saved, res_path_levels=[1, 2, 3], res_path_units=1)
    with no_more_memory(200), pytest.raises(WeightsError) as error:
        stored_spec(stated(saved, **{key: odd}))
    assert HUGE[key].replace("1000000000", str(odd)) in str(error.value)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"sources": ["../../x", "vocals"]}, "its entry sources is ['../../x', 'vocals']"),
        ({"sources": []}, "its entry sources is []"),
        ({"sources": ["vocals", "accompaniment"]}, "its entry sources is"),
        ({"num_layers": "3"}, "its entry num_layers is '3'"),
        ({"num_layers": True}, "its entry num_layers is True"),
        ({"num_layers": -1}, "num_layers is -1"),
        ({"filter_size": 4}, "filter_size is 4"),
        ({"network": "os.system"}, "network is 'os.system'"),
        ({"skip_levels": [1, 2, 9]}, "skip_levels holds 9"),
        ({"skip_levels": [3, 2, 1]}, "its entries do not go together"),
        ({"res_path_levels": [1]}, "its entries do not go together"),
        ({"frozen": ["all"]}, "frozen holds 'all'"),
        ({"init_deviation": float("inf")}, "init_deviation is inf"),
        ({"init_deviation": float("nan")}, "init_deviation is nan"),
        ({"num_frames": 1001}, "num_frames is 1001"),
    ],
    ids=str,
)
def test_a_manifest_of_a_model_that_no_config_has_is_refused(saved, entries, said):
    with pytest.raises(WeightsError, match=r"best\.json: describes no model") as error:
        stored_spec(stated(saved, **entries))
    assert said in str(error.value)


def test_where_a_manifest_says_its_weights_are_is_never_looked_at(saved, tiny_specs, tmp_path):
    manifest = json.loads(manifest_path(saved).read_text())
    fifo = tmp_path / "elsewhere.safetensors"
    os.mkfifo(fifo)  # opening it would wait for ever
    manifest["weights"] = "../" * 20 + str(fifo)
    manifest_path(saved).write_text(json.dumps(manifest))
    load_weights(build(tiny_specs.model), tiny_specs.model, saved)


@pytest.mark.parametrize("kind", ["pipe", "folder", "100 MB", "deep"])
def test_a_manifest_that_is_no_small_file_is_refused(saved, tiny_specs, kind):
    path = manifest_path(saved)
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "deep":
        path.write_text("[" * 100_000)
    else:
        with path.open("wb") as file:
            file.truncate(10**8)
    with no_more_memory(50):
        refused(saved, tiny_specs.model, "best.json: is damaged")


def header(tensors):
    """The start of a safetensors file that states `tensors`, and has none."""
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text)) + text


TEN_GB = 10 * 2**30
WHOLE = {"dtype": "F32", "shape": [TEN_GB // 4], "data_offsets": [0, TEN_GB]}
HEADERS = {
    "a header of ten gigabytes": struct.pack("<Q", TEN_GB) + b"{}",
    "a header of 2^64 bytes": struct.pack("<Q", 2**64 - 1) + b"{}",
    "a tensor of ten gigabytes": header({"encoder_01_conv/kernel": WHOLE}),
    "a tensor that ends before it begins": header(
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}
    ),
    "two tensors in one place": header(
        {key: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for key in "ab"}
    ),
    "no JSON": struct.pack("<Q", 4) + b"\x80\x04K\x01",
}


@pytest.mark.parametrize("said", HEADERS)
def test_a_header_that_states_more_than_there_is_is_refused_before_it_is_allocated(
    saved, tiny_specs, said
):
    saved.write_bytes(HEADERS[said] + bytes(2**16))
    agreed(saved)
    with no_more_memory(200):
        refused(saved, tiny_specs.model, "is damaged")


def test_a_large_file_is_refused_by_its_shapes_and_not_read(saved, tiny_specs):
    """A hole in a file, which takes no room on the disk and is not read but for its hash."""
    tensors = {"encoder_01_conv/kernel": {**WHOLE, "shape": [2**24], "data_offsets": [0, 2**26]}}
    with saved.open("wb") as file:
        file.write(header(tensors))
        file.truncate(len(header(tensors)) + 2**26)
    agreed(saved)
    with no_more_memory(40 + 64):  # the file is mapped, and no more
        refused(saved, tiny_specs.model, "the tensor bottleneck_conv/bias is missing in the file")
