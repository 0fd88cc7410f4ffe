"""The training of one model, stage after stage, to its best weights (J-Net, Section 3.2)."""

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from Engine.Checkpoints import Checkpoint, State, Tensors, save_checkpoint
from Engine.Record import Curves, Record
from Engine.Resume import Place
from Engine.Schedule import Progress
from Engine.Steps import Steps
from Engine.Trainer import compiled_trainer, validation_loss
from Engine.Weights import SUFFIX, load_weights, manifest_path, save_weights, sha256_of
from Input.Draws import draw_batch
from Input.Pipeline import training_batches, validation_batches
from Input.Store import Store
from Models.Build import build
from Spec.Errors import RunFailed, WeightsError
from Spec.Model import ModelSpec
from Spec.Shapes import output_frames
from Spec.Training import TrainingSpec

LOOKED_AT = 50  # steps between two looks whether one has failed: a look waits for the device


@dataclass(frozen=True)
class Trained:
    """What a training leaves: the separator with its best weights, and where they are."""

    separator: keras.Model
    weights: Path
    manifest: Path
    sha256: str
    progress: Progress
    test_loss: float


def train(
    model: ModelSpec,
    training: TrainingSpec,
    store: Store,
    place: Place,
    record: Record,
    run: int | str = "",
    check_interrupted: Callable[[], None] = lambda: None,
) -> Trained:
    """Train `model` on `store`, from the checkpoint of `place` where it has one, then measure its
    best weights on the test set.

    Weights, curves and checkpoints go into the place's folder, numbers to `record`, which is given
    those from before the checkpoint too; `run` names the record. `check_interrupted` is called
    between steps and may raise `KeyboardInterrupt`: a checkpoint of all steps done comes first.
    Raises `RunFailed` when a loss or a weight is no longer finite; what is kept is from before.
    """
    if training.deterministic:
        tf.config.experimental.enable_op_determinism()
    running = Running(model, training, store, place, record, run, check_interrupted)
    while not running.state.progress.is_over(training):
        running.run_epoch()
    return running.finish()


