"""What of an evaluation is finished: no song is scored twice, no folder holds two's numbers.

Before its first song an evaluation states in `evaluation.json` all that its scores follow from.
Its summary is made of the songs' files, so that an interruption does not change a digit of it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from Evaluation.Results import SongResult, listed, read_song
from Evaluation.Scores import SongScores
from Input.Songs import Song, visible
from Input.Store import fingerprint
from Spec.Errors import ConfigError, DataError
from Spec.Files import refuse_unfit_name, remove_leftovers, write_json, writing
from Spec.Lock import locked
from Spec.Model import ModelSpec
from Spec.Scoring import ScoringSpec

STATEMENT, LOCK = "evaluation.json", ".evaluation.lock"
FORMAT_VERSION = 1
NOT_COMPARED = ("seed", "save_estimates", "num_workers")  # no score depends on them
OCCUPIED = "another process is scoring into this folder: wait for it, or score into another"
LONGEST_SHOWN = 70  # characters of a value that an error repeats

Statement = Mapping[str, Any]


def statement_of(
    model: ModelSpec, scoring: ScoringSpec, weights_sha256: str, songs: Sequence[Song]
) -> Statement:
    """All that the scores of `songs` follow from, in JSON's types: the weights, how they are used,
    and a digest of each song's name and files."""
    entries = {**asdict(model), **asdict(scoring), "weights_sha256": weights_sha256}
    digests = {
        f"{song.subset}/{song.name}": hashlib.sha256(
            json.dumps(fingerprint(song), default=str).encode()
        ).hexdigest()
        for song in songs
    }
    kept = {key: value for key, value in entries.items() if key not in NOT_COMPARED}
    return json.loads(json.dumps({"format_version": FORMAT_VERSION, **kept, "songs": digests}))


@contextmanager
def claimed(folder: Path, songs: Sequence[Song], statement: Statement) -> Iterator[None]:
    """Within the block nobody else scores into `folder`, and all that is there is of `statement`.

    Raises `ConfigError` that names what differs where scores of another evaluation are there, or
    scores nobody states the origin of; `RecordError` where another process is at work.
    """
    for song in songs:
        refuse_unfit_name("the song", song.name)
    with locked(folder / LOCK, OCCUPIED):
        paths = [song_path(folder, song) for song in songs]
        places = {path.parent for path in paths}
        there = {path for place in places for path in visible(place, "*.json")}
        stated = (folder / STATEMENT).exists()
        if stated:
            refuse_another(folder, read_statement(folder / STATEMENT), statement)
            there -= set(paths)
        else:
            there |= set(visible(folder, "scores.json"))
        if there:
            raise ConfigError(
                f"{min(there)}: holds scores of which it is not known how they were made: score "
                f"into another folder"
            )
        for place in (folder, *places):
            remove_leftovers(place)
        if not stated:
            with writing(folder / STATEMENT):
                write_json(folder / STATEMENT, statement)
        yield


def song_path(folder: Path, song: Song) -> Path:
    """Where the scores of a song are."""
    return folder / "museval" / song.subset / f"{song.name}.json"


def read_statement(path: Path) -> Statement:
    """What an evaluation stated; `ConfigError` where that is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or not isinstance(content["songs"], dict):
            raise ValueError("it states no songs")
    except (OSError, ValueError, KeyError, RecursionError) as error:
        raise ConfigError(f"{path}: is damaged ({error}): score into another folder") from error
    return content


def refuse_another(folder: Path, held: Statement, wanted: Statement) -> None:
    """`ConfigError` where the scores in `folder` are not of the evaluation that is `wanted`."""
    differing = [
        f"{key} is {shown(wanted.get(key))} and was {shown(held.get(key))}"
        for key in sorted((held.keys() | wanted.keys()) - {"songs"})
        if wanted.get(key) != held.get(key)
    ]
    songs = [name for name, _ in held["songs"].items() ^ wanted["songs"].items()]
    if songs:
        differing.append(f"the songs differ in {listed(set(songs))}")
    if differing:
        raise ConfigError(
            f"{folder}: holds scores of another evaluation: {'; '.join(differing)}: score into "
            f"another folder, or with what was to go on with it"
        )


def shown(value: Any) -> str:
    """A value as far as an error repeats it."""
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def finished_song(
    folder: Path, song: Song, sources: Sequence[str], scoring: ScoringSpec
) -> SongScores | None:
    """The scores of a song that are there; None where they, or the estimates asked for, are not
    there or not whole."""
    path = song_path(folder, song)
    if not path.is_file():
        return None
    try:
        result = read_song(path)
    except DataError:
        return None  # damaged since; it will be written anew
    if set(result.targets) != set(sources) or set(result.mixture) != set(sources):
        return None
    wavs = [estimates_folder(folder, song) / f"{source}.wav" for source in sources]
    if scoring.save_estimates and not all(wav.is_file() for wav in wavs):
        return None
    return scores_of(result)


def scores_of(result: SongResult) -> SongScores:
    """A song's scores as its file has them."""
    targets = {source: dict(metrics) for source, metrics in result.targets.items()}
    return SongScores(result.name, targets, dict(result.mixture))


def estimates_folder(folder: Path, song: Song) -> Path:
    """Where the estimates of a song are."""
    return folder / "estimates" / song.subset / song.name
