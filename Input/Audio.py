"""Reading audio files whole, resampling, and changing the number of channels.

Audio is float32 `[T, C]`, full scale at ±1, at the rate it comes with.
"""

from pathlib import Path

import av
import numpy as np
import soundfile
import soxr

from Spec.Errors import DataError

CONTAINER_SLACK = 0.05  # seconds by which a container may misstate a stream's length: one packet


def read_audio(path: Path) -> tuple[np.ndarray, int]:
    """The audio of any file soundfile or PyAV can read, `[T, C]`, and its rate in Hz.

    Raises `DataError`, naming the file, when it is missing, damaged or holds no audio.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError:
        (samples,), rate = read_streams(path, (0,))
    return checked(samples, path), rate


def read_streams(
    path: Path, streams: tuple[int, ...], container: str | None = None
) -> tuple[list[np.ndarray], int]:
    """Some of a container's audio streams, decoded in one pass, and their rate in Hz.

    `container` forces the format, 'mp4' for stems. The file is handed over opened, so that
    nothing in it can make the decoder open another file or address. Raises `DataError` for a
    file that cannot be decoded to its end.
    """
    try:
        with path.open("rb") as file, av.open(file, format=container) as box:
            audio = box.streams.audio
            if len(audio) <= max(streams):
                raise DataError(
                    f"{path}: has {len(audio)} audio streams where {max(streams) + 1} are needed"
                )
            chosen = [audio[index] for index in streams]
            decoded = decode(box, chosen)
            rate = chosen[0].rate
            for stream, samples in zip(chosen, decoded, strict=True):
                check_length(path, stream, samples, exact="mp4" in box.format.name)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as audio ({error})") from error
    return decoded, rate


def decode(box, streams) -> list[np.ndarray]:
    """All frames of `streams`, each `[T, C]` float32."""
    chunks: dict[int, list[np.ndarray]] = {stream.index: [] for stream in streams}
    to_float = {
        stream.index: av.AudioResampler(format="fltp", layout=stream.layout, rate=stream.rate)
        for stream in streams
    }
    for packet in box.demux(streams):
        for frame in packet.decode():
            for planar in to_float[packet.stream_index].resample(frame):
                chunks[packet.stream_index].append(planar.to_ndarray())
    return [
        np.concatenate(chunks[stream.index], axis=1).T
        if chunks[stream.index]
        else np.zeros((0, stream.channels), np.float32)
        for stream in streams
    ]


def check_length(path: Path, stream, samples: np.ndarray, exact: bool) -> None:
    """Refuse a stream without audio, or shorter than its container says: a file cut off.

    Only a container with `exact` lengths is believed; others guess theirs from the bit rate.
    """
    if len(samples) == 0:
        raise DataError(f"{path}: stream {stream.index} holds no audio")
    if not exact or stream.duration is None:
        return
    stated = float(stream.duration * stream.time_base)
    heard = len(samples) / stream.rate
    if heard < stated - CONTAINER_SLACK:
        raise DataError(
            f"{path}: is cut off, stream {stream.index} ends after {heard:.2f} of {stated:.2f} s"
        )


def checked(samples: np.ndarray, path: Path) -> np.ndarray:
    """`samples`, when there are some and all are finite."""
    if len(samples) == 0:
        raise DataError(f"{path}: holds no audio")
    if not np.isfinite(samples).all():
        where = int(np.argmin(np.isfinite(samples).all(axis=1)))
        raise DataError(f"{path}: sample {where} is not a finite number")
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
