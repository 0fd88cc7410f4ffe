"""Normalisation of tracks by the mean and the deviation of their mono mix, as in Demucs."""

from dataclasses import dataclass

import numpy as np

MIN_DEVIATION = 1e-8  # of a silent track


@dataclass(frozen=True)
class Normalization:
    """The mean and the standard deviation of the mono mix of a track."""

    mean: float = 0.0
    deviation: float = 1.0


class MixStatistics:
    """The sums over the mono mix of a track from which its normalisation is computed."""

    def __init__(self) -> None:
        self.count, self.total, self.squares = 0, 0.0, 0.0

    def add(self, mix: np.ndarray) -> None:
        """Add the next samples [T, C] of the mix."""
        mono = mix.mean(axis=1, dtype=np.float64)
        self.count += len(mono)
        self.total += float(mono.sum())
        self.squares += float(mono @ mono)

    def normalization(self, scale: float = 1.0) -> Normalization:
        """Return the normalisation of the samples multiplied by `scale`.

        The deviation is unbiased, and has a lower limit for silent tracks.
        """
        mean = self.total / self.count
        variance = max(0.0, self.squares - self.count * mean**2) / max(1, self.count - 1)
        return Normalization(scale * mean, max(scale * variance**0.5, MIN_DEVIATION))
