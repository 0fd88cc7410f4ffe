"""Runs recorded in a real MongoDB that is reachable, unreachable or restarted."""

import json
import os
import signal
import time
from pathlib import Path

import gridfs
import pytest

import Report
from jnet.errors import RecordError
from jnet.recording import mongo, mongo_observer
from jnet.recording.mongo_copy import MongoCopy
from jnet.recording.run_folder import RunFolder
from jnet.recording.runs import read_run
from tests.jnet.recording.mongod import PASSWORD, Relay
from tests.jnet.recording.scripted import find_run, make_experiment, read_entry, run_command_line

DEAD = "127.0.0.1:1"  # nothing listens on port 1


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """Run every test in an empty folder and with short timeouts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JNET_MONGO_URL", raising=False)
    for module, name, value in (
        *((mongo, "CONNECT_MILLISECONDS", 500), (mongo, "ANSWER_MILLISECONDS", 1000)),
        *((mongo_observer, "PING_WAIT", 0.3), (mongo_observer, "END_WAIT", 0.5)),
    ):
        monkeypatch.setattr(module, name, value)
    # pymongo waits half a second between two attempts to find a server.
    monkeypatch.setattr("pymongo.common.MIN_HEARTBEAT_INTERVAL", 0.05)
    return tmp_path


@pytest.fixture
def shortest_timeouts(monkeypatch):
    """Set very short timeouts, for servers that stay unreachable."""
    monkeypatch.setattr(mongo, "CONNECT_MILLISECONDS", 150)
    monkeypatch.setattr(mongo_observer, "PING_WAIT", 0.1)
    monkeypatch.setattr(mongo_observer, "END_WAIT", 0.1)


@pytest.fixture
def relay(mongod):
    relay = Relay(mongod.address)
    yield relay
    relay.close()


@pytest.fixture
def read_errors(capsys):
    """Return a function that returns the lines on standard error so far."""
    return lambda: capsys.readouterr().err.splitlines()


@pytest.fixture
def database(mongod, tmp_path):
    """Return a database for this test only."""
    return mongod.client[tmp_path.name[-40:]]


def check_complete_copy(database, run=None):
    """Assert that MongoDB has the complete record of a run and return the document."""
    files = read_run(run or find_run(), complete=True)
    assert MongoCopy(database).update(files) == ("already complete", [])
    entry = database["runs"].find_one({"_id": int(files.run_id)})
    assert entry["captured_out"] == files.output
    assert len(entry["experiment"]["sources"]) == len(files.sources) > 100
    return entry


def run_epoch(run, number):
    """Record what a training records at the end of an epoch, and emit a heartbeat."""
    run.log_scalar("loss", 1 / number, number)
    Path("x.json").write_text(json.dumps(number))
    run.add_artifact("x.json", f"{number}.json", content_type="application/json")
    print(f"epoch {number}")
    run._emit_heartbeat()


def run_epochs(run, *between):
    """Run epochs and call a function of `between` after each."""
    for number, action in enumerate((*between, lambda: None), 1):
        run_epoch(run, number)
        action()
    return {"epochs": number}


def wait_for_artifacts(database, run, names):
    """Wait until MongoDB has the given artifacts of a run."""
    for _ in range(600):
        entry = database["runs"].find_one({"_id": run._id}) or {}
        if [artifact["name"] for artifact in entry.get("artifacts") or ()] == names:
            return
        time.sleep(0.02)
    raise AssertionError(f"{names} did not arrive")


def test_a_run_is_in_mongodb_while_it_runs_and_complete_at_its_end(mongod, database, read_errors):
    seen = []

    def look(run):
        wait_for_artifacts(database, run, ["1.json"])
        while not (entry := database["runs"].find_one())["captured_out"]:
            time.sleep(0.02)
        assert (entry["_id"], entry["status"]) == (run._id, "RUNNING")
        seen.append(entry["captured_out"])

    ex = make_experiment(lambda run: run_epochs(run, lambda: look(run)))
    assert run_command_line(ex, "-m", f"{mongod.address}:{database.name}") == 0
    assert read_errors() == []
    assert seen == ["epoch 1\n"]
    entry = check_complete_copy(database)
    assert (entry["status"], entry["result"]) == ("COMPLETED", {"epochs": 2})


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_marks_both_records_interrupted(mongod, database, read_errors, number, status):
    ex = make_experiment(lambda run: run_epochs(run, lambda: os.kill(os.getpid(), number)))
    assert run_command_line(ex, "-m", f"{mongod.address}:{database.name}") == status
    assert len(read_errors()) == 1
    assert (
        check_complete_copy(database)["status"] == read_entry(find_run())["status"] == "INTERRUPTED"
    )


def test_a_failure_marks_both_records_failed_with_the_traceback(mongod, database):
    ex = make_experiment(lambda run: 1 / 0)
    assert run_command_line(ex, "-m", f"{mongod.address}:{database.name}") == 1
    entry = check_complete_copy(database)
    assert entry["status"] == read_entry(find_run())["status"] == "FAILED"
    assert "ZeroDivisionError" in "".join(entry["fail_trace"])


@pytest.mark.usefixtures("shortest_timeouts")
def test_without_a_server_the_run_continues_and_one_line_explains_how_to_push_it(
    database, mongod, read_errors, capsys
):
    assert run_command_line(make_experiment(run_three_epochs), "-m", f"{DEAD}:jnet") == 0
    run = find_run()
    (line,) = read_errors()
    assert line == (
        f"WARNING: MongoDB at {DEAD} does not answer (ServerSelectionTimeoutError): run "
        f"{run.name} continues and is recorded in {run}; if MongoDB does not answer before the run "
        f"ends, copy the run later: python Report.py push --to {DEAD}:jnet {run}"
    )
    assert_complete_record(run)
    assert Report.main(["push", "--to", f"{mongod.address}:{database.name}", str(run)]) == 0
    assert capsys.readouterr().out == f"run {run.name}: pushed\n"
    assert check_complete_copy(database)["result"] == {"epochs": 3}


def run_three_epochs(run):
    return run_epochs(run, lambda: None, lambda: None)


def assert_complete_record(run, epochs=3):
    entry = read_entry(run)
    assert (entry["status"], entry["result"]) == ("COMPLETED", {"epochs": epochs})
    assert entry["artifacts"] == [f"{number}.json" for number in range(1, epochs + 1)]
    for number in range(1, epochs + 1):
        assert (run / f"{number}.json").read_text() == str(number)
    series = json.loads((run / "metrics.json").read_text())["loss"]
    assert series["steps"] == list(range(1, epochs + 1))
    output = (run / "cout.txt").read_text().splitlines()
    assert [line for line in output if line.startswith("epoch")][-1] == f"epoch {epochs}"


def test_a_server_that_starts_during_the_run_receives_the_complete_run(
    relay, database, read_errors, capsys
):
    relay.cut()
    ex = make_experiment(
        lambda run: run_epochs(
            run, lambda: (relay.join(), wait_for_artifacts(database, run, ["1.json"]))
        )
    )
    assert run_command_line(ex, "-m", f"{relay.address}:{database.name}") == 0
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith(f"WARNING: MongoDB at {relay.address} does not answer (")
    run = find_run()
    assert captured.out.endswith(
        f"MongoDB at {relay.address}: the copy of run {run.name} is now complete\n"
    )
    assert check_complete_copy(database)["result"] == {"epochs": 2}


@pytest.mark.usefixtures("shortest_timeouts")
def test_losing_the_server_prints_one_line_and_the_run_can_be_pushed_later(
    relay, database, mongod, read_errors, capsys
):
    def lose(run):
        wait_for_artifacts(database, run, ["1.json"])
        relay.cut()

    ex = make_experiment(lambda run: run_epochs(run, lambda: lose(run), lambda: None))
    assert run_command_line(ex, "-m", f"{relay.address}:{database.name}") == 0
    (line,) = read_errors()
    run = find_run()
    assert line.startswith(f"WARNING: MongoDB at {relay.address} does not answer (")
    assert line.endswith(
        f": its copy of run {run.name} is incomplete; the complete record is {run}; to copy it "
        f"again: python Report.py push --to "
        f"{relay.address}:{database.name} {run}"
    )
    assert_complete_record(run)
    assert database["runs"].find_one()["status"] == "RUNNING"
    assert Report.main(["push", "--to", f"{mongod.address}:{database.name}"]) == 0
    assert capsys.readouterr().out == f"run {run.name}: completed\n"
    assert check_complete_copy(database)["status"] == "COMPLETED"


def test_a_server_that_was_unreachable_for_a_while_receives_everything(
    relay, database, read_errors
):
    def blink(run):
        wait_for_artifacts(database, run, ["1.json"])
        relay.cut()
        run_epoch(run, 7)
        relay.join()

    ex = make_experiment(lambda run: run_epochs(run, lambda: blink(run)))
    assert run_command_line(ex, "-m", f"{relay.address}:{database.name}") == 0
    assert read_errors() == []
    entry = check_complete_copy(database)
    assert [artifact["name"] for artifact in entry["artifacts"]] == ["1.json", "7.json", "2.json"]
    assert entry["status"] == "COMPLETED"


@pytest.mark.usefixtures("shortest_timeouts")
def test_a_server_that_stops_answering_does_not_delay_the_run(
    relay, database, read_errors, monkeypatch
):
    """Ten epochs are recorded in the folder while the copying thread waits for one answer."""
    monkeypatch.setattr(mongo, "ANSWER_MILLISECONDS", 400)
    waiting = []

    def act(run):
        run_first_epoch(run)
        relay.silent = True
        for number in range(2, 12):
            run_epoch(run, number)
        waiting.append(run.observers[1].trouble)
        assert read_entry(find_run())["artifacts"] == [f"{number}.json" for number in range(1, 12)]

    def run_first_epoch(run):
        run_epoch(run, 1)
        wait_for_artifacts(database, run, ["1.json"])

    assert run_command_line(make_experiment(act), "-m", f"{relay.address}:{database.name}") == 0
    (line,) = read_errors()
    assert waiting == [None]  # still waiting when all epochs were recorded
    assert line.startswith(f"WARNING: MongoDB at {relay.address} does not answer (NetworkTimeout)")
    assert f"its copy of run {find_run().name} is incomplete" in line


def test_a_server_restarted_during_a_run_receives_everything(
    start_mongod, tmp_path, read_errors, monkeypatch
):
    server = start_mongod()
    monkeypatch.setattr(mongo_observer, "END_WAIT", 10.0)
    database = server.client["jnet"]

    def act(run):
        run_epoch(run, 1)
        wait_for_artifacts(database, run, ["1.json"])
        server.kill()
        run_epoch(run, 2)
        run_epoch(run, 3)
        server.start()
        run_epoch(run, 4)
        return {"epochs": 4}

    assert run_command_line(make_experiment(act), "-m", f"{server.address}:jnet") == 0
    assert read_errors() == []
    assert_complete_record(find_run(), 4)
    entry = check_complete_copy(database)
    assert (entry["status"], entry["result"]) == ("COMPLETED", {"epochs": 4})
    assert [artifact["name"] for artifact in entry["artifacts"]] == [
        f"{n}.json" for n in range(1, 5)
    ]
    ids = {artifact["name"]: artifact["file_id"] for artifact in entry["artifacts"]}
    files = gridfs.GridFS(database)
    assert [files.get(ids[f"{n}.json"]).read() for n in range(1, 5)] == [b"1", b"2", b"3", b"4"]
    (loss,) = database["metrics"].find()
    assert (loss["steps"], loss["values"]) == ([1, 2, 3, 4], [1, 1 / 2, 1 / 3, 1 / 4])


def test_everything_that_mongodb_cannot_store_is_reported_in_one_line(
    mongod, database, read_errors
):
    database.create_collection("fs.files", validator={"contentType": {"$ne": "text/x-large"}})

    def act(run):
        Path("x.txt").write_text("x")
        run.add_artifact("x.txt", "large.txt", content_type="text/x-large")
        run_epochs(run)
        print("0123456789abcdef\n" * 1_100_000)
        return {"epochs": 2**70, "a.b": {"$c": float("nan")}}

    assert run_command_line(make_experiment(act), "-m", f"{mongod.address}:{database.name}") == 0
    (line,) = read_errors()
    run = find_run()
    assert line.startswith(
        f"WARNING: MongoDB at {mongod.address} could not store captured_out (shortened), result "
        f"(converted to a value that MongoDB can store), artifact "
        f"large.txt (MongoDB rejects the request (WriteError 121)): its copy of run {run.name} is "
        f"incomplete; the complete record is {run}; to copy it again: python Report.py push --to"
    )
    assert (run / "large.txt").read_text() == "x"
    assert read_entry(run)["result"]["epochs"] == 2**70
    assert (run / "cout.txt").stat().st_size > 17_000_000
    entry = database["runs"].find_one()
    assert entry["status"] == "COMPLETED"
    assert entry["result"]["epochs"] == str(2**70)
    assert list(entry["result"]["a.b"]) == ["$c"]
    assert [artifact["name"] for artifact in entry["artifacts"]] == ["1.json"]


def test_a_bug_in_the_copying_is_reported_and_does_not_end_the_run(
    mongod, database, read_errors, monkeypatch
):
    def broken(self, run):
        raise ZeroDivisionError(PASSWORD)

    monkeypatch.setattr(MongoCopy, "update", broken)
    ex = make_experiment(run_three_epochs)
    assert run_command_line(ex, "-m", f"{mongod.address}:{database.name}") == 0
    (line,) = read_errors()
    assert (
        "is not updated, because of an error in this program (ZeroDivisionError): its copy" in line
    )
    assert_complete_record(find_run())


def test_an_id_that_exists_in_mongodb_is_rejected_in_one_line(mongod, database, read_errors):
    database["runs"].insert_one({"_id": 17})
    ex = make_experiment(lambda run: None)
    assert run_command_line(ex, "-i", "17", "-m", f"{mongod.address}:{database.name}") == 2
    (line,) = read_errors()
    assert (
        "MongoDB already has a run 17 that started at another time: give this run another id"
        in line
    )
    assert read_entry(Path("runs/17"))["status"] == "FAILED"
    assert database["runs"].find_one() == {"_id": 17}


def test_a_run_with_the_same_id_found_later_in_mongodb_is_not_overwritten(
    relay, database, read_errors
):
    database["runs"].insert_one({"_id": 17})
    relay.cut()
    ex = make_experiment(lambda run: run_epochs(run, relay.join))
    assert run_command_line(ex, "-i", "17", "-m", f"{relay.address}:{database.name}") == 0
    (line,) = read_errors()
    assert line.startswith(f"WARNING: MongoDB at {relay.address} does not answer (")
    assert database["runs"].find_one() == {"_id": 17}


def test_a_wrong_password_is_reported_without_repeating_it(mongod, monkeypatch, read_errors):
    url = mongod.url("jnet")
    monkeypatch.setenv("JNET_MONGO_URL", url.replace("s3cr3t", "wr0ng"))
    assert run_command_line(make_experiment(lambda run: None)) == 2
    (line,) = read_errors()
    assert f"MongoDB at {mongod.address} denies access to this user (OperationFailure 18)" in line
    assert "wr0ng" not in line
    assert not list(Path("runs").glob("*/run.json"))


def test_a_server_that_requires_a_password_ends_the_command_before_the_run(
    start_mongod, read_errors
):
    server = start_mongod("--auth")
    assert run_command_line(make_experiment(lambda run: None), "-m", f"{server.address}:jnet") == 2
    (line,) = read_errors()
    assert f"MongoDB at {server.address} denies access to this user (OperationFailure 13)" in line
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    "url",
    [
        f"mongodb://me:{PASSWORD}@",
        "me:s3cr3t@h/db",
        "mongodb://u:s3cr3t:x@h:77777/db",
        "mongodb://u:s3cr3t@h/db?w=majority&authMechanism=nonsense",
        "mongodb://u:s3cr3t@h/db?w=0",
    ],
)
def test_an_invalid_url_is_rejected_and_not_repeated(monkeypatch, url, tmp_path):
    monkeypatch.setenv("JNET_MONGO_URL", url)
    with pytest.raises(
        RecordError,
        match=r"valid (MongoDB )?address \((InvalidURI|ValueError|ConfigurationError)",
    ) as error:
        mongo_observer.RunDocument(RunFolder(tmp_path, print), mongo.find_address(), "push")
    assert "s3cr3t" not in str(error.value)
    assert error.value.__cause__ is None


@pytest.mark.usefixtures("shortest_timeouts")
def test_a_host_unknown_to_the_dns_does_not_end_the_run(monkeypatch, read_errors):
    monkeypatch.setenv("JNET_MONGO_URL", "mongodb+srv://me:s3cr3t@nowhere.invalid/jnet")
    assert run_command_line(make_experiment(run_three_epochs)) == 0
    (line,) = read_errors()
    assert line.startswith("WARNING: MongoDB at nowhere.invalid is not found or has an invalid")
    assert "s3cr3t" not in line
    assert_complete_record(find_run())


def test_an_empty_url_counts_as_no_url(monkeypatch):
    monkeypatch.setenv("JNET_MONGO_URL", "")
    assert mongo.find_address() is None
