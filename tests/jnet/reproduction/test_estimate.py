"""Compare estimated times with the durations in recorded runs."""

import json

from Config import DEFAULTS
from jnet.recording.runs import read_runs
from jnet.reproduction.estimate import describe_plan, describe_time, find_durations, make_size_key
from jnet.reproduction.plan import find_statuses
from jnet.reproduction.requirements import list_requirements
from jnet.reproduction.targets import list_rows
from tests.jnet.reproduction.recorded import write_run

ENTRIES = {**DEFAULTS, "batch_sizes": [8, 8], "epoch_steps": 10, "max_epochs": 2, "patience": 2}


def test_the_estimate_is_the_median_duration_of_runs_of_the_same_size(tmp_path):
    for run_id, seconds in enumerate((100, 110, 500)):
        write_run(tmp_path, run_id, cfg=ENTRIES, seconds=seconds)
    write_run(tmp_path, 7, "evaluation", cfg=ENTRIES, seconds=9)
    durations = find_durations(read_runs(tmp_path)[0])
    assert durations == {
        make_size_key("training", ENTRIES): 110,
        make_size_key("evaluation", ENTRIES): 9,
    }
    other_sizes = ({"frozen": ["encoder"]}, {"num_initial_filters": 9}, {"epoch_steps": 9})
    for changed in (*other_sizes, {"max_epochs": 4}, {"passes": 2}, {"scorer": "museval"}):
        assert make_size_key("training", {**ENTRIES, **changed}) not in durations
    same_size = {"learning_rates": [1.0, 1.0], "init": "normal", "store_path": "/elsewhere"}
    assert make_size_key("training", {**ENTRIES, **same_size}) in durations


def test_a_plan_lists_the_times_of_rows_and_their_sum():
    def resolve(words):
        passes = 2 if words == ("cfg.U4_2",) else 1
        return {**ENTRIES, "learning_rates": [1e-3, 1e-4], "passes": passes}

    rows = list_rows("table3")[:2]  # U4 with one and with two passes
    requirements = list_requirements(rows, (), (1,), resolve)
    durations = {
        make_size_key("training", ENTRIES): 115,
        make_size_key("evaluation", {**ENTRIES, "passes": 2}): 9,
    }
    lines = describe_plan(find_statuses(requirements, []), durations)
    first, second = (" ".join(line.split()) for line in lines[1:3])
    assert first == "U4_1 U4 1 needs training 115 seconds"
    assert second == "U4_2 U4, 2 passes 1 needs evaluation 9 seconds"
    assert lines[-1] == "0 of 2 are recorded; 1 to train, 1 to evaluate; time: 2 minutes"


def test_a_record_without_its_complete_duration_is_ignored(tmp_path):
    # The last part of an interrupted training.
    write_run(tmp_path, 1, cfg=ENTRIES, result={"resumed": 2})
    path = write_run(tmp_path, 2, cfg=ENTRIES) / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "stop_time": None}))
    assert find_durations(read_runs(tmp_path)[0]) == {}


def test_the_total_counts_unknown_durations():
    assert describe_time([100, 50]) == "2 minutes"
    assert describe_time([100, None, None]) == "100 seconds, 2 unknown"
    assert describe_time([None]) == "unknown"
