"""Run folders are complete at every moment.

They are written from two threads, the disk may be full, and the process may be killed.
"""

import json
import os
import resource
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from jnet.names import format_scores_artifact
from jnet.recording import run_folder
from jnet.recording.run_folder import FolderWriter, RunFolder
from jnet.settings.data import SUBSETS
from jnet.system.files import MAX_NAME_BYTES, refuse_unfit_name
from tests.jnet.recording.scripted import find_run, make_experiment, read_entry, run_command_line

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JNET_MONGO_URL", raising=False)
    return tmp_path


@contextmanager
def limit_file_size(left):
    """Limit all files to `left` bytes, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (left, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def folder(tmp_path):
    return FolderWriter(tmp_path)


def read_files(path):
    return {file.name: file.read_bytes() for file in path.iterdir()}


@pytest.mark.parametrize(
    "outputs",
    [
        ["", "one\n", "one\ntwo ü\n", "one\ntwo ü\nthree"],
        ["one\n 10%", "one\n 50%", "one\n100%\nnext\n"],  # a progress bar, replaced by a terminal
        ["ü 1%", "ü\n", "ü\n2%", "ü\n"],
        ["one\n", "two\n"],
        ["a\udc80\n", "a\udc80\nb\n"],
    ],
)
def test_the_output_file_is_up_to_date_after_every_write(folder, tmp_path, outputs):
    for output in outputs:
        folder.output = output
        assert folder.write() is None
        written = (tmp_path / "cout.txt").read_bytes()
        assert written == output.encode("utf-8", "backslashreplace")


def test_new_output_is_appended(folder, tmp_path):
    folder.output = "one\n"
    folder.write()
    (tmp_path / "cout.txt").write_text("ONE\n")  # would be lost if the file were written again
    folder.output = "one\ntwo\n"
    folder.write()
    assert (tmp_path / "cout.txt").read_text() == "ONE\ntwo\n"


def test_a_full_disk_keeps_the_old_files_and_the_new_ones_are_written_later(folder, tmp_path):
    scores = tmp_path / "scores"
    scores.write_text("x" * 5000)
    (tmp_path / "run").mkdir()
    folder.path = tmp_path / "run"
    folder.texts = {"run.json": '{"status": "RUNNING"}', "metrics.json": "{}"}
    folder.output = "one\n"
    assert folder.write() is None
    before = read_files(folder.path)
    folder.texts = {"run.json": json.dumps("y" * 5000), "metrics.json": json.dumps("z" * 5000)}
    folder.output = "one\n" + "2" * 5000
    folder.pending = {"scores.json": scores}
    with limit_file_size(1000):
        assert folder.write() == "scores.json: File too large"
        now = read_files(folder.path)
        assert {**now, "cout.txt": b""} == {**before, "cout.txt": b""}
        assert now["cout.txt"].startswith(b"one\n2")  # output may be cut, JSON files may not
    assert folder.write() is None
    assert read_files(folder.path) == {
        "run.json": folder.texts["run.json"].encode(),
        "metrics.json": folder.texts["metrics.json"].encode(),
        "cout.txt": folder.output.encode(),
        "scores.json": b"x" * 5000,
    }


def test_files_that_fit_are_written_when_another_does_not_fit(folder, tmp_path):
    folder.texts = {"run.json": '{"status": "COMPLETED"}', "info.json": json.dumps("z" * 5000)}
    with limit_file_size(1000):
        assert folder.write() == "info.json: File too large"
    assert set(read_files(tmp_path)) == {"run.json", "cout.txt"}


@pytest.mark.parametrize("name", ["run.json", "cout.txt", "a/b", "../x", ".."])
def test_an_artifact_cannot_replace_the_record_or_leave_the_folder(folder, tmp_path, name):
    (tmp_path / "run").mkdir()
    folder.path = tmp_path / "run"
    (tmp_path / "scores").write_text("x")
    folder.texts = {"run.json": "{}"}
    folder.pending = {name: tmp_path / "scores"}
    assert folder.write().startswith(f"{name}: not a valid artifact name: choose")
    assert read_files(folder.path) == {"run.json": b"{}", "cout.txt": b""}
    assert {path.name for path in tmp_path.iterdir()} == {"run", "scores"}


@pytest.mark.parametrize("subset", SUBSETS)
def test_the_scores_of_a_track_with_the_longest_name_are_written(
    folder, tmp_path, monkeypatch, subset
):
    monkeypatch.setattr(os, "getpid", lambda: 4194304)  # Linux has no larger pid, see proc(5)
    track = "é" * (MAX_NAME_BYTES // 2) + "x" * (MAX_NAME_BYTES % 2)
    refuse_unfit_name("the track", track)
    (tmp_path / "scores").write_text("{}")
    folder.pending = {format_scores_artifact(subset, track): tmp_path / "scores"}
    assert folder.write() is None
    assert (tmp_path / format_scores_artifact(subset, track)).read_text() == "{}"


KILLED = """
import json, os, random, shutil, signal, sys, time
from pathlib import Path
from jnet.recording.run_folder import FolderWriter

