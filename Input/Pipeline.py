"""Batches for training and validation, from a store to TensorFlow.

A batch is `(mix [B, T, C], sources [B, T, S, C])` in float32; validation adds `real [B, T]`,
1 for frames of a song and 0 for what pads its last window.
"""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from Input.Draws import draw_batch
from Input.Store import Store, StoredSong, refuse_short_songs
from Spec.Model import ModelSpec
from Spec.Shapes import input_frames, output_frames

PREFETCHED = 4  # batches made ahead of the step that uses them


class Snippets:
    """The songs of one set, and windows cut out of them."""

    def __init__(self, store: Store, subset: str, spec: ModelSpec):
        self.spec = spec
        self.songs: tuple[StoredSong, ...] = store.subset(subset)
        self.arrays = [store.open(song) for song in self.songs]
        self.frames = np.array([song.frames for song in self.songs])
        self.scales = np.array([song.scale for song in self.songs], np.float32)
        # Frames of context that a window needs on either side of what it gives out.
        self.context = (input_frames(spec) - output_frames(spec)) // 2

    def cut(self, songs: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Windows whose output begins at `offsets`, int16 [B, T, S, C]; silence beyond a song."""
        length = input_frames(self.spec)
        shape = (len(songs), length, len(self.spec.sources), self.spec.num_channels)
        windows = np.zeros(shape, np.int16)
        for row, (song, offset) in enumerate(zip(songs, offsets, strict=True)):
            first = int(offset) - self.context
            begin, end = max(first, 0), min(first + length, self.frames[song])
            windows[row, begin - first : end - first] = self.arrays[song][begin:end]
        return windows


def training_batches(
    store: Store, spec: ModelSpec, batch_size: int, seed: int, first_step: int
) -> tf.data.Dataset:
    """The batches of all steps from `first_step` on, without end.

    Raises `DataError` for a training song shorter than a snippet.
    """
    wanted = output_frames(spec)
    refuse_short_songs(store, wanted)
    snippets = Snippets(store, "train", spec)

    def draw(step):
        batch = draw_batch(seed, int(step), batch_size, snippets.frames, wanted, len(spec.sources))
        factors = batch.gains * snippets.scales[batch.songs, np.newaxis]  # [B, S]
        return snippets.cut(batch.songs, batch.offsets), factors

    def batch(step):
        windows, factors = tf.numpy_function(draw, [step], [tf.int16, tf.float32])
        return mixed(windows, factors, spec)

    steps = tf.data.Dataset.range(first_step, np.iinfo(np.int64).max)
    return tuned(steps.map(batch))


def validation_batches(
    store: Store, subset: str, spec: ModelSpec, batch_size: int
) -> tf.data.Dataset:
    """Every frame of every song of `subset` exactly once, tails included."""
    snippets = Snippets(store, subset, spec)
    wanted = output_frames(spec)
    places = [
        (index, offset)
        for index, frames in enumerate(snippets.frames)
        for offset in range(0, int(frames), wanted)
    ]

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        for first in range(0, len(places), batch_size):
            songs, offsets = np.array(places[first : first + batch_size]).T
            left = snippets.frames[songs] - offsets
            real = np.arange(wanted) < left[:, np.newaxis]
            factors = np.repeat(snippets.scales[songs, np.newaxis], len(spec.sources), axis=1)
            yield snippets.cut(songs, offsets), factors, real.astype(np.float32)

    signature = (
        tf.TensorSpec((None, input_frames(spec), len(spec.sources), spec.num_channels), tf.int16),
        tf.TensorSpec((None, len(spec.sources)), tf.float32),
        tf.TensorSpec((None, wanted), tf.float32),
    )
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    return tuned(dataset.map(lambda windows, factors, real: (*mixed(windows, factors, spec), real)))


def mixed(windows: tf.Tensor, factors: tf.Tensor, spec: ModelSpec) -> tuple[tf.Tensor, tf.Tensor]:
    """int16 [B, T, S, C] and factors [B, S] as the mix and what the model should make of it."""
    shape = (None, input_frames(spec), len(spec.sources), spec.num_channels)
    sources = tf.cast(tf.ensure_shape(windows, shape), tf.float32)
    factors = tf.ensure_shape(factors, (None, len(spec.sources)))
    sources *= factors[:, tf.newaxis, :, tf.newaxis]  # [B, T, S, C]
    mix = tf.reduce_sum(sources, axis=2)  # [B, T, C]
    context = (input_frames(spec) - output_frames(spec)) // 2
    return mix, sources[:, context : context + output_frames(spec)]


def tuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The data set with batches made ahead, and with autotune off: it can stall for seconds when
    an iterator is destroyed, and there is nothing to tune."""
    options = tf.data.Options()
    options.autotune.enabled = False
    options.deterministic = True
    return dataset.prefetch(PREFETCHED).with_options(options)
