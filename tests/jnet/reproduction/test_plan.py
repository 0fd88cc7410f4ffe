"""Recorded runs that count for a requirement, and runs that do not."""

import json

import pytest

from Config import DEFAULTS
from jnet.recording.runs import add_defaults, read_runs
from jnet.reproduction.plan import (
    find_disagreeing_data,
    find_statuses,
    list_trainings,
    select_runs,
)
from jnet.reproduction.requirements import Requirement, list_requirements
from jnet.reproduction.targets import make_row
from jnet.settings.run import make_run_settings
from tests.jnet.reproduction.recorded import write_run, write_weights

ENTRIES = {**DEFAULTS, "dataset": "demo", "num_filters": 4}
STORE = "demo-22050Hz-0123456789ab"


def make_requirement(label="U1", seed=1, passes=1, store=STORE, ancestor=None, **changed):
    """Return the requirement of a row."""
    entries = {**ENTRIES, **changed}
    data = make_run_settings(entries, seed).data
    scoring = {**entries, "passes": passes}
    return Requirement(make_row(label), seed, (), (), entries, scoring, data, store, ancestor)


def find(tmp_path, *requirements):
    """Return the statuses of requirements for the records in `tmp_path`."""
    runs, notes = read_runs(tmp_path / "runs")
    assert not notes
    return find_statuses(requirements, [add_defaults(run, DEFAULTS) for run in runs])


@pytest.fixture
def record(tmp_path):
    """Return a function that records a completed run with `changes` and returns its SHA-256."""

    def record_run(run_id, *, trained=None, cfg=None, **changes):
        result = {"store": STORE, **changes.pop("result", {})}
        if changes.get("experiment") == "evaluation":
            result |= {"subset": "test", **result}
        else:
            result |= write_weights(tmp_path / "experiments" / str(run_id), str(run_id))
        write_run(
            tmp_path / "runs", run_id, cfg={**ENTRIES, **(cfg or {})}, result=result, **changes
        )
        return result["weights_sha256"]

    return record_run


def test_without_records_the_model_must_be_trained(tmp_path):
    (tmp_path / "runs").mkdir()
    (status,) = find(tmp_path, make_requirement())
    assert status.needs_training
    assert not status.needs_evaluation
    (status,) = find(tmp_path, make_requirement("U4_2", passes=2))
    assert status.needs_training
    assert status.needs_evaluation


def test_an_equal_training_counts(tmp_path, record):
    record(5)
    (status,) = find(tmp_path, make_requirement())
    assert status.scored.run_id == "5"
    assert status.weights == tmp_path / "experiments" / "5" / "best.safetensors"
    assert not status.needs_training
    assert not status.needs_evaluation


def test_a_training_counts_only_with_the_same_weights_at_its_start(tmp_path, record):
    record(5, cfg={"init_from": "w.safetensors"}, result={"ancestor": "one"})
    changed = {"init_from": "w.safetensors"}
    assert find(tmp_path, make_requirement())[0].needs_training
    assert find(tmp_path, make_requirement(ancestor="two", **changed))[0].needs_training
    (status,) = find(tmp_path, make_requirement(ancestor="one", **changed))
    assert status.trained.run_id == "5"


@pytest.mark.parametrize("run_status", ["RUNNING", "INTERRUPTED", "FAILED"])
def test_a_training_that_was_not_completed_does_not_count(tmp_path, record, run_status):
    record(5, status=run_status)
    (status,) = find(tmp_path, make_requirement())
    assert status.needs_training
    without_heartbeat = status.remark.startswith(
        "run 5: RUNNING since 2026-11-20 14:00 UTC, no heartbeat for "
    )
    assert without_heartbeat == (run_status == "RUNNING")


@pytest.mark.parametrize(
    "cfg",
    [
        {"demo_path": "/elsewhere", "store_path": "/elsewhere", "output_path": "/elsewhere"},
        {"num_workers": 9, "eval_batch_size": 1, "save_estimates": True},
        {"scorer": "museval", "computation": "plain", "deterministic": True},
        {"identity_weight": 0},  # 0.0 in the config
        {"__doc__": "a row"},
    ],
)
def test_paths_and_settings_of_the_machine_are_not_compared(tmp_path, record, cfg):
    record(5, cfg=cfg)
    assert find(tmp_path, make_requirement())[0].scored


