"""The training of a model in stages, up to its best weights (J-Net, Section 3.2)."""

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from jnet.data.excerpts import draw_batch
from jnet.data.pipeline import make_training_batches, make_validation_batches
from jnet.data.store import Store
from jnet.errors import RunFailed, WeightsError
from jnet.names import BEST_WEIGHTS
from jnet.settings.run import RunSettings
from jnet.training.checkpoints import Checkpoint, State, Tensors, save_checkpoint
from jnet.training.curves import Curves, Record
from jnet.training.losses import build_validation_loss
from jnet.training.resume import TrainingFolder
from jnet.training.schedule import Progress
from jnet.training.step import TrainingStep, build_training_step
from jnet.weights.files import load_weights, read_optimizer, refuse_other_tensors, save_weights
from jnet.weights.manifests import hash_file, optimizer_path, read_manifest
from Models.Build import build
from Models.Settings import ModelSettings

STEPS_PER_CHECK = 50  # a check for failed steps waits for the device


@dataclass(frozen=True)
class TrainingResult:
    """The result of a training: the model with its best weights.

    Attributes
    ----------
    separator : keras.Model
    weights : Path
        The file of the best weights.
    sha256 : str
        SHA-256 of that file.
    progress : Progress
    test_loss : float
        Loss of the best weights on the test set.
    """

    separator: keras.Model
    weights: Path
    sha256: str
    progress: Progress
    test_loss: float

    def summarize(self) -> dict[str, Any]:
        """Return the weights and losses for the record."""
        return {
            "weights": str(self.weights),
            "weights_sha256": self.sha256,
            "steps": self.progress.step,
            "validation_loss": self.progress.best_loss,
            "test_loss": self.test_loss,
        }


