"""Benchmark of a training step: ours, the plain Keras graph's and PyTorch's.

`python benchmarks/training.py [--runs 5] [--batch 16] [--torch PYTHON] [--json FILE]` prints one
line per variant: medians over the runs, and ratios of paired runs. The variants alternate: each
takes one step per run. PYTHON is an interpreter with the packages of requirements-bench.txt;
without it PyTorch is left out.
"""

import argparse
import json
import logging
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from jnet.system.quiet_tensorflow import import_quietly

import_quietly()

# isort: split
import keras
import numpy as np
from machine import convolution, machine

from Config import DEFAULTS, config_ingredient, make_run_settings
from jnet.training.step import TrainingStep, build_training_step
from Models.Describe import multiply_adds

# With these settings glibc reuses freed memory instead of returning it to the system, which saves
# page faults in PyTorch.
KEPT_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    "MALLOC_TOP_PAD_": "1073741824",
}
PLAIN = "U1 plain graph"
OURS = {  # named config, precision and computation
    PLAIN: ("U1", "float32", "plain"),
    "U1": ("U1", "float32"),
    "J1": ("J1", "float32"),
    "L": ("L", "float32"),
    "L_last3": ("L_last3", "float32"),
    "U1 bfloat16": ("U1", "mixed_bfloat16"),
}
PEERS = {  # precision and environment variables
    "PyTorch U1": ("float32", {}),
    "PyTorch U1, memory kept": ("float32", KEPT_MEMORY),
    "PyTorch U1, bfloat16": ("bfloat16", {}),
    "PyTorch U1, bfloat16, memory kept": ("bfloat16", KEPT_MEMORY),
}
U1_BY_PRECISION = {"float32": "U1", "bfloat16": "U1 bfloat16"}
RATIOS = (
    ("U1", PLAIN),
    ("J1", "U1"),
    ("L_last3", "L"),
    ("U1 bfloat16", "U1"),
    *((U1_BY_PRECISION[precision], peer) for peer, (precision, _) in PEERS.items()),
)
# Largest relative difference of a first loss from the plain graph's. A bfloat16 number has 8 bits
# of precision: rounding changes a number by at most the factor 1 ± 2⁻⁹.
LOSS_TOLERANCES = {"float32": 1e-5, "bfloat16": 2**-9}
# A function that takes one step and returns its loss, its wall-clock time and its CPU time in
# seconds. Other programs on the machine affect the CPU time less.
Step = Callable[[], tuple[float, float, float]]


def build_step(name: str, precision: str, computation: str = "fast") -> TrainingStep:
    """Return the training step of a named config.

    Parameters
    ----------
    name : str
        The named config.
    precision : str
        The value of `cfg.precision`.
    computation : str
        "fast" or "plain".

    Returns
    -------
    TrainingStep
    """
    entries = {**DEFAULTS, **dict(config_ingredient.named_configs[name]())}
    found = make_run_settings({**entries, "precision": precision}, seed=1)
    return build_training_step(found.model, found.training, computation)


def time_step(training_step: TrainingStep, sources: np.ndarray) -> Step:
    """Return a function that takes and times a step of this project on sources `[B, T, S, C]`."""
    mix = sources.sum(axis=2)

    def step():
        began, worked = time.perf_counter(), time.process_time()
        training_step.loss_sum.assign(0.0)
        training_step.train_on_batch(mix, sources, 0)
        loss = float(training_step.loss_sum)
        return loss, time.perf_counter() - began, time.process_time() - worked

    return step


