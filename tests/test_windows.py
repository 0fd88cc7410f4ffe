"""On Windows, every program ends with one line that names WSL 2."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Sacred is available for Windows, but cannot be imported on Linux after the platform has changed.
ON_WINDOWS = """
import runpy, signal, sys
import sacred
sys.platform = "win32"
for name in ("SIGHUP", "SIGKILL", "SIGALRM", "pthread_sigmask"):
    delattr(signal, name)
for name in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize(
    "program", ["Training", "Evaluate", "Predict", "Convert", "Datasets", "Report", "Reproduce"]
)
def test_a_program_ends_with_one_line_on_windows(program, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", ON_WINDOWS, str(ROOT / f"{program}.py")],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == "J-Net does not run on Windows: use WSL 2, see README.md\n"
    assert (done.returncode, done.stdout) == (2, "")
    assert list(tmp_path.iterdir()) == []
