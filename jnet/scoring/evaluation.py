"""The evaluation of a separator on a set of tracks.

Each track is separated and scored, and its scores are written as JSON. The summary of all tracks is
then written, recorded and printed as a table.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from jnet.audio.writing import open_estimates, refuse_not_finite
from jnet.data.tracks import Track, TrackAudio
from jnet.errors import DataError
from jnet.names import SCORES, format_scores_artifact
from jnet.scoring.bss_eval import sdr
from jnet.scoring.finished import (
    claim_evaluation,
    estimates_folder,
    make_evaluation_fingerprint,
    read_finished_track,
    track_path,
)
from jnet.scoring.score_table import format_score_table
from jnet.scoring.scorer import score_estimates
from jnet.scoring.statistics import summarize
from jnet.scoring.track_scores import TrackScores, write_track
from jnet.separation.streaming import TrackSeparator
from jnet.settings.run import RunSettings
from jnet.settings.scoring import ScoringSettings
from jnet.system.files import write_json, writing
from jnet.system.workers import run_in_workers
from jnet.weights.manifests import manifest_path, read_manifest

JSON = "application/json"
Progress = Callable[[str, int, int], None]


class Record(Protocol):
    """The method of a run's record that evaluation needs; a Sacred run has it."""

    def add_artifact(self, filename: str, name: str, *, content_type: str) -> None:
        """Add a file to the record."""


def score_model(
    separator: TrackSeparator,
    settings: RunSettings,
    weights: Path,
    tracks: Sequence[Track],
    folder: Path,
    record: Record,
    progress: Progress,
) -> dict[str, dict[str, Any]]:
    """Score all tracks in a folder, print the table of their scores and return their summary.

    Tracks that are already scored in `folder` are not scored again. The museval JSONs and
    `scores.json` are written to `folder` and added to `record`, together with the manifest of the
    weights.

    Parameters
    ----------
    separator : TrackSeparator
    settings : RunSettings
    weights : Path
        The file of the separator's weights.
    tracks : sequence of Track
    folder : Path
        Where scores are written.
    record : Record
        Where artifacts are recorded.
    progress : callable
        Called after each track with its name, the number of tracks done and their total.

    Returns
    -------
    dict
        The summary by source, as from `summarize`.

    Raises
    ------
    ConfigError
        If `folder` has scores of other weights, settings or tracks.
    """
    workers = settings.computing.num_workers
    manifest = manifest_path(weights)
    record.add_artifact(str(manifest), manifest.name, content_type=JSON)
    sha256 = read_manifest(weights)["sha256"]
    fingerprint = make_evaluation_fingerprint(settings.model, settings.scoring, sha256, tracks)
    with claim_evaluation(folder, tracks, fingerprint):
        scores = score_tracks(separator, tracks, settings.scoring, folder, workers, progress)
        summary = summarize(scores)
        write_json(folder / SCORES, summary)
    for track in tracks:
        name = format_scores_artifact(track.subset, track.name)
        record.add_artifact(str(track_path(folder, track)), name, content_type=JSON)
    record.add_artifact(str(folder / SCORES), SCORES, content_type=JSON)
    print(format_score_table(summary), flush=True)
    return summary


def score_tracks(
    separator: TrackSeparator,
    tracks: Sequence[Track],
    settings: ScoringSettings,
    folder: Path,
    num_workers: int,
    progress: Progress,
) -> list[TrackScores]:
    """Separate and score the unfinished tracks and return the scores of all tracks.

    The scores of a track are written to `<folder>/museval/<subset>/<track>.json`. With
    `settings.save_estimates`, the estimates are written to
    `<folder>/estimates/<subset>/<track>/<source>.wav`. While the model separates a track, other
    processes score the previous tracks.

    Parameters
    ----------
    separator : TrackSeparator
    tracks : sequence of Track
    settings : ScoringSettings
    folder : Path
        Where scores and estimates are written.
    num_workers : int
        Maximum number of scoring processes.
    progress : callable
        Called after each track with its name, the number of tracks done and their total.

    Returns
    -------
    list of TrackScores
        The scores of all tracks, rounded as in their JSON files.

    Raises
    ------
    DataError
        If estimates of a track are not finite. No file of that track is written.
    """
    sources = separator.settings.sources
    scores = {
        track_path(folder, track): read_finished_track(folder, track, sources, settings)
        for track in tracks
    }
    missing = [track for track in tracks if scores[track_path(folder, track)] is None]
    done = len(tracks) - len(missing)
    if done:
        print(f"{done} of {len(tracks)} tracks are already scored", flush=True)

    def jobs() -> Iterator[tuple]:
        for track in missing:
            recording = track.read(sources)
            rate = recording.sample_rate
            estimates = separator.separate(recording.mix, rate)
            try:
                refuse_not_finite(estimates, sources, rate)
            except DataError as error:
                raise DataError(f"{track.name}: {error}") from error
            if settings.save_estimates:
                place, channels = estimates_folder(folder, track), estimates.shape[2]
                with open_estimates(place, sources, rate, channels, overwrite=True) as write:
                    write(estimates)
            yield track, recording, estimates, sources, settings, folder

    workers = max(1, min(num_workers, len(missing)))
    with closing(run_in_workers(score_track, jobs(), workers, ordered=True)) as scored:
        for track, track_scores in zip(missing, scored, strict=True):
            scores[track_path(folder, track)] = track_scores
            done += 1
            progress(track.name, done, len(tracks))
    return [track_scores for track_scores in scores.values() if track_scores is not None]


def score_track(
    track: Track,
    recording: TrackAudio,
    estimates: np.ndarray,
    sources: tuple[str, ...],
    settings: ScoringSettings,
    folder: Path,
) -> TrackScores:
    """Score the estimates of a track and write its JSON.

    Parameters
    ----------
    track : Track
    recording : TrackAudio
        The track's mix and sources.
    estimates : array
        Samples, `[T, S, C]`.
    sources : tuple of str
        Names of the S sources.
    settings : ScoringSettings
    folder : Path
        Where scores are written.

    Returns
    -------
    TrackScores
        The scores, rounded as in the JSON file.
    """
    rate = recording.sample_rate
    seconds = settings.window_seconds, settings.hop_seconds
    targets = score_estimates(
        recording.sources, estimates, sources, rate, *seconds, settings.scorer
    )
    mix = np.repeat(recording.mix[:, np.newaxis], len(sources), axis=1)  # [T, S, C]
    window, hop = (int(length * rate) for length in seconds)
    mixture = dict(zip(sources, sdr(recording.sources, mix, window, hop), strict=True))
    scores = TrackScores(track.name, targets, mixture, window_seconds=settings.window_seconds)
    path = track_path(folder, track)
    with writing(path):
        return write_track(scores, path, settings.hop_seconds)
