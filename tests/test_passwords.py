"""A password in JNET_MONGO_URL is in nothing that is written, whatever goes wrong."""

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
from tests.mongo import PASSWORD, USER, Relay

ROOT = Path(__file__).parents[1]
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


def forked(place, cases):
    """Start cases, each in a folder of its name."""
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
def written(mongod, place, database):
    """All that every case writes: files by their path, and the database."""
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
    names = ("name", "url", "argv", "act")
    (place / "17").mkdir()
    for file in ("run.json", "config.json"):
        (place / "17" / file).write_text("{}")
    process = forked(place, [dict(zip(names, case, strict=True)) for case in cases])
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


def said(written, place, name, which="said.txt"):
    return written[place / name / which].decode()


def test_every_case_ended_as_it_should(written, place):
    for name, status in STATUSES.items():
        ended = int(written[place / name / "status.txt"])
        assert (name, ended) == (name, status), said(written, place, name)


def test_every_case_said_what_it_should(written, place, mongod):
    for name in ("normal", "debugged", "logged"):
        assert "epoch 1" in said(written, place, name)
        assert "MongoDB" not in said(written, place, name)
    assert "ZeroDivisionError: a bug" in said(written, place, "failing debugged")
    for name in ("refused", "refused debugged", "report refused"):
        assert f"MongoDB at {mongod.address} refuses this user" in said(written, place, name)
    for name in ("mistyped", "mistyped debugged", "report mistyped"):
        assert "MongoDB at the address in JNET_MONGO_URL is not understood" in said(
            written, place, name
        )
    for name in ("refused debugged", "mistyped debugged"):
        assert "Traceback" in said(written, place, name)
    assert f"MongoDB at {DEAD} does not answer" in said(written, place, "unreachable")
    assert "does not answer" in said(written, place, "lost")
    assert ": pushed" in said(written, place, "unreachable", "pushed.txt")
    assert ": completed, " in said(written, place, "lost", "pushed.txt")
    assert f"MongoDB at {DEAD} gives no runs" in said(written, place, "report unreachable")


def test_no_file_holds_the_password(written):
    assert sum(path.name == "run.json" for path in written) >= 8
    assert sum(path.parent.name == "_sources" for path in written) > 500
    for path, content in written.items():
        for marker in MARKERS:
            assert marker not in str(path)
            assert marker.encode() not in content, path


def test_no_document_of_mongodb_holds_the_password(written, database):
    found = {
        name: [bson.encode(one) for one in database[name].find()]
        for name in database.list_collection_names()
    }
    assert len(found["runs"]) == 7
    assert any(b"epoch 1" in one for one in found["runs"])
    assert any(b"def mongo_observer" in one for one in found["fs.chunks"])
    for name, documents in found.items():
        for one in documents:
            for marker in MARKERS:
                assert marker.encode() not in one, name
