"""The name of a store, and errors for damaged files in it."""

import io
import json
import os
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jnet.data import store as Store
from jnet.data.find import find_tracks
from jnet.data.preparation import prepare
from jnet.data.tracks import Track
from jnet.errors import DataError
from tests.jnet.data.corpora import contents, quiet, settings, write_corpus, write_stems


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def prepared(corpus, tmp_path_factory) -> Path:
    """Return the store of the corpus: four tracks of 4000 samples."""
    return prepare(settings(corpus, tmp_path_factory.mktemp("store")), quiet).folder


@pytest.fixture
def folder(prepared, tmp_path) -> Path:
    """Return a copy of the store that tests can damage."""
    return Path(shutil.copytree(prepared, tmp_path / prepared.name))


@pytest.fixture
def own(corpus, tmp_path) -> Path:
    """Return a copy of the corpus that tests can change."""
    return Path(shutil.copytree(corpus, tmp_path / "own"))


def open_error(folder) -> str:
    """Return the error message of opening a damaged store."""
    with pytest.raises(DataError) as error:
        Store.open_store(folder)
    assert "\n" not in str(error.value)
    return str(error.value)


def change_entries(**entries):
    """Return a function that changes entries of the first track in a description or manifest."""

    def change(content: bytes) -> bytes:
        description = json.loads(content)
        track = description["songs"][0] if "songs" in description else description
        track.update(entries)
        return json.dumps(description).encode()

    return change


def save_array(array, **options) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


class Trap:
    """An object whose pickle runs code when it is loaded."""

    def __reduce__(self):
        return (Path.touch, (Path("trapped"),))


