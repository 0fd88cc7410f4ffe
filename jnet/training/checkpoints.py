"""Checkpoints: the complete state of a training, so that a resumed training gives the same result.

A checkpoint is a folder `checkpoints/<number>`. It contains the weights, the optimizer's state, the
best weights so far, and `state.json` with the training's state and the SHA-256 of the other files.
The folder is written under a hidden name and renamed after all its files are on the disk. The last
two checkpoints are kept. The newest undamaged checkpoint is read.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from jnet.errors import RunFailed, WeightsError
from jnet.names import BEST_WEIGHTS
from jnet.system.claims import Fingerprint
from jnet.system.files import replaced, sync, writing
from jnet.training.schedule import Progress
from jnet.weights.files import write_tensors
from jnet.weights.manifests import SUFFIX, hash_file, manifest_path

CHECKPOINTS_FOLDER, STATE_FILE = "checkpoints", "state.json"
FORMAT_VERSION = 1
CHECKPOINTS_KEPT = 2

Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class State:
    """The state of a training within an epoch.

    Attributes
    ----------
    progress : Progress
        The state at the end of the last complete epoch.
    epoch_steps : int
        Number of steps done in the current epoch.
    loss_sum : float
        Sum of the losses of these steps.
    curves : tuple of (int, mapping)
        All scalars logged so far: `(step, {name: value})`.
    runs : tuple of int or str
        Ids of all runs of this training, oldest first.
    test_loss : float or None
        Loss on the test set; None until the training is finished.
    """

    progress: Progress
    epoch_steps: int = 0
    loss_sum: float = 0.0
    curves: tuple[tuple[int, Mapping[str, float]], ...] = ()
    runs: tuple[int | str, ...] = ()
    test_loss: float | None = None

    @property
    def step(self) -> int:
        """Number of steps done over all epochs and stages."""
        return self.progress.step + self.epoch_steps


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on the disk.

    Attributes
    ----------
    folder : Path
    state : State
    fingerprint : Fingerprint
        The settings and data that determine the training's result.
    files : mapping of str to str
        SHA-256 of every other file in the folder, by file name.
    """

    folder: Path
    state: State
    fingerprint: Fingerprint
    files: Mapping[str, str]

    def read_tensors(self, name: str) -> Tensors:
        """Read the tensors of a file, by name.

        `name` is `weights`, or `training` for the optimizer's variables and random states. Raises
        `WeightsError` for a damaged file.
        """
        path = self.folder / f"{name}{SUFFIX}"
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise WeightsError(f"{path}: is damaged ({error})") from error

    def restore_best(self, weights: Path) -> None:
        """Restore the best weights and their manifest at `weights`, if they differ."""
        for path in best_weights_files(weights):
            kept = self.folder / path.name
            if kept.is_file() and not (path.is_file() and hash_file(path) == hash_file(kept)):
                with replaced(path) as temporary:
                    shutil.copyfile(kept, temporary)


def save_checkpoint(
    folder: Path, state: State, fingerprint: Fingerprint, tensors: Mapping[str, Tensors]
) -> Path:
    """Write the next checkpoint of a training and return the checkpoint's folder.

    The best weights are copied from `folder` into the checkpoint. Older checkpoints are removed,
    except the last two.

    Parameters
    ----------
    folder : Path
        The training's folder.
    state : State
    fingerprint : Fingerprint
    tensors : mapping of str to Tensors
        The tensors of each file, under the file names that `Checkpoint.read_tensors` takes.

    Returns
    -------
    Path
        The new checkpoint's folder.

    Raises
    ------
    RunFailed
        If a tensor has a value that is not finite. Nothing is written.
    RecordError
        If the checkpoint cannot be written, for example because the disk is full.
    """
    for values in tensors.values():
        refuse_not_finite(values, state.step)
    place = folder / CHECKPOINTS_FOLDER
    remedy = "free disk space and start again, which resumes from the previous checkpoint"
    with writing(place, remedy=remedy):
        place.mkdir(exist_ok=True)
        remove_unfinished(place)
        number = max((int(path.name) for path in list_checkpoints(folder)), default=0) + 1
        temporary = place / f".{number:06}.tmp"
        try:
            temporary.mkdir()
            for name, values in tensors.items():
                write_tensors(temporary / f"{name}{SUFFIX}", values)
            for path in filter(Path.is_file, best_weights_files(folder / BEST_WEIGHTS)):
                shutil.copyfile(path, temporary / path.name)
            write_state(temporary, state, fingerprint)
            final = temporary.rename(place / f"{number:06}")
        finally:
            remove_unfinished(place)
        sync(place)
    for outdated in list_checkpoints(folder)[:-CHECKPOINTS_KEPT]:
        remove_checkpoint(outdated)
    return final


def write_state(folder: Path, state: State, fingerprint: Fingerprint) -> None:
    """Write the `state.json` of a checkpoint and flush all files of the checkpoint to the disk.

    Parameters
    ----------
    folder : Path
        The checkpoint's folder; all its other files are written already.
    state : State
    fingerprint : Fingerprint
    """
    files = sorted(folder.iterdir())
    for path in files:
        sync(path)
    content = {
        "format_version": FORMAT_VERSION,
        "files": {path.name: hash_file(path) for path in files},
        "training": fingerprint,
        "state": state_to_json(state),
    }
    with replaced(folder / STATE_FILE) as temporary:
        temporary.write_text(format_state(content), encoding="utf-8")


