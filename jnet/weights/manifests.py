"""The JSON manifest of a weights file: the settings of the model and the SHA-256 of the weights.

It is read without keras, so that a wrong file is rejected before any slow import.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jnet.errors import ConfigError, WeightsError
from Models.Entries import SHAPE, values_affecting
from Models.Networks import settings_from_manifest
from Models.Settings import ModelSettings

SUFFIX = ".safetensors"
FORMAT_VERSION = 1
MAX_MANIFEST_BYTES = 2**20
BYTES_PER_WEIGHT = 4


def manifest_path(path: Path) -> Path:
    """Return the path of the manifest of a weights file."""
    return path.with_suffix(".json")


def optimizer_path(path: Path) -> Path:
    """Return the path of the optimizer's state beside converted weights."""
    return path.with_suffix(f".optimizer{SUFFIX}")


def list_weights_files(path: Path) -> tuple[Path, ...]:
    """Return the paths of a weights file, its manifest and the optimizer's state."""
    return path, manifest_path(path), optimizer_path(path)


def waiting_path(path: Path) -> Path:
    """Return the temporary path of weights whose manifest is not written yet."""
    return path.with_name(f".{path.name}.waiting")


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(path: Path) -> dict[str, Any]:
    """Read the manifest of the weights at `path`.

    Raises `WeightsError` if the weights or the manifest are missing or the manifest is damaged.
    """
    if path.suffix != SUFFIX:
        raise WeightsError(f"{path}: is not a weights file: give a file that ends in {SUFFIX}")
    manifest_file = manifest_path(path)
    if not path.is_file() and not waiting_path(path).is_file():
        raise WeightsError(f"{path}: does not exist: correct the path of the weights")
    try:
        if manifest_file.exists() and (
            not manifest_file.is_file() or manifest_file.stat().st_size > MAX_MANIFEST_BYTES
        ):
            raise ValueError(f"it is not a file of at most {MAX_MANIFEST_BYTES} bytes")
        manifest = json.loads(manifest_file.read_text(encoding="utf-8"))
        version, _, _ = manifest["format_version"], manifest["sha256"], manifest["model"]
    except FileNotFoundError as error:
        raise WeightsError(f"{manifest_file}: is missing: put it beside {path.name}") from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise WeightsError(f"{manifest_file}: is damaged ({error!r}): replace it") from error
    if version != FORMAT_VERSION:
        raise WeightsError(
            f"{manifest_file}: has format version {version!r}, this J-Net reads {FORMAT_VERSION}: "
            f"use the version that wrote it"
        )
    return manifest


def find_weights_file(path: Path) -> Path:
    """Return the weights file with the SHA-256 of the manifest.

    It is `path`, or the temporary file beside it if saving was interrupted. Raises `WeightsError`
    if neither file matches.
    """
    stated = read_manifest(path)["sha256"]
    for file in (path, waiting_path(path)):
        if file.is_file() and hash_file(file) == stated:
            return file
    raise WeightsError(
        f"{path}: does not match its manifest {manifest_path(path).name}: replace both files"
    )


def read_settings(path: Path) -> ModelSettings:
    """Read the settings of the model that the weights at `path` belong to.

    Raises `WeightsError` if the manifest does not describe a model, or describes a model that is
    too large for the weights file.
    """
    try:
        settings = settings_from_manifest(read_manifest(path)["model"])
    except (ValueError, ConfigError) as error:
        raise WeightsError(
            f"{manifest_path(path)}: does not describe a valid model: {error}"
        ) from error
    size = find_weights_file(path).stat().st_size
    if settings.least_weights * BYTES_PER_WEIGHT > size:
        raise WeightsError(
            f"{manifest_path(path)}: describes a model of at least {settings.least_weights} "
            f"weights, but {path.name} has {size} bytes, so one of them is damaged: replace both"
        )
    return settings


def find_optimizer_file(path: Path) -> Path | None:
    """Return the file of the optimizer's state that the manifest names; None if it names none.

    Raises `WeightsError` if the file is missing or does not match the manifest.
    """
    stated, file = read_manifest(path).get("optimizer"), optimizer_path(path)
    if stated is None:
        return None
    if not file.is_file() or hash_file(file) != stated:
        raise WeightsError(
            f"{file}: is missing or does not match the manifest {manifest_path(path).name}: "
            f"convert the weights again"
        )
    return file


def check_ancestor(path: str | None, settings: ModelSettings) -> str | None:
    """Check the weights with which a training starts, and their optimizer's state.

    Parameters
    ----------
    path : str or None
        The weights file; None if the training starts with random weights.
    settings : ModelSettings
        The settings of the model to train.

    Returns
    -------
    str or None
        The SHA-256 of the weights.

    Raises
    ------
    WeightsError
        If a file is missing or damaged, or the weights do not fit the model.
    """
    if path is None:
        return None
    weights = Path(path)
    refuse_another_model(weights, read_settings(weights), values_affecting(settings, SHAPE))
    find_optimizer_file(weights)
    return str(read_manifest(weights)["sha256"])


def refuse_another_model(path: Path, stored: ModelSettings, wanted: Mapping[str, Any]) -> None:
    """Raise `WeightsError` if weights belong to another model.

    Parameters
    ----------
    path : Path
        The weights file, for the error message.
    stored : ModelSettings
        The settings in its manifest.
    wanted : Mapping[str, Any]
        The entries of the requested model, by field name.

    Raises
    ------
    WeightsError
        If an entry differs; the message names all entries that differ.
    """
    differing = [
        f"{key} is {value!r} in the config and {getattr(stored, key, None)!r} in the weights"
        for key, value in wanted.items()
        if value != getattr(stored, key, None)
    ]
    if differing:
        raise WeightsError(f"{path}: belongs to another model: {'; '.join(differing)}")
