"""The program that decodes audio files with PyAV, in a process of its own.

A damaged file can crash FFmpeg, and only this process ends then (`jnet.audio.decoder_process`). It
reads one request per line of standard input: `{"path", "streams", "container_format"}`. It answers
with lines of JSON: `{"stream", "rate", "shape"}` for decoded samples, which follow as float32
[C, T], then `{"seconds"}` with the length that the file states, or `{"error"}`.

Neither the content nor the name of a file can make the decoder open other files or addresses.
Imports only PyAV, so that it starts in a tenth of a second.
"""

import io
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import av

OUTPUT_BUFFER = 2**18  # bytes
CONTAINER_SLACK = 0.05  # seconds: the stated length of a stream may be wrong by one packet
EXACT_CONTAINERS = {"mov", "mp4", "flac", "matroska"}  # others estimate lengths from the bit rate


class DecodingError(Exception):
    """An error whose message says what is wrong with a file and what to do, without its path."""


class SeekableFile(io.FileIO):
    """A file whose `seek` returns −1 on failure instead of raising `OSError`.

    For short files, PyAV searches for tags before the beginning of the file and would print the
    traceback of the exception.
    """

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to an offset in bytes and return the position, or −1 on failure."""
        try:
            return super().seek(offset, whence)
        except OSError:
            return -1


@contextmanager
def open_container(path: str, container_format: str | None) -> Iterator[Any]:
    """Open a file with PyAV within the block; `container_format` overrides its detection.

    PyAV gets an open file and may use no protocol, so that the content (for example a playlist)
    cannot make the decoder open another file or address.
    """
    options = {"protocol_whitelist": "none"}
    with (
        SeekableFile(path) as file,
        av.open(file, "r", format=container_format, container_options=options) as container,
    ):
        yield container


def choose_streams(container, indices: list[int]) -> list:
    """Return the audio streams of a container by their indices among its audio streams.

    Raises `DecodingError` if a stream is missing or has no decoder.
    """
    present, needed = len(container.streams.audio), max(indices) + 1
    if present < needed:
        raise DecodingError(f"has {present} audio streams, but {needed} are needed: replace it")
    streams = [container.streams.audio[index] for index in indices]
    if any(stream.codec_context is None for stream in streams):  # no decoder, no rate
        raise DecodingError("its audio codec cannot be decoded: convert it")
    return streams


def decode_streams(container, indices: list[int]) -> Iterator[tuple[int, Any]]:
    """Yield the position in `indices` and the next frame of a stream, as planar float32.

    Raises `DecodingError` if a packet is damaged, if a stream changes its format or if it is
    shorter than the container states.
    """
    streams = choose_streams(container, indices)
    decoders = {stream.index: StreamDecoder(container, stream) for stream in streams}
    positions = {stream.index: position for position, stream in enumerate(streams)}
    for packet in container.demux(streams):
        index = packet.stream.index  # the last packet, which flushes, has no `stream_index`
        for frame in decoders[index].decode(packet):
            yield positions[index], frame
    for decoder in decoders.values():
        decoder.check_length()


class StreamDecoder:
    """A decoder for one audio stream of a container that counts decoded packets and seconds."""

    def __init__(self, container, stream):
        self.container, self.stream = container, stream
        self.to_float = av.AudioResampler(format="fltp")
        self.format: dict[str, Any] = {}
        self.packets, self.seconds = 0, 0.0

    def decode(self, packet) -> Iterator[Any]:
        """Yield the frames of a packet as planar float32; raise `DecodingError` for damage."""
        self.packets += packet.size > 0
        if packet.is_corrupt:
            raise DecodingError(f"is damaged after {self.seconds:.2f} s: replace it")
        for frame in packet.decode():
            self.check_format(frame)  # neither the resampler nor a copy of the planes checks it
            for planar in self.to_float.resample(frame):
                self.seconds += planar.samples / planar.sample_rate
                yield planar

    def check_format(self, frame) -> None:
        """Raise `DecodingError` if a frame differs from the first in rate, layout or format."""
        present = {
            "sample rate": f"{frame.sample_rate} Hz",
            "channels": frame.layout.name,
            "sample format": frame.format.name,
        }
        self.format = self.format or present
        for what, first in self.format.items():
            if present[what] != first:
                raise DecodingError(
                    f"changes its {what} from {first} to {present[what]} after "
                    f"{self.seconds:.2f} s: convert or replace it"
                )

    def check_length(self) -> None:
        """Raise `DecodingError` if the decoded stream is shorter than its container states."""
        stream, container = self.stream, self.container
        formats = set(container.format.name.split(","))
        # An MP4 states its number of packets, `frames` in PyAV; truncated files have fewer.
        if "mp4" in formats and self.packets < stream.frames:
            missing = stream.frames - self.packets
            raise DecodingError(f"is truncated, {missing} packets are missing: replace it")
        stated = None
        if stream.duration is not None:
            stated = float(stream.duration * stream.time_base)
        elif container.duration is not None and len(container.streams) == 1:
            stated = container.duration / av.time_base
        if stated is None or not formats & EXACT_CONTAINERS:
            return
        if self.seconds < stated - CONTAINER_SLACK:
            raise DecodingError(
                f"is truncated after {self.seconds:.2f} of {stated:.2f} s: replace it"
            )


def answer(request: dict[str, Any], output: BinaryIO) -> None:
    """Decode the streams of a request, none for the stated length only, and write the answer."""
    with open_container(request["path"], request["container_format"]) as container:
        if request["streams"]:
            for position, frame in decode_streams(container, request["streams"]):
                shape = [frame.layout.nb_channels, frame.samples]
                write(output, {"stream": position, "rate": frame.sample_rate, "shape": shape})
                for plane in frame.planes:
                    output.write(memoryview(plane)[: frame.samples * frame.format.bytes])
        seconds = container.duration / av.time_base if container.duration else None
        write(output, {"seconds": seconds})


def write(output: BinaryIO, message: dict[str, Any]) -> None:
    """Write one line of JSON."""
    output.write(json.dumps(message).encode() + b"\n")


def main() -> None:
    """Answer requests until the end of standard input, the end of the parent."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the parent handles them
        signal.signal(number, signal.SIG_IGN)
    with open(1, "wb", OUTPUT_BUFFER) as output:
        for line in sys.stdin.buffer:
            try:
                answer(json.loads(line), output)
            except BrokenPipeError:
                raise
            except DecodingError as error:
                write(output, {"error": str(error)})
            except (av.FFmpegError, OSError, ValueError, MemoryError) as error:
                reason = getattr(error, "strerror", None) or error
                message = f"cannot be read as audio, or only partly ({reason}): replace it"
                write(output, {"error": message})
            output.flush()


if __name__ == "__main__":
    main()
