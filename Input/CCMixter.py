"""CCMixter: 50 songs of a voice and its accompaniment, which join training (J-Net, Section 3.1)."""

from pathlib import Path

from Input.Songs import MIXTURE, Song, Stem, visible
from Spec.Errors import DataError

FILES = {MIXTURE: "mix.wav", "accompaniment": "source-01.wav", "vocals": "source-02.wav"}


def find_ccmixter_songs(root: Path) -> list[Song]:
    """The songs below `root`, all for training; `DataError` when there are none."""
    songs, others = [], []
    for folder in visible(root):
        stems = {
            name: Stem(folder / file) for name, file in FILES.items() if (folder / file).is_file()
        }
        if stems:
            songs.append(Song(folder.name, "train", stems))
        elif folder.is_dir() and visible(folder):
            others.append(folder)
    if not songs:
        raise DataError(
            f"{root}: holds no CCMixter, no <song>/{FILES[MIXTURE]}: correct cfg.ccmixter_path"
        )
    if others:
        files = ", ".join(FILES.values())
        raise DataError(f"{others[0]}: holds none of {files}: add them or remove it")
    return songs
