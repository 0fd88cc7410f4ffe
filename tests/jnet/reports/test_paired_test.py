"""Paired tests of two models, compared with SciPy and with closed forms."""

import numpy as np
import pytest
from scipy.stats import wilcoxon

from jnet.errors import DataError
from jnet.reports.paired_test import compare_models, resample_statistics
from jnet.results.result import read_folder
from jnet.scoring.statistics import compute_statistics
from tests.jnet.reports.written import musdb_scores, write

POOLED, TRACKS = "pooled_median", "median_over_tracks_of_track_medians"


@pytest.fixture
def make_model(tmp_path):
    def make_result(name, tracks, **options):
        return read_folder(write(tmp_path / name, tracks, **options))

    return make_result


def test_resampled_statistics_equal_the_statistics_of_the_drawn_tracks():
    random = np.random.default_rng(1)
    tracks = [random.normal(size=n).round(1) for n in (3, 8, 5, 1)]
    draws = random.integers(4, size=(50, 4))
    plain = [[tracks[i] for i in draw] for draw in draws]
    for name, drawn in resample_statistics(tracks, draws).items():
        np.testing.assert_allclose(drawn, [compute_statistics(tracks)[name] for tracks in plain])


def test_a_constant_difference_of_half_a_decibel_is_significant(make_model):
    scores = musdb_scores()
    better = {name: [value + 0.5 for value in values] for name, values in scores.items()}
    paired = compare_models([make_model("A", better)], [make_model("B", scores)], "vocals", "SDR")
    assert len(paired) == 3
    assert (paired[["tracks", "first_better"]] == 50).all(axis=None)
    assert paired["wilcoxon_p"].tolist() == pytest.approx([wilcoxon(np.full(50, 0.5)).pvalue] * 3)
    assert (paired["wilcoxon_p"] < 1e-8).all()
    np.testing.assert_allclose(paired[["difference", "low", "high"]], 0.5)


def test_two_models_with_the_same_distribution_do_not_differ(make_model):
    pair = [make_model(name, musdb_scores(seed=seed)) for seed, name in enumerate("AB")]
    paired = compare_models(pair[:1], pair[1:], "accompaniment", "SIR")
    gain = paired.set_index("statistic").loc[POOLED]
    assert gain["wilcoxon_p"] > 0.05
    assert gain["low"] < 0 < gain["high"]
    assert paired.equals(compare_models(pair[:1], pair[1:], "accompaniment", "SIR"))


def test_equal_models_have_p_1(make_model):
    result = make_model("A", {"One": [1, 2], "Two": [3]})
    assert (compare_models([result], [result], "vocals", "SDR")["wilcoxon_p"] == 1).all()


def test_tracks_without_a_score_are_counted(make_model):
    nan = float("nan")
    first = make_model("A", {"One": [1, nan], "Two": [nan, nan], "Three": [2, 3]})
    second = make_model("B", {"One": [0, 0], "Two": [1, 1], "Three": [1, 1]})
    paired = compare_models([first], [second], "vocals", "SDR")
    assert (paired["tracks"] == 2).all()
    assert (paired["tracks_without_score"] == 1).all()


def test_runs_of_a_model_are_pooled(make_model):
    runs = [make_model("A", {"One": [1, 1]}), make_model("B", {"One": [3, 3]})]
    paired = compare_models(runs, [make_model("C", {"One": [0, 0]})], "vocals", "SDR")
    assert paired.set_index("statistic").loc[TRACKS, "difference"] == 2


@pytest.mark.parametrize(
    ("tracks", "options", "message"),
    [
        ({"One": [1]}, {}, "Two missing"),
        ({"One": [1], "Two": [1, 2]}, {}, "'Two' has 2 windows, 1 in"),
        ({"One": [1], "Two": [1]}, {"targets": ("drums",)}, "has no vocals"),
    ],
)
def test_scores_that_cannot_be_paired_are_rejected(make_model, tracks, options, message):
    first = make_model("A", {"One": [1], "Two": [1]})
    with pytest.raises(DataError, match=message):
        compare_models([first], [make_model("B", tracks, **options)], "vocals", "SDR")
