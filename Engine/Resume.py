"""Which folder a training works in, and from which checkpoint it goes on."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from Engine.Checkpoints import FOLDER, Checkpoint, Statement, newest_checkpoint, newest_state
from Engine.Weights import SUFFIX, manifest_path
from Spec.Errors import ConfigError, RecordError, WeightsError
from Spec.Files import remove_leftovers
from Spec.Lock import locked
from Spec.Run import Specs

LOCK = ".training.lock"
OCCUPIED = "another training is at work in this folder: give another experiment_id"
SCORES = "scores.json"  # what a training writes last
# Where a training is written to, how often, and how fast it goes: no weight depends on them.
NOT_COMPARED = ("output_path", "eval_batch_size", "checkpoint_minutes")


@dataclass(frozen=True)
class Place:
    """Where a training works: its folder, what training it is, and the checkpoint it goes on from,
    if any."""

    folder: Path
    statement: Statement
    checkpoint: Checkpoint | None = None

    @property
    def resumed(self) -> int | str | None:
        """The record of the run that this one goes on with."""
        return self.checkpoint.state.runs[-1] if self.checkpoint else None

    def said(self) -> str:
        """One line on what is about to happen here."""
        if self.checkpoint is None:
            return f"training into {self.folder}"
        state = self.checkpoint.state
        if state.test_loss is not None:
            return f"{self.folder} is trained: going on to its scores"
        return f"going on with {self.folder}, run {self.resumed}, after step {state.step}"


def statement_of(run: Specs, store_name: str) -> Statement:
    """All that decides the weights a training ends with: config entries, seed and prepared data,
    in JSON's types."""
    training = {
        key: value for key, value in asdict(run.training).items() if key not in NOT_COMPARED
    }
    stages = training.pop("stages")
    training["batch_sizes"] = [stage["batch_size"] for stage in stages]
    training["learning_rates"] = [stage["learning_rate"] for stage in stages]
    return json.loads(json.dumps({**asdict(run.model), **training, "store": store_name}))


@contextmanager
def claimed(
    root: Path,
    experiment_id: str | None,
    new_id: str,
    statement: Statement,
    say: Callable[[str], None],
) -> Iterator[Place]:
    """The folder below `root` for this training, in which no other process works meanwhile.

    With an `experiment_id` that folder, gone on with where it holds a checkpoint. Without one the
    newest training of the same `statement` that did not come to its end, else a new folder
    `new_id`. `say` hears of damaged checkpoints. Raises `ConfigError` for a training of another
    statement, naming what differs, `RecordError` for one that is running, and `WeightsError` for
    one that cannot be gone on with.
    """
    wanted = [root / experiment_id] if experiment_id else [*unended(root, statement), root / new_id]
    with ExitStack() as stack:
        folder = first_free(wanted, stack)
        remove_leftovers(folder)
        checkpoint = newest_checkpoint(folder, say)
        if checkpoint is not None:
            refuse_another(folder, checkpoint.statement, statement)
        elif manifest_path(folder / f"best{SUFFIX}").exists():
            raise WeightsError(
                f"{folder}: holds weights and no checkpoint to go on from: give another "
                f"experiment_id"
            )
        yield Place(folder, statement, checkpoint)


def first_free(folders: Sequence[Path], stack: ExitStack) -> Path:
    """The first of `folders` that nobody works in, locked until `stack` ends; the last one's
    `RecordError` when there is none."""
    for folder in folders[:-1]:
        try:
            stack.enter_context(locked(folder / LOCK, OCCUPIED))
        except RecordError:
            continue
        return folder
    stack.enter_context(locked(folders[-1] / LOCK, OCCUPIED))
    return folders[-1]


def unended(root: Path, statement: Statement) -> list[Path]:
    """The folders of trainings of this `statement` that were interrupted before their scores were
    written, newest first."""
    found = []
    for place in root.glob(f"*/{FOLDER}"):
        checkpoint = newest_state(place.parent)
        if checkpoint is None or checkpoint.statement != statement:
            continue
        if not (place.parent / SCORES).exists():
            found.append((checkpoint.folder.stat().st_mtime, place.parent))
    return [folder for _, folder in sorted(found, reverse=True)]


def refuse_another(folder: Path, held: Statement, wanted: Statement) -> None:
    """`ConfigError` where the training in `folder` is not the one that is `wanted`."""
    differing = [
        f"{entry_name(key)} is {wanted.get(key)!r} and was {held.get(key)!r}"
        for key in sorted(held.keys() | wanted.keys())
        if held.get(key) != wanted.get(key)
    ]
    if differing:
        raise ConfigError(
            f"{folder}: is another training: {'; '.join(differing)}: give another experiment_id, "
            f"or the same entries to go on with it"
        )


def entry_name(key: str) -> str:
    """What a user calls an entry of a statement."""
    return {"seed": "seed", "store": "the prepared data"}.get(key, f"cfg.{key}")
