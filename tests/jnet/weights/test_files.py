"""Weights files: restored bit by bit; damaged or wrong files are rejected with their path."""

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

from jnet.errors import RecordError, WeightsError
from jnet.weights.files import load_weights, save_weights
from jnet.weights.manifests import manifest_path, read_manifest, read_settings
from Models.Build import build
from tests.disk import file_size_limit


@pytest.fixture(scope="module")
def model(tiny_settings):
    """Return a model whose weights all differ from their initialisation."""
    model = build(tiny_settings.model)
    random = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(random.normal(size=variable.shape))
    return model


@pytest.fixture
def saved(model, tiny_settings, tmp_path):
    path = tmp_path / "best.safetensors"
    save_weights(model, tiny_settings.model, path, validation_loss=0.125, epoch=3)
    return path


def rewrite(path, tensors):
    """Replace the tensors of the file and update the manifest."""
    save_file(tensors, path)
    return update_sha256(path)


def update_sha256(path):
    """Write the SHA-256 of the file into the manifest."""
    manifest = json.loads(path.with_suffix(".json").read_text())
    manifest["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix(".json").write_text(json.dumps(manifest))
    return path


def check_rejected(path, settings, words):
    """Check that loading raises one line with `words` and changes no weight."""
    target = build(settings)
    before = [variable.numpy() for variable in target.weights]
    with pytest.raises(WeightsError) as error:
        load_weights(target, settings, path)
    message = str(error.value)
    assert words in message
    assert path.name in message or path.with_suffix(".json").name in message
    assert "\n" not in message
    for variable, value in zip(target.weights, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_weights_are_restored_bit_by_bit(saved, model, tiny_settings):
    target = build(replace(tiny_settings.model, seed=99))
    assert not np.array_equal(target.weights[0], model.weights[0])
    load_weights(target, tiny_settings.model, saved)
    for weight, other in zip(target.weights, model.weights, strict=True):
        assert weight.numpy().tobytes() == other.numpy().tobytes()


def test_special_floats_are_restored_bit_by_bit(model, tiny_settings, tmp_path):
    special = build(tiny_settings.model)
    special.weights[1].assign([np.float32(1e-45), np.float32(-0.0), np.inf, np.nan])
    save_weights(special, tiny_settings.model, tmp_path / "special.safetensors")
    target = build(tiny_settings.model)
    load_weights(target, tiny_settings.model, tmp_path / "special.safetensors")
    assert target.weights[1].numpy().tobytes() == special.weights[1].numpy().tobytes()


def test_safetensors_reads_the_tensors_by_name(saved, model):
    tensors = load_file(saved)
    assert set(tensors) == {variable.path for variable in model.weights}
    for variable in model.weights:
        np.testing.assert_array_equal(tensors[variable.path], variable.numpy(), strict=True)


def test_the_manifest_describes_the_weights(saved, tiny_settings):
    manifest = json.loads((saved.parent / "best.json").read_text())
    assert manifest_path(saved) == saved.parent / "best.json"
    assert manifest["sha256"] == hashlib.sha256(saved.read_bytes()).hexdigest()
    assert manifest["weights"] == "best.safetensors"
    assert (manifest["validation_loss"], manifest["epoch"]) == (0.125, 3)
    assert manifest["model"] == json.loads(json.dumps(asdict(tiny_settings.model)))
    assert read_manifest(saved) == manifest
    assert {path.name for path in saved.parent.iterdir()} == {"best.safetensors", "best.json"}


def test_the_settings_can_be_read_from_the_weights(saved, tiny_settings):
    assert read_settings(saved) == tiny_settings.model


def test_saving_replaces_older_weights(saved, tiny_settings):
    other = build(tiny_settings.model)
    save_weights(other, tiny_settings.model, saved, validation_loss=0.1, epoch=4)
    target = build(replace(tiny_settings.model, seed=99))
    load_weights(target, tiny_settings.model, saved)
    np.testing.assert_array_equal(target.weights[0], other.weights[0])
    assert read_manifest(saved)["epoch"] == 4


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"upsampling": "learned"}, "upsampling is 'learned' in the config and 'linear' in"),
        (
            {"num_layers": 2, "skip_levels": (1, 2)},
            "num_layers is 2 in the config and 3 in the weights",
        ),
        ({"sample_rate": 22050}, "sample_rate is 22050 in the config and 8000 in the weights"),
        ({"num_frames": 2048}, "num_frames is 2048"),
        ({"skip_levels": (1,)}, "skip_levels is (1,) in the config and (1, 2, 3) in the weights"),
    ],
    ids=str,
)
def test_weights_of_another_model_are_rejected_with_the_differing_entry(
    saved, tiny_settings, changes, words
):
    check_rejected(saved, replace(tiny_settings.model, **changes), words)


