"""A folder of one's own: what is a song, what is ignored, and what is refused."""

import pytest

from Input.Folder import find_folder_songs
from Spec.Errors import DataError
from tests.Input.songs import noise, write_song, write_stems


def test_songs_are_found_by_partition_and_name(tmp_path):
    for name in ("test/x", "valid/y", "train/b", "train/a"):
        write_song(tmp_path / name, frames=10)
    songs = find_folder_songs(tmp_path)
    assert [(song.subset, song.name) for song in songs] == [
        ("train", "a"),
        ("train", "b"),
        ("valid", "y"),
        ("test", "x"),
    ]
    assert songs[0].stems["vocals"].path == tmp_path / "train" / "a" / "vocals.wav"
    assert songs[0].stems["vocals"].stream is None


def test_empty_and_hidden_folders_and_loose_files_are_no_songs(tmp_path):
    write_song(tmp_path / "train" / "a", frames=10)
    write_song(tmp_path / "train" / ".b.partial", frames=10)
    (tmp_path / "train" / "c").mkdir()
    (tmp_path / "train" / "d").mkdir()
    (tmp_path / "train" / "d" / ".DS_Store").touch()
    (tmp_path / "train" / ".DS_Store").touch()
    (tmp_path / "notes").mkdir()
    assert [song.name for song in find_folder_songs(tmp_path)] == ["a"]


def test_a_song_in_another_format_is_not_skipped(tmp_path):
    write_song(tmp_path / "train" / "a", frames=10)
    (tmp_path / "train" / "b").mkdir()
    (tmp_path / "train" / "b" / "vocals.flac").touch()
    with pytest.raises(DataError, match=r"train/b: holds no <source>\.wav"):
        find_folder_songs(tmp_path)


@pytest.mark.parametrize(
    ("name", "meant"), [("validation", "valid"), ("Train", "train"), ("tests", "test")]
)
def test_songs_in_a_mistyped_partition_are_not_skipped(tmp_path, name, meant):
    write_song(tmp_path / "train" / "a", frames=10)
    write_song(tmp_path / name / "b", frames=10)
    with pytest.raises(DataError, match=f"{name}: is no partition.*rename it to '{meant}'"):
        find_folder_songs(tmp_path)


@pytest.mark.parametrize("name", ["extra", "originals", "demo"])
def test_another_folder_of_songs_is_left_alone(tmp_path, name):
    write_song(tmp_path / "train" / "a", frames=10)
    write_song(tmp_path / name / "b", frames=10)
    assert [song.name for song in find_folder_songs(tmp_path)] == ["a"]


@pytest.mark.parametrize(
    "name", ["Ünïcödé – 日本語 🎵", 'it\'s "quoted" & $HOME; `x`', "a.b.npy", "-x"]
)
def test_any_name_a_folder_can_have_is_a_songs_name(tmp_path, name):
    write_stems(tmp_path / "train" / name, {"vocals": noise("v", 10)})
    (song,) = find_folder_songs(tmp_path)
    assert song.name == name
    assert len(song.read(("vocals",)).mix) == 10
