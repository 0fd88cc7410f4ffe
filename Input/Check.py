"""What is wrong with a data set, song by song: everything decoded, nothing skipped."""

from dataclasses import dataclass

import numpy as np

from Input.Additivity import EXCEPTIONS, measured, wrong_sum
from Input.Audio import to_channels
from Input.Collection import Progress, data_folder, locate_songs
from Input.Musdb import find_musdb_songs, remark
from Input.Songs import Recording, Song
from Input.Workers import in_workers
from Spec.Data import DataSpec
from Spec.Errors import DataError


@dataclass(frozen=True)
class Finding:
    """One song: its length, its rate, how far its mixture is from the sum of its stems in dB
    (None where that cannot be said), what is wrong with it, and what is odd and no fault ('' where
    nothing is)."""

    name: str
    subset: str
    seconds: float
    sample_rate: int
    additivity: float | None
    problem: str
    note: str = ""


def check_songs(spec: DataSpec, shortest: float, progress: Progress) -> list[Finding]:
    """A finding for every song of the run, in the order they are found.

    `shortest` is the length of a snippet in seconds: a training song must have as much.
    """
    songs = locate_songs(spec, progress)
    jobs = [(song, spec, shortest) for song in songs]
    found = []
    for finding in in_workers(check_song, jobs, min(spec.num_workers, len(songs)), ordered=True):
        found.append(finding)
        progress(finding.name, len(found), len(songs))
    return found


def check_song(song: Song, spec: DataSpec, shortest: float) -> Finding:
    """Decode one song whole and look at it."""
    try:
        recording = song.read(spec.sources)
        to_channels(recording.mix[:1], spec.num_channels)
    except (DataError, OSError) as error:
        return Finding(song.name, song.subset, 0.0, 0, None, str(error))
    seconds = len(recording.mix) / recording.sample_rate
    additivity = measured(song, recording, spec.sources)
    problem = wrong_sum(song.name, additivity)
    if song.subset == "train" and seconds < shortest:
        problem = f"lasts {seconds:.2f} s, a snippet {shortest:.2f}: remove it"
    note = oddity(song, recording, spec.sources)
    return Finding(
        song.name, song.subset, seconds, recording.sample_rate, additivity, problem, note
    )


def oddity(song: Song, recording: Recording, sources: tuple[str, ...]) -> str:
    """What is odd about a song and no fault of it."""
    odd = [
        f"{source} is silent throughout"
        for index, source in enumerate(sources)
        if not recording.sources[:, index].any()
    ]
    if song.name in EXCEPTIONS:
        odd.append("its mixture is known not to be the sum of its stems")
    return " and ".join(odd)


def report(found: list[Finding], spec: DataSpec) -> str:
    """A line per song that is wrong or odd, then what there is in all."""
    lines = [f"wrong: {item.subset}/{item.name}: {item.problem}" for item in found if item.problem]
    lines += [f"note: {item.subset}/{item.name}: {item.note}" for item in found if item.note]
    for subset in spec.subsets:
        whole = [item for item in found if item.subset == subset and not item.problem]
        if not whole:
            continue
        minutes = sum(item.seconds for item in whole) / 60
        rates = ", ".join(f"{rate} Hz" for rate in sorted({item.sample_rate for item in whole}))
        lines.append(f"{subset}: {len(whole)} songs, {minutes:.1f} minutes, {rates}{sums(whole)}")
    note = remark(find_musdb_songs(data_folder(spec))) if spec.dataset == "musdb18" else ""
    return "\n".join([*lines, note] if note else lines)


def sums(whole: list[Finding]) -> str:
    """How far the mixtures are from the sums of their stems, '' where there are none."""
    missed = [item.additivity for item in whole if item.additivity is not None]
    if not missed:
        return ""
    if max(missed) == -np.inf:
        return ", mixtures equal their sums"
    return f", mixtures miss their sums by at most {max(missed):.1f} dB"
