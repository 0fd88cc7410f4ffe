"""Benchmark of separating one track: ours, and one segment at a time.

`python benchmarks/separation.py [--seconds 60] [--runs 5] [--models U1 M4] [--json FILE]` prints
one line per method: medians over the runs and ratios of paired runs. The methods alternate. Each
runs in its own process, whose threads are set as in the programs. Weights are random, which does
not affect the time.
"""

import argparse
import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from jnet.system.quiet_tensorflow import import_quietly

import_quietly()

# isort: split
import keras
import tensorflow as tf
from machine import convolution, machine

from Config import DEFAULTS, config_ingredient, make_run_settings
from jnet.audio.resampling import resample
from jnet.separation.predictor import build_separator, use_one_thread_per_operation
from jnet.settings.computing import ComputingSettings
from Models.Build import build
from Models.Describe import multiply_adds
from Models.Settings import ModelSettings

RATE = 44100
BATCH = 16
COMPUTING = ComputingSettings("fast", BATCH, num_workers=1)
PACKAGES = ("tensorflow", "keras", "numpy", "soxr")
Separate = Callable[[np.ndarray], np.ndarray]  # maps a track [T, 2] at RATE to estimates [T, S, 2]
Method = Callable[[keras.Model, ModelSettings], Separate]


def make_track(seconds: int, seed: int = 0) -> np.ndarray:
    """Return stereo noise `[T, 2]`."""
    random = np.random.default_rng(seed)
    return random.uniform(-0.5, 0.5, (seconds * RATE, 2)).astype(np.float32)


def one_by_one(model: keras.Model, settings: ModelSettings) -> Separate:
    """Return the method of the original Wave-U-Net code: one segment at a time.

    It calls the plain graph of Keras layers and resamples each source's estimate separately.
    """
    graph = tf.function(lambda window: model(window, training=False), autograph=False)
    hop, length = settings.hop_samples, settings.input_samples
    context = (length - settings.output_samples) // 2

    def separate(mix: np.ndarray) -> np.ndarray:
        resampled = resample(mix, RATE, settings.sample_rate)
        count = -(-len(resampled) // hop)
        padded = np.zeros(((count - 1) * hop + length, settings.num_channels), np.float32)
        padded[context : context + len(resampled)] = resampled
        estimates = np.empty(
            (count * hop, len(settings.sources), settings.num_channels), np.float32
        )
        for first in range(0, count * hop, hop):
            window = tf.constant(padded[np.newaxis, first : first + length])
            estimates[first : first + hop] = graph(window)[0, :hop]
        sources = range(len(settings.sources))
        back = [
            resample(estimates[: len(resampled), s], settings.sample_rate, RATE) for s in sources
        ]
        return np.stack([part[: len(mix)] for part in back], axis=1)

    return separate


def ours(model: keras.Model, settings: ModelSettings) -> Separate:
    """Return the method of Evaluate.py and Predict.py."""
    separator = build_separator(model, settings, COMPUTING, 1, False)
    return lambda mix: separator.separate(mix, RATE)


def ours_whole(model: keras.Model, settings: ModelSettings) -> Separate:
    """Return the method of Evaluate.py and Predict.py with `cfg.whole_track`."""
    separator = build_separator(model, settings, COMPUTING, 1, True)
    return lambda mix: separator.separate(mix, RATE)


ONE, OURS, WHOLE = "one segment at a time", "ours", "ours, whole track"
METHODS: dict[str, Method] = {ONE: one_by_one, OURS: ours, WHOLE: ours_whole}


def read_settings(name: str) -> ModelSettings:
    """Return the model settings of a named config."""
    named = config_ingredient.named_configs[name]()
    entries = {**DEFAULTS, **{key: named[key] for key in named if key in DEFAULTS}}
    return make_run_settings(entries, seed=1).model


def build_model(name: str) -> tuple[keras.Model, ModelSettings]:
    """Return the model of a named config and its settings, equal in every process."""
    settings = read_settings(name)
    model = build(settings)
    random = np.random.default_rng(0)
    for weight in model.weights:
        if weight.name == "bias":  # a compiler could leave out biases of zero
            weight.assign(random.uniform(-0.01, 0.01, weight.shape))
    return model, settings


def serve(method: str, name: str, seconds: int, connection: Connection) -> None:
    """Separate once and send the estimates; then separate on every request and send the time.

    Parameters
    ----------
    method : str
        A key of `METHODS`.
    name : str
        A named config.
    seconds : int
        The duration of the track.
    connection : Connection
        Receives True for each request, and False to end.
    """
    if method != ONE:
        use_one_thread_per_operation(read_settings(name), method == WHOLE)
    separate, mix = METHODS[method](*build_model(name)), make_track(seconds)
    connection.send(separate(mix))
    while connection.recv():
        began = time.perf_counter()
        separate(mix)
        connection.send(time.perf_counter() - began)


def start(method: str, name: str, seconds: int, opened: ExitStack) -> Connection:
    """Start a process that waits for requests to separate a track.

    Parameters
    ----------
    method : str
        A key of `METHODS`.
    name : str
        A named config.
    seconds : int
        The duration of the track.
    opened : ExitStack
        Ends the process on exit.

    Returns
    -------
    Connection
    """
    context = multiprocessing.get_context("spawn")  # TensorFlow's threads do not survive a fork
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(method, name, seconds, there))
    process.start()
    there.close()
    opened.callback(process.join)
    opened.callback(here.send, False)
    return here


