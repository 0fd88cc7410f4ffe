"""Runs recorded in a real MongoDB: one that is there, one that is not, one that comes and goes."""

import json
import os
import signal
import time
from pathlib import Path

import gridfs
import pytest

import MongoObserver
import Report
from Observers import RunFolder
from Recording import Mongo
from Recording.MongoCopy import MongoCopy
from Recording.RunFiles import read_run
from Spec.Errors import RecordError
from tests.mongo import PASSWORD, Relay
from tests.scripted import command_line, entry_of, scripted, the_run

DEAD = "127.0.0.1:1"  # nothing listens on port 1


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Every test runs in an empty folder, and waits for no server for long."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JNET_MONGO_URL", raising=False)
    for module, name, value in (
        *((Mongo, "WAIT", 500), (Mongo, "SILENCE", 1000)),
        *((MongoObserver, "PING_WAIT", 0.3), (MongoObserver, "END_WAIT", 0.5)),
    ):
        monkeypatch.setattr(module, name, value)
    return tmp_path


@pytest.fixture
def relay(mongod):
    line = Relay(mongod.address)
    yield line
    line.close()


@pytest.fixture
def errors(capsys):
    """The lines on standard error by now."""
    return lambda: capsys.readouterr().err.splitlines()


@pytest.fixture
def database(mongod, tmp_path):
    """A database of the test's own."""
    return mongod.client[tmp_path.name[-40:]]


def whole(database, run=None):
    """That MongoDB has all that the run's folder has; its document."""
    files = read_run(run or the_run())
    brought = MongoCopy(database).bring_up(files)
    assert (brought.new, brought.changed, brought.missing) == (False, (), ())
    entry = database["runs"].find_one({"_id": files.run_id})
    assert entry["captured_out"] == files.output
    assert len(entry["experiment"]["sources"]) == len(files.sources) > 100
    return entry


def step(run, number):
    """What a training does at the end of an epoch, and a heartbeat."""
    run.log_scalar("loss", 1 / number, number)
    Path("x.json").write_text(json.dumps(number))
    run.add_artifact("x.json", f"{number}.json", content_type="application/json")
    print(f"epoch {number}")
    run._emit_heartbeat()


def steps(run, *between):
    """Epochs, with something happening after each."""
    for number, happens in enumerate((*between, lambda: None), 1):
        step(run, number)
        happens()
    return {"epochs": number}


def there(database, run, names):
    """Wait until MongoDB has a run's artifacts."""
    for _ in range(600):
        entry = database["runs"].find_one({"_id": run._id}) or {}
        if [one["name"] for one in entry.get("artifacts") or ()] == names:
            return
        time.sleep(0.02)
    raise AssertionError(f"{names} did not arrive")


def test_a_run_is_there_while_it_runs_and_whole_when_it_ends(mongod, database, errors):
    seen = []

    def look(run):
        there(database, run, ["1.json"])
        entry = database["runs"].find_one()
        assert (entry["_id"], entry["status"]) == (run._id, "RUNNING")
        seen.append(entry["captured_out"])

    ex = scripted(lambda run: steps(run, lambda: look(run)))
    assert command_line(ex, "-m", f"{mongod.address}:{database.name}") == 0
    assert errors() == []
    assert seen == ["epoch 1\n"]
    entry = whole(database)
    assert (entry["status"], entry["result"]) == ("COMPLETED", {"epochs": 2})


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_leaves_both_records_interrupted(mongod, database, errors, number, status):
    ex = scripted(lambda run: steps(run, lambda: os.kill(os.getpid(), number)))
    assert command_line(ex, "-m", f"{mongod.address}:{database.name}") == status
    assert len(errors()) == 1
    assert whole(database)["status"] == entry_of(the_run())["status"] == "INTERRUPTED"


def test_a_failure_leaves_both_records_failed_with_the_traceback(mongod, database):
    ex = scripted(lambda run: 1 / 0)
    assert command_line(ex, "-m", f"{mongod.address}:{database.name}") == 1
    entry = whole(database)
    assert entry["status"] == entry_of(the_run())["status"] == "FAILED"
    assert "ZeroDivisionError" in "".join(entry["fail_trace"])


def test_without_a_server_the_run_goes_on_and_one_line_says_how_to_push_it(
    database, mongod, errors, capsys
):
    assert command_line(scripted(steps_of_three), "-m", f"{DEAD}:jnet") == 0
    run = the_run()
    (line,) = errors()
    assert line == (
        f"WARNING: MongoDB at {DEAD} does not answer (ServerSelectionTimeoutError): run "
        f"{run.name} goes on and is recorded in {run}; MongoDB gets it when it answers before the "
        f"run ends, else by: python Report.py push --to {DEAD}:jnet {run}"
    )
    assert_whole_record(run)
    assert Report.main(["push", "--to", f"{mongod.address}:{database.name}", str(run)]) == 0
    assert capsys.readouterr().out == f"run {run.name}: pushed\n"
    assert whole(database)["result"] == {"epochs": 3}


def steps_of_three(run):
    return steps(run, lambda: None, lambda: None)


