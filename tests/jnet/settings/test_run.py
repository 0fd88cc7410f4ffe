"""The effects of config entries, fingerprints of trainings, and the addition of an entry."""

from dataclasses import dataclass

import pytest

from Config import DEFAULTS, config_ingredient, make_run_settings
from jnet.errors import ConfigError
from jnet.settings import run as run_module
from jnet.settings.run import config_keys_affecting, make_training_fingerprint
from jnet.settings.training import TrainingSettings
from Models.Entries import NOTHING, SCORES, SHAPE, SPEED, WEIGHTS, Effect, entry, whole


def test_every_entry_of_the_config_is_declared_with_one_effect():
    declared = [key for effect in Effect for key in config_keys_affecting(effect)]
    assert sorted(declared) == sorted(DEFAULTS)


@pytest.mark.parametrize(
    ("effect", "keys"),
    [
        (SCORES, {"passes", "whole_track"}),
        (SPEED, {"scorer", "computation", "eval_batch_size", "num_workers", "deterministic"}),
        (NOTHING, {"output_path", "store_path", "checkpoint_minutes", "save_estimates"}),
        (WEIGHTS, {"frozen", "init", "patience", "batch_sizes", "precision", "dataset"}),
        (SHAPE, {"network", "num_layers", "task", "sample_rate", "context", "res_path_units"}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_entries_have_their_documented_effects(effect, keys):
    assert keys <= config_keys_affecting(effect)


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"checkpoint_minutes": 5}, True),
        ({"deterministic": True}, True),
        ({"scorer": "museval"}, True),
        ({"whole_track": True}, True),
        ({"passes": 3}, True),
        ({"computation": "plain"}, True),
        ({"patience": 3}, False),
        ({"frozen": ["encoder"]}, False),
        ({"num_layers": 9}, False),
        ({"precision": "mixed_bfloat16"}, False),
    ],
    ids=str,
)
def test_a_fingerprint_changes_only_with_entries_that_affect_the_weights(changes, same):
    before = make_training_fingerprint(make_run_settings(DEFAULTS, 1), "store")
    after = make_training_fingerprint(make_run_settings({**DEFAULTS, **changes}, 1), "store")
    assert (before == after) is same


def test_seed_and_data_are_part_of_the_fingerprint():
    settings = make_run_settings(DEFAULTS, 1)
    first = make_training_fingerprint(settings, "store")
    assert make_training_fingerprint(make_run_settings(DEFAULTS, 2), "store") != first
    assert make_training_fingerprint(settings, "another store") != first


@dataclass(frozen=True)
class WithWarmUp(TrainingSettings):
    """Training settings with one additional entry."""

    warm_up_steps: int = entry(whole(at_least=0), affects=WEIGHTS)


def test_a_new_entry_needs_one_line_of_the_config_and_one_field(monkeypatch):
    """The check of its value and the fingerprint include it automatically."""
    monkeypatch.setitem(DEFAULTS, "warm_up_steps", 0)  # the line of Config.py
    monkeypatch.setattr(run_module, "TrainingSettings", WithWarmUp)  # the field
    assert make_run_settings(DEFAULTS, 1).training.warm_up_steps == 0
    with pytest.raises(ConfigError, match=r"cfg\.warm_up_steps is -1: give a whole number of at"):
        make_run_settings({**DEFAULTS, "warm_up_steps": -1}, 1)
    assert "warm_up_steps" in config_keys_affecting(WEIGHTS)
    fingerprints = [
        make_training_fingerprint(
            make_run_settings({**DEFAULTS, "warm_up_steps": steps}, 1), "store"
        )
        for steps in (0, 7)
    ]
    assert [fingerprint["warm_up_steps"] for fingerprint in fingerprints] == [0, 7]


def test_a_j_config_is_its_u_config_with_a_random_encoder():
    named = {name: dict(config()) for name, config in config_ingredient.named_configs.items()}
    variants = ("1", "2_2_5", "2_2_10", "2_3_5", "2_3_10", "3_5", "3_10", "4", "5")
    for variant in variants:
        assert named[f"J{variant}"] == {**named[f"U{variant}"], "frozen": ["encoder", "skip"]}
