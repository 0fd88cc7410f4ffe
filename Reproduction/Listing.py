"""A plan in words: a line for every needed score, and the time of all that has to run."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from Reproduction.Estimate import (
    Cost,
    Estimate,
    evaluation_estimate,
    total,
    training_estimate,
)
from Reproduction.Plan import Standing

HEADINGS = ("row", "config", "seed", "state", "time")
UNKNOWN_DATA = "the data is not here (yet): recorded runs are taken to have heard the same"


def listing(
    found: Sequence[Standing],
    costs: Mapping[str, Cost],
    evaluations: Mapping[tuple[str, int], float],
    processes: int,
) -> list[str]:
    """The lines of a plan; `costs` and `evaluations` are what such runs took."""
    rows, estimates = [HEADINGS], []
    for one, trains in first_of_each_training(found):
        own = [training_estimate(one.need, costs)] if trains else []
        if one.evaluates:
            own.append(evaluation_estimate(one.need, evaluations))
        estimates += own
        need = one.need
        config = "+".join([need.row.trained_as, *need.row.words])
        config += f", {need.passes} passes" if need.passes > 1 else ""
        rows.append((need.row.label, config, str(need.seed), state(one, trains), sum_of(own)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    if any(one.need.store is None for one in found):
        lines.append(UNKNOWN_DATA)
    if not estimates:
        return [*lines, f"all {len(found)} are there"]
    there = sum(one.scored is not None for one in found)
    to_train = sum(trains for _, trains in first_of_each_training(found))
    to_evaluate = sum(one.evaluates for one in found)
    return [
        *lines,
        f"{there} of {len(found)} are there; {to_train} to train, {to_evaluate} to evaluate; "
        f"time: {total(estimates, processes)}",
    ]


def sum_of(estimates: Sequence[Estimate]) -> str:
    """A row's estimates in one cell."""
    return " + ".join(dict.fromkeys(map(str, estimates)))


def first_of_each_training(found: Iterable[Standing]) -> Iterator[tuple[Standing, bool]]:
    """Standings, and whether their training has to run and none before has the same."""
    before = set()
    for one in found:
        yield one, one.trains and one.need.key not in before
        if one.trains:
            before.add(one.need.key)


def state(one: Standing, trains: bool) -> str:
    """Where a need stands, in words."""
    remark = f" ({one.remark})" if one.remark else ""
    if one.scored is not None:
        return f"there: run {one.scored.run_id}{remark}"
    if trains:
        return f"to train{', then to evaluate' if one.evaluates else ''}{remark}"
    if one.trains:
        return f"to evaluate after it{remark}" if one.evaluates else "comes with that training"
    return f"to evaluate, trained in run {one.trained.run_id if one.trained else '?'}{remark}"
