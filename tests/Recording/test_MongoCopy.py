"""A run's copy in MongoDB: what Sacred's own observer writes, completed where it is in part, and
what becomes of what MongoDB cannot hold."""

import json
from dataclasses import replace

import gridfs
import numpy as np
import pytest
from sacred.observers import MongoObserver

from Experiments import ROOT, JNetExperiment
from Recording.MongoCopy import MongoCopy
from Recording.RunFiles import read_run
from Spec.Errors import RecordError

NAN = float("nan")
FILES = ("artifacts", "experiment", "info", "result")  # fields that are compared on their own


@pytest.fixture(scope="module")
def run(mongod, tmp_path_factory):
    """A run with all that a run can have, recorded in a folder and by Sacred's own observer."""
    place = tmp_path_factory.mktemp("copies")
    ex = JNetExperiment("scripted", str(ROOT / "Training.py"))
    ex.add_config(seed=3, rates=[1e-4, 1e-5], names={"vocals": None, "drums": 2**40})
    artifact = place / "scores.json"
    artifact.write_text('{"SDR": 4.46}')

    @ex.main
    def act(_run):
        for step in range(5):
            _run.log_scalar("training.loss", NAN if step == 3 else 1 / (step + 1), 100 * step)
            _run.log_scalar("rate", np.float32(0.5))
        _run.info["songs"] = {"One": [1, 2.5, "ü"]}
        _run.add_artifact(str(artifact), "museval test Sönġ.json", {"a": 1}, "application/json")
        _run.add_artifact(str(artifact), "plain.txt", content_type="text/plain")
        print("50%\r100%\nepoch 1 – done")
        return {"loss": 0.25, "nothing": NAN, "count": np.int64(7), "none": None}

    ours = ex._observe

    def observe(command, options):
        ours(command, options)
        ex.observers.append(MongoObserver(client=mongod.client, db_name="by_sacred"))

    ex._observe = observe
    return ex.run(config_updates={"seed": 4}, options={"--file_storage": str(place / "runs")})


@pytest.fixture(scope="module")
def files(run):
    return read_run(run.observers[0].folder.path)


@pytest.fixture(scope="module")
def theirs(mongod):
    return mongod.client["by_sacred"]


def content(database, file_id):
    return gridfs.GridFS(database).get(file_id).read()


def series(database, run_id):
    """Every series of a run by name; as text, in which NaN equals itself."""
    keys = ("steps", "values", "timestamps")
    return {
        found["name"]: json.dumps([found[key] for key in keys], default=str)
        for found in database["metrics"].find({"run_id": run_id})
    }


def everything(database):
    return [
        str(sorted(found.items(), key=str))
        for name in ("runs", "metrics", "fs.files", "fs.chunks")
        for found in database[name].find().sort("_id")
    ]


def test_a_pushed_run_is_what_sacreds_own_observer_records(run, files, mongod, theirs):
    ours = mongod.client["pushed"]
    brought = MongoCopy(ours).bring_up(files)
    assert (brought.new, brought.missing) == (True, ())
    (mine,), (other,) = ours["runs"].find(), theirs["runs"].find()
    assert mine.keys() == other.keys() >= {"heartbeat", "host", "meta", "stop_time", *FILES}
    for key in mine.keys() - FILES:
        assert mine[key] == other[key], key
    assert repr(sorted(mine["result"].items())) == repr(
        [
            ("count", {"dtype": "int64", "py/object": "numpy.int64", "value": 7}),
            *(("loss", 0.25), ("none", None), ("nothing", NAN)),
        ]
    )
    assert (mine["_id"], mine["status"]) == (run._id, "COMPLETED")
    assert mine["captured_out"] == "100%\nepoch 1 – done\n"
    assert mine["config"]["names"] == {"vocals": None, "drums": 2**40}
    assert series(ours, run._id) == series(theirs, run._id)
    assert json.loads(series(ours, run._id)["rate"])[:2] == [[0, 1, 2, 3, 4], [0.5] * 5]
    for database, info in ((ours, mine["info"]), (theirs, other["info"])):
        assert info["songs"] == {"One": [1, 2.5, "ü"]}
        ids = {str(one["_id"]): one["name"] for one in database["metrics"].find()}
        assert {one["id"]: one["name"] for one in info["metrics"]} == ids


def test_a_pushed_runs_files_are_what_sacreds_own_observer_stores(files, mongod, theirs):
    ours = mongod.client["pushed_files"]
    MongoCopy(ours).bring_up(files)
    (mine,), (other,) = ours["runs"].find(), theirs["runs"].find()
    assert [one["name"] for one in mine["artifacts"]] == ["museval test Sönġ.json", "plain.txt"]
    for one, two in zip(mine["artifacts"], other["artifacts"], strict=True):
        assert one["name"] == two["name"]
        stored = ours["fs.files"].find_one({"_id": one["file_id"]})
        wanted = theirs["fs.files"].find_one({"_id": two["file_id"]})
        for key in ("filename", "metadata", "contentType", "length", "chunkSize"):
            assert stored[key] == wanted[key]
        assert content(ours, one["file_id"]) == b'{"SDR": 4.46}'
    sources, wanted = mine["experiment"].pop("sources"), other["experiment"].pop("sources")
    assert mine["experiment"] == other["experiment"]
    assert [name for name, _ in sources] == [name for name, _ in wanted]
    assert {"Training.py", "Models/Build.py"} <= {name for name, _ in sources}
    for (name, one), (_, two) in list(zip(sources, wanted, strict=True))[::20]:
        assert content(ours, one) == content(theirs, two) == (ROOT / name).read_bytes()
        named = [
            db["fs.files"].find_one({"_id": i})["filename"]
            for db, i in ((ours, one), (theirs, two))
        ]
        assert named == [str(ROOT / name)] * 2


