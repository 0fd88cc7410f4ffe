"""MUSDB18 in both forms, alone, mixed and incomplete."""

import shutil

import numpy as np
import pytest

from Input.Musdb import STREAMS, find_musdb_songs, remark
from Input.Songs import Song
from tests.Input.songs import write_song


@pytest.fixture
def real_song(shared_data):
    (path,) = (shared_data / "MUSDB18-7" / "train").glob("*.stem.mp4")
    return path


def test_the_streams_are_in_the_order_musdb_documents():
    from Evaluation.Ffmpeg import ensure_ffmpeg

    ensure_ffmpeg()
    import musdb

    sources = musdb.DB(root=".", setup_file=None).setup["stem_ids"]
    assert {name: index for index, name in enumerate(STREAMS)} == {
        name: sources[name] for name in STREAMS
    }


def test_a_real_song_is_what_musdb_reads(real_song, shared_data):
    from Evaluation.Ffmpeg import ensure_ffmpeg

    ensure_ffmpeg()
    import musdb

    (track,) = musdb.DB(root=str(shared_data / "MUSDB18-7"), subsets="train").tracks
    (song,) = find_musdb_songs(shared_data / "MUSDB18-7")
    read = song.read(("accompaniment", "vocals"))
    assert (song.name, song.subset, read.sample_rate) == (track.name, "train", track.rate)
    half_step = 0.5 / 32768
    assert np.abs(read.mix - track.audio).max() <= half_step
    assert np.abs(read.sources[:, 1] - track.targets["vocals"].audio).max() <= half_step
    # musdb sums three stems, each within half a step.
    other = track.targets["accompaniment"].audio
    assert np.abs(read.sources[:, 0] - other).max() <= 3 * half_step


def test_folders_of_wav_are_found_in_order_by_set(tmp_path):
    for name in ("train/b", "train/a", "test/c", "valid/d", "extra/e"):
        write_song(tmp_path / name, frames=10)
    songs = find_musdb_songs(tmp_path)
    assert [(song.subset, song.name) for song in songs] == [
        ("train", "a"),
        ("train", "b"),
        ("test", "c"),
    ]


def test_no_song_is_skipped_where_both_forms_are_mixed(tmp_path, real_song):
    write_song(tmp_path / "train" / "b", frames=10)
    for name in ("a", "b", "c"):
        shutil.copy(real_song, tmp_path / "train" / f"{name}.stem.mp4")
    songs = find_musdb_songs(tmp_path)
    assert [song.name for song in songs] == ["a", "b", "c"]
    assert [song.stems["vocals"].stream for song in songs] == [4, None, 4]


def test_what_is_no_song_is_not_taken_for_one(tmp_path):
    write_song(tmp_path / "train" / "a", frames=10)
    (tmp_path / "train" / "empty").mkdir()
    (tmp_path / "train" / ".a.partial").mkdir()
    (tmp_path / "train" / "._a.stem.mp4").write_bytes(b"AppleDouble")
    (tmp_path / "train" / "readme.txt").touch()
    (tmp_path / "train" / "a" / "._vocals.wav").write_bytes(b"AppleDouble")
    (song,) = find_musdb_songs(tmp_path)
    assert sorted(song.stems) == ["bass", "drums", "mixture", "other", "vocals"]


def test_a_folder_without_musdb_has_no_songs(tmp_path):
    assert find_musdb_songs(tmp_path) == []
    assert find_musdb_songs(tmp_path / "nowhere") == []


def test_a_data_set_that_is_not_whole_gets_a_remark():
    whole = [Song(str(index), "train" if index < 100 else "test", {}) for index in range(150)]
    assert remark(whole) == ""
    assert remark(whole[6:]).endswith("here are 94 and 50")
    assert remark(whole[:-1]).endswith("here are 100 and 49")
