"""Report.py as a user types it."""

import csv
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

import Report
from Evaluation.Published import paper_tables
from tests.Evaluation.written import musdb_scores, record, write

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JNET_MONGO_URL", raising=False)
    return tmp_path


@pytest.fixture
def report(capsys):
    def run(*arguments):
        status = Report.main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_the_scores_of_stl1(shared_data, report):
    folder = shared_data / "sisec18" / "STL1"
    status, out, _ = report("scores", folder, "--csv", "scores.csv")
    assert status == 0
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in out.splitlines()]
    assert ["vocals", "SDR", "4.46", "3.21", "0.65", "13.67", "4.97", "2799"] in rows
    assert ["accompaniment", "SDR", "10.69", "3.15", "11.85", "7.03", "11.11", "2799"] in rows
    assert "all of MUSDB18's 50 test songs, 12439 windows of 1 s" in out
    with Path("scores.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["target"], line["metric"]) for line in lines[:4]] == [
        ("vocals", metric) for metric in ("SDR", "SIR", "SAR", "ISR")
    ]
    assert len(lines) == 8


def test_scores_name_what_is_missing(tmp_path, report):
    scores = musdb_scores()
    del scores["Zeno - Signs"]
    write(tmp_path / "X", scores)
    status, out, error = report("scores", "X")
    assert (status, out) == (2, "")
    assert "49 songs where 50 are expected: Zeno - Signs missing; --songs 49 takes" in error
    status, out, _ = report("scores", "X", "--songs", "49")
    assert status == 0
    assert "49 songs, 49 of MUSDB18's 50 test songs" in out


def test_every_paper_table_is_printed_without_any_run(report):
    for command in paper_tables():
        status, out, error = report(command)
        assert (status, error) == (0, ""), command
        assert "no run" in out
        assert "## Without a run" in out


def test_runs_are_the_default_source(tmp_path, report):
    record(tmp_path / "runs", 1, ["J2_2_5"], musdb_scores())
    status, out, _ = report("models")
    assert status == 0
    assert "| J2_2_5 | 1   | 7248fc5 |    1 |    50 |" in out


@pytest.mark.parametrize(("name", "begin"), [("latex", "% J-Net"), ("csv", "table,model,source")])
def test_other_formats_and_files(report, name, begin):
    status, out, _ = report("table1", "--format", name, "--out", "table.txt")
    assert (status, out) == (0, "")
    assert Path("table.txt").read_text(encoding="utf-8").startswith(begin)


def test_one_statistic_alone(report):
    _, out, _ = report("table1", "--statistic", "pooled")
    assert "median of song medians" not in out.replace("Median", "median").split("## vocals")[1]


def test_two_models_are_compared(tmp_path, report):
    record(tmp_path / "runs", 1, ["J1"], musdb_scores())
    record(tmp_path / "runs", 2, ["J1", "demo"], {"One": [1.0]})
    write(tmp_path / "other", musdb_scores(1.0))
    status, out, _ = report("compare", "Mine=other", "J1")
    assert status == 0
    assert "vocals: Mine is better than J1 in 50 of 50 songs" in out
    assert "run 2 (J1): not shown beside runs that compare" in out
    record(tmp_path / "runs", 3, ["L", "demo"], {"One": [1.0]})
    record(tmp_path / "runs", 4, ["L", "demo"], {"Other": [1.0]})
    status, _, error = report("compare", "L", "J1")
    assert status == 2
    assert "L: runs that differ are no one model, name one run: runs/3 (demo sizes" in error
    status, _, error = report("compare", "J1", "U1")
    assert status == 2
    assert "U1: no such folder and no scores of that model: did you mean 'J1'?" in error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tabel1"], "invalid choice: 'tabel1'"),
        (["table1", "nowhere"], "nowhere: there is no such folder"),
        (["table1", "127.0.0.1:1:jnet"], "MongoDB at 127.0.0.1:1 gives no runs"),
        (["scores", "."], "holds no museval JSONs"),
        (["models"], "no scores found"),
        (["table1", "--out", "no/where.md"], "there is no folder no"),
        (["table1", "--songs", "many"], "invalid int value"),
    ],
)
def test_bad_input_gets_one_line_and_status_2(report, monkeypatch, arguments, said):
    monkeypatch.setattr("Recording.Mongo.WAIT", 200)
    status, out, error = report(*arguments)
    assert (status, out, error.count("\n")) == (2, "", 1)
    assert error.startswith("Report.py: ")
    assert said in error


def test_the_environments_mongodb_is_asked_before_the_folder(report, monkeypatch):
    monkeypatch.setattr("Recording.Mongo.WAIT", 200)
    monkeypatch.setenv("JNET_MONGO_URL", "mongodb://me:s3cr3t@127.0.0.1:1/jnet")
    status, _, error = report("table1")
    assert status == 2
    assert "127.0.0.1:1" in error
    assert "s3cr3t" not in error


