"""A set of songs scored: what is written, where, and that processes change nothing."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from Evaluation.Scoring import score
from Evaluation.Separate import Separator
from Evaluation.Songs import score_songs, write_estimates
from Input.Collection import find_songs
from Spec.Errors import DataError


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
        np.testing.assert_allclose(values, theirs[source]["SDR"], atol=1e-9)


def test_two_processes_score_as_one_does_and_in_order(tiny_specs, songs, tmp_path):
    songs = [song for song in songs if song.subset != "valid"][:2]
    alone = scored(tiny_specs, songs, tmp_path / "one", num_workers=1)
    together = scored(tiny_specs, songs, tmp_path / "two", num_workers=2)
    assert [one.name for one in alone] == [two.name for two in together]
    for one in (tmp_path / "one").rglob("*.json"):
        two = tmp_path / "two" / one.relative_to(tmp_path / "one")
        assert one.read_text() == two.read_text()


def test_the_song_with_estimates_that_are_not_finite_is_named(tiny_specs, songs, tmp_path):
    song = next(song for song in songs if song.subset == "test")
    separator = Separator(lambda mix: halves(mix) * np.nan, tiny_specs.model, 4)
    with pytest.raises(DataError, match=f"{song.name}: the estimates of accompaniment, vocals"):
        score_songs(separator, [song], tiny_specs.scoring, tmp_path, quiet)
    assert not list(tmp_path.rglob("*.json"))


def test_estimates_beyond_full_scale_are_written_as_they_are(tmp_path):
    estimates = np.array([[[1.5], [-2.0]], [[0.1], [0.2]]], np.float32)  # [T, S, C]
    paths = write_estimates(tmp_path / "ü", estimates, ("a", "b"), 8000)
    for index, path in enumerate(paths):
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        np.testing.assert_array_equal(samples, estimates[:, index])
        assert (rate, soundfile.info(path).subtype) == (8000, "FLOAT")
    assert sorted((tmp_path / "ü").iterdir()) == paths


def test_an_estimate_too_long_for_a_wav_becomes_an_rf64(tmp_path, monkeypatch):
    monkeypatch.setattr("Evaluation.Songs.WAV_LIMIT", 10)
    (path,) = write_estimates(tmp_path, np.ones((8, 1, 2), np.float32), ("a",), 8000)
    assert soundfile.info(path).format == "RF64"
    assert soundfile.read(path)[0].shape == (8, 2)


def test_a_failed_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_estimates(tmp_path, np.ones((8, 1, 2), np.float32), ("a",), 8000)
    assert not list(tmp_path.iterdir())
