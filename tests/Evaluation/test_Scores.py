"""The two statistics against the papers' own numbers and closed forms, and what is written."""

import json

import numpy as np
import pytest

from Evaluation.Scores import (
    SongScores,
    median_over_songs_of_song_medians,
    museval_json,
    pooled,
    summary,
    write_song,
)


@pytest.fixture(scope="module")
def sisec(shared_data):
    """SDR of the 50 test songs by source, of SiSEC 2018's STL1: model M4 of both papers."""
    songs = [
        json.loads(path.read_text())
        for path in sorted((shared_data / "sisec18" / "STL1" / "test").glob("*.json"))
    ]
    assert len(songs) == 50
    return {
        source: [
            np.array([frame["metrics"]["SDR"] for frame in target["frames"]], np.float64)
            for song in songs
            for target in song["targets"]
            if target["name"] == source
        ]
        for source in ("vocals", "accompaniment")
    }


@pytest.mark.parametrize(
    ("source", "published"),
    [("vocals", (4.46, 3.21, 0.65, 13.67)), ("accompaniment", (10.69, 3.15, 11.85, 7.03))],
)
def test_the_pooled_statistics_of_m4_are_the_papers(sisec, source, published):
    found = pooled(sisec[source])
    printed = tuple(round(value, 2) for value in (found.median, found.mad, found.mean, found.sd))
    assert printed == published


@pytest.mark.parametrize(("source", "published"), [("vocals", 4.97), ("accompaniment", 11.11)])
def test_the_median_of_medians_of_m4_is_sisecs(sisec, source, published):
    assert round(median_over_songs_of_song_medians(sisec[source]), 2) == published


def test_nan_windows_of_m4_are_counted(sisec):
    found = pooled(sisec["vocals"])
    assert found.windows == sum(map(len, sisec["vocals"]))
    assert found.nan_windows == sum(int(np.isnan(song).sum()) for song in sisec["vocals"]) > 0


def test_the_two_statistics_differ_where_songs_differ_in_length():
    songs = [np.array([1.0]), np.array([2.0]), np.array([9.0, 9.0, 9.0, np.nan])]
    assert pooled(songs).median == 9
    assert median_over_songs_of_song_medians(songs) == 2


def test_pooled_statistics_are_those_of_the_closed_forms():
    found = pooled([np.array([1.0, 2.0]), np.array([3.0, np.nan, 10.0])])
    assert (found.median, found.mad, found.mean) == (2.5, 1.0, 4.0)
    assert found.sd == pytest.approx(np.sqrt((9 + 4 + 1 + 36) / 4))
    assert (found.windows, found.nan_windows) == (5, 1)


def test_without_a_number_statistics_are_nan_and_the_windows_counted():
    found = pooled([np.array([np.nan, np.nan])])
    assert np.isnan([found.median, found.mad, found.mean, found.sd]).all()
    assert (found.windows, found.nan_windows) == (2, 2)
    assert np.isnan(median_over_songs_of_song_medians([np.array([np.nan])]))


def song(vocals, mixture=(0.0, 0.0), name="song"):
    metrics = {metric: np.array(vocals) for metric in ("SDR", "ISR", "SIR", "SAR")}
    return SongScores(name, {"vocals": metrics}, {"vocals": np.array(mixture)})


def test_a_songs_json_is_rounded_and_timed_as_musevals():
    frames = museval_json(song([1.234567, np.inf]), 1.0, 0.5)["targets"][0]["frames"]
    assert [(frame["time"], frame["duration"]) for frame in frames] == [(0.0, 1.0), (0.5, 1.0)]
    assert list(frames[0]["metrics"]) == ["SDR", "SIR", "SAR", "ISR"]
    assert frames[0]["metrics"]["SDR"] == 1.23457
    assert frames[1]["metrics"]["SDR"] is None  # museval writes infinite as NaN


def test_writing_over_a_song_replaces_it_whole(tmp_path):
    path = tmp_path / "test" / "Sønġ – ü.json"
    write_song(song([1.0, 2.0]), path, 1.0, 1.0)
    write_song(song([3.0]), path, 1.0, 1.0)
    assert len(json.loads(path.read_text(encoding="utf-8"))["targets"][0]["frames"]) == 1
    assert list(path.parent.iterdir()) == [path]


def test_the_summary_is_strict_json_with_both_statistics_and_the_mixtures():
    songs = [song([1.0, np.nan], (0.5, np.nan)), song([4.0, 6.0], (0.0, 1.0))]
    table = json.loads(json.dumps(summary(songs), allow_nan=False))["vocals"]
    assert (table["songs"], table["windows"], table["nan_windows"]) == (2, 4, 1)
    assert table["pooled_median"] == 4.0
    assert table["median_over_songs_of_song_medians"] == 3.0
    assert table["mixture_pooled_median"] == 0.5
    assert table["mixture_median_over_songs_of_song_medians"] == 0.5


def test_the_summary_of_nothing_but_nan_is_none():
    table = summary([song([np.nan, np.nan], (np.nan, np.nan))])["vocals"]
    assert table["pooled_median"] is None
    assert table["median_over_songs_of_song_medians"] is None
    assert table["nan_windows"] == 2


def test_an_infinite_window_counts_as_no_number():
    values = [np.array([1.0, np.inf, 3.0]), np.array([np.inf])]
    found = pooled(values)
    assert (found.median, found.windows, found.nan_windows) == (2.0, 4, 2)
    assert median_over_songs_of_song_medians(values) == 2.0
