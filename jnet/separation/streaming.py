"""Separation of tracks of any sample rate, length and number of channels.

A track may arrive in blocks, and its estimates are returned as soon as they are complete, so that
the memory does not depend on the length of the track.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from jnet.audio.normalization import MixStatistics, Normalization
from jnet.audio.resampling import BlockResampler, convert_channels
from jnet.errors import DataError
from jnet.separation.segments import (
    BuildForLength,
    Predictor,
    SegmentStream,
    Stream,
    stream_whole_track,
)
from Models.Entries import whole
from Models.Passes import keep_own_estimates
from Models.Settings import ModelSettings


@dataclass(frozen=True)
class TrackSeparator:
    """A model that separates tracks.

    Attributes
    ----------
    predict : Predictor
    settings : ModelSettings
        The settings of the model.
    batch_size : int
        Number of segments per call of `predict`.
    passes : int
        Number of passes (J-Net, Section 2.3 and Table 3).
    build_for_length : BuildForLength or None
        If given, a track is separated as a single segment.
    """

    predict: Predictor
    settings: ModelSettings
    batch_size: int
    passes: int = 1
    build_for_length: BuildForLength | None = None

    def __call__(self, audio: np.ndarray, sample_rate: int) -> dict[str, np.ndarray]:
        """Return the estimates of `audio` ([T] or [T, C]) by source, each with its shape.

        `sample_rate` is in Hz. Raises `DataError` if `audio` is empty, not floating-point, or not
        finite.
        """
        audio = np.asarray(audio)
        if audio.ndim not in (1, 2) or not audio.size or audio.dtype.kind != "f":
            raise DataError(
                f"audio has the shape {audio.shape} and the type {audio.dtype}: give floats "
                f"[T] or [T, C] with full scale at ±1"
            )
        if not np.isfinite(audio).all():
            raise DataError("audio has samples that are not finite: replace them")
        mix = audio.reshape(len(audio), -1).astype(np.float32, copy=False)
        estimates = self.separate(mix, whole(at_least=1)("sample_rate", sample_rate))  # [T, S, C]
        return {
            source: estimates[:, index].reshape(audio.shape)
            for index, source in enumerate(self.settings.sources)
        }

    def separate(self, mix: np.ndarray, sample_rate: int) -> np.ndarray:
        """Return the estimates [T, S, C] of a mix [T, C] with the same length, rate and channels.

        A mono track is copied to both channels of a stereo model and the two channels of each
        estimate are averaged. A track with more channels than the model is averaged for a mono
        model, whose estimates are copied to all channels; a stereo model separates each channel of
        the track as a mono track.
        """
        return self.stream(mix.shape[1], sample_rate, lambda: [mix])(mix, True)

    def stream(
        self, channels: int, sample_rate: int, read_blocks: Callable[[], Iterable[np.ndarray]]
    ) -> Stream:
        """Return a stream of blocks [T, C] at `sample_rate` Hz to estimates [T, S, C].

        The concatenated estimates are equal to those of `separate`, except for rounding that
        depends on the batches.

        Parameters
        ----------
        channels : int
            Number of channels of the track.
        sample_rate : int
            Sample rate of the track in Hz.
        read_blocks : callable
            Returns the blocks of the track. It is called if the model normalises tracks: the track
            is measured before it is separated.

        Returns
        -------
        Stream
            The stream.
        """
        if channels <= self.settings.num_channels or self.settings.num_channels == 1:
            normalization = self.measure(read_blocks, sample_rate)
            return TrackStream(self, channels, sample_rate, normalization)
        streams = [
            TrackStream(
                self,
                1,
                sample_rate,
                self.measure(read_blocks, sample_rate, slice(channel, channel + 1)),
            )
            for channel in range(channels)
        ]

        def separate_channels(samples: np.ndarray, last: bool) -> np.ndarray:
            estimates = [
                stream(samples[:, [channel]], last) for channel, stream in enumerate(streams)
            ]
            return np.concatenate(estimates, axis=2)

        return separate_channels

    def measure(
        self,
        read_blocks: Callable[[], Iterable[np.ndarray]],
        sample_rate: int,
        channels: slice = slice(None),
    ) -> Normalization:
        """Return the normalisation of a track at the model's rate, if the model needs it.

        Parameters
        ----------
        read_blocks : callable
            Returns the blocks [T, C] of the track.
        sample_rate : int
            Sample rate of the track in Hz.
        channels : slice
            The channels that are separated together.

        Returns
        -------
        Normalization
        """
        if not self.settings.normalizes_tracks:
            return Normalization()
        statistics, resampler = (
            MixStatistics(),
            BlockResampler(sample_rate, self.settings.sample_rate),
        )
        for block in read_blocks():
            mono = convert_channels(block[:, channels], 1)
            statistics.add(resampler(mono, False))
        statistics.add(resampler(np.zeros((0, 1), np.float32), True))
        return statistics.normalization()

    def stream_pass(self) -> Stream:
        """Return a stream for one pass over a track, [T, C] to [T, S, C], at the model's rate."""
        if self.build_for_length is not None:
            return stream_whole_track(self.build_for_length, self.settings, self.batch_size)
        return SegmentStream(self.predict, self.settings, self.batch_size)

    def stream_passes(self) -> Stream:
        """Return a stream for all passes over a track, [T, C] to [T, S, C], at the model's rate."""
        first = self.stream_pass()
        further = [
            [self.stream_pass() for _ in self.settings.sources] for _ in range(self.passes - 1)
        ]

        def separate(samples: np.ndarray, last: bool) -> np.ndarray:
            estimates = first(samples, last)  # [T, S, C]
            for streams in further:
                separated = [
                    stream(estimates[:, source], last) for source, stream in enumerate(streams)
                ]
                estimates = keep_own_estimates(separated, np.stack)
            return estimates

        return separate


