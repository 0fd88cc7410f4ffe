"""The budget's schedule: its sums, and the steps that its config entries come to."""

import pytest

from Reproduction.Halving import Rung, rungs, training_words
from Spec.Errors import ConfigError


def test_few_variants_share_the_budget_alike():
    assert rungs(6, 600) == (Rung(6, 100),)
    assert rungs(2, 7) == (Rung(2, 3),)


def test_eleven_variants_are_halved_twice():
    assert rungs(11, 3300) == (Rung(11, 100), Rung(6, 183), Rung(3, 366))
    assert [rung.variants for rung in rungs(7, 1000)] == [7, 4]


@pytest.mark.parametrize("variants", range(2, 40))
@pytest.mark.parametrize("budget", [1000, 99_999])
def test_the_schedule_sums_to_the_budget(variants, budget):
    schedule = rungs(variants, budget)
    spent = sum(rung.variants * rung.steps for rung in schedule)
    lost = len(schedule) - 1 + sum(rung.variants - 1 for rung in schedule)
    assert budget - lost <= spent <= budget
    steps = [rung.steps for rung in schedule]
    assert steps == sorted(steps)


@pytest.mark.parametrize("steps", [2, 3, 499, 500, 501, 1000, 4321])
def test_a_trainings_stages_sum_to_its_steps_and_none_stops_early(steps):
    entries = {"batch_sizes": [8, 8], "epoch_steps": 250}
    words = dict(word.split("=") for word in training_words(entries, steps))
    epoch_steps, epochs = int(words["cfg.epoch_steps"]), int(words["cfg.max_epochs"])
    assert steps - 2 * epochs < 2 * epochs * epoch_steps <= steps
    assert epochs == max(1, steps // 500)
    assert int(words["cfg.patience"]) >= epochs


def test_too_small_a_budget_is_told():
    with pytest.raises(ConfigError, match="leaves 1 steps for a training of 2 stages"):
        training_words({"batch_sizes": [8, 8], "epoch_steps": 250}, 1)
