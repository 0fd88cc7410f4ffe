"""Audio files opened with libsndfile or PyAV: nothing in them, or in their names, is obeyed."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import soundfile
from av.audio.stream import AudioStream
from av.container import InputContainer

from Spec.Errors import DataError

CONTAINER_SLACK = 0.05  # seconds by which a container may misstate a stream's length: one packet
LOWEST_RATE, HIGHEST_RATE = 2000, 768_000  # Hz
NO_LENGTH = 2**63 - 1  # libsndfile's frames of a FLAC that was written to a pipe
EXACT = {"mov", "mp4", "flac", "matroska"}  # containers that do not guess their length


def opened_sound(path: Path) -> soundfile.SoundFile | None:
    """A file as libsndfile reads it; None for what it cannot, which PyAV is to read.

    Nor is it given MPEG audio, whose length it may guess from the first frames, to stop there, and
    a FLAC from a pipe, which states none. The file is handed over opened: by the name libsndfile
    would take '-' for standard input, and whatever ends in '.mp3' for one.
    """
    with path.open("rb") as file:
        magic = file.read(3)
    if magic == b"ID3" or magic[:1] == b"\xff":
        return None
    try:
        sound = soundfile.SoundFile(os.open(path, os.O_RDONLY), closefd=True)
    except soundfile.LibsndfileError:
        return None
    if sound.format == "MP3" or sound.frames == NO_LENGTH:
        sound.close()
        return None
    return sound


class Seekable(io.FileIO):
    """A file for PyAV, which looks for tags before the start of short files and would print a
    traceback of what Python says to that."""

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return super().seek(offset, whence)
        except OSError:
            return -1


@contextmanager
def opened(path: Path, container: str | None = None) -> Iterator[InputContainer]:
    """A file as PyAV reads it. It is handed over opened and no protocol is allowed, so that
    nothing in it (a playlist) can make the decoder open another file or address."""
    closed = {"protocol_whitelist": "none"}
    with (
        Seekable(path) as file,
        av.open(file, "r", format=container, container_options=closed) as box,
    ):
        yield box


def decodable(stream: AudioStream, path: Path) -> AudioStream:
    """`stream`, where there is a decoder for it: without one it has not even a rate."""
    if stream.codec_context is None:
        raise DataError(f"{path}: its audio is of a kind that cannot be decoded: convert it")
    return stream


def checked_rate(rate: int, path: Path) -> int:
    """`rate`, when sound can have it: one that a damaged header states could ask for any memory."""
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise DataError(f"{path}: its header states a rate of {rate} Hz: replace it")
    return rate


def unreadable(path: Path, error: Exception) -> DataError:
    """The error for a file that a decoder gave up."""
    reason = getattr(error, "strerror", None) or error
    return DataError(f"{path}: cannot be read as audio, or only in part ({reason}): replace it")


def cut_off(path: Path, heard: float, stated: float) -> DataError:
    """The error for a file that ends after `heard` of its `stated` seconds."""
    return DataError(f"{path}: is cut off, it ends after {heard:.2f} of {stated:.2f} s: replace it")
