"""BSS Eval v4, the scores of SiSEC 2018, computed exactly, fast and in little memory.

For any distortion filters, the error terms of an image add up to `estimate − reference`. The SDR
therefore needs no filters: it is `10 log10(Σ reference² / Σ (estimate − reference)²)` with sums
over the samples and channels of a window.
"""

import numpy as np

from jnet.scoring.bss_filters import Filters, distortion_filters, spectra, transform_length

FIRST_SAMPLES = 512  # enough to recognise most sources as not silent


def slice_windows(frames: int, window: int, hop: int) -> list[slice]:
    """Return the slices of the windows that museval scores.

    Only complete windows are scored. A track that is not longer than `window` is a single window.

    Parameters
    ----------
    frames : int
        Length of the track in samples.
    window, hop : int
        Window length and hop in samples.

    Returns
    -------
    list of slice
    """
    if window >= frames:
        return [slice(0, frames)]
    return [slice(first, first + window) for first in range(0, frames - window + 1, hop)]


def has_silent_source(sources: np.ndarray) -> bool:
    """Return whether any source of `[T, S, C]` is silent.

    As in museval, a source is silent if the sum of its channels is zero at every sample.
    """
    for part in (sources[:FIRST_SAMPLES], sources):  # the first samples decide most cases
        total = sum(part[:, :, channel] for channel in range(part.shape[2]))
        if np.any(total, axis=0).all():
            return False
    return True


def sdr(references: np.ndarray, estimates: np.ndarray, window: int, hop: int) -> np.ndarray:
    """Return the SDR of every source and window.

    Parameters
    ----------
    references, estimates : array
        Samples, `[T, S, C]`.
    window, hop : int
        Window length and hop in samples.

    Returns
    -------
    array
        SDR in dB, `[S, K]`. As in museval, it is NaN for all sources of a window in which any
        reference or estimate is silent. It is infinite where an estimate is exact.
    """
    ratios = []
    for part in slice_windows(len(references), window, hop):
        reference = references[part].astype(np.float64, copy=False)
        estimate = estimates[part].astype(np.float64, copy=False)
        error = estimate - reference
        signal = np.einsum("tsc,tsc->s", reference, reference)  # [S]
        distortion = np.einsum("tsc,tsc->s", error, error)
        with np.errstate(divide="ignore"):
            ratio = 10 * np.log10(signal / distortion)
        if has_silent_source(reference) or has_silent_source(estimate):
            ratio[:] = np.nan
        ratios.append(ratio)
    return np.stack(ratios, axis=1)


def bss_eval(references: np.ndarray, estimates: np.ndarray, window: int, hop: int) -> np.ndarray:
    """Return SDR, ISR, SIR and SAR of every source and window.

    The scores are those of museval: BSS Eval v4 for images, with 512-tap distortion filters that
    are computed once for the complete track. Energies are computed from the windows' spectra by
    Parseval's theorem, without filtering in the time domain.

    Parameters
    ----------
    references, estimates : array
        Samples, `[T, S, C]`.
    window, hop : int
        Window length and hop in samples.

    Returns
    -------
    array
        Scores in dB, `[metric, S, K]`. They are NaN for all sources of a window in which any
        reference or estimate is silent.
    """
    block = min(window, len(references))
    filters = distortion_filters(references, estimates, block)
    scores = WindowScores(filters, transform_length(block))
    values = [
        scores.score_window(references[part], estimates[part])
        for part in slice_windows(len(references), window, hop)
    ]
    return np.stack(values, axis=2)


class WindowScores:
    """A computation of the metrics of windows that reuses its working memory.

    The memory is allocated once because the operating system clears new memory, which takes time.
    """

    def __init__(self, filters: Filters, length: int):
        self.filters = filters
        self.length = length  # of the windows' transforms, in samples
        sources, channels, _, frequencies = filters.own.shape
        self.padded = np.empty((2, sources, channels, length))
        self.spatial, self.every, self.work = np.empty((3, channels, frequencies), complex)

    def score_window(self, reference: np.ndarray, estimate: np.ndarray) -> np.ndarray:
        """Return SDR, ISR, SIR and SAR of a window `[T, S, C]` in dB, `[metric, S]`."""
        if has_silent_source(reference) or has_silent_source(estimate):
            return np.full((4, reference.shape[1]), np.nan)
        true = spectra(reference, self.padded[0])  # [S, C, F]
        estimated = spectra(estimate, self.padded[1])
        rows = [self.score_source(true, estimated, source) for source in range(len(true))]
        return np.stack(rows, axis=1)

    def score_source(self, true: np.ndarray, estimated: np.ndarray, source: int) -> np.ndarray:
        """Return SDR, ISR, SIR and SAR of a source in dB.

        Parameters
        ----------
        true, estimated : array
            Spectra of all references and estimates, `[S, C, F]`.
        source : int
            Index of the source.

        Returns
        -------
        array
            Scores in dB, `[metric]`.
        """
        spatial = self.filter_and_add(true[[source]], self.filters.own[[source]], self.spatial)
        every = self.filter_and_add(true, self.filters.all[source], self.every)
        signal = energy(true[source], self.length)
        return np.array(
            [
                decibels(signal, self.difference_energy(estimated[source], true[source])),
                decibels(signal, self.difference_energy(spatial, true[source])),
                decibels(energy(spatial, self.length), self.difference_energy(every, spatial)),
                decibels(
                    energy(every, self.length), self.difference_energy(estimated[source], every)
                ),
            ]
        )

    def filter_and_add(
        self, signals: np.ndarray, filters: np.ndarray, total: np.ndarray
    ) -> np.ndarray:
        """Filter the signals and return their sum.

        Parameters
        ----------
        signals : array
            Spectra, `[S, C, F]`.
        filters : array
            Spectra of the filters, `[S, C, output channel, F]`.
        total : array
            Memory for the result, `[output channel, F]`; its old content is overwritten.

        Returns
        -------
        array
            `total`, the spectra of the sum.
        """
        total[:] = 0
        for signal, response in zip(signals, filters, strict=True):
            for channel, spectrum in enumerate(signal):
                total += np.multiply(response[channel], spectrum, out=self.work)
        return total

    def difference_energy(self, first: np.ndarray, second: np.ndarray) -> float:
        """Return the energy of the difference of two signals, given by their spectra `[C, F]`."""
        return energy(np.subtract(first, second, out=self.work), self.length)


def energy(spectrum: np.ndarray, length: int) -> float:
    """Return the energy of signals by Parseval's theorem.

    `spectrum` contains the bins of the non-negative frequencies, `[C, F]`; `length` is the length
    of the transform.
    """
    once = np.vdot(spectrum[:, 0], spectrum[:, 0]).real
    if length % 2 == 0:
        once += np.vdot(spectrum[:, -1], spectrum[:, -1]).real
    return float((2 * np.vdot(spectrum, spectrum).real - once) / length)


def decibels(numerator: float, denominator: float) -> float:
    """Return a ratio of energies in dB; infinite if the denominator is zero."""
    if denominator == 0:
        return np.inf
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(numerator / denominator))
