"""The distortion filters of BSS Eval v4: least squares of estimates on delayed references.

Only correlations up to a filter's length are needed, and those of a song are the sum of those of
its blocks and of what reaches over the border from one block into the next. So no transform is
longer than a block, and nothing of the song's length is held beyond the song.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.linalg

FILTER_TAPS = 512  # of BSS Eval v4's distortion filters
REACH = FILTER_TAPS - 1  # the longest lag
BORDER = 1024  # transform length for what crosses a border: 2 REACH and room


@dataclass(frozen=True)
class Filters:
    """Distortion filters by their spectra, `[S, …, C, F]`: of estimate j, output channel last.

    `own` [S, C, C, F] project on the estimate's own reference, `all` [S, S, C, C, F] on all of
    them; the channels are those of the reference, then those of the estimate.
    """

    own: np.ndarray
    all: np.ndarray


def transform_length(block: int) -> int:
    """A fast transform length for a block and the filters' tail."""
    return scipy.fft.next_fast_len(block + REACH, real=True)


def spectra(samples: np.ndarray, length: int) -> np.ndarray:
    """Spectra of a block `[T, S, C]` over its time, zero-padded to `length`: `[S, C, F]`."""
    return scipy.fft.rfft(samples.transpose(1, 2, 0).astype(np.float64), length)


def distortion_filters(references: np.ndarray, estimates: np.ndarray, block: int) -> Filters:
    """The filters of a whole song, `[T, S, C]` of references and estimates."""
    _, sources, channels = references.shape
    signals = sources * channels
    lags = correlations(references, estimates, block)  # [signals, 2 signals, 2 REACH + 1]
    gram = gram_matrix(lags[:, :signals])
    against = lags[:, signals:, REACH:].transpose(0, 2, 1).reshape(-1, signals)
    length = transform_length(block)
    every = solved(gram, against).reshape(sources, channels, FILTER_TAPS, sources, channels)
    own = np.empty((sources, channels, FILTER_TAPS, channels))
    for source in range(sources):
        rows = slice(source * channels * FILTER_TAPS, (source + 1) * channels * FILTER_TAPS)
        columns = slice(source * channels, (source + 1) * channels)
        own[source] = solved(gram[rows, rows], against[rows, columns]).reshape(
            channels, FILTER_TAPS, channels
        )
    return Filters(
        own=scipy.fft.rfft(own.transpose(0, 1, 3, 2), length),
        all=scipy.fft.rfft(every.transpose(3, 0, 1, 4, 2), length),
    )


def correlations(references: np.ndarray, estimates: np.ndarray, block: int) -> np.ndarray:
    """`Σ_t a[t] b[t + lag]` for every reference channel a and every channel b of references, then
    estimates: `[signals, 2 signals, 2 REACH + 1]`, lags from −REACH to REACH."""
    frames, sources, channels = references.shape
    signals = sources * channels
    length = transform_length(block)
    within = np.zeros((signals, 2 * signals, length // 2 + 1), complex)
    across = np.zeros((2, signals, 2 * signals, BORDER // 2 + 1), complex)
    tail = np.zeros((2 * signals, REACH))
    for first in range(0, frames, block):
        part = np.concatenate(
            [
                references[first : first + block].reshape(-1, signals).T,
                estimates[first : first + block].reshape(-1, signals).T,
            ],
            dtype=np.float64,
        )  # [2 signals, T]
        add_products(within, scipy.fft.rfft(part, length))
        add_border(across, scipy.fft.rfft(tail, BORDER), scipy.fft.rfft(part[:, :REACH], BORDER))
        tail = np.concatenate([tail, part], axis=1)[:, -REACH:]
    return lags_of(within, across, length)


def add_products(sums: np.ndarray, spectrum: np.ndarray) -> None:
    """Add the cross spectra of the first signals with all: `[signals, 2 signals, F]`."""
    for row, reference in enumerate(spectrum[: len(sums)]):
        sums[row, row:] += np.conj(reference) * spectrum[row:]


def add_border(sums: np.ndarray, tail: np.ndarray, head: np.ndarray) -> None:
    """Add what the end of one block and the start of the next have in common, both ways round."""
    for row in range(sums.shape[1]):
        sums[0, row] += np.conj(tail[row]) * head  # b comes after a
        sums[1, row] += np.conj(head[row]) * tail  # b comes before a


def lags_of(within: np.ndarray, across: np.ndarray, length: int) -> np.ndarray:
    """The summed cross spectra as correlations `[signals, 2 signals, 2 REACH + 1]`."""
    inside = scipy.fft.irfft(within, length)
    lags = np.concatenate([inside[..., -REACH:], inside[..., : REACH + 1]], axis=-1)
    for row in range(len(lags)):  # only one of each pair of references was summed
        for column in range(row):
            lags[row, column] = lags[column, row, ::-1]
    after, before = scipy.fft.irfft(across, BORDER)
    # A tail's sample u and a head's sample v are REACH + v − u frames apart.
    lags[..., REACH + 1 :] += np.concatenate([after[..., -(REACH - 1) :], after[..., :1]], axis=-1)
    lags[..., :REACH] += before[..., :REACH]
    return lags


def gram_matrix(lags: np.ndarray) -> np.ndarray:
    """Inner products of all delayed references, `[signals · taps, signals · taps]`: one Toeplitz
    block for every pair."""
    signals = len(lags)
    gram = np.empty((signals, FILTER_TAPS, signals, FILTER_TAPS))
    for row in range(signals):
        for column in range(signals):
            rows = np.lib.stride_tricks.sliding_window_view(lags[row, column], FILTER_TAPS)
            gram[row, :, column] = rows[:, ::-1]
    return gram.reshape(signals * FILTER_TAPS, -1)


def solved(gram: np.ndarray, against: np.ndarray) -> np.ndarray:
    """The filters: Cholesky where the matrix is positive, LU where rounding made it not, least
    squares where it is singular. A hair on the diagonal is part of BSS Eval's definition."""
    regular = gram.copy()
    regular.flat[:: len(gram) + 1] += np.finfo(float).eps
    try:
        factor = scipy.linalg.cho_factor(regular, lower=True, check_finite=False)
        return scipy.linalg.cho_solve(factor, against, check_finite=False)
    except scipy.linalg.LinAlgError:
        pass
    try:
        return np.linalg.solve(regular, against)
    except np.linalg.LinAlgError:
        return np.linalg.lstsq(gram, against, rcond=None)[0]
