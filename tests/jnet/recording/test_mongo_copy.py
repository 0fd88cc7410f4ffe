"""Copies of runs in MongoDB.

They equal the records of Sacred's observer, partial copies are completed, and values that MongoDB
cannot store are reported.
"""

import json
from dataclasses import replace

import gridfs
import numpy as np
import pytest
from sacred.observers import MongoObserver

from jnet.errors import RecordError
from jnet.recording.experiment import ROOT, JNetExperiment
from jnet.recording.mongo_copy import MongoCopy
from jnet.recording.runs import read_run

NAN = float("nan")
SEPARATE_FIELDS = ("artifacts", "experiment", "info", "result")  # compared by separate assertions


@pytest.fixture(scope="module")
def run(mongod, tmp_path_factory):
    """Return a run with all kinds of content, recorded in a folder and by Sacred's observer."""
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
        _run.info["tracks"] = {"One": [1, 2.5, "ü"]}
        _run.add_artifact(str(artifact), "museval test Sönġ.json", {"a": 1}, "application/json")
        _run.add_artifact(str(artifact), "plain.txt", content_type="text/plain")
        print("50%\r100%\nepoch 1 – done")
        return {"loss": 0.25, "nothing": NAN, "count": np.int64(7), "none": None}

    ours = ex._observe

    def observe(run, runs, target):
        ours(run, runs, target)
        run.observers.append(MongoObserver(client=mongod.client, db_name="by_sacred"))

    ex._observe = observe
    return ex.run(config_updates={"seed": 4}, options={"--file_storage": str(place / "runs")})


@pytest.fixture(scope="module")
def files(run):
    return read_run(run.observers[0].path, complete=True)


@pytest.fixture(scope="module")
def theirs(mongod):
    return mongod.client["by_sacred"]


def read_content(database, file_id):
    return gridfs.GridFS(database).get(file_id).read()


def read_series(database, run_id):
    """Return every series of a run by name; as text, in which NaN equals NaN."""
    keys = ("steps", "values", "timestamps")
    return {
        series["name"]: json.dumps([series[key] for key in keys], default=str)
        for series in database["metrics"].find({"run_id": run_id})
    }


def dump_database(database):
    return [
        str(sorted(document.items(), key=str))
        for name in ("runs", "metrics", "fs.files", "fs.chunks")
        for document in database[name].find().sort("_id")
    ]


def test_a_pushed_run_equals_the_record_of_sacreds_observer(run, files, mongod, theirs):
    ours = mongod.client["pushed"]
    assert MongoCopy(ours).update(files) == ("pushed", [])
    (mine,), (other,) = ours["runs"].find(), theirs["runs"].find()
    assert (
        mine.keys() == other.keys() >= {"heartbeat", "host", "meta", "stop_time", *SEPARATE_FIELDS}
    )
    for key in mine.keys() - SEPARATE_FIELDS:
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
    assert read_series(ours, run._id) == read_series(theirs, run._id)
    assert json.loads(read_series(ours, run._id)["rate"])[:2] == [[0, 1, 2, 3, 4], [0.5] * 5]
    for database, info in ((ours, mine["info"]), (theirs, other["info"])):
        assert info["tracks"] == {"One": [1, 2.5, "ü"]}
        ids = {str(series["_id"]): series["name"] for series in database["metrics"].find()}
        assert {series["id"]: series["name"] for series in info["metrics"]} == ids


def test_the_files_of_a_pushed_run_equal_those_of_sacreds_observer(files, mongod, theirs):
    ours = mongod.client["pushed_files"]
    MongoCopy(ours).update(files)
    (mine,), (other,) = ours["runs"].find(), theirs["runs"].find()
    assert [artifact["name"] for artifact in mine["artifacts"]] == [
        "museval test Sönġ.json",
        "plain.txt",
    ]
    for artifact, expected in zip(mine["artifacts"], other["artifacts"], strict=True):
        assert artifact["name"] == expected["name"]
        stored = ours["fs.files"].find_one({"_id": artifact["file_id"]})
        wanted = theirs["fs.files"].find_one({"_id": expected["file_id"]})
        for key in ("filename", "metadata", "contentType", "length", "chunkSize"):
            assert stored[key] == wanted[key]
        assert read_content(ours, artifact["file_id"]) == b'{"SDR": 4.46}'
    sources, wanted = mine["experiment"].pop("sources"), other["experiment"].pop("sources")
    assert mine["experiment"] == other["experiment"]
    assert [name for name, _ in sources] == [name for name, _ in wanted]
    assert {"Training.py", "Models/Build.py"} <= {name for name, _ in sources}
    for (name, mine_id), (_, other_id) in list(zip(sources, wanted, strict=True))[::20]:
        stored = read_content(ours, mine_id)
        assert stored == read_content(theirs, other_id) == (ROOT / name).read_bytes()
        filenames = [
            database["fs.files"].find_one({"_id": file_id})["filename"]
            for database, file_id in ((ours, mine_id), (theirs, other_id))
        ]
        assert filenames == [str(ROOT / name)] * 2


