"""A folder of one's own: `<partition>/<song>/<source>.wav`, partitions train, valid and test."""

import difflib
from pathlib import Path

from Input.Songs import Song, Stem, visible
from Spec.Errors import DataError

PARTITIONS = ("train", "valid", "test")
ALIKE = 0.65  # of a folder's name to a partition's: 'validation' is, 'extra' is not


def find_folder_songs(root: Path, partitions: tuple[str, ...] = PARTITIONS) -> list[Song]:
    """The songs below `root`: every folder of a partition, less empty ones.

    Raises `DataError` for a folder that holds something but no wav, and for a partition with
    songs whose name is mistyped.
    """
    songs = [
        Song(folder.name, subset, wav_stems(folder))
        for subset in partitions
        for folder in visible(root / subset)
        if folder.is_dir() and visible(folder)
    ]
    check_partitions(root)
    for subset in partitions:
        check_loose(root / subset)
    return songs


def check_loose(partition: Path) -> None:
    """Refuse a recording that lies beside the songs instead of in one."""
    for path in visible(partition, "*.wav"):
        raise DataError(f"{path}: belongs into a folder of its song, as <song>/<source>.wav")


def wav_stems(folder: Path) -> dict[str, Stem]:
    """The wav files of one song by name; `DataError` when there are none."""
    stems = {path.stem: Stem(path) for path in visible(folder, "*.wav")}
    if not stems:
        raise DataError(f"{folder}: holds no <source>.wav: add them or remove the folder")
    return stems


def check_partitions(root: Path) -> None:
    """Refuse a folder of songs whose name is almost that of a partition."""
    for folder in visible(root):
        near = difflib.get_close_matches(folder.name.lower(), PARTITIONS, n=1, cutoff=ALIKE)
        if near and folder.name not in PARTITIONS and any(folder.glob("*/*.wav")):
            raise DataError(f"{folder}: is no partition of the songs: rename it to {near[0]!r}")
