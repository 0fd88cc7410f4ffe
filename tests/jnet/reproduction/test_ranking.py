"""Compare the rungs of a budget, rankings and their uncertainty with closed forms."""

from math import comb

import numpy as np
import pytest

from jnet.errors import ConfigError
from jnet.reproduction.ranking import (
    Rung,
    RungScores,
    limit_steps,
    plan_rungs,
    rank_variants,
)
from jnet.results.bootstrap import resample_means
from jnet.results.windows import TrackSums


def test_few_variants_have_equal_shares_of_the_budget():
    assert plan_rungs(6, 600) == (Rung(6, 100),)
    assert plan_rungs(2, 7) == (Rung(2, 3),)


def test_eleven_variants_are_halved_twice():
    assert plan_rungs(11, 3300) == (Rung(11, 100), Rung(6, 183), Rung(3, 366))
    assert [rung.variants for rung in plan_rungs(7, 1000)] == [7, 4]


@pytest.mark.parametrize("variants", range(2, 40))
@pytest.mark.parametrize("budget", [1000, 99_999])
def test_the_steps_of_all_rungs_sum_to_the_budget(variants, budget):
    rungs = plan_rungs(variants, budget)
    spent = sum(rung.variants * rung.steps for rung in rungs)
    remainders = len(rungs) - 1 + sum(rung.variants - 1 for rung in rungs)
    assert budget - remainders <= spent <= budget
    steps = [rung.steps for rung in rungs]
    assert steps == sorted(steps)


@pytest.mark.parametrize("steps", [2, 3, 499, 500, 501, 1000, 4321])
def test_the_stages_of_a_training_sum_to_its_steps_without_early_stopping(steps):
    entries = {"batch_sizes": [8, 8], "epoch_steps": 250}
    words = dict(word.split("=") for word in limit_steps(entries, steps))
    epoch_steps, epochs = int(words["cfg.epoch_steps"]), int(words["cfg.max_epochs"])
    assert steps - 2 * epochs < 2 * epochs * epoch_steps <= steps
    assert epochs == max(1, steps // 500)
    assert int(words["cfg.patience"]) >= epochs


def test_a_budget_that_is_too_small_is_rejected():
    with pytest.raises(ConfigError, match="leaves 1 steps for a training of 2 stages"):
        limit_steps({"batch_sizes": [8, 8], "epoch_steps": 250}, 1)


def make_rung(labels, scores, steps=10):
    """Return a rung of variants with the scores `[M, tracks]`, one window per track."""
    scores = np.asarray(scores, np.float64)
    means, replicates = resample_means([TrackSums(row, np.ones(len(row)), 0) for row in scores])
    return RungScores(tuple(labels), steps, means, replicates, scores.shape[1])


def test_a_variant_better_on_every_track_is_certainly_better():
    table = rank_variants([make_rung("abc", [[1, 2, 3], [5, 6, 7], [2, 3, 4]])])
    assert [line.variant for line in table] == ["b", "c", "a"]
    assert [line.mean_sdr for line in table] == [6, 3, 2]
    assert [line.rank for line in table] == [1, 2, 3]
    assert [line.before_next for line in table] == [1, 1, None]
    assert [(line.rank_low, line.rank_high) for line in table] == [(1, 1), (2, 2), (3, 3)]


def test_two_equal_variants_are_better_with_a_probability_of_one_half():
    (first, _) = rank_variants([make_rung("ab", [[1, 2, 3], [1, 2, 3]])])
    assert first.before_next == 0.5
    assert (first.rank_low, first.rank_high) == (1, 1)


def test_the_fraction_of_replicates_equals_the_binomial_probability():
    """Variant a is 1 dB better on 9 tracks and 3 dB worse on 2 tracks.

    It is better in a replicate of 11 tracks if fewer than 11/4 of them are among the 2.
    """
    tracks = [[1.0] * 9 + [-3.0] * 2, [0.0] * 11]
    (first, _) = rank_variants([make_rung("ab", tracks)])
    p = 2 / 11
    wanted = sum(comb(11, k) * p**k * (1 - p) ** (11 - k) for k in range(3))
    assert first.variant == "a"
    assert first.before_next == pytest.approx(wanted, abs=0.03)


def test_noise_gives_wide_intervals_of_ranks():
    random = np.random.default_rng(0)
    table = rank_variants([make_rung("abcd", random.normal(0, 1, (4, 5)))])
    assert any(line.rank_high - line.rank_low >= 2 for line in table)
    assert all(1 <= line.rank_low <= line.rank_high <= line.among == 4 for line in table)


def test_variants_of_later_rungs_come_first():
    first = make_rung("abcd", [[4, 4], [3, 3], [2, 2], [1, 1]], steps=10)
    assert first.order_variants()[:2] == ["a", "b"]
    second = make_rung("ab", [[5, 5], [6, 6]], steps=30)
    table = rank_variants([first, second])
    assert [line.variant for line in table] == ["b", "a", "c", "d"]
    assert [line.steps for line in table] == [30, 30, 10, 10]
    assert [line.among for line in table] == [2, 2, 4, 4]
    assert table[1].before_next == 1  # a is better than c in the first rung
    assert (table[2].rank_low, table[2].rank_high) == (3, 3)


def test_a_single_track_gives_no_intervals():
    table = rank_variants([make_rung("ab", [[1], [2]])])
    assert [line.variant for line in table] == ["b", "a"]
    assert table[0].before_next is None
    assert table[0].rank_low is None
