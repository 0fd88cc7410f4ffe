"""A trained model, ready to separate songs."""

import functools
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import joblib
import keras
import numpy as np
import tensorflow as tf

from Evaluation.Separate import Separator
from Evaluation.Windows import Lengthen, Predictor
from Models.Build import build
from Models.Computation import computation
from Spec.Model import ModelSpec
from Spec.Shapes import input_frames

LENGTHS_KEPT = 2  # the long window of most songs, and one that a short song had
MOST_AT_ONCE = 8  # windows that a core takes: fewer cost more each, more are shared out unevenly
MOST_GRAPHS = 4  # made for as many cores: each takes about a second and a half


def keep_operations_whole(spec: ModelSpec, whole_song: bool) -> None:
    """Have one thread compute each operation where every core has a graph and many windows.

    Threads that share the operations of two graphs wait for each other: a twentieth of the time.
    Long windows are few, and gain nothing. For programs that separate and do not train, before
    TensorFlow's first operation: afterwards its threads are what they are, and so they stay.
    """
    long = whole_song or spec.context
    if long or joblib.cpu_count() > MOST_GRAPHS or tf.config.list_physical_devices("GPU"):
        return
    with suppress(RuntimeError):  # TensorFlow's, where it has computed before
        tf.config.threading.set_intra_op_parallelism_threads(1)


def ready(
    model: keras.Model, spec: ModelSpec, batch_size: int, passes: int, whole_song: bool
) -> Separator:
    """The separator of songs that `model`, which `spec` describes, makes.

    With context long windows give what short ones do, several times as fast: they are taken
    always.
    """
    lengthen = lengthened(model, spec) if whole_song or spec.context else None
    return Separator(predictor(model, spec), spec, batch_size, passes, lengthen)


def lengthened(model: keras.Model, spec: ModelSpec) -> Lengthen:
    """A function from a window's `num_frames` to the same network, with these weights, for it."""

    @functools.lru_cache(LENGTHS_KEPT)
    def lengthen(num_frames: int) -> Predictor:
        longer = replace(spec, num_frames=num_frames)
        network = build(longer)
        network.set_weights(model.get_weights())
        return predictor(network, longer)

    return lengthen


def predictor(model: keras.Model, spec: ModelSpec) -> Predictor:
    """`model` on arrays: any number of windows at once.

    On a CPU they are spread over the cores: TensorFlow's own threads share out one operation at a
    time, and mostly wait for each other. A GPU takes them whole.
    """
    cores = joblib.cpu_count()
    if tf.config.list_physical_devices("GPU") or cores == 1:
        return compiled(model, spec)
    # To each a graph of its own: oneDNN's convolutions of one graph crash in two threads at once.
    graphs = [compiled(model, spec) for _ in range(min(cores, MOST_GRAPHS))]
    pool = ThreadPoolExecutor(len(graphs))

    def separated(share: list[np.ndarray], graph: Predictor) -> list[np.ndarray]:
        return [graph(part) for part in share]

    def together(mix: np.ndarray) -> np.ndarray:
        rounds = -(-len(mix) // (len(graphs) * MOST_AT_ONCE))
        parts = np.array_split(mix, min(len(mix), len(graphs) * rounds))
        estimates = list(parts)
        shares = [parts[index :: len(graphs)] for index in range(len(graphs))]
        for index, share in enumerate(pool.map(separated, shares, graphs)):
            estimates[index :: len(graphs)] = share
        return np.concatenate(estimates)

    return together


def compiled(model: keras.Model, spec: ModelSpec) -> Predictor:
    """`model` on arrays, as a graph."""
    separate = computation(model, spec)
    signature = (tf.TensorSpec((None, input_frames(spec), spec.num_channels)),)

    def separated(mix):
        return separate(mix, training=False)

    # TensorFlow tells functions by their code, and warns of one traced again and again; a partial
    # function has none.
    graph = tf.function(functools.partial(separated), signature, autograph=False)
    return lambda mix: graph(tf.constant(mix, tf.float32)).numpy()
