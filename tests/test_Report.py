"""Report.py: its commands, output and errors."""

import csv
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

import Report
from jnet.reports.correlation import pair_models
from jnet.reports.figures.distributions import describe_trainings
from jnet.reports.figures.pairs import describe_comparison
from jnet.results.published import read_paper_tables
from jnet.results.recorded import read_sources
from tests.jnet.reports.written import musdb_scores, record, write

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def use_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JNET_MONGO_URL", raising=False)
    return tmp_path


@pytest.fixture
def report(capsys):
    def run(*arguments):
        status = Report.main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def test_the_scores_of_stl1(shared_data, report):
    folder = shared_data / "sisec18" / "STL1"
    status, out, _ = report("scores", folder, "--csv", "scores.csv")
    assert status == 0
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in out.splitlines()]
    assert ["vocals", "SDR", "4.46", "3.21", "0.65", "13.67", "4.97", "2799"] in rows
    assert ["accompaniment", "SDR", "10.69", "3.15", "11.85", "7.03", "11.11", "2799"] in rows
    assert "all of MUSDB18's 50 test tracks, 12439 windows of 1 s" in out
    with Path("scores.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["target"], line["metric"]) for line in lines[:4]] == [
        ("vocals", metric) for metric in ("SDR", "SIR", "SAR", "ISR")
    ]
    assert len(lines) == 8


def test_missing_tracks_are_an_error(tmp_path, report):
    scores = musdb_scores()
    del scores["Zeno - Signs"]
    write(tmp_path / "X", scores)
    status, out, error = report("scores", "X")
    assert (status, out) == (2, "")
    assert (
        "49 tracks, but 50 are expected: Zeno - Signs missing; accept them with --tracks 49"
        in error
    )
    status, out, _ = report("scores", "X", "--tracks", "49")
    assert status == 0
    assert "49 tracks, 49 of MUSDB18's 50 test tracks" in out


def test_every_table_is_printed_without_runs(report):
    for command in read_paper_tables():
        status, out, error = report(command)
        assert (status, error) == (0, ""), command
        assert "no run" in out
        assert "## Models without a run" in out


def test_runs_are_the_default_source(tmp_path, report):
    record(tmp_path / "runs", 1, ["J2_2_5"], musdb_scores())
    status, out, _ = report("models")
    assert status == 0
    assert "| J2_2_5  | 1     | 7248fc5  |      1 |       – |      – |       50 |" in out


@pytest.mark.parametrize(("name", "begin"), [("latex", "% J-Net"), ("csv", "table,model,source")])
def test_other_formats_and_files(report, name, begin):
    status, out, _ = report("table1", "--format", name, "--out", "table.txt")
    assert (status, out) == (0, "")
    assert Path("table.txt").read_text(encoding="utf-8").startswith(begin)


def test_a_single_statistic(report):
    _, out, _ = report("table1", "--statistic", "pooled")
    assert "median of track medians" not in out.replace("Median", "median").split("## vocals")[1]


def record_u1_and_j1(runs, tracks, **changes):
    """Record U1 with 10 steps an epoch, and J1 with `changes`."""
    entries = {"epoch_steps": 10, "frozen": []}
    trained = {"steps": 20, "store": "musdb18-22050Hz-0123"}
    record(runs, 1, ["U1"], tracks, entries=entries, trained=trained)
    j1 = {**entries, "frozen": ["encoder", "skip"], **changes}
    record(runs, 2, ["J1"], tracks, entries=j1, trained={**trained, "steps": 25})


def test_a_comparison_names_runs_seeds_steps_and_data(tmp_path, report):
    record_u1_and_j1(tmp_path / "runs", musdb_scores())
    status, out, _ = report("compare", "U1", "J1")
    assert status == 0
    assert "# U1 compared with J1\n" in out
    assert "- U1: run 1, seed 1, 20 steps, data musdb18-22050Hz-0123" in out
    assert "- J1: run 2, seed 1, 25 steps, data musdb18-22050Hz-0123" in out
    write(tmp_path / "other", musdb_scores(1.0))
    assert "- other: other, training unknown" in report("compare", "other", "U1")[1]


@pytest.mark.parametrize("changes", [{"epoch_steps": 100}, {"learning_rates": [0.1]}])
def test_models_that_were_trained_differently_are_marked(tmp_path, report, changes):
    record_u1_and_j1(tmp_path / "runs", musdb_scores(), **changes)
    (key, value), *_ = changes.items()
    status, out, _ = report("compare", "U1", "J1")
    assert status == 0
    assert "# U1 compared with J1 †\n" in out
    before = 10 if key == "epoch_steps" else None
    assert f"## † Trained differently\n\n- {key} {before} and {value}\n" in out
    results = read_sources(["runs"]).results
    caption = describe_comparison(pair_models(results, "vocals"), "vocals")
    assert f"† 1: U and J were trained differently: {key} {before} and {value}." in caption
    assert f"† U1 and J1 were trained differently: {key}" in describe_trainings(results)


