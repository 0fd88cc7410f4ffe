"""The scoring of a test set: every song separated, scored, and written down."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from Evaluation.BssEval import sdr
from Evaluation.Estimates import refuse_not_finite, written_estimates
from Evaluation.Finished import estimates_folder, finished_song, scores_of, song_path
from Evaluation.Results import read_song
from Evaluation.Scores import SongScores, write_song
from Evaluation.Scoring import score
from Evaluation.Separate import Separator
from Input.Songs import Recording, Song
from Input.Workers import in_workers
from Spec.Errors import DataError
from Spec.Files import writing
from Spec.Scoring import ScoringSpec

Progress = Callable[[str, int, int], None]


def score_songs(
    separator: Separator,
    songs: Sequence[Song],
    spec: ScoringSpec,
    folder: Path,
    progress: Progress,
) -> list[SongScores]:
    """Separate and score those of `songs` that are not finished in `folder`; the scores of all, as
    their files have them.

    Each has a museval JSON at `<folder>/museval/<subset>/<song>.json`. With `spec.save_estimates`
    the estimates are written as `<folder>/estimates/<subset>/<song>/<source>.wav`. The model
    separates while the songs before are scored in other processes.

    Raises `DataError` for estimates that are not finite, before anything of that song is written.
    """
    sources = separator.spec.sources
    scores = {song_path(folder, song): finished_song(folder, song, sources, spec) for song in songs}
    missing = [song for song in songs if scores[song_path(folder, song)] is None]
    done = len(songs) - len(missing)
    if done:
        print(f"{done} of {len(songs)} songs are scored already", flush=True)

    def jobs() -> Iterator[tuple]:
        for song in missing:
            recording = song.read(sources)
            estimates = separator.separate(recording.mix, recording.sample_rate)
            with naming(song):
                refuse_not_finite(estimates, sources, recording.sample_rate)
            if spec.save_estimates:
                write_estimates(
                    estimates_folder(folder, song), estimates, sources, recording.sample_rate
                )
            yield song, recording, estimates, sources, spec, folder

    workers = max(1, min(spec.num_workers, len(missing)))
    with closing(in_workers(score_song, jobs(), workers, ordered=True)) as scored:
        for song, song_scores in zip(missing, scored, strict=True):
            scores[song_path(folder, song)] = song_scores
            done += 1
            progress(song.name, done, len(songs))
    return [song_scores for song_scores in scores.values() if song_scores is not None]


@contextmanager
def naming(song: Song) -> Iterator[None]:
    """A `DataError` within the block names the song."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{song.name}: {error}") from error


def score_song(
    song: Song,
    recording: Recording,
    estimates: np.ndarray,
    sources: tuple[str, ...],
    spec: ScoringSpec,
    folder: Path,
) -> SongScores:
    """Score one song's estimates `[T, S, C]` and write its JSON; the scores as that has them."""
    rate = recording.sample_rate
    with naming(song):
        targets = score(
            recording.sources,
            estimates,
            sources,
            rate,
            spec.window_seconds,
            spec.hop_seconds,
            spec.scorer,
        )
    mix = np.repeat(recording.mix[:, np.newaxis], len(sources), axis=1)  # [T, S, C]
    window, hop = int(spec.window_seconds * rate), int(spec.hop_seconds * rate)
    ratios = sdr(recording.sources, mix, window, hop)
    scores = SongScores(song.name, targets, dict(zip(sources, ratios, strict=True)))
    path = song_path(folder, song)
    with writing(path):
        write_song(scores, path, spec.window_seconds, spec.hop_seconds)
    return scores_of(read_song(path))


def write_estimates(
    folder: Path, estimates: np.ndarray, sources: tuple[str, ...], sample_rate: int
) -> None:
    """Write a song's estimates `[T, S, C]` as `<folder>/<source>.wav`, over what is there."""
    channels = estimates.shape[2]
    with written_estimates(folder, sources, sample_rate, channels, overwrite=True) as write:
        write(estimates)
