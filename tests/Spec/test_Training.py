"""The stages of a training: the papers' are the defaults, and impossible ones are refused."""

import dataclasses

import pytest

from Config import DEFAULTS
from Spec.Errors import ConfigError
from Spec.Training import StageSpec, training_spec


def described(**changes):
    return training_spec({**DEFAULTS, **changes}, seed=4)


def test_the_defaults_are_the_stages_of_the_j_net_paper():
    """J-Net paper, Section 3.2."""
    spec = described()
    assert spec.stages == (StageSpec(16, 1e-4), StageSpec(32, 1e-5), StageSpec(32, 1e-6))
    assert (spec.epoch_steps, spec.patience, spec.max_epochs) == (2000, 15, None)
    assert spec.stage_start == "last"
    assert spec.seed == 4


def test_the_stages_of_the_wave_u_net_paper_can_be_described():
    """Wave-U-Net paper, Section 4.2."""
    spec = described(batch_sizes=[16, 32], learning_rates=[1e-4, 1e-5], patience=20)
    assert spec.stages == (StageSpec(16, 1e-4), StageSpec(32, 1e-5))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("batch_sizes", [16], "batch_sizes has 1 entries and cfg.learning_rates 3"),
        ("learning_rates", [], "one of each for every stage"),
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
        ("eval_batch_size", 0, "at least 1"),
        ("output_path", "", "give a text"),
        ("output_path", None, "give a text"),
    ],
)
def test_a_wrong_value_is_told_what_would_be_right(key, value, said):
    with pytest.raises(ConfigError, match=f"cfg.{key}") as error:
        described(**{key: value})
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_no_stages_at_all_are_refused():
    with pytest.raises(ConfigError, match="one of each for every stage"):
        described(batch_sizes=[], learning_rates=[])


def test_a_description_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        described().patience = 3
    assert isinstance(described().stages, tuple)
