"""Audio files of any length, read and resampled block by block.

What `Input.Audio` reads whole is read here in pieces of the same samples, so that an hour of it
needs no more memory than some seconds.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from math import prod
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr

from Input.Decoders import (
    CONTAINER_SLACK,
    EXACT,
    checked_rate,
    cut_off,
    decodable,
    opened,
    opened_sound,
    unreadable,
)
from Input.Headers import check_whole
from Spec.Errors import DataError

BLOCK_SAMPLES = 2**18  # of a block over all its channels, about
CHUNK_FRAMES = 2**14  # that soxr takes at once: its own buffers stay in the processor's cache
QUALITY = "HQ"  # of soxr, as `Input.Audio.resample` has it


@dataclass(frozen=True)
class Audio:
    """An opened file: its rate in Hz, its channels, and its frames in blocks `[T, C]`, float32."""

    sample_rate: int
    channels: int
    blocks: Iterator[np.ndarray]


@contextmanager
def open_audio(path: Path) -> Iterator[Audio]:
    """A file that soundfile or PyAV can read, to be read once from its start to its end.

    Raises `DataError`, naming the file, when it is missing, empty or no audio; and while its
    blocks are read, when it turns out to be damaged, cut off or not finite.
    """
    check_whole(path)
    with ExitStack() as stack:
        sound = opened_sound(path)
        if sound is not None:
            stack.enter_context(sound)
            rate = checked_rate(sound.samplerate, path)
            audio = Audio(rate, sound.channels, sound_blocks(path, sound))
        else:
            with reading(path):
                box = stack.enter_context(opened(path))
            if not box.streams.audio:
                raise DataError(f"{path}: has no audio stream")
            stream = decodable(box.streams.audio[0], path)
            rate = checked_rate(stream.rate, path)
            audio = Audio(rate, stream.channels, stream_blocks(path, box, stream))
        blocks = finite(path, audio.blocks)
        first = next(blocks, None)  # so that a file that is no audio is known at once
        if first is None:
            raise DataError(f"{path}: holds no audio")
        yield Audio(audio.sample_rate, audio.channels, chain([first], blocks))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Errors of the decoders within the block as `DataError`s that name the file."""
    try:
        yield
    except (av.FFmpegError, soundfile.LibsndfileError, ValueError) as error:
        raise unreadable(path, error) from error


def sound_blocks(path: Path, sound: soundfile.SoundFile) -> Iterator[np.ndarray]:
    """All frames of a file that libsndfile reads; `DataError` where there are fewer than it has."""
    read = 0
    frames = max(1, BLOCK_SAMPLES // sound.channels)
    with reading(path):
        while len(samples := sound.read(frames, dtype="float32", always_2d=True)):
            read += len(samples)
            yield samples
    if read < sound.frames:
        raise cut_off(path, read / sound.samplerate, sound.frames / sound.samplerate)


def stream_blocks(path: Path, box, stream) -> Iterator[np.ndarray]:
    """All frames of one of a container's audio streams; `DataError` where there are fewer than
    it says."""
    chunks: list[np.ndarray] = []
    read = waiting = packets = 0
    to_float = av.AudioResampler(format="fltp", layout=stream.layout, rate=stream.rate)
    with reading(path):
        for packet in box.demux(stream):
            packets += packet.size > 0
            if packet.is_corrupt:
                raise DataError(f"{path}: is damaged after {read / stream.rate:.2f} s: replace it")
            for frame in packet.decode():
                for planar in to_float.resample(frame):
                    chunks.append(planar.to_ndarray().T)
                    waiting += len(chunks[-1])
            if waiting * stream.channels >= BLOCK_SAMPLES:
                yield np.concatenate(chunks)
                read, waiting = read + waiting, 0
                chunks.clear()
    if chunks:
        yield np.concatenate(chunks)
        read += waiting
    check_length(path, box, stream, read, packets)


def check_length(path: Path, box, stream, read: int, packets: int) -> None:
    """Refuse a stream that ended after `read` frames and `packets`, and should not have.

    Only a container with exact lengths is believed; others guess theirs from the bit rate.
    """
    # An MP4 lists its packets (PyAV calls them frames); a file cut between two has fewer.
    if "mp4" in box.format.name and packets < stream.frames:
        raise DataError(f"{path}: is cut off, it has {packets} of {stream.frames} packets")
    stated = None
    if stream.duration is not None:
        stated = float(stream.duration * stream.time_base)
    elif box.duration is not None and len(box.streams) == 1:
        stated = box.duration / av.time_base
    exact = not EXACT.isdisjoint(box.format.name.split(","))
    if exact and stated is not None and read / stream.rate < stated - CONTAINER_SLACK:
        raise cut_off(path, read / stream.rate, stated)


def finite(path: Path, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """`blocks` as long as all their samples are finite; `DataError` at the first that is not."""
    read = 0
    for samples in blocks:
        if not np.isfinite(samples).all():
            where = read + int(np.argmin(np.isfinite(samples).all(axis=1)))
            raise DataError(f"{path}: sample {where} is not a finite number: replace it")
        read += len(samples)
        yield samples


def resampled(rate: int, wanted: int) -> Callable[[np.ndarray, bool], np.ndarray]:
    """A function from a song's next frames `[T, …]` at `rate` Hz, and whether they are its last,
    to those ready at `wanted` Hz: in all the samples of `Input.Audio.resample`, bit by bit."""
    stream: soxr.ResampleStream | None = None

    def ready(samples: np.ndarray, last: bool) -> np.ndarray:
        nonlocal stream
        if rate == wanted:
            return samples
        shape = samples.shape[1:]
        if stream is None:
            stream = soxr.ResampleStream(rate, wanted, prod(shape), "float32", QUALITY)
        flat = np.ascontiguousarray(samples.reshape(len(samples), prod(shape)), np.float32)
        ends = [*range(CHUNK_FRAMES, len(flat), CHUNK_FRAMES), len(flat)]
        chunks = [
            stream.resample_chunk(flat[start:end], last and end == len(flat))
            for start, end in zip([0, *ends], ends, strict=False)
        ]
        return np.concatenate(chunks).reshape(-1, *shape)

    return ready