class TrackStream:
    """A stream of a track at its own rate: mix [T, C] to estimates [T, S, C].

    The track has at most as many channels as the model, or the model is mono.

    Parameters
    ----------
    separator : TrackSeparator
    channels : int
        Number of channels of the track.
    sample_rate : int
        Sample rate of the track in Hz.
    normalization : Normalization
        The mean and deviation with which the mix enters the model.
    """

    def __init__(
        self,
        separator: TrackSeparator,
        channels: int,
        sample_rate: int,
        normalization: Normalization,
    ):
        settings = separator.settings
        self.normalizes = settings.normalizes_tracks
        self.mean = np.float32(normalization.mean)
        self.deviation = np.float32(normalization.deviation)
        self.channels, self.model_channels = channels, settings.num_channels
        self.to_model_rate = BlockResampler(sample_rate, settings.sample_rate)
        self.separate = separator.stream_passes()
        self.to_track_rate = BlockResampler(settings.sample_rate, sample_rate)
        # Shorter tracks are padded: they might have no sample at the model's rate.
        self.shortest = 2 * -(-sample_rate // settings.sample_rate)
        self.received = self.returned = 0
        shape = (len(settings.sources), min(channels, settings.num_channels))
        self.ready = np.zeros((0, *shape), np.float32)

    def __call__(self, samples: np.ndarray, last: bool) -> np.ndarray:
        """Return the estimates that `samples` complete; `last` marks the end of the track."""
        self.received += len(samples)
        if last:
            samples = append_silence(samples, len(samples) + self.shortest - self.received)
        mix = self.to_model_rate(convert_channels(samples, self.model_channels), last)
        if self.normalizes:
            mix = (mix - self.mean) / self.deviation
        estimates = self.separate(mix, last)
        if self.normalizes:
            estimates = estimates * self.deviation + self.mean
        if self.channels < self.model_channels:
            estimates = estimates.mean(axis=2, keepdims=True)
        estimates = self.fit_length(self.to_track_rate(estimates, last), last)
        if self.channels > self.model_channels:
            estimates = np.repeat(estimates, self.channels, axis=2)
        return estimates

    def fit_length(self, estimates: np.ndarray, last: bool) -> np.ndarray:
        """Return as many of the available estimates as samples were received and not yet returned.

        At the track's end, the total is exactly the number of samples received: resampling to the
        model's rate and back may return one sample more or less, which is cut off or replaced by
        silence.
        """
        self.ready = np.concatenate([self.ready, estimates]) if len(self.ready) else estimates
        due = self.received - self.returned
        if last:
            self.ready = append_silence(self.ready, due)
        out, self.ready = self.ready[:due], self.ready[due:]
        self.returned += len(out)
        return out


def append_silence(samples: np.ndarray, length: int) -> np.ndarray:
    """Return `samples` [T, …] padded with zeros at the end to at least `length` samples.

    Samples that are long enough are returned without a copy, because copying a track takes as long
    as resampling it.
    """
    missing = length - len(samples)
    if missing <= 0:
        return samples
    return np.concatenate([samples, np.zeros((missing, *samples.shape[1:]), samples.dtype)])
