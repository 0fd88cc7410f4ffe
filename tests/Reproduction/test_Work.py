"""Jobs in processes: order, failures, and none left behind."""

import os
import signal
import subprocess
import sys
import time

import pytest

from Reproduction.Lock import alone
from Reproduction.Work import Crew, Job

SLEEP = (sys.executable, "-S", "-c", "import time; time.sleep(60)")


def python(code):
    return lambda: (sys.executable, "-S", "-c", code)


@pytest.fixture
def said():
    return []


@pytest.fixture
def crew(tmp_path, said):
    return Crew(tmp_path / "logs", said.append)


def is_alive(pid):
    """Whether a process runs; one that has ended and is not waited for does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_failure_is_shown_and_the_rest_goes_on(crew, said, tmp_path):
    failures = crew.run(
        [
            Job("bad", python("print('first'); raise SystemExit('it is wrong')")),
            Job("needs bad", python("")),
            Job("needs bad too", python(""), after=("bad",)),
            Job("good", python(f"open({str(tmp_path / 'x')!r}, 'w')")),
        ],
        processes=1,
    )
    assert [failure.job for failure in failures] == ["bad", "needs bad too"]
    assert failures[0].lines == ("first", "it is wrong")
    assert failures[0].status == 1
    assert failures[1].status is None
    assert any("it is wrong" in line for line in said)
    assert (tmp_path / "x").exists()


def test_what_comes_after_asks_for_its_command_when_that_is_there(crew, tmp_path):
    path = tmp_path / "weights"

    def command():
        assert path.exists()
        return python("")()

    jobs = [
        Job("second", command, after=("first",)),
        Job("first", python(f"open({str(path)!r}, 'w')")),
    ]
    assert crew.run(jobs, processes=2) == []


def test_a_command_that_cannot_be_had_is_a_failure(crew):
    def command():
        raise LookupError("no weights")

    (failure,) = crew.run([Job("one", command)], processes=1)
    assert failure.lines == ("no weights",)


def test_no_more_run_at_once_than_asked(crew, tmp_path):
    code = (
        "import os, time\n"
        f"os.mkdir({str(tmp_path)!r} + f'/at/{{os.getpid()}}')\n"
        "time.sleep(.3)\n"
        f"n = len(os.listdir({str(tmp_path)!r} + '/at'))\n"
        f"os.rmdir({str(tmp_path)!r} + f'/at/{{os.getpid()}}')\n"
        "raise SystemExit(n > 2)"
    )
    (tmp_path / "at").mkdir()
    assert crew.run([Job(str(n), python(code)) for n in range(5)], processes=2) == []


def test_an_interrupt_ends_what_runs(crew):
    def interrupt():
        raise KeyboardInterrupt

    started = []
    real = crew.start

    def start(job, failures):
        real(job, failures)
        started.extend(process.pid for process, _ in crew.running.values())

    crew.start = start
    with pytest.raises(KeyboardInterrupt):
        crew.run([Job("long", lambda: SLEEP), Job("stop", interrupt)], processes=2)
    assert started
    assert not any(map(is_alive, started))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux")
def test_jobs_end_with_a_process_that_is_killed_and_let_go_of_its_lock(tmp_path):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from Reproduction.Lock import alone\n"
        "from Reproduction.Work import Crew, Job\n"
        "folder = Path(sys.argv[1])\n"
        "with alone(folder) as lock:\n"
        "    code = 'import os, time; print(os.getpid(), flush=True); time.sleep(60)'\n"
        "    job = Job('long', lambda: (sys.executable, '-c', code))\n"
        "    Crew(folder, print, lock).run([job], 1)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not (pid := read(tmp_path / "long.log")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert is_alive(int(pid))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with alone(tmp_path):  # waits until the job is gone, too
        assert not is_alive(int(pid))


def read(path):
    return path.read_text().strip() if path.is_file() else ""