def test_a_complete_copy_is_not_changed(files, mongod):
    database = mongod.client["pushed_twice"]
    MongoCopy(database).update(files)
    before = dump_database(database)
    assert MongoCopy(database).update(files) == ("already complete", [])
    assert dump_database(database) == before
    assert len(before) > 200


def test_two_runs_share_equal_sources(files, mongod):
    database = mongod.client["two"]
    MongoCopy(database).update(files)
    count = database["fs.files"].count_documents({})
    MongoCopy(database).update(replace(files, run_id="17"))
    assert database["fs.files"].count_documents({}) == count + len(files.artifacts)


DELETIONS = {
    "artifact": (
        "completed",
        lambda db, run: db["fs.files"].delete_one({"contentType": "text/plain"}),
    ),
    "source": (
        "completed",
        lambda db, run: db["fs.files"].delete_one(
            {"_id": dict(run["experiment"]["sources"])["Training.py"]}
        ),
    ),
    "series": ("completed", lambda db, run: db["metrics"].delete_one({"name": "rate"})),
    "the end of a series": (
        "completed",
        lambda db, run: db["metrics"].update_one(
            {"name": "training.loss"}, {"$pop": {"values": 1, "steps": 1, "timestamps": 1}}
        ),
    ),
    "the end of the run": (
        "completed",
        lambda db, run: db["runs"].update_one(
            {}, {"$set": {"status": "RUNNING"}, "$unset": {"stop_time": 1, "result": 1}}
        ),
    ),
    "all but the start time": (
        "completed",
        lambda db, run: (
            db["runs"].update_one(
                {}, {"$unset": dict.fromkeys(run.keys() - {"_id", "start_time"}, 1)}
            ),
            db["metrics"].drop(),
            db["fs.files"].drop(),
        ),
    ),
    "the document": ("pushed", lambda db, run: db["runs"].drop()),
}


@pytest.mark.parametrize("deleted", DELETIONS)
def test_a_partial_copy_is_completed(run, files, mongod, theirs, deleted):
    database = mongod.client[f"lost_{list(DELETIONS).index(deleted)}"]
    MongoCopy(database).update(files)
    complete = database["runs"].find_one()
    DELETIONS[deleted][1](database, complete)
    assert MongoCopy(database).update(files) == (DELETIONS[deleted][0], [])
    entry = database["runs"].find_one()
    for key in complete.keys() - SEPARATE_FIELDS:
        assert entry[key] == complete[key], key
    for artifact in entry["artifacts"]:
        assert read_content(database, artifact["file_id"]) == b'{"SDR": 4.46}'
    assert read_content(database, dict(entry["experiment"]["sources"])["Training.py"])
    assert read_series(database, run._id) == read_series(theirs, run._id)
    assert MongoCopy(database).update(files) == ("already complete", [])


def test_an_artifact_missing_from_the_document_is_added(files, mongod):
    database = mongod.client["unnamed"]
    MongoCopy(database).update(files)
    stored = database["fs.files"].count_documents({})
    database["runs"].update_one({}, {"$pop": {"artifacts": 1}})
    MongoCopy(database).update(files)
    assert len(database["runs"].find_one()["artifacts"]) == 2
    assert database["fs.files"].count_documents({}) == stored


def test_fields_added_by_viewers_are_kept(files, mongod):
    database = mongod.client["tagged"]
    MongoCopy(database).update(files)
    database["runs"].update_one({}, {"$set": {"omniboard": {"tags": ["best"]}, "status": None}})
    MongoCopy(database).update(files)
    entry = database["runs"].find_one()
    assert (entry["omniboard"], entry["status"]) == ({"tags": ["best"]}, "COMPLETED")


def test_another_run_with_the_same_id_and_a_newer_copy_are_not_overwritten(files, mongod):
    database = mongod.client["others"]
    database["runs"].insert_one({"_id": int(files.run_id), "status": "COMPLETED"})
    with pytest.raises(RecordError, match=f"MongoDB already has a run {files.run_id} that star"):
        MongoCopy(database).update(files)
    database["runs"].drop()
    MongoCopy(database).update(files)
    before = dump_database(database)
    behind = replace(files, entry={**files.entry, "status": "RUNNING"})
    with pytest.raises(
        RecordError, match="has the status COMPLETED in MongoDB, but RUNNING in its folder"
    ):
        MongoCopy(database).update(behind)
    assert dump_database(database) == before


def test_a_run_that_takes_the_id_between_reading_and_writing_is_not_overwritten(files, mongod):
    database = mongod.client["raced"]
    copy = MongoCopy(database)
    copy.read(files)
    database["runs"].insert_one({"_id": int(files.run_id), "status": "RUNNING"})
    _, missing = copy.update(files)
    assert "status (MongoDB rejects the request (DuplicateKeyError 11000))" in missing
    assert database["runs"].find_one() == {"_id": int(files.run_id), "status": "RUNNING"}


