"""Random excerpts of stored tracks, cut into training batches, with augmentation.

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

from jnet.audio.normalization import MixStatistics, Normalization
from jnet.data.store import Store, StoredTrack
from jnet.settings.augmentation import AugmentationSettings
from Models.Settings import ModelSettings

SAMPLES_AT_ONCE = 256  # scaled in one multiplication, so that NumPy's inner loops are long
SAMPLES_MEASURED = 2**18  # of a track at once, for its normalisation
EXCERPTS, CHANGES = 0, 1  # the two random streams of a step
ALIGNMENT = 64  # bytes; TensorFlow does not copy arrays whose address is a multiple of it


@dataclass(frozen=True)
class Changes:
    """The random changes of the sources of a batch; each array is [B, S].

    Attributes
    ----------
    shifts : np.ndarray
        Samples by which a source begins later than its excerpt.
    swaps : np.ndarray
        Whether its channels are in reverse order.
    origins : np.ndarray
        The excerpt of the batch from which a mix takes the source, with its gain, shift and swap.
    """

    shifts: np.ndarray
    swaps: np.ndarray
    origins: np.ndarray


@dataclass(frozen=True)
class Draw:
    """The random choices for one batch: track indices [B], first samples [B] and gains [B, S].

    Without `changes`, all sources of an excerpt are cut at its first sample.
    """

    tracks: np.ndarray
    offsets: np.ndarray
    gains: np.ndarray
    changes: Changes | None = None


def draw_batch(
    seed: int,
    step: int,
    batch_size: int,
    track_samples: np.ndarray,
    settings: ModelSettings,
    augmentation: AugmentationSettings,
) -> Draw:
    """Draw the excerpts of one training step.

    Tracks are drawn with a probability proportional to their length, offsets and gains uniformly.
    For the same step, a larger batch begins with the excerpts of a smaller batch; with
    `remix_group`, if both have only complete groups.

    Parameters
    ----------
    seed : int
        The seed of the run.
    step : int
        The number of the training step.
    batch_size : int
        Number of excerpts, B.
    track_samples : np.ndarray
        Length of every track in samples; each must be at least that of an excerpt and a shift.
    settings : ModelSettings
        The model, whose outputs have the length of an excerpt.
    augmentation : AugmentationSettings
        The ranges of the random choices.

    Returns
    -------
    Draw
        The drawn tracks, offsets, gains and changes.
    """
    num_sources = len(settings.sources)
    shift = augmentation.shift_samples(settings.sample_rate)
    num_samples = settings.output_samples + shift
    uniform = make_generator(seed, step, EXCERPTS).random((batch_size, 2 + num_sources))
    ends = np.cumsum(track_samples)
    tracks = np.searchsorted(ends, uniform[:, 0] * ends[-1], side="right")
    offsets = (uniform[:, 1] * (track_samples[tracks] - num_samples + 1)).astype(np.int64)
    low, high = augmentation.gains
    gains = low + (high - low) * uniform[:, 2:]
    if not augmentation.changes_sources:
        return Draw(tracks, offsets, gains.astype(np.float32))
    random = make_generator(seed, step, CHANGES).random((batch_size, 4, num_sources))
    signs, swaps, shifts, order = random.transpose(1, 0, 2)  # [B, S] each
    if augmentation.flip_sign:
        gains = np.where(signs < 0.5, -gains, gains)
    changes = Changes(
        shifts=(shifts * shift).astype(np.int64),
        swaps=(swaps < 0.5) & augmentation.swap_channels,
        origins=draw_origins(order, augmentation.remix_group),
    )
    return Draw(tracks, offsets, gains.astype(np.float32), changes)


def make_generator(seed: int, step: int, stream: int) -> np.random.Generator:
    """Return the random generator of one of the streams of a step."""
    return np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, step, stream]))


def draw_origins(order: np.ndarray, group: int) -> np.ndarray:
    """Exchange each source at random among every `group` consecutive excerpts of a batch.

    Parameters
    ----------
    order : np.ndarray
        Uniform random numbers [B, S]; their order decides.
    group : int
        Number of excerpts of a group; the last group may have fewer.

    Returns
    -------
    np.ndarray
        The excerpt from which each mix takes each source, [B, S].
    """
    origins = [
        first + order[first : first + group].argsort(axis=0)
        for first in range(0, len(order), group)
    ]
    return np.concatenate(origins)


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
        self.normalizations: dict[int, Normalization] = {}  # of the tracks cut so far

    def batch(self, draw: Draw) -> tuple[np.ndarray, np.ndarray]:
        """Cut one batch of excerpts; samples outside a track are zero.

        `draw.offsets` are the samples at which the model's outputs begin. Tracks are normalised
        before the gains if the model needs it.

        Parameters
        ----------
        draw : Draw
            The excerpts and their gains and changes.

        Returns
        -------
        mix : np.ndarray
            Sum of the scaled sources with the context that the model needs, float32 [B, T, C].
        sources : np.ndarray
            The scaled sources without context (the targets), float32 [B, T, S, C].
        """
        num_input, num_output = self.settings.input_samples, self.settings.output_samples
        lanes = (len(self.settings.sources), self.settings.num_channels)
        mix = allocate_aligned(len(draw.tracks), num_input, lanes[1])
        sources = allocate_aligned(len(draw.tracks), num_output, *lanes)
        window = np.empty((num_input, *lanes), np.float32) if self.context else None
        normalizations = [self.normalize(track) for track in draw.tracks]
        deviations = np.array([each.deviation for each in normalizations])
        scales = self.scales[draw.tracks] / deviations.astype(np.float32)
        factors = draw.gains.astype(np.float32) * scales[:, np.newaxis]  # [B, S]
        # The means of all sources add up to that of the mix.
        means = [each.mean / each.deviation / lanes[0] for each in normalizations]
        rows = repeat_factors(factors, lanes[1])
        for index, (track, offset) in enumerate(zip(draw.tracks, draw.offsets, strict=True)):
            excerpt = sources[index] if window is None else window
            if draw.changes is None:
                inside = self._cut(excerpt, track, int(offset) - self.context, rows[index])
                if means[index]:
                    inside -= draw.gains[index, :, np.newaxis] * np.float32(means[index])
            else:
                for source, origin in enumerate(draw.changes.origins[index]):
                    cut = self._cut_source(excerpt, source, origin, draw)
                    cut *= factors[origin, source]
                    cut -= np.float32(draw.gains[origin, source] * means[origin])
            add_sources(excerpt, mix[index])
            if window is not None:
                sources[index] = window[self.context : self.context + num_output]
        return mix, sources

    def normalize(self, track: int) -> Normalization:
        """Return the normalisation of a track, which is measured when it is first used."""
        if not self.settings.normalizes_tracks:
            return Normalization()
        if track not in self.normalizations:
            samples, statistics = self.arrays[track], MixStatistics()
            for first in range(0, len(samples), SAMPLES_MEASURED):
                statistics.add(samples[first : first + SAMPLES_MEASURED].sum(axis=1))
            self.normalizations[track] = statistics.normalization(float(self.scales[track]))
        return self.normalizations[track]

    def _cut(self, excerpt: np.ndarray, track: int, first: int, row: np.ndarray) -> np.ndarray:
        """Fill `excerpt` [T, S, C] with scaled samples of a track, beginning at sample `first`.

        `first` may be negative; samples outside the track are zero. `row` is a row of
        `repeat_factors`. Return the part of `excerpt` inside the track.
        """
        begin, end = max(first, 0), min(first + len(excerpt), self.lengths[track])
        excerpt[: begin - first] = 0
        scale_samples(self.arrays[track][begin:end], row, excerpt[begin - first : end - first])
        excerpt[end - first :] = 0
        return excerpt[begin - first : end - first]

    def _cut_source(self, excerpt: np.ndarray, source: int, origin: int, draw: Draw) -> np.ndarray:
        """Fill one source of `excerpt` [T, S, C] from the excerpt `origin` of the batch.

        The samples are not scaled. Return the part of the source inside the track, [T, C].
        """
        assert draw.changes is not None
        track, shift = draw.tracks[origin], draw.changes.shifts[origin, source]
        first = int(draw.offsets[origin] + shift) - self.context
        begin, end = max(first, 0), min(first + len(excerpt), self.lengths[track])
        samples = self.arrays[track][begin:end, source]  # [T, C]
        if draw.changes.swaps[origin, source]:
            samples = samples[:, ::-1]
        target = excerpt[:, source]
        target[: begin - first] = 0
        target[begin - first : end - first] = samples
        target[end - first :] = 0
        return target[begin - first : end - first]


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
