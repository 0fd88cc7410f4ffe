"""From the config's entries to everything a run is, checked once."""

import os
from dataclasses import dataclass
from typing import Any

from Spec.Data import DataSpec, data_spec
from Spec.Errors import ConfigError
from Spec.Model import ModelSpec, model_spec
from Spec.Scoring import ScoringSpec, scoring_spec
from Spec.Shapes import check_lengths
from Spec.Training import TrainingSpec, training_spec


@dataclass(frozen=True)
class Specs:
    """Everything a run is, checked."""

    model: ModelSpec
    data: DataSpec
    training: TrainingSpec
    scoring: ScoringSpec


def specs(entries: dict[str, Any], seed: int) -> Specs:
    """The run that the `cfg` entries and the seed describe; `ConfigError` if there is none."""
    model = model_spec(entries, seed)
    check_lengths(model)
    training = training_spec(entries, seed)
    check_together(model, training)
    return Specs(
        model=model,
        data=data_spec(entries, model, os.environ),
        training=training,
        scoring=scoring_spec(entries),
    )


def check_together(model: ModelSpec, training: TrainingSpec) -> None:
    """Refuse a training that its model cannot go through."""
    if training.loss == "magnitude" and model.network != "unet_spectrogram":
        raise ConfigError(
            f"cfg.loss is 'magnitude', which only cfg.network = 'unet_spectrogram' has: "
            f"cfg.network is {model.network!r}"
        )
    if training.loss == "magnitude" and training.hears_sources:
        raise ConfigError(
            "cfg.loss is 'magnitude', which trains masks: cfg.train_passes and "
            "cfg.identity_weight need 'waveform'"
        )
    if model.context and training.hears_sources:
        raise ConfigError(
            "cfg.context is True, which gives out less than it takes in: cfg.train_passes and "
            "cfg.identity_weight put outputs in again and need cfg.context = False"
        )
