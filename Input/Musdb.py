"""MUSDB18 (`.stem.mp4`) and MUSDB18-HQ (folders of wav): 100 songs to train, 50 to test."""

from pathlib import Path

from Input.Folder import find_folder_songs
from Input.Songs import MIXTURE, Song, Stem, visible

SUFFIX = ".stem.mp4"
SIZES = {"train": 100, "test": 50}  # songs of the whole data set
STREAMS = (MIXTURE, "drums", "bass", "other", "vocals")  # the order in every .stem.mp4


def find_musdb_songs(root: Path) -> list[Song]:
    """The songs below `root`, 'train' and 'test', in either of the data set's two forms.

    A song that is there in both (stems decoded beside their file) is read from its folder.
    """
    songs = []
    for subset in SIZES:
        folders = find_folder_songs(root, (subset,))
        names = {song.name for song in folders}
        files = [stem_song(path, subset) for path in visible(root / subset, f"*{SUFFIX}")]
        songs += sorted(
            [*folders, *(song for song in files if song.name not in names)],
            key=lambda song: song.name,
        )
    return songs


def remark(songs: list[Song]) -> str:
    """A line on a MUSDB18 that is not whole, '' on one that is."""
    found = {subset: sum(song.subset == subset for song in songs) for subset in SIZES}
    if found == SIZES:
        return ""
    return (
        f"note: MUSDB18 has {SIZES['train']} songs to train (validation included) and "
        f"{SIZES['test']} to test; here are {found['train']} and {found['test']}"
    )


def stem_song(path: Path, subset: str) -> Song:
    """The song in one `.stem.mp4`."""
    stems = {name: Stem(path, stream) for stream, name in enumerate(STREAMS)}
    return Song(path.name.removesuffix(SUFFIX), subset, stems)
