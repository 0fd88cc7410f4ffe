"""U and J compared: coefficients equal SciPy's, means and intervals equal closed forms."""

import numpy as np
import pytest
from scipy import stats

from jnet.errors import DataError
from jnet.reports.correlation import (
    VARIANTS,
    Pair,
    compute_coefficients,
    correlate,
    count_quadrants,
    pair_models,
)
from jnet.results.bootstrap import Interval
from jnet.results.result import Result
from jnet.scoring.track_scores import TrackScores


def make_result(label, tracks):
    """Return a model's scores; `tracks` has the SDR of the vocals' windows by track."""
    return Result(
        label,
        tuple(
            TrackScores(name, {"vocals": {"SDR": np.asarray(windows, float)}})
            for name, windows in tracks.items()
        ),
        origin="",
    )


def draw_tracks(seed, shift=0.0, count=20):
    random = np.random.default_rng(seed)
    return {f"track {index}": random.normal(shift, 3, 5 + index) for index in range(count)}


def make_all_pairs(variants=VARIANTS, spread=1.0):
    """Return all pairs.

    Variant i scores i · `spread` dB more than the first, and U 2 dB more than J.
    """
    return [
        make_result(f"{letter}{variant}", draw_tracks(0, index * spread + 2 * (letter == "U")))
        for index, variant in enumerate(variants)
        for letter in "UJ"
    ]


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("Pearson", stats.pearsonr),
        ("Spearman", stats.spearmanr),
        ("Kendall", stats.kendalltau),
    ],
)
def test_coefficients_equal_scipys_with_ties_and_for_many_replicates(name, theirs):
    random = np.random.default_rng(1)
    x = random.normal(size=(7, 11))
    y = np.round(x + random.normal(size=x.shape))
    y[0, :5] = y[0, 0]
    expected = [theirs(*row).statistic for row in zip(x, y, strict=True)]
    np.testing.assert_allclose(compute_coefficients(x, y)[name], expected, atol=1e-12)


@pytest.mark.filterwarnings("error")
def test_correlations_are_nan_without_spread_or_with_two_pairs():
    def list_values(x, y):
        intervals = correlate(np.tile(np.stack([x, y], axis=1).ravel(), (3, 1)))
        assert list(intervals) == ["Pearson", "Spearman", "Kendall"]
        return [
            number
            for interval in intervals.values()
            for number in (interval.value, interval.low, interval.high)
        ]

    assert np.isnan(list_values(np.full(11, 0.1), np.arange(11.0))).all()
    assert np.isnan(list_values(np.arange(11.0), np.full(11, 0.1))).all()
    assert np.isnan(list_values(np.arange(2.0), np.arange(2.0))).all()
    assert np.isnan(list_values(np.zeros(0), np.zeros(0))).all()
    np.testing.assert_allclose(list_values(np.arange(3.0), np.arange(3.0)), 1)


def test_means_are_over_all_windows_with_a_score():
    u = make_result("U1", {"a": [1, np.nan, 3], "b": [8]})
    j = make_result("J1", {"b": [2, np.inf], "a": [0]})
    comparison = pair_models([u, j], "vocals")
    assert comparison.pairs[0].u.value == 4
    assert comparison.pairs[0].j.value == 1
    assert comparison.without_score == 2
    assert comparison.tracks == 2


def test_runs_of_one_label_count_as_one_model_with_all_their_windows():
    runs = [
        make_result("U1", {"a": [1, 2]}),
        make_result("U1", {"a": [6]}),
        make_result("J1", {"a": [0]}),
    ]
    assert pair_models(runs, "vocals").pairs[0].u.value == 3


def test_the_interval_is_that_of_a_mean_over_tracks():
    """For tracks with a single score, the interval is ± 1.96 standard errors."""
    values = stats.norm.ppf((np.arange(200) + 0.5) / 200) * 4
    tracks = {f"track {index}": [value] for index, value in enumerate(values)}
    pair = pair_models([make_result("U1", tracks), make_result("J1", tracks)], "vocals").pairs[0]
    error = 1.96 * values.std() / np.sqrt(len(values))
    assert pair.u.low == pytest.approx(-error, rel=0.08)
    assert pair.u.high == pytest.approx(error, rel=0.08)
    assert pair.j == pair.u


def test_the_same_tracks_are_drawn_for_all_models():
    """Models that differ by a constant have the correlation 1 in every replicate."""
    comparison = pair_models(make_all_pairs(), "vocals")
    for name in ("Pearson", "Spearman", "Kendall"):
        value = comparison.coefficients[name]
        np.testing.assert_allclose((value.value, value.low, value.high), 1, atol=1e-12)
    assert comparison == pair_models(make_all_pairs(), "vocals")
    assert comparison.pairs[0].u.low < comparison.pairs[0].u.value < comparison.pairs[0].u.high


def test_one_track_has_no_interval():
    models = [make_result(f"{letter}1", {"a": [1, 2]}) for letter in "UJ"]
    pair = pair_models(models, "vocals").pairs[0]
    assert pair.u.value == 1.5
    assert np.isnan(pair.u.low)
    assert np.isnan(pair.u.high)


def test_quadrants_are_counted_around_the_pair_of_u1_and_j1():
    def make_pair(variant, u, j):
        return Pair(variant, Interval(u), Interval(j))

    pairs = [make_pair("1", 1, 5), make_pair("5", 2, 6), make_pair("3_5", 0, 9)]
    pairs += [make_pair("3_10", 0.5, 4), make_pair("4_1", 2, 4), make_pair("4_2", 3, 1)]
    pairs += [make_pair("4_3", 1, 9)]
    assert count_quadrants(pairs) == (1, 1, 1, 2)
    assert count_quadrants(pairs[1:]) is None
    assert pair_models(make_all_pairs(), "vocals").quadrants == (10, 0, 0, 0)


def test_missing_models_and_unpaired_results_are_listed():
    models = [
        model for model in make_all_pairs() if model.label not in ("U5", "J2_2_5", "U3_5", "J3_5")
    ]
    models += [
        make_result("M4", draw_tracks(3)),
        make_result("L", draw_tracks(4)),
        make_result("U7", {}),
    ]
    comparison = pair_models(models, "vocals")
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
    comparison = pair_models(make_all_pairs(("1", "5")), "vocals")
    assert all(np.isnan(value.value) for value in comparison.coefficients.values())
    assert pair_models([], "vocals").pairs == ()


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (
            [{"a": [1], "b": [1]}, {"a": [1]}],
            "U1 and J1 were scored on different tracks.*b missing",
        ),
        ([{"a": [np.nan]}, {"a": [1]}], "U1: no window of vocals has a finite SDR"),
    ],
)
def test_models_that_cannot_be_compared_are_rejected(models, message):
    u, j = (make_result(label, tracks) for label, tracks in zip(("U1", "J1"), models, strict=True))
    with pytest.raises(DataError, match=message):
        pair_models([u, j], "vocals")


def test_a_source_without_scores_is_reported():
    models = [make_result(label, {"a": [1]}) for label in ("U1", "J1")]
    with pytest.raises(DataError, match="U1: has no drums, only vocals"):
        pair_models(models, "drums")
