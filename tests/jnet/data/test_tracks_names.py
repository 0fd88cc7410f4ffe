"""Names of tracks: invalid file names are refused, and names that a file system may confuse."""

import os
import unicodedata
from pathlib import Path

import pytest

from jnet.data.find import find_tracks
from jnet.data.preparation import prepare
from jnet.data.tracks import Stem, Track, fold_name, refuse_names
from jnet.errors import DataError
from jnet.system.files import MAX_NAME_BYTES
from tests.jnet.data.corpora import noise, quiet, settings, write_corpus, write_stems, write_track

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "Café Müller") for form in ("NFC", "NFD"))
# Not all of them are possible in a file system, but a track from another source may have them.
INVALID = [
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
    "x" * (MAX_NAME_BYTES + 1),
    "é" * 150,
]
# Pairs of names that are equal on some file systems.
SAME = [
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
VALID = [
    "Ünïcödé – 日本語 🎵",
    'it\'s "quoted" & $HOME; `x` | > *?',
    "a.b.npy",
    "-x",
    "--help",
    "~",
    "C:\\x",
    "manifest.json",
    "x" * MAX_NAME_BYTES,
    "é" * (MAX_NAME_BYTES // 2),
]


def make_track(name: str, subset: str = "train") -> Track:
    return Track(name, subset, {"vocals": Stem(Path(f"root/{subset}/{len(name)} {name}/v.wav"))})


def refuse(*tracks: Track) -> str:
    with pytest.raises(DataError) as error:
        refuse_names(tracks)
    assert str(error.value).isprintable()
    return str(error.value)


@pytest.mark.parametrize("name", INVALID)
def test_an_invalid_file_name_is_refused(name):
    assert repr(name) in refuse(make_track("fine"), make_track(name))


@pytest.mark.parametrize(("first", "second"), SAME)
def test_two_names_that_a_file_system_may_confuse_are_refused(first, second):
    one_track, other = make_track(first), make_track(second)
    message = refuse(one_track, make_track("between"), other).encode().decode()
    for track in (one_track, other):
        assert f"{str(track.folder)!r}" in message
    assert "rename one of them" in message
    assert "are the same track in the train set and the test set" in refuse(
        one_track, make_track(second, "test")
    )


def test_different_names_are_accepted():
    names = ["a", "b", "a b", "a.b", "ab", "ä", "1", "01", *VALID]
    refuse_names([make_track(name) for name in names])
    assert len({fold_name(name) for name in names}) == len(names)


def test_tracks_with_unusual_names_are_stored_within_the_store(tmp_path):
    root = tmp_path / "own"
    for index, name in enumerate(VALID):
        write_track(root / ("test" if index % 2 else "train") / name, frames=500)
    store = prepare(settings(root, tmp_path / "store"), quiet)
    assert sorted(track.name for track in store.tracks) == sorted(VALID)
    assert all(store.open(track).shape == (91, 2, 2) for track in store.tracks)
    assert {path.name for path in tmp_path.iterdir()} == {"own", "store"}
    assert len(list(store.folder.rglob("*.npy"))) == len(VALID)


@pytest.mark.parametrize("name", [b"line\nbreak", b"not \xff UTF-8", b"x" * 250])
def test_an_invalid_name_on_disk_is_refused_without_decoding(tmp_path, name):
    root = write_corpus(tmp_path / "own", frames=500)
    (root / "train" / "track 1").rename(root / "train" / os.fsdecode(name))
    with pytest.raises(DataError, match="rename it"):
        find_tracks(settings(root), quiet)


@pytest.mark.parametrize(("first", "second"), [(COMPOSED, DECOMPOSED), ("Song", "SONG")])
def test_two_such_names_on_disk_are_refused(tmp_path, first, second):
    root = write_corpus(tmp_path / "own", frames=500)
    for name in (first, second):
        write_track(root / "train" / name, frames=500)
    if not {first, second} <= {path.name for path in (root / "train").iterdir()}:
        pytest.skip("these names are equal on this file system")
    with pytest.raises(DataError, match="names that are equal on some file systems"):
        find_tracks(settings(root), quiet)


def test_a_track_of_ccmixter_with_the_name_of_another_track_is_refused(tmp_path):
    root = write_corpus(tmp_path / "own", frames=500)
    stems = {name: noise(name, 9) for name in ("mix", "source-01", "source-02")}
    other = write_stems(tmp_path / "cc" / "TRACK 2", stems)
    with pytest.raises(DataError) as error:
        find_tracks(settings(root, ccmixter_path=str(tmp_path / "cc")), quiet)
    assert str(error.value).startswith(
        f"'{root}/train/track 2' and '{other}' have the same name, or names"
    )
