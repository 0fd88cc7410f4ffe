"""Reading of audio files in any format: in blocks, at once, or several streams in one pass.

Audio is float32 `[T, C]` with full scale at ±1, at the sample rate of the file.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import soundfile

from jnet.audio.decoder_process import decode_streams
from jnet.audio.headers import check_complete, check_is_file
from jnet.errors import DataError

MIN_RATE, MAX_RATE = 2000, 768_000  # Hz
# Suffixes of audio and video files. A file with another suffix may be audio, too.
AUDIO_SUFFIXES = {
    *(".aac", ".ac3", ".aif", ".aifc", ".aiff", ".ape", ".au", ".caf", ".flac", ".m4a", ".mka"),
    *(".mkv", ".mov", ".mp2", ".mp3", ".mp4", ".oga", ".ogg", ".opus", ".w64", ".wav", ".webm"),
    *(".wma", ".wv"),
}
UNKNOWN_LENGTH = 2**63 - 1  # length that libsndfile returns for a FLAC written to a pipe
BLOCK_VALUES = 2**18  # samples × channels per block: memory is independent of the file's length


@dataclass(frozen=True)
class Audio:
    """An open audio file: its rate in Hz, number of channels, and blocks of samples [T, C]."""

    sample_rate: int
    channels: int
    blocks: Iterator[np.ndarray]


def read_audio(path: Path) -> tuple[np.ndarray, int]:
    """Return all samples [T, C] of an audio file and its rate in Hz.

    Raises the errors of `open_audio`.
    """
    with open_audio(path, block_values=sys.maxsize) as audio:
        blocks = list(audio.blocks)
    # A single block is not copied: copying would double the time of reading.
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks), audio.sample_rate


@contextmanager
def open_audio(path: Path, block_values: int = BLOCK_VALUES) -> Iterator[Audio]:
    """Open a file that libsndfile or PyAV can decode and yield it as `Audio`.

    The blocks can be read once and have about `block_values` values (samples × channels). Raises
    `DataError` with the file's path if the file is missing, empty or not audio. While the blocks
    are read, raises `DataError` if the file is damaged or truncated or has values that are not
    finite.
    """
    check_complete(path)
    with ExitStack() as stack:
        sound = open_sound(path)
        if sound is not None:
            stack.enter_context(sound)
            rate, channels = sound.samplerate, sound.channels
            blocks = read_sound(path, sound, block_values)
        else:
            decoded = stack.enter_context(closing(decode_streams(path, (0,))))
            first_part = next(decoded, None)
            if first_part is None:
                raise DataError(f"{path}: contains no audio: replace it")
            _, rate, samples = first_part
            channels = samples.shape[1]
            parts = chain([samples], (samples for *_, samples in decoded))
            blocks = join_to_blocks(parts, block_values)
        check_rate(path, rate)
        blocks = check_blocks(path, blocks)
        first = next(blocks)  # decoded now, so that opening fails for files that are not audio
        yield Audio(rate, channels, chain([first], blocks))


def read_streams(
    path: Path, indices: tuple[int, ...], container_format: str | None = None
) -> tuple[list[np.ndarray], int]:
    """Decode several audio streams of a container in one pass.

    Parameters
    ----------
    path : Path
        The file.
    indices : tuple of int
        Indices of the audio streams to decode.
    container_format : str, optional
        The format of the file, 'mp4' for `.stem.mp4`; detected by default.

    Returns
    -------
    streams : list of np.ndarray
        The samples [T, C] of every stream, in the order of `indices`.
    rate : int
        Their common sample rate in Hz.

    Raises
    ------
    DataError
        As in `open_audio`, or if a stream is missing or the streams differ in rate.
    """
    check_is_file(path)
    parts: list[list[np.ndarray]] = [[] for _ in indices]
    rates = set()
    for position, rate, samples in decode_streams(path, indices, container_format):
        parts[position].append(samples)
        rates.add(rate)
    if len(rates) > 1:
        raise DataError(
            f"{path}: its streams have different sample rates, {sorted(rates)} Hz: replace it"
        )
    joined = [next(check_blocks(path, join_to_blocks(part, sys.maxsize))) for part in parts]
    return joined, check_rate(path, rates.pop())


def open_sound(path: Path) -> soundfile.SoundFile | None:
    """Open a file with libsndfile; return None for files that PyAV must read.

    PyAV reads MPEG audio, because libsndfile may guess its length from the first frames, and FLAC
    written to a pipe, which states no length. The file is passed as a descriptor, because
    libsndfile would interpret the name '-' as standard input and any name ending in '.mp3' as MPEG
    audio.
    """
    with path.open("rb") as file:
        magic = file.read(3)
    if magic == b"ID3" or magic[:1] == b"\xff":
        return None
    try:
        sound = soundfile.SoundFile(os.open(path, os.O_RDONLY), closefd=True)
    except soundfile.LibsndfileError:
        return None
    if sound.format == "MP3" or sound.frames == UNKNOWN_LENGTH:
        sound.close()
        return None
    return sound


def read_sound(path: Path, sound: soundfile.SoundFile, block_values: int) -> Iterator[np.ndarray]:
    """Yield the samples of a file opened with libsndfile.

    Parameters
    ----------
    path : Path
        The file, for error messages.
    sound : soundfile.SoundFile
        The open file.
    block_values : int
        Approximate number of values (samples × channels) per block.

    Yields
    ------
    np.ndarray
        The next samples, float32 [T, C].

    Raises
    ------
    DataError
        If the file is damaged or shorter than it states.
    """
    done = 0
    block = max(1, block_values // sound.channels)
    try:
        while len(samples := sound.read(block, dtype="float32", always_2d=True)):
            done += len(samples)
            yield samples
    except (soundfile.LibsndfileError, ValueError, MemoryError) as error:
        raise DataError(
            f"{path}: cannot be read as audio, or only partly ({error}): replace it"
        ) from error
    check_reached(path, done / sound.samplerate, sound.frames / sound.samplerate)


def check_rate(path: Path, rate: int) -> int:
    """Return `rate` (Hz); raise `DataError` if it is outside the range of audio.

    The header of a damaged file can state any rate, and a very high rate would need too much
    memory.
    """
    if not MIN_RATE <= rate <= MAX_RATE:
        raise DataError(f"{path}: its header states a sample rate of {rate} Hz: replace it")
    return rate


def join_to_blocks(parts: Iterable[np.ndarray], block_values: int) -> Iterator[np.ndarray]:
    """Join decoded parts [T, C] to blocks of about `block_values` values (samples × channels)."""
    waiting: list[np.ndarray] = []
    values = 0
    for samples in parts:
        waiting.append(samples)
        values += samples.size
        if values >= block_values:
            yield np.concatenate(waiting)
            waiting, values = [], 0
    if waiting:
        yield np.concatenate(waiting)


def check_blocks(path: Path, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield `blocks`; raise `DataError` for values that are not finite or if there are none."""
    done = 0
    for samples in blocks:
        finite = np.isfinite(samples)
        if not finite.all():
            where = done + int(np.argmin(finite.all(axis=1)))
            raise DataError(f"{path}: sample {where} is not a finite number: replace it")
        done += len(samples)
        yield samples
    if done == 0:
        raise DataError(f"{path}: contains no audio: replace it")


def check_reached(path: Path, seconds: float, stated: float, slack: float = 0.0) -> None:
    """Raise `DataError` if a file ended before its stated length.

    Parameters
    ----------
    path : Path
        The file, for the error message.
    seconds : float
        The decoded length in seconds.
    stated : float
        The length in seconds that the file states.
    slack : float, optional
        Tolerance in seconds.

    Raises
    ------
    DataError
        If `seconds` is less than `stated` − `slack`.
    """
    if seconds < stated - slack:
        raise DataError(f"{path}: is truncated after {seconds:.2f} of {stated:.2f} s: replace it")
