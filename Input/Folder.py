"""A folder of one's own: `<partition>/<song>/<source>.wav`, partitions train, valid and test."""

from pathlib import Path

from Input.Songs import Song, Stem

PARTITIONS = ("train", "valid", "test")


def find_folder_songs(root: Path, partitions: tuple[str, ...] = PARTITIONS) -> list[Song]:
    """The songs below `root`: every folder of a partition that holds wav files."""
    songs = []
    for subset in partitions:
        for folder in sorted(path for path in (root / subset).glob("*") if path.is_dir()):
            stems = {path.stem: Stem(path) for path in sorted(folder.glob("*.wav"))}
            if stems:
                songs.append(Song(folder.name, subset, stems))
    return songs
