"""Random excerpts of stored tracks, cut into training batches.

The draw is a pure function of the run's seed and the step's number: the batch of step n is the same
after a resume, and for every model trained with the same seed.

Cutting is limited by memory bandwidth. Every sample is therefore read once from the memory-mapped
track, written once as a scaled source and added once to the mix. The excerpts are processed one
after another so that each stays in the processor's cache, and TensorFlow takes the batch without
copying it.
"""

from dataclasses import dataclass
from math import prod

import numpy as np

from jnet.data.store import Store, StoredTrack
from Models.Settings import ModelSettings

GAIN_LOW, GAIN_HIGH = 0.7, 1.0  # range of the sources' gains (Wave-U-Net paper, Section 4.1)
SAMPLES_AT_ONCE = 256  # scaled in one multiplication, so that NumPy's inner loops are long
ALIGNMENT = 64  # bytes; TensorFlow does not copy arrays whose address is a multiple of it


@dataclass(frozen=True)
class Draw:
    """The random choices for one batch: track indices [B], first samples [B] and gains [B, S]."""

    tracks: np.ndarray
    offsets: np.ndarray
    gains: np.ndarray


def draw_batch(
    seed: int,
    step: int,
    batch_size: int,
    track_samples: np.ndarray,
    num_samples: int,
    num_sources: int,
) -> Draw:
    """Draw the excerpts of one training step.

    Tracks are drawn with a probability proportional to their length, offsets and gains uniformly.
    For the same step, a larger batch begins with the excerpts of a smaller batch.

    Parameters
    ----------
    seed : int
        The seed of the run.
    step : int
        The number of the training step.
    batch_size : int
        Number of excerpts, B.
    track_samples : np.ndarray
        Length of every track in samples; each must be at least `num_samples`.
    num_samples : int
        Length of an excerpt in samples.
    num_sources : int
        Number of sources, S; each gets a gain of its own.

    Returns
    -------
    Draw
        The drawn tracks, offsets and gains.
    """
    random = np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, step, 0]))
    uniform = random.random((batch_size, 2 + num_sources))
    ends = np.cumsum(track_samples)
    tracks = np.searchsorted(ends, uniform[:, 0] * ends[-1], side="right")
    offsets = (uniform[:, 1] * (track_samples[tracks] - num_samples + 1)).astype(np.int64)
    gains = GAIN_LOW + (GAIN_HIGH - GAIN_LOW) * uniform[:, 2:]
    return Draw(tracks, offsets, gains.astype(np.float32))


class Excerpts:
    """The tracks of one subset, from which batches of excerpts are cut."""

    def __init__(self, store: Store, subset: str, settings: ModelSettings):
        self.settings = settings
        self.tracks: tuple[StoredTrack, ...] = store.subset(subset)
        self.arrays = [np.asarray(store.open(track)) for track in self.tracks]
        self.lengths = np.array([track.frames for track in self.tracks])  # in samples
        self.scales = np.array([track.scale for track in self.tracks], np.float32)
        # Samples of context on each side of a segment's output.
        self.context = (settings.input_samples - settings.output_samples) // 2

    def batch(
        self, tracks: np.ndarray, offsets: np.ndarray, gains: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Cut one batch of excerpts; samples outside a track are zero.

        Parameters
        ----------
        tracks : np.ndarray
            Track index of every excerpt, [B].
        offsets : np.ndarray
            Sample of the track at which the model's output begins, [B].
        gains : np.ndarray
            Factor of every source, [B, S].

        Returns
        -------
        mix : np.ndarray
            Sum of the scaled sources with the context that the model needs, float32 [B, T, C].
        sources : np.ndarray
            The scaled sources without context (the targets), float32 [B, T, S, C].
        """
        num_input, num_output = self.settings.input_samples, self.settings.output_samples
        lanes = (len(self.settings.sources), self.settings.num_channels)
        mix = allocate_aligned(len(tracks), num_input, lanes[1])
        sources = allocate_aligned(len(tracks), num_output, *lanes)
        window = np.empty((num_input, *lanes), np.float32) if self.context else None
        factors = gains.astype(np.float32) * self.scales[tracks, np.newaxis]  # [B, S]
        rows = repeat_factors(factors, lanes[1])
        for index, (track, offset) in enumerate(zip(tracks, offsets, strict=True)):
            excerpt = sources[index] if window is None else window
            self._cut(excerpt, track, int(offset) - self.context, rows[index])
            add_sources(excerpt, mix[index])
            if window is not None:
                sources[index] = window[self.context : self.context + num_output]
        return mix, sources

    def _cut(self, excerpt: np.ndarray, track: int, first: int, row: np.ndarray) -> None:
        """Fill `excerpt` [T, S, C] with scaled samples of a track, beginning at sample `first`.

        `first` may be negative; samples outside the track are zero. `row` is a row of
        `repeat_factors`.
        """
        begin, end = max(first, 0), min(first + len(excerpt), self.lengths[track])
        excerpt[: begin - first] = 0
        scale_samples(self.arrays[track][begin:end], row, excerpt[begin - first : end - first])
        excerpt[end - first :] = 0


def repeat_factors(factors: np.ndarray, channels: int) -> np.ndarray:
    """Repeat the sources' factors [B, S] to [B, SAMPLES_AT_ONCE × S × C]."""
    return np.tile(np.repeat(factors, channels, axis=1), SAMPLES_AT_ONCE)


def scale_samples(samples: np.ndarray, row: np.ndarray, scaled: np.ndarray) -> None:
    """Multiply integer samples by the factors of their sources.

    Parameters
    ----------
    samples : np.ndarray
        Integer samples [T, S, C].
    row : np.ndarray
        One row of `repeat_factors`, [SAMPLES_AT_ONCE × S × C].
    scaled : np.ndarray
        The output, float32 [T, S, C], written in place.
    """
    lanes = samples.shape[1] * samples.shape[2]
    even = len(samples) - len(samples) % SAMPLES_AT_ONCE
    for part, factors in ((slice(even), row), (slice(even, None), row[:lanes])):
        shape = -1, len(factors)
        np.multiply(samples[part].reshape(shape), factors, out=scaled[part].reshape(shape))


def add_sources(excerpt: np.ndarray, mix: np.ndarray) -> None:
    """Write the sum of the sources of `excerpt` [T, S, C] to `mix` [T, C]."""
    # Viewed as complex numbers, two channels are added in one operation.
    dtype = np.complex64 if excerpt.shape[2] % 2 == 0 else np.float32
    excerpt, mix = excerpt.view(dtype), mix.view(dtype)
    for lane in range(mix.shape[1]):
        np.add(excerpt[:, 0, lane], excerpt[:, 1, lane], out=mix[:, lane])
        for source in range(2, excerpt.shape[1]):
            mix[:, lane] += excerpt[:, source, lane]


def allocate_aligned(*shape: int) -> np.ndarray:
    """Return an uninitialised float32 array aligned so that TensorFlow does not copy it."""
    size = prod(shape) * np.dtype(np.float32).itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % ALIGNMENT
    return memory[first : first + size].view(np.float32).reshape(shape)