def read_newest_checkpoint(folder: Path, report: Callable[[str], None]) -> Checkpoint | None:
    """Read the newest undamaged checkpoint of the training in `folder`.

    Returns None if there are no checkpoints. `report` is called with a message for each damaged
    checkpoint. Raises `WeightsError` if all checkpoints are damaged.
    """
    checkpoints = list_checkpoints(folder)
    for checkpoint in reversed(checkpoints):
        try:
            return read_checkpoint(checkpoint)
        except WeightsError as error:
            report(f"{error}: resuming from the previous checkpoint")
    if checkpoints:
        raise WeightsError(
            f"{folder / CHECKPOINTS_FOLDER}: all checkpoints are damaged: remove {folder} to start "
            f"again, or give another experiment_id"
        )
    return None


def read_newest_state(folder: Path) -> Checkpoint | None:
    """Read the newest undamaged `state.json` of the training in `folder`, without any tensors.

    Returns None if there is no readable `state.json`.
    """
    for checkpoint in reversed(list_checkpoints(folder)):
        with suppress(WeightsError):  # `read_newest_checkpoint` reports the damage on resuming
            return read_state(checkpoint)
    return None


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read the checkpoint in `folder` and verify the SHA-256 of its files.

    Raises `WeightsError` if a file is missing or damaged.
    """
    checkpoint = read_state(folder)
    for name, sha256 in checkpoint.files.items():
        if not (folder / name).is_file():
            raise WeightsError(f"{folder / name}: is missing")
        if hash_file(folder / name) != sha256:
            raise WeightsError(f"{folder / name}: is damaged")
    return checkpoint


def read_state(folder: Path) -> Checkpoint:
    """Read the `state.json` of a checkpoint without verifying the checkpoint's other files.

    Raises `WeightsError` if `state.json` is missing or damaged.
    """
    path = folder / STATE_FILE
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
        if text != format_state(content):
            raise ValueError("its SHA-256 is wrong")
        if content["format_version"] != FORMAT_VERSION:
            raise ValueError(f"it has format version {content['format_version']!r}")
        files = content["files"]
        if any(Path(name).name != name for name in files):
            raise ValueError("it names files in other folders")
        return Checkpoint(folder, state_from_json(content["state"]), content["training"], files)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: is missing") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path}: is damaged ({error})") from error


def format_state(content: Mapping[str, Any]) -> str:
    """Return the text of a `state.json`, including the SHA-256 of its other entries.

    `read_state` compares this text with the file, which reveals any change in the file.
    """
    entries = {key: value for key, value in content.items() if key != "sha256"}
    digest = hashlib.sha256(json.dumps(entries, allow_nan=False).encode()).hexdigest()
    return json.dumps({**entries, "sha256": digest}, indent=1, allow_nan=False) + "\n"


def state_to_json(state: State) -> dict[str, Any]:
    """Return a state in JSON's types; a best loss of infinity becomes None (JSON null)."""
    content = asdict(state)
    progress = content["progress"]
    progress["waited"] = progress.pop("epochs_without_improvement")  # the key of version 0.1.0
    if not np.isfinite(state.progress.best_loss):
        progress["best_loss"] = None
    return content


def state_from_json(content: Mapping[str, Any]) -> State:
    """Return the state that `state_to_json` converted; floats are restored exactly."""
    progress = dict(content["progress"])
    progress["epochs_without_improvement"] = progress.pop("waited")
    if progress["best_loss"] is None:
        progress["best_loss"] = np.inf
    curves = tuple((int(step), dict(values)) for step, values in content["curves"])
    changed = {"progress": Progress(**progress), "curves": curves, "runs": tuple(content["runs"])}
    return State(**{**content, **changed})


def refuse_not_finite(tensors: Tensors, step: int) -> None:
    """Raise `RunFailed` if a tensor has a value that is not finite."""
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise RunFailed(
                f"{name} is no longer finite at step {step}: lower cfg.learning_rates; the "
                f"previous checkpoint and the best weights are kept"
            )


def best_weights_files(weights: Path) -> tuple[Path, Path]:
    """Return the paths of the best weights and of their manifest."""
    return weights, manifest_path(weights)


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the folders of all checkpoints of the training in `folder`, oldest first."""
    return sorted(
        path for path in folder.glob(f"{CHECKPOINTS_FOLDER}/[0-9]*") if path.name.isdecimal()
    )


def remove_unfinished(place: Path) -> None:
    """Remove checkpoints that killed processes left partly written or partly removed."""
    for path in place.glob(".*.tmp"):
        shutil.rmtree(path)


def remove_checkpoint(folder: Path) -> None:
    """Remove a checkpoint.

    The folder is renamed to a hidden name first. If the process is killed during removal, the rest
    is not mistaken for a damaged checkpoint.
    """
    hidden = folder.with_name(f".{folder.name}.tmp")
    os.replace(folder, hidden)  # noqa: PTH105 - a folder, not a file
    shutil.rmtree(hidden)
