"""Which snippets a training step hears: a pure function of the run's seed and the step's number.

So step n's batch is the same after a restart, and for every model of one seed.
"""

from dataclasses import dataclass

import numpy as np

GAIN_LOW, GAIN_HIGH = 0.7, 1.0  # of every source (Wave-U-Net paper, Section 4.1)


@dataclass(frozen=True)
class Draw:
    """One batch: the songs' indices [B], first frames [B], and gains [B, S]."""

    songs: np.ndarray
    offsets: np.ndarray
    gains: np.ndarray


def draw_batch(
    seed: int,
    step: int,
    batch_size: int,
    song_frames: np.ndarray,
    num_frames: int,
    num_sources: int,
) -> Draw:
    """The snippets of one step: songs in proportion to their `song_frames`, offsets and gains
    uniform. A larger batch of the same step begins with the smaller one.

    Every song must have at least `num_frames` frames.
    """
    random = np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, step, 0]))
    uniform = random.random((batch_size, 2 + num_sources))
    ends = np.cumsum(song_frames)
    songs = np.searchsorted(ends, uniform[:, 0] * ends[-1], side="right")
    offsets = (uniform[:, 1] * (song_frames[songs] - num_frames + 1)).astype(np.int64)
    gains = GAIN_LOW + (GAIN_HIGH - GAIN_LOW) * uniform[:, 2:]
    return Draw(songs, offsets, gains.astype(np.float32))