def assert_whole_record(run, epochs=3):
    entry = entry_of(run)
    assert (entry["status"], entry["result"]) == ("COMPLETED", {"epochs": epochs})
    assert entry["artifacts"] == [f"{number}.json" for number in range(1, epochs + 1)]
    for number in range(1, epochs + 1):
        assert (run / f"{number}.json").read_text() == str(number)
    series = json.loads((run / "metrics.json").read_text())["loss"]
    assert series["steps"] == list(range(1, epochs + 1))
    output = (run / "cout.txt").read_text().splitlines()
    assert [line for line in output if line.startswith("epoch")][-1] == f"epoch {epochs}"


def test_a_server_that_comes_later_gets_all_of_the_run(relay, database, errors, capsys):
    relay.cut()
    ex = scripted(lambda run: steps(run, lambda: (relay.join(), there(database, run, ["1.json"]))))
    assert command_line(ex, "-m", f"{relay.address}:{database.name}") == 0
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert line.startswith(f"WARNING: MongoDB at {relay.address} does not answer (")
    run = the_run()
    assert said.out.endswith(f"MongoDB at {relay.address} has all of run {run.name} now\n")
    assert whole(database)["result"] == {"epochs": 2}


def test_a_server_lost_in_the_middle_is_one_line_at_the_end_and_pushed_later(
    relay, database, mongod, errors, capsys
):
    def lose(run):
        there(database, run, ["1.json"])
        relay.cut()

    ex = scripted(lambda run: steps(run, lambda: lose(run), lambda: None))
    assert command_line(ex, "-m", f"{relay.address}:{database.name}") == 0
    (line,) = errors()
    run = the_run()
    assert line.startswith(f"WARNING: MongoDB at {relay.address} does not answer (")
    assert line.endswith(
        f": of run {run.name} it lacks 2 artifacts, series loss, result, status, stop_time, "
        f"captured_out; {run} has it: python Report.py push --to {relay.address}:{database.name} "
        f"{run}"
    )
    assert_whole_record(run)
    assert database["runs"].find_one()["status"] == "RUNNING"
    assert Report.main(["push", "--to", f"{mongod.address}:{database.name}"]) == 0
    said = capsys.readouterr().out
    assert said == (
        f"run {run.name}: completed, 2 artifacts, series loss, result, status, stop_time, "
        f"captured_out\n"
    )
    assert whole(database)["status"] == "COMPLETED"


def test_a_server_that_goes_and_comes_back_misses_nothing(relay, database, errors):
    def blink(run):
        there(database, run, ["1.json"])
        relay.cut()
        step(run, 7)
        relay.join()

    ex = scripted(lambda run: steps(run, lambda: blink(run)))
    assert command_line(ex, "-m", f"{relay.address}:{database.name}") == 0
    assert errors() == []
    entry = whole(database)
    assert [one["name"] for one in entry["artifacts"]] == ["1.json", "7.json", "2.json"]
    assert entry["status"] == "COMPLETED"


def test_a_server_that_takes_and_never_answers_keeps_nothing_waiting(relay, database, errors):
    """Ten epochs are recorded in the folder while MongoDB's thread waits for one answer."""
    waiting = []

    def act(run):
        there_first(run)
        relay.silent = True
        for number in range(2, 12):
            step(run, number)
        waiting.append(run.observers[1].trouble)
        assert entry_of(the_run())["artifacts"] == [f"{number}.json" for number in range(1, 12)]

    def there_first(run):
        step(run, 1)
        there(database, run, ["1.json"])

    assert command_line(scripted(act), "-m", f"{relay.address}:{database.name}") == 0
    (line,) = errors()
    assert waiting == [None]  # it was still waiting when all had been recorded
    assert line.startswith(f"WARNING: MongoDB at {relay.address} does not answer (NetworkTimeout)")
    assert "it lacks 10 artifacts" in line


def test_a_real_server_killed_and_started_again_during_a_run_misses_nothing(
    start_mongod, tmp_path, errors, monkeypatch
):
    server = start_mongod()
    monkeypatch.setattr(MongoObserver, "END_WAIT", 10.0)
    database = server.client["jnet"]

    def act(run):
        step(run, 1)
        there(database, run, ["1.json"])
        server.kill()
        step(run, 2)
        step(run, 3)
        server.start()
        step(run, 4)
        return {"epochs": 4}

    assert command_line(scripted(act), "-m", f"{server.address}:jnet") == 0
    assert errors() == []
    assert_whole_record(the_run(), 4)
    entry = whole(database)
    assert (entry["status"], entry["result"]) == ("COMPLETED", {"epochs": 4})
    assert [one["name"] for one in entry["artifacts"]] == [f"{n}.json" for n in range(1, 5)]
    held = {one["name"]: one["file_id"] for one in entry["artifacts"]}
    files = gridfs.GridFS(database)
    assert [files.get(held[f"{n}.json"]).read() for n in range(1, 5)] == [b"1", b"2", b"3", b"4"]
    (loss,) = database["metrics"].find()
    assert (loss["steps"], loss["values"]) == ([1, 2, 3, 4], [1, 1 / 2, 1 / 3, 1 / 4])


