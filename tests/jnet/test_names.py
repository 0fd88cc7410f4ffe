"""Names of files and artifacts that several packages share."""

import pytest

from jnet.names import format_scores_artifact, parse_scores_artifact


@pytest.mark.parametrize("track", ["One", "A.json", "Sønġ – “ü”", "museval test x"])
def test_the_artifact_with_a_tracks_scores_names_the_track(track):
    name = format_scores_artifact("test", track)
    assert name == f"museval test {track}.json"
    assert parse_scores_artifact("test", name) == track
    assert parse_scores_artifact("valid", name) is None


@pytest.mark.parametrize("name", ["scores.json", "museval test .json", "museval test One.txt"])
def test_other_artifacts_have_no_tracks_scores(name):
    assert parse_scores_artifact("test", name) is None