def count_of(run):
    return json.loads((run / "run.json").read_text())["count"]

random.seed(1)
run, scores = Path("run"), Path("scores")
scores.write_text(json.dumps(["x" * 100] * 2000))
for turn in range(30):
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir()
    pid = os.fork()
    if pid == 0:
        folder, count = FolderWriter(run), 0
        while True:
            count += 1
            numbers = list(range(count * 500))
            folder.texts = {name: json.dumps({"count": count, "of": numbers})
                            for name in ("run.json", "config.json", "metrics.json")}
            folder.output += f"{count}\\n"
            folder.pending = {f"{count}.json": scores}
            folder.write()
    wanted = random.randrange(1, 5)
    while not (run / "run.json").exists() or count_of(run) < wanted:
        time.sleep(0.001)
    time.sleep(random.uniform(0, 0.02))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    for path in run.glob("*.json"):
        json.loads(path.read_text())
    count = count_of(run)
    assert all((run / f"{number}.json").exists() for number in range(1, count + 1))
    lines = (run / "cout.txt").read_text().splitlines()
    assert lines[:count] == [str(number) for number in range(1, count + 1)]
    print(count)
"""


def test_a_kill_at_any_moment_leaves_complete_files(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", KILLED],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    counts = list(map(int, ended.stdout.split()))
    assert len(counts) == 30
    assert len(set(counts)) > 1  # at different moments


def read_metrics():
    return json.loads((find_run() / "metrics.json").read_text())


def test_every_heartbeat_writes_series_output_info_and_artifacts(tmp_path):
    (tmp_path / "x.json").write_text("[1]")
    seen = []

    def act(run):
        for step in range(3):
            print(f"step {step}\r", end="")
            run.log_scalar("loss", np.float32(0.5) ** step, step)
            run.info["step"] = step
            run.add_artifact("x.json", f"{step}.json")
            run._emit_heartbeat()
            folder = find_run()
            seen.append((folder / "cout.txt").read_bytes())
            assert read_metrics()["loss"]["values"] == [0.5**step for step in range(step + 1)]
            assert read_metrics()["loss"]["steps"] == list(range(step + 1))
            assert json.loads((folder / "info.json").read_text()) == {"step": step}
            assert read_entry(folder)["artifacts"] == [f"{step}.json" for step in range(step + 1)]
            assert (folder / f"{step}.json").read_text() == "[1]"

    make_experiment(act).run()
    assert seen == [b"step 0\r", b"step 1\r", b"step 2\r"]
    assert not list(find_run().glob(".*"))


def test_a_heartbeat_during_recording_loses_nothing(tmp_path):
    """Sacred's own observer would fail with "dictionary changed size during iteration"."""
    (tmp_path / "x.json").write_text("[1]")

    def act(run):
        stop = threading.Event()

        def beat():
            while not stop.is_set():
                run._emit_heartbeat()

        thread = threading.Thread(target=beat)
        thread.start()
        for step in range(40):
            run.info[f"step {step}"] = {"all": list(range(100))}
            run.log_scalar("loss", step, step)
            run.add_artifact("x.json", f"{step}.json", {"step": step}, "application/json")
        stop.set()
        thread.join()
        assert run._failed_observers == []

    make_experiment(act).run()
    assert read_metrics()["loss"]["values"] == list(range(40))
    assert read_entry(find_run())["artifacts"] == [f"{step}.json" for step in range(40)]
    assert len(json.loads((find_run() / "info.json").read_text())) == 40


