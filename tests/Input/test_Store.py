"""The store: what is in it, its name, and its being whole or completed."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from Input import Store
from Input.Collection import find_songs
from Input.Musdb import STREAMS, find_musdb_songs
from Input.Songs import Song
from Spec.Errors import DataError
from tests.Input.songs import RATE, noise, quiet, spec, write_corpus, write_song, write_stems


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture
def own(corpus, tmp_path) -> Path:
    """A corpus to damage."""
    return Path(shutil.copytree(corpus, tmp_path / "own"))


def contents(folder):
    """Every file below `folder` with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def samples_of(store, name):
    (song,) = [song for song in store.songs if song.name == name]
    return store.open(song) * np.float64(song.scale)


def test_a_stored_song_is_the_resampled_one_to_half_a_step_of_its_scale(corpus, tmp_path):
    store = Store.prepare(spec(corpus, tmp_path, sources=("bass", "vocals")), quiet)
    for song in store.songs:
        subset = "test" if song.subset == "test" else "train"
        samples = store.open(song)
        assert samples.dtype == np.int16
        for index, name in enumerate(("bass", "vocals")):
            heard, _ = soundfile.read(corpus / subset / song.name / f"{name}.wav", dtype="float32")
            wanted = soxr.resample(heard, RATE, 8000, quality="HQ")
            missed = samples[:, index] * np.float64(song.scale) - wanted
            assert np.abs(missed).max() <= 0.503 * song.scale  # float32 rounds too: 2**-24 of 32767
        assert np.abs(samples.astype(int)).max() == 32767  # the scale is as fine as it can be


@pytest.mark.parametrize("peak", [3.0, 1e-3, 1e-30, 1e-42, 0.0])
def test_nothing_clips_or_overflows_however_loud_or_silent(peak):
    wanted = (peak * np.linspace(-1, 1, 1001, dtype=np.float64)).astype(np.float32)
    samples, scale = Store.to_int16(wanted)
    assert scale > 0
    assert np.abs(samples.astype(int)).max() <= 32767
    assert np.abs(samples * np.float64(scale) - wanted).max() <= max(0.503 * scale, 1e-20) or (
        np.abs(wanted).max() <= 1e-20
    )
    assert samples[0] == (-32767 if peak > 1e-20 else 0)


def test_mono_is_the_average_and_stereo_the_copy(tmp_path):
    for index, channels in enumerate((2, 1, 2)):
        write_song(tmp_path / "own" / "train" / f"song {index}", channels=channels)
    write_song(tmp_path / "own" / "test" / "song 4", channels=1)
    data = {"sources": ("vocals",), "sample_rate": RATE}
    mono = Store.prepare(spec(tmp_path / "own", tmp_path / "s", num_channels=1, **data), quiet)
    stereo = Store.prepare(spec(tmp_path / "own", tmp_path / "s", **data), quiet)
    heard = noise("song 0/vocals") / 32768
    np.testing.assert_allclose(
        samples_of(mono, "song 0")[:, 0, 0], heard.mean(axis=1), atol=0.3 / 32768
    )
    copied = samples_of(stereo, "song 1")[:, 0]
    np.testing.assert_array_equal(copied[:, 0], copied[:, 1])


def test_the_manifest_holds_the_form_and_every_song_with_its_set(corpus, tmp_path):
    store = Store.prepare(spec(corpus, tmp_path), quiet)
    manifest = json.loads((store.folder / "manifest.json").read_text())
    assert {key: manifest[key] for key in manifest if key != "songs"} == {
        "format_version": 1,
        "resampler": "soxr HQ",
        "sample_rate": 8000,
        "num_channels": 2,
        "sources": ["accompaniment", "vocals"],
    }
    assert [(song["subset"], song["name"], song["frames"]) for song in manifest["songs"]] == [
        ("train", "song 1", 4000),
        ("valid", "song 2", 4000),
        ("train", "song 3", 4000),
        ("test", "song 4", 4000),
    ]
    assert not [name for name in contents(tmp_path) if name.endswith(".tmp")]


def test_a_second_preparation_decodes_nothing(corpus, tmp_path, monkeypatch):
    data = spec(corpus, tmp_path)
    store = Store.prepare(data, quiet)
    before = contents(tmp_path)
    monkeypatch.setattr(Store, "prepare_song", None)
    assert Store.prepare(data, lambda *each: pytest.fail("there is nothing to do")) == store
    assert contents(tmp_path) == before


