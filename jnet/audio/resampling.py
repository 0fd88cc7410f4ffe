"""Conversion of the sample rate, at once or in blocks, and of the number of channels."""

from math import prod

import numpy as np
import soxr

from jnet.errors import DataError

QUALITY = "HQ"  # soxr's name of the quality
CHUNK_SAMPLES = 2**14  # per call of soxr, so that its buffers stay in the processor's cache


def resample(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Resample [T, C] to another sample rate.

    Parameters
    ----------
    samples : np.ndarray
        Samples [T, C].
    rate : int
        Their sample rate in Hz.
    wanted : int
        The new sample rate in Hz.

    Returns
    -------
    np.ndarray
        The resampled signal [T × wanted / rate, C]; `samples` itself if the rates are equal.
    """
    if rate == wanted:
        return samples
    return soxr.resample(samples, rate, wanted, quality=QUALITY)


class BlockResampler:
    """A resampler for samples [T, …] that arrive in blocks.

    The concatenated output is identical, bit for bit, to that of `resample`.

    Parameters
    ----------
    rate : int
        Sample rate of the blocks in Hz.
    wanted : int
        The new sample rate in Hz.
    """

    def __init__(self, rate: int, wanted: int):
        self.rate, self.wanted = rate, wanted
        self.stream: soxr.ResampleStream | None = None

    def __call__(self, samples: np.ndarray, last: bool) -> np.ndarray:
        """Return the samples that the next block completes; `last` marks the end of the track."""
        if self.rate == self.wanted:
            return samples
        shape = samples.shape[1:]
        if self.stream is None:
            self.stream = soxr.ResampleStream(
                self.rate, self.wanted, prod(shape), "float32", QUALITY
            )
        flat = np.ascontiguousarray(samples.reshape(len(samples), prod(shape)), np.float32)
        ends = [*range(CHUNK_SAMPLES, len(flat), CHUNK_SAMPLES), len(flat)]
        chunks = [
            self.stream.resample_chunk(flat[start:end], last and end == len(flat))
            for start, end in zip([0, *ends], ends, strict=False)
        ]
        return np.concatenate(chunks).reshape(-1, *shape)


def convert_channels(samples: np.ndarray, channels: int) -> np.ndarray:
    """Return [T, C] with `channels` channels: averaged to mono, or mono copied to every channel.

    Raises `DataError` for any other conversion, which would add or remove content.
    """
    present = samples.shape[1]
    if present == channels:
        return samples
    if channels == 1:
        return samples.mean(axis=1, keepdims=True)
    if present == 1:
        return np.repeat(samples, channels, axis=1)
    raise DataError(
        f"audio with {present} channels cannot be converted to {channels} channels: export it with "
        f"{channels}"
    )
