"""TensorFlow data sets of training and validation batches from a store.

A batch is `(mix [B, T, C], sources [B, T, S, C])` in float32. Validation batches have a third array
`real [B, T]`: 1 for samples of a track, 0 for the padding of its last segment.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from jnet.data.excerpts import Draw, Excerpts, draw_batch
from jnet.data.store import Store, refuse_short_tracks
from jnet.settings.augmentation import AugmentationSettings
from Models.Settings import ModelSettings

PREFETCHED_BATCHES = 2


def make_training_batches(
    store: Store,
    settings: ModelSettings,
    augmentation: AugmentationSettings,
    batch_size: int,
    seed: int,
    first_step: int,
) -> tf.data.Dataset:
    """Return an endless data set of training batches.

    For the same step, the first n excerpts of a batch are equal to the batch of size n.

    Parameters
    ----------
    store : Store
        The prepared tracks.
    settings : ModelSettings
        The model, which determines the lengths and shapes.
    augmentation : AugmentationSettings
        The random changes of the sources.
    batch_size : int
        Number of excerpts per batch, B.
    seed : int
        The seed of the run.
    first_step : int
        The number of the first step: 0, or a later step when training resumes.

    Returns
    -------
    tf.data.Dataset
        One batch `(mix, sources)` per step.

    Raises
    ------
    DataError
        If a training track is shorter than an excerpt with the largest time shift.
    """
    refuse_short_tracks(store, settings, augmentation)
    excerpts = Excerpts(store, "train", settings)

    def cut(step):
        lengths = excerpts.lengths
        drawn = draw_batch(seed, int(step), batch_size, lengths, settings, augmentation)
        return excerpts.batch(drawn)

    steps = tf.data.Dataset.range(first_step, np.iinfo(np.int64).max)
    return make_batches(steps, cut, get_batch_shapes(settings))


def make_validation_batches(
    store: Store, subset: str, settings: ModelSettings, batch_size: int
) -> tf.data.Dataset:
    """Return a data set with every sample of every track of `subset` exactly once.

    The last segment of a track is padded with zeros.

    Parameters
    ----------
    store : Store
        The prepared tracks.
    subset : str
        'train', 'valid' or 'test'.
    settings : ModelSettings
        The model, which determines the lengths and shapes.
    batch_size : int
        Number of segments per batch; the last batch may have fewer.

    Returns
    -------
    tf.data.Dataset
        Batches `(mix, sources, real)`.
    """
    excerpts = Excerpts(store, subset, settings)
    num_output = settings.output_samples
    counts = -(-excerpts.lengths // num_output)  # number of segments of every track
    all_tracks = np.repeat(np.arange(len(counts)), counts)
    all_offsets = num_output * np.concatenate([np.arange(count) for count in counts])

    def cut(first):
        batch = slice(first, first + batch_size)
        tracks, offsets = all_tracks[batch], all_offsets[batch]
        gains = np.ones((len(tracks), len(settings.sources)))
        left = excerpts.lengths[tracks] - offsets
        real = np.arange(num_output) < left[:, np.newaxis]
        return *excerpts.batch(Draw(tracks, offsets, gains)), real.astype(np.float32)

    firsts = tf.data.Dataset.range(0, len(all_tracks), batch_size)
    return make_batches(firsts, cut, [*get_batch_shapes(settings), (None, num_output)])


def get_batch_shapes(settings: ModelSettings) -> list[tuple[int | None, ...]]:
    """Return the shapes of a batch's mix and sources, with None as the batch size."""
    lanes = len(settings.sources), settings.num_channels
    return [(None, settings.input_samples, lanes[1]), (None, settings.output_samples, *lanes)]


def make_batches(
    numbers: tf.data.Dataset, cut: Callable, shapes: list[tuple[int | None, ...]]
) -> tf.data.Dataset:
    """Return a data set with one batch per number, prefetched in the background.

    Autotune is disabled: it can block for seconds when an iterator is destroyed, and there is
    nothing to tune.

    Parameters
    ----------
    numbers : tf.data.Dataset
        The integers passed to `cut`, in order.
    cut : callable
        Returns the float32 arrays of the batch for one number.
    shapes : list of tuple
        The shapes of these arrays, None for the batch size.

    Returns
    -------
    tf.data.Dataset
        The batches, in the order of `numbers`.
    """

    def batch(number):
        parts = tf.numpy_function(cut, [number], [tf.float32] * len(shapes))
        return tuple(map(tf.ensure_shape, parts, shapes))

    options = tf.data.Options()
    options.autotune.enabled = False
    options.deterministic = True
    return numbers.map(batch).prefetch(PREFETCHED_BATCHES).with_options(options)