def test_what_mongodb_cannot_hold_is_one_line(mongod, database, errors):
    database.create_collection("fs.files", validator={"contentType": {"$ne": "text/x-large"}})

    def act(run):
        Path("x.txt").write_text("x")
        run.add_artifact("x.txt", "large.txt", content_type="text/x-large")
        steps(run)
        print("0123456789abcdef\n" * 1_100_000)
        return {"epochs": 2**70, "a.b": {"$c": float("nan")}}

    assert command_line(scripted(act), "-m", f"{mongod.address}:{database.name}") == 0
    (line,) = errors()
    run = the_run()
    assert line.startswith(
        f"WARNING: MongoDB at {mongod.address} lacks of run {run.name} the middle of captured_out "
        f"(too long), result.epochs as text alone, being beyond 64 bits, artifact large.txt "
        f"(MongoDB does not take it (WriteError 121)); {run} has it: python Report.py push --to"
    )
    assert (run / "large.txt").read_text() == "x"
    assert entry_of(run)["result"]["epochs"] == 2**70
    assert (run / "cout.txt").stat().st_size > 17_000_000
    held = database["runs"].find_one()
    assert held["status"] == "COMPLETED"
    assert held["result"]["epochs"] == str(2**70)
    assert list(held["result"]["a.b"]) == ["$c"]
    assert [one["name"] for one in held["artifacts"]] == ["1.json"]


def test_an_error_of_this_program_in_the_copying_is_said_and_ends_no_run(
    mongod, database, errors, monkeypatch
):
    def broken(self, run):
        raise ZeroDivisionError(PASSWORD)

    monkeypatch.setattr(MongoCopy, "bring_up", broken)
    ex = scripted(steps_of_three)
    assert command_line(ex, "-m", f"{mongod.address}:{database.name}") == 0
    (line,) = errors()
    assert "cannot be brought up (ZeroDivisionError): of run" in line
    assert_whole_record(the_run())


def test_an_id_that_mongodb_has_already_is_refused_in_one_line(mongod, database, errors):
    database["runs"].insert_one({"_id": 17})
    ex = scripted(lambda run: None)
    assert command_line(ex, "-i", "17", "-m", f"{mongod.address}:{database.name}") == 2
    (line,) = errors()
    assert "MongoDB has a run 17 already: give another id, or leave out -i" in line
    assert entry_of(Path("runs/17"))["status"] == "FAILED"
    assert database["runs"].find_one() == {"_id": 17}


def test_an_id_that_mongodb_turns_out_to_have_is_not_written_over(relay, database, errors):
    database["runs"].insert_one({"_id": 17})
    relay.cut()
    ex = scripted(lambda run: steps(run, relay.join))
    assert command_line(ex, "-i", "17", "-m", f"{relay.address}:{database.name}") == 0
    (line,) = errors()
    assert line.startswith(f"WARNING: MongoDB at {relay.address} does not answer (")
    assert database["runs"].find_one() == {"_id": 17}


def test_a_wrong_password_is_refused_without_repeating_it(mongod, monkeypatch, errors):
    url = mongod.url("jnet")
    monkeypatch.setenv("JNET_MONGO_URL", url.replace("s3cr3t", "wr0ng"))
    assert command_line(scripted(lambda run: None)) == 2
    (line,) = errors()
    assert f"MongoDB at {mongod.address} refuses this user (OperationFailure 18)" in line
    assert "wr0ng" not in line
    assert not list(Path("runs").glob("*/run.json"))


def test_a_server_that_wants_a_password_is_refused_before_the_run(start_mongod, errors):
    server = start_mongod("--auth")
    assert command_line(scripted(lambda run: None), "-m", f"{server.address}:jnet") == 2
    (line,) = errors()
    assert f"MongoDB at {server.address} refuses this user (OperationFailure 13)" in line
    assert not list(Path("runs").iterdir())


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
def test_a_url_that_is_not_understood_is_refused_and_not_repeated(monkeypatch, url, tmp_path):
    monkeypatch.setenv("JNET_MONGO_URL", url)
    with pytest.raises(
        RecordError, match=r"not understood \((InvalidURI|ValueError|ConfigurationError)"
    ) as error:
        MongoObserver.mongo_observer(None, RunFolder(tmp_path, print))
    assert "s3cr3t" not in str(error.value)
    assert error.value.__cause__ is None


def test_a_server_that_the_dns_does_not_know_yet_is_waited_for(monkeypatch, errors):
    monkeypatch.setenv("JNET_MONGO_URL", "mongodb+srv://me:s3cr3t@nowhere.invalid/jnet")
    assert command_line(scripted(steps_of_three)) == 0
    (line,) = errors()
    assert line.startswith("WARNING: MongoDB at nowhere.invalid is not found, or its address")
    assert "s3cr3t" not in line
    assert_whole_record(the_run())


def test_an_empty_url_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("JNET_MONGO_URL", "")
    assert MongoObserver.mongo_observer(None, RunFolder(tmp_path, print)) is None