def test_all_differing_entries_are_named(saved, tiny_settings):
    other = replace(tiny_settings.model, num_channels=1, num_initial_filters=5, seed=7)
    with pytest.raises(WeightsError) as error:
        load_weights(build(other), other, saved)
    message = str(error.value)
    assert "num_channels is 1 in the config and 2 in the weights" in message
    assert "num_initial_filters is 5 in the config and 4 in the weights" in message
    assert "seed" not in message


def test_weights_of_another_seed_are_accepted(saved, model, tiny_settings):
    settings = replace(tiny_settings.model, seed=5)
    target = build(settings)
    load_weights(target, settings, saved)
    np.testing.assert_array_equal(target.weights[0], model.weights[0])


def truncate(path, kept):
    content = path.read_bytes()
    length = {"nothing": 0, "one byte": 1, "half": len(content) // 2, "all but one": -1}[kept]
    path.write_bytes(content[:length])


@pytest.mark.parametrize("kept", ["nothing", "one byte", "half", "all but one"])
def test_a_truncated_file_does_not_match_its_manifest(saved, tiny_settings, kept):
    truncate(saved, kept)
    check_rejected(saved, tiny_settings.model, "does not match its manifest best.json")


@pytest.mark.parametrize("kept", ["nothing", "one byte", "half", "all but one"])
def test_a_truncated_file_is_rejected_even_if_its_sha256_matches(saved, tiny_settings, kept):
    truncate(saved, kept)
    check_rejected(update_sha256(saved), tiny_settings.model, "is damaged")


def test_a_flipped_bit_is_detected(saved, tiny_settings):
    content = bytearray(saved.read_bytes())
    content[-5] ^= 1
    saved.write_bytes(content)
    check_rejected(saved, tiny_settings.model, "does not match its manifest best.json")


def test_weights_without_manifest_are_rejected(saved, tiny_settings):
    manifest_path(saved).unlink()
    check_rejected(
        saved, tiny_settings.model, "best.json: is missing: put it beside best.safetensors"
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"[]", b"7", b'"text"', b"{}", b'{"sha256": "x"}', b"\xff\xfe\x00"]
    + [b'{"sha256": "x", "model": %s}' % model for model in (b"null", b"[]", b"3", b'"s"', b"{}")],
    ids=repr,
)
def test_a_damaged_manifest_is_rejected(saved, tiny_settings, content):
    manifest_path(saved).write_bytes(content)
    check_rejected(saved, tiny_settings.model, "best.json: is damaged")


@pytest.mark.parametrize("digest", ["0" * 64, "", None, 3])
def test_a_manifest_with_another_sha256_is_rejected(saved, tiny_settings, digest):
    manifest = json.loads(manifest_path(saved).read_text())
    manifest_path(saved).write_text(json.dumps({**manifest, "sha256": digest}))
    check_rejected(saved, tiny_settings.model, "does not match its manifest best.json")


def test_unknown_and_missing_entries_of_a_manifest_are_named(saved, tiny_settings):
    manifest = json.loads(manifest_path(saved).read_text())
    manifest["model"]["dropout"] = 0.5
    del manifest["model"]["filter_size"]
    manifest_path(saved).write_text(json.dumps(manifest))
    check_rejected(saved, tiny_settings.model, "it has the unknown entry dropout")
    del manifest["model"]["dropout"]
    manifest_path(saved).write_text(json.dumps(manifest))
    check_rejected(saved, tiny_settings.model, "it has no entry filter_size")


def test_a_tensor_of_another_shape_is_named(saved, tiny_settings):
    tensors = load_file(saved)
    tensors["bottleneck_conv/bias"] = np.zeros(17, np.float32)
    words = "the tensor bottleneck_conv/bias is [17] F32 in the file and [16] F32 in the model"
    check_rejected(rewrite(saved, tensors), tiny_settings.model, words)


def test_a_transposed_tensor_of_the_same_size_is_named(saved, tiny_settings):
    tensors = load_file(saved)
    name = "bottleneck_conv/kernel"
    tensors[name] = np.ascontiguousarray(tensors[name].transpose(0, 2, 1))
    words = f"the tensor {name} is [5, 16, 12] F32 in the file and [5, 12, 16] F32 in the model"
    check_rejected(rewrite(saved, tensors), tiny_settings.model, words)