def test_one_track_gives_no_interval_and_few_tracks_a_warning(tmp_path, report):
    record_u1_and_j1(tmp_path / "runs", {"One": [1.0, 2.0]})
    _, out, _ = report("compare", "U1", "J1")
    row = next(line for line in out.splitlines() if "pooled mean" in line)
    assert [cell.strip() for cell in row.split("|")[1:-1]] == [
        *("pooled mean", "1.50", "1.50", "0.00", "–", "–"),
    ]
    assert "1 track, the same for both" in out
    assert "One track gives no interval" in out
    write(tmp_path / "two", {"One": [1.0], "Two": [2.0]})
    assert "2 tracks are few" in report("compare", "two", "A=two")[1]


def test_two_models_are_compared(tmp_path, report):
    record(tmp_path / "runs", 1, ["J1"], musdb_scores())
    record(tmp_path / "runs", 2, ["J1", "demo"], {"One": [1.0]})
    write(tmp_path / "other", musdb_scores(1.0))
    status, out, _ = report("compare", "Mine=other", "J1")
    assert status == 0
    assert "vocals: Mine is better than J1 in 50 of 50 tracks" in out
    assert "run 2 (J1): not shown beside comparable runs" in out
    record(tmp_path / "runs", 3, ["L", "demo"], {"One": [1.0]})
    record(tmp_path / "runs", 4, ["L", "demo"], {"Other": [1.0]})
    status, _, error = report("compare", "L", "J1")
    assert status == 2
    assert (
        "L: its runs differ and cannot be averaged: give one of these runs: runs/3 (demo sizes"
        in error
    )
    record(tmp_path / "failed", 1, ["U1"], {"One": [1.0]}, status="FAILED")
    status, _, error = report("compare", "failed", "J1")
    assert (status, error.count("\n")) == (2, 1)
    assert "failed: no scores found (run 1 (U1): FAILED, not COMPLETED)" in error
    status, _, error = report("compare", "J1", "U1")
    assert status == 2
    assert "U1: not a folder, and no scores of a model of this name: did you mean 'J1'?" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tabel1"], "invalid choice: 'tabel1'"),
        (["table1", "nowhere"], "nowhere: does not exist: correct the path"),
        (["table1", "127.0.0.1:1:jnet"], "MongoDB at 127.0.0.1:1 does not answer"),
        (["scores", "."], "contains no museval JSONs"),
        (["models"], "no scores found"),
        (["table1", "--out", "no/where.md"], "the folder no does not exist"),
        (["table1", "--tracks", "many"], "invalid int value"),
        (["table1", "--songs", "49"], "--songs is now --tracks"),
        (["compare", "a", "b", "--songs"], "--songs is now --tracks"),
        (["spectrogram", "runs/1", "--song", "x"], "--song is now --track"),
        (["models", "--statistic", "songs"], "songs is now tracks"),
    ],
)
def test_invalid_input_ends_with_one_line_and_status_2(report, monkeypatch, arguments, message):
    monkeypatch.setattr("jnet.recording.mongo.CONNECT_MILLISECONDS", 200)
    status, out, error = report(*arguments)
    assert (status, out, error.count("\n")) == (2, "", 1)
    assert error.startswith("Report.py: ")
    assert message in error


def test_the_mongodb_of_the_environment_is_the_default_source(report, monkeypatch):
    monkeypatch.setattr("jnet.recording.mongo.CONNECT_MILLISECONDS", 200)
    monkeypatch.setenv("JNET_MONGO_URL", "mongodb://me:s3cr3t@127.0.0.1:1/jnet")
    status, _, error = report("table1")
    assert status == 2
    assert "127.0.0.1:1" in error
    assert "s3cr3t" not in error


def test_an_invalid_url_in_the_environment_is_not_printed(report, monkeypatch):
    monkeypatch.setenv("JNET_MONGO_URL", "mongdb://me:s3cr3t@127.0.0.1:1/jnet")
    status, _, error = report("table1")
    assert status == 2
    assert "JNET_MONGO_URL is not a valid MongoDB address" in error
    assert "s3cr3t" not in error


