"""Small data sets in every supported layout, and the settings to read them."""

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from jnet.data import demo as Demo
from jnet.settings.data import PATH_ENTRIES, DataSettings

RATE = 44100
STEMS = ("bass", "drums", "other", "vocals")


def quiet(name: str, done: int, total: int) -> None:
    """Ignore the progress."""


def noise(name: str, frames: int = RATE // 2, channels: int = 2) -> np.ndarray:
    """Return 16-bit noise [T, C] that depends on the name; the sum of four does not clip."""
    random = np.random.default_rng(list(name.encode()))
    return random.integers(-8000, 8000, (frames, channels)).astype(np.int16)


def write_stems(folder: Path, stems: dict[str, np.ndarray], rate: int = RATE) -> Path:
    """Write one wav file per stem."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, samples in stems.items():
        soundfile.write(folder / f"{name}.wav", samples, rate)
    return folder


def append_empty_part(path: Path, size: int) -> None:
    """Append a part without audio to a wav or MP4 file, so that equal audio is in unequal files."""
    header = b"junk" + struct.pack("<I", 2 * size)
    if path.suffix == ".mp4":
        header = struct.pack(">I", 8 + 2 * size) + b"free"
    with path.open("ab") as file:
        file.write(header + bytes(2 * size))


def write_track(folder: Path, frames: int = RATE // 2, channels: int = 2) -> Path:
    """Write the four stems of MUSDB18 and their mixture, in the layout of MUSDB18-HQ."""
    stems = {name: noise(f"{folder.name}/{name}", frames, channels) for name in STEMS}
    mixture = sum(samples.astype(np.int32) for samples in stems.values()).astype(np.int16)
    return write_stems(folder, {**stems, "mixture": mixture})


def write_corpus(root: Path, train: int = 3, test: int = 1, frames: int = RATE // 2) -> Path:
    """Write `train` and `test` tracks, named 'track 1', 'track 2', … across both subsets."""
    for index in range(train + test):
        subset = "train" if index < train else "test"
        write_track(root / subset / f"track {index + 1}", frames)
    return root


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below `folder` by its relative path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def settings(root: Path | None, store: Path | str = "", **entries) -> DataSettings:
    """Return settings for a folder of tracks: 8 kHz, stereo, one validation track.

    `entries` replaces these values.
    """
    dataset = entries.get("dataset", "folder")
    paths = {key: None for key, _ in PATH_ENTRIES.values()}
    paths[PATH_ENTRIES[dataset][0]] = None if root is None else str(root)
    return DataSettings(
        **{
            "dataset": "folder",
            "ccmixter_path": None,
            "store_path": str(store),
            "num_validation_tracks": 1,
            "sources": ("accompaniment", "vocals"),
            "num_channels": 2,
            "sample_rate": 8000,
            "num_workers": 1,
            **paths,
            **entries,
        }
    )


def short_demo() -> tuple[Demo.DemoTrack, ...]:
    """Return three training tracks and one test track of the demo corpus, shortened to 2.5 s."""
    train = [track for track in Demo.TRACKS if track.partition == "train"][:3]
    test = [track for track in Demo.TRACKS if track.partition == "test"][:1]
    return tuple(replace(track, seconds=2.5, entry=0.5) for track in (*train, *test))