def test_a_missing_tensor_is_named(saved, tiny_settings):
    tensors = load_file(saved)
    del tensors["decoder_02_conv/kernel"]
    words = "the tensor decoder_02_conv/kernel is missing in the file"
    check_rejected(rewrite(saved, tensors), tiny_settings.model, words)


def test_an_additional_tensor_is_named(saved, tiny_settings):
    tensors = load_file(saved) | {"encoder_04_conv/bias": np.zeros(3, np.float32)}
    words = "the tensor encoder_04_conv/bias is [3] F32 in the file and missing in the model"
    check_rejected(rewrite(saved, tensors), tiny_settings.model, words)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32])
def test_tensors_of_another_type_than_float32_are_named(saved, tiny_settings, dtype):
    tensors = load_file(saved)
    tensors["encoder_02_conv/bias"] = tensors["encoder_02_conv/bias"].astype(dtype)
    words = "the tensor encoder_02_conv/bias is"
    check_rejected(rewrite(saved, tensors), tiny_settings.model, words)


@pytest.mark.parametrize("name", ["best.h5", "best.keras", "best.weights.h5", "best.json", "best"])
def test_files_with_another_suffix_are_rejected(saved, tiny_settings, name):
    other = saved.with_name(name)
    if not other.exists():
        other.write_bytes(saved.read_bytes())
    check_rejected(other, tiny_settings.model, "is not a weights file")


def test_a_missing_file_is_rejected(saved, tiny_settings):
    check_rejected(
        saved.with_name("bset.safetensors"), tiny_settings.model, "does not exist: correct the path"
    )


def test_an_interrupted_save_keeps_the_older_weights(saved, model, tiny_settings, monkeypatch):
    def write_half(path, tensors):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("jnet.weights.files.write_tensors", write_half)
    with pytest.raises(KeyboardInterrupt):
        save_weights(build(tiny_settings.model), tiny_settings.model, saved)
    target = build(tiny_settings.model)
    load_weights(target, tiny_settings.model, saved)
    np.testing.assert_array_equal(target.weights[0], model.weights[0])
    assert {path.name for path in saved.parent.iterdir()} == {"best.safetensors", "best.json"}


def test_a_full_disk_keeps_the_older_weights_and_raises_one_line(saved, model, tiny_settings):
    with file_size_limit(500), pytest.raises(RecordError, match=r"best\.safetensors: cannot be "):
        save_weights(build(tiny_settings.model), tiny_settings.model, saved)
    target = build(tiny_settings.model)
    load_weights(target, tiny_settings.model, saved)
    np.testing.assert_array_equal(target.weights[0], model.weights[0])
    assert {path.name for path in saved.parent.iterdir()} == {"best.safetensors", "best.json"}


@pytest.mark.parametrize("umask", [0o022, 0o002])
def test_weights_have_the_permissions_of_the_umask(model, tiny_settings, tmp_path, umask):
    before = os.umask(umask)
    try:
        save_weights(model, tiny_settings.model, tmp_path / "best.safetensors")
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {0o666 & ~umask}


def change_manifest(path, **entries):
    """Change entries of the model in the manifest."""
    manifest = json.loads(manifest_path(path).read_text())
    manifest["model"] |= entries
    manifest_path(path).write_text(json.dumps(manifest))
    return path


HUGE = {
    "num_layers": "num_layers is 1000000000: give a whole number from",
    "num_frames": "num_frames is 1000000000: give a whole number from",
    "num_channels": "num_channels is 1000000000: give a whole number from",
    "sample_rate": "sample_rate is 1000000000: give a whole number from",
    "num_initial_filters": "describes a model of at least",
    "filter_size": "describes a model of at least",
    "merge_filter_size": "describes a model of at least",
    "res_path_units": "describes a model of at least",
}


