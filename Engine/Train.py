"""The training of one model, stage after stage, to its best weights (J-Net, Section 3.2)."""

import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import keras
from tqdm import tqdm

from Engine.Record import Curves, Record
from Engine.Schedule import Progress
from Engine.Trainer import Trainer, compiled_trainer, validation_loss
from Engine.Weights import SUFFIX, load_weights, manifest_path, save_weights, sha256_of
from Input.Pipeline import training_batches, validation_batches
from Input.Store import Store
from Spec.Errors import RunFailed
from Spec.Model import ModelSpec
from Spec.Training import TrainingSpec


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
    model: ModelSpec, training: TrainingSpec, store: Store, folder: Path, record: Record
) -> Trained:
    """Train `model` on `store`, then measure its best weights on the test set.

    Weights and curves go into `folder`, numbers to `record`. Raises `RunFailed` when the loss is
    no longer finite.
    """
    trainer = compiled_trainer(model, training)
    curves = Curves(record, folder / "tensorboard")
    weights = folder / f"best{SUFFIX}"
    loss_of = validation_loss(trainer.separator, model)
    held_out = validation_batches(store, "valid", model, training.eval_batch_size)
    progress = Progress()
    while not progress.is_over(training):
        if progress.stage > 0 and training.stage_start == "best":
            load_weights(trainer.separator, model, weights)
        progress = run_stage(
            trainer,
            progress,
            StageEnd(training, model, curves, weights, lambda: loss_of(held_out)),
            store,
        ).next_stage()
    load_weights(trainer.separator, model, weights)
    test_loss = loss_of(validation_batches(store, "test", model, training.eval_batch_size))
    curves.log(progress.step, test__loss=test_loss)
    print(f"test loss {test_loss:.6g} with the weights of epoch {progress.best_epoch}")
    return Trained(
        trainer.separator,
        weights,
        manifest_path(weights),
        sha256_of(weights),
        progress,
        test_loss,
    )


def run_stage(
    trainer: Trainer, progress: Progress, epoch_end: "StageEnd", store: Store
) -> Progress:
    """One stage of Keras `fit`, until its early stopping; where the training then stands."""
    training = epoch_end.training
    stage = progress.stage_spec(training)
    trainer.optimizer.learning_rate.assign(stage.learning_rate)
    batches = training_batches(
        store, epoch_end.spec, stage.batch_size, training.seed, progress.step
    )
    epoch_end.progress = progress
    trainer.fit(
        batches,
        epochs=sys.maxsize,
        steps_per_epoch=training.epoch_steps,
        callbacks=[StepBar(training, progress), epoch_end],
        shuffle=False,
        verbose=0,
    )
    return epoch_end.progress


class StageEnd(keras.callbacks.Callback):
    """After every epoch: validate, keep the best weights, report, and end the stage in time."""

    def __init__(self, training, model, curves, weights, validate):
        super().__init__()
        self.training = training
        self.spec = model
        self.curves = curves
        self.weights = weights
        self.validate = validate
        self.progress = Progress()
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        loss = logs["loss"]
        pace = self.training.epoch_steps / (time.perf_counter() - self.began)
        validation = self.validate() if math.isfinite(loss) else math.nan
        steps = self.training.epoch_steps
        if not math.isfinite(validation):
            raise RunFailed(
                f"the loss is no longer finite (training {loss}, validation {validation}) in the "
                f"{steps} steps before step {self.progress.step + steps}: lower "
                f"cfg.learning_rates; the best weights so far are kept"
            )
        self.progress = self.progress.after_epoch(validation, steps)
        if self.progress.improved:
            self.keep_best(validation)
        self.report(loss, validation, pace)
        self.model.stop_training = self.progress.stage_is_over(self.training)

    def keep_best(self, validation: float) -> None:
        """Write the weights over the best so far."""
        save_weights(
            self.model.separator,
            self.spec,
            self.weights,
            validation_loss=validation,
            stage=self.progress.stage,
            epoch=self.progress.epoch,
            step=self.progress.step,
        )

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()

    def report(self, loss: float, validation: float, pace: float) -> None:
        """The epoch's numbers to the curves, and as one line to the terminal; `pace` in steps a
        second."""
        progress, training = self.progress, self.training
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


class StepBar(keras.callbacks.Callback):
    """A bar over an epoch's steps on the terminal alone: nothing of it is captured or recorded."""

    def __init__(self, training: TrainingSpec, progress: Progress):
        super().__init__()
        self.training = training
        self.stage = progress.stage
        self.bar = tqdm(disable=True)

    def on_epoch_begin(self, epoch, logs=None):
        self.bar = tqdm(
            total=self.training.epoch_steps,
            desc=f"stage {self.stage + 1} epoch {epoch + 1}",
            unit="step",
            leave=False,
            file=sys.__stderr__,
            disable=None,  # where there is no terminal
        )

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update()

    def on_epoch_end(self, epoch, logs=None):
        self.bar.close()
