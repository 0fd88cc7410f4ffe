"""Two models on the same songs, against numbers worked out otherwise."""

import numpy as np
import pytest
from scipy.stats import wilcoxon

from Evaluation.Comparison import compare, redrawn_means, redrawn_medians, redrawn_song_medians
from Evaluation.Results import read_folder
from Evaluation.Scores import median_over_songs_of_song_medians, pooled
from Spec.Errors import DataError
from tests.Evaluation.written import musdb_scores, write

POOLED, SONGS = "pooled_median", "median_over_songs_of_song_medians"


@pytest.fixture
def folder(tmp_path):
    def put(name, songs, **options):
        return read_folder(write(tmp_path / name, songs, **options))

    return put


def test_draws_give_what_the_plain_statistics_give():
    random = np.random.default_rng(1)
    songs = [random.normal(size=n).round(1) for n in (3, 8, 5, 1)]
    draws = random.integers(4, size=(50, 4))
    plain = [[songs[i] for i in draw] for draw in draws]
    np.testing.assert_allclose(redrawn_medians(songs, draws), [pooled(s).median for s in plain])
    np.testing.assert_allclose(redrawn_means(songs, draws), [pooled(s).mean for s in plain])
    np.testing.assert_allclose(
        redrawn_song_medians(songs, draws), [median_over_songs_of_song_medians(s) for s in plain]
    )


def test_a_model_half_a_decibel_better_everywhere_is_so_for_sure(folder):
    scores = musdb_scores()
    better = {name: [value + 0.5 for value in values] for name, values in scores.items()}
    paired = compare([folder("A", better)], [folder("B", scores)], "vocals", "SDR")
    assert (paired.songs, paired.better) == (50, 50)
    assert paired.p == pytest.approx(wilcoxon(np.full(50, 0.5)).pvalue)
    assert paired.p < 1e-8
    for gap in paired.differences.values():
        assert [gap.difference, gap.low, gap.high] == pytest.approx([0.5] * 3)


def test_two_models_of_one_distribution_do_not_differ(folder):
    pair = [folder(name, musdb_scores(seed=seed)) for seed, name in enumerate("AB")]
    paired = compare(pair[:1], pair[1:], "accompaniment", "SIR")
    assert paired.p > 0.05
    assert paired.differences[POOLED].low < 0 < paired.differences[POOLED].high
    assert paired == compare(pair[:1], pair[1:], "accompaniment", "SIR")


def test_equal_models_have_p_1(folder):
    result = folder("A", {"One": [1, 2], "Two": [3]})
    assert compare([result], [result], "vocals", "SDR").p == 1


def test_songs_without_a_score_are_counted(folder):
    nan = float("nan")
    first = folder("A", {"One": [1, nan], "Two": [nan, nan], "Three": [2, 3]})
    second = folder("B", {"One": [0, 0], "Two": [1, 1], "Three": [1, 1]})
    paired = compare([first], [second], "vocals", "SDR")
    assert (paired.songs, paired.without_score) == (2, 1)


def test_runs_of_a_model_are_put_together(folder):
    runs = [folder("A", {"One": [1, 1]}), folder("B", {"One": [3, 3]})]
    paired = compare(runs, [folder("C", {"One": [0, 0]})], "vocals", "SDR")
    assert paired.differences[SONGS].difference == 2


@pytest.mark.parametrize(
    ("songs", "options", "said"),
    [
        ({"One": [1]}, {}, "Two missing"),
        ({"One": [1], "Two": [1, 2]}, {}, "'Two' has 2 windows, 1 in"),
        ({"One": [1], "Two": [1]}, {"targets": ("drums",)}, "has no vocals"),
    ],
)
def test_what_cannot_be_paired_is_refused(folder, songs, options, said):
    first = folder("A", {"One": [1], "Two": [1]})
    with pytest.raises(DataError, match=said):
        compare([first], [folder("B", songs, **options)], "vocals", "SDR")