def test_an_interrupted_preparation_goes_on_where_it_stopped(corpus, tmp_path, monkeypatch):
    whole = Store.prepare(spec(corpus, tmp_path / "whole"), quiet)
    data, read, done = spec(corpus, tmp_path / "cut"), Song.read, []

    def interrupted(song, sources):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(song.name)
        return read(song, sources)

    with monkeypatch.context() as patch:
        patch.setattr(Song, "read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Store.prepare(data, quiet)
    left = contents(tmp_path / "cut")
    assert len(left) == 4
    assert not any(name.endswith("manifest.json") for name in left)
    told = []
    store = Store.prepare(data, lambda *each: told.append(each))
    assert told == [("song 3", 3, 4), ("song 4", 4, 4)]
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
    assert store.songs == whole.songs


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"name": "song 1"}'])
def test_a_half_written_song_is_prepared_again(corpus, tmp_path, damage):
    data = spec(corpus, tmp_path)
    store = Store.prepare(data, quiet)
    before = contents(tmp_path)
    (store.folder / "manifest.json").unlink()
    (store.folder / "valid" / "song 2.npy.json").write_text(damage)
    (store.folder / "test" / "song 4.npy").unlink()
    assert Store.prepare(data, quiet) == store
    assert contents(tmp_path) == before


def test_a_damaged_song_in_a_worker_is_one_line_and_the_others_are_kept(own, tmp_path):
    path = own / "test" / "song 4" / "bass.wav"
    path.write_bytes(path.read_bytes()[:-100])
    data = spec(own, tmp_path / "store", num_workers=2)
    with pytest.raises(DataError) as error:
        Store.prepare(data, quiet)
    assert str(error.value).startswith(f"{path}: is cut off")
    assert "\n" not in str(error.value)
    kept = [name for name in contents(tmp_path / "store") if name.endswith(".npy")]
    assert kept
    assert not any("song 4" in name for name in kept)
    write_song(path.parent)
    in_two = Store.prepare(data, quiet)
    in_one = Store.prepare(spec(own, tmp_path / "one"), quiet)
    assert contents(in_two.folder) == contents(in_one.folder)


def test_a_full_disk_leaves_no_half_file_and_says_what_to_do(corpus, tmp_path, monkeypatch):
    def full(file, samples, **_):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full)
    with pytest.raises(DataError, match=r"song 1\.npy: cannot be written \(No space.*store_path"):
        Store.prepare(spec(corpus, tmp_path), quiet)
    assert contents(tmp_path) == {}


def test_a_store_that_cannot_be_written_is_refused_before_a_song_is_read(
    corpus, tmp_path, monkeypatch
):
    monkeypatch.setattr(Song, "read", None)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot be written \(Not a directory\).*cfg\.store_path"):
        Store.prepare(spec(corpus, tmp_path / "file"), quiet)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(DataError, match=r"cannot be written to: give another cfg\.store_path"):
        Store.prepare(spec(corpus, tmp_path / "read only"), quiet)


def test_a_song_whose_channels_or_length_do_not_fit_is_named(tmp_path):
    write_corpus(tmp_path / "own")
    write_stems(tmp_path / "own" / "train" / "song 2", {"vocals": noise("v", 9, 6)})
    data = spec(tmp_path / "own", tmp_path / "store", sources=("vocals",))
    (tmp_path / "own" / "train" / "song 2" / "mixture.wav").unlink()
    with pytest.raises(DataError, match="song 2: audio of 6 channels cannot be made into 2"):
        Store.prepare(data, quiet)
    write_stems(tmp_path / "own" / "train" / "song 2", {"vocals": noise("v", 1)})
    with pytest.raises(DataError, match="song 2: is too short to have a sample at 8000 Hz"):
        Store.prepare(data, quiet)


@pytest.mark.parametrize(
    "entries",
    [
        {"sample_rate": 16000},
        {"num_channels": 1},
        {"sources": ("bass", "drums", "other", "vocals")},
        {"num_validation_songs": 2},
    ],
)
def test_the_name_changes_with_what_shapes_the_audio(corpus, entries):
    data, other = spec(corpus), spec(corpus, **entries)
    names = {Store.store_name(each, find_songs(each, quiet)) for each in (data, other)}
    assert len(names) == 2


