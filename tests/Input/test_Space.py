"""Room for a store: how long files say they are, and what that takes."""

import pytest
import soundfile

from Input.Collection import find_songs
from Input.Musdb import stem_song
from Input.Preparation import prepare
from Input.Space import ASSUMED_RATE, SONG_BYTES, readable, stated_seconds, stored_bytes
from tests.Input.songs import RATE, noise, quiet, spec, write_corpus


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_a_file_says_how_long_it_is(tmp_path, name):
    soundfile.write(tmp_path / name, noise("n", 3 * RATE), RATE)
    assert stated_seconds(tmp_path / name) == pytest.approx(3, abs=0.05)


def test_a_stem_file_says_how_long_it_is(shared_data):
    (path,) = (shared_data / "MUSDB18-7" / "train").glob("*.stem.mp4")
    assert stated_seconds(path) == pytest.approx(300032 / 44100, abs=0.05)  # as stempeg decodes it


def test_a_file_that_cannot_be_opened_is_left_to_its_decoding(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"no audio" * 1000)
    assert stated_seconds(tmp_path / "a.wav") == 8000 / ASSUMED_RATE


@pytest.mark.parametrize(
    "entries",
    [{}, {"num_channels": 1}, {"sources": ("bass", "drums", "other", "vocals")}],
)
def test_what_is_stored_takes_what_was_said_and_hardly_less(tmp_path, entries):
    data = spec(write_corpus(tmp_path / "own", frames=RATE), tmp_path / "store", **entries)
    songs = find_songs(data, quiet)
    said = sum(stored_bytes(song, data) for song in songs)
    folder = prepare(data, quiet).folder
    taken = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert taken <= said <= taken + len(songs) * SONG_BYTES


def test_a_real_song_takes_what_was_said(shared_data):
    (path,) = (shared_data / "MUSDB18-7" / "train").glob("*.stem.mp4")
    said = stored_bytes(stem_song(path, "train"), spec(None, sample_rate=22050))
    assert said == pytest.approx(150016 * 2 * 2 * 2 + SONG_BYTES, rel=0.01)


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 bytes"), (999, "999 bytes"), (177_000, "177 kB"), (6.31e9, "6.31 GB"), (2e12, "2 TB")],
)
def test_sizes_are_readable(size, said):
    assert readable(size) == said
