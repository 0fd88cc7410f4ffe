"""Conversion of weights of the original implementations to a weights file and its manifest."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from jnet.conversion.sources import Source
from jnet.errors import WeightsError
from jnet.system.files import replaced, writing
from jnet.weights.files import save_weights, write_tensors
from jnet.weights.manifests import hash_file, optimizer_path
from Models.Build import build
from Models.Foreign import ForeignTensor
from Models.Networks import import_network
from Models.Settings import ModelSettings

SOLVER = "separator_solver/"  # the scope of the original Wave-U-Net's optimizer
MOMENTS = {"Adam": "momentum", "Adam_1": "velocity"}  # TensorFlow's and our names
POWERS = {"beta1_power": 0.9, "beta2_power": 0.999}  # after t steps βᵗ⁺¹
GLOBAL_STEP = "global_step"
MAX_STEPS = 2**17  # after fewer steps, both powers are zero in float32
SMALLEST_POWER = 1e-37  # smaller numbers have lost digits in float32, or are zero

Tensors = Mapping[str, np.ndarray]
Mapped = Mapping[str, ForeignTensor]  # how each weight is made, by its path


def convert(
    source: Source, output: Path, settings: ModelSettings, licence: str | None
) -> list[Path]:
    """Convert weights and write them, their manifest, and Adam's state if the source has it.

    Parameters
    ----------
    source : Source
        The weights of another implementation.
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
        If a file is damaged, or the tensors do not belong to the model. The message names the file
        or the tensor.
    ConfigError
        If no weights of other implementations are known for the model.
    """
    mapped = import_network(settings).map_foreign_tensors(settings)
    tensors = source.read()
    adam = match_names(source.path, tensors, mapped)
    model = build(settings)
    for weight in model.weights:
        weight.assign(make_weight(source.path, tensors, mapped[weight.path], weight))
    facts: dict[str, Any] = {
        "origin": {
            "format": source.format,
            "files": {file.name: hash_file(file) for file in source.files},
        },
        "licence": licence,
    }
    state_file, written = optimizer_path(output), [output]
    state = read_adam(source.path, tensors, mapped, adam, model)
    with writing(output, remedy="free disk space and start again"):
        output.parent.mkdir(parents=True, exist_ok=True)
        if state:
            with replaced(state_file) as temporary:
                write_tensors(temporary, state)
            facts["optimizer"] = hash_file(state_file)
            written.append(state_file)
    manifest = save_weights(model, settings, output, **facts)
    if not state:
        state_file.unlink(missing_ok=True)  # of weights that were replaced
    return [*written, manifest]


def match_names(path: Path, tensors: Tensors, mapped: Mapped) -> dict[str, str]:
    """Check the names of the tensors and return those of Adam's state.

    Parameters
    ----------
    path : Path
        The file, for error messages.
    tensors : Tensors
        The tensors of the file.
    mapped : Mapped
        How each weight of the model is made.

    Returns
    -------
    dict of str to str
        The names of the tensors of Adam's state, by the name without the scope of the optimizer.

    Raises
    ------
    WeightsError
        If a tensor of the model is missing, or a tensor belongs neither to the model nor to Adam.
    """
    remedy = "give the entries of the model that was trained, such as cfg.M4"
    wanted = {name for foreign in mapped.values() for name in foreign.names}
    if missing := sorted(wanted - tensors.keys()):
        raise WeightsError(f"{path}: has no tensor {missing[0]}, which the model needs: {remedy}")
    state: dict[str, str] = {}
    for name in sorted(tensors.keys() - wanted):
        key = name.removeprefix(SOLVER)
        weight, _, kind = key.rpartition("/")
        is_moment = weight in wanted and kind in MOMENTS
        if key in state or not (is_moment or key in (*POWERS, GLOBAL_STEP)):
            raise WeightsError(
                f"{path}: has the tensor {name[:200]}, which the model does not have: {remedy}"
            )
        state[key] = name
    return state


def make_weight(
    path: Path, tensors: Tensors, foreign: ForeignTensor, weight: keras.Variable
) -> np.ndarray:
    """Return the value of a weight, made from the tensors of another implementation.

    Parameters
    ----------
    path : Path
        The file, for error messages.
    tensors : Tensors
        The tensors of the file.
    foreign : ForeignTensor
        How the weight is made.
    weight : keras.Variable
        The weight, which is not changed.

    Returns
    -------
    numpy.ndarray
        The value in float32.

    Raises
    ------
    WeightsError
        If a tensor has another shape, or is not finite.
    """
    shape, parts = tuple(weight.shape), []
    for name in foreign.names:
        parts.append(tensors[name])
        # Converting a larger tensor could select a part of it, and a smaller one be repeated.
        if parts[-1].size != np.prod(shape, dtype=int):
            raise describe_shape(path, name, parts[-1], weight)
    try:
        with np.errstate(over="ignore"):  # the result is not finite
            value = np.asarray(foreign.convert(*parts), np.float32)
    except (IndexError, ValueError) as error:
        raise describe_shape(path, foreign.names[0], parts[0], weight) from error
    if value.shape != shape:
        raise describe_shape(path, foreign.names[0], parts[0], weight)
    if not np.isfinite(value).all():
        raise WeightsError(
            f"{path}: the tensor {foreign.names[0]} has values that are not finite: convert other "
            f"weights"
        )
    return value


def describe_shape(
    path: Path, name: str, tensor: np.ndarray, weight: keras.Variable
) -> WeightsError:
    """Return the error for a tensor of another shape.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        The name of the tensor.
    tensor : numpy.ndarray
        The tensor.
    weight : keras.Variable
        The weight that should be made from it.

    Returns
    -------
    WeightsError
    """
    return WeightsError(
        f"{path}: the tensor {name} has the shape {[*tensor.shape]}, which does not fit the shape "
        f"{[*weight.shape]} of {weight.path}: give the entries of the model that was trained"
    )


def read_adam(
    path: Path, tensors: Tensors, mapped: Mapped, names: Mapping[str, str], model: keras.Model
) -> dict[str, np.ndarray]:
    """Return the state of Adam under the names of `TrainingStep.collect_variables`.

    Parameters
    ----------
    path : Path
        The file, for error messages.
    tensors : Tensors
        The tensors of the file.
    mapped : Mapped
        How each weight of the model is made.
    names : mapping of str to str
        The names of the tensors of Adam's state, from `match_names`.
    model : keras.Model
        The model.

    Returns
    -------
    dict of str to numpy.ndarray
        Empty if the file has no state of Adam.

    Raises
    ------
    WeightsError
        If a part of the state is missing or invalid.
    """
    if names.keys() <= {GLOBAL_STEP}:
        return {}
    state = {}
    for weight in model.weights:
        foreign = mapped[weight.path]
        for kind, ours in MOMENTS.items():
            moments = [find_state(path, names, f"{name}/{kind}") for name in foreign.names]
            key = f"optimizer/{weight.path.replace('/', '_')}_{ours}"
            moment = ForeignTensor(tuple(moments), foreign.convert)
            state[key] = make_weight(path, tensors, moment, weight)
    numbers = {}
    for key in (*POWERS, *({GLOBAL_STEP} & names.keys())):
        number = tensors[find_state(path, names, key)]
        if number.shape != ():
            raise WeightsError(f"{path}: the tensor {key} is not a number: replace the files")
        numbers[key] = number.item()
    steps = count_steps(path, numbers)
    return {**state, "optimizer/iteration": np.asarray(steps, np.int64)}


def find_state(path: Path, names: Mapping[str, str], key: str) -> str:
    """Return the full name of a tensor of Adam's state; raise `WeightsError` if it is missing."""
    if key not in names:
        raise WeightsError(
            f"{path}: has no tensor {SOLVER}{key}, so the state of Adam is incomplete: replace the "
            f"files"
        )
    return names[key]