@contextmanager
def limit_memory(mebibytes):
    """Limit the additional address space of this process within the block."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + mebibytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("key", HUGE)
def test_a_manifest_of_a_huge_model_is_rejected_before_building(saved, key):
    size = 10**9 + (key in ("filter_size", "merge_filter_size"))
    change_manifest(saved, res_path_levels=[1, 2, 3], res_path_units=1)
    with limit_memory(200), pytest.raises(WeightsError) as error:
        read_settings(change_manifest(saved, **{key: size}))
    assert HUGE[key].replace("1000000000", str(size)) in str(error.value)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"sources": ["../../x", "vocals"]}, "task is ['../../x', 'vocals']"),
        ({"sources": []}, "task is []: choose"),
        ({"sources": ["vocals", "accompaniment"]}, "task is ['vocals', 'accompaniment']"),
        ({"num_layers": "3"}, "num_layers is '3': give a whole number"),
        ({"num_layers": True}, "num_layers is True: give a whole number"),
        ({"num_layers": -1}, "num_layers is -1"),
        ({"filter_size": 4}, "filter_size is 4"),
        ({"network": "os.system"}, "network is 'os.system'"),
        ({"skip_levels": [1, 2, 9]}, "a level of cfg.skip_levels is 9"),
        (
            {"skip_levels": [3, 2, 1]},
            "skip_levels is [3, 2, 1] and does not match its other",
        ),
        ({"res_path_levels": [1]}, "res_path_levels is [1] and does not match its other entries"),
        ({"frozen": ["all"]}, "frozen has 'all'"),
        ({"init_deviation": float("inf")}, "init_deviation is inf"),
        ({"init_deviation": float("nan")}, "init_deviation is nan"),
        ({"num_frames": 1001}, "num_frames is 1001"),
    ],
    ids=str,
)
def test_manifests_of_invalid_models_are_rejected(saved, entries, words):
    with pytest.raises(WeightsError, match=r"best\.json: does not describe a valid model") as error:
        read_settings(change_manifest(saved, **entries))
    assert words in str(error.value)


def test_the_path_in_a_manifest_is_never_opened(saved, tiny_settings, tmp_path):
    manifest = json.loads(manifest_path(saved).read_text())
    fifo = tmp_path / "elsewhere.safetensors"
    os.mkfifo(fifo)  # opening it would wait for ever
    manifest["weights"] = "../" * 20 + str(fifo)
    manifest_path(saved).write_text(json.dumps(manifest))
    load_weights(build(tiny_settings.model), tiny_settings.model, saved)


@pytest.mark.parametrize("kind", ["pipe", "folder", "100 MB", "deeply nested"])
def test_a_manifest_that_is_not_a_small_file_is_rejected(saved, tiny_settings, kind):
    path = manifest_path(saved)
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "deeply nested":
        path.write_text("[" * 100_000)
    else:
        with path.open("wb") as file:
            file.truncate(10**8)
    with limit_memory(50):
        check_rejected(saved, tiny_settings.model, "best.json: is damaged")


def make_header(tensors):
    """Return the header of a safetensors file that states `tensors`, without their values."""
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text)) + text


TEN_GB = 10 * 2**30
LARGE_TENSOR = {"dtype": "F32", "shape": [TEN_GB // 4], "data_offsets": [0, TEN_GB]}
HEADERS = {
    "a header of ten gigabytes": struct.pack("<Q", TEN_GB) + b"{}",
    "a header of 2^64 bytes": struct.pack("<Q", 2**64 - 1) + b"{}",
    "a tensor of ten gigabytes": make_header({"encoder_01_conv/kernel": LARGE_TENSOR}),
    "a tensor that ends before it begins": make_header(
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}
    ),
    "overlapping tensors": make_header(
        {key: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for key in "ab"}
    ),
    "not JSON": struct.pack("<Q", 4) + b"\x80\x04K\x01",
}


@pytest.mark.parametrize("name", HEADERS)
def test_wrong_headers_are_rejected_before_memory_is_allocated(saved, tiny_settings, name):
    saved.write_bytes(HEADERS[name] + bytes(2**16))
    update_sha256(saved)
    with limit_memory(200):
        check_rejected(saved, tiny_settings.model, "is damaged")


def test_a_large_file_is_rejected_by_its_shapes_without_being_read(saved, tiny_settings):
    """The file is sparse and needs no disk space; only its SHA-256 requires reading."""
    tensors = {
        "encoder_01_conv/kernel": {**LARGE_TENSOR, "shape": [2**24], "data_offsets": [0, 2**26]}
    }
    with saved.open("wb") as file:
        file.write(make_header(tensors))
        file.truncate(len(make_header(tensors)) + 2**26)
    update_sha256(saved)
    with limit_memory(40 + 64):  # the file is only mapped
        check_rejected(
            saved, tiny_settings.model, "the tensor bottleneck_conv/bias is missing in the file"
        )
