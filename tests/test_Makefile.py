"""The environment that `make` installs."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_museval_can_be_imported_without_activating_the_environment(tmp_path):
    """The test takes the packages of this Python instead of installing them."""
    make = shutil.which("make")
    if make is None:
        assert not os.environ.get("CI")
        pytest.skip("make is missing")
    make_venv = [sys.executable, "-m", "venv", "--without-pip", ".venv"]
    subprocess.run(make_venv, cwd=tmp_path, check=True)
    (packages,) = (tmp_path / ".venv").glob("lib/python*/site-packages")
    (packages / "installed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    command = [make, "-f", ROOT / "Makefile", "-o", ".venv/.stamp-run", ".venv/.stamp-ffmpeg"]
    subprocess.run(command, cwd=tmp_path, check=True)
    code = "import museval, os, sys, subprocess as s; "
    code += "s.run([sys.executable, '-c', \"import os; print(os.environ['PATH'])\"])"
    shown = subprocess.run(
        [tmp_path / ".venv/bin/python", "-W", "ignore", "-c", code],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    first, *others = shown.stdout.strip().split(os.pathsep)
    assert first == str(tmp_path)  # the system's programs are preferred
    assert len(others) == 1
