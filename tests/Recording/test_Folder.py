"""The folder of a run: whole at every moment, and in the end, whatever is in the way."""

import json
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from Recording.Folder import Folder

ROOT = Path(__file__).parents[2]


@contextmanager
def full_disk(left):
    """Files can be no longer than `left` bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (left, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def files(path):
    return {found.name: found.read_bytes() for found in path.iterdir()}


@pytest.mark.parametrize(
    "outputs",
    [
        ["", "one\n", "one\ntwo ü\n", "one\ntwo ü\nthree"],
        ["one\n 10%", "one\n 50%", "one\n100%\nnext\n"],  # a bar that a terminal would replace
        ["ü 1%", "ü\n", "ü\n2%", "ü\n"],
        ["one\n", "two\n"],
        ["a\udc80\n", "a\udc80\nb\n"],
    ],
)
def test_the_output_is_what_a_terminal_shows_after_every_heartbeat(folder, tmp_path, outputs):
    for output in outputs:
        folder.output = output
        assert folder.write() is None
        written = (tmp_path / "cout.txt").read_bytes()
        assert written == output.encode("utf-8", "backslashreplace")


def test_output_is_appended_and_not_written_anew(folder, tmp_path):
    folder.output = "one\n"
    folder.write()
    (tmp_path / "cout.txt").write_text("ONE\n")  # seen again if it were written anew
    folder.output = "one\ntwo\n"
    folder.write()
    assert (tmp_path / "cout.txt").read_text() == "ONE\ntwo\n"


def test_a_full_disk_leaves_what_was_there_and_is_caught_up_with(folder, tmp_path):
    scores = tmp_path / "scores"
    scores.write_text("x" * 5000)
    (tmp_path / "run").mkdir()
    folder.path = tmp_path / "run"
    folder.texts = {"run.json": '{"status": "RUNNING"}', "metrics.json": "{}"}
    folder.output = "one\n"
    assert folder.write() is None
    before = files(folder.path)
    folder.texts = {"run.json": json.dumps("y" * 5000), "metrics.json": json.dumps("z" * 5000)}
    folder.output = "one\n" + "2" * 5000
    folder.waiting = {"scores.json": scores}
    with full_disk(1000):
        assert folder.write() == "scores.json: File too large"
        now = files(folder.path)
        assert {**now, "cout.txt": b""} == {**before, "cout.txt": b""}
        assert now["cout.txt"].startswith(b"one\n2")  # a text may be cut, a JSON may not
    assert folder.write() is None
    assert files(folder.path) == {
        "run.json": folder.texts["run.json"].encode(),
        "metrics.json": folder.texts["metrics.json"].encode(),
        "cout.txt": folder.output.encode(),
        "scores.json": b"x" * 5000,
    }


def test_what_fits_is_written_though_something_else_does_not(folder, tmp_path):
    folder.texts = {"run.json": '{"status": "COMPLETED"}', "info.json": json.dumps("z" * 5000)}
    with full_disk(1000):
        assert folder.write() == "info.json: File too large"
    assert set(files(tmp_path)) == {"run.json", "cout.txt"}


@pytest.mark.parametrize("name", ["run.json", "cout.txt", "a/b", "../x", ".."])
def test_an_artifact_is_a_file_of_its_own_beside_the_record(folder, tmp_path, name):
    (tmp_path / "run").mkdir()
    folder.path = tmp_path / "run"
    (tmp_path / "scores").write_text("x")
    folder.texts = {"run.json": "{}"}
    folder.waiting = {name: tmp_path / "scores"}
    assert folder.write().startswith(f"{name}: an artifact of this name would")
    assert files(folder.path) == {"run.json": b"{}", "cout.txt": b""}
    assert {path.name for path in tmp_path.iterdir()} == {"run", "scores"}


KILLED = """
import json, os, random, shutil, signal, sys, time
from pathlib import Path
from Recording.Folder import Folder

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
        folder, count = Folder(run), 0
        while True:
            count += 1
            numbers = list(range(count * 500))
            folder.texts = {name: json.dumps({"count": count, "of": numbers})
                            for name in ("run.json", "config.json", "metrics.json")}
            folder.output += f"{count}\\n"
            folder.waiting = {f"{count}.json": scores}
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


def test_a_kill_at_any_moment_leaves_whole_files(tmp_path):
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