def count_steps(path: Path, numbers: Mapping[str, float]) -> int:
    """Return the number of Adam's steps, which follows from the powers of β₁ and β₂.

    The global step of the training may differ. It counts only if the powers are zero after many
    steps; the steps of Adam then no longer depend on their number.

    Parameters
    ----------
    path : Path
        The file, for error messages.
    numbers : mapping of str to float
        The powers, and the global step if the file has it.

    Returns
    -------
    int

    Raises
    ------
    WeightsError
        If the powers do not belong to the same number of steps.
    """
    # TensorFlow multiplies in float32 after every step, and so do these tables.
    tables = {
        key: np.multiply.accumulate(np.full(MAX_STEPS, beta, np.float32))
        for key, beta in POWERS.items()
    }
    steps = int(np.argmin(abs(tables["beta2_power"] - numbers["beta2_power"])))
    for key, table in tables.items():
        if not np.isclose(numbers[key], table[steps], rtol=1e-4, atol=SMALLEST_POWER):
            raise WeightsError(
                f"{path}: its {key} is {numbers[key]:g}, and Adam with β {POWERS[key]} would have "
                f"{table[steps]:g} after {steps} steps: it was trained otherwise, replace the files"
            )
    if numbers["beta2_power"] > SMALLEST_POWER:
        return steps
    return max(steps, int(numbers.get(GLOBAL_STEP, 0)))
