"""Conversion of weights of the original implementations to a weights file and its manifest."""

import math
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from jnet.conversion.bundles import INDEX, Bundle, list_bundle_files
from jnet.conversion.torch_files import read_torch_file
from jnet.errors import WeightsError
from jnet.system.files import replaced, writing
from jnet.weights.files import save_weights, write_tensors
from jnet.weights.manifests import hash_file, optimizer_path
from Models.Build import build
from Models.Foreign import ForeignTensor
from Models.Networks import import_network
from Models.Settings import ModelSettings

PYTORCH, TENSORFLOW = "PyTorch state dict", "TensorFlow 1 checkpoint"
LEGACY_BEGIN = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # of torch.save before version 1.6
ADAM = {"momentum": "Adam", "velocity": "Adam_1"}  # our and TensorFlow's names of the moments
BETA_1, BETA_2 = 0.9, 0.999
SMALLEST_POWER = 1e-30  # smaller powers of β have lost digits, or are 0

Tensors = Mapping[str, np.ndarray]


def convert(path: Path, output: Path, settings: ModelSettings, licence: str | None) -> list[Path]:
    """Convert weights and write them, their manifest, and the optimizer's state if there is one.

    Parameters
    ----------
    path : Path
        A PyTorch file, or a TensorFlow 1 checkpoint: its prefix or one of its files.
    output : Path
        The weights file to write.
    settings : ModelSettings
        The model that the weights belong to.
    licence : str or None
        The licence of the weights, for the manifest.

    Returns
    -------
    list of Path
        The written files.

    Raises
    ------
    WeightsError
        If a file is missing or damaged, or the tensors do not belong to the model. The message
        names the file or the tensor.
    ConfigError
        If no other weights are known for the model.
    """
    mapped = import_network(settings).map_foreign_tensors(settings)
    files, tensors, file_format = read_foreign(path)
    refuse_unused_tensors(path, tensors, mapped)
    model = build(settings)
    for weight in model.weights:
        weight.assign(make_weight(path, tensors, mapped[weight.path], tuple(weight.shape)))
    facts: dict[str, Any] = {
        "origin": {"format": file_format, "files": {file.name: hash_file(file) for file in files}},
        "licence": licence,
    }
    written = [output]
    with writing(output, remedy="free disk space and start again"):
        output.parent.mkdir(parents=True, exist_ok=True)
    if state := read_adam(path, tensors, mapped, model):
        written.append(optimizer_path(output))
        place = written[-1]
        remedy = "free disk space and start again"
        with writing(place, remedy=remedy), replaced(place) as temporary:
            write_tensors(temporary, state)
        facts["optimizer"] = hash_file(written[-1])
    return [*written, save_weights(model, settings, output, **facts)]


def read_foreign(path: Path) -> tuple[list[Path], Tensors, str]:
    """Read the tensors of another implementation.

    Returns
    -------
    files : list of Path
        All files of the weights.
    tensors : Tensors
        The tensors by name.
    file_format : str
        The format, for the manifest.
    """
    if path.is_file() and zipfile.is_zipfile(path):
        return [path], read_torch_file(path), PYTORCH
    prefix = Path(re.sub(r"\.(index|data-\d+-of-\d+)$", "", str(path)))
    if path.is_file() and prefix == path:
        with path.open("rb") as file:
            is_legacy = file.read(len(LEGACY_BEGIN)) == LEGACY_BEGIN
        if is_legacy:
            raise WeightsError(
                f"{path}: has the format of PyTorch before version 1.6: load and save the state "
                f"dict with a newer PyTorch"
            )
        raise WeightsError(
            f"{path}: is neither a file of torch.save nor of a TensorFlow checkpoint: give "
            f"another input_path"
        )
    if not Path(f"{prefix}{INDEX}").is_file() and not list(prefix.parent.glob(f"{prefix.name}.*")):
        raise WeightsError(f"{path}: does not exist: correct the input_path")
    return list_bundle_files(prefix), Bundle(prefix), TENSORFLOW


