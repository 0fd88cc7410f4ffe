"""Whole songs through a model that knows only windows: at any rate, length and channel count.

A song may come in blocks, and its estimates go out as they are ready: hours of it need no more
memory than a few batches of windows.
"""

from dataclasses import dataclass

import numpy as np

from Evaluation.Windows import Lengthen, Predictor, Stage, Windows, whole_song
from Input.Audio import to_channels
from Input.Blocks import resampled
from Spec.Model import ModelSpec


@dataclass(frozen=True)
class Separator:
    """A model ready for songs: its windows go through `predict`, `batch_size` at once.

    With more than one pass every source's estimate goes through the model again, and of each the
    estimate of that source is kept (J-Net paper, Section 2.3 and Table 3). With `lengthen` a song
    goes through as one long window.
    """

    predict: Predictor
    spec: ModelSpec
    batch_size: int
    passes: int = 1
    lengthen: Lengthen | None = None

    def separate(self, mix: np.ndarray, sample_rate: int) -> np.ndarray:
        """Estimates `[T, S, C]` of a song's mix `[T, C]` at `sample_rate` Hz, of the same length,
        rate and channels.

        A mono song goes through a stereo model as two equal channels, averaged after. A song of
        more channels than the model has goes through a mono model as their average, whose
        estimates are copied to all of them, and through a stereo model channel by channel.
        """
        return self.stream(mix.shape[1], sample_rate)(mix, True)

    def stream(self, channels: int, sample_rate: int) -> Stage:
        """What separates a song that comes in blocks `[T, C]`: as `separate`, to any batch's
        rounding."""
        if channels > self.spec.num_channels > 1:
            return Apart([SongStream(self, 1, sample_rate) for _ in range(channels)])
        return SongStream(self, channels, sample_rate)

    def one_pass(self) -> Stage:
        """A pass over a song at the model's rate and channels, `[T, C]` to `[T, S, C]`."""
        if self.lengthen is not None:
            return whole_song(self.lengthen, self.spec, self.batch_size)
        return Windows(self.predict, self.spec, self.batch_size)

    def all_passes(self) -> Stage:
        """All passes over a song, likewise."""
        first = self.one_pass()
        further = [[self.one_pass() for _ in self.spec.sources] for _ in range(self.passes - 1)]

        def separated(samples: np.ndarray, last: bool) -> np.ndarray:
            estimates = first(samples, last)
            for own in further:
                alone = [
                    again(estimates[:, source], last)[:, source] for source, again in enumerate(own)
                ]
                estimates = np.stack(alone, axis=1)
            return estimates

        return separated


class SongStream:
    """A song of at most the model's channels, or any number through a mono model: `[T, C]` at its
    own rate to `[T, S, C]`."""

    def __init__(self, separator: Separator, channels: int, sample_rate: int):
        spec = separator.spec
        self.channels, self.wanted = channels, spec.num_channels
        self.there = resampled(sample_rate, spec.sample_rate)
        self.separated = separator.all_passes()
        self.back = resampled(spec.sample_rate, sample_rate)
        # Fewer frames than this may have none at the model's rate.
        self.least = 2 * -(-sample_rate // spec.sample_rate)
        self.received = self.given = 0
        shape = (len(spec.sources), min(self.channels, self.wanted))
        self.ready = np.zeros((0, *shape), np.float32)

    def __call__(self, samples: np.ndarray, last: bool) -> np.ndarray:
        self.received += len(samples)
        if last:
            samples = with_silence(samples, len(samples) + self.least - self.received)
        estimates = self.separated(self.there(to_channels(samples, self.wanted), last), last)
        if self.channels < self.wanted:
            estimates = estimates.mean(axis=2, keepdims=True)
        estimates = self.in_length(self.back(estimates, last), last)
        if self.channels > self.wanted:
            estimates = np.repeat(estimates, self.channels, axis=2)
        return estimates

    def in_length(self, estimates: np.ndarray, last: bool) -> np.ndarray:
        """The estimates as far as the song reaches; at its end exactly as many as its frames.

        Resampling there and back may end a frame early or late.
        """
        self.ready = np.concatenate([self.ready, estimates]) if len(self.ready) else estimates
        due = self.received - self.given
        if last:
            self.ready = with_silence(self.ready, due)
        out, self.ready = self.ready[:due], self.ready[due:]
        self.given += len(out)
        return out


def with_silence(samples: np.ndarray, frames: int) -> np.ndarray:
    """`samples` `[T, …]` with silence behind them up to that many frames; themselves where they are
    that long: a copy of a song takes as long as resampling it."""
    short = frames - len(samples)
    if short <= 0:
        return samples
    return np.concatenate([samples, np.zeros((short, *samples.shape[1:]), samples.dtype)])


class Apart:
    """The channels of a song each on its own: `[T, C]` to `[T, S, C]`."""

    def __init__(self, streams: list[SongStream]):
        self.streams = streams

    def __call__(self, samples: np.ndarray, last: bool) -> np.ndarray:
        alone = [stream(samples[:, [channel]], last) for channel, stream in enumerate(self.streams)]
        return np.concatenate(alone, axis=2)