def test_a_mistyped_url_in_the_environment_is_not_repeated(report, monkeypatch):
    monkeypatch.setenv("JNET_MONGO_URL", "mongdb://me:s3cr3t@127.0.0.1:1/jnet")
    status, _, error = report("table1")
    assert status == 2
    assert "MongoDB at the address in JNET_MONGO_URL is not understood" in error
    assert "s3cr3t" not in error


@pytest.fixture
def recorded(tmp_path):
    """Three runs: one completed, one that was killed, one that runs."""
    record(tmp_path / "runs", 1, ["J1"], {"One": [1.0]})
    record(tmp_path / "runs", 2, ["U1"], {"One": [1.0]}, status="RUNNING")
    running = record(tmp_path / "runs", 3, ["U1"], {}, status="RUNNING") / "run.json"
    entry = json.loads(running.read_text())
    entry["heartbeat"] = datetime.now(UTC).replace(tzinfo=None).isoformat()
    running.write_text(json.dumps(entry))
    return tmp_path / "runs"


def test_push_without_arguments_puts_there_all_that_lacks(recorded, report, mongod, monkeypatch):
    monkeypatch.setenv("JNET_MONGO_URL", mongod.url("push_all"))
    status, out, error = report("push")
    first, second, third = out.splitlines()
    assert (status, error) == (0, "")
    assert first == "run 1: pushed"
    assert second.startswith("run 2: pushed (RUNNING since 2026-11-20 10:00 UTC, no heartbeat for")
    assert third == "run 3: is still running, left to itself"
    found = list(mongod.client["push_all"]["runs"].find().sort("_id"))
    assert [(run["_id"], run["status"]) for run in found] == [(1, "COMPLETED"), (2, "RUNNING")]
    status, out, _ = report("push")
    assert status == 0
    assert out.splitlines()[1:] == [third, "1 of 3 runs is there already"]
    status, out, _ = report("models")  # of the same MongoDB
    assert "| J1 " in out


def test_push_of_named_runs_says_what_it_did_with_each(recorded, report, mongod):
    to = ("--to", f"{mongod.address}:push_named")
    assert report("push", "1", *to)[:2] == (0, "run 1: pushed\n")
    assert report("push", "runs/1", *to)[:2] == (0, "run 1: is there completely\n")
    recorded.rename("moved")
    assert report("push", "1", "--from", "moved", *to)[:2] == (0, "run 1: is there completely\n")
    runs = mongod.client["push_named"]["runs"]
    runs.update_one({}, {"$unset": {"result": 1}, "$set": {"artifacts": []}})
    assert report("push", "moved/1", *to)[:2] == (0, "run 1: completed, result\n")
    assert runs.find_one()["result"]["scores"]["vocals"] == {"songs": 1}


def test_push_of_several_pushes_what_it_can_and_names_the_rest(recorded, report, mongod):
    (recorded / "2" / "run.json").write_text("{")
    (recorded / "1" / "museval test One.json").unlink()
    status, out, error = report("push", "--to", f"{mongod.address}:push_some")
    assert status == 2
    assert out.splitlines() == [
        "run 1: pushed, but for artifact museval test One.json (cannot be read: No such file or "
        "directory)",
        "run 3: is still running, left to itself",
    ]
    assert error.startswith("Report.py: runs/2: the record of this run is damaged")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["push"], "no MongoDB to push to: give --to host:port:db, or JNET_MONGO_URL"),
        (["push", "--to", "mongodb://me:s3cr3t@host/db"], "--to is not host:port:db"),
        (["push", "--to", "127.0.0.1:1:db"], "MongoDB at 127.0.0.1:1 does not answer"),
        (["push", "17", "--to", "127.0.0.1:1:db"], "runs/17: there is no recorded run"),
        (["push", "--from", "no", "--to", "127.0.0.1:1:db"], "no: holds no recorded runs"),
    ],
)
def test_push_says_what_is_wrong_in_one_line(recorded, report, monkeypatch, arguments, said):
    monkeypatch.setattr("Recording.Mongo.WAIT", 200)
    status, out, error = report(*arguments)
    assert (status, out, error.count("\n")) == (2, "", 1)
    assert said in error
    assert "s3cr3t" not in error


def test_it_starts_without_the_heavy_packages(tmp_path):
    code = (
        "import sys, Report\n"
        "status = Report.main(['table1'])\n"
        "heavy = {'tensorflow', 'keras', 'sacred', 'museval', 'scipy', 'pymongo'}\n"
        "sys.exit(status or sorted(heavy & set(sys.modules)) or 0)\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("# J-Net paper, Table 1")


def test_a_reader_that_goes_away_is_no_error():
    shown = subprocess.run(
        f"{sys.executable} {ROOT / 'Report.py'} table1 | true; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (shown.stdout, shown.stderr) == ("0\n", "")