@pytest.mark.parametrize(
    "cfg",
    [
        {"frozen": ["encoder", "skip"]},
        {"epoch_steps": 7},
        {"learning_rates": [1e-4, 1e-5, 2e-6]},
        {"dataset": "musdb18"},
        {"num_validation_tracks": 3},
    ],
)
def test_all_other_entries_are_compared(tmp_path, record, cfg):
    record(5, cfg=cfg)
    assert find(tmp_path, make_requirement())[0].needs_training


def test_trainings_with_another_seed_or_other_data_do_not_count(tmp_path, record):
    record(5, seed=2)
    record(6, result={"store": "demo-22050Hz-ffffffffffff"})
    assert find(tmp_path, make_requirement())[0].needs_training


def test_unknown_data_is_assumed_to_be_the_same(tmp_path, record):
    record(5, result={"store": None})
    assert find(tmp_path, make_requirement())[0].scored
    record(6, seed=3)
    assert find(tmp_path, make_requirement(seed=3, store=None))[0].scored


def test_rows_with_different_data_are_reported(tmp_path, record):
    record(5)
    record(6, cfg={"frozen": ["encoder"]}, result={"store": "demo-22050Hz-ffffffffffff"})
    wanted = make_requirement(store=None), make_requirement("J1", store=None, frozen=["encoder"])
    assert find_disagreeing_data(find(tmp_path, *wanted)) == [STORE, "demo-22050Hz-ffffffffffff"]
    assert find_disagreeing_data(find(tmp_path, wanted[0])) == []


def test_a_record_without_a_newer_entry_has_its_default(tmp_path, record):
    record(5)
    path = tmp_path / "runs" / "5" / "config.json"
    config = json.loads(path.read_text())
    del config["cfg"]["stage_start"]
    path.write_text(json.dumps(config))
    assert find(tmp_path, make_requirement())[0].scored
    assert find(tmp_path, make_requirement(stage_start="best"))[0].needs_training


def test_an_evaluation_counts_for_its_weights_and_passes(tmp_path, record):
    sha256 = record(5)
    first, second = find(tmp_path, make_requirement("U1"), make_requirement("U1_2", passes=2))
    assert first.scored
    assert second.needs_evaluation
    assert not second.needs_training
    record(6, experiment="evaluation", cfg={"passes": 3}, result={"weights_sha256": sha256})
    record(7, experiment="evaluation", cfg={"passes": 2}, result={"weights_sha256": "others"})
    valid = {"weights_sha256": sha256, "subset": "valid"}
    record(8, experiment="evaluation", cfg={"passes": 2}, result=valid)
    assert find(tmp_path, make_requirement("U1_2", passes=2))[0].needs_evaluation
    # The training entries in the config of an evaluation are not compared.
    result = {"weights_sha256": sha256}
    record(9, experiment="evaluation", cfg={"passes": 2, "epoch_steps": 9}, result=result)
    assert find(tmp_path, make_requirement("U1_2", passes=2))[0].scored.run_id == "9"


def test_scores_of_whole_tracks_do_not_count_for_a_row_of_segments(tmp_path, record):
    """`cfg.whole_track` affects scores but not weights, so that only evaluations must run."""
    result = {"weights_sha256": record(5)}
    (status,) = find(tmp_path, make_requirement(whole_track=True))
    assert status.needs_evaluation
    assert not status.needs_training
    cfg = {"passes": 2, "whole_track": True}
    record(6, experiment="evaluation", cfg=cfg, result=result, minutes=9)
    (status,) = find(tmp_path, make_requirement("U1_2", passes=2))
    assert status.needs_evaluation
    (status,) = find(tmp_path, make_requirement("U1_2", passes=2, whole_track=True))
    assert status.scored.run_id == "6"
    record(7, cfg={"whole_track": True, "frozen": ["encoder"]})
    assert find(tmp_path, make_requirement("J1", frozen=["encoder"]))[0].needs_evaluation


