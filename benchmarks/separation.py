"""How long a song takes to separate: ours against one window at a time, in turn.

`python benchmarks/separation.py [--seconds 60] [--runs 5] [--models U1 M4] [--json FILE]` prints
one line per figure, medians over the runs and the ratio pair by pair. Every way waits in a process
of its own, whose threads are as its program sets them. Weights are random: what they are changes
no time.
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

import Engine  # noqa: F401 - TensorFlow, without its notes

# isort: split
import keras
import tensorflow as tf
from machine import convolution, machine

from Config import DEFAULTS, config_ingredient, specs
from Engine.Separation import keep_operations_whole, ready
from Input.Audio import resample
from Models.Build import build
from Models.Describe import multiply_adds
from Spec.Model import ModelSpec
from Spec.Shapes import hop_frames, input_frames, output_frames

RATE = 44100
BATCH = 16
PACKAGES = ("tensorflow", "keras", "numpy", "soxr")
Separate = Callable[[np.ndarray], np.ndarray]  # a song [T, 2] at RATE to estimates [T, S, 2]
Way = Callable[[keras.Model, ModelSpec], Separate]


def song(seconds: int, seed: int = 0) -> np.ndarray:
    """Stereo noise, `[T, 2]`."""
    random = np.random.default_rng(seed)
    return random.uniform(-0.5, 0.5, (seconds * RATE, 2)).astype(np.float32)


def one_by_one(model: keras.Model, spec: ModelSpec) -> Separate:
    """The way of the Wave-U-Net's own code: one window at a time, through the plain graph of Keras
    layers, each estimate resampled."""
    graph = tf.function(lambda window: model(window, training=False), autograph=False)
    hop, length = hop_frames(spec), input_frames(spec)
    context = (length - output_frames(spec)) // 2

    def separate(mix: np.ndarray) -> np.ndarray:
        heard = resample(mix, RATE, spec.sample_rate)
        count = -(-len(heard) // hop)
        padded = np.zeros(((count - 1) * hop + length, spec.num_channels), np.float32)
        padded[context : context + len(heard)] = heard
        estimates = np.empty((count * hop, len(spec.sources), spec.num_channels), np.float32)
        for first in range(0, count * hop, hop):
            window = tf.constant(padded[np.newaxis, first : first + length])
            estimates[first : first + hop] = graph(window)[0, :hop]
        sources = range(len(spec.sources))
        back = [resample(estimates[: len(heard), s], spec.sample_rate, RATE) for s in sources]
        return np.stack([part[: len(mix)] for part in back], axis=1)

    return separate


def ours(model: keras.Model, spec: ModelSpec) -> Separate:
    """The way of Evaluate.py and Predict.py."""
    separator = ready(model, spec, BATCH, 1, False)
    return lambda mix: separator.separate(mix, RATE)


def ours_whole(model: keras.Model, spec: ModelSpec) -> Separate:
    """Theirs with `cfg.whole_song`."""
    separator = ready(model, spec, BATCH, 1, True)
    return lambda mix: separator.separate(mix, RATE)


ONE, OURS, WHOLE = "one window at a time", "ours", "ours, whole song"
WAYS: dict[str, Way] = {ONE: one_by_one, OURS: ours, WHOLE: ours_whole}


def spec_of(name: str) -> ModelSpec:
    """What a named config describes."""
    named = config_ingredient.named_configs[name]()
    entries = {**DEFAULTS, **{key: named[key] for key in named if key in DEFAULTS}}
    return specs(entries, seed=1).model


def built(name: str) -> tuple[keras.Model, ModelSpec]:
    """The model of a named config, in every process the same."""
    spec = spec_of(name)
    model = build(spec)
    random = np.random.default_rng(0)
    for weight in model.weights:
        if weight.name == "bias":  # zeros at the start, which a compiler leaves out
            weight.assign(random.uniform(-0.01, 0.01, weight.shape))
    return model, spec


def serve(way: str, name: str, seconds: int, connection: Connection) -> None:
    """Separate once and send the estimates; then again whenever asked, and send the time."""
    if way != ONE:
        keep_operations_whole(spec_of(name), way == WHOLE)
    separate, mix = WAYS[way](*built(name)), song(seconds)
    connection.send(separate(mix))
    while connection.recv():
        began = time.perf_counter()
        separate(mix)
        connection.send(time.perf_counter() - began)


def start(way: str, name: str, seconds: int, opened: ExitStack) -> Connection:
    """A process in which a way waits until it is asked."""
    context = multiprocessing.get_context("spawn")  # TensorFlow's threads do not survive a fork
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(way, name, seconds, there))
    process.start()
    there.close()
    opened.callback(process.join)
    opened.callback(here.send, False)
    return here


def compare(name: str, seconds: int, runs: int) -> dict[str, Any]:
    """All ways on one song, A B C A B C, after each has run once."""
    model, spec = built(name)
    ways = [way for way in WAYS if way != WHOLE or spec.network == "unet"]
    windows = -(-seconds * spec.sample_rate // hop_frames(spec))
    gflop = sum(2e-9 * windows * multiply_adds(layer) for layer in model.layers if layer.weights)
    convolve, operations = convolution()
    times: dict[str, list[float]] = {way: [] for way in ways}
    shortest = float("inf")
    with ExitStack() as opened:
        waiting = {way: start(way, name, seconds, opened) for way in ways}
        results = {way: connection.recv() for way, connection in waiting.items()}
        for _ in range(runs):
            for way, connection in waiting.items():
                connection.send(True)
                times[way].append(connection.recv())
            began = time.perf_counter()
            convolve()
            shortest = min(shortest, time.perf_counter() - began)
    medians = {way: statistics.median(taken) for way, taken in times.items()}
    alike = [way for way in ways if way == OURS or (way == WHOLE and spec.context)]
    return {
        "model": name,
        "seconds": seconds,
        "convolution_gflops": 1e-9 * operations / shortest,
        "gflop": gflop,  # of the plain graph
        "median": medians,
        "of_one_by_one": {
            way: statistics.median(fast / one for fast, one in zip(taken, times[ONE], strict=True))
            for way, taken in times.items()
        },
        "times_real_time": {way: seconds / median for way, median in medians.items()},
        "gflops": {way: gflop / median for way, median in medians.items()},
        "largest_difference": {
            way: float(np.abs(results[way] - results[ONE]).max()) for way in alike
        },
    }


def main() -> None:
    """Compare with every model asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--models", nargs="+", default=["U1", "M4"])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    unknown = set(arguments.models) - set(config_ingredient.named_configs)
    if unknown:
        parser.error(f"no such model: {', '.join(sorted(unknown))}")
    figures = []
    for name in arguments.models:
        figure = compare(name, arguments.seconds, arguments.runs)
        figures.append(figure)
        print(f"a large float32 convolution: {figure['convolution_gflops']:.0f} GFLOP/s")
        for way, median in figure["median"].items():
            apart = figure["largest_difference"].get(way)
            print(
                f"{name}, {arguments.seconds} s, {way}: {median:.2f} s, "
                f"{figure['of_one_by_one'][way]:.2f} of one window at a time, "
                f"{figure['times_real_time'][way]:.0f} times real time, "
                f"{figure['gflop']:.0f} GFLOP, {figure['gflops'][way]:.0f} GFLOP/s"
                + ("" if apart is None else f", largest difference {apart:.0e}"),
                flush=True,
            )
    if arguments.json:
        content = {"machine": machine(*PACKAGES), "figures": figures}
        arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
