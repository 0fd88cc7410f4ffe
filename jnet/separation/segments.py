"""One pass of the network over a track that arrives in blocks, computed segment by segment.

A stream is called with the next samples of a track and a flag that marks the last samples. It
returns the estimates that are complete so far. The concatenated output does not depend on how the
track was divided into blocks.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from Models.Settings import ModelSettings

Predictor = Callable[[np.ndarray], np.ndarray]  # mixes [B, T, C] → estimates [B, T, S, C]
BuildForLength = Callable[[int], Predictor]  # `num_frames` → predictor with the same weights
Stream = Callable[[np.ndarray, bool], np.ndarray]  # (samples [T, …], last) → [T', …]
LONG_SEGMENTS_AT_ONCE = 2
MAX_EDGE = 1 / 8  # maximum discarded length at each end, as a fraction of a long segment


class SegmentStream:
    """A pass with adjacent segments: mix [T, C] to estimates [T, S, C] at the model's rate.

    The track is padded with zeros before its first and after its last sample. The stream keeps the
    input of at most `batch_size` segments and one block in memory.

    Parameters
    ----------
    predict : Predictor
    settings : ModelSettings
        The settings of the model.
    batch_size : int
        Number of segments per call of `predict`.
    """

    def __init__(self, predict: Predictor, settings: ModelSettings, batch_size: int):
        self.predict = predict
        self.settings = settings
        self.batch_size = batch_size
        self.hop, self.length = settings.hop_samples, settings.input_samples
        context = (self.length - settings.output_samples) // 2
        self.waiting = np.zeros((context, settings.num_channels), np.float32)
        self.due = 0  # samples received whose estimates are not returned yet

    def __call__(self, samples: np.ndarray, last: bool) -> np.ndarray:
        """Return the estimates that `samples` complete; `last` marks the end of the track."""
        self.waiting = np.concatenate([self.waiting, samples])
        self.due += len(samples)
        if last:
            count = -(-self.due // self.hop)
            needed = max(0, count - 1) * self.hop + self.length
            self.waiting = np.pad(self.waiting, ((0, needed - len(self.waiting)), (0, 0)))
        else:
            count = max(0, (len(self.waiting) - self.length) // self.hop + 1)
            count -= count % self.batch_size
        starts = range(0, count * self.hop, self.hop)
        parts = []
        for first in range(0, count, self.batch_size):
            batch = starts[first : first + self.batch_size]
            segments = self.predict(cut_segments(self.waiting, batch, self.length))  # [B, T, S, C]
            parts += [segment[: self.hop] for segment in segments]
        estimates = join_estimates(parts, self.settings)[: self.due]
        self.waiting = self.waiting[count * self.hop :].copy()  # the copy frees the processed part
        self.due -= len(estimates)
        return estimates


class OverlappingStream:
    """A pass with long overlapping segments, equal to one segment over the complete track.

    For models without context. The padding at the borders of a segment affects estimates within
    `reach_samples` of the border. Neighbouring segments overlap by at least twice that length, so
    that the affected estimates can be discarded. The first segment begins with the track and the
    last one ends with it, where the padding is the same as that of a single segment.

    Parameters
    ----------
    build_for_length : BuildForLength
    settings : ModelSettings
        The settings of the model.
    samples : int
        Approximate length of a segment; short lengths are increased to limit the overlap.
    """

    def __init__(self, build_for_length: BuildForLength, settings: ModelSettings, samples: int):
        self.build_for_length = build_for_length
        self.settings = settings
        self.grid = settings.grid_samples  # segments begin and end at multiples of it
        self.edge = -(-settings.reach_samples // self.grid) * self.grid
        self.length = max(samples, int(self.edge / MAX_EDGE))
        self.length -= self.length % self.grid
        self.waiting = np.zeros((0, settings.num_channels), np.float32)
        self.done = 0  # samples of `waiting` whose estimates are returned

    def __call__(self, samples: np.ndarray, last: bool) -> np.ndarray:
        """Return the estimates that `samples` complete; `last` marks the end of the track."""
        self.waiting = np.concatenate([self.waiting, samples])
        parts = list(self.separate_inner(last))
        if last:
            end = -(-len(self.waiting) // self.grid) * self.grid
            rest = len(self.waiting) - self.done
            self.waiting = np.pad(self.waiting, ((0, end - len(self.waiting)), (0, 0)))
            first = max(0, end - self.length)
            predict = self.build_for_length(end - first)
            segment = predict(self.waiting[np.newaxis, first:end])[0]
            parts.append(segment[self.done - first :][:rest])
        else:
            # Free the samples that no later segment needs; the last segment, which ends with the
            # track, may begin up to one segment length earlier.
            past = max(0, self.done - self.edge - self.length)
            self.waiting = self.waiting[past:].copy()
            self.done -= past
        return join_estimates(parts, self.settings)

    def separate_inner(self, last: bool) -> Iterator[np.ndarray]:
        """Yield the estimates [T, S, C] of all complete segments before the last segment."""
        hop = self.length - 2 * self.edge
        while True:
            first = max(0, self.done - self.edge)
            complete = -(-(len(self.waiting) - first - self.length) // hop)
            count = min(LONG_SEGMENTS_AT_ONCE, complete)
            if count < 1 or (count < LONG_SEGMENTS_AT_ONCE and not last):
                return
            starts = range(first, first + count * hop, hop)
            predict = self.build_for_length(self.length)
            segments = predict(cut_segments(self.waiting, starts, self.length))
            for start, segment in zip(starts, segments, strict=True):
                kept = segment[self.done - start : -self.edge]
                self.done += len(kept)
                yield kept


def cut_segments(samples: np.ndarray, starts: Sequence[int], length: int) -> np.ndarray:
    """Cut segments out of a track.

    Parameters
    ----------
    samples : np.ndarray
        Samples of the track [T, C].
    starts : sequence of int
        The first sample of every segment.
    length : int
        Length of a segment in samples.

    Returns
    -------
    np.ndarray
        The segments [B, length, C].
    """
    return np.stack([samples[start : start + length] for start in starts])


def join_estimates(parts: list[np.ndarray], settings: ModelSettings) -> np.ndarray:
    """Concatenate parts [T, S, C] along time; without parts, return an array with T = 0."""
    if not parts:
        return np.zeros((0, len(settings.sources), settings.num_channels), np.float32)
    return np.concatenate(parts)


def stream_whole_track(
    build_for_length: BuildForLength, settings: ModelSettings, batch_size: int
) -> SegmentStream | OverlappingStream:
    """Return a stream for one pass that is equal to a single segment over the complete track.

    With context, the estimates are the same as with short segments but need less time, because less
    context is computed twice. Without context, the estimates differ from those of the papers, whose
    segments have padding at their borders.

    Parameters
    ----------
    build_for_length : callable
        Returns the predictor for a value of `num_frames`.
    settings : ModelSettings
        The model.
    batch_size : int
        Number of ordinary segments whose length one long segment has.

    Returns
    -------
    SegmentStream or OverlappingStream
        The stream.
    """
    samples = batch_size * settings.num_frames
    if settings.has_context:
        longer = replace(settings, num_frames=samples)
        return SegmentStream(build_for_length(samples), longer, LONG_SEGMENTS_AT_ONCE)
    return OverlappingStream(build_for_length, settings, samples)
