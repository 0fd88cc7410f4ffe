"""The decoder's process: its reuse, its crashes, and its end."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jnet.audio import decoder_process
from jnet.audio.reading import open_audio, read_audio
from jnet.errors import DataError

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def mp3(tmp_path_factory):
    """Return an MP3 of 60 s, whose samples exceed the buffers of a pipe."""
    path = tmp_path_factory.mktemp("mp3") / "a.mp3"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.1, 0.1, (60 * 8000, 1)), 8000)
    return path


@pytest.fixture(autouse=True)
def stop_decoders():
    decoder_process.stop_idle_decoders()
    yield
    decoder_process.stop_idle_decoders()


def list_decoders(parent: int | None = None) -> list[int]:
    """Return the pids of the decoders that a process has started, by default this process."""
    children = Path(f"/proc/{parent or os.getpid()}/task").glob("*/children")
    pids = [int(pid) for path in children for pid in path.read_text().split()]
    program = str(decoder_process.PROGRAM).encode()
    return [pid for pid in pids if program in Path(f"/proc/{pid}/cmdline").read_bytes()]


def is_running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def wait_until(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_one_process_decodes_all_files_and_ignores_signals_of_the_parent(mp3):
    first, _ = read_audio(mp3)
    (pid,) = list_decoders()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(pid, number)
    second, _ = read_audio(mp3)
    np.testing.assert_array_equal(first, second)
    with pytest.raises(DataError, match="cannot be read as audio"):
        read_audio(write_text(mp3.parent))
    assert list_decoders() == [pid]


def write_text(folder: Path) -> Path:
    (folder / "text.mp3").write_bytes(b"text\n" * 99)
    return folder / "text.mp3"


def test_a_decoder_killed_in_the_middle_is_an_error_and_is_started_again(mp3):
    with open_audio(mp3, block_values=2000) as audio:
        (pid,) = list_decoders()
        os.kill(pid, signal.SIGKILL)
        message = re.escape(f"{mp3}: the decoder crashed (SIGKILL): replace it")
        with pytest.raises(DataError, match=f"^{message}$"):
            list(audio.blocks)
    assert len(read_audio(mp3)[0]) >= 60 * 8000
    (idle,) = list_decoders()
    os.kill(idle, signal.SIGKILL)
    wait_until(lambda: not is_running(idle))
    assert len(read_audio(mp3)[0]) >= 60 * 8000


@pytest.mark.parametrize(
    ("statement", "cause"),
    [("ctypes.string_at(0)", "SIGSEGV"), ("os.abort()", "SIGABRT"), ("exit(7)", "exit status 7")],
)
@pytest.mark.parametrize("start", ["", '{"stream": 0, "rate": 8000, "shape": [1, 9]}\nsamples'])
def test_a_crash_is_an_error_that_names_the_file(
    mp3, tmp_path, monkeypatch, statement, cause, start
):
    program = tmp_path / "crash.py"
    program.write_text(
        f"import ctypes, os\ninput()\nprint({start!r}, end='', flush=True)\n{statement}\n"
    )
    monkeypatch.setattr(decoder_process, "PROGRAM", program)
    with pytest.raises(DataError) as error:
        read_audio(mp3)
    assert str(error.value) == f"{mp3}: the decoder crashed ({cause}): replace it"


def test_a_decoder_ends_if_its_file_is_not_read_to_the_end(mp3):
    with open_audio(mp3, block_values=2000) as audio:
        next(audio.blocks)
        (pid,) = list_decoders()
    assert not is_running(pid)
    assert list_decoders() == []


def test_two_files_can_be_read_in_turns(mp3):
    whole, _ = read_audio(mp3)
    with open_audio(mp3, 2000) as one, open_audio(mp3, 2000) as other:
        pairs = list(zip(one.blocks, other.blocks, strict=True))
    for index in (0, 1):
        np.testing.assert_array_equal(np.concatenate([pair[index] for pair in pairs]), whole)


def test_a_forked_process_starts_its_own_decoder(mp3):
    before, _ = read_audio(mp3)
    (pid,) = list_decoders()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            same = np.array_equal(read_audio(mp3)[0], before)
            status = 0 if same and pid not in list_decoders() else 1
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    np.testing.assert_array_equal(read_audio(mp3)[0], before)
    assert list_decoders() == [pid]


PARENT = """
import sys
from pathlib import Path
from jnet.audio.reading import open_audio, read_audio
path = Path(sys.argv[1])
read_audio(path)
with open_audio(path, 2000) as audio:
    if sys.argv[2] == "in the middle":
        next(audio.blocks)
    else:
        list(audio.blocks)
    print("read", flush=True)
    input()
"""


@pytest.mark.parametrize("moment", ["in the middle", "at the end"])
def test_no_decoder_survives_its_killed_parent(mp3, moment):
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(mp3), moment],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout.readline() == b"read\n"
        (pid,) = list_decoders(parent.pid)
        parent.kill()
    wait_until(lambda: not is_running(pid))