def refuse_unused_tensors(
    path: Path, tensors: Tensors, mapped: Mapping[str, ForeignTensor]
) -> None:
    """Raise `WeightsError` for a missing tensor, and for one that the model does not have.

    Tensors of other scopes, such as those of an optimizer, are ignored.

    Parameters
    ----------
    path : Path
        The file, for the error message.
    tensors : Tensors
        The tensors of the file.
    mapped : Mapping[str, ForeignTensor]
        The tensors that the model needs.
    """

    def scope(name: str) -> str:
        return re.split(r"[/.]", name)[0]

    wanted = {name for tensor in mapped.values() for name in tensor.names}
    scopes = {scope(name) for name in wanted}
    if missing := sorted(wanted - {*tensors}):
        raise WeightsError(
            f"{path}: has no tensor {missing[0]}, which the model needs: give the entries of the "
            f"model that was trained"
        )
    if unused := sorted(name for name in {*tensors} - wanted if scope(name) in scopes):
        raise WeightsError(
            f"{path}: has the tensor {unused[0]}, which the model does not have: give the entries "
            f"of the model that was trained"
        )


def make_weight(
    path: Path, tensors: Tensors, foreign: ForeignTensor, shape: tuple[int, ...]
) -> np.ndarray:
    """Return a weight, made from the tensors of another implementation.

    Parameters
    ----------
    path : Path
        The file, for the error message.
    tensors : Tensors
        The tensors of the file.
    foreign : ForeignTensor
        How the weight is made.
    shape : tuple of int
        The shape of the weight.

    Returns
    -------
    numpy.ndarray
        The weight in float32.

    Raises
    ------
    WeightsError
        If a tensor has another shape or type, or is not finite.
    """
    parts = [tensors[name] for name in foreign.names]
    try:
        weight = np.asarray(foreign.convert(*parts), np.float32)
    except (IndexError, ValueError, TypeError):
        weight = np.empty(0, np.float32)
    if weight.shape != shape:
        raise WeightsError(
            f"{path}: the tensor {foreign.names[0]} has the shape {parts[0].shape}, which does not "
            f"fit the shape {shape} of the model: give the entries of the model that was trained"
        )
    if not np.isfinite(weight).all():
        raise WeightsError(f"{path}: the tensor {foreign.names[0]} has values that are not finite")
    return weight


def read_adam(
    path: Path, tensors: Tensors, mapped: Mapping[str, ForeignTensor], model: keras.Model
) -> dict[str, np.ndarray]:
    """Return the state of Adam under the names of our checkpoints; empty if there is none.

    Parameters
    ----------
    path : Path
        The file, for error messages.
    tensors : Tensors
        The tensors of the file.
    mapped : Mapping[str, ForeignTensor]
        The tensors of each weight.
    model : keras.Model
        The model.

    Returns
    -------
    dict of str to numpy.ndarray

    Raises
    ------
    WeightsError
        If only a part of the state is there.
    """
    moments = {
        name: [full for full in tensors if full.endswith(f"/{suffix}")]
        for name, suffix in ADAM.items()
    }
    if not any(moments.values()):
        return {}
    state: dict[str, np.ndarray] = {}
    for weight in model.weights:
        foreign = mapped[weight.path]
        for name, suffix in ADAM.items():
            endings = [f"{original}/{suffix}" for original in foreign.names]
            found = [[full for full in moments[name] if full.endswith(f"/{e}")] for e in endings]
            if not all(len(names) == 1 for names in found):
                raise WeightsError(
                    f"{path}: has no tensor {endings[0]}, the state of Adam is incomplete"
                )
            moment = ForeignTensor(tuple(names[0] for names in found), foreign.convert)
            key = f"optimizer/{weight.path.replace('/', '_')}_{name}"
            state[key] = make_weight(path, tensors, moment, tuple(weight.shape))
    return {**state, "optimizer/iteration": np.asarray(count_steps(path, tensors), np.int64)}


def count_steps(path: Path, tensors: Tensors) -> int:
    """Return the number of Adam's steps, from the powers βᵗ⁺¹ after t steps, or the global step.

    After many steps the powers are 0, and Adam no longer depends on the number of steps.

    Parameters
    ----------
    path : Path
        The file, for error messages.
    tensors : Tensors
        The tensors of the file.

    Returns
    -------
    int
    """
    for beta, key in ((BETA_2, "beta2_power"), (BETA_1, "beta1_power")):
        for name in tensors:
            if name.rpartition("/")[2] == key and SMALLEST_POWER < tensors[name] <= 1:
                return round(math.log(float(tensors[name])) / math.log(beta)) - 1
    for name in tensors:
        if name.rpartition("/")[2] == "global_step":
            return int(tensors[name])
    raise WeightsError(f"{path}: has neither beta2_power nor global_step, Adam's number of steps")
