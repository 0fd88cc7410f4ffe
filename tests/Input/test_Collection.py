"""All songs of a run: what each wrong data set is told, and what a right one becomes."""

import re
import shutil
import threading

import pytest

from Input import Demo
from Input.Collection import find_songs, generate_demo
from Spec.Errors import DataError, RecordError
from Spec.Lock import locked
from tests.Input.songs import noise, quiet, short_demo, spec, write_corpus, write_song, write_stems

SHORT = short_demo()


def told(data):
    """The line that finding the songs of `data` ends with."""
    with pytest.raises(DataError) as error:
        find_songs(data, quiet)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_songs_are_found_split_and_kept_in_order(tmp_path):
    songs = find_songs(spec(write_corpus(tmp_path)), quiet)
    # sha256sum of 'song 1' is 3088…, of 'song 2' 1d6b…, of 'song 3' bfea…
    assert [(song.subset, song.name) for song in songs] == [
        ("train", "song 1"),
        ("valid", "song 2"),
        ("train", "song 3"),
        ("test", "song 4"),
    ]


def test_a_valid_partition_of_ones_own_validates_whatever_the_count(tmp_path):
    write_song(write_corpus(tmp_path) / "valid" / "mine")
    songs = find_songs(spec(tmp_path, num_validation_songs=25), quiet)
    assert [song.name for song in songs if song.subset == "valid"] == ["mine"]
    assert sum(song.subset == "train" for song in songs) == 3


def test_ccmixter_joins_training_and_validates_nothing(tmp_path):
    write_corpus(tmp_path / "own")
    for index in range(5):
        write_stems(
            tmp_path / "cc" / f"mix {index}",
            {name: noise(name, 50) for name in ("mix", "source-01", "source-02")},
        )
    alone = find_songs(spec(tmp_path / "own"), quiet)
    songs = find_songs(spec(tmp_path / "own", ccmixter_path=str(tmp_path / "cc")), quiet)
    assert songs[: len(alone)] == alone
    assert [song.subset for song in songs[len(alone) :]] == ["train"] * 5


@pytest.mark.parametrize(
    ("dataset", "said"),
    [("musdb18", "cfg.musdb_path=….*MUSDB_PATH"), ("folder", "cfg.folder_path=…")],
)
def test_a_path_that_is_not_given_says_where_to_give_it(dataset, said):
    assert re.search(said, told(spec(None, dataset=dataset)))


@pytest.mark.parametrize("dataset", ["musdb18", "folder"])
def test_a_path_that_is_no_folder_of_songs_is_named(tmp_path, dataset):
    assert told(spec(tmp_path / "no", dataset=dataset)).startswith(
        f"{tmp_path}/no: there is no such folder"
    )
    (tmp_path / "file").touch()
    assert told(spec(tmp_path / "file", dataset=dataset)).startswith(
        f"{tmp_path}/file: is a file where"
    )
    (tmp_path / "empty").mkdir()
    assert told(spec(tmp_path / "empty", dataset=dataset)).startswith(
        f"{tmp_path}/empty: holds no songs as <partition>/<song>"
    )


@pytest.mark.parametrize("dataset", ["musdb18", "folder"])
def test_a_path_beside_the_songs_is_told_the_right_one(tmp_path, dataset):
    root = write_corpus(tmp_path / "music" / "musdb18hq")
    for wrong in (root / "train", root.parent):
        assert told(spec(wrong, dataset=dataset)).endswith(f"did you mean {root}?")


@pytest.mark.parametrize(
    ("subset", "said"),
    [("train", "has no songs to train on"), ("test", "has no songs to test with")],
)
def test_a_set_without_songs_is_named(tmp_path, subset, said):
    shutil.rmtree(write_corpus(tmp_path) / subset)
    assert told(spec(tmp_path)) == f"{tmp_path}: {said}: put some below {tmp_path}/{subset}"


def test_fewer_songs_than_the_split_needs_are_counted(tmp_path):
    write_corpus(tmp_path)
    assert told(spec(tmp_path, num_validation_songs=25)).startswith(
        f"{tmp_path}/train: 3 training songs are too few to hold out cfg.num_validation_songs = 25"
    )


def test_a_missing_stem_is_found_before_anything_is_decoded(tmp_path):
    (write_corpus(tmp_path) / "test" / "song 4" / "vocals.wav").unlink()
    assert told(spec(tmp_path)).startswith(f"{tmp_path}/test/song 4: has no stem vocals")


def test_a_missing_demo_corpus_is_generated_once(tmp_path, monkeypatch):
    monkeypatch.setattr(Demo, "SONGS", SHORT)
    said = []
    data = spec(tmp_path / "demo", dataset="demo")
    songs = find_songs(data, lambda *each: said.append(each))
    assert said == [(song.name, index + 1, len(SHORT)) for index, song in enumerate(SHORT)]
    assert sorted(song.name for song in songs) == sorted(song.name for song in SHORT)
    shutil.rmtree(songs[0].folder)
    said.clear()
    assert find_songs(data, lambda *each: said.append(each)) == songs
    assert said == [(songs[0].name, 1, 1)]


def test_a_demo_corpus_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="file"):
        generate_demo(tmp_path / "file" / "demo", quiet)


def test_whoever_waits_for_the_demo_corpus_finds_it_whole(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Demo, "SONGS", SHORT[:1])
    root, told = tmp_path / "demo", []
    second = threading.Thread(
        target=generate_demo, args=(root, lambda *each: told.append(each)), daemon=True
    )
    with locked(tmp_path / ".demo.lock", "is taken"):
        second.start()
        said = ""
        while not said:
            said = capsys.readouterr().err
        assert said == f"another process is generating {root}: waiting for it\n"
        Demo.generate(root, songs=SHORT[:1])
    second.join()
    assert told == []


def test_a_song_that_is_in_two_sets_is_refused(tmp_path):
    root = write_corpus(tmp_path / "own")
    song = next((root / "train").iterdir())
    shutil.copytree(song, root / "test" / song.name)
    with pytest.raises(DataError, match="must be in one alone"):
        find_songs(spec(root, tmp_path), quiet)


def test_a_recording_beside_the_songs_is_refused(tmp_path):
    root = write_corpus(tmp_path / "own")
    song = next((root / "train").iterdir())
    shutil.copy(song / "vocals.wav", root / "train" / "loose.wav")
    with pytest.raises(DataError, match=r"loose\.wav: belongs into a folder"):
        find_songs(spec(root, tmp_path), quiet)
