"""The validation split: the tracks whose names have the smallest SHA-256."""

import subprocess
from pathlib import Path

import pytest

from jnet.data.find import hash_name, split_validation
from jnet.data.tracks import Stem, Track
from jnet.errors import DataError


def tracks(*names, subset="train"):
    return [
        Track(name, subset, {"vocals": Stem(Path("root") / subset / name / "vocals.wav")})
        for name in names
    ]


def validation_names(tracks):
    return {track.name for track in tracks if track.subset == "valid"}


def test_the_hash_is_that_of_sha256sum():
    # FIPS 180-2, appendix B.1, and the output of `printf '%s' name | sha256sum` for the tracks.
    assert hash_name("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    for name in ("Music Delta - 80s Rock", "Ünïcödé"):
        printed = subprocess.run(["sha256sum"], input=name.encode(), capture_output=True).stdout
        assert hash_name(name) == printed.split()[0].decode()


def test_the_tracks_with_the_smallest_hashes_are_for_validation():
    # sha256: c 2e7d…, d 18ac…, b 3e23…, e 3f79…, a ca97…
    split = split_validation(tracks("a", "b", "c", "d", "e"), 2)
    assert validation_names(split) == {"c", "d"}
    assert [track.name for track in split] == ["a", "b", "c", "d", "e"]


def test_neither_order_nor_test_tracks_change_the_split():
    names = [f"track {index}" for index in range(100)]
    wanted = validation_names(split_validation(tracks(*names), 25))
    assert len(wanted) == 25
    assert validation_names(split_validation(tracks(*reversed(names)), 25)) == wanted
    test = tracks("track 100", "track 101", subset="test")
    assert validation_names(split_validation([*tracks(*names), *test], 25)) == wanted


def test_removing_a_track_moves_at_most_one_other():
    names = [f"track {index}" for index in range(100)]
    wanted = validation_names(split_validation(tracks(*names), 25))
    for removed in names[:10]:
        remaining = validation_names(
            split_validation(tracks(*[name for name in names if name != removed]), 25)
        )
        assert wanted - {removed} <= remaining
        assert len(remaining) == 25


def test_an_existing_valid_partition_is_kept():
    split = [*tracks("a", "b"), *tracks("c", subset="valid")]
    assert split_validation(split, 25) == split


@pytest.mark.parametrize("count", [3, 25])
def test_at_least_one_training_track_must_remain(count):
    assert len(validation_names(split_validation(tracks("a", "b", "c"), 2))) == 2
    with pytest.raises(
        DataError,
        match=f"root/train: of 3 training tracks, .*_tracks = {count} leaves none .*: lower",
    ):
        split_validation(tracks("a", "b", "c"), count)
