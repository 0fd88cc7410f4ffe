"""A run's record read from its folder, and refused where it is none."""

import json

import pytest

from Recording.RunFiles import counted, listed, read_run, run_id_of
from Spec.Errors import DataError


def written(folder, **changes):
    entry = {"status": "COMPLETED", "start_time": "2026-11-20T10:00:00", **changes}
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(entry))
    (folder / "config.json").write_text("{}")
    return folder


def test_a_record_without_info_series_or_output_is_one(tmp_path):
    run = read_run(written(tmp_path / "17"))
    assert (run.run_id, run.info, run.series, run.output) == (17, {}, {}, "")


@pytest.mark.parametrize("file", ["run.json", "config.json", "metrics.json", "info.json"])
@pytest.mark.parametrize("content", ["", '{"status": ', "[]", "\udc80"])
def test_a_damaged_record_is_named(tmp_path, file, content):
    folder = written(tmp_path / "17")
    (folder / file).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match="17: the record of this run is damaged"):
        read_run(folder)


def test_a_folder_without_a_record_is_none(tmp_path):
    with pytest.raises(DataError, match="there is no recorded run: name a folder such as runs/ID"):
        read_run(tmp_path)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../secret"])
def test_a_record_of_others_leads_to_no_file_outside(tmp_path, name):
    (tmp_path / "secret").write_text("x")
    for changes in ({"artifacts": [name]}, {"experiment": {"sources": [["a.py", f"../{name}"]]}}):
        folder = written(tmp_path / str(len(list(tmp_path.iterdir()))), **changes)
        with pytest.raises(DataError, match="is not a name within"):
            read_run(folder)


@pytest.mark.parametrize(
    ("name", "run_id"), [("17", 17), ("007", "007"), ("J1-seed3", "J1-seed3"), ("٣", "٣"), ("0", 0)]
)
def test_a_folder_named_by_a_number_has_a_number_as_id(name, run_id):
    assert run_id_of(name) == run_id


def test_many_names_are_said_in_few_words():
    assert listed(["a", "b"]) == "a, b"
    assert listed("abcdefg") == "a, b, c, d and 3 more"
    names = ["artifact a", "source x", "source y", "series loss", "status", "result"]
    assert counted(names) == "artifact a, series loss, 2 sources, status, result"
