"""Run jobs in processes: order, failures and stopping."""

import os
import signal
import subprocess
import sys
import time

import pytest

from jnet.reproduction import runner
from jnet.reproduction.runner import lock_record, run_jobs


def python_command(code):
    return sys.executable, "-S", "-c", code


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs jobs with their outputs in `tmp_path`."""
    monkeypatch.setattr(runner, "POLL_SECONDS", 0.01)
    return lambda jobs, processes: run_jobs(jobs, processes, tmp_path / "logs")


def is_alive(pid):
    """Return whether a process is running; a process that has ended but is not reaped is not."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_failure_is_printed_and_the_other_jobs_run(run, capsys, tmp_path):
    failures = run(
        {
            "bad": python_command("print('first'); raise SystemExit('it is wrong')"),
            "good": python_command(f"open({str(tmp_path / 'x')!r}, 'w')"),
        },
        processes=1,
    )
    assert failures == {"bad": ["first", "it is wrong"]}
    assert "bad ended with status 1:\n  first\n  it is wrong\n" in capsys.readouterr().out
    assert (tmp_path / "x").exists()


def test_jobs_start_in_their_order(run, tmp_path):
    path = tmp_path / "weights"
    jobs = {
        "first": python_command(f"open({str(path)!r}, 'x')"),
        "second": python_command(f"open({str(path)!r})"),
    }
    assert run(jobs, processes=1) == {}


def test_the_number_of_parallel_jobs_is_limited(run, tmp_path):
    code = (
        "import os, time\n"
        f"os.mkdir({str(tmp_path)!r} + f'/at/{{os.getpid()}}')\n"
        "time.sleep(.15)\n"
        f"n = len(os.listdir({str(tmp_path)!r} + '/at'))\n"
        f"os.rmdir({str(tmp_path)!r} + f'/at/{{os.getpid()}}')\n"
        "raise SystemExit(n > 2)"
    )
    (tmp_path / "at").mkdir()
    assert run({str(n): python_command(code) for n in range(5)}, processes=2) == {}


def test_an_interrupt_stops_running_jobs(run, monkeypatch):
    started = []

    def start_job(*arguments):
        if started:
            raise KeyboardInterrupt
        started.append(real(*arguments))
        return started[0]

    real = runner.start_job
    monkeypatch.setattr(runner, "start_job", start_job)
    code = "import time; time.sleep(60)"
    with pytest.raises(KeyboardInterrupt):
        run({"long": python_command(code), "stop": python_command("")}, processes=2)
    assert not is_alive(started[0].pid)


def test_a_job_that_does_not_stop_is_killed(run, monkeypatch, tmp_path):
    monkeypatch.setattr(runner, "STOP_SECONDS", 0.1)
    ready = tmp_path / "ready"
    code = (
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"open({str(ready)!r}, 'w')\n"
        "time.sleep(60)"
    )
    processes = []

    def start_job(*arguments):
        if not processes:
            processes.append(real(*arguments))
            return processes[0]
        deadline = time.monotonic() + 20
        while not ready.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        raise KeyboardInterrupt

    real = runner.start_job
    monkeypatch.setattr(runner, "start_job", start_job)
    with pytest.raises(KeyboardInterrupt):
        run({"stubborn": python_command(code), "stop": python_command("")}, processes=2)
    assert processes[0].returncode == -signal.SIGKILL


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="uses prctl of Linux")
def test_jobs_of_a_killed_process_end_and_release_its_lock(tmp_path):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from jnet.reproduction.runner import lock_record, run_jobs\n"
        "folder = Path(sys.argv[1])\n"
        "with lock_record(folder) as lock:\n"
        "    code = 'import os, time; print(os.getpid(), flush=True); time.sleep(60)'\n"
        "    run_jobs({'long': (sys.executable, '-c', code)}, 1, folder, lock)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not (pid := read_log(tmp_path / "long.log")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert is_alive(int(pid))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with lock_record(tmp_path):  # waits until the job has ended
        assert not is_alive(int(pid))


def read_log(path):
    return path.read_text().strip() if path.is_file() else ""
