"""Score a set of tracks: the written files, with one and with several processes."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from jnet.data.find import find_tracks
from jnet.scoring.evaluation import score_tracks
from jnet.scoring.scorer import score_estimates
from jnet.separation.streaming import TrackSeparator


def split_mix(mix):
    """Separate a mix `[B, T, C]` into two scaled copies `[B, T, S, C]`."""
    return np.stack([0.75 * mix, 0.25 * mix], axis=2)


def ignore_progress(name, done, total):
    pass


@pytest.fixture(scope="module")
def tracks(tiny_settings):
    return find_tracks(tiny_settings.data, ignore_progress)


def score_into(tiny_settings, tracks, folder, workers=1, **scoring):
    separator = TrackSeparator(split_mix, tiny_settings.model, 4)
    settings = replace(tiny_settings.scoring, **scoring)
    return score_tracks(separator, tracks, settings, folder, workers, ignore_progress)


def test_returned_scores_json_and_estimates_of_a_track_agree(tiny_settings, tracks, tmp_path):
    track = next(track for track in tracks if track.subset == "test")
    (scores,) = score_into(tiny_settings, [track], tmp_path, save_estimates=True)
    written = json.loads((tmp_path / "museval" / "test" / f"{track.name}.json").read_text())
    recording = track.read(tiny_settings.model.sources)
    folder = tmp_path / "estimates" / "test" / track.name
    estimates = [soundfile.read(folder / f"{name}.wav")[0] for name in tiny_settings.model.sources]
    again = score_estimates(
        recording.sources, np.stack(estimates, 1), tiny_settings.model.sources, 44100, 1.0, 1.0
    )
    for target in written["targets"]:
        values = [frame["metrics"]["SDR"] for frame in target["frames"]]
        np.testing.assert_allclose(values, scores.targets[target["name"]]["SDR"], atol=1e-5)
        np.testing.assert_allclose(values, again[target["name"]]["SDR"], atol=1e-5)
    assert scores.name == track.name
    assert [len(estimate) for estimate in estimates] == [len(recording.mix)] * 2


def test_mixture_scores_are_those_of_the_mix_as_the_estimate(tiny_settings, tracks, tmp_path):
    track = next(track for track in tracks if track.subset == "test")
    (scores,) = score_into(tiny_settings, [track], tmp_path)
    recording = track.read(tiny_settings.model.sources)
    mixes = np.stack([recording.mix] * 2, axis=1)
    theirs = score_estimates(recording.sources, mixes, tiny_settings.model.sources, 44100, 1.0, 1.0)
    for source, values in scores.mixture.items():
        np.testing.assert_allclose(values, theirs[source]["SDR"], atol=1e-5)  # as written


def test_two_processes_give_the_scores_and_the_order_of_one_process(
    tiny_settings, tracks, tmp_path
):
    tracks = [track for track in tracks if track.subset != "valid"][:2]
    serial = score_into(tiny_settings, tracks, tmp_path / "one", workers=1)
    parallel = score_into(tiny_settings, tracks, tmp_path / "two", workers=2)
    assert [track.name for track in serial] == [track.name for track in parallel]
    for path in (tmp_path / "one").rglob("*.json"):
        other = tmp_path / "two" / path.relative_to(tmp_path / "one")
        assert path.read_text() == other.read_text()
