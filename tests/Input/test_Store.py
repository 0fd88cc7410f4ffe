"""A store's name, and the opening of what is in it: nothing that is damaged is read."""

import io
import json
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from Input import Store
from Input.Collection import find_songs
from Input.Preparation import prepare
from Input.Songs import Song
from Spec.Errors import DataError
from tests.Input.songs import quiet, spec, write_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def prepared(corpus, tmp_path_factory) -> Path:
    """The corpus' store: four songs of 4000 frames."""
    return prepare(spec(corpus, tmp_path_factory.mktemp("store")), quiet).folder


@pytest.fixture
def folder(prepared, tmp_path) -> Path:
    """A copy of the store to damage."""
    return Path(shutil.copytree(prepared, tmp_path / prepared.name))


@pytest.fixture
def own(corpus, tmp_path) -> Path:
    """A corpus to damage."""
    return Path(shutil.copytree(corpus, tmp_path / "own"))


def told(folder) -> str:
    """The line that opening a damaged store ends with."""
    with pytest.raises(DataError) as error:
        Store.open_store(folder)
    assert "\n" not in str(error.value)
    return str(error.value)


def with_entry(**entries):
    """Change a description: the first song's entries."""

    def change(content: bytes) -> bytes:
        whole = json.loads(content)
        song = whole["songs"][0] if "songs" in whole else whole
        song.update(entries)
        return json.dumps(whole).encode()

    return change


def saved(array, **options) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


class Trap:
    """What a pickled array could do: it runs code while it is read."""

    def __reduce__(self):
        return (Path.touch, (Path("trapped"),))


SAMPLES, DESCRIPTION, MANIFEST = "train/song 3.npy", "train/song 3.npy.json", "manifest.json"
DAMAGE = [
    (SAMPLES, lambda content: None, "is missing"),
    (SAMPLES, lambda content: b"", "cannot be read"),
    (SAMPLES, lambda content: b"not an array", "cannot be read"),
    (SAMPLES, lambda content: content[:100], "cannot be read"),
    (SAMPLES, lambda content: content[:128], "has 128 bytes where 32128 are due"),
    (SAMPLES, lambda content: content[:-1], "has 32127 bytes where 32128 are due"),
    (SAMPLES, lambda content: content + b"\0", "has 32129 bytes where 32128 are due"),
    (SAMPLES, lambda content: saved(np.zeros((3999, 2, 2), np.int16)), "an array of another form"),
    (SAMPLES, lambda content: saved(np.zeros((4000, 2, 2))), "is an array of another form"),
    (SAMPLES, lambda content: saved(np.zeros(16000, np.int16)), "is an array of another form"),
    (SAMPLES, lambda content: content.replace(b"<i2", b">i2"), "is an array of another form"),
    (SAMPLES, lambda content: saved(np.array([Trap()])), "is an array of another form"),
    (SAMPLES, lambda content: pickle.dumps(Trap()), "cannot be read"),
    (DESCRIPTION, lambda content: None, "is missing"),
    (DESCRIPTION, lambda content: b"{", "cannot be read"),
    (DESCRIPTION, with_entry(scale=1.0), "is not what the manifest says"),
    (MANIFEST, lambda content: b"", "is damaged"),
    (MANIFEST, lambda content: b"\xff", "is damaged"),
    (MANIFEST, lambda content: b"[]", "is damaged"),
    (MANIFEST, lambda content: content[: len(content) // 2], "is damaged"),
    (MANIFEST, lambda content: b'{"songs": [{"name": "a"}]}', "is damaged"),
    (MANIFEST, with_entry(frames=True), "is damaged"),
    (MANIFEST, with_entry(frames=-1), "is damaged"),
    (MANIFEST, with_entry(scale=0.0), "is damaged"),
    (MANIFEST, with_entry(scale=float("nan")), "is damaged"),
    (MANIFEST, with_entry(subset="../elsewhere"), "is damaged"),
    (MANIFEST, with_entry(name="../../elsewhere"), "is damaged"),
    (MANIFEST, with_entry(name="/etc/passwd"), "is damaged"),
    (MANIFEST, with_entry(name=f"nul{chr(0)}"), "is damaged"),
    (MANIFEST, with_entry(frames=4001), "song 1.npy: is an array of another form"),
    (MANIFEST, with_entry(scale=1.0), "song 1.npy.json: is not what the manifest says"),
    (MANIFEST, with_entry(name="gone"), "train/gone.npy: is missing"),
]


@pytest.mark.parametrize(("file", "damage", "said"), DAMAGE)
def test_a_damaged_store_is_not_opened(folder, monkeypatch, file, damage, said):
    monkeypatch.chdir(folder.parent)
    content = damage((folder / file).read_bytes())
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    line = told(folder)
    assert said in line
    assert str(folder) in line
    assert not Path("trapped").exists()


def test_the_trap_of_this_test_is_one(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    np.load(io.BytesIO(saved(np.array([Trap()]))), allow_pickle=True)
    assert Path("trapped").exists()


def test_any_byte_changed_in_a_header_is_found_or_harmless(folder):
    path = folder / SAMPLES
    content = path.read_bytes()
    store = Store.read_manifest(folder)
    (song,) = [song for song in store.songs if song.name == "song 3"]
    whole = np.array(store.open(song))
    for place in range(128):
        for byte in (0, 0x28, 0xFF, content[place] ^ 1):
            path.write_bytes(content[:place] + bytes([byte]) + content[place + 1 :])
            try:
                np.testing.assert_array_equal(store.open(song), whole)
            except DataError as error:
                assert str(path) in str(error)  # noqa: PT017 - either outcome is right


def test_what_is_wrong_with_several_files_is_counted(folder):
    for name in ("train/song 1.npy", "valid/song 2.npy", "test/song 4.npy.json"):
        (folder / name).unlink()
    assert told(folder) == (
        f"{folder}/train/song 1.npy: is missing: it is not as it was prepared, nor are 2 more of "
        f"its files: remove {folder} to prepare it anew, or ask 'python Datasets.py check' what "
        f"exactly to remove"
    )


def test_a_song_that_is_damaged_after_the_opening_is_not_read(folder):
    store = Store.open_store(folder)
    path = folder / SAMPLES
    path.write_bytes(path.read_bytes()[:1000])
    (song,) = [song for song in store.songs if song.name == "song 3"]
    with pytest.raises(DataError, match=re.escape(f"{path}: has 1000 bytes where 32128 are due")):
        store.open(song)


def test_a_training_does_not_begin_on_a_damaged_store(corpus, tmp_path):
    data = spec(corpus, tmp_path)
    folder = prepare(data, quiet).folder
    (folder / SAMPLES).unlink()
    with pytest.raises(DataError, match=r"song 3\.npy: is missing"):
        prepare(data, quiet)


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


def test_a_stem_exported_again_at_the_same_size_is_another_store(tmp_path):
    root = write_corpus(tmp_path / "own")
    data = spec(root, tmp_path)
    before = prepare(data, quiet).folder
    path = next((root / "train").glob("*/vocals.wav"))
    samples, rate = soundfile.read(path)
    size = path.stat().st_size
    soundfile.write(path, 0.5 * samples, rate)
    assert path.stat().st_size == size
    assert prepare(data, quiet).folder != before