def compare(name: str, seconds: int, runs: int) -> dict[str, Any]:
    """Time all methods alternately on one track, after each has run once.

    Parameters
    ----------
    name : str
        A named config.
    seconds : int
        The duration of the track.
    runs : int

    Returns
    -------
    dict of str to Any
        Times in seconds, ratios, rates, and the largest differences from one segment at a time.
    """
    model, settings = build_model(name)
    methods = [method for method in METHODS if method != WHOLE or settings.network == "unet"]
    windows = -(-seconds * settings.sample_rate // settings.hop_samples)
    gflop = sum(2e-9 * windows * multiply_adds(layer) for layer in model.layers if layer.weights)
    convolve, operations = convolution()
    times: dict[str, list[float]] = {method: [] for method in methods}
    shortest = float("inf")
    with ExitStack() as opened:
        waiting = {method: start(method, name, seconds, opened) for method in methods}
        results = {method: connection.recv() for method, connection in waiting.items()}
        for _ in range(runs):
            for method, connection in waiting.items():
                connection.send(True)
                times[method].append(connection.recv())
            began = time.perf_counter()
            convolve()
            shortest = min(shortest, time.perf_counter() - began)
    medians = {method: statistics.median(taken) for method, taken in times.items()}
    same = [
        method for method in methods if method == OURS or (method == WHOLE and settings.has_context)
    ]
    return {
        "model": name,
        "seconds": seconds,
        "convolution_gflops": 1e-9 * operations / shortest,
        "gflop": gflop,  # of the plain graph
        "median": medians,
        "of_one_by_one": {
            method: statistics.median(
                fast / one for fast, one in zip(taken, times[ONE], strict=True)
            )
            for method, taken in times.items()
        },
        "times_real_time": {method: seconds / median for method, median in medians.items()},
        "gflops": {method: gflop / median for method, median in medians.items()},
        "largest_difference": {
            method: float(np.abs(results[method] - results[ONE]).max()) for method in same
        },
    }


def main() -> None:
    """Print the figures for every requested model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--models", nargs="+", default=["U1", "M4"])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    unknown = set(arguments.models) - set(config_ingredient.named_configs)
    if unknown:
        parser.error(f"--models: no such model: {', '.join(sorted(unknown))}")
    figures = []
    for name in arguments.models:
        figure = compare(name, arguments.seconds, arguments.runs)
        figures.append(figure)
        print(f"a large float32 convolution: {figure['convolution_gflops']:.0f} GFLOP/s")
        for method, median in figure["median"].items():
            apart = figure["largest_difference"].get(method)
            print(
                f"{name}, {arguments.seconds} s, {method}: {median:.2f} s, "
                f"{figure['of_one_by_one'][method]:.2f} of one segment at a time, "
                f"{figure['times_real_time'][method]:.0f} times real time, "
                f"{figure['gflop']:.0f} GFLOP, {figure['gflops'][method]:.0f} GFLOP/s"
                + ("" if apart is None else f", largest difference {apart:.0e}"),
                flush=True,
            )
    if arguments.json:
        content = {"machine": machine(*PACKAGES), "figures": figures}
        arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