class TrainingRun:
    """A training in progress: the model, its optimizer, and their state.

    Weights, checkpoints and TensorBoard's curves are written to the claimed folder. If that folder
    has a checkpoint, the training resumes from it.

    Parameters
    ----------
    settings : RunSettings
    store : Store
        The prepared tracks.
    claimed : TrainingFolder
    record : Record
        Where scalars are logged, including those from before an interruption.
    run_id : int or str
        Id of the run in the record.
    check_interrupted : callable
        Called between steps. If it raises `KeyboardInterrupt`, a checkpoint of all steps done is
        written before the exception propagates.
    """

    def __init__(
        self,
        settings: RunSettings,
        store: Store,
        claimed: TrainingFolder,
        record: Record,
        run_id: int | str = "",
        check_interrupted: Callable[[], None] = lambda: None,
    ):
        if settings.training.deterministic:
            tf.config.experimental.enable_op_determinism()
        self.model, self.training = settings.model, settings.training
        self.augmentation, self.computing = settings.augmentation, settings.computing
        self.store, self.claimed = store, claimed
        self.weights = claimed.folder / BEST_WEIGHTS
        self.check_interrupted = check_interrupted
        self.step = build_training_step(self.model, self.training, self.computing.computation)
        self.curves = Curves(record, claimed.folder / "tensorboard")
        self.state = State(Progress(), runs=(run_id,))
        self.validate = self.build_measurement(self.step.model, "valid")
        self.batches: Iterator | None = None  # of the current stage
        self.saved_at = time.monotonic()
        if claimed.checkpoint is not None:
            self.resume(claimed.checkpoint)
        else:
            if self.training.init_from is not None:
                path = Path(self.training.init_from)
                load_ancestor(self.step, self.model, path, self.claimed.ancestor)
            self.save()  # reports a full disk now, and lets the first epoch be resumed

    def train(self) -> TrainingResult:
        """Train all stages, then compute the loss of the best weights on the test set.

        Raises `RunFailed` if a loss or a weight is no longer finite. The files written before the
        failure are kept.
        """
        while not self.state.progress.is_over(self.training):
            self.run_epoch()
        best = build(self.model)
        load_weights(best, self.model, self.weights)
        test_loss = self.state.test_loss
        if test_loss is None:
            test_loss = self.build_measurement(best, "test")()
            self.curves.log(self.state.step, {"test.loss": test_loss})
            self.state = replace(self.state, test_loss=test_loss)
            self.save()
        progress = self.state.progress
        print(f"test loss {test_loss:.6g} with the weights of epoch {progress.best_epoch}")
        return TrainingResult(best, self.weights, hash_file(self.weights), progress, test_loss)

    def build_measurement(self, model: keras.Model, subset: str) -> Callable[[], float]:
        """Build a function that returns the loss of `model` over all samples of a subset.

        The function checks for an interruption between batches.
        """
        computation = self.computing.computation
        loss = build_validation_loss(model, self.model, computation, self.training.loss)
        size = self.computing.eval_batch_size
        batches = make_validation_batches(self.store, subset, self.model, size)

        def check_batches() -> Iterator:
            for batch in batches:
                self.stop_if_interrupted()
                yield batch

        return lambda: loss(check_batches())

    def resume(self, checkpoint: Checkpoint) -> None:
        """Restore weights, optimizer, best weights, curves and state from `checkpoint`."""
        for name, variables in self.step.collect_variables().items():
            assign_tensors(variables, checkpoint.read_tensors(name), checkpoint.folder)
        checkpoint.restore_best(self.weights)
        self.curves.replay(checkpoint.state.curves)
        self.state = replace(checkpoint.state, runs=(*checkpoint.state.runs, *self.state.runs))

    def run_epoch(self) -> None:
        """Train to the end of the epoch, validate, save the best weights and write a checkpoint.

        Ends the stage if its patience or `max_epochs` is reached. Raises `RunFailed` if the
        validation loss is not finite.
        """
        loss, pace = self.take_steps()
        validation = self.validate()
        if not math.isfinite(validation):
            raise RunFailed(
                f"the validation loss is {validation} after step {self.state.step}, the training "
                f"loss {loss:.6g}: lower cfg.learning_rates; {self.describe_kept()}"
            )
        progress = self.state.progress.after_epoch(validation, self.training.epoch_steps)
        self.state = replace(self.state, progress=progress, epoch_steps=0, loss_sum=0.0)
        if progress.improved:
            facts: dict[str, Any] = {
                "stage": progress.stage,
                "epoch": progress.epoch,
                "step": progress.step,
            }
            if self.claimed.ancestor is not None:
                facts["ancestor"] = self.claimed.ancestor
            store = self.store.folder.name
            model = self.step.model
            save_weights(
                model, self.model, self.weights, validation_loss=validation, store=store, **facts
            )
        self.report_epoch(loss, validation, pace)
        if progress.stage_is_over(self.training):
            self.end_stage()
        self.save()

    def take_steps(self) -> tuple[float, float | None]:
        """Train to the end of the epoch; return its mean loss and the number of steps per second.

        The number of steps per second is None if no step of the epoch was left.
        """
        progress = self.state.progress
        first, last = self.state.epoch_steps, self.training.epoch_steps
        stage = progress.stage_settings(self.training)
        self.step.optimizer.learning_rate.assign(stage.learning_rate)
        self.step.loss_sum.assign(self.state.loss_sum)  # not 0 when resuming
        if self.batches is None:
            self.batches = iter(
                make_training_batches(
                    self.store,
                    self.model,
                    self.augmentation,
                    stage.batch_size,
                    self.training.seed,
                    self.state.step,
                )
            )
        bar = tqdm(
            total=last,
            initial=first,
            desc=f"stage {progress.stage + 1} epoch {progress.epoch + 1}",
            unit="step",
            leave=False,
            file=sys.__stderr__,  # the terminal itself: the bar is not recorded
            disable=None,  # no bar without a terminal
        )
        began = time.perf_counter()
        with bar:
            for done in range(first, last):
                self.step(self.batches, tf.constant(progress.step + done, tf.int64))
                self.state = replace(self.state, epoch_steps=done + 1)
                bar.update()
                if (done + 1) % STEPS_PER_CHECK == 0:
                    self.refuse_failed_step()
                self.stop_if_interrupted()
                minutes = self.training.checkpoint_minutes
                if minutes is not None and time.monotonic() - self.saved_at >= 60 * minutes:
                    self.save()
        self.refuse_failed_step()
        loss = float(self.step.loss_sum) / last
        return loss, (last - first) / (time.perf_counter() - began) if first < last else None

    def stop_if_interrupted(self) -> None:
        """Check for an interruption; write a checkpoint before `KeyboardInterrupt` propagates."""
        try:
            self.check_interrupted()
        except KeyboardInterrupt:
            self.save()
            print(f"stopped after step {self.state.step}: start again to resume", flush=True)
            raise

    def save(self) -> None:
        """Write a checkpoint.

        Raises `RunFailed` if a step has failed or a tensor is not finite, and `RecordError` if the
        files cannot be written.
        """
        self.refuse_failed_step()
        if self.state.epoch_steps:
            self.state = replace(self.state, loss_sum=float(self.step.loss_sum))
        self.state = replace(self.state, curves=tuple(self.curves.logged))
        tensors = {
            name: {path: np.asarray(variable.value.numpy()) for path, variable in variables.items()}
            for name, variables in self.step.collect_variables().items()
        }
        save_checkpoint(self.claimed.folder, self.state, self.claimed.fingerprint, tensors)
        self.saved_at = time.monotonic()

    def refuse_failed_step(self) -> None:
        """Raise `RunFailed`, naming the first failed step and its tracks, if a step has failed."""
        step = self.step.find_failed_step()
        if step is None:
            return
        tracks = self.store.subset("train")
        lengths = np.array([track.frames for track in tracks])
        size = self.state.progress.stage_settings(self.training).batch_size
        seed = self.training.seed
        draw = draw_batch(seed, step, size, lengths, self.model, self.augmentation)
        names = ", ".join(sorted({tracks[index].name for index in draw.tracks}))
        raise RunFailed(
            f"the loss or its gradient is no longer finite in step {step + 1}, on excerpts of "
            f"{names}: lower cfg.learning_rates, or check these tracks; {self.describe_kept()}"
        )

    def describe_kept(self) -> str:
        """Return the location of the best weights as text for error messages."""
        if not self.state.progress.best_epoch:
            return "there are no best weights yet"
        return f"the best weights are kept: {self.weights}"

    def end_stage(self) -> None:
        """Prepare the next stage, from the last or the best weights (`cfg.stage_start`)."""
        progress = self.state.progress.next_stage()
        self.state = replace(self.state, progress=progress)
        self.batches = None
        if not progress.is_over(self.training) and self.training.stage_start == "best":
            load_weights(self.step.model, self.model, self.weights)

    def report_epoch(self, loss: float, validation: float, pace: float | None) -> None:
        """Log the scalars of an epoch and print them in a line.

        Parameters
        ----------
        loss : float
            Mean training loss.
        validation : float
            Validation loss.
        pace : float or None
            Steps per second; None if only the validation of the epoch was left.
        """
        progress, training = self.state.progress, self.training
        rate = progress.stage_settings(training).learning_rate
        values = {
            "training.loss": loss,
            "validation.loss": validation,
            "training.learning_rate": rate,
        }
        if pace is not None:
            values["training.steps_per_second"] = pace
        self.curves.log(progress.step, values)
        speed = "" if pace is None else f"{pace:.3g} steps/s  "
        patience = f"patience {progress.epochs_without_improvement}/{training.patience}"
        print(
            f"stage {progress.stage + 1}/{len(training.stages)}  epoch {progress.epoch}  "
            f"step {progress.step}  learning rate {rate:g}  loss {loss:.6g}  "
            f"validation {validation:.6g}  {speed}{'best' if progress.improved else patience}",
            flush=True,
        )


