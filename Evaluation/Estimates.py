"""Estimates as audio files: 32-bit float wavs, in which nothing can clip, written block by block.

The files of a song are there all together and whole, or not at all.
"""

import os
import shutil
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from Spec.Errors import ConfigError, DataError
from Spec.Files import sync_file, sync_folder, writing

Write = Callable[[np.ndarray], None]  # the next frames of all sources, [T, S, C]
WAV_LIMIT = 2**32 - 2**12  # bytes of samples that a wav's 32-bit sizes can state
BEYOND = 0xFFFFFFFF  # what a 32-bit size says when a 64-bit one in the chunk ds64 counts
FLOAT = 3  # the format of 32-bit and 64-bit floats
SAMPLE_BYTES = 4


@contextmanager
def written_estimates(
    folder: Path, sources: Sequence[str], sample_rate: int, channels: int, overwrite: bool
) -> Iterator[Write]:
    """Within the block, a function that appends to `<folder>/<source>.wav` of every source; at its
    end the files get these names.

    A file too long for a wav is an RF64 of the same name. Raises `RecordError` when the disk is
    full, `DataError` for samples that are not finite, and `ConfigError` when there is something in
    `folder` by then that may not be overwritten; nothing is left behind then.
    """
    hidden = folder.with_name(f".{os.getpid()}.tmp")
    with writing(folder):
        shutil.rmtree(hidden, ignore_errors=True)  # of a killed process that had our number
        hidden.mkdir(parents=True)
    try:
        with ExitStack() as stack:
            with writing(folder):
                files = [
                    stack.enter_context(Wav(hidden / f"{source}.wav", sample_rate, channels))
                    for source in sources
                ]
            frames = 0

            def write(estimates: np.ndarray) -> None:
                nonlocal frames
                refuse_not_finite(estimates, sources, sample_rate, frames)
                frames += len(estimates)
                with writing(folder):
                    for index, file in enumerate(files):
                        file.append(estimates[:, index])

            yield write
            with writing(folder):
                for file in files:
                    file.finish()
        with writing(folder):
            named(hidden, folder, overwrite)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def named(hidden: Path, folder: Path, overwrite: bool) -> None:
    """Give the finished files in `hidden` their place: `folder` as a whole where there is none."""
    try:
        hidden.rename(folder)  # onto nothing, or onto an empty folder
    except OSError as error:
        if not folder.is_dir():
            raise
        if not overwrite:
            raise held_already(folder) from error
        for path in hidden.iterdir():
            path.replace(folder / path.name)
        sync_folder(folder)
    sync_folder(folder.parent)


def refuse_held(folder: Path, song: Path, overwrite: bool) -> None:
    """`ConfigError` where the estimates of the file `song` would take the place of something in
    `folder` that may not be overwritten; `song` itself never may."""
    if song.resolve().parent == folder.resolve():
        raise ConfigError(f"{song}: lies where its estimates go: give another output_path")
    if not overwrite and folder.is_dir() and any(folder.iterdir()):
        raise held_already(folder)


def held_already(folder: Path) -> ConfigError:
    """The error for a folder whose content is not to be lost."""
    return ConfigError(
        f"{folder}: holds estimates already: give another output_path, or overwrite=True"
    )


def refuse_not_finite(
    estimates: np.ndarray, sources: Sequence[str], sample_rate: int, first: int = 0
) -> None:
    """`DataError` that names the sources whose estimates `[T, S, C]` are not finite, and the first
    such sample, where `first` frames of the song came before."""
    if np.isfinite(estimates).all():
        return
    right = np.isfinite(estimates).all(axis=2)  # [T, S]
    names = [source for source, whole in zip(sources, right.all(axis=0), strict=True) if not whole]
    sample = first + int(np.argmin(right.all(axis=1)))
    raise DataError(
        f"the estimates of {', '.join(names)} hold numbers that are not finite, from sample "
        f"{sample} ({sample / sample_rate:.2f} s) on: use other weights"
    )


class Wav:
    """A wav of 32-bit floats that is written front to back; `finish` puts its length in.

    Its header has room for the 64-bit sizes of an RF64 (EBU Tech 3306), should it need them.
    """

    def __init__(self, path: Path, sample_rate: int, channels: int):
        self.path = path
        self.sample_rate = sample_rate
        self.channels = channels
        self.frames = 0
        self.file: BinaryIO

    def __enter__(self) -> "Wav":
        self.file = self.path.open("wb")
        self.file.write(self.header())
        return self

    def __exit__(self, *error) -> None:
        with suppress(OSError):  # of a full disk; what was not finished is thrown away
            self.file.close()

    def append(self, samples: np.ndarray) -> None:
        """The next frames `[T, C]`."""
        self.file.write(np.ascontiguousarray(samples, "<f4").data)
        self.frames += len(samples)

    def finish(self) -> None:
        """Make the file whole, and have it on the disk."""
        self.file.seek(0)
        self.file.write(self.header())
        self.file.close()
        sync_file(self.path)

    def header(self) -> bytes:
        """All that stands before the samples, for as many as there are."""
        frame_bytes = SAMPLE_BYTES * self.channels
        size = self.frames * frame_bytes
        form = struct.pack(
            "<4sIHHIIHHH",
            *(b"fmt ", 18, FLOAT, self.channels, self.sample_rate),
            *(self.sample_rate * frame_bytes, frame_bytes, 8 * SAMPLE_BYTES, 0),
        )
        rest = 4 + 36 + len(form) + 12 + 8  # bytes between the file's size and the samples
        if size < WAV_LIMIT:
            riff, stated, frames = rest + size, size, self.frames
            wide = struct.pack("<4sI28x", b"JUNK", 28)
        else:
            riff, stated, frames = BEYOND, BEYOND, BEYOND
            wide = struct.pack("<4sIQQQI", b"ds64", 28, rest + size, size, self.frames, 0)
        start = struct.pack("<4sI4s", b"RIFF" if stated != BEYOND else b"RF64", riff, b"WAVE")
        fact = struct.pack("<4sII", b"fact", 4, frames)
        return start + wide + form + fact + struct.pack("<4sI", b"data", stated)