class Running:
    """A training at work: the model, its optimizer, and where they stand."""

    def __init__(
        self,
        model: ModelSpec,
        training: TrainingSpec,
        store: Store,
        place: Place,
        record: Record,
        run: int | str,
        check_interrupted: Callable[[], None],
    ):
        self.model = model
        self.training = training
        self.store = store
        self.place = place
        self.weights = place.folder / f"best{SUFFIX}"
        self.check_interrupted = check_interrupted
        self.trainer = compiled_trainer(model, training)
        self.steps = Steps(self.trainer)
        self.curves = Curves(record, place.folder / "tensorboard")
        self.state = State(Progress(), runs=(run,))
        self.loss_of = validation_loss(self.trainer.separator, model)
        self.held_out = validation_batches(store, "valid", model, training.eval_batch_size)
        self.batches: Iterator | None = None  # of the running stage
        self.saved_at = time.monotonic()
        if place.checkpoint is not None:
            self.go_on_from(place.checkpoint)
        else:
            self.save()  # so that even its first epoch is found again, and a full disk now

    def go_on_from(self, checkpoint: Checkpoint) -> None:
        """Put everything back as it was when `checkpoint` was written."""
        assign(by_path(self.trainer.separator.weights), checkpoint.weights(), checkpoint.folder)
        assign(self.steps.state(), checkpoint.training_state(), checkpoint.folder)
        checkpoint.restore_best(self.weights)
        self.curves.repeat(checkpoint.state.curves)
        self.state = replace(checkpoint.state, runs=(*checkpoint.state.runs, *self.state.runs))

    def run_epoch(self) -> None:
        """The steps that the running epoch lacks, its validation, and what follows from that."""
        loss, pace = self.take_steps()
        validation = self.measured(self.loss_of, self.held_out)
        if not math.isfinite(validation):
            raise RunFailed(
                f"the validation loss is {validation} after step {self.state.step}, the training "
                f"loss {loss:.6g}: lower cfg.learning_rates; {self.kept()}"
            )
        progress = self.state.progress.after_epoch(validation, self.training.epoch_steps)
        self.state = replace(self.state, progress=progress, epoch_steps=0, loss_sum=0.0)
        if progress.improved:
            self.keep_best(validation)
        self.report(loss, validation, pace)
        if progress.stage_is_over(self.training):
            self.end_stage()
        self.save()

    def take_steps(self) -> tuple[float, float]:
        """Train to the end of the epoch; its mean loss, and the steps taken in a second."""
        stage = self.state.progress.stage_spec(self.training)
        self.trainer.optimizer.learning_rate.assign(stage.learning_rate)
        self.steps.begin_epoch(self.state.loss_sum)
        if self.batches is None:
            self.batches = iter(
                training_batches(
                    self.store, self.model, stage.batch_size, self.training.seed, self.state.step
                )
            )
        began, first = time.perf_counter(), self.state.epoch_steps
        with step_bar(self.training, self.state) as bar:
            for done in range(first, self.training.epoch_steps):
                number = tf.constant(self.state.progress.step + done, tf.int64)
                self.steps.take(self.batches, number)
                self.state = replace(self.state, epoch_steps=done + 1)
                bar.update()
                if (done + 1) % LOOKED_AT == 0:
                    self.refuse_failed_step()
                self.stop_if_interrupted()
                self.save_if_due()
        self.refuse_failed_step()
        loss = float(self.steps.loss_sum) / self.training.epoch_steps
        return loss, (self.training.epoch_steps - first) / (time.perf_counter() - began)

    def measured(self, loss_of: Callable[[Iterable], float], batches: Iterable) -> float:
        """The exact loss over `batches`, between which the training can be interrupted."""

        def watched() -> Iterator:
            for batch in batches:
                self.stop_if_interrupted()
                yield batch

        return loss_of(watched())

    def stop_if_interrupted(self) -> None:
        """Where the training is to stop, write a checkpoint first."""
        try:
            self.check_interrupted()
        except KeyboardInterrupt:
            self.save()
            print(f"stopped after step {self.state.step}, to go on from there", flush=True)
            raise

    def save_if_due(self) -> None:
        """Write a checkpoint when the last is old enough."""
        minutes = self.training.checkpoint_minutes
        if minutes is not None and time.monotonic() - self.saved_at >= 60 * minutes:
            self.save()

    def save(self) -> None:
        """Write a checkpoint of where the training stands."""
        self.refuse_failed_step()
        if self.state.epoch_steps:
            self.state = replace(self.state, loss_sum=float(self.steps.loss_sum))
        self.state = replace(self.state, curves=tuple(self.curves.logged))
        save_checkpoint(
            self.place.folder,
            self.state,
            self.place.statement,
            values(by_path(self.trainer.separator.weights)),
            values(self.steps.state()),
        )
        self.saved_at = time.monotonic()

    def refuse_failed_step(self) -> None:
        """`RunFailed`, naming the step and its songs, once the loss of one was no number."""
        step = self.steps.failed_step()
        if step is None:
            return
        names = ", ".join(self.songs_of(step))
        raise RunFailed(
            f"the loss or its gradient is no longer finite in step {step + 1}, which heard "
            f"{names}: lower cfg.learning_rates, or look at these songs; {self.kept()}"
        )

    def songs_of(self, step: int) -> list[str]:
        """The songs that a step of the running stage hears."""
        songs = self.store.subset("train")
        draw = draw_batch(
            self.training.seed,
            step,
            self.state.progress.stage_spec(self.training).batch_size,
            np.array([song.frames for song in songs]),
            output_frames(self.model),
            len(self.model.sources),
        )
        return sorted({songs[index].name for index in draw.songs})

    def kept(self) -> str:
        """What is left of a training that failed."""
        if not self.state.progress.best_epoch:
            return "no epoch was validated before it"
        return f"the best weights are kept: {self.weights}"

    def keep_best(self, validation: float) -> None:
        """Write the weights over the best so far."""
        progress = self.state.progress
        save_weights(
            self.trainer.separator,
            self.model,
            self.weights,
            validation_loss=validation,
            stage=progress.stage,
            epoch=progress.epoch,
            step=progress.step,
        )

    def end_stage(self) -> None:
        """Make ready for the next stage, from the last weights or the best."""
        progress = self.state.progress.next_stage()
        self.state = replace(self.state, progress=progress)
        self.batches = None
        if not progress.is_over(self.training) and self.training.stage_start == "best":
            load_weights(self.trainer.separator, self.model, self.weights)

    def report(self, loss: float, validation: float, pace: float) -> None:
        """The epoch's numbers to the curves, and as one line to the terminal; `pace` in steps a
        second."""
        progress, training = self.state.progress, self.training
        rate = progress.stage_spec(training).learning_rate
        self.curves.log(
            progress.step,
            training__loss=loss,
            validation__loss=validation,
            training__learning_rate=rate,
            training__steps_per_second=pace,
        )
        waited = "best" if progress.improved else f"{progress.waited}/{training.patience} waited"
        print(
            f"stage {progress.stage + 1}/{len(training.stages)}  epoch {progress.epoch}  "
            f"step {progress.step}  learning rate {rate:g}  loss {loss:.6g}  "
            f"validation {validation:.6g}  {pace:.3g} steps/s  {waited}",
            flush=True,
        )

    def finish(self) -> Trained:
        """The best weights in a separator of their own, measured on the test set."""
        best = build(self.model)
        load_weights(best, self.model, self.weights)
        test_loss = self.state.test_loss
        if test_loss is None:
            batches = validation_batches(
                self.store, "test", self.model, self.training.eval_batch_size
            )
            test_loss = self.measured(validation_loss(best, self.model), batches)
            self.curves.log(self.state.step, test__loss=test_loss)
            self.state = replace(self.state, test_loss=test_loss)
            self.save()
        progress = self.state.progress
        print(f"test loss {test_loss:.6g} with the weights of epoch {progress.best_epoch}")
        return Trained(
            best,
            self.weights,
            manifest_path(self.weights),
            sha256_of(self.weights),
            progress,
            test_loss,
        )


