"""Atomic writing: a file is complete or does not exist, however the writing ends."""

import json
import os

import pytest

from jnet.system.files import replaced, write_json


def write_and_fail(path, content, error):
    with replaced(path) as temporary:
        temporary.write_bytes(content)
        raise error


def test_new_content_replaces_old_content(tmp_path):
    path = tmp_path / "weights.bin"
    path.write_bytes(b"old")
    with replaced(path) as temporary:
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old"
        assert temporary.parent == path.parent  # the same file system, so that it can be renamed
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, SystemExit])
def test_an_exception_keeps_the_old_file_and_removes_the_temporary_file(tmp_path, error):
    path = tmp_path / "weights.bin"
    path.write_bytes(b"old")
    with pytest.raises(error):
        write_and_fail(path, b"half of the n", error)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_exception_leaves_no_new_file(tmp_path):
    with pytest.raises(ZeroDivisionError):
        write_and_fail(tmp_path / "new", b"half", ZeroDivisionError)
    assert list(tmp_path.iterdir()) == []


def test_a_block_that_writes_nothing_raises_an_error_and_keeps_the_old_file(tmp_path):
    path = tmp_path / "weights.bin"
    path.write_bytes(b"old")
    with pytest.raises(FileNotFoundError), replaced(path):
        pass
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_rename_removes_the_temporary_file(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"), replaced(tmp_path / "folder") as temporary:
        temporary.write_text("a file cannot replace a folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_the_content_is_on_the_disk_before_the_file_is_renamed(tmp_path, monkeypatch):
    path, synced = tmp_path / "file", []

    def fsync(descriptor):
        synced.append((os.fstat(descriptor).st_ino, path.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    with replaced(path) as temporary:
        temporary.write_text("content")
        written = temporary.stat().st_ino
    assert synced[0] == (written, False)


def test_two_writers_use_different_temporary_files(tmp_path, monkeypatch):
    with replaced(tmp_path / "a") as first, replaced(tmp_path / "b") as second:
        assert first != second
        first.write_text("a")
        second.write_text("b")
    monkeypatch.setattr(os, "getpid", lambda: 123456)
    with replaced(tmp_path / "a") as other_process:
        other_process.write_text("a")
    assert other_process != first


def test_json_is_strict_readable_and_written_atomically(tmp_path):
    path = tmp_path / "scores.json"
    write_json(path, {"Rhyme’s": [1, 2.5, None, True]})
    assert json.loads(path.read_text(encoding="utf-8")) == {"Rhyme’s": [1, 2.5, None, True]}
    assert "Rhyme’s" in path.read_text(encoding="utf-8")
    before = path.read_bytes()
    for invalid in ({"sdr": float("nan")}, {"sdr": float("inf")}, {"path": path}):
        with pytest.raises((ValueError, TypeError)):
            write_json(path, invalid)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