def test_the_name_changes_with_files_and_not_with_order_place_or_workers(own, tmp_path):
    data = spec(own)
    songs = find_songs(data, quiet)
    name = Store.store_name(data, songs)
    turned = [
        Song(song.name, song.subset, dict(reversed(list(song.stems.items())))) for song in songs
    ]
    assert turned[0].stems.keys() == songs[0].stems.keys()
    assert Store.store_name(data, turned) == name
    moved = spec(own.rename(tmp_path / "moved"), "elsewhere", num_workers=7)
    assert Store.store_name(moved, find_songs(moved, quiet)) == name
    with (tmp_path / "moved" / "train" / "song 2" / "bass.wav").open("ab") as file:
        file.write(b"\0")
    assert Store.store_name(moved, find_songs(moved, quiet)) != name


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("manifest.json", b"{"),
        ("manifest.json", b"\xff"),
        ("manifest.json", b"[]"),
        ("manifest.json", b'{"songs": [{"name": "a"}]}'),
        ("train/song 3.npy", b""),
        ("train/song 3.npy", b"not an array"),
        ("train/song 3.npy", None),
    ],
)
def test_a_damaged_store_is_refused_with_the_folder_to_remove(corpus, tmp_path, file, content):
    data = spec(corpus, tmp_path)
    folder = Store.prepare(data, quiet).folder
    path = folder / file
    path.write_bytes(path.read_bytes()[:-2] if content is None else content)
    with pytest.raises(DataError, match=re.escape(f"{path}: is damaged, remove {folder}")):
        open_all(data)


@pytest.mark.parametrize(
    "samples", [np.zeros((3999, 2, 2), np.int16), np.zeros((4000, 2, 2)), np.zeros(4000, np.int16)]
)
def test_an_array_of_another_song_is_refused(corpus, tmp_path, samples):
    data = spec(corpus, tmp_path)
    folder = Store.prepare(data, quiet).folder
    np.save(folder / "train" / "song 3.npy", samples)
    with pytest.raises(DataError, match=re.escape(f"song 3.npy: is damaged, remove {folder}")):
        open_all(data)


def open_all(data):
    store = Store.prepare(data, quiet)
    return [store.open(song) for song in store.songs]


@pytest.mark.parametrize(
    "name", ["Ünïcödé – 日本語 🎵", 'it\'s "quoted"; $HOME `x`', "a.b.npy", "-x"]
)
def test_a_song_of_any_name_is_stored_and_found_again(tmp_path, name):
    root = write_corpus(tmp_path / "own")
    (root / "test" / "song 4").rename(root / "test" / name)
    data = spec(root, tmp_path / "store")
    store = Store.prepare(data, quiet)
    assert [song.name for song in store.subset("test")] == [name]
    assert open_all(data)[-1].shape == (4000, 2, 2)


def test_stems_and_hq_folders_of_the_same_audio_give_the_same_store(shared_data, tmp_path):
    (song,) = find_musdb_songs(shared_data / "MUSDB18-7")
    for subset, name in (("train", "a"), ("train", "b"), ("test", "c")):
        (tmp_path / "mp4" / subset).mkdir(parents=True, exist_ok=True)
        shutil.copy(song.folder, tmp_path / "mp4" / subset / f"{name}.stem.mp4")
        heard = song.read(STREAMS)
        for index, stem in enumerate(STREAMS):
            folder = tmp_path / "hq" / subset / name
            folder.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / f"{stem}.wav", heard.sources[:, index], heard.sample_rate)
    stores = [
        Store.prepare(spec(tmp_path / kind, tmp_path, dataset="musdb18"), quiet)
        for kind in ("mp4", "hq")
    ]
    for first, second in zip(stores[0].songs, stores[1].songs, strict=True):
        assert (first.subset, first.name, first.frames) == (
            second.subset,
            second.name,
            second.frames,
        )
        # Three 16-bit roundings summed and filtered, and two of the stores' own.
        missed = samples_of(stores[0], first.name) - samples_of(stores[1], first.name)
        assert np.abs(missed).max() < 5 / 32768


def test_a_stem_exported_again_at_the_same_size_is_another_store(tmp_path):
    root = write_corpus(tmp_path / "own")
    data = spec(root, tmp_path)
    before = Store.prepare(data, quiet).folder
    path = next((root / "train").glob("*/vocals.wav"))
    samples, rate = soundfile.read(path)
    size = path.stat().st_size
    soundfile.write(path, 0.5 * samples, rate)
    assert path.stat().st_size == size
    assert Store.prepare(data, quiet).folder != before


def test_stored_samples_that_changed_are_found(tmp_path):
    store = Store.prepare(spec(write_corpus(tmp_path / "own"), tmp_path), quiet)
    assert Store.damaged_songs(store, quiet) == []
    song = store.subset("train")[0]
    path = store.folder / "train" / f"{song.name}.npy"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    assert Store.damaged_songs(store, quiet) == [song.name]
