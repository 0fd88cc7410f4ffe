"""Read runs from their folders and reject damaged records."""

import importlib
import json
from pathlib import Path

import pytest

from jnet.errors import DataError
from jnet.recording.runs import format_names, parse_run_id, read_run


def write_record(folder, **changes):
    entry = {"status": "COMPLETED", "start_time": "2026-11-20T10:00:00", **changes}
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(entry))
    (folder / "config.json").write_text("{}")
    return folder


def test_info_series_and_output_are_optional(tmp_path):
    run = read_run(write_record(tmp_path / "17"), complete=True)
    assert (run.run_id, run.info, run.series, run.output) == ("17", {}, {}, "")


@pytest.mark.parametrize("file", ["run.json", "config.json", "metrics.json", "info.json"])
@pytest.mark.parametrize("content", ["", '{"status": ', "[]", "\udc80"])
def test_a_damaged_record_is_reported_with_its_folder(tmp_path, file, content):
    folder = write_record(tmp_path / "17")
    (folder / file).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match="17: the record of this run is damaged"):
        read_run(folder, complete=True)


def test_a_folder_without_a_record_is_rejected(tmp_path):
    with pytest.raises(
        DataError, match="not the folder of a recorded run: give a folder such as runs/ID"
    ):
        read_run(tmp_path)


@pytest.mark.parametrize(
    "file", ["Training.py", "Evaluate.py", "Predict.py", "Convert.py", "Datasets.py"]
)
def test_the_name_option_does_not_change_the_experiment_of_a_run(tmp_path, file):
    """The name in Sacred is that of the script's experiment unless -n changes it."""
    experiment = importlib.import_module(Path(file).stem).ex.path
    record = write_record(tmp_path / "1", experiment={"name": "Mine", "mainfile": file})
    assert read_run(record).experiment_name() == experiment
    record = write_record(tmp_path / "2", experiment={"name": "another"})
    assert read_run(record).experiment_name() == "another"


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../secret"])
def test_a_record_cannot_refer_to_files_outside_its_folder(tmp_path, name):
    (tmp_path / "secret").write_text("x")
    for changes in ({"artifacts": [name]}, {"experiment": {"sources": [["a.py", f"../{name}"]]}}):
        folder = write_record(tmp_path / str(len(list(tmp_path.iterdir()))), **changes)
        with pytest.raises(DataError, match="is not a path within"):
            read_run(folder, complete=True)


@pytest.mark.parametrize(
    ("name", "run_id"), [("17", 17), ("007", "007"), ("J1-seed3", "J1-seed3"), ("٣", "٣"), ("0", 0)]
)
def test_only_plain_decimal_names_become_integer_ids(name, run_id):
    assert parse_run_id(name) == run_id


def test_long_lists_of_names_are_shortened():
    assert format_names(["a", "b"]) == "a, b"
    assert format_names("abcdefg") == "a, b, c, d and 3 more"
