"""Which recorded runs count, and which do not, against records made by hand."""

import json

import pytest

from Config import DEFAULTS
from Evaluation.Runs import read_runs
from Reproduction.Needs import is_prepared, needs
from Reproduction.Plan import Need, completed, disagreeing_data, standings, weights_here
from Reproduction.Targets import row
from tests.Reproduction.recorded import record, weights

ENTRIES = {**DEFAULTS, "dataset": "demo", "num_filters": 4}
STORE = "demo-22050Hz-0123456789ab"


def need(label="U1", seed=1, passes=1, store=STORE, **changed):
    """What a row needs."""
    return Need(row(label), seed, (), (), {**ENTRIES, **changed}, passes, store)


def stand(tmp_path, *wanted):
    """Where needs stand, given what is below `tmp_path`."""
    runs, notes = read_runs(tmp_path / "runs")
    assert not notes
    return standings(wanted, runs, DEFAULTS, weights_here)


@pytest.fixture
def run(tmp_path):
    """Record a training or evaluation that would count, with `changes`."""

    def made(run_id, *, trained=None, cfg=None, **changes):
        result = {"store": STORE, **changes.pop("result", {})}
        if changes.get("experiment") == "evaluation":
            result |= {"subset": "test", **result}
        else:
            result |= weights(tmp_path / "experiments" / str(run_id), str(run_id))
        record(tmp_path / "runs", run_id, cfg={**ENTRIES, **(cfg or {})}, result=result, **changes)
        return result["weights_sha256"]

    return made


def test_nothing_recorded_is_to_train(tmp_path):
    (tmp_path / "runs").mkdir()
    (one,) = stand(tmp_path, need())
    assert one.trains
    assert not one.evaluates
    (one,) = stand(tmp_path, need("U4_2", passes=2))
    assert one.trains
    assert one.evaluates


def test_a_training_that_is_equal_counts(tmp_path, run):
    run(5)
    (one,) = stand(tmp_path, need())
    assert one.scored.run_id == "5"
    assert one.weights == tmp_path / "experiments" / "5" / "best.safetensors"
    assert not one.trains
    assert not one.evaluates


@pytest.mark.parametrize("status", ["RUNNING", "INTERRUPTED", "FAILED"])
def test_a_training_that_was_not_completed_does_not(tmp_path, run, status):
    run(5, status=status)
    (one,) = stand(tmp_path, need())
    assert one.trains
    silent = one.remark.startswith("run 5: RUNNING since 2026-11-20 14:00 UTC, no heartbeat for ")
    assert silent == (status == "RUNNING")


@pytest.mark.parametrize(
    "cfg",
    [
        {"demo_path": "/elsewhere", "store_path": "/elsewhere", "output_path": "/elsewhere"},
        {"num_workers": 9, "eval_batch_size": 1, "save_estimates": True},
        {"identity_weight": 0},  # 0.0 in the config
        {"__doc__": "a row"},
    ],
)
def test_paths_and_the_machines_own_settings_are_not_compared(tmp_path, run, cfg):
    run(5, cfg=cfg)
    assert stand(tmp_path, need())[0].scored


@pytest.mark.parametrize(
    "cfg",
    [
        {"frozen": ["encoder", "skip"]},
        {"epoch_steps": 7},
        {"learning_rates": [1e-4, 1e-5, 2e-6]},
        {"dataset": "musdb18"},
        {"num_validation_songs": 3},
    ],
)
def test_all_else_is(tmp_path, run, cfg):
    run(5, cfg=cfg)
    assert stand(tmp_path, need())[0].trains


def test_another_seed_or_other_data_do_not_count(tmp_path, run):
    run(5, seed=2)
    run(6, result={"store": "demo-22050Hz-ffffffffffff"})
    assert stand(tmp_path, need())[0].trains


def test_where_either_side_does_not_name_the_data_it_is_taken_on_trust(tmp_path, run):
    run(5, result={"store": None})
    assert stand(tmp_path, need())[0].scored
    run(6, seed=3)
    assert stand(tmp_path, need(seed=3, store=None))[0].scored


