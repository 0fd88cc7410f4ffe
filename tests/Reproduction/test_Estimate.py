"""Times from recorded runs, against what their records say."""

import pytest

from Config import DEFAULTS
from Evaluation.Runs import read_runs
from Reproduction.Estimate import (
    Cost,
    Estimate,
    cost_key,
    duration,
    evaluation_costs,
    evaluation_estimate,
    steps_of,
    total,
    training_costs,
    training_estimate,
)
from Reproduction.Plan import Need
from Reproduction.Targets import row
from tests.Reproduction.recorded import record

ENTRIES = {**DEFAULTS, "batch_sizes": [8, 8], "epoch_steps": 10, "max_epochs": 2, "patience": 2}


def need(**changed):
    return Need(row("U1"), 1, (), (), {**ENTRIES, **changed}, 1, None)


def test_a_training_took_its_steps_and_the_rest(tmp_path):
    """Epochs over after 30, 35 and 40 s of 10 steps each: 0.5 s a step; 25 s to start, 60 s to
    test and score, of 100 s in all."""
    record(tmp_path, 1, cfg=ENTRIES, epochs=[(30, 10), (35, 20), (40, 30)])
    runs, _ = read_runs(tmp_path)
    costs = training_costs(runs, DEFAULTS)
    assert costs == {cost_key(ENTRIES): Cost(0.5, 85)}
    assert training_estimate(need(), costs) == Estimate(85 + 40 * 0.5, "about")
    assert training_estimate(need(max_epochs=4), costs) == Estimate(85 + 80 * 0.5, "at most")
    for changed in ({"frozen": ["encoder"]}, {"num_initial_filters": 9}, {"epoch_steps": 9}):
        assert training_estimate(need(**changed), costs).seconds is None
    assert training_estimate(need(learning_rates=[1.0, 1.0], init="normal"), costs).seconds


def test_an_evaluation_took_its_whole_time(tmp_path):
    record(tmp_path, 1, "evaluation", cfg=ENTRIES)
    runs, _ = read_runs(tmp_path)
    costs = evaluation_costs(runs, DEFAULTS)
    assert evaluation_estimate(need(), costs) == Estimate(100)
    assert str(evaluation_estimate(need(num_layers=2), costs)) == "not measured"


def test_a_record_without_times_says_nothing(tmp_path):
    record(tmp_path, 1, cfg=ENTRIES)
    record(tmp_path, 2, cfg=ENTRIES, epochs=[(30, 10)])
    (record(tmp_path, 3, cfg=ENTRIES) / "metrics.json").unlink()
    # The end of a training that had been interrupted: its first epochs' times are not their own.
    epochs = [(30, 10), (30, 20), (40, 30)]
    record(tmp_path, 4, cfg=ENTRIES, epochs=epochs, result={"resumed": 2})
    runs, _ = read_runs(tmp_path)
    assert training_costs(runs, DEFAULTS) == {}


def test_without_a_limit_of_epochs_patience_bounds_the_steps_from_below():
    assert steps_of({**ENTRIES, "max_epochs": None}) == (2 * 3 * 10, "at least")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (119, "119 s"), (120, "2.0 min"), (1e5, "27.8 h")]
)
def test_durations_are_said_as_a_person_would(seconds, said):
    assert duration(seconds) == said


def test_the_total_says_what_is_not_in_it():
    known = [Estimate(100), Estimate(50, "at most")]
    assert total(known, 1) == "at most 2.5 min"
    assert total(known, 2) == "at most 100 s"
    assert (
        total([*known, Estimate(None)], 1) == "about 2.5 min, 1 not measured among them (--measure)"
    )
    assert "--measure" in total([Estimate(None)], 1)
