"""Where a training stands, and what the result of an epoch does to it: pure, no framework."""

import math
from dataclasses import dataclass, replace

from Spec.Training import StageSpec, TrainingSpec


@dataclass(frozen=True)
class Progress:
    """The state of a training between two epochs.

    `stage` counts from 0; `epoch` and `step` count over the whole training, `stage_epoch` within
    the stage; `waited` counts epochs since the validation loss last improved, within the stage.
    The best loss is over all stages, as in the original Wave-U-Net.
    """

    stage: int = 0
    epoch: int = 0
    stage_epoch: int = 0
    step: int = 0
    waited: int = 0
    best_loss: float = math.inf
    best_epoch: int = 0

    def after_epoch(self, loss: float, steps: int) -> "Progress":
        """The state after an epoch of `steps` that ended with validation loss `loss`."""
        better = loss < self.best_loss
        epoch = self.epoch + 1
        return replace(
            self,
            epoch=epoch,
            stage_epoch=self.stage_epoch + 1,
            step=self.step + steps,
            waited=0 if better else self.waited + 1,
            best_loss=loss if better else self.best_loss,
            best_epoch=epoch if better else self.best_epoch,
        )

    def stage_is_over(self, spec: TrainingSpec) -> bool:
        """Whether patience or the limit of epochs is used up."""
        limit = spec.max_epochs
        return self.waited >= spec.patience or (limit is not None and self.stage_epoch >= limit)

    def next_stage(self) -> "Progress":
        """The state at the start of the stage after this one."""
        return replace(self, stage=self.stage + 1, stage_epoch=0, waited=0)

    def is_over(self, spec: TrainingSpec) -> bool:
        """Whether all stages are done."""
        return self.stage >= len(spec.stages)

    def stage_spec(self, spec: TrainingSpec) -> StageSpec:
        """The stage that is running."""
        return spec.stages[self.stage]

    @property
    def improved(self) -> bool:
        """Whether the last epoch was the best so far."""
        return self.epoch > 0 and self.best_epoch == self.epoch