def test_rows_on_different_data_disagree(tmp_path, run):
    run(5)
    run(6, cfg={"frozen": ["encoder"]}, result={"store": "demo-22050Hz-ffffffffffff"})
    wanted = need(store=None), need("J1", store=None, frozen=["encoder"])
    assert disagreeing_data(stand(tmp_path, *wanted)) == [STORE, "demo-22050Hz-ffffffffffff"]
    assert disagreeing_data(stand(tmp_path, wanted[0])) == []


def test_an_older_record_without_a_later_entry_has_its_default(tmp_path, run):
    run(5)
    path = tmp_path / "runs" / "5" / "config.json"
    config = json.loads(path.read_text())
    del config["cfg"]["stage_start"]
    path.write_text(json.dumps(config))
    assert stand(tmp_path, need())[0].scored
    assert stand(tmp_path, need(stage_start="best"))[0].trains


def test_an_evaluation_counts_by_its_weights_and_passes(tmp_path, run):
    sha256 = run(5)
    (one, two) = stand(tmp_path, need("U1"), need("U1_2", passes=2))
    assert one.scored
    assert two.evaluates
    assert not two.trains
    run(6, experiment="evaluation", cfg={"passes": 3}, result={"weights_sha256": sha256})
    run(7, experiment="evaluation", cfg={"passes": 2}, result={"weights_sha256": "others"})
    valid = {"weights_sha256": sha256, "subset": "valid"}
    run(8, experiment="evaluation", cfg={"passes": 2}, result=valid)
    assert stand(tmp_path, need("U1_2", passes=2))[0].evaluates
    # Of what trained the weights, an evaluation's own config says nothing.
    right = {"weights_sha256": sha256}
    run(9, experiment="evaluation", cfg={"passes": 2, "epoch_steps": 9}, result=right)
    assert stand(tmp_path, need("U1_2", passes=2))[0].scored.run_id == "9"


def test_a_score_needs_no_weights_but_an_evaluation_does(tmp_path, run):
    run(5)
    (tmp_path / "experiments" / "5" / "best.safetensors").unlink()
    one, two = stand(tmp_path, need("U1"), need("U1_2", passes=2))
    assert one.scored
    assert two.trains
    assert two.evaluates
    assert "are not on this machine" in two.remark


def test_weights_that_are_others_now_are_not_taken(tmp_path, run):
    run(5)
    weights(tmp_path / "experiments" / "5", "other weights")
    assert stand(tmp_path, need("U1_2", passes=2))[0].trains


def test_of_several_trainings_the_one_that_serves_most_is_taken_for_all(tmp_path, run):
    sha256 = run(5, minutes=0)
    run(6, minutes=5)
    wanted = need("U1"), need("U1_2", passes=2)
    assert {one.trained.run_id for one in stand(tmp_path, *wanted)} == {"6"}
    right = {"weights_sha256": sha256}
    run(7, experiment="evaluation", cfg={"passes": 2}, result=right, minutes=9)
    first, second = stand(tmp_path, *wanted)
    assert (first.scored.run_id, second.scored.run_id) == ("5", "7")


def test_a_run_in_two_records_is_one(tmp_path, run):
    run(5)
    runs, _ = read_runs(tmp_path / "runs")
    assert len(completed([*runs, *runs], "training")) == 1


def test_needs_are_rows_by_seeds_with_the_words_of_each(tmp_path):
    asked = []

    def resolve(words):
        asked.append(" ".join(words))
        return {**ENTRIES, "passes": 2 if "U4_2" in words[0] else 1, "demo_path": str(tmp_path)}

    found = needs([row("U4_2")], ("cfg.demo",), (1, 2), resolve)
    assert [one.name for one in found] == ["U4_2 seed 1", "U4_2 seed 2"]
    assert asked == ["cfg.U4 cfg.demo", "cfg.U4_2 cfg.demo"]
    assert (found[0].words, found[0].passes) == (("cfg.U4", "cfg.demo"), 2)
    assert found[0].training_name == "U4 seed 1"
    # The demo songs are not here, and looking does not generate them.
    assert found[0].store is None
    assert not list(tmp_path.iterdir())


def test_the_name_of_the_data_is_the_stores(tiny, tiny_store):
    (one,) = needs([row("U1")], (), (1,), lambda words: tiny)
    assert one.store == tiny_store.folder.name
    assert is_prepared(one)
