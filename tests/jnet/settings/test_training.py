"""The settings of a training: defaults from the paper, and errors for invalid values."""

import dataclasses

import pytest

from Config import DEFAULTS
from jnet.errors import ConfigError
from jnet.settings.training import StageSettings, TrainingSettings
from Models.Entries import from_entries


def make_settings(**changes):
    return from_entries(TrainingSettings, {**DEFAULTS, **changes}, seed=4)


def test_the_defaults_are_the_stages_of_the_j_net_paper():
    """J-Net paper, Section 3.2."""
    settings = make_settings()
    assert settings.stages == (
        StageSettings(16, 1e-4),
        StageSettings(32, 1e-5),
        StageSettings(32, 1e-6),
    )
    assert (settings.epoch_steps, settings.patience, settings.max_epochs) == (2000, 15, None)
    assert settings.stage_start == "last"
    assert settings.seed == 4


def test_the_stages_of_the_wave_u_net_paper_can_be_set():
    """Wave-U-Net paper, Section 4.2."""
    settings = make_settings(batch_sizes=[16, 32], learning_rates=[1e-4, 1e-5], patience=20)
    assert settings.stages == (StageSettings(16, 1e-4), StageSettings(32, 1e-5))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("batch_sizes", [16], "batch_sizes has 1 entries and cfg.learning_rates 3"),
        ("learning_rates", [], "one batch size and one learning rate for every stage"),
        ("batch_sizes", 16, "give a list"),
        ("batch_sizes", [16, 32, 0], "0: give a whole number of at least 1"),
        ("batch_sizes", [16, 32, 1.5], "1.5: give a whole number"),
        ("learning_rates", "1e-4", "give a list"),
        ("learning_rates", [1e-4, 1e-5, 0], "0: give a number above zero"),
        ("learning_rates", [1e-4, 1e-5, -1e-6], "-1e-06: give a number"),
        ("learning_rates", [1e-4, 1e-5, float("nan")], "nan: give a number"),
        ("learning_rates", [1e-4, 1e-5, float("inf")], "inf: give a number"),
        ("learning_rates", [1e-4, 1e-5, "x"], "'x': give a number"),
        ("learning_rates", [1e-4, 1e-5, True], "True: give a number"),
        ("stage_start", "first", "choose 'best', 'last'"),
        ("stage_start", "bset", "did you mean 'best'?"),
        ("epoch_steps", 0, "at least 1"),
        ("patience", 0, "at least 1"),
        ("max_epochs", 0, "at least 1"),
        ("max_epochs", "none", "whole number"),
        ("output_path", "", "give a text"),
        ("output_path", None, "give a text"),
    ],
)
def test_an_invalid_value_is_refused_with_a_remedy(key, value, message):
    with pytest.raises(ConfigError, match=f"cfg.{key}") as error:
        make_settings(**{key: value})
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_training_without_stages_is_refused():
    with pytest.raises(ConfigError, match="one batch size and one learning rate for every stage"):
        make_settings(batch_sizes=[], learning_rates=[])


def test_settings_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_settings().patience = 3
    assert isinstance(make_settings().stages, tuple)
