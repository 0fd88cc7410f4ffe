"""A model compiled as a function from mixes to estimates, in parallel on all cores of a CPU."""

import functools
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import joblib
import keras
import numpy as np
import tensorflow as tf

from jnet.separation.segments import BuildForLength, Predictor
from jnet.separation.streaming import TrackSeparator
from jnet.settings.computing import ComputingSettings
from Models.Build import build
from Models.Computation import model_function
from Models.Settings import ModelSettings

LENGTHS_CACHED = 2  # the usual long segment, and a shorter last segment
SEGMENTS_PER_CORE = 8  # per call: fewer cost more time each, more are distributed unevenly
MAX_GRAPHS = 4  # one per core; compiling a graph takes about 1.5 s


def use_one_thread_per_operation(settings: ModelSettings, whole_track: bool) -> None:
    """Make TensorFlow compute each operation in one thread, if every core gets a graph of its own.

    If the operations of several graphs share threads, the threads wait for each other, which costs
    5 % of the time. Nothing is changed for long segments (`whole_track` or a model with context),
    which are few and would not become faster, on GPUs, and with more cores than `MAX_GRAPHS`.

    TensorFlow fixes its thread pools at its first operation: call this before, and only in programs
    that do not train.
    """
    long = whole_track or settings.has_long_segments
    if long or joblib.cpu_count() > MAX_GRAPHS or tf.config.list_physical_devices("GPU"):
        return
    with suppress(RuntimeError):  # raised if TensorFlow has already executed an operation
        tf.config.threading.set_intra_op_parallelism_threads(1)


def build_separator(
    model: keras.Model,
    settings: ModelSettings,
    computing: ComputingSettings,
    passes: int,
    whole_track: bool,
) -> TrackSeparator:
    """Return a separator of tracks for a model.

    If long segments have the estimates of short segments, they are used: the computation is several
    times as fast.

    Parameters
    ----------
    model : keras.Model
        The model with its weights.
    settings : ModelSettings
        The settings of `model`.
    computing : ComputingSettings
        The computation and the batch size.
    passes : int
        Number of passes (J-Net, Section 2.3).
    whole_track : bool
        Whether to separate a track as a single segment.

    Returns
    -------
    TrackSeparator
        The separator.
    """
    computation = computing.computation
    predict = build_predictor(model, settings, computation)
    build_for_length = None
    if whole_track or settings.has_long_segments:
        build_for_length = share_weights(model, settings, computation)
    return TrackSeparator(predict, settings, computing.eval_batch_size, passes, build_for_length)


def share_weights(model: keras.Model, settings: ModelSettings, computation: str) -> BuildForLength:
    """Return a function that builds predictors for other segment lengths with the same weights.

    Parameters
    ----------
    model : keras.Model
        The model with its weights.
    settings : ModelSettings
        The settings of `model`.
    computation : str
        A value of `cfg.computation`.

    Returns
    -------
    BuildForLength
        Returns the predictor for a value of `num_frames`; the last predictors are cached.
    """

    @functools.lru_cache(LENGTHS_CACHED)
    def build_for_length(num_frames: int) -> Predictor:
        resized = replace(settings, num_frames=num_frames)
        network = build(resized)
        network.set_weights(model.get_weights())
        return build_predictor(network, resized, computation)

    return build_for_length


def build_predictor(
    model: keras.Model, settings: ModelSettings, computation: str = "fast"
) -> Predictor:
    """Return a function that separates any number of segments at once.

    On a CPU, the segments are divided among one graph per core (at most `MAX_GRAPHS`). TensorFlow's
    own threads would work on one operation at a time and mostly wait for each other. A GPU
    processes all segments in one call.

    Parameters
    ----------
    model : keras.Model
        The model with its weights.
    settings : ModelSettings
        The settings of `model`.
    computation : str, optional
        A value of `cfg.computation`.

    Returns
    -------
    Predictor
        Maps mixes [B, T, C] to estimates [B, T, S, C].
    """
    cores = joblib.cpu_count()
    if tf.config.list_physical_devices("GPU") or cores == 1:
        return compile_graph(model, settings, computation)
    # One graph per thread: oneDNN's convolutions crash if two threads execute the same graph.
    graphs = [compile_graph(model, settings, computation) for _ in range(min(cores, MAX_GRAPHS))]
    pool = ThreadPoolExecutor(len(graphs))

    def separate_share(share: list[np.ndarray], graph: Predictor) -> list[np.ndarray]:
        return [graph(part) for part in share]

    def separate(mix: np.ndarray) -> np.ndarray:
        rounds = -(-len(mix) // (len(graphs) * SEGMENTS_PER_CORE))
        parts = np.array_split(mix, min(len(mix), len(graphs) * rounds))
        estimates = list(parts)
        shares = [parts[index :: len(graphs)] for index in range(len(graphs))]
        for index, share in enumerate(pool.map(separate_share, shares, graphs)):
            estimates[index :: len(graphs)] = share
        return np.concatenate(estimates)

    return separate


def compile_graph(model: keras.Model, settings: ModelSettings, computation: str) -> Predictor:
    """Compile a model as a TensorFlow graph that maps NumPy arrays to NumPy arrays.

    Parameters
    ----------
    model : keras.Model
        The model with its weights.
    settings : ModelSettings
        The settings of `model`.
    computation : str
        A value of `cfg.computation`.

    Returns
    -------
    Predictor
        Maps mixes [B, T, C] to estimates [B, T, S, C].
    """
    function = model_function(model, settings, computation=computation)
    separate = functools.partial(function, training=False)
    signature = (tf.TensorSpec((None, settings.input_samples, settings.num_channels)),)
    graph = tf.function(separate, signature, autograph=False)
    return lambda mix: graph(tf.constant(mix, tf.float32)).numpy()
