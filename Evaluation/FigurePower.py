"""Power spectrograms of songs, small enough to draw."""

import numpy as np

WINDOW = 2048  # frames of a Hann window
FLOOR = 1e-10  # of the power of a full-scale sine: nothing is quieter than −100 dB
BLOCK = 512  # windows transformed at once: memory stays small however long a song is


def power_spectrogram(samples: np.ndarray, columns: int, window: int = WINDOW) -> np.ndarray:
    """Power in dB of `[T, C]`, channels averaged, as `[window // 2 + 1, columns]`; 0 dB is a sine
    of full scale.

    A column averages the power of all windows that begin in its share of the time; the first
    stands round the first frame, and silence surrounds the song.
    """
    frames = len(samples)
    per_column = max(1, -(-frames // (columns * window // 2)))
    count = columns * per_column
    starts = np.arange(count) * frames // count  # where windows have their middle
    padded = np.pad(samples.astype(np.float32, copy=False), ((window // 2, window), (0, 0)))
    padded = np.asfortranarray(padded)  # each channel in one piece, as its transforms read it
    hann = np.hanning(window + 1)[:-1].astype(np.float32)
    power = np.concatenate(
        [
            block_power(padded, starts[first : first + BLOCK], hann)
            for first in range(0, count, BLOCK)
        ]
    )  # [count, bins]
    power = power.reshape(columns, per_column, -1).mean(axis=1).T
    return 10 * np.log10(np.maximum(power, FLOOR))


def block_power(padded: np.ndarray, starts: np.ndarray, hann: np.ndarray) -> np.ndarray:
    """The power of some windows `[N, bins]` of padded samples `[T, C]`, channels averaged."""
    frames = padded.T[:, starts[:, None] + np.arange(len(hann))]  # [C, N, window]
    spectra = np.fft.rfft(frames * hann)
    power = np.square(spectra.real) + np.square(spectra.imag)
    return power.mean(axis=0) * np.square(2 / hann.sum())
