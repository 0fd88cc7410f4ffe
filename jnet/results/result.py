"""One model's scores on a set of tracks: read from a folder, checked for completeness, compared.

A truncated file, or a file that does not agree with the others, raises `DataError` with its name.
Statistics over fewer tracks than expected are always reported.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jnet.errors import DataError
from jnet.names import TRACK_SCORES, count_things
from jnet.results.published import ALL, FOUR_SOURCES, read_musdb18_test_tracks
from jnet.scoring.track_scores import TrackScores, list_names, name_track, read_track

# The subfolders in which museval and this project write the JSONs of the test set.
SUBFOLDERS = ("test", f"{TRACK_SCORES}/test", "")
CHANGED = ", changed: "  # between a row's name and the changed entries in a label
WINDOW_SECONDS = 1.0  # the length of BSS Eval's windows in the papers
TOLERANCE = 1  # maximum difference in windows, because encodings of a track differ in length


@dataclass(frozen=True)
class TrainingFacts:
    """How the weights of a result were trained.

    Attributes
    ----------
    entries : mapping
        The config entries that affect the weights, with their values.
    store : str or None
        The name of the prepared data, which has a hash of its content.
    steps : int or None
        The number of training steps.
    validation_loss : float or None
        The best loss on the validation set.
    """

    entries: Mapping[str, Any]
    store: str | None = None
    steps: int | None = None
    validation_loss: float | None = None

    def list_differences(self, other: "TrainingFacts", ignored: Collection[str]) -> list[str]:
        """Return the differences between two trainings, except in the `ignored` entries."""
        keys = (self.entries.keys() | other.entries.keys()) - {*ignored}
        found = [
            f"{key} {self.entries.get(key)} and {other.entries.get(key)}"
            for key in sorted(keys)
            if self.entries.get(key) != other.entries.get(key)
        ]
        if self.store != other.store:
            found.append(f"data {self.store} and {other.store}")
        return found


@dataclass(frozen=True)
class Result:
    """One model's scores on one set of tracks.

    Attributes
    ----------
    label : str
        The paper's row ("U1", "J3_10", "U4_2"); for other models the named config or the folder.
        After `CHANGED` come the entries in which the run differs from it.
    tracks : tuple of TrackScores
    origin : str
        The folder or record from which the scores were read.
    seed : int or None
    run_id : str or None
        None for a folder of museval JSONs.
    commit : str or None
        The commit of the code that ran.
    notes : tuple of str
        Differences between a recorded run and the paper's row.
    weights : str or None
        The SHA-256 of the weights.
    weights_path : str or None
        The path to which the run wrote the weights, as recorded.
    training : TrainingFacts or None
        None if the training is not recorded.
    """

    label: str
    tracks: tuple[TrackScores, ...]
    origin: str
    seed: int | None = None
    run_id: str | None = None
    commit: str | None = None
    notes: tuple[str, ...] = ()
    weights: str | None = None
    weights_path: str | None = None
    training: TrainingFacts | None = None

    @property
    def row(self) -> str:
        """The label without changed entries."""
        return self.label.partition(CHANGED)[0]

    def describe_training(self) -> str:
        """Return the run, seed, steps and data behind the scores."""
        if self.training is None:
            return f"{self.label}: {self.describe_origin()}, training unknown"
        steps = "unknown" if self.training.steps is None else self.training.steps
        return (
            f"{self.label}: {self.describe_origin()}, seed {self.seed}, {steps} steps, data "
            f"{self.training.store or 'unknown'}"
        )

    def describe_origin(self) -> str:
        """Return the run's id, or the folder."""
        return self.origin if self.run_id is None else f"run {self.run_id}"

    def shorten_commit(self) -> str | None:
        """Return seven digits of the commit, `-dirty` with uncommitted changes; None if unknown."""
        return self.commit and self.commit[:7] + "-dirty" * self.commit.endswith("-dirty")

    @property
    def targets(self) -> list[str]:
        """The scored sources."""
        return list(self.tracks[0].targets)

    @property
    def track_names(self) -> list[str]:
        """The names of the scored tracks."""
        return [track.name for track in self.tracks]

    def count_windows(self) -> int:
        """Return the number of windows of all tracks."""
        return sum(track.count_windows() for track in self.tracks)

    def select_windows(self, source: str, metric: str) -> dict[str, np.ndarray]:
        """Return the scores of each track's windows `[K]` in dB, NaN for windows without a score.

        Raises `DataError` for a source that was not scored.
        """
        if source not in self.targets:
            scored = ", ".join(self.targets)
            raise DataError(f"{self.label}: has no {source}, only {scored}")
        return {track.name: track.targets[source][metric] for track in self.tracks}

    def count_nan(self, source: str, metric: str) -> int | None:
        """Return the number of windows without a score; None for a source that was not scored."""
        if source not in self.targets:
            return None
        return sum(int(np.isnan(row).sum()) for row in self.select_windows(source, metric).values())

    def count_infinities(self) -> int:
        """Return the number of infinite scores in the files, which count as NaN."""
        return sum(track.infinities for track in self.tracks)

    def describe_tracks(self) -> str:
        """Return a description of the set of tracks."""
        names, test = set(self.track_names), read_musdb18_test_tracks().keys()
        if names == test:
            return "all of MUSDB18's 50 test tracks"
        count, of_test = count_things(len(names), "track"), len(names & test) or "none"
        return f"{count}, {of_test} of MUSDB18's 50 test tracks"


