"""Small songs written as every data set lays them out, and a spec that reads them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from Input import Demo
from Spec.Data import DataSpec

RATE = 44100
STEMS = ("bass", "drums", "other", "vocals")


def quiet(name: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def noise(name: str, frames: int = RATE // 2, channels: int = 2) -> np.ndarray:
    """16-bit noise that depends on the name, `[T, C]`, quiet enough that four of them fit."""
    random = np.random.default_rng(list(name.encode()))
    return random.integers(-8000, 8000, (frames, channels)).astype(np.int16)


def write_stems(folder: Path, stems: dict[str, np.ndarray], rate: int = RATE) -> Path:
    """One wav per stem."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, samples in stems.items():
        soundfile.write(folder / f"{name}.wav", samples, rate)
    return folder


def write_song(folder: Path, frames: int = RATE // 2, channels: int = 2) -> Path:
    """The four stems of MUSDB18 and their mixture, in the layout of MUSDB18-HQ."""
    stems = {name: noise(f"{folder.name}/{name}", frames, channels) for name in STEMS}
    mixture = sum(samples.astype(np.int32) for samples in stems.values()).astype(np.int16)
    return write_stems(folder, {**stems, "mixture": mixture})


def write_corpus(root: Path, train: int = 3, test: int = 1, frames: int = RATE // 2) -> Path:
    """`train` and `test` songs, named 'song 1', 'song 2', … through both sets."""
    for index in range(train + test):
        subset = "train" if index < train else "test"
        write_song(root / subset / f"song {index + 1}", frames)
    return root


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def spec(root: Path | None, store: Path | str = "", **entries) -> DataSpec:
    """A folder of one's own at 8 kHz, stereo, one song held out; `entries` change that."""
    return DataSpec(
        **{
            "dataset": "folder",
            "path": None if root is None else str(root),
            "ccmixter_path": None,
            "store_path": str(store),
            "num_validation_songs": 1,
            "sources": ("accompaniment", "vocals"),
            "num_channels": 2,
            "sample_rate": 8000,
            "num_workers": 1,
            **entries,
        }
    )


def short_demo() -> tuple[Demo.Song, ...]:
    """Three training songs of the demo corpus and one to test, cut to 2.5 s."""
    train = [song for song in Demo.SONGS if song.partition == "train"][:3]
    test = [song for song in Demo.SONGS if song.partition == "test"][:1]
    return tuple(replace(song, seconds=2.5, entry=0.5) for song in (*train, *test))
