"""The settings of training (J-Net paper, Section 3.2)."""

from dataclasses import dataclass

from jnet.errors import ConfigError
from Models.Entries import (
    NOTHING,
    SPEED,
    WEIGHTS,
    Use,
    entry,
    list_of,
    not_negative,
    one_of,
    optional,
    path,
    positive,
    switch,
    text,
    whole,
)

STAGE_STARTS = ("last", "best")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
LATER_STAGES = Use("batch_sizes", lambda sizes: len(sizes) > 1, "several stages in cfg.batch_sizes")


@dataclass(frozen=True)
class StageSettings:
    """The settings of one stage, a round of training until early stopping."""

    batch_size: int
    learning_rate: float


@dataclass(frozen=True)
class TrainingSettings:
    """The settings of a training, which consists of one or more stages.

    A stage ends after `patience` epochs without a better validation loss, or after `max_epochs`
    epochs unless that is None.
    """

    seed: int
    batch_sizes: tuple[int, ...] = entry(list_of(whole(at_least=1)), affects=WEIGHTS)
    learning_rates: tuple[float, ...] = entry(list_of(positive), affects=WEIGHTS)
    epoch_steps: int = entry(whole(at_least=1), affects=WEIGHTS)
    patience: int = entry(whole(at_least=1), affects=WEIGHTS)
    max_epochs: int | None = entry(optional(whole(at_least=1)), affects=WEIGHTS)
    loss: str = entry(text, affects=WEIGHTS)
    train_passes: int = entry(whole(at_least=1), affects=WEIGHTS)
    identity_weight: float = entry(not_negative, affects=WEIGHTS)
    init_from: str | None = entry(optional(path), affects=WEIGHTS)
    precision: str = entry(one_of(PRECISIONS), affects=WEIGHTS)
    stage_start: str = entry(one_of(STAGE_STARTS), affects=WEIGHTS, use=LATER_STAGES)
    output_path: str = entry(path, affects=NOTHING)
    checkpoint_minutes: float | None = entry(optional(not_negative), affects=NOTHING)
    deterministic: bool = entry(switch, affects=SPEED)

    def __post_init__(self):
        sizes, rates = len(self.batch_sizes), len(self.learning_rates)
        if sizes != rates or not sizes:
            raise ConfigError(
                f"cfg.batch_sizes has {sizes} entries and cfg.learning_rates {rates}: give "
                f"one batch size and one learning rate for every stage"
            )

    @property
    def stages(self) -> tuple[StageSettings, ...]:
        """The settings of the stages, in order."""
        return tuple(map(StageSettings, self.batch_sizes, self.learning_rates))

    @property
    def separates_sources(self) -> bool:
        """Whether the network also separates single sources, clean or estimated."""
        return self.train_passes > 1 or self.identity_weight > 0