def list_training_differences(first: Result, second: Result, ignored: Collection[str]) -> list[str]:
    """Return the differences between the trainings of two results.

    Parameters
    ----------
    first, second : Result
    ignored : collection of str
        Entries in which the trainings may differ.

    Returns
    -------
    list of str
        Empty if they do not differ, or if neither training is recorded.
    """
    if first.training is None or second.training is None:
        unknown = [result.label for result in (first, second) if result.training is None]
        return [f"training of {unknown[0]} unknown"] if len(unknown) == 1 else []
    return first.training.list_differences(second.training, ignored)


def read_folder(folder: Path, label: str | None = None) -> Result:
    """Read all museval JSONs of a folder, `.json` or `.json.gz`.

    The JSONs are in the first of `SUBFOLDERS` that has any. Hidden files are ignored. Raises
    `DataError` for a folder without JSONs and for tracks that `check_consistency` rejects.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: does not exist: correct the path")
    for place in (folder / below for below in SUBFOLDERS):
        found = (*place.glob("*.json"), *place.glob("*.json.gz"))
        paths = sorted(path for path in found if not path.name.startswith("."))
        if paths:
            break
    else:
        raise DataError(
            f"{folder}: contains no museval JSONs, neither directly nor in its subfolder test"
        )
    names = [name_track(path) for path in paths]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(
            f"{place}: has both {twice[0]}.json and {twice[0]}.json.gz: remove one of them"
        )
    tracks = tuple(read_track(path) for path in paths)
    check_consistency(tracks, str(place))
    return Result(label or folder.resolve().name, tracks, str(place))


def check_consistency(tracks: Sequence[TrackScores], place: str) -> None:
    """Raise `DataError` unless all tracks have the same targets and the same window length."""
    first = tracks[0]
    for track in tracks:
        ours, theirs = (", ".join(sorted(other.targets)) for other in (track, first))
        if ours != theirs:
            raise DataError(
                f"{place}: {track.name!r} has the targets {ours}, but {first.name!r} has {theirs}: "
                f"scores of different target sets cannot be combined"
            )
        if track.window_seconds != first.window_seconds:
            raise DataError(
                f"{place}: {track.name!r} has windows of {track.window_seconds} s, but "
                f"{first.name!r} of {first.window_seconds} s"
            )


def check_tracks(names: Collection[str], expected: Collection[str], place: str) -> None:
    """Raise `DataError` with the missing and unknown tracks unless `names` are the expected tracks.

    Parameters
    ----------
    names, expected : collection of str
        Names of tracks.
    place : str
        The start of the error message.

    Raises
    ------
    DataError
    """
    missing, unknown = {*expected} - {*names}, {*names} - {*expected}
    parts = [f"{list_names(missing)} missing"] if missing else []
    parts += [f"{list_names(unknown)} unexpected"] if unknown else []
    if parts:
        counts = f"{count_things(len(names), 'track')}, but {len(expected)} are expected"
        raise DataError(f"{place}: has {counts}: {'; '.join(parts)}")


def select_complete(
    results: Sequence[Result], tracks: int | None
) -> tuple[list[Result], list[str]]:
    """Return the results that have all expected tracks, and why the other results are left out.

    With `tracks`, that number of tracks is expected. Otherwise a result with any of MUSDB18's test
    tracks is expected to have all 50 of them; any other result is expected to have all tracks of
    the results with which it shares a track. An incomplete folder raises `DataError`, because the
    user named it; an incomplete recorded run is left out.
    """
    kept, left_out = [], []
    for result in results:
        try:
            check_complete(result, results, tracks)
        except DataError as error:
            if result.run_id is None:
                raise
            left_out.append(f"{result.describe_origin()} ({result.label}): {error}")
        else:
            kept.append(result)
    return kept, left_out


def check_complete(result: Result, others: Sequence[Result], tracks: int | None) -> None:
    """Raise `DataError` unless a result has the tracks that `select_complete` expects.

    Parameters
    ----------
    result : Result
    others : sequence of Result
        All results, including `result`.
    tracks : int or None
        The expected number of tracks.

    Raises
    ------
    DataError
    """
    names, test = set(result.track_names), set(read_musdb18_test_tracks())
    if tracks is None:
        of_others = [set(other.track_names) for other in others]
        shared = [test] if names & test else [other for other in of_others if other & names]
        try:
            check_tracks(names, set().union(*shared), result.origin)
        except DataError as error:
            raise DataError(f"{error}; accept them with --tracks {len(names)}") from error
    elif len(names) != tracks:
        raise DataError(
            f"{result.origin}: has {count_things(len(names), 'track')}, but --tracks is {tracks}"
        )


def list_differences(result: Result, columns: Collection[str]) -> tuple[str, ...]:
    """Return the reasons why a result is not comparable with the numbers of a paper's table.

    Reasons are its notes, different tracks, windows of another length, and different targets: the
    score of a target depends on the other targets. `columns` are the columns of the table.
    """
    reasons = [*result.notes]
    windows = read_musdb18_test_tracks()
    if set(result.track_names) != windows.keys():
        reasons.append(result.describe_tracks())
    else:
        gaps = {track.name: track.count_windows() - windows[track.name] for track in result.tracks}
        if odd := [name for name, gap in gaps.items() if abs(gap) > TOLERANCE]:
            reasons.append(
                f"{count_things(len(odd), 'track')} of another length than MUSDB18's, for example "
                f"{odd[0]!r}"
            )
    seconds = result.tracks[0].window_seconds
    if seconds not in (WINDOW_SECONDS, None):
        reasons.append(f"windows of {seconds:g} s, not of {WINDOW_SECONDS:g} s")
    targets, wanted = sorted(result.targets), sorted({*columns} - {ALL} or FOUR_SOURCES)
    if targets != wanted:
        reasons.append(
            f"scored with the targets {', '.join(targets)}, the paper with {', '.join(wanted)}"
        )
    return tuple(reasons)
