"""A set of songs scored: what is written, where, and that processes change nothing."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from Evaluation.Scoring import score
from Evaluation.Separate import Separator
from Evaluation.Songs import score_songs
from Input.Collection import find_songs


def halves(mix):
    return np.stack([0.75 * mix, 0.25 * mix], axis=2)


def quiet(name, done, total):
    pass


@pytest.fixture(scope="module")
def songs(tiny_specs):
    return find_songs(tiny_specs.data, quiet)


def scored(tiny_specs, songs, folder, **scoring):
    separator = Separator(halves, tiny_specs.model, 4)
    return score_songs(separator, songs, replace(tiny_specs.scoring, **scoring), folder, quiet)


def test_scores_files_and_estimates_of_one_song_agree(tiny_specs, songs, tmp_path):
    song = next(song for song in songs if song.subset == "test")
    (scores,) = scored(tiny_specs, [song], tmp_path, save_estimates=True)
    written = json.loads((tmp_path / "museval" / "test" / f"{song.name}.json").read_text())
    recording = song.read(tiny_specs.model.sources)
    folder = tmp_path / "estimates" / "test" / song.name
    heard = [soundfile.read(folder / f"{name}.wav")[0] for name in tiny_specs.model.sources]
    again = score(recording.sources, np.stack(heard, 1), tiny_specs.model.sources, 44100, 1.0, 1.0)
    for target in written["targets"]:
        values = [frame["metrics"]["SDR"] for frame in target["frames"]]
        np.testing.assert_allclose(values, scores.targets[target["name"]]["SDR"], atol=1e-5)
        np.testing.assert_allclose(values, again[target["name"]]["SDR"], atol=1e-5)
    assert scores.name == song.name
    assert [len(part) for part in heard] == [len(recording.mix)] * 2


def test_the_mixture_is_scored_as_the_estimate_by_museval_too(tiny_specs, songs, tmp_path):
    song = next(song for song in songs if song.subset == "test")
    (scores,) = scored(tiny_specs, [song], tmp_path)
    recording = song.read(tiny_specs.model.sources)
    mixes = np.stack([recording.mix] * 2, axis=1)
    theirs = score(recording.sources, mixes, tiny_specs.model.sources, 44100, 1.0, 1.0)
    for source, values in scores.mixture.items():
        np.testing.assert_allclose(values, theirs[source]["SDR"], atol=1e-5)  # as written


def test_two_processes_score_as_one_does_and_in_order(tiny_specs, songs, tmp_path):
    songs = [song for song in songs if song.subset != "valid"][:2]
    alone = scored(tiny_specs, songs, tmp_path / "one", num_workers=1)
    together = scored(tiny_specs, songs, tmp_path / "two", num_workers=2)
    assert [one.name for one in alone] == [two.name for two in together]
    for one in (tmp_path / "one").rglob("*.json"):
        two = tmp_path / "two" / one.relative_to(tmp_path / "one")
        assert one.read_text() == two.read_text()
