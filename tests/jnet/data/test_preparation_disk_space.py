"""The disk space for a store, estimated from the lengths that files state."""

import pytest
import soundfile

from jnet.data.find import find_tracks
from jnet.data.layouts import make_stem_track
from jnet.data.preparation import (
    ASSUMED_RATE,
    EXTRA_BYTES,
    estimate_bytes,
    format_bytes,
    prepare,
    read_stated_seconds,
)
from tests.jnet.data.corpora import RATE, noise, quiet, settings, write_corpus


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_the_length_of_an_audio_file_is_read_from_its_header(tmp_path, name):
    soundfile.write(tmp_path / name, noise("n", 3 * RATE), RATE)
    assert read_stated_seconds(tmp_path / name) == pytest.approx(3, abs=0.05)


def test_the_length_of_a_stem_mp4_is_read_from_its_header(shared_data):
    (path,) = (shared_data / "MUSDB18-7" / "train").glob("*.stem.mp4")
    seconds = 300032 / 44100  # as stempeg decodes it
    assert read_stated_seconds(path) == pytest.approx(seconds, abs=0.05)


def test_the_length_of_a_file_that_cannot_be_opened_is_estimated_from_its_size(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"no audio" * 1000)
    assert read_stated_seconds(tmp_path / "a.wav") == 8000 / ASSUMED_RATE


@pytest.mark.parametrize(
    "entries",
    [{}, {"num_channels": 1}, {"sources": ("bass", "drums", "other", "vocals")}],
)
def test_the_estimated_size_of_a_store_is_a_close_upper_bound(tmp_path, entries):
    data = settings(write_corpus(tmp_path / "own", frames=RATE), tmp_path / "store", **entries)
    tracks = find_tracks(data, quiet)
    estimated = sum(estimate_bytes(track, data) for track in tracks)
    folder = prepare(data, quiet).folder
    used = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert used <= estimated <= used + len(tracks) * EXTRA_BYTES


def test_the_estimated_size_of_a_real_track_is_right(shared_data):
    (path,) = (shared_data / "MUSDB18-7" / "train").glob("*.stem.mp4")
    estimated = estimate_bytes(make_stem_track(path, "train"), settings(None, sample_rate=22050))
    assert estimated == pytest.approx(150016 * 2 * 2 * 2 + EXTRA_BYTES, rel=0.01)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (177_000, "177 kB"), (6.31e9, "6.31 GB"), (2e12, "2 TB")],
)
def test_sizes_are_readable(size, text):
    assert format_bytes(size) == text
