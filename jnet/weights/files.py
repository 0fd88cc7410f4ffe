"""Weights files: named tensors in the safetensors format, with a JSON manifest.

Reading safetensors executes no code, and the shapes are checked before memory is allocated.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save

from jnet.errors import WeightsError
from jnet.system.files import replaced, write_json, writing
from jnet.weights.manifests import (
    FORMAT_VERSION,
    find_optimizer_file,
    find_weights_file,
    hash_file,
    manifest_path,
    read_settings,
    refuse_another_model,
    waiting_path,
)
from Models.Entries import SHAPE, values_affecting
from Models.Settings import ModelSettings


def save_weights(separator: keras.Model, settings: ModelSettings, path: Path, **facts: Any) -> Path:
    """Write all weights to `path` and their manifest beside it.

    An interruption at any moment leaves weights with a valid manifest. The weights are first
    written under a temporary name, where `find_weights_file` also searches; then the manifest is
    replaced, and then the weights are renamed.

    Parameters
    ----------
    separator : keras.Model
        The model.
    settings : ModelSettings
        The settings of the model.
    path : Path
        The weights file.
    **facts
        Additional values for the manifest, such as losses and steps.

    Returns
    -------
    Path
        The path of the manifest.

    Raises
    ------
    RecordError
        If a file cannot be written, for example because the disk is full. Older weights are kept.
    """
    waiting = waiting_path(path)
    with writing(path, remedy="free disk space and start again"):
        with replaced(waiting) as temporary:
            tensors = {variable.path: variable.numpy() for variable in separator.weights}
            write_tensors(temporary, tensors)
        manifest = {
            "format_version": FORMAT_VERSION,
            "weights": path.name,
            "sha256": hash_file(waiting),
            "model": asdict(settings),
            **facts,
        }
        write_json(manifest_path(path), manifest)
        waiting.replace(path)
    return manifest_path(path)


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Write tensors to a file in the safetensors format.

    `safetensors.numpy.save_file` is not used: its files have the mode 0600 whatever the umask, and
    it does not raise `OSError` when the disk is full.
    """
    path.write_bytes(save(dict(tensors)))


def load_weights(separator: keras.Model, settings: ModelSettings, path: Path) -> None:
    """Load the weights at `path` into a model.

    Parameters
    ----------
    separator : keras.Model
        The model.
    settings : ModelSettings
        The settings of the model.
    path : Path
        The weights file.

    Raises
    ------
    WeightsError
        If the file is missing or damaged or belongs to another model. The message names the config
        entries or the tensors that differ.
    """
    refuse_another_model(path, read_settings(path), values_affecting(settings, SHAPE))
    try:
        with safe_open(find_weights_file(path), framework="numpy") as tensors:
            slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118
            stored = {
                name: f"{part.get_shape()} {part.get_dtype()}" for name, part in slices.items()
            }
            wanted = {variable.path: f"{[*variable.shape]} F32" for variable in separator.weights}
            refuse_other_tensors(path, stored, wanted)
            for variable in separator.weights:
                variable.assign(tensors.get_tensor(variable.path))
    except SafetensorError as error:
        raise WeightsError(f"{path}: is damaged ({error}): replace it") from error


def read_optimizer(path: Path) -> dict[str, np.ndarray]:
    """Read the optimizer's state beside converted weights; empty if their manifest names none.

    Raises `WeightsError` if it is missing or damaged.
    """
    file = find_optimizer_file(path)
    try:
        return {} if file is None else load_file(file)
    except SafetensorError as error:
        raise WeightsError(f"{file}: is damaged ({error}): replace it") from error


def refuse_other_tensors(place: Path, stored: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Raise `WeightsError` for the first tensor with another shape or type than in the model.

    Parameters
    ----------
    place : Path
        The weights file, for the error message.
    stored, wanted : Mapping[str, str]
        Shape and type of each tensor as text, by name, in the file and in the model.

    Raises
    ------
    WeightsError
        If a tensor is missing, unknown, or differs in shape or type.
    """
    for name in sorted(wanted.keys() | stored.keys()):
        if wanted.get(name) != stored.get(name):
            raise WeightsError(
                f"{place}: the tensor {name} is {stored.get(name, 'missing')} in the file and "
                f"{wanted.get(name, 'missing')} in the model"
            )
