"""Checkpoints: all that a training needs to go on as if it had never stopped.

A checkpoint is a folder `checkpoints/<number>` with the weights, the optimizer's state, the best
weights so far, and `state.json`, which says where the training stands and has the SHA-256 of the
others. It is written under a hidden name and renamed when all of it is on the disk; the last two
are kept. Reading takes the newest that is whole.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from Engine.Schedule import Progress
from Engine.Weights import SUFFIX, sha256_of
from Spec.Errors import RecordError, RunFailed, WeightsError
from Spec.Files import replaced, sync_file, sync_folder

FOLDER, STATE = "checkpoints", "state.json"
FORMAT_VERSION = 1
KEPT = 2

Tensors = Mapping[str, np.ndarray]
Statement = Mapping[str, Any]  # what a training is, as JSON has it: config entries and store


@dataclass(frozen=True)
class State:
    """Where a training stands.

    `epoch_steps` of the running epoch are done, with losses that sum to `loss_sum`; `curves` are
    all numbers logged so far, `(step, {name: value})` each; `runs` the records it ran under, in
    their order; `test_loss` is known once it is finished.
    """

    progress: Progress
    epoch_steps: int = 0
    loss_sum: float = 0.0
    curves: tuple[tuple[int, Mapping[str, float]], ...] = ()
    runs: tuple[int | str, ...] = ()
    test_loss: float | None = None

    @property
    def step(self) -> int:
        """Steps done over the whole training."""
        return self.progress.step + self.epoch_steps


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that is whole: its folder, where it stands, and what training it is of."""

    folder: Path
    state: State
    statement: Statement

    def weights(self) -> Tensors:
        """The weights by name."""
        return self._tensors("weights")

    def training_state(self) -> Tensors:
        """The optimizer's variables and random states by name."""
        return self._tensors("training")

    def restore_best(self, weights: Path) -> None:
        """Put the best weights and their manifest back as `weights`, where these are others."""
        for name, path in best_files(weights).items():
            kept = self.folder / name
            if kept.is_file() and not (path.is_file() and sha256_of(path) == sha256_of(kept)):
                with replaced(path) as temporary:
                    shutil.copyfile(kept, temporary)

    def _tensors(self, name: str) -> Tensors:
        path = self.folder / f"{name}{SUFFIX}"
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise WeightsError(f"{path}: is damaged ({error})") from error


def save_checkpoint(
    folder: Path, state: State, statement: Statement, weights: Tensors, training: Tensors
) -> Path:
    """Write the next checkpoint of the training in `folder`; its folder.

    The best weights are those that lie in `folder`. Raises `RunFailed`, and writes nothing, when
    a weight or a moment is not a finite number; `RecordError` on a full disk.
    """
    refuse_not_finite({**weights, **training}, state.step)
    place = folder / FOLDER
    try:
        place.mkdir(exist_ok=True)
        remove_unfinished(place)
        number = max(map(int, numbers(place)), default=0) + 1
        temporary = place / f".{number:06}.tmp"
        try:
            write_checkpoint(temporary, folder, state, statement, weights, training)
            final = temporary.rename(place / f"{number:06}")
        finally:
            remove_unfinished(place)
        sync_folder(place)
    except (OSError, SafetensorError) as error:
        raise RecordError(
            f"{place}: no checkpoint can be written ({getattr(error, 'strerror', None) or error}): "
            f"make room and start again: the training goes on from the checkpoint before"
        ) from error
    for name in numbers(place)[:-KEPT]:
        remove(place / name)
    return final


def write_checkpoint(
    to: Path, folder: Path, state: State, statement: Statement, weights: Tensors, training: Tensors
) -> None:
    """Write all of a checkpoint into a new folder `to`, `state.json` last."""
    to.mkdir()
    save_file(dict(weights), to / f"weights{SUFFIX}")
    save_file(dict(training), to / f"training{SUFFIX}")
    for name, path in best_files(folder / f"best{SUFFIX}").items():
        if path.is_file():
            shutil.copyfile(path, to / name)
    held = sorted(to.iterdir())
    for path in held:
        sync_file(path)
    content = {
        "format_version": FORMAT_VERSION,
        "files": {path.name: sha256_of(path) for path in held},
        "training": statement,
        "state": as_json(state),
    }
    with replaced(to / STATE) as temporary:
        temporary.write_text(signed(content), encoding="utf-8")


