"""Reading audio files whole, resampling, and changing the number of channels.

Audio is float32 `[T, C]`, full scale at ±1, at the rate it comes with.
"""

from collections import Counter
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
from Input.Headers import check_whole, refuse_no_file
from Spec.Errors import DataError


def read_audio(path: Path) -> tuple[np.ndarray, int]:
    """The audio of any file soundfile or PyAV can read, `[T, C]`, and its rate in Hz.

    Raises `DataError`, naming the file, when it is missing, damaged, cut off or holds no audio.
    """
    check_whole(path)
    sound = opened_sound(path)
    if sound is not None:
        with sound:
            rate = checked_rate(sound.samplerate, path)
            return checked(read_sound(sound, path), path), rate
    (samples,), rate = read_streams(path, (0,))
    return checked(samples, path), rate


def read_sound(sound: soundfile.SoundFile, path: Path) -> np.ndarray:
    """All of a file that libsndfile has opened, `[T, C]`; `DataError` where it is cut off."""
    try:
        samples = sound.read(dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise unreadable(path, error) from error
    except MemoryError as error:
        raise DataError(
            f"{path}: its header states {sound.frames} frames of {sound.channels} channels, more "
            f"than fit into memory: replace it"
        ) from error
    if len(samples) < sound.frames:
        raise cut_off(path, len(samples) / sound.samplerate, sound.frames / sound.samplerate)
    return samples


def read_streams(
    path: Path, streams: tuple[int, ...], container: str | None = None
) -> tuple[list[np.ndarray], int]:
    """Some of a container's audio streams, decoded in one pass, and their rate in Hz.

    `container` forces the format, 'mp4' for stems. Raises `DataError` for a file that cannot be
    decoded to its end.
    """
    refuse_no_file(path)
    try:
        with opened(path, container) as box:
            audio = box.streams.audio
            if len(audio) <= max(streams):
                raise DataError(
                    f"{path}: has {len(audio)} audio streams where {max(streams) + 1} are needed"
                )
            chosen = [decodable(audio[index], path) for index in streams]
            rates = {stream.rate for stream in chosen}
            if len(rates) > 1:
                raise DataError(f"{path}: its streams differ in Hz: {sorted(rates)}")
            decoded = decode(path, box, chosen)
            for stream, samples in zip(chosen, decoded, strict=True):
                check_length(path, box, stream, samples)
    except (av.FFmpegError, ValueError) as error:
        raise unreadable(path, error) from error
    return decoded, checked_rate(rates.pop(), path)


def decode(path: Path, box, streams) -> list[np.ndarray]:
    """All frames of `streams`, each `[T, C]` float32."""
    chunks: dict[int, list[np.ndarray]] = {stream.index: [] for stream in streams}
    packets: Counter[int] = Counter()
    to_float = {
        stream.index: av.AudioResampler(format="fltp", layout=stream.layout, rate=stream.rate)
        for stream in streams
    }
    for packet in box.demux(streams):
        packets[packet.stream_index] += packet.size > 0
        if packet.is_corrupt:
            raise DataError(f"{path}: stream {packet.stream_index} is damaged: replace it")
        for frame in packet.decode():
            for planar in to_float[packet.stream_index].resample(frame):
                chunks[packet.stream_index].append(planar.to_ndarray())
    for stream in streams:
        # An MP4 lists its packets (PyAV calls them frames); a file cut between two has fewer.
        if "mp4" in box.format.name and packets[stream.index] < stream.frames:
            raise DataError(
                f"{path}: is cut off, stream {stream.index} has {packets[stream.index]} of "
                f"{stream.frames} packets: replace it"
            )
    return [
        np.concatenate(chunks[stream.index], axis=1).T
        if chunks[stream.index]
        else np.zeros((0, stream.channels), np.float32)
        for stream in streams
    ]


def check_length(path: Path, box, stream, samples: np.ndarray) -> None:
    """Refuse a stream without audio, or shorter than its container says: a file cut off.

    Only a container with exact lengths is believed; others guess theirs from the bit rate.
    """
    if len(samples) == 0:
        raise DataError(f"{path}: stream {stream.index} holds no audio")
    if EXACT.isdisjoint(box.format.name.split(",")):
        return
    if stream.duration is not None:
        stated = float(stream.duration * stream.time_base)
    elif box.duration is not None and len(box.streams) == 1:
        stated = box.duration / av.time_base
    else:
        return
    heard = len(samples) / stream.rate
    if heard < stated - CONTAINER_SLACK:
        raise cut_off(path, heard, stated)


def checked(samples: np.ndarray, path: Path) -> np.ndarray:
    """`samples`, when there are some and all are finite."""
    if len(samples) == 0:
        raise DataError(f"{path}: holds no audio")
    if not np.isfinite(samples).all():
        where = int(np.argmin(np.isfinite(samples).all(axis=1)))
        raise DataError(f"{path}: sample {where} is not a finite number: replace it")
    return samples


def resample(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """`[T, C]` at `rate` Hz as `[T × wanted / rate, C]` at `wanted` Hz (soxr, high quality)."""
    if rate == wanted:
        return samples
    return soxr.resample(samples, rate, wanted, quality="HQ")


def to_channels(samples: np.ndarray, channels: int) -> np.ndarray:
    """`[T, C]` as `[T, channels]`: averaged to mono, or mono copied to every channel.

    Raises `DataError` for any other change, which would invent or drop sound.
    """
    present = samples.shape[1]
    if present == channels:
        return samples
    if channels == 1:
        return samples.mean(axis=1, keepdims=True)
    if present == 1:
        return np.repeat(samples, channels, axis=1)
    raise DataError(f"audio of {present} channels cannot be made into {channels}")
