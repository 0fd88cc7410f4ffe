"""Finished tracks of an evaluation, so that an interrupted evaluation can be resumed.

Before its first track, an evaluation writes its fingerprint to `evaluation.json`. A folder with
another fingerprint is rejected, so that a folder never contains scores of two evaluations. The
summary is computed from rounded scores as in the tracks' files, so that it is the same with and
without an interruption.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from jnet.data.store import fingerprint_track
from jnet.data.tracks import Track, list_visible
from jnet.errors import ConfigError, DataError
from jnet.names import ESTIMATES, SCORES, TRACK_SCORES, rename_entries
from jnet.scoring.track_scores import TrackScores, read_track
from jnet.settings.scoring import ScoringSettings
from jnet.system.claims import Fingerprint, Work, claim_folder, make_fingerprint
from jnet.system.files import refuse_unfit_name, write_json, writing
from Models.Entries import SCORES as SCORES_AFFECTED
from Models.Entries import SHAPE, WEIGHTS, values_affecting
from Models.Settings import ModelSettings

FINGERPRINT = "evaluation.json"
FORMAT_VERSION = 1
EVALUATION = Work(
    lock=".evaluation.lock",
    occupied="another process is scoring into this folder: wait for it, or choose another folder",
    other="contains scores of another evaluation",
    remedy="choose another folder, or restore the former values to resume",
    name_entry=lambda key: "the tracks" if key == "songs" else key,
)


def make_evaluation_fingerprint(
    model: ModelSettings, scoring: ScoringSettings, weights_sha256: str, tracks: Sequence[Track]
) -> Fingerprint:
    """Return the fingerprint of an evaluation: all that determines the scores of `tracks`.

    It consists of the weights' SHA-256, the settings that affect scores, and a digest
    of each track's name and files.

    Parameters
    ----------
    model : ModelSettings
    scoring : ScoringSettings
    weights_sha256 : str
    tracks : sequence of Track

    Returns
    -------
    Fingerprint
    """
    digests = {
        f"{track.subset}/{track.name}": hashlib.sha256(
            json.dumps(fingerprint_track(track), default=str).encode()
        ).hexdigest()
        for track in tracks
    }
    entries = {
        "format_version": FORMAT_VERSION,
        **values_affecting(model, SHAPE, WEIGHTS),
        **values_affecting(scoring, SCORES_AFFECTED),
        "window_seconds": scoring.window_seconds,
        "hop_seconds": scoring.hop_seconds,
        "weights_sha256": weights_sha256,
        "songs": digests,  # the key of version 0.1.0
    }
    return make_fingerprint(entries)


@contextmanager
def claim_evaluation(folder: Path, tracks: Sequence[Track], wanted: Fingerprint) -> Iterator[None]:
    """Claim `folder` for the scores of `tracks`, so that no other process scores into it meanwhile.

    Parameters
    ----------
    folder : Path
    tracks : sequence of Track
    wanted : Fingerprint
        The fingerprint of the evaluation, written to the folder if it has none.

    Raises
    ------
    ConfigError
        If the folder has scores of another evaluation, with the differences in the message, or
        scores of unknown origin.
    RecordError
        If another process is scoring into the folder.
    """
    for track in tracks:
        refuse_unfit_name("the track", track.name)
    paths = {track_path(folder, track) for track in tracks}
    places = {path.parent for path in paths}
    with claim_folder([folder], EVALUATION, wanted, read_fingerprint, places):
        path = folder / FINGERPRINT
        unknown = {file for place in places for file in list_visible(place, "*.json")}
        if path.exists():
            unknown -= paths
        else:
            unknown |= set(list_visible(folder, SCORES))
        if unknown:
            raise ConfigError(
                f"{min(unknown)}: contains scores of unknown origin: choose another folder"
            )
        if not path.exists():
            with writing(path):
                write_json(path, wanted)
        yield


def track_path(folder: Path, track: Track) -> Path:
    """Return the path of the JSON file with a track's scores."""
    return folder / TRACK_SCORES / track.subset / f"{track.name}.json"


def read_fingerprint(folder: Path) -> Fingerprint | None:
    """Read the fingerprint of the evaluation in `folder`; return None if there is no evaluation.

    Raises `ConfigError` if the file is damaged.
    """
    path = folder / FINGERPRINT
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or not isinstance(content["songs"], dict):
            raise ValueError("it has no tracks")
    except (OSError, ValueError, KeyError, RecursionError) as error:
        raise ConfigError(f"{path}: is damaged ({error}): choose another folder") from error
    return rename_entries(content)


def read_finished_track(
    folder: Path, track: Track, sources: Sequence[str], scoring: ScoringSettings
) -> TrackScores | None:
    """Read the finished scores of a track; None if the track must be scored.

    A track must be scored if its JSON file is missing, damaged or has other sources, or if
    estimates are to be saved and a file of them is missing.

    Parameters
    ----------
    folder : Path
        The folder of the evaluation.
    track : Track
    sources : sequence of str
        The sources that must have scores.
    scoring : ScoringSettings
        `save_estimates` is used.

    Returns
    -------
    TrackScores or None
    """
    path = track_path(folder, track)
    if not path.is_file():
        return None
    try:
        result = read_track(path)
    except DataError:
        return None  # damaged after it was written: score the track again
    if set(result.targets) != set(sources) or set(result.mixture) != set(sources):
        return None
    wavs = [estimates_folder(folder, track) / f"{source}.wav" for source in sources]
    if scoring.save_estimates and not all(wav.is_file() for wav in wavs):
        return None
    return result


def estimates_folder(folder: Path, track: Track) -> Path:
    """Return the folder of a track's estimates."""
    return folder / ESTIMATES / track.subset / track.name
