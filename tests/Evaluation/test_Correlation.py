"""U against J: coefficients against SciPy, means and intervals against closed forms, quadrants."""

import numpy as np
import pytest
from scipy import stats

from Evaluation.Correlation import (
    VARIANTS,
    Interval,
    Pair,
    compare,
    kendall,
    pearson,
    quadrants,
    spearman,
)
from Evaluation.Results import Result, SongResult
from Spec.Errors import DataError


def result(label, songs):
    """A model's scores: `songs[name]` are the SDR of its vocals' windows."""
    return Result(
        label,
        tuple(
            SongResult(name, {"vocals": {"SDR": np.asarray(windows, float)}}, 0)
            for name, windows in songs.items()
        ),
        seed=None,
        run_id=None,
        commit=None,
        origin="",
        config=None,
    )


def random_songs(seed, shift=0.0, count=20):
    random = np.random.default_rng(seed)
    return {f"song {index}": random.normal(shift, 3, 5 + index) for index in range(count)}


def a_grid(variants=VARIANTS, spread=1.0):
    """All pairs: variant i scores i · `spread` dB more than the first, U 2 dB more than J."""
    return [
        result(f"{letter}{variant}", random_songs(0, index * spread + 2 * (letter == "U")))
        for index, variant in enumerate(variants)
        for letter in "UJ"
    ]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (pearson, stats.pearsonr),
        (spearman, stats.spearmanr),
        (kendall, stats.kendalltau),
    ],
)
def test_coefficients_are_scipys_ties_too_and_for_many_replicates_at_once(ours, theirs):
    random = np.random.default_rng(1)
    x = random.normal(size=(7, 11))
    y = np.round(x + random.normal(size=x.shape))
    y[0, :5] = y[0, 0]
    expected = [theirs(*row).statistic for row in zip(x, y, strict=True)]
    np.testing.assert_allclose(ours(x, y), expected, atol=1e-12)


@pytest.mark.parametrize("coefficient", [pearson, spearman, kendall])
def test_without_spread_or_with_two_pairs_nothing_is_defined(coefficient):
    assert np.isnan(coefficient(np.full(11, 0.1), np.arange(11.0)))
    assert np.isnan(coefficient(np.arange(11.0), np.full(11, 0.1)))
    assert np.isnan(coefficient(np.arange(2.0), np.arange(2.0)))
    assert np.isnan(coefficient(np.zeros((4, 0)), np.zeros((4, 0)))).all()


def test_means_are_over_all_windows_without_those_that_have_no_score():
    u = result("U1", {"a": [1, np.nan, 3], "b": [8]})
    j = result("J1", {"b": [2, np.inf], "a": [0]})
    comparison = compare([u, j], "vocals")
    assert comparison.pairs[0].u.value == 4
    assert comparison.pairs[0].j.value == 1
    assert comparison.without_score == 2
    assert comparison.songs == 2


def test_runs_of_one_label_count_as_one_model_with_all_their_windows():
    runs = [result("U1", {"a": [1, 2]}), result("U1", {"a": [6]}), result("J1", {"a": [0]})]
    assert compare(runs, "vocals").pairs[0].u.value == 3


def test_an_interval_is_that_of_a_mean_over_songs():
    """Songs of one score each: the interval of their mean is ± 1.96 standard errors."""
    values = stats.norm.ppf((np.arange(200) + 0.5) / 200) * 4
    songs = {f"song {index}": [value] for index, value in enumerate(values)}
    pair = compare([result("U1", songs), result("J1", songs)], "vocals").pairs[0]
    error = 1.96 * values.std() / np.sqrt(len(values))
    assert pair.u.low == pytest.approx(-error, rel=0.08)
    assert pair.u.high == pytest.approx(error, rel=0.08)
    assert pair.j == pair.u


def test_songs_are_drawn_for_all_models_at_once():
    """Models that differ by a constant do so in every draw: the correlation is 1 in all."""
    comparison = compare(a_grid(), "vocals")
    for name in ("Pearson", "Spearman", "Kendall"):
        value = comparison.coefficients[name]
        np.testing.assert_allclose((value.value, value.low, value.high), 1, atol=1e-12)
    assert comparison == compare(a_grid(), "vocals")
    assert comparison.pairs[0].u.low < comparison.pairs[0].u.value < comparison.pairs[0].u.high


def test_one_song_gives_no_interval():
    models = [result(f"{one}1", {"a": [1, 2]}) for one in "UJ"]
    pair = compare(models, "vocals").pairs[0]
    assert pair.u.value == 1.5
    assert np.isnan(pair.u.low)
    assert np.isnan(pair.u.high)


def test_quadrants_are_counted_round_the_pair_of_u1_and_j1():
    def pair(variant, u, j):
        return Pair(variant, Interval(u), Interval(j))

    pairs = [pair("1", 1, 5), pair("5", 2, 6), pair("3_5", 0, 9), pair("3_10", 0.5, 4)]
    pairs += [pair("4_1", 2, 4), pair("4_2", 3, 1), pair("4_3", 1, 9)]
    assert quadrants(pairs) == (1, 1, 1, 2)
    assert quadrants(pairs[1:]) is None
    assert compare(a_grid(), "vocals").quadrants == (10, 0, 0, 0)


def test_pairs_that_lack_a_model_and_results_that_are_none_are_named():
    models = [model for model in a_grid() if model.label not in ("U5", "J2_2_5", "U3_5", "J3_5")]
    models += [result("M4", random_songs(3)), result("L", random_songs(4)), result("U7", {})]
    comparison = compare(models, "vocals")
    assert comparison.missing == {
        "2_2_5": ("J2_2_5",),
        "3_5": ("U3_5", "J3_5"),
        "5": ("U5",),
    }
    assert comparison.left_out == ("M4", "L", "U7")
    assert [pair.variant for pair in comparison.pairs] == [
        variant for variant in VARIANTS if variant not in comparison.missing
    ]


def test_fewer_than_three_pairs_have_no_correlation():
    comparison = compare(a_grid(("1", "5")), "vocals")
    assert all(np.isnan(value.value) for value in comparison.coefficients.values())
    assert compare([], "vocals").pairs == ()


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ([{"a": [1], "b": [1]}, {"a": [1]}], "U1 and J1 were scored on different songs.*'b'"),
        ([{"a": [np.nan]}, {"a": [1]}], "U1: no window of vocals has a SDR"),
    ],
)
def test_models_that_cannot_be_compared_are_refused(models, words):
    u, j = (result(label, songs) for label, songs in zip(("U1", "J1"), models, strict=True))
    with pytest.raises(DataError, match=words):
        compare([u, j], "vocals")


def test_a_source_that_was_not_scored_is_named():
    models = [result(label, {"a": [1]}) for label in ("U1", "J1")]
    with pytest.raises(DataError, match="U1, a: has no score 'drums', only vocals"):
        compare(models, "drums")
