"""How long a training's steps take on this machine: `python -m Reproduction.Measure`, on its own.

Reads the `cfg` entries and the seed as JSON from standard input and writes the seconds of a step,
the stages' mean, to standard output. It steps on noise, so it needs no music and leaves nothing.
"""

import json
import sys
import time

from Spec.Run import Specs, specs
from Spec.Shapes import input_frames, output_frames

WARM_UP, STEPS = 2, 5  # the first steps trace and compile


def seconds_per_step(run: Specs) -> float:
    """A training step's seconds, the mean over the stages."""
    from Engine.Steps import Steps
    from Engine.Trainer import compiled_trainer

    steps = Steps(compiled_trainer(run.model, run.training))
    sizes = [stage.batch_size for stage in run.training.stages]
    seconds = {size: step_seconds(steps, run, size) for size in set(sizes)}
    return sum(seconds[size] for size in sizes) / len(sizes)


def step_seconds(steps, run: Specs, batch_size: int) -> float:
    """The seconds of a step with one batch size."""
    import numpy as np

    model, random = run.model, np.random.default_rng(run.training.seed)
    mix = random.normal(0, 0.1, (batch_size, input_frames(model), model.num_channels))
    sources = random.normal(
        0, 0.1, (batch_size, output_frames(model), len(model.sources), model.num_channels)
    )
    mix, sources = mix.astype(np.float32), sources.astype(np.float32)
    for number in range(WARM_UP):
        steps.take_batch(mix, sources, number)
    steps.failed_step()  # waits
    start = time.perf_counter()
    for number in range(STEPS):
        steps.take_batch(mix, sources, number)
    steps.failed_step()
    return (time.perf_counter() - start) / STEPS


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    print(json.dumps(seconds_per_step(specs(asked["entries"], asked["seed"]))))
