"""Bootstrap over tracks: replicates of the mean score and percentile intervals.

A replicate draws as many tracks as the test set has, with replacement and the same for all models.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jnet.results.windows import TrackSums

REPLICATES, SEED = 2000, 0
FEW_TRACKS = 10  # fewer test tracks get a warning
QUANTILES = 0.025, 0.975  # of the replicates: the limits of a 95 % interval


@dataclass(frozen=True)
class Interval:
    """A value with the limits of its 95 % interval, NaN where undefined."""

    value: float
    low: float = np.nan
    high: float = np.nan


def percentile_interval(value: float, replicates: np.ndarray) -> Interval:
    """Return a value with the percentile interval of its finite replicates `[R]`.

    The limits are NaN if the value is not finite or no replicate is.
    """
    finite = replicates[np.isfinite(replicates)]
    if not np.isfinite(value) or not len(finite):
        return Interval(float(value))
    low, high = np.quantile(finite, QUANTILES)
    return Interval(float(value), float(low), float(high))


def warn_of_few_tracks(tracks: int) -> str:
    """Return a warning for intervals from fewer than `FEW_TRACKS` tracks, or ''."""
    if tracks >= FEW_TRACKS:
        return ""
    if tracks < 2:
        return "One track gives no interval: it does not show how tracks differ."
    return f"{tracks} tracks are few: the intervals are rough, other tracks may give other results."


def resample_means(models: Sequence[TrackSums]) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean over all windows of each model, `[M]`, and of each replicate, `[R, M]`.

    A replicate uses all windows of each track as often as it draws that track. R is 0 for a single
    track, because one track does not show how tracks differ.
    """
    if not models:
        return np.zeros(0), np.zeros((0, 0))
    sums = np.stack([model.sums for model in models])  # [M, tracks]
    counts = np.stack([model.counts for model in models])
    tracks = sums.shape[1]
    draws = np.random.default_rng(SEED).multinomial(
        tracks, np.full(tracks, 1 / tracks), REPLICATES if tracks > 1 else 0
    )  # [R, tracks]
    with np.errstate(invalid="ignore"):  # 0 / 0 for a replicate of tracks without scores
        return sums.sum(axis=1) / counts.sum(axis=1), (draws @ sums.T) / (draws @ counts.T)