def test_a_full_disk_is_reported_once_and_the_record_is_completed_later(capsys):
    def act(run):
        run.log_scalar("loss", 1.0, 1)
        run._emit_heartbeat()
        Path("x.json").write_text("x" * 3000)
        with limit_file_size(2000):
            run.add_artifact("x.json", "x.json")
            for step in range(2, 5):
                run.log_scalar("loss", 1 / step, step)
                print(f"step {step}")
                run._emit_heartbeat()
            assert read_entry(find_run())["artifacts"] == []
        return "done"

    assert run_command_line(make_experiment(act)) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"WARNING: {find_run()}: cannot be written to (")
    assert line.endswith(
        "File too large): the run continues and is recorded as soon as the folder can be written "
        "to again"
    )
    entry = read_entry(find_run())
    assert (entry["status"], entry["result"], entry["artifacts"]) == (
        "COMPLETED",
        "done",
        ["x.json"],
    )
    assert read_metrics()["loss"]["steps"] == [1, 2, 3, 4]
    assert (find_run() / "cout.txt").read_text() == f"{line}\nstep 2\nstep 3\nstep 4\n"
    assert (find_run() / "x.json").read_text() == "x" * 3000


def test_a_disk_that_stays_full_ends_with_one_line_and_status_3(capsys, monkeypatch):
    """The run itself has ended; only its record is incomplete."""
    finish, ended = RunFolder.finish, []

    def act(run):
        ended.append("the run")
        full_disk.__enter__()

    def finish_on_full_disk(self):
        try:
            return finish(self)
        finally:
            full_disk.__exit__(None, None, None)

    full_disk = limit_file_size(2000)
    monkeypatch.setattr(RunFolder, "finish", finish_on_full_disk)
    assert run_command_line(make_experiment(act)) == 3
    warning, line = capsys.readouterr().err.splitlines()
    assert warning.startswith("WARNING: ")
    assert line.startswith(f"Training.py: {find_run()}: the record of this run is incomplete")
    assert line.endswith("File too large): free disk space, then repeat the command")
    assert ended == ["the run"]
    assert read_entry(find_run())["status"] == "RUNNING"  # the old file, still complete


def test_a_disk_that_is_full_at_the_start_ends_the_command_with_one_line(capsys):
    ran = []
    with limit_file_size(2000):
        assert run_command_line(make_experiment(lambda run: ran.append(1))) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Training.py: runs: ")
    assert line.endswith("cannot be written (File too large): record elsewhere with -F")
    assert ran == []
    assert not list(Path("runs").glob("*/run.json"))


def test_a_partially_copied_source_is_copied_again():
    make_experiment(lambda run: None).run()
    (kept,) = Path("runs/_sources").glob("run_folder_*.py")
    content = kept.read_bytes()
    kept.write_bytes(content[: len(content) // 2])
    make_experiment(lambda run: None).run()
    assert kept.read_bytes() == content
    assert len(list(Path("runs/_sources").glob("run_folder_*.py"))) == 1
    assert not list(Path("runs/_sources").glob(".*"))


def test_the_entry_is_written_after_the_config(monkeypatch):
    """A reader that finds the entry also finds the config."""
    write_text = run_folder.FolderWriter.write_text
    order = []

    def note_name(self, name):
        order.append(name)
        write_text(self, name)

    monkeypatch.setattr(run_folder.FolderWriter, "write_text", note_name)
    make_experiment(lambda run: None).run()
    assert order[:2] == ["config.json", "run.json"]


def test_an_artifact_added_twice_is_listed_once_with_its_last_content():
    def act(run):
        for content in ("first", "last"):
            Path("x.txt").write_text(content)
            run.add_artifact("x.txt", "x.txt", content_type="text/plain")

    make_experiment(act).run()
    entry = read_entry(find_run())
    assert entry["artifacts"] == ["x.txt"]
    assert entry["artifact_details"] == {"x.txt": {"content_type": "text/plain", "metadata": None}}
    assert (find_run() / "x.txt").read_text() == "last"
