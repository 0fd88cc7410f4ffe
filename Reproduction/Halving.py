"""How a budget of steps is shared among variants: all alike, or more and more for fewer.

Successive halving (Jamieson and Talwalkar 2016) as a table: every rung has an equal share of the
budget and trains its variants alike; the better half goes on. A training cannot go on from an
earlier one, so every rung trains from the start.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from Spec.Errors import ConfigError

ALL_AT_ONCE = 6  # up to so many variants, one rung trains them all
FINALISTS = 4  # halving ends where no more than so many are left


@dataclass(frozen=True)
class Rung:
    """How many variants train in it, and how many steps each."""

    variants: int
    steps: int


def rungs(variants: int, budget: int) -> tuple[Rung, ...]:
    """The rungs for `variants` and a `budget` of steps over all trainings together.

    The steps of all trainings are never more than the budget, and less only by what does not
    divide. Eleven variants and 3300 steps: 11 of 100, 6 of 183, 3 of 366.
    """
    counts = [variants]
    while counts[0] > ALL_AT_ONCE and counts[-1] > FINALISTS:
        counts.append((counts[-1] + 1) // 2)
    return tuple(Rung(count, budget // len(counts) // count) for count in counts)


def training_words(entries: Mapping[str, Any], steps: int) -> tuple[str, ...]:
    """The config entries that make a training take `steps`, less what its stages do not divide.

    All its stages are equally long and none stops early, so that all variants train equally long.
    Raises `ConfigError` where there is less than a step for a stage.
    """
    stages = len(entries["batch_sizes"])
    if steps < stages:
        raise ConfigError(
            f"the budget leaves {steps} steps for a training of {stages} stages: give a larger "
            f"--budget, which is the steps of all trainings together"
        )
    epochs = max(1, steps // (stages * entries["epoch_steps"]))
    return (
        f"cfg.epoch_steps={steps // (stages * epochs)}",
        f"cfg.max_epochs={epochs}",
        f"cfg.patience={epochs}",
    )
