"""How long a training step takes: this project's, the plain Keras graph's and PyTorch's, in turn.

`python benchmarks/training.py [--runs 5] [--batch 16] [--torch PYTHON] [--json FILE]` prints one
line per figure: medians over the runs, and ratios pair by pair. PYTHON is an interpreter with the
packages of requirements-bench.txt; without it PyTorch is left out.
"""

import argparse
import json
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

import keras
import numpy as np
from machine import convolution, machine

from Config import DEFAULTS, config_ingredient, specs
from Engine.Steps import Steps
from Engine.Trainer import Trainer, compiled_trainer
from Models import Computation
from Models.Describe import multiply_adds

# What spares PyTorch page faults: glibc keeps and reuses memory instead of returning it.
KEPT_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    "MALLOC_TOP_PAD_": "1073741824",
}
OURS = {  # named config and precision
    "U1": ("U1", "float32"),
    "J1": ("J1", "float32"),
    "L": ("L", "float32"),
    "L_last3": ("L_last3", "float32"),
    "U1 bfloat16": ("U1", "mixed_bfloat16"),
}
PLAIN = "U1 plain graph"
PEERS = {"PyTorch U1": {}, "PyTorch U1, memory kept": KEPT_MEMORY}
RATIOS = (
    ("U1", PLAIN),
    ("J1", "U1"),
    ("L_last3", "L"),
    ("U1 bfloat16", "U1"),
    *(("U1", peer) for peer in PEERS),
)
# One step: its loss, the seconds it took, and the processor's seconds in it, which other programs
# on the machine stretch less.
Step = Callable[[], tuple[float, float, float]]


def trainer_of(name: str, precision: str) -> Trainer:
    """The trainer of a named config."""
    entries = {**DEFAULTS, **dict(config_ingredient.named_configs[name]())}
    found = specs({**entries, "precision": precision}, seed=1)
    return compiled_trainer(found.model, found.training)


def our_step(trainer: Trainer, sources: np.ndarray) -> Step:
    """A step of this project."""
    steps = Steps(trainer)
    mix = sources.sum(axis=2)

    def step():
        began, worked = time.perf_counter(), time.process_time()
        steps.begin_epoch()
        steps.take_batch(mix, sources, 0)
        loss = float(steps.loss_sum)
        return loss, time.perf_counter() - began, time.process_time() - worked

    return step


def plain_trainer() -> Trainer:
    """U1, computed as Keras computes its layers."""
    ways, Computation.WAYS = Computation.WAYS, {}
    trainer = trainer_of("U1", "float32")
    Computation.WAYS = ways
    return trainer


