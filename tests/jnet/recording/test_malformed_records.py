"""Malformed records of runs: skipped or refused with one line, whatever is wrong in them.

Every field of a record of version 0.1.0 is removed, or replaced by each of `NASTY_VALUES`.
"""

import copy
import itertools
import json
import random
import shutil
from argparse import Namespace
from pathlib import Path

import pytest

import Report
from Config import DEFAULTS
from jnet.errors import DataError, JNetError
from jnet.recording.runs import add_defaults, parse_document, read_run, read_runs
from jnet.reports.commands import report_models
from jnet.reports.figures.curves import read_curves
from jnet.reproduction.estimate import find_durations
from jnet.reproduction.plan import find_statuses
from jnet.reproduction.requirements import Requirement
from jnet.reproduction.targets import make_row
from jnet.results.recorded import read_sources
from jnet.scoring.track_scores import parse_track
from jnet.settings.run import make_run_settings

STORED = Path(__file__).parents[2] / "fixtures" / "version_0.1.0" / "run"
REMOVED = object()
NASTY_VALUES = (
    *(REMOVED, None, True, -1, 0, 1.5, 10**400, float("inf"), float("nan"), "", "x", "\ud800"),
    *("\0", "a\nb", [], {}, [[]], {"x": {}}, "2026-13-01", "2026-11-20T10:00:00+01:00"),
)
DEEP = "[" * 2000 + "]" * 2000


def list_paths(content, path=()):
    """Yield the paths of all values in nested dicts and lists, of lists only the first items."""
    yield path
    items = content.items() if isinstance(content, dict) else enumerate(content[:2])
    for key, value in items:
        if isinstance(value, dict | list):
            yield from list_paths(value, (*path, key))
        else:
            yield (*path, key)


def mutate(content, path, value):
    """Return a copy of `content` in which the value at `path` is replaced or removed."""
    changed = copy.deepcopy(content)
    *parents, last = path
    place = changed
    for key in parents:
        place = place[key]
    if value is REMOVED:
        del place[last]
    else:
        place[last] = value
    return changed


def draw_mutations(content, count):
    """Return `count` mutations of `content`, with a fixed seed."""
    paths = [path for path in list_paths(content) if path]
    every = list(itertools.product(paths, NASTY_VALUES))
    chosen = random.Random(11).sample(every, min(count, len(every)))
    return [mutate(content, path, value) for path, value in chosen]


def read_stored(name):
    return json.loads((STORED / name).read_text())


@pytest.fixture(scope="module")
def requirement():
    data = make_run_settings(DEFAULTS, 0).data
    return Requirement(make_row("J1"), 1, (), (), DEFAULTS, DEFAULTS, data, None)


def use_runs(runs, requirement):
    """Use runs as the tables, the figures and the plans of reproduction do."""
    for run in runs:
        assert isinstance(run.status(), str)
        assert isinstance(run.started(), str)
    find_durations(runs)
    find_statuses([requirement], [add_defaults(run, DEFAULTS) for run in runs])


@pytest.mark.parametrize("name", ["run.json", "config.json"])
def test_a_malformed_file_of_a_record_is_skipped_or_used(name, tmp_path, requirement):
    other = shutil.copytree(STORED, tmp_path / "1")
    entry = mutate(read_stored("run.json"), ("result", "weights_sha256"), "f" * 64)
    (other / "run.json").write_text(json.dumps(entry))
    folder = shutil.copytree(STORED, tmp_path / "2")
    skipped = 0
    for content in draw_mutations(read_stored(name), 200):
        (folder / name).write_text(json.dumps(content))
        runs, damaged = read_runs(tmp_path)
        assert len(runs) + len(damaged) == 2
        skipped += len(damaged)
        assert all("\n" not in line and "damaged" in line for line in damaged)
        use_runs(runs, requirement)
        try:
            found = read_sources([str(tmp_path)])
        except JNetError as error:
            pytest.fail(f"the undamaged run is not reported: {error}")
        assert found.results
    assert skipped > 5


@pytest.mark.parametrize("text", ["", "[]", "3", "null", "{", DEEP, '{"x": 1', "\ud800"])
@pytest.mark.parametrize("name", ["run.json", "config.json", "metrics.json", "info.json"])
def test_a_file_that_is_no_json_object_is_an_error(name, text, tmp_path):
    folder = shutil.copytree(STORED, tmp_path / "1")
    (folder / name).write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(DataError, match="1: the record of this run is damaged"):
        read_run(folder, complete=True)


def test_malformed_metrics_are_an_error(tmp_path):
    folder = shutil.copytree(STORED, tmp_path / "1")
    for content in draw_mutations(read_stored("metrics.json"), 150):
        (folder / "metrics.json").write_text(json.dumps(content))
        for read in (lambda: read_curves(folder), lambda: read_run(folder, complete=True)):
            try:
                read()
            except JNetError as error:
                assert "\n" not in str(error)  # noqa: PT017 - no error is right, too


def test_a_mongodb_document_of_another_project_is_named_and_skipped(requirement):
    document = {**read_stored("run.json"), "_id": 1, "config": read_stored("config.json")}
    document["artifacts"] = [{"name": "scores.json", "file_id": 3}]
    assert parse_document(document, "x", None).experiment_name() == "training"
    skipped = 0
    for changed in draw_mutations(document, 300):
        try:
            run = parse_document({"_id": 1, **changed}, "x", None)
        except ValueError:
            skipped += 1
        else:
            use_runs([run], requirement)
    assert skipped > 30
    for foreign in ({"_id": "a", "config": 3}, {"_id": None, "experiment": "mnist"}):
        with pytest.raises(ValueError, match=r"config is 3|experiment is 'mnist'"):
            parse_document(foreign, "x", None)


def test_a_malformed_museval_json_is_an_error_with_its_name():
    content = json.loads(next(STORED.glob("museval test *.json")).read_text())
    content["targets"] = [{**entry, "frames": entry["frames"][:2]} for entry in content["targets"]]
    del content["mixture"]
    for changed in draw_mutations(content, 300):
        try:
            parse_track(json.dumps(changed).encode(), "One", "One.json")
        except DataError as error:
            assert str(error).startswith("One.json: ")  # noqa: PT017 - no error is right, too
    for text in (DEEP, '{"targets": ' + DEEP + "}", "1e999", "[1" + "0" * 5000 + "]"):
        with pytest.raises(DataError, match=r"One\.json: "):
            parse_track(text.encode(), "One", "One.json")


@pytest.mark.parametrize("command", ["table1", "models", "figure2", "page", "curves", "scores"])
def test_a_report_of_a_single_malformed_run_ends_in_one_line(command, tmp_path, capsys):
    folder = shutil.copytree(STORED, tmp_path / "1")
    entry = mutate(read_stored("run.json"), ("meta", "named_configs"), 3)
    (folder / "run.json").write_text(json.dumps(entry))
    assert Report.main([command, str(folder), "--out", str(tmp_path / "out.png")]) == 2
    line = capsys.readouterr().err
    assert "damaged (entry.meta.named_configs is 3): restore or remove it" in line
    assert line.count("\n") == 1


def test_invalid_runs_among_others_are_named_below_the_table(tmp_path):
    shutil.copytree(STORED, tmp_path / "1")
    folder = shutil.copytree(STORED, tmp_path / "2")
    (folder / "config.json").write_text('{"cfg": {"passes": "x"}}')
    options = {"sources": [str(tmp_path)], "metric": "SDR", "statistic": "both", "tracks": None}
    document = report_models(Namespace(**options, only=()))
    assert "config.cfg.passes is 'x'" in document.notes["Results not used"][0]
