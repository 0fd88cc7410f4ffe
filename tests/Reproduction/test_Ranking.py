"""Orders and how sure they are, against closed forms."""

from math import comb

import numpy as np
import pytest

from Evaluation.Correlation import means_and_replicates
from Evaluation.FigureData import SongSums
from Reproduction.Ranking import Round, ranking, survivors


def scored(labels, songs, steps=10):
    """A rung of variants with these windows' sums `[M, S]`, one window a song."""
    songs = np.asarray(songs, np.float64)
    means, drawn = means_and_replicates([SongSums(row, np.ones(len(row)), 0) for row in songs])
    return Round(tuple(labels), steps, means, drawn, songs.shape[1])


def test_a_variant_better_on_every_song_is_certainly_better():
    table = ranking([scored("abc", [[1, 2, 3], [5, 6, 7], [2, 3, 4]])])
    assert [one.label for one in table] == ["b", "c", "a"]
    assert [one.mean for one in table] == [6, 3, 2]
    assert [one.rank for one in table] == [1, 2, 3]
    assert [one.before_next for one in table] == [1, 1, None]
    assert [(one.low, one.high) for one in table] == [(1, 1), (2, 2), (3, 3)]


def test_two_equal_variants_are_an_even_chance():
    (first, _) = ranking([scored("ab", [[1, 2, 3], [1, 2, 3]])])
    assert first.before_next == 0.5
    assert (first.low, first.high) == (1, 1)


def test_the_share_is_the_binomials():
    """On 9 songs a is 1 dB better, on 2 it is 3 dB worse: in a draw of 11 it is the better one
    where fewer than 11/4 songs are of the two."""
    songs = [[1.0] * 9 + [-3.0] * 2, [0.0] * 11]
    (first, _) = ranking([scored("ab", songs)])
    p = 2 / 11
    wanted = sum(comb(11, k) * p**k * (1 - p) ** (11 - k) for k in range(3))
    assert first.label == "a"
    assert first.before_next == pytest.approx(wanted, abs=0.03)


def test_noise_leaves_every_rank_open():
    random = np.random.default_rng(0)
    table = ranking([scored("abcd", random.normal(0, 1, (4, 5)))])
    assert any(one.high - one.low >= 2 for one in table)
    assert all(1 <= one.low <= one.high <= one.among == 4 for one in table)


def test_who_went_further_is_before_who_did_not():
    first = scored("abcd", [[4, 4], [3, 3], [2, 2], [1, 1]], steps=10)
    assert survivors(first, 2) == ["a", "b"]
    second = scored("ab", [[5, 5], [6, 6]], steps=30)
    table = ranking([first, second])
    assert [one.label for one in table] == ["b", "a", "c", "d"]
    assert [one.steps for one in table] == [30, 30, 10, 10]
    assert [one.among for one in table] == [2, 2, 4, 4]
    assert table[1].before_next == 1  # a before c, as the first rung has it
    assert (table[2].low, table[2].high) == (3, 3)


def test_one_song_says_nothing_of_others():
    table = ranking([scored("ab", [[1], [2]])])
    assert [one.label for one in table] == ["b", "a"]
    assert table[0].before_next is None
    assert table[0].low is None