def test_values_that_mongodb_cannot_store_become_text_and_are_reported(files, mongod):
    odd = {"large": 2**70, "fits": 2**63 - 1, "a.b": {"$c": [1, -(2**63) - 1]}, "z\0": "\udc80"}
    database = mongod.client["odd"]
    _, missing = MongoCopy(database).update(replace(files, config=odd))
    assert database["runs"].find_one()["config"] == {
        "large": str(2**70),
        "fits": 2**63 - 1,
        "a.b": {"$c": [1, str(-(2**63) - 1)]},
        "z\\0": "\\udc80",
    }
    assert missing == ["config (converted to a value that MongoDB can store)"]


def test_the_start_and_end_of_output_beyond_16_mb_are_stored(files, mongod):
    output = "begin ü\n" + "0123456789abcdef\n" * 1_000_000 + "end ü\n"
    database = mongod.client["long"]
    _, missing = MongoCopy(database).update(replace(files, output=output))
    stored_run = database["runs"].find_one()
    assert stored_run["status"] == "COMPLETED"
    assert stored_run["captured_out"].startswith("begin ü\n0123")
    assert stored_run["captured_out"].endswith("abcdef\nend ü\n")
    omitted = len(output.encode()) - 2 * 2**20
    assert (
        f"[… {omitted} bytes omitted; complete output: {files.origin}/cout.txt"
        in (stored_run["captured_out"])
    )
    assert missing == ["captured_out (shortened)"]


def test_a_field_too_large_for_a_document_is_omitted_and_reported(files, mongod):
    database = mongod.client["large"]
    _, missing = MongoCopy(database).update(replace(files, info={"all": "x" * 17 * 2**20}))
    assert missing == ["info (omitted, too large)"]
    stored_run = database["runs"].find_one()
    assert stored_run["status"] == "COMPLETED"
    assert "info" not in stored_run


def test_a_series_too_long_for_a_document_is_omitted_and_reported(files, mongod):
    values = ["x" * 2**20] * 17  # 17 MB; a document may have 16 MB
    series = {"values": values, "steps": [*range(17)], "timestamps": ["2026-11-20T10:00:00"] * 17}
    database = mongod.client["steps"]
    _, (missing,) = MongoCopy(database).update(
        replace(files, series={**files.series, "every.step": series})
    )
    assert missing.startswith("series every.step (MongoDB rejects the request (")
    assert {series["name"] for series in database["metrics"].find()} == {"rate", "training.loss"}
    assert database["runs"].find_one()["status"] == "COMPLETED"


def test_a_rejected_part_does_not_prevent_storing_the_others(files, mongod):
    """A validator rejects parts, as a full disk, a quota or another version of the server may."""
    database = mongod.client["strict"]
    database.create_collection("runs", validator={"host.os": {"$exists": False}})
    database.create_collection("fs.files", validator={"contentType": {"$ne": "text/plain"}})
    _, missing = MongoCopy(database).update(files)
    stored_run = database["runs"].find_one()
    assert [artifact["name"] for artifact in stored_run["artifacts"]] == ["museval test Sönġ.json"]
    assert (stored_run["status"], "host" in stored_run) == ("COMPLETED", False)
    assert missing == [
        "artifact plain.txt (MongoDB rejects the request (WriteError 121))",
        "host (MongoDB rejects the request (WriteError 121))",
    ]
    for name in ("runs", "fs.files"):
        database.command("collMod", name, validator={})
    assert MongoCopy(database).update(files) == ("completed", [])
    stored_run = database["runs"].find_one()
    assert len(stored_run["artifacts"]) == 2
    assert stored_run["host"]["os"]


def test_a_missing_file_is_reported(files, mongod, tmp_path):
    artifacts = {**files.artifacts, "plain.txt": tmp_path / "plain.txt"}
    _, missing = MongoCopy(mongod.client["gone"]).update(replace(files, artifacts=artifacts))
    assert missing == ["artifact plain.txt (cannot be read: No such file or directory)"]


def test_a_source_emptied_by_a_power_failure_is_reported_and_not_stored(files, mongod, tmp_path):
    (tmp_path / files.sources["Report.py"].name).touch()
    emptied = {"Report.py": tmp_path / files.sources["Report.py"].name}
    database = mongod.client["emptied"]
    _, missing = MongoCopy(database).update(replace(files, sources={**files.sources, **emptied}))
    assert missing == [
        "source Report.py (cannot be read: its content does not match the MD5 in its name)"
    ]
    assert "Report.py" not in dict(database["runs"].find_one()["experiment"]["sources"])


def test_a_resource_is_stored_with_its_digest(files, mongod, tmp_path):
    digest = "c4ca4238a0b923820dcc509a6f75849b"  # of "1"
    (tmp_path / f"tracks_{digest}.txt").write_text("1")
    resources = {"/data/tracks.txt": tmp_path / f"tracks_{digest}.txt"}
    database = mongod.client["resources"]
    assert MongoCopy(database).update(replace(files, resources=resources)) == ("pushed", [])
    assert database["runs"].find_one()["resources"] == [["/data/tracks.txt", digest]]
    stored = database["fs.files"].find_one({"filename": "/data/tracks.txt"})
    assert read_content(database, stored["_id"]) == b"1"
