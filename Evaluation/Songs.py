"""The scoring of a test set: every song separated, scored, and written down."""

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import joblib
import numpy as np
import soundfile

from Evaluation.BssEval import sdr
from Evaluation.Scores import SongScores, write_song
from Evaluation.Scoring import score
from Evaluation.Separate import Separator
from Input.Songs import Recording, Song
from Spec.Errors import DataError
from Spec.Files import replaced
from Spec.Scoring import ScoringSpec

Progress = Callable[[str, int, int], None]
WAV_LIMIT = 2**32 - 2**12  # bytes of samples that a wav's 32-bit sizes can state


def score_songs(
    separator: Separator,
    songs: Sequence[Song],
    spec: ScoringSpec,
    folder: Path,
    progress: Progress,
) -> list[SongScores]:
    """Separate and score `songs`, one museval JSON each at `<folder>/museval/<subset>/<song>.json`.

    With `spec.save_estimates` the estimates are written as
    `<folder>/estimates/<subset>/<song>/<source>.wav`. The model separates while the songs before
    are scored in other processes.
    """

    def jobs() -> Iterator:
        for song in songs:
            recording = song.read(separator.spec.sources)
            estimates = separator.separate(recording.mix, recording.sample_rate)
            if spec.save_estimates:
                write_estimates(
                    folder / "estimates" / song.subset / song.name,
                    estimates,
                    separator.spec.sources,
                    recording.sample_rate,
                )
            yield joblib.delayed(score_song)(
                song, recording, estimates, separator.spec.sources, spec, folder
            )

    workers = max(1, min(spec.num_workers, len(songs)))
    parallel = joblib.Parallel(workers, return_as="generator", pre_dispatch=workers)
    scores = []
    for song_scores in parallel(jobs()):
        scores.append(song_scores)
        progress(song_scores.name, len(scores), len(songs))
    return scores


def score_song(
    song: Song,
    recording: Recording,
    estimates: np.ndarray,
    sources: tuple[str, ...],
    spec: ScoringSpec,
    folder: Path,
) -> SongScores:
    """Score one song's estimates `[T, S, C]` and write its JSON."""
    rate = recording.sample_rate
    try:
        targets = score(
            recording.sources,
            estimates,
            sources,
            rate,
            spec.window_seconds,
            spec.hop_seconds,
            spec.scorer,
        )
    except DataError as error:
        raise DataError(f"{song.name}: {error}") from error
    mix = np.repeat(recording.mix[:, np.newaxis], len(sources), axis=1)  # [T, S, C]
    window, hop = int(spec.window_seconds * rate), int(spec.hop_seconds * rate)
    ratios = sdr(recording.sources, mix, window, hop)
    scores = SongScores(song.name, targets, dict(zip(sources, ratios, strict=True)))
    path = folder / "museval" / song.subset / f"{song.name}.json"
    write_song(scores, path, spec.window_seconds, spec.hop_seconds)
    return scores


def write_estimates(
    folder: Path, estimates: np.ndarray, sources: tuple[str, ...], sample_rate: int
) -> list[Path]:
    """Write `[T, S, C]` as one 32-bit float wav per source, in which nothing can clip.

    Every file is whole or not there. One too long for a wav is an RF64 of the same name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{source}.wav" for source in sources]
    for index, path in enumerate(paths):
        samples = estimates[:, index].astype(np.float32, copy=False)
        # Through memory, because a full disk is an OSError to Python and none to libsndfile.
        encoded = io.BytesIO()
        container = "WAV" if samples.nbytes < WAV_LIMIT else "RF64"
        soundfile.write(encoded, samples, sample_rate, subtype="FLOAT", format=container)
        with replaced(path) as temporary:
            temporary.write_bytes(encoded.getbuffer())
    return paths
