"""Reading audio files whole, resampling, and changing the number of channels.

Audio is float32 `[T, C]`, full scale at ±1, at the rate it comes with.
"""

import io
from collections import Counter
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr

from Input.Headers import check_whole
from Spec.Errors import DataError

CONTAINER_SLACK = 0.05  # seconds by which a container may misstate a stream's length: one packet
EXACT = {"mov", "mp4", "flac", "matroska"}  # containers that do not guess their length


class Seekable(io.FileIO):
    """A file for PyAV, which looks for tags before the start of short files and would print a
    traceback of what Python says to that."""

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return super().seek(offset, whence)
        except OSError:
            return -1


def read_audio(path: Path) -> tuple[np.ndarray, int]:
    """The audio of any file soundfile or PyAV can read, `[T, C]`, and its rate in Hz.

    Raises `DataError`, naming the file, when it is missing, damaged, cut off or holds no audio.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    check_whole(path)
    try:
        with soundfile.SoundFile(path) as sound:
            # libsndfile may guess the length of an MP3 from its first frames, and stops there.
            if sound.format != "MP3":
                samples = sound.read(dtype="float32", always_2d=True)
                if len(samples) < sound.frames:
                    rate = sound.samplerate
                    raise cut_off(path, len(samples) / rate, sound.frames / rate)
                return checked(samples, path), sound.samplerate
    except (soundfile.LibsndfileError, TypeError):  # TypeError: the name ends in .raw
        pass  # not one of libsndfile's formats, or damaged: PyAV finds out
    (samples,), rate = read_streams(path, (0,))
    return checked(samples, path), rate


def read_streams(
    path: Path, streams: tuple[int, ...], container: str | None = None
) -> tuple[list[np.ndarray], int]:
    """Some of a container's audio streams, decoded in one pass, and their rate in Hz.

    `container` forces the format, 'mp4' for stems. The file is handed over opened and no protocol
    is allowed, so that nothing in it (a playlist) can make the decoder open another file or
    address. Raises `DataError` for a file that cannot be decoded to its end.
    """
    closed = {"protocol_whitelist": "none"}
    try:
        with (
            Seekable(path) as file,
            av.open(file, format=container, container_options=closed) as box,
        ):
            audio = box.streams.audio
            if len(audio) <= max(streams):
                raise DataError(
                    f"{path}: has {len(audio)} audio streams where {max(streams) + 1} are needed"
                )
            chosen = [audio[index] for index in streams]
            rates = {stream.rate for stream in chosen}
            if len(rates) > 1:
                raise DataError(f"{path}: its streams differ in Hz: {sorted(rates)}")
            decoded = decode(path, box, chosen)
            for stream, samples in zip(chosen, decoded, strict=True):
                check_length(path, box, stream, samples)
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"{path}: cannot be read as audio, or only in part ({reason}): replace it"
        ) from error
    return decoded, rates.pop()


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


def cut_off(path: Path, heard: float, stated: float) -> DataError:
    """The error for a file that ends after `heard` of its `stated` seconds."""
    return DataError(f"{path}: is cut off, it ends after {heard:.2f} of {stated:.2f} s: replace it")


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
