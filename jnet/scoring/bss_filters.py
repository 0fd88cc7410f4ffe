"""The distortion filters of BSS Eval v4: least-squares fits of estimates by delayed references.

Only correlations at lags shorter than a filter are needed. The correlations of a track are the sum
of correlations between each block and the samples from that block on. The transforms are therefore
short enough for the processor's cache, and no other array has the length of the track.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.linalg

FILTER_TAPS = 512  # length of BSS Eval v4's distortion filters, in samples
LONGEST_LAG = FILTER_TAPS - 1
BLOCK = 8192  # transform length: a block of the track and the LONGEST_LAG samples after it


@dataclass(frozen=True)
class Filters:
    """The spectra of the distortion filters of every estimate.

    The first axis is the estimate. The two channel axes are the reference's channel, then the
    estimate's.

    Attributes
    ----------
    own : array
        Filters that project on the estimate's own reference, `[S, C, C, F]`.
    all : array
        Filters that project on all references, `[S, S, C, C, F]`; the second axis is the reference.
    """

    own: np.ndarray
    all: np.ndarray


def transform_length(block: int) -> int:
    """Return a length for fast transforms of a filtered block of `block` samples."""
    return scipy.fft.next_fast_len(block + LONGEST_LAG, real=True)


def spectra(samples: np.ndarray, padded: np.ndarray) -> np.ndarray:
    """Return the spectra `[S, C, F]` of a zero-padded block `[T, S, C]`.

    `padded` is working memory of shape `[S, C, length]`; its last axis sets the transform length.
    """
    # Time is the last axis: transforms along another axis take five times as long.
    padded[..., : len(samples)] = samples.transpose(1, 2, 0)
    padded[..., len(samples) :] = 0
    return scipy.fft.rfft(padded)


def distortion_filters(references: np.ndarray, estimates: np.ndarray, window: int) -> Filters:
    """Return the distortion filters of a track.

    Parameters
    ----------
    references, estimates : array
        Samples, `[T, S, C]`.
    window : int
        Length in samples of the windows to filter; sets the transform length of the spectra.

    Returns
    -------
    Filters
    """
    _, sources, channels = references.shape
    signals = sources * channels
    lags = correlations(references, estimates)  # [signals, 2 signals, FILTER_TAPS]
    gram = gram_matrix(lags[:, :signals])
    against = lags[:, signals:].transpose(0, 2, 1).reshape(-1, signals)
    length = transform_length(window)
    every = solve_filters(gram, against).reshape(sources, channels, FILTER_TAPS, sources, channels)
    own = np.empty((sources, channels, FILTER_TAPS, channels))
    for source in range(sources):
        rows = slice(source * channels * FILTER_TAPS, (source + 1) * channels * FILTER_TAPS)
        columns = slice(source * channels, (source + 1) * channels)
        own[source] = solve_filters(gram[rows, rows], against[rows, columns]).reshape(
            channels, FILTER_TAPS, channels
        )
    return Filters(
        own=scipy.fft.rfft(own.transpose(0, 1, 3, 2), length),
        all=scipy.fft.rfft(every.transpose(3, 0, 1, 4, 2), length),
    )


def correlations(references: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    """Return the correlations of all reference channels with all channels.

    The value for reference channel a and channel b at a lag from 0 to LONGEST_LAG samples is `Σ_t
    a[t] b[t + lag]`. The result has the shape `[signals, 2 signals, FILTER_TAPS]`, where `signals`
    counts the channels of all references. On the second axis, the references come before the
    estimates.
    """
    frames, sources, channels = references.shape
    signals = sources * channels
    sums = np.zeros((signals, 2 * signals, BLOCK // 2 + 1), complex)
    block = np.zeros((2 * signals, BLOCK))  # of all signals, and the samples after it
    padded = np.zeros((signals, BLOCK))  # the block, then zeros: no lag wraps around
    product = np.empty((2 * signals, BLOCK // 2 + 1), complex)
    step = BLOCK - LONGEST_LAG
    for first in range(0, frames, step):
        end = min(BLOCK, frames - first)
        block[:signals, :end] = references[first : first + BLOCK].reshape(-1, signals).T
        block[signals:, :end] = estimates[first : first + BLOCK].reshape(-1, signals).T
        block[:, end:] = 0
        padded[:, :step] = block[:signals, :step]
        add_products(sums, scipy.fft.rfft(padded), scipy.fft.rfft(block), product)
    return scipy.fft.irfft(sums, BLOCK)[..., :FILTER_TAPS]


def add_products(
    sums: np.ndarray, padded: np.ndarray, block: np.ndarray, product: np.ndarray
) -> None:
    """Add the cross spectra of the reference channels with all channels to `sums`.

    Parameters
    ----------
    sums : array
        Sums of cross spectra, `[signals, 2 signals, F]`; changed in place.
    padded : array
        Spectra of the zero-padded blocks of the references, `[signals, F]`; overwritten.
    block : array
        Spectra of all channels, `[2 signals, F]`.
    product : array
        Working memory of the shape of `block`.
    """
    np.conj(padded, out=padded)
    for row, reference in enumerate(padded):
        np.multiply(reference, block, out=product)
        sums[row] += product


def gram_matrix(lags: np.ndarray) -> np.ndarray:
    """Return the inner products of all delayed references, `[signals · taps, signals · taps]`.

    They are computed from the correlations `[signals, signals, taps]`; every pair of signals has a
    Toeplitz block.
    """
    signals = len(lags)
    gram = np.empty((signals, FILTER_TAPS, signals, FILTER_TAPS))
    for row in range(signals):
        for column in range(row, signals):
            both = np.concatenate(
                [lags[column, row, :0:-1], lags[row, column]]
            )  # lags from −LONGEST_LAG to LONGEST_LAG
            rows = np.lib.stride_tricks.sliding_window_view(both, FILTER_TAPS)
            gram[row, :, column] = rows[:, ::-1]
            gram[column, :, row] = gram[row, :, column].T
    return gram.reshape(signals * FILTER_TAPS, -1)


def solve_filters(gram: np.ndarray, against: np.ndarray) -> np.ndarray:
    """Solve the normal equations for the filters.

    As BSS Eval defines it, a small number is added to the diagonal. The matrix is factored by
    Cholesky decomposition, or by `solve_singular` if it is singular to working precision. The
    filters of a singular system are not unique, but the projection is. LU decomposition, which
    museval uses, may return filters so large that the projection is lost in rounding.
    """
    try:
        # LAPACK takes the transpose without a copy, and the matrix is symmetric.
        factor = scipy.linalg.cho_factor(
            regularize(gram).T, lower=True, overwrite_a=True, check_finite=False
        )
    except scipy.linalg.LinAlgError:
        return solve_singular(gram, against)
    pivots = np.square(factor[0].diagonal())
    if pivots.min() < len(gram) * np.finfo(float).eps * pivots.max():
        return solve_singular(gram, against)
    return scipy.linalg.cho_solve(factor, against, check_finite=False)


def regularize(gram: np.ndarray) -> np.ndarray:
    """Return a copy of the matrix with the machine epsilon added to its diagonal."""
    copy = gram.copy()
    copy.flat[:: len(gram) + 1] += np.finfo(float).eps
    return copy


def solve_singular(gram: np.ndarray, against: np.ndarray) -> np.ndarray:
    """Solve the normal equations with a singular matrix, for example of two equal channels.

    A Cholesky decomposition with pivoting selects a maximal set of linearly independent delayed
    references. Filters on these give the projection on all delayed references; the other filter
    coefficients are zero.
    """
    factor, pivots, rank, _ = scipy.linalg.lapack.dpstrf(gram, lower=1)
    kept = pivots[:rank] - 1
    filters = np.zeros_like(against)
    filters[kept] = scipy.linalg.cho_solve((factor[:rank, :rank], True), against[kept])
    return filters
