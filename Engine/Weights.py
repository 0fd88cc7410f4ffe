"""Weights on disk: tensors by name in one file that holds nothing else, and a JSON beside it.

The tensor file is safetensors: reading it runs no code, follows no links, and its shapes are
known before anything is allocated. The JSON says which model the weights belong to and has the
file's SHA-256; a file and a config that do not agree are refused, the differing entries named.
"""

import hashlib
import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import keras
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from Spec.Errors import WeightsError
from Spec.Files import replaced, write_json
from Spec.Model import ModelSpec

SUFFIX = ".safetensors"
FORMAT_VERSION = 1
NOT_COMPARED = ("seed",)  # where weights came from, not what they fit


def save_weights(separator: keras.Model, spec: ModelSpec, path: Path, **facts: Any) -> Path:
    """Write all weights to `path` and the manifest beside it; the manifest's path.

    `facts` (losses, steps) go into the manifest as they are. Either file is whole or not there,
    and the manifest, written last, belongs to the weights.
    """
    with replaced(path) as temporary:
        tensors = {variable.path: variable.numpy() for variable in separator.weights}
        save_file(tensors, temporary)
    manifest = {
        "format_version": FORMAT_VERSION,
        "weights": path.name,
        "sha256": sha256_of(path),
        "model": asdict(spec),
        **facts,
    }
    write_json(manifest_path(path), manifest)
    return manifest_path(path)


def manifest_path(path: Path) -> Path:
    """The JSON beside a weights file."""
    return path.with_suffix(".json")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of the weights at `path`, its SHA-256 checked; `WeightsError` if it is off."""
    if path.suffix != SUFFIX:
        raise WeightsError(f"{path}: is no weights file of this project, whose names end {SUFFIX}")
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such weights file")
    beside = manifest_path(path)
    try:
        manifest = json.loads(beside.read_text(encoding="utf-8"))
        stated = manifest["sha256"]
        manifest["model"]["seed"]
    except FileNotFoundError as error:
        raise WeightsError(f"{beside}: is missing, it belongs to {path.name}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{beside}: is damaged ({error!r})") from error
    if stated != sha256_of(path):
        raise WeightsError(f"{path}: is not the file its manifest {beside.name} describes")
    return manifest


def stored_spec(path: Path) -> ModelSpec:
    """The model that the weights at `path` belong to."""
    stored = read_manifest(path)["model"]
    known = {field.name for field in fields(ModelSpec)}
    if set(stored) != known:
        differing = ", ".join(sorted(set(stored) ^ known))
        raise WeightsError(f"{path}: was written by another version, which differs in {differing}")
    entries: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in stored.items()
    }
    return ModelSpec(**entries)


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
        with safe_open(path, framework="numpy") as tensors:
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
