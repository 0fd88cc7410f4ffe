"""BSS Eval v4, the scores of SiSEC 2018, from their structure: exact, fast, and small.

The error terms of an image add up to `estimate − reference` whatever the filters are, so the SDR
needs none: `10 log10(Σ reference² / Σ (estimate − reference)²)` over a window's channels.
"""

import numpy as np

from Evaluation.BssFilters import Filters, distortion_filters, spectra, transform_length

SOON = 512  # frames in which a source that is not silent has mostly been heard


def windows(frames: int, window: int, hop: int) -> list[slice]:
    """The windows that museval scores: whole ones only, or all there is of a shorter song."""
    if window >= frames:
        return [slice(0, frames)]
    return [slice(first, first + window) for first in range(0, frames - window + 1, hop)]


def silent(sources: np.ndarray) -> bool:
    """Whether any source of `[T, S, C]` is silent as museval means it: the sum of its channels is
    zero at every sample."""
    for part in (sources[:SOON], sources):  # most sound soon, and need not be looked at whole
        together = sum(part[:, :, channel] for channel in range(part.shape[2]))
        if np.any(together, axis=0).all():
            return False
    return True


def sdr(references: np.ndarray, estimates: np.ndarray, window: int, hop: int) -> np.ndarray:
    """SDR in dB of every source and window, `[S, K]`, from `[T, S, C]` of each.

    NaN for all sources where any reference or estimate is silent, as museval has it; infinite
    where an estimate is exact.
    """
    ratios = []
    for part in windows(len(references), window, hop):
        reference = references[part].astype(np.float64, copy=False)
        estimate = estimates[part].astype(np.float64, copy=False)
        missed = estimate - reference
        signal = np.einsum("tsc,tsc->s", reference, reference)  # [S]
        distortion = np.einsum("tsc,tsc->s", missed, missed)
        with np.errstate(divide="ignore"):
            ratio = 10 * np.log10(signal / distortion)
        if silent(reference) or silent(estimate):
            ratio[:] = np.nan
        ratios.append(ratio)
    return np.stack(ratios, axis=1)


def bss_eval(references: np.ndarray, estimates: np.ndarray, window: int, hop: int) -> np.ndarray:
    """SDR, ISR, SIR and SAR in dB of every source and window, `[metric, S, K]`, from `[T, S, C]` of
    references and estimates.

    The numbers of museval (BSS Eval v4: images, one set of 512-tap filters for the whole song).
    Energies are read off the windows' spectra by Parseval's theorem; no signal is filtered.
    A window in which any source is silent is NaN for all.
    """
    block = min(window, len(references))
    filters = distortion_filters(references, estimates, block)
    scores = WindowScores(filters, transform_length(block))
    values = [
        scores.of(references[part], estimates[part])
        for part in windows(len(references), window, hop)
    ]
    return np.stack(values, axis=2)


class WindowScores:
    """The metrics of one window after another, in memory of its own: the system would clear fresh
    memory for every window anew."""

    def __init__(self, filters: Filters, length: int):
        self.filters = filters
        self.length = length  # of the windows' transforms
        sources, channels, _, frequencies = filters.own.shape
        self.padded = np.empty((2, sources, channels, length))
        self.spatial, self.every, self.work = np.empty((3, channels, frequencies), complex)

    def of(self, reference: np.ndarray, estimate: np.ndarray) -> np.ndarray:
        """The four metrics of a window, `[metric, S]`, from `[T, S, C]` of each."""
        if silent(reference) or silent(estimate):
            return np.full((4, reference.shape[1]), np.nan)
        true = spectra(reference, self.padded[0])  # [S, C, F]
        heard = spectra(estimate, self.padded[1])
        return np.stack([self.of_source(true, heard, source) for source in range(len(true))], 1)

    def of_source(self, true: np.ndarray, heard: np.ndarray, source: int) -> np.ndarray:
        """Those of one source, `[metric]`, from spectra `[S, C, F]`."""
        spatial = self.filtered(true[[source]], self.filters.own[[source]], self.spatial)
        every = self.filtered(true, self.filters.all[source], self.every)
        signal = energy(true[source], self.length)
        return np.array(
            [
                decibels(signal, self.difference(heard[source], true[source])),
                decibels(signal, self.difference(spatial, true[source])),
                decibels(energy(spatial, self.length), self.difference(every, spatial)),
                decibels(energy(every, self.length), self.difference(heard[source], every)),
            ]
        )

    def filtered(self, signals: np.ndarray, filters: np.ndarray, total: np.ndarray) -> np.ndarray:
        """`total` [channel, F]: spectra `[S, C, F]` through filters `[S, C, output channel, F]`,
        added up."""
        total[:] = 0
        for signal, through in zip(signals, filters, strict=True):
            for channel, spectrum in enumerate(signal):
                total += np.multiply(through[channel], spectrum, out=self.work)
        return total

    def difference(self, one: np.ndarray, other: np.ndarray) -> float:
        """Energy of what two signals differ by, from spectra `[C, F]`."""
        return energy(np.subtract(one, other, out=self.work), self.length)


def energy(spectrum: np.ndarray, length: int) -> float:
    """Energy of the signals whose half spectra `[C, F]` these are (Parseval)."""
    once = np.vdot(spectrum[:, 0], spectrum[:, 0]).real
    if length % 2 == 0:
        once += np.vdot(spectrum[:, -1], spectrum[:, -1]).real
    return float((2 * np.vdot(spectrum, spectrum).real - once) / length)


def decibels(numerator: float, denominator: float) -> float:
    """A ratio of energies in dB, infinite where the denominator is zero."""
    if denominator == 0:
        return np.inf
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(numerator / denominator))
