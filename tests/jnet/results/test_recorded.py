"""Read runs from records: some written by the tests, one by Sacred in a folder and in MongoDB."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from Config import DEFAULTS, config_ingredient
from jnet.errors import DataError, RecordError
from jnet.recording import mongo as Mongo
from jnet.recording.experiment import ROOT, JNetExperiment
from jnet.recording.mongo_copy import MongoCopy
from jnet.recording.runs import format_seconds, read_mongo, read_run, read_runs
from jnet.reproduction.plan import find_statuses
from jnet.reproduction.requirements import Requirement
from jnet.reproduction.targets import Row
from jnet.results.recorded import read_sources
from jnet.results.result import select_complete
from jnet.settings.run import make_run_settings
from tests.jnet.recording.mongod import PASSWORD
from tests.jnet.reports.written import SHA, museval, record, write

# Entries that do not change scores beyond rounding.
ENTRIES_WITHOUT_EFFECT = {"checkpoint_minutes": 5, "deterministic": True, "scorer": "museval"}
SCORES = {"One": [1.0, 2.0], "Two": [3.0]}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("sacred")


@pytest.fixture(scope="module")
def run(mongod, place):
    """Record a run with Sacred in a folder and in MongoDB; its scores are given."""
    ex = JNetExperiment("training", str(ROOT / "Training.py"), ingredients=[config_ingredient])
    manifest = place / "best.json"
    manifest.write_text(json.dumps({"model": {"seed": 7}}))

    @ex.main
    def score(_run):
        _run.add_artifact(str(manifest), "best.json")
        for name, values in SCORES.items():
            path = place / f"{name}.json"
            path.write_text(json.dumps(museval(values)))
            _run.add_artifact(str(path), f"museval test {name}.json")
        return {"weights_sha256": SHA, "scores": {"vocals": {"tracks": 2}}}

    return ex.run(
        named_configs=["cfg.U4", "cfg.demo"],
        config_updates={"cfg": {"num_layers": 4, "num_workers": 1}, "seed": 7},
        options={
            "--file_storage": str(place / "runs"),
            "--mongo_db": f"{mongod.address}:records",
            "--name": "a name that hides no run",
        },
    )


def list_sources(mongod, place):
    """Return the sources that contain the run."""
    return [
        *(str(place / "runs"), f"{mongod.address}:records", mongod.url("records")),
        f"{mongod.address}:pushed_records",
    ]


@pytest.fixture(scope="module")
def pushed(run, mongod, place):
    """Push the run from its folder into another MongoDB database."""
    recorded = read_run(place / "runs" / str(run._id), complete=True)
    assert MongoCopy(mongod.client["pushed_records"]).update(recorded) == ("pushed", [])


@pytest.mark.usefixtures("pushed")
@pytest.mark.parametrize("index", range(4))
def test_a_run_is_the_same_from_its_folder_and_from_mongodb(run, mongod, place, index):
    sources = read_sources([list_sources(mongod, place)[index]])
    (result,) = sources.results
    assert sources.left_out == ()
    assert (result.label, result.seed, result.run_id) == (
        *("U4_1, changed: num_layers=4", 7, str(run._id)),
    )
    assert result.notes == ("demo sizes (cfg.demo)", "changed num_layers=4")
    assert result.weights == SHA
    assert result.commit is None or len(result.commit.removesuffix("-dirty")) == 40
    assert [track.name for track in result.tracks] == ["One", "Two"]
    assert result.tracks[0].targets["accompaniment"]["SDR"].tolist() == [2.0, 3.0]
    assert PASSWORD not in result.origin


@pytest.mark.usefixtures("pushed")
def test_a_run_in_several_sources_counts_once(run, mongod, place):
    sources = read_sources(list_sources(mongod, place))
    assert (len(sources.results), sources.left_out) == (1, ())


def test_a_track_missing_in_mongodb_is_named(run, mongod, place):
    database = mongod.client["lost"]
    entry = mongod.client["records"]["runs"].find_one()
    database["runs"].insert_one(entry)
    sources = read_sources([f"{mongod.address}:lost"])
    assert sources.results == ()
    assert "museval test One.json: cannot be read: not in MongoDB (NoFile)" in sources.left_out[0]


@pytest.mark.parametrize("target", ["127.0.0.1:1:jnet", "mongodb://me:s3cr3t@127.0.0.1:1/x"])
def test_an_unreachable_mongodb_is_named_without_its_password(monkeypatch, target):
    monkeypatch.setattr(Mongo, "CONNECT_MILLISECONDS", 200)
    message = r"MongoDB at 127\.0\.0\.1:1 does not answer"
    with pytest.raises(DataError, match=message) as error:
        read_sources([target])
    assert "s3cr3t" not in str(error.value)


@pytest.mark.parametrize("target", ["mongodb://me:s3cr3t@", "mongodb://me:s3cr3t@h:77777/x"])
def test_an_invalid_address_is_not_printed(target):
    with pytest.raises(RecordError, match="the SOURCE is not a valid MongoDB address") as error:
        read_sources([target])
    assert "s3cr3t" not in str(error.value)


@pytest.mark.usefixtures("pushed")
def test_a_reproduction_treats_live_pushed_and_folder_records_alike(run, mongod, place):
    entries = {**DEFAULTS, **run.config["cfg"]}
    data = make_run_settings(entries, seed=7).data
    row = Row("U4_1", "U4", "U4_1")
    requirement = Requirement(row, 7, (), (), entries, entries, data, None)
    rows = []
    for runs, _ in (
        read_runs(place / "runs"),
        read_mongo(f"{mongod.address}:records"),
        read_mongo(f"{mongod.address}:pushed_records"),
    ):
        (status,) = find_statuses([requirement], runs)
        rows.append(
            (
                status.scored.run_id,
                status.trained.result(),
                list(status.scored.artifacts),
                status.remark,
            )
        )
        assert json.loads(status.scored.read_artifact("museval test One.json")) == museval(
            SCORES["One"]
        )
    assert rows[0] == rows[1] == rows[2]
    assert rows[0][0] == str(run._id)


def test_labels_are_the_papers_rows_by_config_and_passes(tmp_path):
    record(tmp_path, 1, ["J3_10"], SCORES)
    record(tmp_path, 2, ["U4"], SCORES, passes=1)
    record(tmp_path, 3, ["U4"], SCORES, passes=2, experiment="evaluation")
    record(tmp_path, 4, ["L_first3"], SCORES)
    record(tmp_path, 5, ["baseline_stereo"], SCORES)
    record(tmp_path, 6, ["J1"], SCORES, passes=3)
    record(tmp_path, 7, ["full_44KHz"], SCORES)
    record(tmp_path, 8, [], SCORES)
    labels = [result.label for result in read_sources([str(tmp_path)]).results]
    assert labels == [
        *("J3_10", "U4_1", "U4_2", "L_first3", "M4", "J1, 3 passes", "full_44KHz", "run 8")
    ]


def test_differences_from_the_row_are_noted(tmp_path):
    record(tmp_path, 1, ["J1"], SCORES, updates={"cfg": {"musdb_path": "x", "num_workers": 9}})
    record(tmp_path, 2, ["J1"], SCORES, updates={"cfg": {"num_layers": 3, "patience": 1}})
    record(tmp_path, 3, ["U3_10", "J1"], SCORES)
    record(tmp_path, 4, ["J1"], SCORES, updates={"cfg": ENTRIES_WITHOUT_EFFECT})
    record(tmp_path, 5, ["J1"], SCORES, updates={"cfg": {"whole_track": True, "passes": 1}})
    record(tmp_path, 6, ["J1"], SCORES, updates={"cfg": {"whole_song": True}})  # as 0.1.0 wrote it
    notes = [result.notes for result in read_sources([str(tmp_path)]).results]
    assert notes == [
        (),
        ("changed num_layers=3, patience=1",),
        ("composed of cfg.U3_10, cfg.J1",),
        (),
        ("changed whole_track=True",),
        ("changed whole_track=True",),
    ]


def test_a_training_from_other_weights_is_not_one_from_random_weights(tmp_path):
    """Their path does not count, but their content; records of earlier versions have no entry."""

    def record_from(run_id, path, ancestor):
        changes = {"init_from": path}
        options = {"updates": {"cfg": changes}, "entries": changes}
        record(tmp_path, run_id, ["J1"], SCORES, trained={"ancestor": ancestor}, **options)

    record(tmp_path, 1, ["J1"], SCORES)
    record_from(2, "a.safetensors", "one")
    record_from(3, "b.safetensors", "one")
    record_from(4, "b.safetensors", "two")
    results = read_sources([str(tmp_path)]).results
    assert results[1].label == "J1, changed: init_from=a.safetensors"
    first, *others = [result.training for result in results]
    without_entry = {key: first.entries[key] for key in first.entries.keys() - {"init_from"}}
    of_now = replace(first, entries={**without_entry, "init_from": None})
    assert replace(first, entries=without_entry).list_differences(of_now, ()) == []
    assert [one.list_differences(first, ()) for one in others] == [
        ["init_from one and None"],
        ["init_from one and None"],
        ["init_from two and None"],
    ]
    assert others[0].list_differences(others[1], ()) == []
    assert others[1].list_differences(others[2], ()) == ["init_from one and two"]


def test_an_evaluation_has_the_seed_and_the_notes_of_its_training(tmp_path):
    shared = {"sha": SHA, "seed": 5}
    folder = record(tmp_path, 1, ["U4"], SCORES, updates={"cfg": {"max_epochs": 1}}, **shared)
    record(tmp_path, 2, ["U4_2"], SCORES, sha=SHA, seed=1, passes=2, experiment="evaluation")
    first, second = read_sources([str(tmp_path)]).results
    assert (first.label, first.seed) == ("U4_1, changed: max_epochs=1", 5)
    assert second.label == "U4_2, changed: max_epochs=1"
    assert second.notes == ("changed max_epochs=1",)
    assert second.seed is None  # an evaluation's own seed does not count, and it has no manifest
    entry = json.loads((folder / "run.json").read_text())
    assert entry["status"] == "COMPLETED"


def test_an_evaluation_without_a_model_is_labelled_after_the_training_of_its_weights(tmp_path):
    record(tmp_path, 1, ["U4", "demo"], SCORES, sha=SHA)
    evaluation = {"sha": SHA, "experiment": "evaluation"}
    folder = record(tmp_path, 2, [], SCORES, passes=2, **evaluation)
    record(tmp_path, 3, [], SCORES, passes=3, updates={"cfg": {"whole_track": True}}, **evaluation)
    record(tmp_path, 4, [], SCORES, experiment="evaluation")  # of weights trained elsewhere
    notes = {result.label: result.notes for result in read_sources([str(tmp_path)]).results}
    demo = "demo sizes (cfg.demo)"
    assert notes == {
        "U4_1": (demo,),
        "U4_2": (demo,),
        "U4_3, changed: whole_track=True": (demo, "changed whole_track=True"),
        "run 4": (),
    }
    pair = read_sources([str(tmp_path / "1"), str(folder)]).results
    assert [result.label for result in pair] == ["U4_1", "U4_2"]
    assert read_sources([str(folder)]).results[0].label == "run 2, 2 passes"


def test_weights_that_were_scored_twice_count_once(tmp_path):
    record(tmp_path, 1, ["U1"], SCORES, sha=SHA)
    record(tmp_path, 2, ["U1"], SCORES, sha=SHA, experiment="evaluation")
    sources = read_sources([str(tmp_path)])
    assert [result.run_id for result in sources.results] == ["2"]
    assert sources.left_out == ("run 1 (U1): run 2 scores the same weights",)


def test_scores_of_other_tracks_or_options_do_not_replace_those_of_a_model(tmp_path):
    """Of the same weights: one scoring of one track, one of long segments, one again as first."""
    record(tmp_path, 1, ["J1"], SCORES, sha=SHA)
    evaluation = {"sha": SHA, "experiment": "evaluation"}
    record(tmp_path, 2, ["J1"], {"One": [9.0]}, **evaluation)
    record(tmp_path, 3, ["J1"], SCORES, updates={"cfg": {"whole_track": True}}, **evaluation)
    sources = read_sources([str(tmp_path)])
    assert [(result.run_id, result.label) for result in sources.results] == [
        ("1", "J1"),
        ("3", "J1, changed: whole_track=True"),
    ]
    assert sources.left_out == ("run 2 (J1): run 1 scores the same weights on 2 tracks",)


def test_models_with_missing_tracks_are_left_out_of_a_table(tmp_path):
    record(tmp_path, 1, ["J1"], SCORES)
    record(tmp_path, 2, ["L1"], {"One": [9.0]})
    kept, incomplete = select_complete(read_sources([str(tmp_path)]).results, None)
    assert [result.run_id for result in kept] == ["1"]
    assert incomplete == [
        f"run 2 (L1): {tmp_path}/2: has 1 track, but 2 are expected: Two missing; "
        f"accept them with --tracks 1"
    ]


def test_unused_runs_are_listed_with_the_reason(tmp_path):
    record(tmp_path, 1, ["U1"], SCORES, status="FAILED")
    record(tmp_path, 2, ["U1"], SCORES, status="RUNNING")
    record(tmp_path, 3, ["U1"], SCORES, subset="valid", experiment="evaluation")
    record(tmp_path, 4, ["U1"], SCORES, experiment="prediction")
    record(tmp_path, 5, ["U1"], {})
    (record(tmp_path, 6, ["U1"], SCORES) / "museval test Two.json").unlink()
    (record(tmp_path, 7, ["U1"], SCORES) / "museval test Two.json").write_text('{"targets": [')
    (record(tmp_path, 8, ["U1"], SCORES) / "run.json").write_text("{")
    sources = read_sources([str(tmp_path)])
    assert sources.results == ()
    reasons = (
        "the record of this run is damaged",
        "FAILED, not COMPLETED",
        "RUNNING since 2026-11-20 10:00 UTC, no heartbeat for ",
        "scores valid tracks",
        "a run of prediction",
        "has no museval JSONs",
        "museval test Two.json: cannot be read: No such file",
        "museval test Two.json: is not a complete JSON document",
    )
    assert len(sources.left_out) == len(reasons)
    for line, reason in zip(sources.left_out, reasons, strict=True):
        assert reason in line


@pytest.mark.parametrize(
    ("heartbeat", "age"),
    [
        (timedelta(seconds=4), None),
        (timedelta(seconds=59), None),
        (timedelta(seconds=90), "90 seconds"),
        (timedelta(minutes=10), "10 minutes"),
        (timedelta(hours=3), "3 hours"),
        (timedelta(days=12), "12 days"),
    ],
)
def test_a_killed_run_is_recognised_by_its_heartbeat(tmp_path, heartbeat, age):
    folder = record(tmp_path, 1, ["U1"], SCORES, status="RUNNING")
    entry = json.loads((folder / "run.json").read_text())
    entry["heartbeat"] = (datetime.now(UTC).replace(tzinfo=None) - heartbeat).isoformat()
    (folder / "run.json").write_text(json.dumps(entry))
    (line,) = read_sources([str(tmp_path)]).left_out
    last = f", no heartbeat for {age}" if age else ""
    assert line == f"run 1 (U1): RUNNING since 2026-11-20 10:00 UTC{last}, not COMPLETED"
    (run,), _ = read_runs(tmp_path)
    assert run.is_running() == (age is None)


def test_a_run_without_a_heartbeat_is_as_old_as_its_start(tmp_path):
    record(tmp_path, 1, ["U1"], SCORES, status="RUNNING")
    (run,), _ = read_runs(tmp_path)
    assert run.entry.get("heartbeat") is None
    assert run.status().startswith("RUNNING since 2026-11-20 10:00 UTC")
    assert format_seconds(float("inf")) == "an unknown time"
    assert format_seconds(1.0) == "less than 2 seconds"


def test_an_artifact_outside_the_folder_of_the_run_is_not_read(tmp_path):
    (tmp_path / "museval test x.json").write_text("secret")
    folder = record(tmp_path, 1, ["U1"], SCORES)
    entry = json.loads((folder / "run.json").read_text())
    entry["artifacts"] = ["museval test One.json", "../museval test x.json"]
    (folder / "run.json").write_text(json.dumps(entry))
    runs, (damaged,) = read_runs(tmp_path)
    assert runs == []
    assert "is not a path within" in damaged


def test_a_run_without_a_track_that_it_scored_is_left_out(tmp_path):
    folder = record(tmp_path, 1, ["U1"], SCORES)
    entry = json.loads((folder / "run.json").read_text())
    entry["artifacts"].pop()
    (folder / "run.json").write_text(json.dumps(entry))
    (line,) = read_sources([str(tmp_path)]).left_out
    assert "has scores of 1 track, but the run scored 2" in line


def test_a_single_run_can_be_given_with_a_label(tmp_path):
    folder = record(tmp_path, 1, ["U1"], SCORES)
    (result,) = read_sources([f"Mine={folder}"]).results
    assert result.label == "Mine"
    with pytest.raises(DataError, match="contains several runs"):
        read_sources([f"Mine={tmp_path}"])
    record(tmp_path, 2, ["U1"], SCORES, status="FAILED")
    with pytest.raises(DataError, match="FAILED, not COMPLETED"):
        read_sources([str(tmp_path / "2")])


def test_runs_of_other_labels_are_counted_but_not_read(tmp_path):
    record(tmp_path, 1, ["U1"], SCORES)
    (record(tmp_path, 2, ["J1"], SCORES) / "museval test One.json").write_text("{")
    sources = read_sources([str(tmp_path)], labels={"U1"})
    assert [result.label for result in sources.results] == ["U1"]
    assert sources.left_out == ("J1: not a row of this table, runs found: 1",)


def test_a_folder_name_with_an_equals_sign_is_not_a_label(tmp_path):
    write(tmp_path / "a=b", {"One": [1]})
    assert read_sources([str(tmp_path / "a=b")]).results[0].label == "a=b"