def newest_checkpoint(folder: Path, say: Callable[[str], None]) -> Checkpoint | None:
    """The newest whole checkpoint of the training in `folder`; None where it has none.

    `say` hears of each that is damaged. Raises `WeightsError` when all of them are.
    """
    place = folder / FOLDER
    names = numbers(place)
    for name in reversed(names):
        try:
            return read_checkpoint(place / name)
        except WeightsError as error:
            say(f"{error}: going on from the checkpoint before it")
    if names:
        raise WeightsError(
            f"{place}: every checkpoint is damaged: remove {folder} to begin anew, or give another "
            f"experiment_id"
        )
    return None


def newest_state(folder: Path) -> Checkpoint | None:
    """What the newest legible checkpoint of the training in `folder` says, its tensors unread."""
    place = folder / FOLDER
    for name in reversed(numbers(place)):
        try:
            return read_state(place / name)[0]
        except WeightsError:
            continue  # said by `newest_checkpoint`, if this training is the one to go on with
    return None


def read_checkpoint(folder: Path) -> Checkpoint:
    """The checkpoint in `folder`; `WeightsError` where a file is missing or not what was saved."""
    checkpoint, files = read_state(folder)
    for name, sha256 in files.items():
        if not (folder / name).is_file():
            raise WeightsError(f"{folder / name}: is missing")
        if sha256_of(folder / name) != sha256:
            raise WeightsError(f"{folder / name}: is damaged")
    return checkpoint


def read_state(folder: Path) -> tuple[Checkpoint, Mapping[str, str]]:
    """What `state.json` of a checkpoint says, and the SHA-256 it has of each other file."""
    path = folder / STATE
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
        if text != signed(content):
            raise ValueError("is not what was written")
        if content["format_version"] != FORMAT_VERSION:
            raise ValueError(f"format {content['format_version']!r}, this is {FORMAT_VERSION}")
        names = content["files"]
        if any(Path(name).name != name for name in names):
            raise ValueError("names files elsewhere")
        return Checkpoint(folder, from_json(content["state"]), content["training"]), names
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: is missing") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path}: is damaged ({error})") from error


def signed(content: Mapping[str, Any]) -> str:
    """The text of a `state.json`, with the SHA-256 of all else in it: a changed digit shows."""
    content = {key: value for key, value in content.items() if key != "sha256"}
    digest = hashlib.sha256(json.dumps(content, allow_nan=False).encode()).hexdigest()
    return json.dumps({**content, "sha256": digest}, indent=1, allow_nan=False) + "\n"


def as_json(state: State) -> dict[str, Any]:
    """A state in JSON's types; no best loss yet is null."""
    content = asdict(state)
    if not np.isfinite(state.progress.best_loss):
        content["progress"]["best_loss"] = None
    return content


def from_json(content: Mapping[str, Any]) -> State:
    """The state that `as_json` wrote; floats are written so that they come back bit by bit."""
    progress = dict(content["progress"])
    if progress["best_loss"] is None:
        progress["best_loss"] = np.inf
    curves = tuple((int(step), dict(values)) for step, values in content["curves"])
    state = State(**{**content, "progress": Progress(**progress), "curves": curves})
    return replace(state, runs=tuple(state.runs))


def refuse_not_finite(tensors: Tensors, step: int) -> None:
    """`RunFailed` for a training whose numbers are spoilt: none of them is kept."""
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise RunFailed(
                f"{name} is no longer finite at step {step}: lower cfg.learning_rates; the "
                f"checkpoint before and the best weights are kept"
            )


def best_files(weights: Path) -> dict[str, Path]:
    """The best weights and their manifest, by their names within a checkpoint."""
    return {path.name: path for path in (weights, weights.with_suffix(".json"))}


def numbers(place: Path) -> list[str]:
    """The names of all checkpoints, oldest first."""
    return sorted(path.name for path in place.glob("[0-9]*") if path.name.isdecimal())


def remove_unfinished(place: Path) -> None:
    """Remove what killed processes left of checkpoints they were writing or removing."""
    for path in place.glob(".*.tmp"):
        shutil.rmtree(path)


def remove(folder: Path) -> None:
    """Remove a checkpoint, hidden first, so that half of one is never taken for damaged."""
    hidden = folder.with_name(f".{folder.name}.tmp")
    os.replace(folder, hidden)  # noqa: PTH105 - of a folder
    shutil.rmtree(hidden)