def peer_step(python: str, start: Path, environment: dict[str, str], open_: ExitStack) -> Step:
    """A step of the twin in PyTorch, which waits in a process of its own."""
    twin = open_.enter_context(
        subprocess.Popen(
            [python, str(ROOT / "benchmarks" / "unet_torch.py"), str(start)],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    )
    assert twin.stdin is not None
    assert twin.stdout is not None
    to, answers = twin.stdin, twin.stdout
    open_.callback(to.close)

    def step():
        to.write("step\n")
        to.flush()
        loss, seconds, of_processor = map(float, answers.readline().split())
        return loss, seconds, of_processor

    return step


def write_start(trainer: Trainer, sources: np.ndarray, file: Path) -> None:
    """What a peer starts from: the weights, the batch, the learning rate and the threads."""
    weights = {weight.path: weight.numpy() for weight in trainer.separator.weights}
    rate = float(trainer.optimizer.learning_rate)
    np.savez(file, sources=sources, learning_rate=rate, threads=os.cpu_count(), **weights)


def arithmetic(separator: keras.Model, batch: int) -> float:
    """Floating-point operations that the convolutions of one step of the plain graph need.

    A kernel that trains costs its convolution once more, and once more does the share of its input
    channels that lead back to weights that train.
    """
    led_back: dict[int, int] = {}  # channels of a tensor that lead back to weights that train
    total = 0.0
    for layer in separator.layers[1:]:
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        leading = sum(led_back.get(id(one), 0) for one in inputs)
        trained = bool(layer.trainable_variables)
        if layer.weights:
            share = leading / sum(one.shape[-1] for one in inputs)
            total += 2.0 * batch * multiply_adds(layer) * (1 + trained + share)
            leading = layer.output.shape[-1] if trained or leading else 0
        led_back[id(layer.output)] = leading
    return total


def alternate(steps: dict[str, Step], runs: int) -> tuple[dict, dict, float]:
    """The first losses, after which all is compiled; the seconds of `runs` steps in turn, [runs] of
    the clock's and of the processor's; and the machine's convolution rate, the best of as many."""
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
    """Time every way that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--torch", help="an interpreter with PyTorch")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.torch and shutil.which(arguments.torch) is None:
        parser.error(f"--torch {arguments.torch}: no program")
    sources = np.random.default_rng(0).uniform(-0.5, 0.5, (arguments.batch, 16384, 2, 2))
    sources = sources.astype(np.float32)
    trainers = {PLAIN: plain_trainer(), **{name: trainer_of(*of) for name, of in OURS.items()}}
    operations = {
        name: arithmetic(trainer.separator, arguments.batch) for name, trainer in trainers.items()
    }
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        steps = {name: our_step(trainer, sources) for name, trainer in trainers.items()}
        if arguments.torch:
            write_start(trainers[PLAIN], sources, folder / "start.npz")
            for name, environment in PEERS.items():
                steps[name] = peer_step(arguments.torch, folder / "start.npz", environment, opened)
                operations[name] = operations[PLAIN]
        losses, times, rate = alternate(steps, arguments.runs)
    refuse_other_losses(losses)
    figures, ratios = figures_of(losses, times, operations), ratios_of(times)
    facts = machine("tensorflow", "keras")
    show(facts, rate, figures, ratios)
    if arguments.json:
        whole = {
            "machine": facts,
            "convolution_gflops": rate / 1e9,
            "batch": arguments.batch,
            "runs": arguments.runs,
            "figures": figures,
            "ratios": ratios,
        }
        arguments.json.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def refuse_other_losses(losses: dict[str, float]) -> None:
    """Stop where a peer's first loss is not that of the plain graph: it would not be the twin."""
    for name in ("U1", *PEERS):
        if name in losses and abs(losses[name] - losses[PLAIN]) > 1e-5 * losses[PLAIN]:
            raise SystemExit(f"{name}: first loss {losses[name]}, of {PLAIN} {losses[PLAIN]}")


def figures_of(losses: dict, times: dict, operations: dict) -> dict:
    """Of every way: medians, the shortest, the arithmetic and the first loss."""
    return {
        name: {
            "seconds": statistics.median(clock),
            "shortest": min(clock),
            "processor_seconds": statistics.median(processor),
            "gflop": operations[name] / 1e9,
            "first_loss": losses[name],
        }
        for name, (clock, processor) in times.items()
    }


def ratios_of(times: dict) -> dict:
    """Medians of ratios pair by pair, of the clock's seconds and of the processor's."""
    return {
        f"{one} / {other}": [
            statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
            for ours, theirs in zip(times[one], times[other], strict=True)
        ]
        for one, other in RATIOS
        if other in times
    }


def show(facts: dict, rate: float, figures: dict, ratios: dict) -> None:
    """One line per figure."""
    print(f"{facts['processor']}, {facts['cores']} cores, {' '.join(facts['instructions'])}")
    print(f"a large float32 convolution: {rate / 1e9:.0f} GFLOP/s")
    for name, figure in figures.items():
        print(
            f"{name}: {figure['seconds']:.3f} s a step (shortest {figure['shortest']:.3f}, of the "
            f"processor {figure['processor_seconds']:.3f}), {figure['gflop']:.1f} GFLOP, at most "
            f"{figure['gflop'] / figure['shortest']:.0f} GFLOP/s; "
            f"first loss {figure['first_loss']:.6f}"
        )
    for name, (clock, processor) in ratios.items():
        print(f"{name}: {clock:.3f} of the time, {processor:.3f} of the processor's")


if __name__ == "__main__":
    main()
