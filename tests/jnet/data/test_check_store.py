"""The check of a store: every missing, additional or changed file is named."""

import json
import shutil
from pathlib import Path

import pytest

from jnet.data.check import find_store_damage
from jnet.data.preparation import prepare
from jnet.errors import DataError
from tests.jnet.data.corpora import quiet, settings, write_corpus


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("music")
    return settings(write_corpus(root / "own"), root / "store")


@pytest.fixture
def folder(data, tmp_path) -> Path:
    """Return a copy of the store that tests can damage."""
    prepared = prepare(data, quiet).folder
    return Path(shutil.copytree(prepared, tmp_path / prepared.name))


def flip_bit(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-2])


def edit_json(path, **entries):
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def reorder(path):
    edit_json(path, songs=json.loads(path.read_text())["songs"][::-1])


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("test/track 4.npy", Path.unlink, "is missing"),
        ("test/track 4.npy.json", Path.unlink, "is missing"),
        ("test/track 4.npy", truncate, "has 32126 bytes instead of 32128"),
        ("test/track 4.npy", lambda path: flip_bit(path, 30), "cannot be read (Header does not"),
        ("test/track 4.npy", lambda path: flip_bit(path, 128), "its samples have changed since"),
        ("test/track 4.npy", lambda path: flip_bit(path, -1), "its samples have changed since"),
        ("test/track 4.npy.json", truncate, "cannot be read"),
        (
            "test/track 4.npy.json",
            lambda path: edit_json(path, scale=0.5),
            "differs from the manifest",
        ),
        ("test/track 5.npy", Path.touch, "does not belong to the store"),
        ("test/.track 4.npy.77.tmp", Path.touch, "does not belong to the store"),
        ("notes.txt", Path.touch, "does not belong to the store"),
        (
            "manifest.json",
            lambda path: edit_json(path, sample_rate=16000),
            "sample_rate is 16000 instead of 8000",
        ),
        (
            "manifest.json",
            lambda path: edit_json(path, resampler=None),
            "resampler is None instead of",
        ),
        ("manifest.json", reorder, "its tracks or their order differ from the data set"),
    ],
)
def test_damage_is_named_with_its_file(data, folder, file, damage, message):
    damage(folder / file)
    (damage,) = find_store_damage(folder, data, quiet)
    assert damage.startswith(f"{file}: {message}")


def test_all_damage_is_named_and_every_track_is_reported(data, folder):
    reported = []
    assert find_store_damage(folder, data, lambda *each: reported.append(each)) == []
    assert reported == [("track 1", 1, 4), ("track 2", 2, 4), ("track 3", 3, 4), ("track 4", 4, 4)]
    (folder / "train" / "track 1.npy").unlink()
    truncate(folder / "valid" / "track 3.npy")
    flip_bit(folder / "train" / "track 2.npy", 5000)
    (folder / "extra").touch()
    damage = find_store_damage(folder, data, quiet)
    assert [line.partition(":")[0] for line in damage] == [
        "train/track 1.npy",
        "train/track 2.npy",
        "valid/track 3.npy",
        "extra",
    ]


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"songs": [1]}'])
def test_a_damaged_manifest_is_named(data, folder, content):
    (folder / "manifest.json").write_text(content)
    with pytest.raises(DataError, match=rf"{folder}/manifest\.json: is damaged .*remove it"):
        find_store_damage(folder, data, quiet)


def test_only_named_tracks_are_prepared_again_after_their_removal(data, folder, tmp_path):
    """The error message of `Datasets.py check` gives this advice."""
    flip_bit(folder / "train" / "track 2.npy", 5000)
    truncate(folder / "valid" / "track 3.npy.json")
    (folder / "extra").touch()
    for line in find_store_damage(folder, data, quiet):
        (folder / line.partition(":")[0]).unlink()
    (folder / "manifest.json").unlink()
    reported = []
    again = settings(data.path, folder.parent)
    assert prepare(again, lambda name, *_: reported.append(name)).folder == folder
    assert reported == ["track 2", "track 3"]
    assert find_store_damage(folder, data, quiet) == []
