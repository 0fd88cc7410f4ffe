"""A password in JNET_MONGO_URL never appears in files, output or the database."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote, quote_plus

import bson
import pytest

import Report
from tests.jnet.recording.mongod import PASSWORD, USER, Relay

ROOT = Path(__file__).parents[3]
MARKERS = {PASSWORD, quote(PASSWORD), quote_plus(PASSWORD), quote(PASSWORD, safe=""), "s3cr3t"}
DEAD = "127.0.0.1:1"
STATUSES = {
    "normal": 0,
    "debugged": 0,
    "logged": 0,
    "failing": 1,
    "failing debugged": 1,
    "refused": 2,
    "refused debugged": 1,
    "unreachable": 0,
    "lost": 0,
    "mistyped": 2,
    "mistyped debugged": 1,
    "report mistyped": 2,
    "report refused": 2,
    "report unreachable": 2,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("passwords")


def start_cases(place, cases):
    """Start the cases, each in a folder of its name."""
    (place / "tmp").mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, ROOT / "tests" / "forked_runs.py"],
        cwd=place,
        env={**os.environ, "TMPDIR": str(place / "tmp")},
        stdin=subprocess.PIPE,
        stdout=(place / "out.txt").open("w"),
        stderr=(place / "errors.txt").open("w"),
        text=True,
    )
    process.stdin.write(json.dumps(cases))
    process.stdin.close()
    return process


@pytest.fixture(scope="module")
def database(mongod):
    return mongod.client["passwords"]


@pytest.fixture(scope="module")
def written_files(mongod, place, database):
    """Run all cases and return the content of every file that they write, by path."""
    relay = Relay(mongod.address)
    url = mongod.url("passwords")
    wrong, mistyped = url.replace(f"{USER}:", "nobody:"), url.replace("mongodb://", "mongdb://")
    dead = url.replace(mongod.address, DEAD)
    cases = [
        ("normal", url, [], "plain"),
        ("debugged", url, ["-d"], "plain"),
        ("logged", url, ["-l", "DEBUG"], "plain"),
        ("failing", url, [], "failing"),
        ("failing debugged", url, ["-d"], "failing"),
        ("refused", wrong, [], "plain"),
        ("refused debugged", wrong, ["-d"], "plain"),
        ("unreachable", dead, [], "plain"),
        ("lost", url.replace(mongod.address, relay.address), ["-d"], "waiting"),
        ("mistyped", mistyped, [], "plain"),
        ("mistyped debugged", mistyped, ["-d"], "plain"),
        ("report mistyped", mistyped, ["table1"], "report"),
        ("report refused", wrong, ["push", "--from", str(place)], "report"),
        ("report unreachable", dead, ["models"], "report"),
    ]
    jobs = []
    for number, (name, address, argv, act) in enumerate(cases, 101):
        if act != "report":  # default ids may be equal for runs that start at the same time
            argv = [*argv, "-i", str(number)]
        job = {"name": name, "url": address, "argv": argv, "act": act}
        jobs.append({**job, "answers": address != dead})
    (place / "17").mkdir()
    for file in ("run.json", "config.json"):
        (place / "17" / file).write_text("{}")
    process = start_cases(place, jobs)
    for _ in range(60 * 50):
        if (place / "lost" / "ready").exists():
            break
        time.sleep(0.02)
    relay.cut()
    (place / "lost" / "cut").touch()
    assert process.wait(60) == 0, (place / "errors.txt").read_text()
    relay.close()
    for name in ("unreachable", "lost"):
        with (
            contextlib.chdir(place / name),
            pytest.MonkeyPatch.context() as patch,
            Path("pushed.txt").open("w") as out,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(out),
        ):
            patch.setenv("JNET_MONGO_URL", url)
            assert Report.main(["push"]) == 0
    return {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}


def read_output(written_files, place, name, which="said.txt"):
    return written_files[place / name / which].decode()


def test_every_case_has_the_expected_exit_status(written_files, place):
    for name, status in STATUSES.items():
        ended = int(written_files[place / name / "status.txt"])
        assert (name, ended) == (name, status), read_output(written_files, place, name)


def test_every_case_prints_the_expected_messages(written_files, place, mongod):
    for name in ("normal", "debugged", "logged"):
        assert "epoch 1" in read_output(written_files, place, name)
        assert "MongoDB" not in read_output(written_files, place, name)
    assert "ZeroDivisionError: a bug" in read_output(written_files, place, "failing debugged")
    for name in ("refused", "refused debugged", "report refused"):
        assert f"MongoDB at {mongod.address} denies access to this user" in read_output(
            written_files, place, name
        )
    for name in ("mistyped", "mistyped debugged", "report mistyped"):
        assert "JNET_MONGO_URL is not a valid MongoDB address" in read_output(
            written_files, place, name
        )
    for name in ("refused debugged", "mistyped debugged"):
        assert "Traceback" in read_output(written_files, place, name)
    assert f"MongoDB at {DEAD} does not answer" in read_output(written_files, place, "unreachable")
    assert "does not answer" in read_output(written_files, place, "lost")
    assert ": pushed" in read_output(written_files, place, "unreachable", "pushed.txt")
    assert ": completed\n" in read_output(written_files, place, "lost", "pushed.txt")
    assert f"MongoDB at {DEAD} does not answer" in read_output(
        written_files, place, "report unreachable"
    )


def test_no_file_contains_the_password(written_files):
    assert sum(path.name == "run.json" for path in written_files) >= 8
    assert sum(path.parent.name == "_sources" for path in written_files) > 500
    for path, content in written_files.items():
        for marker in MARKERS:
            assert marker not in str(path)
            assert marker.encode() not in content, path


def test_no_document_of_mongodb_contains_the_password(written_files, database):
    documents = {
        name: [bson.encode(document) for document in database[name].find()]
        for name in database.list_collection_names()
    }
    assert len(documents["runs"]) == 7
    assert any(b"epoch 1" in document for document in documents["runs"])
    assert any(b"class RunDocument" in document for document in documents["fs.chunks"])
    for name, contents in documents.items():
        for content in contents:
            for marker in MARKERS:
                assert marker.encode() not in content, name