def test_a_record_of_version_0_1_0_is_read_with_the_current_names(tmp_path, record):
    record(5, cfg={"num_validation_tracks": 2})
    record(6, cfg={"num_validation_tracks": 2}, seed=2)
    for run_id, whole_song in (("5", False), ("6", True)):
        path = tmp_path / "runs" / run_id / "config.json"
        config = json.loads(path.read_text())
        cfg = config["cfg"]
        del cfg["whole_track"]
        cfg |= {"whole_song": whole_song, "num_validation_songs": cfg.pop("num_validation_tracks")}
        path.write_text(json.dumps(config))
    wanted = (
        make_requirement(num_validation_tracks=2),
        make_requirement(num_validation_tracks=2, seed=2),
    )
    first, second = find(tmp_path, *wanted)
    assert first.scored
    assert second.needs_evaluation  # it scored whole tracks
    assert not second.needs_training
    assert find(tmp_path, make_requirement(num_validation_tracks=3))[0].needs_training


def test_missing_weights_prevent_evaluations_but_not_the_use_of_scores(tmp_path, record):
    record(5)
    (tmp_path / "experiments" / "5" / "best.safetensors").unlink()
    first, second = find(tmp_path, make_requirement("U1"), make_requirement("U1_2", passes=2))
    assert first.scored
    assert second.needs_training
    assert second.needs_evaluation
    assert "are not on this machine" in second.remark


def test_weights_that_have_changed_are_not_used(tmp_path, record):
    record(5)
    write_weights(tmp_path / "experiments" / "5", "other weights")
    assert find(tmp_path, make_requirement("U1_2", passes=2))[0].needs_training


def test_the_training_with_scores_for_the_most_rows_is_used_for_all(tmp_path, record):
    sha256 = record(5, minutes=0)
    record(6, minutes=5)
    wanted = make_requirement("U1"), make_requirement("U1_2", passes=2)
    assert {status.trained.run_id for status in find(tmp_path, *wanted)} == {"6"}
    result = {"weights_sha256": sha256}
    record(7, experiment="evaluation", cfg={"passes": 2}, result=result, minutes=9)
    first, second = find(tmp_path, *wanted)
    assert (first.scored.run_id, second.scored.run_id) == ("5", "7")


def test_a_shared_training_is_listed_once(tmp_path):
    (tmp_path / "runs").mkdir()
    wanted = make_requirement("U1"), make_requirement("U1_2", passes=2), make_requirement(seed=2)
    assert list_trainings(find(tmp_path, *wanted)) == [wanted[0], wanted[2]]


def test_a_run_in_two_records_counts_once(tmp_path, record):
    record(5)
    runs, _ = read_runs(tmp_path / "runs")
    assert len(select_runs([*runs, *runs], "training")) == 1


def test_every_row_and_seed_is_a_requirement_with_its_words(tmp_path):
    resolved = []

    def resolve(words):
        resolved.append(" ".join(words))
        return {**ENTRIES, "passes": 2 if "U4_2" in words[0] else 1, "demo_path": str(tmp_path)}

    requirements = list_requirements([make_row("U4_2")], ("cfg.demo",), (1, 2), resolve)
    assert [requirement.name for requirement in requirements] == ["U4_2 seed 1", "U4_2 seed 2"]
    assert resolved == ["cfg.U4 cfg.demo", "cfg.U4_2 cfg.demo"]
    assert requirements[1].training_words == ("cfg.U4", "cfg.demo", "seed=2")
    assert requirements[0].scoring["passes"] == 2
    assert requirements[0].training_name == "U4 seed 1"
    # The demo tracks do not exist, and listing requirements does not generate them.
    assert requirements[0].store is None
    assert not list(tmp_path.iterdir())


def test_a_requirement_has_the_name_of_the_store(tiny, tiny_store):
    (requirement,) = list_requirements([make_row("U1")], (), (1,), lambda words: tiny)
    assert requirement.store == tiny_store.folder.name
    assert requirement.is_prepared()
