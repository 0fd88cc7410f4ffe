"""How a model is trained: the stages of the J-Net paper's Section 3.2, as data."""

from dataclasses import dataclass
from typing import Any

from Spec import Checks
from Spec.Errors import ConfigError

START = ("last", "best")
LOSSES = ("waveform", "magnitude")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@dataclass(frozen=True)
class StageSpec:
    """One round of training until early stopping."""

    batch_size: int
    learning_rate: float


@dataclass(frozen=True)
class TrainingSpec:
    """The whole training: stages one after another, each until `patience` epochs bring no better
    validation loss (or `max_epochs` have passed, where that is not None)."""

    stages: tuple[StageSpec, ...]
    stage_start: str
    epoch_steps: int
    patience: int
    max_epochs: int | None
    seed: int
    loss: str
    train_passes: int
    identity_weight: float
    precision: str
    eval_batch_size: int
    output_path: str
    checkpoint_minutes: float | None
    deterministic: bool

    @property
    def hears_sources(self) -> bool:
        """Whether single sources, clean or estimated, go through the network too."""
        return self.train_passes > 1 or self.identity_weight > 0


def training_spec(entries: dict[str, Any], seed: int) -> TrainingSpec:
    """The training that the config's `entries` describe; raises `ConfigError` for a wrong one."""
    sizes = Checks.listed("batch_sizes", entries["batch_sizes"])
    rates = Checks.listed("learning_rates", entries["learning_rates"])
    if len(sizes) != len(rates) or not sizes:
        raise ConfigError(
            f"cfg.batch_sizes has {len(sizes)} entries and cfg.learning_rates {len(rates)}: "
            f"give one of each for every stage"
        )
    stages = tuple(
        StageSpec(
            Checks.whole("batch_sizes", size, 1),
            Checks.positive("learning_rates", rate),
        )
        for size, rate in zip(sizes, rates, strict=True)
    )
    limit, minutes = entries["max_epochs"], entries["checkpoint_minutes"]
    return TrainingSpec(
        stages=stages,
        stage_start=Checks.one_of("stage_start", entries["stage_start"], START),
        epoch_steps=Checks.whole("epoch_steps", entries["epoch_steps"], 1),
        patience=Checks.whole("patience", entries["patience"], 1),
        max_epochs=None if limit is None else Checks.whole("max_epochs", limit, 1),
        seed=seed,
        loss=Checks.one_of("loss", entries["loss"], LOSSES),
        train_passes=Checks.whole("train_passes", entries["train_passes"], 1),
        identity_weight=Checks.at_least_zero("identity_weight", entries["identity_weight"]),
        precision=Checks.one_of("precision", entries["precision"], PRECISIONS),
        eval_batch_size=Checks.whole("eval_batch_size", entries["eval_batch_size"], 1),
        output_path=Checks.path("output_path", entries["output_path"]),
        checkpoint_minutes=(
            None if minutes is None else Checks.at_least_zero("checkpoint_minutes", minutes)
        ),
        deterministic=Checks.switch("deterministic", entries["deterministic"]),
    )
