"""Which songs validate: the smallest SHA-256 of the names, and nothing else."""

import subprocess
from pathlib import Path

import pytest

from Input.Songs import Song, Stem
from Input.Splits import hold_out, name_hash
from Spec.Errors import DataError


def songs(*names, subset="train"):
    return [
        Song(name, subset, {"vocals": Stem(Path("root") / subset / name / "vocals.wav")})
        for name in names
    ]


def held_out(found):
    return {song.name for song in found if song.subset == "valid"}


def test_the_hash_is_that_of_sha256sum():
    # FIPS 180-2, appendix B.1, and of the songs as `printf '%s' name | sha256sum` prints them.
    assert name_hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    for name in ("Music Delta - 80s Rock", "Ünïcödé"):
        printed = subprocess.run(["sha256sum"], input=name.encode(), capture_output=True).stdout
        assert name_hash(name) == printed.split()[0].decode()


def test_the_songs_of_smallest_hash_validate():
    # sha256: c 2e7d…, d 18ac…, b 3e23…, e 3f79…, a ca97…
    found = hold_out(songs("a", "b", "c", "d", "e"), 2)
    assert held_out(found) == {"c", "d"}
    assert [song.name for song in found] == ["a", "b", "c", "d", "e"]


def test_neither_order_nor_another_set_changes_the_split():
    names = [f"song {index}" for index in range(100)]
    wanted = held_out(hold_out(songs(*names), 25))
    assert len(wanted) == 25
    assert held_out(hold_out(songs(*reversed(names)), 25)) == wanted
    test = songs("song 100", "song 101", subset="test")
    assert held_out(hold_out([*songs(*names), *test], 25)) == wanted


def test_a_song_that_is_removed_moves_at_most_one_other():
    names = [f"song {index}" for index in range(100)]
    wanted = held_out(hold_out(songs(*names), 25))
    for gone in names[:10]:
        left = held_out(hold_out(songs(*[name for name in names if name != gone]), 25))
        assert wanted - {gone} <= left
        assert len(left) == 25


def test_a_valid_partition_of_its_own_is_kept():
    mine = [*songs("a", "b"), *songs("c", subset="valid")]
    assert hold_out(mine, 25) == mine


@pytest.mark.parametrize("count", [3, 25])
def test_at_least_one_song_is_left_to_train_on(count):
    assert len(held_out(hold_out(songs("a", "b", "c"), 2))) == 2
    with pytest.raises(
        DataError,
        match=f"root/train: 3 training songs are too few .*num_validation_songs = {count}.*lower",
    ):
        hold_out(songs("a", "b", "c"), count)
