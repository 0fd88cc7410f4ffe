"""The folder of a training, and the checkpoint from which the training resumes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jnet.errors import WeightsError
from jnet.names import BEST_WEIGHTS, SCORES
from jnet.settings.run import imply_new_entries
from jnet.system.claims import Fingerprint, Work, claim_folder, find_differing_keys
from jnet.training.checkpoints import (
    CHECKPOINTS_FOLDER,
    Checkpoint,
    read_newest_checkpoint,
    read_newest_state,
)
from jnet.weights.manifests import manifest_path

ENTRY_NAMES = {"seed": "seed", "store": "the prepared data"}
TRAINING = Work(
    lock=".training.lock",
    occupied="another process is training in this folder: give another experiment_id",
    other="is another training",
    remedy="give another experiment_id, or the same entries to resume it",
    name_entry=lambda key: ENTRY_NAMES.get(key, f"cfg.{key}"),
)


@dataclass(frozen=True)
class TrainingFolder:
    """The claimed folder of a training, and its checkpoint; None for a new training."""

    folder: Path
    fingerprint: Fingerprint
    checkpoint: Checkpoint | None = None

    @property
    def ancestor(self) -> str | None:
        """The SHA-256 of the weights with which the training starts; None for random weights."""
        return self.fingerprint.get("init_from")

    @property
    def resumed(self) -> int | str | None:
        """The id of the run that is resumed; None for a new training."""
        return self.checkpoint.state.runs[-1] if self.checkpoint else None

    def describe(self) -> str:
        """Return a line that says whether the training is new, resumed or already trained."""
        if self.checkpoint is None:
            return f"training into {self.folder}"
        state = self.checkpoint.state
        if (self.folder / SCORES).exists():
            return (
                f"{self.folder} was trained with these settings, its scores are used again: to "
                f"train again, give a new experiment_id"
            )
        if state.test_loss is not None:
            return f"{self.folder} is trained: only its scores are missing"
        return f"resuming {self.folder}, run {self.resumed}, after step {state.step}"


@contextmanager
def claim_training(
    root: Path,
    experiment_id: str | None,
    new_id: str,
    fingerprint: Fingerprint,
    report: Callable[[str], None],
) -> Iterator[TrainingFolder]:
    """Claim a folder below `root` for a training, so that no other process trains there meanwhile.

    With an `experiment_id`, the folder of that name is claimed, and resumed if it has a checkpoint.
    Without an `experiment_id`, the newest training with the same fingerprint is used, an unfinished
    one if there is any; if there is none, a new folder `new_id` is claimed.

    Parameters
    ----------
    root : Path
        The folder of all trainings.
    experiment_id : str or None
    new_id : str
        Name of a new folder.
    fingerprint : Fingerprint
        The settings and data that determine the training's result.
    report : callable
        Called with a message for each damaged checkpoint.

    Yields
    ------
    TrainingFolder

    Raises
    ------
    ConfigError
        If the training in the folder has another fingerprint; the message names the differences.
    RecordError
        If another process is training in the folder.
    WeightsError
        If the training in the folder cannot be resumed.
    """
    new = root / (experiment_id or new_id)
    folders = [new]
    if experiment_id is None:
        trainings = find_trainings(root, fingerprint)
        is_finished = bool(trainings) and (trainings[-1] / SCORES).exists()
        folders = trainings if is_finished else [*trainings, new]
    with claim_folder(folders, TRAINING, fingerprint, read_fingerprint) as folder:
        checkpoint = read_newest_checkpoint(folder, report)
        if checkpoint is None and manifest_path(folder / BEST_WEIGHTS).exists():
            raise WeightsError(
                f"{folder}: contains weights but no checkpoint to resume from: give another "
                f"experiment_id"
            )
        yield TrainingFolder(folder, fingerprint, checkpoint)


def read_fingerprint(folder: Path) -> Fingerprint | None:
    """Return the fingerprint of the training in `folder`, or None if there is no training."""
    checkpoint = read_newest_state(folder)
    return complete_fingerprint(checkpoint) if checkpoint else None


def complete_fingerprint(checkpoint: Checkpoint) -> Fingerprint:
    """Return the fingerprint of a training, with the implied values of entries newer than it."""
    return {**imply_new_entries(), **checkpoint.fingerprint}


def find_trainings(root: Path, fingerprint: Fingerprint) -> list[Path]:
    """Return the folders of trainings with this fingerprint.

    Those without scores come first, and of these and of the others the newest first.
    """
    trainings = []
    for path in root.glob(f"*/{CHECKPOINTS_FOLDER}"):
        checkpoint = read_newest_state(path.parent)
        if checkpoint is None or find_differing_keys(complete_fingerprint(checkpoint), fingerprint):
            continue
        is_unfinished = not (path.parent / SCORES).exists()
        trainings.append((is_unfinished, checkpoint.folder.stat().st_mtime, path.parent))
    return [folder for *_, folder in sorted(trainings, reverse=True)]
