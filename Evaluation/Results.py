"""Scores read back: folders of museval JSONs, whoever wrote them.

Nothing is read in part: a file that is cut short, lacks a metric or does not fit its neighbours
is a `DataError` that names it, and a statistic is never taken over fewer songs than expected.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from Evaluation.Scores import METRICS
from Spec.Errors import DataError

SUBFOLDERS = ("test", "museval/test", "")  # where museval and this project put a set's JSONs
NAMED = 5  # songs that an error names one by one


@dataclass(frozen=True)
class SongResult:
    """One song's scores: `targets[source][metric]` are its windows in dB, `[K]`, NaN where not a
    number. `infinities` counts the scores stated as infinite, which are taken as NaN, as museval
    does; `window_seconds` is the windows' length, and `mixture[source]` the SDR of the mix as the
    estimate, where the file has them."""

    name: str
    targets: Mapping[str, Mapping[str, np.ndarray]]
    infinities: int
    window_seconds: float | None = None
    mixture: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """One model's scores on one set of songs, and where they come from.

    `label` is the paper's row when it is one ("U1", "J3_10", "U4_2"), else the folder's name.
    `notes` say in what a recorded run differs from that row; `weights` is its weights' SHA-256
    and `weights_path` where they were written, as the record has them.
    """

    label: str
    songs: tuple[SongResult, ...]
    seed: int | None
    run_id: str | None
    commit: str | None
    origin: str
    config: Mapping[str, Any] | None
    notes: tuple[str, ...] = ()
    weights: str | None = None
    weights_path: str | None = None


def read_song(path: Path) -> SongResult:
    """One museval JSON; `DataError`, naming the file, for anything that is none."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    return parse_song(content, path.stem, str(path))


def parse_song(content: bytes, name: str, place: str) -> SongResult:
    """One museval JSON from its bytes; `place` is what an error names."""
    try:
        whole = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{place}: is no whole JSON ({error}): it may be cut short; score the song again"
        ) from error
    entries = whole.get("targets") if isinstance(whole, dict) else None
    if not isinstance(entries, list) or not entries:
        raise DataError(f"{place}: is not a song's scores by museval: it has no targets")
    targets: dict[str, dict[str, np.ndarray]] = {}
    durations = set()
    for entry in entries:
        target = entry.get("name") if isinstance(entry, dict) else None
        frames = entry.get("frames") if isinstance(entry, dict) else None
        if not isinstance(target, str) or not isinstance(frames, list) or not frames:
            raise DataError(f"{place}: target {target!r} has no name or no frames")
        if target in targets:
            raise DataError(f"{place}: has the target {target!r} twice")
        targets[target] = {
            metric: np.array([window_score(frame, metric, target, place) for frame in frames])
            for metric in METRICS
        }
        durations |= {duration(frame) for frame in frames}
    counts = {target: len(values["SDR"]) for target, values in targets.items()}
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{count} for {target}" for target, count in counts.items())
        raise DataError(f"{place}: the numbers of windows differ between targets: {said}")
    return SongResult(
        name,
        {
            target: {metric: np.where(np.isinf(row), np.nan, row) for metric, row in values.items()}
            for target, values in targets.items()
        },
        sum(int(np.isinf(row).sum()) for values in targets.values() for row in values.values())
        + len(listing(whole, "infinite", place)),
        durations.pop() if len(durations) == 1 else None,
        mixture_scores(whole, counts, place),
    )


def listing(whole: Mapping[str, Any], key: str, place: str) -> list:
    """A list that this project's files have and others need not."""
    found = whole.get(key, [])
    if not isinstance(found, list):
        raise DataError(f"{place}: its entry {key} is no list")
    return found


def mixture_scores(
    whole: Mapping[str, Any], counts: Mapping[str, int], place: str
) -> dict[str, np.ndarray]:
    """The SDR of the mix as the estimate of every source, of `counts` windows; none where the
    file has none."""
    found = whole.get("mixture") or {}
    try:
        rows = {source: np.array(found[source]["SDR"], np.float64) for source in found}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{place}: the scores of its mixture are damaged ({error!r})") from error
    if rows and {source: row.shape for source, row in rows.items()} != {
        source: (count,) for source, count in counts.items()
    }:
        raise DataError(f"{place}: the scores of its mixture are not of its targets' windows")
    return rows


def window_score(frame: Any, metric: str, target: str, place: str) -> float:
    """One score of one window: a number, or null or NaN for none."""
    metrics = frame.get("metrics") if isinstance(frame, dict) else None
    if not isinstance(metrics, dict) or metric not in metrics:
        raise DataError(f"{place}: a window of {target} has no {metric}")
    value = metrics[metric]
    if value is None:
        return np.nan
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise DataError(f"{place}: the {metric} of a window of {target} is {value!r}, no number")
    return float(value)


def duration(frame: Mapping[str, Any]) -> float | None:
    """A window's length in seconds, where it is stated."""
    value = frame.get("duration")
    return float(value) if isinstance(value, (int, float)) else None


def read_folder(
    folder: Path, label: str | None = None, expected_songs: Sequence[str] | None = None
) -> Result:
    """All museval JSONs of a folder: `<folder>/test/*.json`, or `<folder>/*.json`.

    Names that begin with a dot are no songs. Raises `DataError` for a folder without JSONs, songs
    that do not fit together, and songs other than `expected_songs`.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder")
    for place in (folder / below for below in SUBFOLDERS):
        paths = sorted(path for path in place.glob("*.json") if not path.name.startswith("."))
        if paths:
            break
    else:
        raise DataError(f"{folder}: holds no museval JSONs, neither in it nor in its folder test")
    songs = tuple(read_song(path) for path in paths)
    check_alike(songs, str(place))
    if expected_songs is not None:
        check_songs([song.name for song in songs], expected_songs, str(place))
    name = label or folder.resolve().name
    return Result(name, songs, None, None, None, str(place), None)


def check_alike(songs: Sequence[SongResult], place: str) -> None:
    """`DataError` unless all songs have the same targets, the same windows and a name each."""
    first = songs[0]
    names = [song.name for song in songs]
    for song in songs:
        if names.count(song.name) > 1:
            raise DataError(f"{place}: has the song {song.name!r} twice")
        if song.targets.keys() != first.targets.keys():
            raise DataError(
                f"{place}: {song.name!r} has the targets {', '.join(sorted(song.targets))}, but "
                f"{first.name!r} has {', '.join(sorted(first.targets))}: scores of different "
                f"target sets cannot be put together"
            )
        if song.window_seconds != first.window_seconds:
            raise DataError(
                f"{place}: {song.name!r} has windows of {song.window_seconds} s, but "
                f"{first.name!r} of {first.window_seconds} s"
            )


def check_songs(names: Sequence[str], expected: Sequence[str], place: str) -> None:
    """`DataError` unless `names` are the `expected` songs, naming those missing and unknown."""
    missing, unknown = set(expected) - set(names), set(names) - set(expected)
    if missing or unknown:
        said = [f"{listed(missing)} missing"] if missing else []
        said += [f"{listed(unknown)} not among the expected"] if unknown else []
        raise DataError(
            f"{place}: has {len(names)} songs where {len(expected)} are expected: {'; '.join(said)}"
        )


def listed(names: set[str]) -> str:
    """Some names, and how many more there are."""
    shown = ", ".join(sorted(names)[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"
