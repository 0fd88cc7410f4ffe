"""MUSDB18 (`.stem.mp4`) and MUSDB18-HQ (folders of wav): 100 songs to train, 50 to test."""

from pathlib import Path

from Input.Folder import find_folder_songs
from Input.Songs import MIXTURE, Song, Stem
from Spec.Errors import DataError

SUFFIX = ".stem.mp4"
STREAMS = (MIXTURE, "drums", "bass", "other", "vocals")  # the order in every .stem.mp4


def find_musdb_songs(root: Path) -> list[Song]:
    """The songs below `root`, 'train' and 'test', in either of the data set's two forms.

    Raises `DataError` when there are none.
    """
    songs = [
        stem_song(path, subset)
        for subset in ("train", "test")
        for path in sorted((root / subset).glob(f"*{SUFFIX}"))
    ]
    songs = songs or find_folder_songs(root, ("train", "test"))
    if not songs:
        raise DataError(f"{root}: holds no MUSDB18, neither train/*{SUFFIX} nor train/<song>/*.wav")
    return songs


def stem_song(path: Path, subset: str) -> Song:
    """The song in one `.stem.mp4`."""
    stems = {name: Stem(path, stream) for stream, name in enumerate(STREAMS)}
    return Song(path.name.removesuffix(SUFFIX), subset, stems)
