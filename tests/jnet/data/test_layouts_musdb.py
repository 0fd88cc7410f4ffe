"""MUSDB18 as .stem.mp4 files, as wav files, and as both; complete and incomplete."""

import shutil

import numpy as np
import pytest

from jnet.data.layouts import MUSDB_STREAMS, find_musdb_tracks, note_incomplete_musdb
from jnet.data.tracks import Track
from tests.jnet.data.corpora import write_track


@pytest.fixture
def real_track(shared_data):
    (path,) = (shared_data / "MUSDB18-7" / "train").glob("*.stem.mp4")
    return path


def test_the_streams_are_in_the_order_musdb_documents():
    from jnet.scoring.museval_scorer import ensure_ffmpeg

    ensure_ffmpeg()
    import musdb

    sources = musdb.DB(root=".", setup_file=None).setup["stem_ids"]
    assert {name: index for index, name in enumerate(MUSDB_STREAMS)} == {
        name: sources[name] for name in MUSDB_STREAMS
    }


def test_a_real_track_is_equal_to_that_of_musdb(real_track, shared_data):
    from jnet.scoring.museval_scorer import ensure_ffmpeg

    ensure_ffmpeg()
    import musdb

    (theirs,) = musdb.DB(root=str(shared_data / "MUSDB18-7"), subsets="train").tracks
    (track,) = find_musdb_tracks(shared_data / "MUSDB18-7")
    read = track.read(("accompaniment", "vocals"))
    assert (track.name, track.subset, read.sample_rate) == (theirs.name, "train", theirs.rate)
    half_step = 0.5 / 32768
    assert np.abs(read.mix - theirs.audio).max() <= half_step
    assert np.abs(read.sources[:, 1] - theirs.targets["vocals"].audio).max() <= half_step
    # musdb adds three stems; each differs by at most half a step.
    other = theirs.targets["accompaniment"].audio
    assert np.abs(read.sources[:, 0] - other).max() <= 3 * half_step


def test_folders_of_wav_files_are_found_in_order_by_subset(tmp_path):
    for name in ("train/b", "train/a", "test/c", "valid/d", "extra/e"):
        write_track(tmp_path / name, frames=10)
    tracks = find_musdb_tracks(tmp_path)
    assert [(track.subset, track.name) for track in tracks] == [
        ("train", "a"),
        ("train", "b"),
        ("test", "c"),
    ]


def test_no_track_is_skipped_in_a_mix_of_both_formats(tmp_path, real_track):
    write_track(tmp_path / "train" / "b", frames=10)
    for name in ("a", "b", "c"):
        shutil.copy(real_track, tmp_path / "train" / f"{name}.stem.mp4")
    tracks = find_musdb_tracks(tmp_path)
    assert [track.name for track in tracks] == ["a", "b", "c"]
    assert [track.stems["vocals"].stream for track in tracks] == [4, None, 4]


def test_other_files_and_folders_are_ignored(tmp_path):
    write_track(tmp_path / "train" / "a", frames=10)
    (tmp_path / "train" / "empty").mkdir()
    (tmp_path / "train" / ".a.partial").mkdir()
    (tmp_path / "train" / "._a.stem.mp4").write_bytes(b"AppleDouble")
    (tmp_path / "train" / "readme.txt").touch()
    (tmp_path / "train" / "a" / "._vocals.wav").write_bytes(b"AppleDouble")
    (track,) = find_musdb_tracks(tmp_path)
    assert sorted(track.stems) == ["bass", "drums", "mixture", "other", "vocals"]


def test_a_folder_without_musdb_has_no_tracks(tmp_path):
    assert find_musdb_tracks(tmp_path) == []
    assert find_musdb_tracks(tmp_path / "missing") == []


def test_an_incomplete_data_set_gets_a_note():
    complete = [Track(str(index), "train" if index < 100 else "test", {}) for index in range(150)]
    assert note_incomplete_musdb(complete) == ""
    assert note_incomplete_musdb(complete[6:]).endswith("this folder has 94 and 50")
    assert note_incomplete_musdb(complete[:-1]).endswith("this folder has 100 and 49")
