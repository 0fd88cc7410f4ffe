"""Programs and their terminal: Ctrl-C, encodings without UTF-8, and closed outputs."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parents[1]
WEIGHTS = ROOT / "tests/fixtures/version_0.1.0/training/best.safetensors"
# Seconds of processor time from the start of Python to Ctrl-C: during imports, the start of
# the record, the import of TensorFlow, and training.
MOMENTS = {
    "Training.py": (0.01, 0.05, 0.3, 0.6, 0.8, 1, 2, 3),
    "Predict.py": (0.01, 0.2, 0.5, 1, 2),
    "Report.py": (0.01, 0.05, 0.2),
    "Reproduce.py": (0.01, 0.05, 0.3, 0.5),
}


@pytest.fixture(scope="module")
def commands(tiny, tiny_store, tmp_path_factory):
    """Return a command line of each program that does not end before its last moment."""
    folder = tmp_path_factory.mktemp("ctrl_c")
    soundfile.write(folder / "a.wav", np.zeros((8000 * 3600, 1)), 8000)
    (folder / "scores").mkdir()
    os.mkfifo(folder / "scores/a.json")  # reading it waits, because nothing is written to it
    names = ("num_layers", "num_initial_filters", "num_frames", "sample_rate", "num_workers")
    names += ("dataset", "folder_path", "store_path", "num_validation_tracks", "batch_sizes")
    entries = [f"cfg.{name}={tiny[name]!r}" for name in names]
    runs = ["-F", str(folder / "runs"), "with"]
    out = str(folder)
    return {
        "Training.py": [
            *runs,
            *entries,
            f"cfg.output_path={out}",
            "cfg.learning_rates=[1e-3,1e-4]",
        ],
        "Predict.py": [*runs, f"model_path={WEIGHTS}", f"input_path={out}/a.wav"],
        "Report.py": ["figure2", f"{out}/scores"],
        "Reproduce.py": ["table1", "with", "cfg.demo", "--runs", f"{out}/runs", "--out", out],
    }


@pytest.fixture(scope="module")
def start_seconds():
    """Return the processor time after which every program handles Ctrl-C, in seconds.

    It is twice the time that Python and the first import of a program take: on a loaded machine the
    same code takes more processor time.
    """
    code = "from jnet.system.programs import start_program; import time; print(time.process_time())"
    command = [sys.executable, "-c", code]
    shown = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return 2 * float(shown.stdout)


def read_processor_time(pid: int) -> float:
    """Return the processor time of a process's main thread in seconds."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def interrupt(program: str, arguments: list[str], moment: float) -> tuple[float, int, str, str]:
    process = subprocess.Popen(
        [sys.executable, ROOT / program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    started = time.monotonic()  # a program that waits uses no processor time
    while read_processor_time(process.pid) < moment and time.monotonic() < started + 20:
        assert process.poll() is None, (moment, process.communicate())
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    return moment, process.returncode, output, errors


@pytest.mark.parametrize("program", MOMENTS)
def test_ctrl_c_ends_a_program_with_at_most_one_line(program, commands, start_seconds):
    def interrupt_at(moment):
        return interrupt(program, commands[program], start_seconds + moment)

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(interrupt_at, MOMENTS[program]))
    for moment, status, output, errors in results:
        assert status in (130, -signal.SIGINT), (moment, output, errors)
        assert errors in ("", f"{program}: interrupted\n"), (moment, errors)
        assert "Traceback" not in output


# A command of each program that prints characters which are not ASCII.
PRINTING = {
    "Training.py": "print_config",
    "Evaluate.py": "-h",
    "Predict.py": "-h",
    "Convert.py": "print_config",
    "Datasets.py": "print_config",
    "Report.py": "table1",
    "Reproduce.py": "-h",
}


def run_printing(program: str, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, ROOT / program, PRINTING[program]]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=60, **options)


def test_characters_that_a_terminal_does_not_have_are_replaced():
    def run(program):
        environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
        return run_printing(program, stdout=subprocess.PIPE, env=environment)

    with ThreadPoolExecutor(2) as pool:
        for shown in pool.map(run, PRINTING):
            assert (shown.returncode, shown.stderr) == (0, ""), shown.args
            assert "?" in shown.stdout


def test_a_closed_output_ends_a_program_quietly_like_sigpipe():
    reading, writing = os.pipe()
    os.close(reading)
    with ThreadPoolExecutor(2) as pool:
        for shown in pool.map(lambda program: run_printing(program, stdout=writing), PRINTING):
            help_of_argparse = shown.args[1:] == [ROOT / "Reproduce.py", "-h"]  # ignores errors
            status = 0 if help_of_argparse else 128 + signal.SIGPIPE
            assert (shown.returncode, shown.stderr) == (status, ""), shown.args
    os.close(writing)
