"""A store held against its manifest: whatever is missing, extra or changed is named."""

import json
import shutil
from pathlib import Path

import pytest

from Input.Preparation import prepare
from Input.StoreCheck import store_damage
from Spec.Errors import DataError
from tests.Input.songs import quiet, spec, write_corpus


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("music")
    return spec(write_corpus(root / "own"), root / "store")


@pytest.fixture
def folder(data, tmp_path) -> Path:
    """A copy of the store to damage."""
    made = prepare(data, quiet).folder
    return Path(shutil.copytree(made, tmp_path / made.name))


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-2])


def rewrite(path, **entries):
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def reorder(path):
    rewrite(path, songs=json.loads(path.read_text())["songs"][::-1])


@pytest.mark.parametrize(
    ("file", "damage", "said"),
    [
        ("test/song 4.npy", Path.unlink, "is missing"),
        ("test/song 4.npy.json", Path.unlink, "is missing"),
        ("test/song 4.npy", truncate, "has 32126 bytes where 32128 are due"),
        ("test/song 4.npy", lambda path: flip(path, 30), "cannot be read (Header does not"),
        ("test/song 4.npy", lambda path: flip(path, 128), "its samples have changed since"),
        ("test/song 4.npy", lambda path: flip(path, -1), "its samples have changed since"),
        ("test/song 4.npy.json", truncate, "cannot be read"),
        (
            "test/song 4.npy.json",
            lambda path: rewrite(path, scale=0.5),
            "is not what the manifest says",
        ),
        ("test/song 5.npy", Path.touch, "does not belong there"),
        ("test/.song 4.npy.77.tmp", Path.touch, "does not belong there"),
        ("notes.txt", Path.touch, "does not belong there"),
        (
            "manifest.json",
            lambda path: rewrite(path, sample_rate=16000),
            "says sample_rate 16000 where it is 8000",
        ),
        ("manifest.json", lambda path: rewrite(path, resampler=None), "says resampler None"),
        ("manifest.json", reorder, "has other songs than the data set, or in another order"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(data, folder, file, damage, said):
    damage(folder / file)
    (found,) = store_damage(folder, data, quiet)
    assert found.startswith(f"{file}: {said}")


def test_all_that_is_wrong_is_named_and_every_song_is_told_of(data, folder):
    told = []
    assert store_damage(folder, data, lambda *each: told.append(each)) == []
    assert told == [("song 1", 1, 4), ("song 2", 2, 4), ("song 3", 3, 4), ("song 4", 4, 4)]
    (folder / "train" / "song 1.npy").unlink()
    truncate(folder / "valid" / "song 2.npy")
    flip(folder / "train" / "song 3.npy", 5000)
    (folder / "extra").touch()
    found = store_damage(folder, data, quiet)
    assert [line.partition(":")[0] for line in found] == [
        "train/song 1.npy",
        "valid/song 2.npy",
        "train/song 3.npy",
        "extra",
    ]


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"songs": [1]}'])
def test_a_damaged_manifest_is_named(data, folder, content):
    (folder / "manifest.json").write_text(content)
    with pytest.raises(DataError, match=rf"{folder}/manifest\.json: is damaged .*remove it"):
        store_damage(folder, data, quiet)


def test_what_is_named_can_be_removed_to_have_the_rest_kept(data, folder, tmp_path):
    """As the line that `Datasets.py check` ends with says."""
    flip(folder / "train" / "song 3.npy", 5000)
    truncate(folder / "valid" / "song 2.npy.json")
    (folder / "extra").touch()
    for line in store_damage(folder, data, quiet):
        (folder / line.partition(":")[0]).unlink()
    (folder / "manifest.json").unlink()
    told = []
    again = spec(data.path, folder.parent)
    assert prepare(again, lambda name, *_: told.append(name)).folder == folder
    assert told == ["song 2", "song 3"]
    assert store_damage(folder, data, quiet) == []
