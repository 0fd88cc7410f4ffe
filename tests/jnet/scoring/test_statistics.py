"""Compare the statistics with the papers' numbers and closed forms; check the written files."""

import json
from pathlib import Path

import numpy as np
import pytest

from jnet.scoring.statistics import TRACK_MEDIANS, compute_statistics, read_summary, summarize
from jnet.scoring.track_scores import TrackScores, make_museval_json, write_track

FIXTURES = Path(__file__).parents[2] / "fixtures" / "version_0.1.0"


@pytest.fixture(scope="module")
def sisec(shared_data):
    """Read the SDR of the 50 test tracks by source for STL1 of SiSEC 2018, which is M4."""
    tracks = [
        json.loads(path.read_text())
        for path in sorted((shared_data / "sisec18" / "STL1" / "test").glob("*.json"))
    ]
    assert len(tracks) == 50
    return {
        source: [
            np.array([frame["metrics"]["SDR"] for frame in target["frames"]], np.float64)
            for track in tracks
            for target in track["targets"]
            if target["name"] == source
        ]
        for source in ("vocals", "accompaniment")
    }


@pytest.mark.parametrize(
    ("source", "published"),
    [
        ("vocals", (4.46, 3.21, 0.65, 13.67, 4.97)),
        ("accompaniment", (10.69, 3.15, 11.85, 7.03, 11.11)),
    ],
)
def test_the_statistics_of_m4_are_those_of_the_papers_and_sisec(sisec, source, published):
    statistics = compute_statistics(sisec[source])
    assert list(statistics) == [
        *("pooled_median", "pooled_mad", "pooled_mean", "pooled_sd"),
        TRACK_MEDIANS,
    ]
    assert tuple(round(value, 2) for value in statistics.values()) == published


def test_nan_windows_of_m4_are_counted(sisec):
    statistics = summarize([make_track(row, row) for row in sisec["vocals"]])["vocals"]
    assert statistics["windows"] == sum(map(len, sisec["vocals"]))
    assert statistics["nan_windows"] == sum(int(np.isnan(row).sum()) for row in sisec["vocals"]) > 0


def test_the_two_medians_differ_for_tracks_of_different_lengths():
    statistics = compute_statistics(
        [np.array([1.0]), np.array([2.0]), np.array([9.0, 9.0, 9.0, np.nan])]
    )
    assert (statistics["pooled_median"], statistics[TRACK_MEDIANS]) == (9, 2)


def test_pooled_statistics_equal_the_closed_forms():
    statistics = compute_statistics([np.array([1.0, 2.0]), np.array([3.0, np.nan, 10.0])])
    assert list(statistics.values())[:3] == [2.5, 1.0, 4.0]
    assert statistics["pooled_sd"] == pytest.approx(np.sqrt((9 + 4 + 1 + 36) / 4))


def test_statistics_without_finite_scores_are_nan():
    statistics = compute_statistics([np.array([np.nan, np.nan])])
    assert len(statistics) == 5
    assert np.isnan(list(statistics.values())).all()


def make_track(vocals, mixture=(0.0, 0.0), name="track"):
    """Return scores of a track with the same vocals in all metrics."""
    metrics = {metric: np.array(vocals) for metric in ("SDR", "ISR", "SIR", "SAR")}
    return TrackScores(name, {"vocals": metrics}, {"vocals": np.array(mixture)}, 0, 1.0)


def test_scores_and_times_in_the_json_are_rounded_as_in_museval():
    frames = make_museval_json(make_track([1.234567, np.inf]), 0.5)["targets"][0]["frames"]
    assert [(frame["time"], frame["duration"]) for frame in frames] == [(0.0, 1.0), (0.5, 1.0)]
    assert list(frames[0]["metrics"]) == ["SDR", "SIR", "SAR", "ISR"]
    assert frames[0]["metrics"]["SDR"] == 1.23457
    assert frames[1]["metrics"]["SDR"] is None  # museval writes NaN for infinite scores


def test_writing_a_track_again_replaces_its_file(tmp_path):
    path = tmp_path / "test" / "Sønġ – ü.json"
    write_track(make_track([1.0, 2.0]), path, 1.0)
    write_track(make_track([3.0], [0.0]), path, 1.0)
    assert len(json.loads(path.read_text(encoding="utf-8"))["targets"][0]["frames"]) == 1
    assert list(path.parent.iterdir()) == [path]


def test_the_summary_is_valid_json_with_both_medians_of_estimates_and_mixture():
    tracks = [make_track([1.0, np.nan], (0.5, np.nan)), make_track([4.0, 6.0], (0.0, 1.0))]
    table = json.loads(json.dumps(summarize(tracks), allow_nan=False))["vocals"]
    assert (table["tracks"], table["windows"], table["nan_windows"]) == (2, 4, 1)
    assert table["pooled_median"] == 4.0
    assert table[TRACK_MEDIANS] == 3.0
    assert table["mixture_pooled_median"] == 0.5
    assert table["mixture_median_over_tracks_of_track_medians"] == 0.5


def test_the_summary_of_only_nan_is_none():
    table = summarize([make_track([np.nan, np.nan], (np.nan, np.nan))])["vocals"]
    assert table["pooled_median"] is None
    assert table[TRACK_MEDIANS] is None
    assert table["nan_windows"] == 2


def test_an_infinite_score_counts_as_nan():
    values = [np.array([1.0, np.inf, 3.0]), np.array([np.inf])]
    statistics = summarize([make_track(row, row) for row in values])["vocals"]
    assert (statistics["windows"], statistics["nan_windows"]) == (4, 2)
    assert (statistics["pooled_median"], statistics[TRACK_MEDIANS]) == (2.0, 2.0)


def test_a_summary_of_version_0_1_0_is_read_with_the_current_names():
    recorded = json.loads((FIXTURES / "run" / "scores.json").read_text())
    read = read_summary(recorded)
    assert "median_over_songs_of_song_medians" in recorded["vocals"]
    assert list(read["vocals"]) == list(summarize([make_track([1.0])])["vocals"])
    assert list(read["vocals"].values()) == list(recorded["vocals"].values())
    assert read_summary(read) == read
    assert read_summary(None) == {}
