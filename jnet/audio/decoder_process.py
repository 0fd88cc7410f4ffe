"""Decoding with PyAV in another process, whose crash is an error that names the file.

The process is started for the first file and decodes further files. It ends with this process,
because its standard input ends then, and is started again after a crash or an incomplete decoding.
Memory is bounded because the pipe between the processes is.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import closing
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from jnet.errors import DataError

PROGRAM = Path(__file__).with_name("decoding.py")
PIPE_BUFFER = 2**18  # bytes
VALUE = np.dtype(np.float32)

Decoder = subprocess.Popen[bytes]
IDLE: list[Decoder] = []  # decoders without a request; empty in a forked process
os.register_at_fork(after_in_child=IDLE.clear)


def decode_streams(
    path: Path, indices: Sequence[int], container_format: str | None = None
) -> Generator[tuple[int, int, np.ndarray]]:
    """Yield the samples of a file's audio streams as they are decoded.

    Parameters
    ----------
    path : Path
        The file.
    indices : sequence of int
        Indices of the streams among the audio streams of the file.
    container_format : str, optional
        The format of the file; detected by default.

    Yields
    ------
    position : int
        Index of the stream in `indices`.
    rate : int
        Its sample rate in Hz.
    samples : np.ndarray
        Its next samples, float32 [T, C].

    Raises
    ------
    DataError
        If the file is not audio or damaged, or if it crashes the decoder.
    """
    with closing(request_answers(path, indices, container_format)) as answers:
        for answer, content in answers:
            if content:
                planar = np.frombuffer(content, VALUE).reshape(answer["shape"])  # [C, T]
                yield answer["stream"], answer["rate"], planar.T


def read_container_seconds(path: Path) -> float | None:
    """Return the length in seconds that a file states, or None; raise as `decode_streams` does."""
    ((answer, _),) = request_answers(path, ())
    return answer["seconds"]


def request_answers(
    path: Path, indices: Sequence[int], container_format: str | None = None
) -> Generator[tuple[dict[str, Any], bytes]]:
    """Yield the answers of a decoder to a request, each with the bytes of its samples.

    Parameters and errors are those of `decode_streams`. A decoder with a complete answer is kept.
    """
    path.open("rb").close()  # raises `OSError` with the path
    request = {
        "path": os.path.abspath(path),  # noqa: PTH100 - the links of a path are not resolved
        "streams": list(indices),
        "container_format": container_format,
    }
    decoder = take_decoder()
    assert decoder.stdin is not None
    complete = False
    try:
        decoder.stdin.write(json.dumps(request).encode() + b"\n")
        decoder.stdin.flush()
        while not complete:
            answer, content = read_answer(path, decoder)
            complete = "shape" not in answer
            if "error" in answer:
                raise DataError(f"{path}: {answer['error']}")
            yield answer, content
    finally:
        if complete:
            IDLE.append(decoder)
        else:
            stop_decoder(decoder)


def read_answer(path: Path, decoder: Decoder) -> tuple[dict[str, Any], bytes]:
    """Read the next answer and its bytes; raise `DataError` if the decoder has crashed."""
    assert decoder.stdout is not None
    line, content, size = decoder.stdout.readline(), b"", 0
    if line.endswith(b"\n"):
        answer = json.loads(line)
        size = VALUE.itemsize * prod(answer["shape"]) if "shape" in answer else 0
        content = decoder.stdout.read(size)
        if len(content) == size:
            return answer, content
    status = decoder.wait()
    cause = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    raise DataError(f"{path}: the decoder crashed ({cause}): replace it")


def take_decoder() -> Decoder:
    """Return an idle decoder, or start one."""
    while IDLE:
        decoder = IDLE.pop()
        if decoder.poll() is None:
            return decoder
        stop_decoder(decoder)  # it was killed
    # In a session of its own it gets no signals of the terminal. With -P, no module beside the
    # program is imported instead of an installed one.
    return subprocess.Popen(
        [sys.executable, "-P", str(PROGRAM)],
        bufsize=PIPE_BUFFER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # messages of a crash
        start_new_session=True,
    )


def stop_decoder(decoder: Decoder) -> None:
    """End a decoder and close its pipes."""
    with decoder:
        decoder.kill()


@atexit.register
def stop_idle_decoders() -> None:
    """End all idle decoders at the end of the program."""
    while IDLE:
        stop_decoder(IDLE.pop())
