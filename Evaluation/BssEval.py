"""The signal-to-distortion ratio of BSS Eval v4, straight from its definition.

The error terms of an image add up to `estimate − reference` whatever the filters are, so the SDR
needs none: `10 log10(Σ reference² / Σ (estimate − reference)²)` over a window's channels.
"""

import numpy as np


def windows(frames: int, window: int, hop: int) -> list[slice]:
    """The windows that museval scores: whole ones only, or all there is of a shorter song."""
    if window >= frames:
        return [slice(0, frames)]
    return [slice(first, first + window) for first in range(0, frames - window + 1, hop)]


def silent(sources: np.ndarray) -> bool:
    """Whether any source of `[T, S, C]` is silent as museval means it: the sum of its channels is
    zero at every sample."""
    return bool((sources.sum(axis=2) == 0).all(axis=0).any())


def sdr(references: np.ndarray, estimates: np.ndarray, window: int, hop: int) -> np.ndarray:
    """SDR in dB of every source and window, `[S, K]`, from `[T, S, C]` of each.

    NaN for all sources where any reference or estimate is silent, as museval has it; infinite
    where an estimate is exact.
    """
    ratios = []
    for part in windows(len(references), window, hop):
        reference = references[part].astype(np.float64)
        estimate = estimates[part].astype(np.float64)
        signal = np.square(reference).sum(axis=(0, 2))  # [S]
        distortion = np.square(estimate - reference).sum(axis=(0, 2))
        with np.errstate(divide="ignore"):
            ratio = 10 * np.log10(signal / distortion)
        if silent(reference) or silent(estimate):
            ratio[:] = np.nan
        ratios.append(ratio)
    return np.stack(ratios, axis=1)
