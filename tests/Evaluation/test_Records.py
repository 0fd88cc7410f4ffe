"""Runs read from Sacred's records: some by hand, one by Sacred in a folder and in MongoDB."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from Config import DEFAULTS, config_ingredient
from Evaluation.Records import read_sources
from Evaluation.Runs import read_mongo, read_runs, roughly
from Experiments import ROOT, JNetExperiment
from Recording import Mongo
from Recording.MongoCopy import MongoCopy
from Recording.RunFiles import read_run
from Reproduction.Plan import Need, standings
from Reproduction.Targets import Row
from Spec.Errors import DataError, RecordError
from tests.Evaluation.written import SHA, museval, record, write
from tests.mongo import PASSWORD

SCORES = {"One": [1.0, 2.0], "Two": [3.0]}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("sacred")


@pytest.fixture(scope="module")
def run(mongod, place):
    """A run by Sacred, recorded in both places, that scores without a model."""
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
        return {"weights_sha256": SHA, "scores": {"vocals": {"songs": 2}}}

    return ex.run(
        named_configs=["cfg.U4", "cfg.demo"],
        config_updates={"cfg": {"num_layers": 4, "num_workers": 1}, "seed": 7},
        options={"--file_storage": str(place / "runs"), "--mongo_db": f"{mongod.address}:records"},
    )


def both(mongod, place):
    return [
        *(str(place / "runs"), f"{mongod.address}:records", mongod.url("records")),
        f"{mongod.address}:pushed_records",
    ]


@pytest.fixture(scope="module")
def pushed(run, mongod, place):
    """The run once more, put into MongoDB from its folder."""
    brought = MongoCopy(mongod.client["pushed_records"]).bring_up(
        read_run(place / "runs" / str(run._id))
    )
    assert brought.new


@pytest.mark.usefixtures("pushed")
@pytest.mark.parametrize("which", range(4))
def test_a_run_by_sacred_reads_the_same_from_its_folder_and_from_mongodb(run, mongod, place, which):
    found = read_sources([both(mongod, place)[which]])
    (result,) = found.results
    assert found.left_out == ()
    assert (result.label, result.seed, result.run_id) == ("U4_1", 7, str(run._id))
    assert result.notes == ("demo sizes (cfg.demo)", "changed num_layers=4")
    assert result.weights == SHA
    assert result.commit is None or len(result.commit.removesuffix("-dirty")) == 40
    assert result.config["num_layers"] == 4
    assert [song.name for song in result.songs] == ["One", "Two"]
    assert result.songs[0].targets["accompaniment"]["SDR"].tolist() == [2.0, 3.0]
    assert PASSWORD not in result.origin


@pytest.mark.usefixtures("pushed")
def test_a_run_that_several_sources_hold_counts_once(run, mongod, place):
    found = read_sources(both(mongod, place))
    assert (len(found.results), found.left_out) == (1, ())


def test_a_song_that_mongodb_has_lost_is_named(run, mongod, place):
    database = mongod.client["lost"]
    entry = mongod.client["records"]["runs"].find_one()
    database["runs"].insert_one(entry)
    found = read_sources([f"{mongod.address}:lost"])
    assert found.results == ()
    assert "museval test One.json: cannot be read: not in MongoDB (NoFile)" in found.left_out[0]


@pytest.mark.parametrize("target", ["127.0.0.1:1:jnet", "mongodb://me:s3cr3t@127.0.0.1:1/x"])
def test_a_mongodb_that_does_not_answer_is_named_without_its_password(monkeypatch, target):
    monkeypatch.setattr(Mongo, "WAIT", 200)
    said = r"MongoDB at 127\.0\.0\.1:1 gives no runs, it does not answer"
    with pytest.raises(DataError, match=said) as error:
        read_sources([target])
    assert "s3cr3t" not in str(error.value)


@pytest.mark.parametrize("target", ["mongodb://me:s3cr3t@", "mongodb://me:s3cr3t@h:77777/x"])
def test_an_address_that_is_not_understood_is_not_repeated(target):
    with pytest.raises(RecordError, match="the address given is not understood") as error:
        read_sources([target])
    assert "s3cr3t" not in str(error.value)


@pytest.mark.usefixtures("pushed")
def test_a_reproduction_counts_a_pushed_run_as_the_live_one_and_the_folders(run, mongod, place):
    entries = {**DEFAULTS, **run.config["cfg"]}
    need = Need(Row("U4_1", "U4", "U4_1"), 7, (), (), entries, 1, None)
    found = []
    for runs, _ in (
        read_runs(place / "runs"),
        read_mongo(f"{mongod.address}:records"),
        read_mongo(f"{mongod.address}:pushed_records"),
    ):
        (one,) = standings([need], runs, DEFAULTS, lambda run: None)
        found.append((one.scored.run_id, one.trained.result(), one.scored.artifacts, one.remark))
        assert json.loads(one.scored.artifact("museval test One.json")) == museval(SCORES["One"])
    assert found[0] == found[1] == found[2]
    assert found[0][0] == str(run._id)


def test_labels_are_rows_and_passes(tmp_path):
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


def test_what_differs_from_the_row_is_noted(tmp_path):
    record(tmp_path, 1, ["J1"], SCORES, updates={"cfg": {"musdb_path": "x", "num_workers": 9}})
    record(tmp_path, 2, ["J1"], SCORES, updates={"cfg": {"num_layers": 3, "patience": 1}})
    record(tmp_path, 3, ["U3_10", "J1"], SCORES)
    notes = [result.notes for result in read_sources([str(tmp_path)]).results]
    assert notes == [
        (),
        ("changed num_layers=3, patience=1",),
        ("composed of cfg.U3_10, cfg.J1",),
    ]


def test_an_evaluation_has_the_seed_and_the_notes_of_its_training(tmp_path):
    shared = {"sha": SHA, "seed": 5}
    folder = record(tmp_path, 1, ["U4"], SCORES, updates={"cfg": {"max_epochs": 1}}, **shared)
    record(tmp_path, 2, ["U4_2"], SCORES, sha=SHA, seed=1, passes=2, experiment="evaluation")
    first, second = read_sources([str(tmp_path)]).results
    assert (first.label, first.seed) == ("U4_1", 5)
    assert (second.label, second.notes) == ("U4_2", ("changed max_epochs=1",))
    assert second.seed is None  # its own changes no score, and no manifest is with it
    entry = json.loads((folder / "run.json").read_text())
    assert entry["status"] == "COMPLETED"


def test_the_same_weights_scored_again_count_once(tmp_path):
    record(tmp_path, 1, ["U1"], SCORES, sha=SHA)
    record(tmp_path, 2, ["U1"], SCORES, sha=SHA, experiment="evaluation")
    found = read_sources([str(tmp_path)])
    assert [result.run_id for result in found.results] == ["2"]
    assert found.left_out == ("run 1 (U1): run 2 scores the same weights",)


def test_what_does_not_count_is_named_with_its_reason(tmp_path):
    record(tmp_path, 1, ["U1"], SCORES, status="FAILED")
    record(tmp_path, 2, ["U1"], SCORES, status="RUNNING")
    record(tmp_path, 3, ["U1"], SCORES, subset="valid", experiment="evaluation")
    record(tmp_path, 4, ["U1"], SCORES, experiment="prediction")
    record(tmp_path, 5, ["U1"], {})
    (record(tmp_path, 6, ["U1"], SCORES) / "museval test Two.json").unlink()
    (record(tmp_path, 7, ["U1"], SCORES) / "museval test Two.json").write_text('{"targets": [')
    (record(tmp_path, 8, ["U1"], SCORES) / "run.json").write_text("{")
    found = read_sources([str(tmp_path)])
    assert found.results == ()
    words = (
        "the record of this run is damaged",
        "FAILED, not COMPLETED",
        "RUNNING since 2026-11-20 10:00 UTC, no heartbeat for ",
        "scores valid songs",
        "a run of prediction",
        "has no museval JSONs",
        "museval test Two.json: cannot be read: No such file",
        "museval test Two.json: is no whole JSON",
    )
    assert len(found.left_out) == len(words)
    for said, word in zip(found.left_out, words, strict=True):
        assert word in said


@pytest.mark.parametrize(
    ("heartbeat", "silent"),
    [
        (timedelta(seconds=4), None),
        (timedelta(seconds=59), None),
        (timedelta(seconds=90), "90 seconds"),
        (timedelta(minutes=10), "10 minutes"),
        (timedelta(hours=3), "3 hours"),
        (timedelta(days=12), "12 days"),
    ],
)
def test_a_run_that_was_killed_is_told_from_one_that_runs(tmp_path, heartbeat, silent):
    folder = record(tmp_path, 1, ["U1"], SCORES, status="RUNNING")
    entry = json.loads((folder / "run.json").read_text())
    entry["heartbeat"] = (datetime.now(UTC).replace(tzinfo=None) - heartbeat).isoformat()
    (folder / "run.json").write_text(json.dumps(entry))
    (line,) = read_sources([str(tmp_path)]).left_out
    last = f", no heartbeat for {silent}" if silent else ""
    assert line == f"run 1 (U1): RUNNING since 2026-11-20 10:00 UTC{last}, not COMPLETED"
    (run,), _ = read_runs(tmp_path)
    assert run.is_running() == (silent is None)


def test_a_run_without_any_heartbeat_is_as_old_as_its_start(tmp_path):
    record(tmp_path, 1, ["U1"], SCORES, status="RUNNING")
    (run,), _ = read_runs(tmp_path)
    assert run.entry.get("heartbeat") is None
    assert run.state().startswith("RUNNING since 2026-11-20 10:00 UTC")
    assert roughly(float("inf")) == "ever"
    assert roughly(1.0) == "a moment"


def test_an_artifact_outside_the_runs_folder_is_not_read(tmp_path):
    (tmp_path / "museval test x.json").write_text("secret")
    folder = record(tmp_path, 1, ["U1"], SCORES)
    entry = json.loads((folder / "run.json").read_text())
    entry["artifacts"] = ["museval test One.json", "../museval test x.json"]
    (folder / "run.json").write_text(json.dumps(entry))
    (run,), _ = read_runs(tmp_path)
    with pytest.raises(DataError, match="is not a name within"):
        run.artifact("../museval test x.json")


def test_a_run_that_lacks_a_song_it_scored_is_left_out(tmp_path):
    folder = record(tmp_path, 1, ["U1"], SCORES)
    entry = json.loads((folder / "run.json").read_text())
    entry["artifacts"].pop()
    (folder / "run.json").write_text(json.dumps(entry))
    (line,) = read_sources([str(tmp_path)]).left_out
    assert "has 1 songs, but it scored 2" in line


def test_one_run_may_be_named_and_given_a_label(tmp_path):
    folder = record(tmp_path, 1, ["U1"], SCORES)
    (result,) = read_sources([f"Mine={folder}"]).results
    assert result.label == "Mine"
    with pytest.raises(DataError, match="holds several runs"):
        read_sources([f"Mine={tmp_path}"])
    record(tmp_path, 2, ["U1"], SCORES, status="FAILED")
    with pytest.raises(DataError, match="FAILED, not COMPLETED"):
        read_sources([str(tmp_path / "2")])


def test_runs_of_other_labels_are_not_read_but_counted(tmp_path):
    record(tmp_path, 1, ["U1"], SCORES)
    (record(tmp_path, 2, ["J1"], SCORES) / "museval test One.json").write_text("{")
    found = read_sources([str(tmp_path)], labels={"U1"})
    assert [result.label for result in found.results] == ["U1"]
    assert found.left_out == ("J1: no row of this table, runs found: 1",)


def test_a_folder_whose_name_has_an_equals_sign_is_a_folder(tmp_path):
    write(tmp_path / "a=b", {"One": [1]})
    assert read_sources([str(tmp_path / "a=b")]).results[0].label == "a=b"
