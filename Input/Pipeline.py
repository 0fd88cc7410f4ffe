"""Batches for training and validation, from a store to TensorFlow.

A batch is `(mix [B, T, C], sources [B, T, S, C])` in float32; validation adds `real [B, T]`,
1 for frames of a song and 0 for what pads its last window.
"""

import numpy as np
import tensorflow as tf

from Input.Draws import draw_batch
from Input.Snippets import Snippets
from Input.Store import Store, refuse_short_songs
from Spec.Model import ModelSpec
from Spec.Shapes import input_frames, output_frames

PREFETCHED = 2  # batches made ahead of the step that uses them


def training_batches(
    store: Store, spec: ModelSpec, batch_size: int, seed: int, first_step: int
) -> tf.data.Dataset:
    """The batches of all steps from `first_step` on, without end.

    The first n snippets of a batch are the batch of size n of that step. Raises `DataError` for a
    training song shorter than a snippet.
    """
    wanted = output_frames(spec)
    refuse_short_songs(store, wanted)
    snippets = Snippets(store, "train", spec)

    def draw(step):
        drawn = draw_batch(seed, int(step), batch_size, snippets.frames, wanted, len(spec.sources))
        return snippets.batch(drawn.songs, drawn.offsets, drawn.gains)

    def batch(step):
        mix, sources = tf.numpy_function(draw, [step], [tf.float32, tf.float32])
        return shaped(mix, sources, spec)

    steps = tf.data.Dataset.range(first_step, np.iinfo(np.int64).max)
    return tuned(steps.map(batch))


def validation_batches(
    store: Store, subset: str, spec: ModelSpec, batch_size: int
) -> tf.data.Dataset:
    """Every frame of every song of `subset` exactly once, tails included."""
    snippets = Snippets(store, subset, spec)
    wanted = output_frames(spec)
    places = np.array(
        [
            (index, offset)
            for index, frames in enumerate(snippets.frames)
            for offset in range(0, int(frames), wanted)
        ]
    )

    def cut(first):
        songs, offsets = places[first : first + batch_size].T
        gains = np.ones((len(songs), len(spec.sources)))
        left = snippets.frames[songs] - offsets
        real = np.arange(wanted) < left[:, np.newaxis]
        return *snippets.batch(songs, offsets, gains), real.astype(np.float32)

    def batch(first):
        mix, sources, real = tf.numpy_function(cut, [first], [tf.float32] * 3)
        return *shaped(mix, sources, spec), tf.ensure_shape(real, (None, wanted))

    return tuned(tf.data.Dataset.range(0, len(places), batch_size).map(batch))


def shaped(mix: tf.Tensor, sources: tf.Tensor, spec: ModelSpec) -> tuple[tf.Tensor, tf.Tensor]:
    """The two parts of a batch with the shapes they have, which TensorFlow cannot know."""
    channels = spec.num_channels
    return (
        tf.ensure_shape(mix, (None, input_frames(spec), channels)),
        tf.ensure_shape(sources, (None, output_frames(spec), len(spec.sources), channels)),
    )


def tuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The data set with batches made ahead, and with autotune off: it can stall for seconds when
    an iterator is destroyed, and there is nothing to tune."""
    options = tf.data.Options()
    options.autotune.enabled = False
    options.deterministic = True
    return dataset.prefetch(PREFETCHED).with_options(options)
