"""Claims of folders: locks, fingerprints, and temporary files of killed processes."""

import json

import pytest

from jnet.errors import ConfigError, RecordError
from jnet.system.claims import Work, claim_folder, make_fingerprint
from jnet.system.locks import locked

WORK = Work(
    lock=".work.lock",
    occupied="another process works here",
    other="is other work",
    remedy="work elsewhere",
    name_entry=lambda key: {"songs": "the tracks"}.get(key, f"cfg.{key}"),
)
WANTED = make_fingerprint({"levels": (1, 2), "rate": 8000, "songs": {"a": "1", "b": "2"}})


def read_fingerprint(folder):
    path = folder / "work.json"
    return json.loads(path.read_text()) if path.exists() else None


def claim(*folders, **options):
    with claim_folder(folders, WORK, WANTED, read_fingerprint, **options) as folder:
        return folder


def test_a_fingerprint_is_equal_to_its_copy_in_json():
    assert json.loads(json.dumps(WANTED)) == WANTED
    assert WANTED.keys() == {"levels", "rate", "songs"}


def test_a_folder_is_locked_only_during_the_claim(tmp_path):
    with claim_folder([tmp_path], WORK, WANTED, read_fingerprint):
        with pytest.raises(RecordError, match="another process works here"):
            claim(tmp_path)
        assert claim(tmp_path, tmp_path / "b") == tmp_path / "b"
    assert claim(tmp_path, tmp_path / "b") == tmp_path


def test_the_last_folder_is_named_if_all_are_locked(tmp_path):
    with (
        locked(tmp_path / "a" / WORK.lock, ""),
        locked(tmp_path / "b" / WORK.lock, ""),
        pytest.raises(RecordError, match=r"b/\.work\.lock: another process works here"),
    ):
        claim(tmp_path / "a", tmp_path / "b")


def test_the_same_fingerprint_is_accepted(tmp_path):
    (tmp_path / "work.json").write_text(json.dumps(WANTED))
    assert claim(tmp_path) == tmp_path


def test_another_fingerprint_is_refused_with_all_differences(tmp_path):
    songs = {"a": "1", "b": "0", **{f"c{number}": "" for number in range(6)}}
    other = {"levels": [1] * 50, "extra": None, "gone": "x", "rate": 8000, "songs": songs}
    (tmp_path / "work.json").write_text(json.dumps(other))
    with pytest.raises(ConfigError) as error:
        claim(tmp_path)
    values = "[" + "1, " * 23
    assert str(error.value) == (
        f"{tmp_path}: is other work: "
        f"cfg.levels is [1, 2] and was {values}…; "
        "the tracks differ in b, c0, c1, c2, c3 and 2 more: work elsewhere"
    )


def test_leftovers_are_removed_only_after_the_fingerprint_was_accepted(tmp_path):
    leftovers = [tmp_path / ".x.json.1.tmp", tmp_path / "scores" / ".y.json.1.tmp"]
    kept = tmp_path / "other" / ".z.json.1.tmp"
    for path in (*leftovers, kept):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "work.json").write_text(json.dumps({**WANTED, "rate": 1}))
    with pytest.raises(ConfigError):
        claim(tmp_path, subfolders=["scores"])
    assert all(path.exists() for path in (*leftovers, kept))
    (tmp_path / "work.json").unlink()
    claim(tmp_path, subfolders=["scores"])
    assert [path.exists() for path in (*leftovers, kept)] == [False, False, True]
