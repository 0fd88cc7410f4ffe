"""Which songs a result must have, and why its scores may not stand beside a paper's.

No statistic is taken over a silently smaller set: what is incomplete is refused, and the songs
that are missing are named.
"""

from collections.abc import Sequence

from Evaluation.Published import ALL, musdb18_test_songs
from Evaluation.Results import Result, check_songs
from Spec.Errors import DataError

WINDOW_SECONDS = 1.0  # of the papers' scores
TOLERANCE = 1  # windows by which two encodings of a song may differ


def complete(
    results: Sequence[Result], songs: int | None
) -> tuple[tuple[Result, ...], tuple[str, ...]]:
    """The results that have all songs expected of them, and why others do not count.

    Expected are `songs` songs where that is given; else MUSDB18's test songs of a result that has
    one of them; else all songs of the results that it shares a song with. A folder that was named
    and is incomplete is a `DataError`; a recorded run is left out.
    """
    kept, refused = [], []
    for result in results:
        try:
            check_complete(result, results, songs)
        except DataError as error:
            if result.run_id is None:
                raise
            refused.append(f"run {result.run_id} ({result.label}): {error}")
        else:
            kept.append(result)
    return tuple(kept), tuple(refused)


def check_complete(result: Result, others: Sequence[Result], songs: int | None) -> None:
    """`DataError` unless the result has the songs that `complete` expects of it."""
    names = song_names(result)
    if songs is not None:
        if len(names) != songs:
            gone = missing_of(names, others)
            raise DataError(f"{result.origin}: has {len(names)} songs, --songs says {songs}{gone}")
        return
    try:
        check_songs(names, sorted(expected(result, others)), result.origin)
    except DataError as error:
        raise DataError(f"{error}; --songs {len(names)} takes what is there") from error


def expected(result: Result, others: Sequence[Result]) -> set[str]:
    """The songs a result should have: MUSDB18's test set, or all that results like it have."""
    names = set(song_names(result))
    if names & musdb18_test_songs().keys():
        return set(musdb18_test_songs())
    alike = [set(song_names(other)) for other in others]
    return names.union(*(other for other in alike if other & names))


def missing_of(names: Sequence[str], others: Sequence[Result]) -> str:
    """The songs that other results have and this has not, as the end of a sentence."""
    known = set().union(*map(song_names, others)) - set(names)
    if musdb18_test_songs().keys() & set(names):
        known |= musdb18_test_songs().keys() - set(names)
    return f": without {', '.join(sorted(known))}" if known else ""


def song_names(result: Result) -> list[str]:
    """The songs scored."""
    return [song.name for song in result.songs]


def set_said(result: Result) -> str:
    """The result's songs in words."""
    names = set(song_names(result))
    test = musdb18_test_songs().keys()
    if names == test:
        return "all of MUSDB18's 50 test songs"
    inside = len(names & test)
    count = "1 song" if len(names) == 1 else f"{len(names)} songs"
    return f"{count}, {inside or 'none'} of MUSDB18's 50 test songs"


def differences(result: Result, columns: Sequence[str]) -> tuple[str, ...]:
    """Why a result cannot be compared with the numbers of a paper's table; empty when it can."""
    return (
        *result.notes,
        *songs_differ(result),
        *windows_differ(result),
        *targets_differ(result, columns),
    )


def songs_differ(result: Result) -> list[str]:
    """Other songs than the papers', or songs of other lengths."""
    windows = musdb18_test_songs()
    if set(song_names(result)) != windows.keys():
        return [set_said(result)]
    odd = [
        song.name
        for song in result.songs
        if abs(window_count(song) - windows[song.name]) > TOLERANCE
    ]
    return [f"{len(odd)} songs of another length than MUSDB18's, such as {odd[0]!r}"] if odd else []


def windows_differ(result: Result) -> list[str]:
    """Windows of another length than the papers'."""
    seconds = result.songs[0].window_seconds
    if seconds in (WINDOW_SECONDS, None):
        return []
    return [f"windows of {seconds:g} s, not of {WINDOW_SECONDS:g} s"]


def targets_differ(result: Result, columns: Sequence[str]) -> list[str]:
    """Other targets than the table's: a target's score depends on those scored with it."""
    wanted = {column for column in columns if column != ALL}
    targets = result.songs[0].targets.keys()
    if targets == wanted:
        return []
    return [f"scored as {', '.join(sorted(targets))}, the paper as {', '.join(sorted(wanted))}"]


def window_count(song) -> int:
    """The windows of a song, the same for all its targets."""
    return len(next(iter(song.targets.values()))["SDR"])