@contextmanager
def step_bar(training: TrainingSpec, state: State) -> Iterator[tqdm]:
    """A bar over an epoch's steps on the terminal alone: nothing of it is captured or recorded."""
    progress = state.progress
    with tqdm(
        total=training.epoch_steps,
        initial=state.epoch_steps,
        desc=f"stage {progress.stage + 1} epoch {progress.epoch + 1}",
        unit="step",
        leave=False,
        file=sys.__stderr__,
        disable=None,  # where there is no terminal
    ) as bar:
        yield bar


def by_path(variables: Iterable[keras.Variable]) -> dict[str, keras.Variable]:
    """Variables by their names."""
    return {variable.path: variable for variable in variables}


def values(variables: Mapping[str, keras.Variable]) -> Tensors:
    """What variables hold now."""
    return {name: np.asarray(variable.value.numpy()) for name, variable in variables.items()}


def assign(variables: Mapping[str, keras.Variable], tensors: Tensors, place: Path) -> None:
    """Give variables what a checkpoint holds of them; `WeightsError` where that is something else,
    before any is changed."""
    wanted = {name: (tuple(one.shape), one.dtype) for name, one in variables.items()}
    held = {name: (one.shape, one.dtype.name) for name, one in tensors.items()}
    for name in sorted(wanted.keys() | held.keys()):
        if wanted.get(name) != held.get(name):
            raise WeightsError(
                f"{place}: {name} is {held.get(name, 'missing')} in the checkpoint and "
                f"{wanted.get(name, 'missing')} in the training"
            )
    for name, variable in variables.items():
        variable.assign(tensors[name])
