"""One pass of separation over a song that comes in blocks: window by window, or as one window.

A stage takes a song's next frames and whether they are its last, and gives all that is ready by
then. What it gives in all is the same however the song was cut into blocks.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from Spec.Model import ModelSpec
from Spec.Shapes import hop_frames, input_frames, output_frames, reach_frames

Predictor = Callable[[np.ndarray], np.ndarray]  # [B, T, C] of mix → [B, T, S, C] of estimates
Lengthen = Callable[[int], Predictor]  # the same weights in windows of that many `num_frames`
ABREAST = 2  # long windows that go through the model at once
LONGEST_EDGE = 1 / 8  # share of a long window at either end that is heard for what it adjoins alone


# A step of separation: from a song's next frames `[T, …]`, and whether they are its last, to those
# that are ready.
Stage = Callable[[np.ndarray, bool], np.ndarray]


class Windows:
    """A pass window after window, each put where its output belongs: `[T, C]` of mix at the
    model's rate and channels to `[T, S, C]` of estimates.

    Silence stands before the song and after it. No more is held than `batch_size` windows hear.
    """

    def __init__(self, predict: Predictor, spec: ModelSpec, batch_size: int):
        self.predict = predict
        self.spec = spec
        self.batch_size = batch_size
        self.hop, self.length = hop_frames(spec), input_frames(spec)
        context = (self.length - output_frames(spec)) // 2
        self.held = np.zeros((context, spec.num_channels), np.float32)
        self.lacking = 0  # frames that came and whose estimates did not go out yet

    def __call__(self, samples: np.ndarray, last: bool) -> np.ndarray:
        self.held = np.concatenate([self.held, samples])
        self.lacking += len(samples)
        if last:
            count = -(-self.lacking // self.hop)
            needed = max(0, count - 1) * self.hop + self.length
            self.held = np.pad(self.held, ((0, needed - len(self.held)), (0, 0)))
        else:
            count = max(0, (len(self.held) - self.length) // self.hop + 1)
            count -= count % self.batch_size
        estimates = self.separated(count)[: self.lacking]
        self.held = self.held[count * self.hop :].copy()  # lets go of the rest
        self.lacking -= len(estimates)
        return estimates

    def separated(self, count: int) -> np.ndarray:
        """The estimates of the next `count` windows, `[T, S, C]`."""
        if count == 0:
            return np.zeros((0, len(self.spec.sources), self.spec.num_channels), np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(self.held, self.length, axis=0)
        windows = windows[:: self.hop].transpose(0, 2, 1)  # [K, T, C]
        estimates = [
            self.predict(np.ascontiguousarray(windows[first : min(first + self.batch_size, count)]))
            for first in range(0, count, self.batch_size)
        ]  # [B, T, S, C] each
        return np.concatenate([window[: self.hop] for part in estimates for window in part])


def whole_song(lengthen: Lengthen, spec: ModelSpec, batch_size: int) -> Stage:
    """A pass as if the whole song were one window, in no more memory than a batch of windows.

    With context that is what windows give, only sooner: what surrounds them is heard less often.
    Without, it is another function than the paper's: no padding stands at borders of windows.
    """
    frames = batch_size * spec.num_frames
    if spec.context:
        return Windows(lengthen(frames), replace(spec, num_frames=frames), ABREAST)
    return LongWindows(lengthen, spec, frames)


class LongWindows:
    """A pass as in one window over the whole song, for a model without context.

    Windows overlap so far that what is kept of each hears none of the padding at its borders. The
    first begins where the song begins and the last ends where it ends, there the padding is the
    song's own.
    """

    def __init__(self, lengthen: Lengthen, spec: ModelSpec, frames: int):
        self.lengthen = lengthen
        self.spec = spec
        self.step = 2**spec.num_layers  # the grid that all windows must stand on
        self.edge = -(-reach_frames(spec) // self.step) * self.step
        self.frames = max(frames, int(self.edge / LONGEST_EDGE))
        self.frames -= self.frames % self.step
        self.held = np.zeros((0, spec.num_channels), np.float32)
        self.given = 0  # frames of `held` whose estimates went out

    def __call__(self, samples: np.ndarray, last: bool) -> np.ndarray:
        self.held = np.concatenate([self.held, samples])
        shape = (len(self.spec.sources), self.spec.num_channels)
        estimates = [np.zeros((0, *shape), np.float32), *self.inner_estimates(last)]
        if last:
            end = -(-len(self.held) // self.step) * self.step
            kept = len(self.held) - self.given
            self.held = np.pad(self.held, ((0, end - len(self.held)), (0, 0)))
            first = max(0, end - self.frames)
            window = self.held[np.newaxis, first:end]
            whole = self.lengthen(end - first)(window)[0, self.given - first :]
            estimates.append(whole[:kept])
        else:
            self.forget()
        return np.concatenate(estimates)

    def inner_estimates(self, last: bool) -> Iterator[np.ndarray]:
        """What the windows before the last one give, as far as they are there, `[T, S, C]` each."""
        hop = self.frames - 2 * self.edge
        while True:
            first = max(0, self.given - self.edge)
            there = -(-(len(self.held) - first - self.frames) // hop)  # that end before the song
            count = min(ABREAST, there)
            if count < 1 or (count < ABREAST and not last):
                return
            windows = [
                self.held[at : at + self.frames] for at in range(first, first + count * hop, hop)
            ]
            for index, whole in enumerate(self.lengthen(self.frames)(np.stack(windows))):
                heard = whole[self.given - first - index * hop : -self.edge]
                self.given += len(heard)
                yield heard

    def forget(self) -> None:
        """Let go of what no window can hear any more: the last may begin a window earlier."""
        past = max(0, self.given - self.edge - self.frames)
        self.held = self.held[past:].copy()
        self.given -= past
