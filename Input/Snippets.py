"""Snippets of stored songs: cut, scaled and mixed at the pace of the memory, with NumPy alone.

What costs here is touching memory, so every sample is read once from the mapped song, written once
as a scaled source and added once into the mix, a snippet after another while it is in the cache;
and TensorFlow takes the batch over without copying it.
"""

from math import prod

import numpy as np

from Input.Store import Store, StoredSong
from Spec.Model import ModelSpec
from Spec.Shapes import input_frames, output_frames

STRETCH = 256  # frames scaled in one go: enough that NumPy's inner loops are worth their start
ALIGNMENT = 64  # bytes; TensorFlow takes an array that begins at a multiple without copying it


class Snippets:
    """The songs of one set, and batches cut out of them."""

    def __init__(self, store: Store, subset: str, spec: ModelSpec):
        self.spec = spec
        self.songs: tuple[StoredSong, ...] = store.subset(subset)
        self.arrays = [np.asarray(store.open(song)) for song in self.songs]
        self.frames = np.array([song.frames for song in self.songs])
        self.scales = np.array([song.scale for song in self.songs], np.float32)
        # Frames of context that a window needs on either side of what it gives out.
        self.context = (input_frames(spec) - output_frames(spec)) // 2

    def batch(
        self, songs: np.ndarray, offsets: np.ndarray, gains: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Snippets of `songs` [B] whose output begins at `offsets` [B], each source times its
        `gains` [B, S]: the mix with its context [B, T, C] and what a model should make of it
        [B, T, S, C], float32. Beyond a song's ends is silence."""
        heard, wanted = input_frames(self.spec), output_frames(self.spec)
        lanes = (len(self.spec.sources), self.spec.num_channels)
        mix = aligned(len(songs), heard, lanes[1])
        sources = aligned(len(songs), wanted, *lanes)
        window = np.empty((heard, *lanes), np.float32) if self.context else None
        factors = gains.astype(np.float32) * self.scales[songs, np.newaxis]  # [B, S]
        stretches = stretched(factors, lanes[1])
        for row, (song, offset) in enumerate(zip(songs, offsets, strict=True)):
            whole = sources[row] if window is None else window
            self._cut(whole, song, int(offset) - self.context, stretches[row])
            add(whole, mix[row])
            if window is not None:
                sources[row] = window[self.context : self.context + wanted]
        return mix, sources

    def _cut(self, window: np.ndarray, song: int, first: int, stretch: np.ndarray) -> None:
        """Fill `window` [T, S, C] with a song from frame `first` on, which may be before it, times
        a row of `stretched`."""
        begin, end = max(first, 0), min(first + len(window), self.frames[song])
        window[: begin - first] = 0
        scale(self.arrays[song][begin:end], stretch, window[begin - first : end - first])
        window[end - first :] = 0


def stretched(factors: np.ndarray, channels: int) -> np.ndarray:
    """What STRETCH frames of each snippet are multiplied by, [B, STRETCH × S × C], from factors
    [B, S] of the sources."""
    return np.tile(np.repeat(factors, channels, axis=1), STRETCH)


def scale(samples: np.ndarray, stretch: np.ndarray, scaled: np.ndarray) -> None:
    """Put `samples` [T, S, C], integers, times a row of `stretched` into `scaled`."""
    lanes = samples.shape[1] * samples.shape[2]
    whole = len(samples) - len(samples) % STRETCH
    for part, row in ((slice(whole), stretch), (slice(whole, None), stretch[:lanes])):
        shape = -1, len(row)
        np.multiply(samples[part].reshape(shape), row, out=scaled[part].reshape(shape))


def add(window: np.ndarray, mix: np.ndarray) -> None:
    """Put the sum of the sources of `window` [T, S, C] into `mix` [T, C]."""
    # Two channels are added at once, as the two parts of a complex number.
    kind = np.complex64 if window.shape[2] % 2 == 0 else np.float32
    window, mix = window.view(kind), mix.view(kind)
    for lane in range(mix.shape[1]):
        np.add(window[:, 0, lane], window[:, 1, lane], out=mix[:, lane])
        for source in range(2, window.shape[1]):
            mix[:, lane] += window[:, source, lane]


def aligned(*shape: int) -> np.ndarray:
    """An array of float32, its content undefined, that TensorFlow takes over as it is."""
    size = prod(shape) * np.dtype(np.float32).itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % ALIGNMENT
    return memory[first : first + size].view(np.float32).reshape(shape)