@pytest.mark.parametrize("name", ["pushed_twice", "by_sacred"])
def test_a_run_that_is_there_completely_is_left_alone(files, mongod, name):
    database = mongod.client[name]
    MongoCopy(database).bring_up(files)
    before = everything(database)
    brought = MongoCopy(database).bring_up(files)
    assert (brought.new, brought.changed, brought.missing) == (False, (), ())
    assert everything(database) == before
    assert len(before) > 200


def test_two_runs_share_the_sources_that_are_the_same(files, mongod):
    database = mongod.client["two"]
    MongoCopy(database).bring_up(files)
    count = database["fs.files"].count_documents({})
    MongoCopy(database).bring_up(replace(files, run_id=17))
    assert database["fs.files"].count_documents({}) == count + len(files.artifacts)


LOSSES = {
    "artifact plain.txt": lambda db, run: db["fs.files"].delete_one({"contentType": "text/plain"}),
    "source Training.py": lambda db, run: db["fs.files"].delete_one(
        {"_id": dict(run["experiment"]["sources"])["Training.py"]}
    ),
    "series rate": lambda db, run: db["metrics"].delete_one({"name": "rate"}),
    "series training.loss": lambda db, run: db["metrics"].update_one(
        {"name": "training.loss"}, {"$pop": {"values": 1, "steps": 1, "timestamps": 1}}
    ),
    "status": lambda db, run: db["runs"].update_one(
        {}, {"$set": {"status": "RUNNING"}, "$unset": {"stop_time": 1, "result": 1}}
    ),
    "config": lambda db, run: (
        db["runs"].update_one({}, {"$unset": dict.fromkeys(run.keys() - {"_id", "start_time"}, 1)}),
        db["metrics"].drop(),
        db["fs.files"].drop(),
    ),
    "captured_out": lambda db, run: db["runs"].drop(),
}


@pytest.mark.parametrize("lost", LOSSES)
def test_a_run_that_is_there_in_part_is_completed(run, files, mongod, theirs, lost):
    database = mongod.client[f"lost_{list(LOSSES).index(lost)}"]
    MongoCopy(database).bring_up(files)
    whole = database["runs"].find_one()
    LOSSES[lost](database, whole)
    brought = MongoCopy(database).bring_up(files)
    assert lost in brought.changed
    assert brought.missing == ()
    entry = database["runs"].find_one()
    for key in whole.keys() - FILES:
        assert entry[key] == whole[key], key
    for artifact in entry["artifacts"]:
        assert content(database, artifact["file_id"]) == b'{"SDR": 4.46}'
    assert content(database, dict(entry["experiment"]["sources"])["Training.py"])
    assert series(database, run._id) == series(theirs, run._id)
    assert MongoCopy(database).bring_up(files).changed == ()


def test_an_artifact_that_the_document_does_not_name_is_named(files, mongod):
    database = mongod.client["unnamed"]
    MongoCopy(database).bring_up(files)
    stored = database["fs.files"].count_documents({})
    database["runs"].update_one({}, {"$pop": {"artifacts": 1}})
    MongoCopy(database).bring_up(files)
    assert len(database["runs"].find_one()["artifacts"]) == 2
    assert database["fs.files"].count_documents({}) == stored


def test_what_others_have_added_to_a_document_stays(files, mongod):
    database = mongod.client["tagged"]
    MongoCopy(database).bring_up(files)
    database["runs"].update_one({}, {"$set": {"omniboard": {"tags": ["best"]}, "status": None}})
    MongoCopy(database).bring_up(files)
    entry = database["runs"].find_one()
    assert (entry["omniboard"], entry["status"]) == ({"tags": ["best"]}, "COMPLETED")


def test_another_run_of_the_same_id_and_one_that_is_further_are_not_written_over(files, mongod):
    database = mongod.client["others"]
    database["runs"].insert_one({"_id": files.run_id, "status": "COMPLETED"})
    with pytest.raises(RecordError, match=f"MongoDB has another run {files.run_id}, started at"):
        MongoCopy(database).bring_up(files)
    database["runs"].drop()
    MongoCopy(database).bring_up(files)
    before = everything(database)
    behind = replace(files, entry={**files.entry, "status": "RUNNING"})
    with pytest.raises(RecordError, match="as COMPLETED, its folder as RUNNING"):
        MongoCopy(database).bring_up(behind)
    assert everything(database) == before


