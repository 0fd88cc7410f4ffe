"""Weights on disk: tensors by name in one file that holds nothing else, and a JSON beside it.

The tensor file is safetensors: reading it runs no code, follows no links, and its shapes are
known before anything is allocated. The JSON says which model the weights belong to and has the
file's SHA-256; a file and a config that do not agree are refused, the differing entries named.
"""

import hashlib
import json
from dataclasses import asdict
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import keras
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from Models.UnetSpectrogramSeparator import KERNEL, spectrogram_filters
from Spec.Errors import ConfigError, WeightsError
from Spec.Files import replaced, write_json
from Spec.Model import ModelSpec, restored_spec
from Spec.Shapes import SPECTROGRAM_HALVINGS, check_lengths

SUFFIX = ".safetensors"
FORMAT_VERSION = 1
NOT_COMPARED = ("seed",)  # where weights came from, not what they fit
LARGEST_MANIFEST = 2**20  # bytes
WEIGHT_BYTES = 4


def save_weights(separator: keras.Model, spec: ModelSpec, path: Path, **facts: Any) -> Path:
    """Write all weights to `path` and the manifest beside it; the manifest's path.

    `facts` (losses, steps) go into the manifest as they are. Whenever this is cut short, there
    are weights that a manifest describes: the manifest changes first, its weights already lie
    whole under a waiting name, and `described_file` knows to look there.
    """
    waiting = waiting_path(path)
    with replaced(waiting) as temporary:
        tensors = {variable.path: variable.numpy() for variable in separator.weights}
        save_file(tensors, temporary)
    manifest = {
        "format_version": FORMAT_VERSION,
        "weights": path.name,
        "sha256": sha256_of(waiting),
        "model": asdict(spec),
        **facts,
    }
    write_json(manifest_path(path), manifest)
    waiting.replace(path)
    return manifest_path(path)


def manifest_path(path: Path) -> Path:
    """The JSON beside a weights file."""
    return path.with_suffix(".json")


def waiting_path(path: Path) -> Path:
    """Where weights lie until their manifest is written."""
    return path.with_name(f".{path.name}.waiting")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of the weights at `path`; `WeightsError` if it is missing or damaged."""
    if path.suffix != SUFFIX:
        raise WeightsError(f"{path}: is no weights file of this project, whose names end {SUFFIX}")
    beside = manifest_path(path)
    if not path.is_file() and not waiting_path(path).is_file():
        raise WeightsError(f"{path}: there is no such weights file")
    try:
        if beside.exists() and (not beside.is_file() or beside.stat().st_size > LARGEST_MANIFEST):
            raise ValueError(f"it is no file of at most {LARGEST_MANIFEST} bytes")
        manifest = json.loads(beside.read_text(encoding="utf-8"))
        version, _, _ = manifest["format_version"], manifest["sha256"], manifest["model"]
    except FileNotFoundError as error:
        raise WeightsError(f"{beside}: is missing, it belongs to {path.name}") from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise WeightsError(f"{beside}: is damaged ({error!r})") from error
    if version != FORMAT_VERSION:
        raise WeightsError(f"{beside}: has format {version!r}, this version reads {FORMAT_VERSION}")
    return manifest


def described_file(path: Path) -> Path:
    """The file that the manifest of the weights at `path` describes, by its SHA-256: `path`, or
    the one still waiting beside it when saving was cut short."""
    stated = read_manifest(path)["sha256"]
    for file in (path, waiting_path(path)):
        if file.is_file() and sha256_of(file) == stated:
            return file
    raise WeightsError(f"{path}: is not the file its manifest {manifest_path(path).name} describes")


def stored_spec(path: Path) -> ModelSpec:
    """The model that the weights at `path` belong to, which is no larger than they are."""
    try:
        spec = restored_spec(read_manifest(path)["model"])
        check_lengths(spec)
    except (ValueError, ConfigError) as error:
        raise WeightsError(f"{manifest_path(path)}: describes no model: {error}") from error
    held = described_file(path).stat().st_size
    if least_weights(spec) * WEIGHT_BYTES > held:
        raise WeightsError(
            f"{manifest_path(path)}: describes a model of at least {least_weights(spec)} weights, "
            f"but {path.name} has {held} bytes: one of them is damaged"
        )
    return spec


def least_weights(spec: ModelSpec) -> int:
    """Fewer weights than any model of `spec` has: the kernels from level to level alone, which
    decide how large it can be."""
    if spec.network == "unet_spectrogram":
        filters = [spectrogram_filters(level, spec) for level in range(1, SPECTROGRAM_HALVINGS + 1)]
        return len(spec.sources) * sum(prod(KERNEL) * a * b for a, b in pairwise(filters))
    filters = [spec.filters(level) for level in range(1, spec.num_layers + 2)]
    down = sum(spec.filter_size * a * b for a, b in pairwise(filters))
    up = sum(spec.merge_filter_size * a * b for a, b in pairwise(filters))
    skips = sum(spec.filters(level) ** 2 for level in spec.res_path_levels)
    return down + up + spec.res_path_units * spec.filter_size * skips


def load_weights(separator: keras.Model, spec: ModelSpec, path: Path) -> None:
    """Put the weights at `path` into `separator`, which must be the model they belong to.

    Raises `WeightsError` that names the entries of the config, or the tensors, that differ.
    """
    stored = asdict(stored_spec(path))
    differing = [
        f"{key} is {value!r} in the config and {stored[key]!r} in the weights"
        for key, value in asdict(spec).items()
        if key not in NOT_COMPARED and value != stored[key]
    ]
    if differing:
        raise WeightsError(f"{path}: belongs to another model: {'; '.join(differing)}")
    try:
        with safe_open(described_file(path), framework="numpy") as tensors:
            check_tensors(separator, tensors, path)
            for variable in separator.weights:
                variable.assign(tensors.get_tensor(variable.path))
    except SafetensorError as error:
        raise WeightsError(f"{path}: is damaged ({error})") from error


def check_tensors(separator: keras.Model, tensors: Any, path: Path) -> None:
    """Refuse tensors that are not the model's own, before any is read."""
    wanted = {variable.path: list(variable.shape) for variable in separator.weights}
    held = {name: tensors.get_slice(name).get_shape() for name in tensors.keys()}  # noqa: SIM118
    for name in sorted(wanted.keys() | held.keys()):
        if wanted.get(name) != held.get(name):
            raise WeightsError(
                f"{path}: the tensor {name} is {held.get(name, 'missing')} in the file and "
                f"{wanted.get(name, 'missing')} in the model"
            )
    for name in held:
        dtype = tensors.get_slice(name).get_dtype()
        if dtype != "F32":
            raise WeightsError(f"{path}: the tensor {name} is {dtype}, not 32-bit floats")
