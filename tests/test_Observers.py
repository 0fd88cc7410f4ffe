"""The folder in which Sacred records a run: whole, though it is written from two threads, though
the disk is full."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest

import Observers
from Observers import RunFolder
from tests.Recording.test_Folder import full_disk
from tests.scripted import command_line, entry_of, scripted, the_run


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JNET_MONGO_URL", raising=False)
    return tmp_path


def metrics():
    return json.loads((the_run() / "metrics.json").read_text())


def test_series_output_info_and_artifacts_are_there_beat_by_beat(tmp_path):
    (tmp_path / "x.json").write_text("[1]")
    seen = []

    def act(run):
        for step in range(3):
            print(f"step {step}\r", end="")
            run.log_scalar("loss", np.float32(0.5) ** step, step)
            run.info["step"] = step
            run.add_artifact("x.json", f"{step}.json")
            run._emit_heartbeat()
            folder = the_run()
            seen.append((folder / "cout.txt").read_bytes())
            assert metrics()["loss"]["values"] == [0.5**step for step in range(step + 1)]
            assert metrics()["loss"]["steps"] == list(range(step + 1))
            assert json.loads((folder / "info.json").read_text()) == {"step": step}
            assert entry_of(folder)["artifacts"] == [f"{step}.json" for step in range(step + 1)]
            assert (folder / f"{step}.json").read_text() == "[1]"

    scripted(act).run()
    assert seen == [b"step 0\r", b"step 1\r", b"step 2\r"]
    assert not list(the_run().glob(".*"))


def test_a_beat_while_something_is_recorded_harms_neither(tmp_path):
    """Sacred's own observer stops recording for good: dictionary changed size during iteration."""
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

    scripted(act).run()
    assert metrics()["loss"]["values"] == list(range(40))
    assert entry_of(the_run())["artifacts"] == [f"{step}.json" for step in range(40)]
    assert len(json.loads((the_run() / "info.json").read_text())) == 40


def test_a_full_disk_is_said_once_and_the_record_is_whole_when_there_is_room(capsys):
    def act(run):
        run.log_scalar("loss", 1.0, 1)
        run._emit_heartbeat()
        Path("x.json").write_text("x" * 3000)
        with full_disk(2000):
            run.add_artifact("x.json", "x.json")
            for step in range(2, 5):
                run.log_scalar("loss", 1 / step, step)
                print(f"step {step}")
                run._emit_heartbeat()
            assert entry_of(the_run())["artifacts"] == []
        return "done"

    assert command_line(scripted(act)) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"WARNING: {the_run()}: cannot be written to (")
    assert line.endswith("File too large): the run goes on, and is recorded as soon as it can be")
    entry = entry_of(the_run())
    assert (entry["status"], entry["result"], entry["artifacts"]) == (
        "COMPLETED",
        "done",
        ["x.json"],
    )
    assert metrics()["loss"]["steps"] == [1, 2, 3, 4]
    assert (the_run() / "cout.txt").read_text() == f"{line}\nstep 2\nstep 3\nstep 4\n"
    assert (the_run() / "x.json").read_text() == "x" * 3000


def test_a_disk_full_to_the_end_is_one_clear_line_and_status_3(capsys, monkeypatch):
    """The run itself has come to its end: only its record is not whole."""
    finish, ended = RunFolder.finish, []

    def act(run):
        ended.append("the run")
        enter.__enter__()

    def finish_without_room(self):
        try:
            return finish(self)
        finally:
            enter.__exit__(None, None, None)

    enter = full_disk(2000)
    monkeypatch.setattr(RunFolder, "finish", finish_without_room)
    assert command_line(scripted(act)) == 3
    warning, line = capsys.readouterr().err.splitlines()
    assert warning.startswith("WARNING: ")
    assert line.startswith(f"Training.py: {the_run()}: the record of this run is not whole")
    assert line.endswith("File too large): free the disk, then give the same command again")
    assert ended == ["the run"]
    assert entry_of(the_run())["status"] == "RUNNING"  # as it was, and whole


def test_a_disk_that_is_full_at_the_start_stops_the_run_in_one_line(capsys):
    ran = []
    with full_disk(2000):
        assert command_line(scripted(lambda run: ran.append(1))) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Training.py: runs/")
    assert line.endswith("cannot be written to (File too large): record elsewhere with -F")
    assert ran == []
    assert not list(Path("runs").glob("*/run.json"))


def test_a_source_that_was_copied_in_part_is_copied_again():
    scripted(lambda run: None).run()
    (kept,) = Path("runs/_sources").glob("Observers_*.py")
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2])
    scripted(lambda run: None).run()
    assert kept.read_bytes() == whole
    assert len(list(Path("runs/_sources").glob("Observers_*.py"))) == 1
    assert not list(Path("runs/_sources").glob(".*"))


def test_the_entry_is_the_last_that_a_new_run_gets(monkeypatch):
    """So that whoever finds it finds the config too."""
    replace = Observers.Folder.replace
    order = []

    def noted(self, name):
        order.append(name)
        replace(self, name)

    monkeypatch.setattr(Observers.Folder, "replace", noted)
    scripted(lambda run: None).run()
    assert order[:2] == ["config.json", "run.json"]


def test_an_artifact_given_again_is_listed_once_with_its_last_content():
    def act(run):
        for content in ("first", "last"):
            Path("x.txt").write_text(content)
            run.add_artifact("x.txt", "x.txt", content_type="text/plain")

    scripted(act).run()
    entry = entry_of(the_run())
    assert entry["artifacts"] == ["x.txt"]
    assert entry["artifact_details"] == {"x.txt": {"content_type": "text/plain", "metadata": None}}
    assert (the_run() / "x.txt").read_text() == "last"