@pytest.fixture
def recorded(tmp_path):
    """Record three runs: one is completed, one was killed, and one is running."""
    record(tmp_path / "runs", 1, ["J1"], {"One": [1.0]})
    record(tmp_path / "runs", 2, ["U1"], {"One": [1.0]}, status="RUNNING")
    running = record(tmp_path / "runs", 3, ["U1"], {}, status="RUNNING") / "run.json"
    entry = json.loads(running.read_text())
    entry["heartbeat"] = datetime.now(UTC).replace(tzinfo=None).isoformat()
    running.write_text(json.dumps(entry))
    return tmp_path / "runs"


def test_push_without_arguments_copies_all_missing_runs(recorded, report, mongod, monkeypatch):
    monkeypatch.setenv("JNET_MONGO_URL", mongod.url("push_all"))
    status, out, error = report("push")
    first, second, third = out.splitlines()
    assert (status, error) == (0, "")
    assert first == "run 1: pushed"
    assert second.startswith("run 2: pushed (RUNNING since 2026-11-20 10:00 UTC, no heartbeat for")
    assert third == "run 3: still running, not pushed"
    runs = list(mongod.client["push_all"]["runs"].find().sort("_id"))
    assert [(run["_id"], run["status"]) for run in runs] == [(1, "COMPLETED"), (2, "RUNNING")]
    status, out, _ = report("push")
    assert status == 0
    assert out.splitlines()[1:] == [third, "1 of 3 runs already complete"]
    status, out, _ = report("models")  # reads the same MongoDB
    assert "| J1 " in out


def test_push_reports_each_named_run(recorded, report, mongod):
    to = ("--to", f"{mongod.address}:push_named")
    assert report("push", "1", *to)[:2] == (0, "run 1: pushed\n")
    assert report("push", "runs/1", *to)[:2] == (0, "run 1: already complete\n")
    recorded.rename("moved")
    assert report("push", "1", "--from", "moved", *to)[:2] == (0, "run 1: already complete\n")
    runs = mongod.client["push_named"]["runs"]
    runs.update_one({}, {"$unset": {"result": 1}, "$set": {"artifacts": []}})
    assert report("push", "moved/1", *to)[:2] == (0, "run 1: completed\n")
    assert runs.find_one()["result"]["scores"]["vocals"] == {"tracks": 1}


def test_push_copies_undamaged_runs_and_reports_damaged_ones(recorded, report, mongod):
    (recorded / "2" / "run.json").write_text("{")
    (recorded / "1" / "museval test One.json").unlink()
    status, out, error = report("push", "--to", f"{mongod.address}:push_some")
    assert status == 2
    assert out.splitlines() == [
        "run 1: pushed, except for artifact museval test One.json (cannot be read: No such file "
        "or directory)",
        "run 3: still running, not pushed",
    ]
    assert error.startswith("Report.py: runs/2: the record of this run is damaged")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["push"], "no MongoDB address: give --to host:port:db, or set JNET_MONGO_URL"),
        (["push", "--to", "mongodb://me:s3cr3t@host/db"], "--to is not host:port:db"),
        (["push", "--to", "127.0.0.1:1:db"], "MongoDB at 127.0.0.1:1 does not answer"),
        (["push", "17", "--to", "127.0.0.1:1:db"], "runs/17: not the folder of a recorded run"),
        (["push", "--from", "no", "--to", "127.0.0.1:1:db"], "no: contains no recorded runs"),
    ],
)
def test_errors_of_push_are_one_line(recorded, report, monkeypatch, arguments, message):
    monkeypatch.setattr("jnet.recording.mongo.CONNECT_MILLISECONDS", 200)
    status, out, error = report(*arguments)
    assert (status, out, error.count("\n")) == (2, "", 1)
    assert message in error
    assert "s3cr3t" not in error


def test_tables_do_not_import_large_packages(tmp_path):
    code = (
        "import sys, Report\n"
        "status = Report.main(['table1'])\n"
        "heavy = {'tensorflow', 'keras', 'sacred', 'museval', 'scipy', 'pymongo'}\n"
        "sys.exit(status or sorted(heavy & set(sys.modules)) or 0)\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.startswith("# J-Net paper, Table 1")


@pytest.mark.parametrize(("argument", "status"), [("-h", 0), ("tabel1", 2)])
def test_help_and_usage_errors_do_not_import_pandas(argument, status):
    code = (
        "import sys, Report\n"
        "try:\n"
        f"    status = Report.main([{argument!r}])\n"
        "except SystemExit as end:\n"
        "    status = end.code\n"
        f"sys.exit(status != {status} or 'pandas' in sys.modules)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)
