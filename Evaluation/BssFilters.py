"""The distortion filters of BSS Eval v4: least squares of estimates on delayed references.

Only correlations up to a filter's length are needed, and those of a song are the sum of those of
its blocks with themselves and what follows them. So transforms are so short that they stay in the
processor's cache, and nothing of the song's length is held beyond the song.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.linalg

FILTER_TAPS = 512  # of BSS Eval v4's distortion filters
REACH = FILTER_TAPS - 1  # the longest lag
BLOCK = 8192  # transform length of a block of the song and the REACH frames after it


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


def spectra(samples: np.ndarray, padded: np.ndarray) -> np.ndarray:
    """Spectra of a block `[T, S, C]` over its time, zero-padded to the length of `padded`
    `[S, C, length]`, memory to work in: `[S, C, F]`."""
    # Time last in memory: a transform over strides takes five times as long.
    padded[..., : len(samples)] = samples.transpose(1, 2, 0)
    padded[..., len(samples) :] = 0
    return scipy.fft.rfft(padded)


def distortion_filters(references: np.ndarray, estimates: np.ndarray, window: int) -> Filters:
    """The filters of a whole song, `[T, S, C]` of references and estimates, for its windows."""
    _, sources, channels = references.shape
    signals = sources * channels
    lags = correlations(references, estimates)  # [signals, 2 signals, FILTER_TAPS]
    gram = gram_matrix(lags[:, :signals])
    against = lags[:, signals:].transpose(0, 2, 1).reshape(-1, signals)
    length = transform_length(window)
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


def correlations(references: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    """`Σ_t a[t] b[t + lag]` for every reference channel a and every channel b of references, then
    estimates: `[signals, 2 signals, FILTER_TAPS]`, lags from 0 to REACH."""
    frames, sources, channels = references.shape
    signals = sources * channels
    sums = np.zeros((signals, 2 * signals, BLOCK // 2 + 1), complex)
    heard = np.zeros((2 * signals, BLOCK))  # a block and what follows it
    alone = np.zeros((signals, BLOCK))  # the block, silence after it: no lag wraps round
    product = np.empty((2 * signals, BLOCK // 2 + 1), complex)
    step = BLOCK - REACH
    for first in range(0, frames, step):
        end = min(BLOCK, frames - first)
        heard[:signals, :end] = references[first : first + BLOCK].reshape(-1, signals).T
        heard[signals:, :end] = estimates[first : first + BLOCK].reshape(-1, signals).T
        heard[:, end:] = 0
        alone[:, :step] = heard[:signals, :step]
        add_products(sums, scipy.fft.rfft(alone), scipy.fft.rfft(heard), product)
    return scipy.fft.irfft(sums, BLOCK)[..., :FILTER_TAPS]


def add_products(
    sums: np.ndarray, alone: np.ndarray, heard: np.ndarray, product: np.ndarray
) -> None:
    """Add the cross spectra of the first signals with all: `[signals, 2 signals, F]`. `product` is
    memory to work in, of the shape of `heard`."""
    np.conj(alone, out=alone)
    for row, reference in enumerate(alone):
        np.multiply(reference, heard, out=product)
        sums[row] += product


def gram_matrix(lags: np.ndarray) -> np.ndarray:
    """Inner products of all delayed references, `[signals · taps, signals · taps]`, from their
    correlations `[signals, signals, taps]`: one Toeplitz block for every pair."""
    signals = len(lags)
    gram = np.empty((signals, FILTER_TAPS, signals, FILTER_TAPS))
    for row in range(signals):
        for column in range(row, signals):
            both = np.concatenate([lags[column, row, :0:-1], lags[row, column]])  # −REACH … REACH
            rows = np.lib.stride_tricks.sliding_window_view(both, FILTER_TAPS)
            gram[row, :, column] = rows[:, ::-1]
            gram[column, :, row] = gram[row, :, column].T
    return gram.reshape(signals * FILTER_TAPS, -1)


def solved(gram: np.ndarray, against: np.ndarray) -> np.ndarray:
    """The filters: Cholesky where the matrix is positive, LU, as museval has it, where rounding
    made it not. A hair on the diagonal is part of BSS Eval's definition."""
    try:
        # The matrix is its own transpose, which LAPACK takes as it is, and works in.
        factor = scipy.linalg.cho_factor(
            regular(gram).T, lower=True, overwrite_a=True, check_finite=False
        )
        return scipy.linalg.cho_solve(factor, against, check_finite=False)
    except scipy.linalg.LinAlgError:
        pass
    try:
        return np.linalg.solve(regular(gram), against)
    except np.linalg.LinAlgError:
        return solved_by_independent(gram, against)


def regular(gram: np.ndarray) -> np.ndarray:
    """A copy of the matrix with a hair more on its diagonal."""
    copy = gram.copy()
    copy.flat[:: len(gram) + 1] += np.finfo(float).eps
    return copy


def solved_by_independent(gram: np.ndarray, against: np.ndarray) -> np.ndarray:
    """The filters of a singular matrix, such as equal channels give: on as many delayed references
    as are independent, by Cholesky with pivots. They project on all of them."""
    factor, pivots, rank, _ = scipy.linalg.lapack.dpstrf(gram, lower=1)
    kept = pivots[:rank] - 1
    filters = np.zeros_like(against)
    filters[kept] = scipy.linalg.cho_solve((factor[:rank, :rank], True), against[kept])
    return filters