def peer_step(python: str, start: Path, peer: str, opened: ExitStack) -> Step:
    """Return a function that takes and times a step in PyTorch, in a separate process.

    Parameters
    ----------
    python : str
        An interpreter with PyTorch.
    start : Path
        The file of `write_start`.
    peer : str
        A key of `PEERS`.
    opened : ExitStack
        Ends the process on exit.

    Returns
    -------
    Step
    """
    precision, environment = PEERS[peer]
    process = opened.enter_context(
        subprocess.Popen(
            [python, str(ROOT / "benchmarks" / "unet_torch.py"), str(start), precision],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    )
    assert process.stdin is not None
    assert process.stdout is not None
    requests, answers = process.stdin, process.stdout
    opened.callback(requests.close)

    def step():
        requests.write("step\n")
        requests.flush()
        loss, seconds, cpu_seconds = map(float, answers.readline().split())
        return loss, seconds, cpu_seconds

    return step


def write_start(step: TrainingStep, sources: np.ndarray, file: Path) -> None:
    """Write the weights, the batch, the learning rate and the number of threads for PyTorch.

    Parameters
    ----------
    step : TrainingStep
    sources : numpy.ndarray
        `[B, T, S, C]`.
    file : Path
        The npz file to write.
    """
    weights = {weight.path: weight.numpy() for weight in step.model.weights}
    rate = float(step.optimizer.learning_rate)
    np.savez(file, sources=sources, learning_rate=rate, threads=os.cpu_count(), **weights)


def count_flop(separator: keras.Model, batch: int) -> float:
    """Return the floating-point operations of all convolutions in one step of the plain graph.

    Besides the forward pass, a trained kernel costs its convolution again for its gradient. The
    gradient of a layer's input costs the share of input channels that depend on trained weights.
    """
    dependent: dict[int, int] = {}  # channels of a tensor that depend on trained weights
    total = 0.0
    for layer in separator.layers[1:]:
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        channels = sum(dependent.get(id(one), 0) for one in inputs)
        trained = bool(layer.trainable_variables)
        if layer.weights:
            share = channels / sum(one.shape[-1] for one in inputs)
            total += 2.0 * batch * multiply_adds(layer) * (1 + trained + share)
            channels = layer.output.shape[-1] if trained or channels else 0
        dependent[id(layer.output)] = channels
    return total


def alternate(steps: dict[str, Step], runs: int) -> tuple[dict, dict, float]:
    """Return the first losses, the times of `runs` steps of each variant, and the convolution rate.

    The variants alternate. The first step compiles and is not timed. Times are `[2, runs]` in
    seconds, wall clock and CPU. The rate is the best of all convolutions, in floating-point
    operations per second.
    """
    convolve, operations = convolution()
    convolve()
    losses = {name: step()[0] for name, step in steps.items()}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    shortest = float("inf")
    for _ in range(runs):
        for name, step in steps.items():
            times[name].append(step()[1:])
            began = time.perf_counter()
            convolve()
            shortest = min(shortest, time.perf_counter() - began)
    taken = {name: np.array(seconds).T for name, seconds in times.items()}
    return losses, taken, operations / shortest


def main() -> None:
    """Time all requested variants and print the figures."""
    # It warns that one function is traced often: here once for each of several models.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--torch", help="an interpreter with PyTorch")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.torch and shutil.which(arguments.torch) is None:
        parser.error(f"--torch {arguments.torch}: not a program")
    sources = np.random.default_rng(0).uniform(-0.5, 0.5, (arguments.batch, 16384, 2, 2))
    sources = sources.astype(np.float32)
    ours = {name: build_step(*of) for name, of in OURS.items()}
    operations = {name: count_flop(step.model, arguments.batch) for name, step in ours.items()}
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        steps = {name: time_step(step, sources) for name, step in ours.items()}
        if arguments.torch:
            write_start(ours[PLAIN], sources, folder / "start.npz")
            for name in PEERS:
                steps[name] = peer_step(arguments.torch, folder / "start.npz", name, opened)
                operations[name] = operations[PLAIN]
        losses, times, rate = alternate(steps, arguments.runs)
    check_losses(losses)
    figures, ratios = compute_figures(losses, times, operations), compute_ratios(times)
    facts = machine("tensorflow", "keras")
    show(facts, rate, figures, ratios)
    if arguments.json:
        content = {
            "machine": facts,
            "convolution_gflops": rate / 1e9,
            "batch": arguments.batch,
            "runs": arguments.runs,
            "figures": figures,
            "ratios": ratios,
        }
        arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def check_losses(losses: dict[str, float]) -> None:
    """Exit if a first loss of U1 differs from the plain graph's: the models would not be equal."""
    compared = [(ours, precision) for precision, ours in U1_BY_PRECISION.items()]
    compared += [(peer, precision) for peer, (precision, _) in PEERS.items() if peer in losses]
    for name, precision in compared:
        if abs(losses[name] / losses[PLAIN] - 1) > LOSS_TOLERANCES[precision]:
            raise SystemExit(f"{name}: first loss {losses[name]}, but {PLAIN}: {losses[PLAIN]}")


def compute_figures(losses: dict, times: dict, operations: dict) -> dict:
    """Return the figures of every variant.

    Parameters
    ----------
    losses : dict
        First loss by variant.
    times : dict
        Times `[2, runs]` in seconds by variant.
    operations : dict
        Floating-point operations of a step by variant.

    Returns
    -------
    dict
        Median and shortest times, GFLOP and first loss by variant.
    """
    return {
        name: {
            "seconds": statistics.median(clock),
            "shortest": min(clock),
            "processor_seconds": statistics.median(cpu),
            "gflop": operations[name] / 1e9,
            "first_loss": losses[name],
        }
        for name, (clock, cpu) in times.items()
    }


def compute_ratios(times: dict) -> dict:
    """Return medians of the ratios of paired runs, of wall-clock time and of CPU time."""
    return {
        f"{one} / {other}": [
            statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
            for ours, theirs in zip(times[one], times[other], strict=True)
        ]
        for one, other in RATIOS
        if other in times
    }


def show(facts: dict, rate: float, figures: dict, ratios: dict) -> None:
    """Print one line per figure.

    Parameters
    ----------
    facts : dict
        The machine.
    rate : float
        Floating-point operations per second of a large convolution.
    figures : dict
        As returned by `compute_figures`.
    ratios : dict
        As returned by `compute_ratios`.
    """
    print(f"{facts['processor']}, {facts['cores']} cores, {' '.join(facts['instructions'])}")
    print(f"a large float32 convolution: {rate / 1e9:.0f} GFLOP/s")
    for name, figure in figures.items():
        print(
            f"{name}: {figure['seconds']:.3f} s a step (shortest {figure['shortest']:.3f}, CPU "
            f"time {figure['processor_seconds']:.3f}), {figure['gflop']:.1f} GFLOP, at most "
            f"{figure['gflop'] / figure['shortest']:.0f} GFLOP/s; "
            f"first loss {figure['first_loss']:.6f}"
        )
    for name, (clock, cpu) in ratios.items():
        print(f"{name}: {clock:.3f} of the time, {cpu:.3f} of the CPU time")


if __name__ == "__main__":
    main()
