"""How long a song takes to separate: ours against one window at a time, in turn.

`python benchmarks/separation.py [--seconds 60] [--runs 5] [--models U1 M4] [--json FILE]` prints
one line per figure, medians over the runs and the ratio pair by pair. Weights are random: what
they are changes no time.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

import Engine  # noqa: F401 - TensorFlow, without its notes

# isort: split
import tensorflow as tf
from machine import machine

from Config import DEFAULTS, config_ingredient, specs
from Engine.Separation import ready
from Evaluation.Separate import Separator
from Input.Audio import resample
from Models.Build import build
from Spec.Model import ModelSpec
from Spec.Shapes import hop_frames, input_frames, output_frames

RATE = 44100
BATCH = 16
PACKAGES = ("tensorflow", "keras", "numpy", "soxr")
Separate = Callable[[np.ndarray], np.ndarray]  # a song [T, 2] at RATE to estimates [T, S, 2]


def song(seconds: int, seed: int = 0) -> np.ndarray:
    """Stereo noise, `[T, 2]`."""
    random = np.random.default_rng(seed)
    return random.uniform(-0.5, 0.5, (seconds * RATE, 2)).astype(np.float32)


def one_by_one(model, spec: ModelSpec) -> Separate:
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


def ours(separator: Separator) -> Separate:
    """The way of Evaluate.py and Predict.py."""
    return lambda mix: separator.separate(mix, RATE)


def compare(name: str, seconds: int, runs: int) -> dict[str, Any]:
    """All ways on one song, A B C A B C, after each has run once."""
    named = config_ingredient.named_configs[name]()
    spec = specs(
        {**DEFAULTS, **{key: named[key] for key in named if key in DEFAULTS}}, seed=1
    ).model
    model, mix = build(spec), song(seconds)
    random = np.random.default_rng(0)
    for weight in model.weights:
        if weight.name == "bias":  # zeros at the start, which a compiler leaves out
            weight.assign(random.uniform(-0.01, 0.01, weight.shape))
    ways = {
        "one window at a time": one_by_one(model, spec),
        "ours": ours(ready(model, spec, BATCH, 1, False)),
    }
    if spec.network == "unet":
        ways["ours, whole song"] = ours(ready(model, spec, BATCH, 1, True))
    results = {way: separate(mix) for way, separate in ways.items()}
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(runs):
        for way, separate in ways.items():
            start = time.perf_counter()
            separate(mix)
            times[way].append(time.perf_counter() - start)
    slow = times["one window at a time"]
    alike = [way for way in ways if way == "ours" or spec.context]  # else another function
    return {
        "model": name,
        "seconds": seconds,
        "median": {way: statistics.median(taken) for way, taken in times.items()},
        "of_one_by_one": {
            way: statistics.median(fast / one for fast, one in zip(taken, slow, strict=True))
            for way, taken in times.items()
        },
        "times_real_time": {way: seconds / statistics.median(t) for way, t in times.items()},
        "largest_difference": {
            way: float(np.abs(results[way] - results["one window at a time"]).max())
            for way in alike
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
    figures = []
    for name in arguments.models:
        figure = compare(name, arguments.seconds, arguments.runs)
        figures.append(figure)
        for way, median in figure["median"].items():
            apart = figure["largest_difference"].get(way)
            print(
                f"{name}, {arguments.seconds} s, {way}: {median:.2f} s, "
                f"{figure['of_one_by_one'][way]:.2f} of one window at a time, "
                f"{figure['times_real_time'][way]:.0f} times real time"
                + ("" if apart is None else f", largest difference {apart:.0e}"),
                flush=True,
            )
    if arguments.json:
        content = {"machine": machine(*PACKAGES), "figures": figures}
        arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