def load_ancestor(
    step: TrainingStep, settings: ModelSettings, path: Path, sha256: str | None
) -> None:
    """Load the weights with which a training starts, and the state of their optimizer.

    Parameters
    ----------
    step : TrainingStep
        The training step, whose variables are assigned.
    settings : ModelSettings
        The settings of its model.
    path : Path
        The weights file. If there is the state of Adam beside it, the moments of all weights that
        are trained are loaded, too.
    sha256 : str or None
        The SHA-256 of the weights when the run began.

    Raises
    ------
    WeightsError
        If the weights have changed, are damaged, or belong to another model.
    """
    if read_manifest(path)["sha256"] != sha256:
        raise WeightsError(f"{path}: has changed since the start of this run: start it again")
    load_weights(step.model, settings, path)
    if state := read_optimizer(path):
        variables = {
            name: variable
            for name, variable in step.collect_variables()["training"].items()
            if name.endswith(("_momentum", "_velocity", "/iteration"))
        }
        tensors = {name: state[name] for name in variables.keys() & state.keys()}
        assign_tensors(variables, tensors, optimizer_path(path))


def assign_tensors(variables: Mapping[str, keras.Variable], tensors: Tensors, place: Path) -> None:
    """Assign the tensors of a checkpoint to variables.

    Parameters
    ----------
    variables : mapping of str to keras.Variable
    tensors : Tensors
        Tensors under the same names.
    place : Path
        The checkpoint's folder, for error messages.

    Raises
    ------
    WeightsError
        If names, shapes or types differ. No variable is changed.
    """
    wanted = {name: f"{[*variable.shape]} {variable.dtype}" for name, variable in variables.items()}
    stored = {name: f"{[*tensor.shape]} {tensor.dtype}" for name, tensor in tensors.items()}
    refuse_other_tensors(place, stored, wanted)
    for name, variable in variables.items():
        variable.assign(tensors[name])