def test_values_that_mongodb_cannot_hold_are_held_as_text_and_named(files, mongod):
    odd = {"large": 2**70, "fits": 2**63 - 1, "a.b": {"$c": [1, -(2**63) - 1]}, "z\0": "\udc80"}
    database = mongod.client["odd"]
    brought = MongoCopy(database).bring_up(replace(files, config=odd))
    assert database["runs"].find_one()["config"] == {
        "large": str(2**70),
        "fits": 2**63 - 1,
        "a.b": {"$c": [1, str(-(2**63) - 1)]},
        "z\\0": "\\udc80",
    }
    assert brought.missing == (
        "config.large as text alone, being beyond 64 bits",
        "config.a.b.$c[1] as text alone, being beyond 64 bits",
        "the key 'config.z\\x00' escaped",
        "config.z\0 escaped",
    )


def test_output_beyond_16_mb_is_there_from_both_ends(files, mongod):
    output = "begin ü\n" + "0123456789abcdef\n" * 1_000_000 + "end ü\n"
    database = mongod.client["long"]
    brought = MongoCopy(database).bring_up(replace(files, output=output))
    held = database["runs"].find_one()
    assert held["status"] == "COMPLETED"
    assert held["captured_out"].startswith("begin ü\n0123")
    assert held["captured_out"].endswith("abcdef\nend ü\n")
    left_out = len(output.encode()) - 2 * 2**20
    assert f"[… {left_out} bytes are left out here: {files.folder}/cout.txt" in held["captured_out"]
    assert brought.missing == ("the middle of captured_out (too long)",)


def test_a_field_too_large_for_a_document_is_left_out_and_named(files, mongod):
    database = mongod.client["large"]
    brought = MongoCopy(database).bring_up(replace(files, info={"all": "x" * 17 * 2**20}))
    assert brought.missing == ("info (too large)",)
    held = database["runs"].find_one()
    assert held["status"] == "COMPLETED"
    assert "info" not in held


def test_a_series_too_long_for_a_document_is_left_out_and_named(files, mongod):
    count = 380_000
    series = {name: [1.5] * count for name in ("values", "steps")}
    series["timestamps"] = ["2026-11-20T10:00:00"] * count
    database = mongod.client["steps"]
    brought = MongoCopy(database).bring_up(
        replace(files, series={**files.series, "every.step": series})
    )
    (missing,) = brought.missing
    assert missing.startswith("series every.step (MongoDB does not take it (")
    assert {one["name"] for one in database["metrics"].find()} == {"rate", "training.loss"}
    assert database["runs"].find_one()["status"] == "COMPLETED"


def test_what_the_server_refuses_harms_nothing_else(files, mongod):
    """A server that validates what it takes stands for all that refuses a part: a full disk, a
    quota, another version."""
    database = mongod.client["strict"]
    database.create_collection("runs", validator={"host.os": {"$exists": False}})
    database.create_collection("fs.files", validator={"contentType": {"$ne": "text/plain"}})
    brought = MongoCopy(database).bring_up(files)
    held = database["runs"].find_one()
    assert [one["name"] for one in held["artifacts"]] == ["museval test Sönġ.json"]
    assert (held["status"], "host" in held) == ("COMPLETED", False)
    assert brought.missing == (
        "artifact plain.txt (MongoDB does not take it (WriteError 121))",
        "host (MongoDB does not take it (WriteError 121))",
    )
    for name in ("runs", "fs.files"):
        database.command("collMod", name, validator={})
    again = MongoCopy(database).bring_up(files)
    assert {"artifact plain.txt", "host"} == set(again.changed)
    assert again.missing == ()


def test_a_file_that_is_gone_is_named(files, mongod, tmp_path):
    lost = {**files.artifacts, "plain.txt": tmp_path / "plain.txt"}
    brought = MongoCopy(mongod.client["gone"]).bring_up(replace(files, artifacts=lost))
    assert brought.missing == ("artifact plain.txt (cannot be read: No such file or directory)",)


def test_a_source_that_a_power_cut_has_emptied_is_named_and_not_stored(files, mongod, tmp_path):
    (tmp_path / files.sources["Report.py"].name).touch()
    emptied = {"Report.py": tmp_path / files.sources["Report.py"].name}
    database = mongod.client["emptied"]
    brought = MongoCopy(database).bring_up(replace(files, sources={**files.sources, **emptied}))
    assert brought.missing == ("source Report.py (is damaged)",)
    assert "Report.py" not in dict(database["runs"].find_one()["experiment"]["sources"])


def test_a_resource_is_kept_with_its_digest(files, mongod, tmp_path):
    digest = "c4ca4238a0b923820dcc509a6f75849b"  # of "1"
    (tmp_path / f"songs_{digest}.txt").write_text("1")
    resources = {"/data/songs.txt": tmp_path / f"songs_{digest}.txt"}
    database = mongod.client["resources"]
    assert MongoCopy(database).bring_up(replace(files, resources=resources)).missing == ()
    assert database["runs"].find_one()["resources"] == [["/data/songs.txt", digest]]
    held = database["fs.files"].find_one({"filename": "/data/songs.txt"})
    assert content(database, held["_id"]) == b"1"