SAMPLES, DESCRIPTION, MANIFEST = "train/track 2.npy", "train/track 2.npy.json", "manifest.json"
OTHER_FORMAT = "is not an int16 array of shape (4000, 2, 2)"
DAMAGE = [
    (SAMPLES, lambda content: None, "is missing"),
    (SAMPLES, lambda content: b"", "cannot be read"),
    (SAMPLES, lambda content: b"not an array", "cannot be read"),
    (SAMPLES, lambda content: content[:100], "cannot be read"),
    (SAMPLES, lambda content: content[:128], "has 128 bytes instead of 32128"),
    (SAMPLES, lambda content: content[:-1], "has 32127 bytes instead of 32128"),
    (SAMPLES, lambda content: content + b"\0", "has 32129 bytes instead of 32128"),
    (SAMPLES, lambda content: save_array(np.zeros((3999, 2, 2), np.int16)), OTHER_FORMAT),
    (SAMPLES, lambda content: save_array(np.zeros((4000, 2, 2))), OTHER_FORMAT),
    (SAMPLES, lambda content: save_array(np.zeros(16000, np.int16)), OTHER_FORMAT),
    (SAMPLES, lambda content: content.replace(b"<i2", b">i2"), OTHER_FORMAT),
    (SAMPLES, lambda content: save_array(np.array([Trap()])), OTHER_FORMAT),
    (SAMPLES, lambda content: pickle.dumps(Trap()), "cannot be read"),
    (DESCRIPTION, lambda content: None, "is missing"),
    (DESCRIPTION, lambda content: b"{", "cannot be read"),
    (DESCRIPTION, change_entries(scale=1.0), "differs from the manifest"),
    (MANIFEST, lambda content: b"", "is damaged"),
    (MANIFEST, lambda content: b"\xff", "is damaged"),
    (MANIFEST, lambda content: b"[]", "is damaged"),
    (MANIFEST, lambda content: content[: len(content) // 2], "is damaged"),
    (MANIFEST, lambda content: b'{"songs": [{"name": "a"}]}', "is damaged"),
    (MANIFEST, change_entries(frames=True), "is damaged"),
    (MANIFEST, change_entries(frames=-1), "is damaged"),
    (MANIFEST, change_entries(scale=0.0), "is damaged"),
    (MANIFEST, change_entries(scale=float("nan")), "is damaged"),
    (MANIFEST, change_entries(subset="../elsewhere"), "is damaged"),
    (MANIFEST, change_entries(name="../../elsewhere"), "is damaged"),
    (MANIFEST, change_entries(name="/etc/passwd"), "is damaged"),
    (MANIFEST, change_entries(name=f"nul{chr(0)}"), "is damaged"),
    (
        MANIFEST,
        change_entries(frames=4001),
        "track 1.npy: is not an int16 array of shape (4001, 2, 2)",
    ),
    (MANIFEST, change_entries(scale=1.0), "track 1.npy.json: differs from the manifest"),
    (MANIFEST, change_entries(name="gone"), "train/gone.npy: is missing"),
]


@pytest.mark.parametrize(("file", "damage", "message"), DAMAGE)
def test_a_damaged_store_is_not_opened(folder, monkeypatch, file, damage, message):
    monkeypatch.chdir(folder.parent)
    content = damage((folder / file).read_bytes())
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    line = open_error(folder)
    assert message in line
    assert str(folder) in line
    assert not Path("trapped").exists()


def test_the_trap_runs_code_if_pickles_are_allowed(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    np.load(io.BytesIO(save_array(np.array([Trap()]))), allow_pickle=True)
    assert Path("trapped").exists()


def test_any_changed_byte_of_a_header_is_found_or_harmless(folder):
    path = folder / SAMPLES
    content = path.read_bytes()
    store = Store.read_manifest(folder)
    (track,) = [track for track in store.tracks if track.name == "track 2"]
    samples = np.array(store.open(track))
    with path.open("r+b", buffering=0) as file:
        for position in range(128):
            for byte in (
                0,
                0x28,
                0xFF,
                content[position] ^ 1,
                content[position],
            ):  # the last one restores it
                os.pwrite(file.fileno(), bytes([byte]), position)
                try:
                    np.testing.assert_array_equal(store.open(track), samples)
                except DataError as error:
                    assert str(path) in str(error)  # noqa: PT017 - both outcomes are right


def test_several_damaged_files_are_counted(folder):
    for name in ("train/track 1.npy", "valid/track 3.npy", "test/track 4.npy.json"):
        (folder / name).unlink()
    assert open_error(folder) == (
        f"{folder}/train/track 1.npy: is missing (the first of 3 damaged files): remove {folder} "
        f"to prepare it again, or run 'python Datasets.py check' to list the files to remove"
    )


def test_a_track_that_is_damaged_after_opening_the_store_is_not_read(folder):
    store = Store.open_store(folder)
    path = folder / SAMPLES
    path.write_bytes(path.read_bytes()[:1000])
    (track,) = [track for track in store.tracks if track.name == "track 2"]
    with pytest.raises(DataError, match=re.escape(f"{path}: has 1000 bytes instead of 32128")):
        store.open(track)


def test_a_damaged_store_is_not_used(corpus, tmp_path):
    data = settings(corpus, tmp_path)
    folder = prepare(data, quiet).folder
    (folder / SAMPLES).unlink()
    with pytest.raises(DataError, match=r"track 2\.npy: is missing"):
        prepare(data, quiet)


@pytest.mark.parametrize(
    "entries",
    [
        {"sample_rate": 16000},
        {"num_channels": 1},
        {"sources": ("bass", "drums", "other", "vocals")},
        {"num_validation_tracks": 2},
    ],
)
def test_the_name_changes_with_settings_that_affect_the_audio(corpus, entries):
    data, other = settings(corpus), settings(corpus, **entries)
    names = {Store.make_store_name(item, find_tracks(item, quiet)) for item in (data, other)}
    assert len(names) == 2


def test_the_name_changes_with_files_but_not_with_order_path_or_workers(own, tmp_path):
    data = settings(own)
    tracks = find_tracks(data, quiet)
    name = Store.make_store_name(data, tracks)
    reordered = [
        Track(track.name, track.subset, dict(reversed(list(track.stems.items()))))
        for track in tracks
    ]
    assert reordered[0].stems.keys() == tracks[0].stems.keys()
    assert Store.make_store_name(data, reordered) == name
    moved = settings(own.rename(tmp_path / "moved"), "elsewhere", num_workers=7)
    assert Store.make_store_name(moved, find_tracks(moved, quiet)) == name
    with (tmp_path / "moved" / "train" / "track 2" / "bass.wav").open("ab") as file:
        file.write(b"\0")
    assert Store.make_store_name(moved, find_tracks(moved, quiet)) != name


def test_a_stem_exported_again_with_the_same_size_needs_another_store(tmp_path):
    root = write_corpus(tmp_path / "own")
    data = settings(root, tmp_path)
    before = prepare(data, quiet).folder
    path = next((root / "train").glob("*/vocals.wav"))
    samples, rate = soundfile.read(path)
    size = path.stat().st_size
    soundfile.write(path, 0.5 * samples, rate)
    assert path.stat().st_size == size
    assert prepare(data, quiet).folder != before


STORED = Path(__file__).parents[2] / "fixtures" / "version_0.1.0" / "store_manifest.json"


def test_a_store_of_version_0_1_0_is_opened_without_preparation(tmp_path, monkeypatch):
    """Version 0.1.0 created the same name, manifest and arrays from this corpus."""
    ramp = np.outer(np.arange(-4, 4), [1, -1])
    for factor, folder in enumerate(("train/a", "train/b", "train/c", "test/d"), 1):
        stems = {"accompaniment": 100 * factor * ramp, "vocals": 200 * factor * ramp}
        write_stems(
            tmp_path / "own" / folder,
            {name: samples.astype(np.int16) for name, samples in stems.items()},
            rate=8000,
        )
    folder = tmp_path / "store" / "folder-8000Hz-807b86546376"
    manifest = json.loads(STORED.read_text())
    samples = np.stack([np.rint(ramp * (scale * 32767 / 8)) for scale in (1, 2)], axis=1)
    for track in manifest["songs"]:
        path = folder / track["subset"] / f"{track['name']}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, samples.astype(np.int16))
        path.with_name(f"{path.name}.json").write_text(json.dumps(track))
    shutil.copy(STORED, folder / "manifest.json")
    data = settings(tmp_path / "own", tmp_path / "store")
    with monkeypatch.context() as patch:
        patch.setattr(Track, "read", None)
        store = prepare(data, lambda *each: pytest.fail("the store was prepared again"))
    assert store.folder == folder
    assert [track.name for track in store.subset("valid")] == ["c"]
    assert all(Store.hash_samples(store.open(track)) == track.sha256 for track in store.tracks)
    again = prepare(settings(tmp_path / "own", tmp_path / "again"), quiet).folder
    assert (again / "manifest.json").read_text() == STORED.read_text()
    assert contents(again).keys() == contents(folder).keys()
