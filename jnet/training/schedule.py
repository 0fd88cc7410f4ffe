"""The progress of a training, and its update after an epoch."""

import math
from dataclasses import dataclass, replace

from jnet.settings.training import StageSettings, TrainingSettings


@dataclass(frozen=True)
class Progress:
    """The state of a training between two epochs.

    Attributes
    ----------
    stage : int
        Index of the current stage, from 0.
    epoch, step : int
        Numbers of epochs and steps done over all stages.
    stage_epoch : int
        Number of epochs done in the current stage.
    epochs_without_improvement : int
        Number of epochs in the current stage since the validation loss last improved.
    best_loss : float
        Lowest validation loss over all stages, as in the original Wave-U-Net.
    best_epoch : int
        The epoch with that loss, counted from 1; 0 before the first epoch.
    """

    stage: int = 0
    epoch: int = 0
    stage_epoch: int = 0
    step: int = 0
    epochs_without_improvement: int = 0
    best_loss: float = math.inf
    best_epoch: int = 0

    def after_epoch(self, loss: float, steps: int) -> "Progress":
        """Return the state after an epoch of `steps` steps with the validation loss `loss`."""
        better = loss < self.best_loss
        epoch = self.epoch + 1
        return replace(
            self,
            epoch=epoch,
            stage_epoch=self.stage_epoch + 1,
            step=self.step + steps,
            epochs_without_improvement=0 if better else self.epochs_without_improvement + 1,
            best_loss=loss if better else self.best_loss,
            best_epoch=epoch if better else self.best_epoch,
        )

    def stage_is_over(self, settings: TrainingSettings) -> bool:
        """Return whether the stage has used up its patience or reached `max_epochs`."""
        limit = settings.max_epochs
        return self.epochs_without_improvement >= settings.patience or (
            limit is not None and self.stage_epoch >= limit
        )

    def next_stage(self) -> "Progress":
        """Return the state at the start of the next stage."""
        return replace(self, stage=self.stage + 1, stage_epoch=0, epochs_without_improvement=0)

    def is_over(self, settings: TrainingSettings) -> bool:
        """Return whether all stages are done."""
        return self.stage >= len(settings.stages)

    def stage_settings(self, settings: TrainingSettings) -> StageSettings:
        """Return the settings of the current stage."""
        return settings.stages[self.stage]

    @property
    def improved(self) -> bool:
        """Whether the last epoch had the lowest validation loss so far."""
        return self.epoch > 0 and self.best_epoch == self.epoch
