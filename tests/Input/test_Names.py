"""Names of songs: none leaves its folder, and no two can become one."""

import os
import unicodedata
from pathlib import Path

import pytest

from Input.Collection import find_songs
from Input.Names import folded, refuse_names
from Input.Preparation import prepare
from Input.Songs import Song, Stem
from Spec.Errors import DataError
from Spec.Files import LONGEST_NAME
from tests.Input.songs import noise, quiet, spec, write_corpus, write_song, write_stems

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "Café Müller") for form in ("NFC", "NFD"))
# Not by a file system's leave, but as a song could be called that comes from elsewhere.
UNFIT = [
    "",
    ".",
    "..",
    "../x",
    "/etc/passwd",
    "a/b",
    "nul\0",
    "line\nbreak",
    "bell\a",
    "\x1b[2J",
    os.fsdecode(b"not \xff UTF-8"),
    ".hidden",
    "x" * 300,
    "é" * 150,
]
# Pairs that are one name to some file system, whatever they are to this one.
ALIKE = [
    ("a", "a"),
    ("Song", "song"),
    ("Straße", "STRASSE"),
    (COMPOSED, DECOMPOSED),
    (COMPOSED.upper(), DECOMPOSED),
    ("Song", "Song."),
    ("Song", "Song "),
    ("Song", "So\u200bng"),
    ("\ufeffSong", "Song"),
]
FIT = [
    "Ünïcödé – 日本語 🎵",
    'it\'s "quoted" & $HOME; `x` | > *?',
    "a.b.npy",
    "-x",
    "--help",
    "~",
    "C:\\x",
    "manifest.json",
    "x" * LONGEST_NAME,
    "é" * (LONGEST_NAME // 2),
]


def song(name: str, subset: str = "train") -> Song:
    return Song(name, subset, {"vocals": Stem(Path(f"root/{subset}/{len(name)} {name}/v.wav"))})


def refused(*songs: Song) -> str:
    with pytest.raises(DataError) as error:
        refuse_names(songs)
    assert str(error.value).isprintable()
    return str(error.value)


@pytest.mark.parametrize("name", UNFIT)
def test_a_name_that_no_file_can_have_is_refused(name):
    assert repr(name) in refused(song("fine"), song(name))


@pytest.mark.parametrize(("first", "second"), ALIKE)
def test_two_names_that_may_become_one_are_refused_and_both_are_named(first, second):
    one, other = song(first), song(second)
    said = refused(one, song("between"), other).encode().decode()
    for each in (one, other):
        assert f"{str(each.folder)!r}" in said
    assert "rename one of them" in said
    assert "must be in one alone" in refused(one, song(second, "test"))


def test_names_that_differ_by_more_are_left_alone():
    names = ["a", "b", "a b", "a.b", "ab", "ä", "1", "01", *FIT]
    refuse_names([song(name) for name in names])
    assert len({folded(name) for name in names}) == len(names)


@pytest.mark.parametrize("name", FIT)
def test_a_song_of_an_odd_name_is_found_stored_and_stays_in_the_store(tmp_path, name):
    root = write_corpus(tmp_path / "own", frames=500)
    (root / "train" / "song 1").rename(root / "train" / name)
    before = sorted(path for path in tmp_path.rglob("*") if "own" not in path.parts)
    store = prepare(spec(root, tmp_path / "store"), quiet)
    assert before == []
    assert {song.name for song in store.songs} == {name, "song 2", "song 3", "song 4"}
    assert all(store.open(song).shape == (91, 2, 2) for song in store.songs)
    outside = {path.name for path in tmp_path.iterdir()} - {"own", "store"}
    assert outside == set()
    assert len(list(store.folder.rglob("*.npy"))) == 4


@pytest.mark.parametrize("name", [b"line\nbreak", b"not \xff UTF-8", b"x" * 250])
def test_an_unfit_name_on_disk_is_refused_before_anything_is_read(tmp_path, name):
    root = write_corpus(tmp_path / "own", frames=500)
    (root / "train" / "song 1").rename(root / "train" / os.fsdecode(name))
    with pytest.raises(DataError, match="rename it"):
        find_songs(spec(root), quiet)


@pytest.mark.parametrize(("first", "second"), [(COMPOSED, DECOMPOSED), ("Song", "SONG")])
def test_a_pair_on_disk_is_refused(tmp_path, first, second):
    root = write_corpus(tmp_path / "own", frames=500)
    for name in (first, second):
        write_song(root / "train" / name, frames=500)
    if not {first, second} <= {path.name for path in (root / "train").iterdir()}:
        pytest.skip("this file system takes the two for one")
    with pytest.raises(DataError, match="a file system may take for one"):
        find_songs(spec(root), quiet)


def test_a_song_of_ccmixter_may_not_be_called_as_one_of_the_data_set(tmp_path):
    root = write_corpus(tmp_path / "own", frames=500)
    stems = {name: noise(name, 9) for name in ("mix", "source-01", "source-02")}
    other = write_stems(tmp_path / "cc" / "SONG 2", stems)
    with pytest.raises(DataError) as error:
        find_songs(spec(root, ccmixter_path=str(tmp_path / "cc")), quiet)
    assert str(error.value).startswith(f"'{root}/train/song 2' and '{other}' have one name, or two")
