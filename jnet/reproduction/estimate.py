"""The plan as text: one line per required score, and the estimated time of the missing runs.

Times are the recorded durations of runs of the same sizes, added up as if run one after another.
Without a recorded run the time is unknown.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from statistics import median
from typing import Any

from tabulate import tabulate

from jnet.recording.runs import Run, format_seconds
from jnet.reproduction.plan import Status, list_trainings, select_runs
from jnet.reproduction.requirements import make_entries_key
from Models.Entries import SCORES, SHAPE, SPEED, WEIGHTS

# Config entries that affect the weights, but not the duration of a run.
ENTRIES_WITHOUT_DURATION = ("learning_rates", "init", "init_deviation", "stage_start")
HEADINGS = ("row", "config", "seed", "state", "time")
UNKNOWN_DATA = "the data is not on this machine yet: recorded runs are assumed to have used it"


def make_size_key(experiment: str, entries: Mapping[str, Any]) -> str:
    """Return a key that is equal for runs of one experiment that take equally long."""
    key = make_entries_key(entries, SHAPE, WEIGHTS, SCORES, SPEED, without=ENTRIES_WITHOUT_DURATION)
    return f"{experiment} {key}"


def find_durations(runs: Sequence[Run]) -> dict[str, float]:
    """Return the median duration in seconds of the completed runs of each `make_size_key`."""
    times: dict[str, list[float]] = defaultdict(list)
    for experiment in ("training", "evaluation"):
        for run in select_runs(runs, experiment):
            if (seconds := read_duration(run)) is not None:
                times[make_size_key(experiment, run.cfg())].append(seconds)
    return {key: median(seconds) for key, seconds in times.items()}


def read_duration(run: Run) -> float | None:
    """Return the duration of a recorded run in seconds.

    None if the record has no times, and for a resumed run, whose times cover only its last part.
    """
    if run.result().get("resumed") is not None:
        return None
    try:
        start, stop = (
            datetime.fromisoformat(str(run.entry.get(key))) for key in ("start_time", "stop_time")
        )
    except ValueError:
        return None
    return (stop - start).total_seconds()


def describe_plan(statuses: Sequence[Status], durations: Mapping[str, float]) -> list[str]:
    """Return the lines of the plan: each score with its missing runs and their time.

    `durations` has seconds by `make_size_key`.
    """
    trainings = list_trainings(statuses)
    rows, times = [], []
    for status in statuses:
        requirement = status.requirement
        work = {"training": requirement.training} if requirement in trainings else {}
        if status.needs_evaluation:
            work["evaluation"] = requirement.scoring
        row_times = [durations.get(make_size_key(*item)) for item in work.items()]
        times += row_times
        if status.scored is not None:
            state = f"recorded: run {status.scored.run_id}"
        else:
            state = f"needs {' and '.join(work) or 'the same training'}"
        passes = requirement.scoring["passes"]
        config = requirement.row.training_name + (f", {passes} passes" if passes > 1 else "")
        state, time = status.add_remark(state), describe_time(row_times) if row_times else ""
        rows.append((requirement.row.label, config, str(requirement.seed), state, time))
    table = tabulate(rows, HEADINGS, "plain", disable_numparse=True)
    lines = [line.rstrip() for line in table.splitlines()]
    if any(status.requirement.store is None for status in statuses):
        lines.append(UNKNOWN_DATA)
    if not times:
        return [*lines, f"all {len(statuses)} are recorded"]
    recorded = sum(status.scored is not None for status in statuses)
    to_run = f"{len(trainings)} to train, {len(times) - len(trainings)} to evaluate"
    done = f"{recorded} of {len(statuses)} are recorded"
    return [*lines, f"{done}; {to_run}; time: {describe_time(times)}"]


def describe_time(times: Sequence[float | None]) -> str:
    """Return the sum of the known durations as text, and the number of unknown ones."""
    known = [seconds for seconds in times if seconds is not None]
    if not known:
        return "unknown"
    unknown = len(times) - len(known)
    return format_seconds(sum(known)) + (f", {unknown} unknown" if unknown else "")
