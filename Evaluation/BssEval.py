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
    values = [
        window_scores(references[part], estimates[part], filters, block)
        for part in windows(len(references), window, hop)
    ]
    return np.stack(values, axis=2)


def window_scores(
    reference: np.ndarray, estimate: np.ndarray, filters: Filters, block: int
) -> np.ndarray:
    """The four metrics of one window, `[metric, S]`."""
    if silent(reference) or silent(estimate):
        return np.full((4, reference.shape[1]), np.nan)
    length = transform_length(block)
    true, heard = spectra(reference, length), spectra(estimate, length)  # [S, C, F]
    scores = np.empty((4, len(true)))
    for source in range(len(true)):
        spatial = filtered(true[[source]], filters.own[[source]])
        every = filtered(true, filters.all[source])
        signal = energy(true[source], length)
        scores[:, source] = (
            decibels(signal, energy(heard[source] - true[source], length)),
            decibels(signal, energy(spatial - true[source], length)),
            decibels(energy(spatial, length), energy(every - spatial, length)),
            decibels(energy(every, length), energy(heard[source] - every, length)),
        )
    return scores


def filtered(signals: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Spectra `[S, C, F]` through filters `[S, C, output channel, F]`, added up: `[channel, F]`."""
    total = np.zeros(filters.shape[2:], complex)
    for signal, through in zip(signals, filters, strict=True):
        for channel, spectrum in enumerate(signal):
            total += through[channel] * spectrum
    return total


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
