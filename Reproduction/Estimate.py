"""How long a plan will take, from what recorded runs of the same sizes took. Nothing is guessed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from Evaluation.Runs import Run
from Reproduction.Plan import NOT_COMPARED, SCORING, Need, completed, passes_of, plain
from Spec.Errors import DataError

# Entries that a step's time does not depend on, beside those that no score depends on.
NOT_FELT = ("learning_rates", "init", "init_deviation", "stage_start", "patience", "max_epochs")


@dataclass(frozen=True)
class Cost:
    """Seconds of one training: a step with its share of validation, and what comes on top, that
    is starting, testing and scoring. `whole` is False where only steps were measured."""

    step: float
    rest: float
    whole: bool = True


@dataclass(frozen=True)
class Estimate:
    """Seconds, and whether they are 'about', 'at most' or 'at least' that; None: not measured."""

    seconds: float | None
    bound: str = "about"

    def __str__(self) -> str:
        if self.seconds is None:
            return "not measured"
        sign = {"about": "", "at most": "at most ", "at least": "at least "}[self.bound]
        return sign + duration(self.seconds)


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def cost_key(entries: Mapping[str, Any]) -> str:
    """Equal for trainings whose steps take equally long on one machine."""
    left_out = (*NOT_COMPARED, *SCORING, *NOT_FELT)
    return json.dumps(
        {key: plain(value) for key, value in entries.items() if key not in left_out},
        sort_keys=True,
        default=str,
    )


def training_cost(run: Run) -> Cost | None:
    """What a recorded training took; None where its record has no times of two epochs, or has
    only its last part, after an interruption."""
    if run.result().get("resumed") is not None:
        return None
    try:
        metrics = json.loads(run.artifact("metrics.json"))  # a folder's; MongoDB keeps none so
        epochs = metrics["validation.loss"]
        steps, times = epochs["steps"], [moment(time) for time in epochs["timestamps"]]
        start, stop = moment(run.entry["start_time"]), moment(run.entry["stop_time"])
        step = (times[-1] - times[0]) / (steps[-1] - steps[0])
    except (DataError, ValueError, KeyError, TypeError, IndexError, ZeroDivisionError):
        return None
    before = max(0.0, times[0] - start - step * steps[0])
    return Cost(step, before + stop - times[-1])


def moment(value: Any) -> float:
    """A record's time, text in a folder and a datetime in MongoDB, in seconds."""
    return (value if isinstance(value, datetime) else datetime.fromisoformat(value)).timestamp()


def training_costs(runs: Sequence[Run], defaults: Mapping[str, Any]) -> dict[str, Cost]:
    """The recorded trainings' costs by `cost_key`, the median where there are several."""
    found: dict[str, list[Cost]] = {}
    for run in completed(runs, "training"):
        cost = training_cost(run)
        if cost is not None:
            found.setdefault(cost_key({**defaults, **run.cfg()}), []).append(cost)
    return {
        key: Cost(median(one.step for one in costs), median(one.rest for one in costs))
        for key, costs in found.items()
    }


def evaluation_costs(
    runs: Sequence[Run], defaults: Mapping[str, Any]
) -> dict[tuple[str, int], float]:
    """The recorded evaluations' seconds by `cost_key` and passes."""
    found: dict[tuple[str, int], list[float]] = {}
    for run in completed(runs, "evaluation"):
        key = (cost_key({**defaults, **run.cfg()}), passes_of(run))
        seconds = moment(run.entry["stop_time"]) - moment(run.entry["start_time"])
        found.setdefault(key, []).append(seconds)
    return {key: median(seconds) for key, seconds in found.items()}


def steps_of(entries: Mapping[str, Any]) -> tuple[int, str]:
    """The steps of a training as its config bounds them: at most, or at least where only early
    stopping ends its stages."""
    stages, limit = len(entries["batch_sizes"]), entries["max_epochs"]
    if limit is not None:
        exact = entries["patience"] >= limit
        return stages * limit * entries["epoch_steps"], "about" if exact else "at most"
    return stages * (entries["patience"] + 1) * entries["epoch_steps"], "at least"


def training_estimate(need: Need, costs: Mapping[str, Cost]) -> Estimate:
    """What a need's training will take."""
    cost = costs.get(cost_key(need.entries))
    if cost is None:
        return Estimate(None)
    steps, bound = steps_of(need.entries)
    return Estimate(cost.rest + steps * cost.step, bound if cost.whole else "at least")


def evaluation_estimate(need: Need, costs: Mapping[tuple[str, int], float]) -> Estimate:
    """What a need's evaluation will take."""
    return Estimate(costs.get((cost_key(need.entries), need.passes)))


def total(estimates: Sequence[Estimate], processes: int) -> str:
    """All estimates together, in `processes` at once, and how many are not in it."""
    known = [one for one in estimates if one.seconds is not None]
    missing = len(estimates) - len(known)
    if not known:
        return "no run of these sizes is recorded yet: --measure takes some steps of each"
    seconds = sum(one.seconds or 0 for one in known) / processes
    seconds = max(seconds, max(one.seconds or 0 for one in known))
    bounds = {one.bound for one in known} - {"about"}
    if missing:
        bounds.add("at least")
    bound = "about" if len(bounds) != 1 else bounds.pop()
    lacking = f", {missing} not measured among them (--measure)" if missing else ""
    return f"{bound} {duration(seconds)}{lacking}"
