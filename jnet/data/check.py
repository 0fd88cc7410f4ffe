"""Checks of a data set and of a store.

The check of a data set decodes every track; the check of a store reads every stored sample.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jnet.audio.resampling import convert_channels
from jnet.data.find import SUBSET_NAMES, data_folder, find_tracks, locate_tracks
from jnet.data.layouts import find_musdb_tracks, note_incomplete_musdb
from jnet.data.store import (
    MANIFEST,
    Store,
    StoredTrack,
    audio_path,
    describe_format,
    description_path,
    find_track_damage,
    hash_samples,
    read_manifest,
)
from jnet.data.tracks import COMPONENTS, MIXTURE, Track, TrackAudio
from jnet.errors import DataError
from jnet.names import count_things
from jnet.settings.data import SUBSETS, DataSettings
from jnet.system.progress import Progress
from jnet.system.workers import run_in_workers

# Maximum additivity: energy of mixture − sum of stems, relative to the mixture. MUSDB18's stems are
# compressed separately, so they never add up exactly: complete tracks have −35 to −26 dB, excerpts
# up to −15 dB. A wrong stem, or a stem delayed by 20 samples, gives about 0 dB.
ADDITIVITY_BOUND = -10.0  # dB
# Tracks with a bound of their own (dB). The left channel of this MUSDB18 track differs from the sum
# of its stems (MUSDB18 errata): −7.6 dB.
TRACK_BOUNDS = {"PR - Oh No": -6.0}
ALL_PARTS = {"bass", "drums", "other", "vocals"}  # stems that add up to a mixture


def measure_additivity(track: Track, audio: TrackAudio, sources: tuple[str, ...]) -> float | None:
    """Return the additivity of a track in dB, or None if it cannot be measured.

    Parameters
    ----------
    track : Track
        The track whose stems decide whether additivity can be measured.
    audio : TrackAudio
        Its decoded mixture and sources.
    sources : tuple of str
        Names of the sources in `audio`, in order.

    Returns
    -------
    float or None
        The result of `additivity_db`. None if the track has no mixture of its own or if `sources`
        do not cover all parts of the mixture.
    """
    parts = {part for source in sources for part in COMPONENTS.get(source, (source,))}
    if MIXTURE not in track.stems or not parts >= ALL_PARTS:
        return None
    return additivity_db(audio.mix, audio.sources)


def additivity_db(mix: np.ndarray, sources: np.ndarray) -> float:
    """Return the energy of mix − sum of sources, in dB relative to the energy of the mix.

    `mix` is `[T, C]`, `sources` are `[T, S, C]`. Returns −inf if mix and sum are equal, and inf if
    they differ and the mix is silent.
    """
    difference = float(np.square(mix - sources.sum(axis=1), dtype=np.float64).sum())
    energy = float(np.square(mix, dtype=np.float64).sum())
    if difference == 0:
        return -np.inf
    return float(10 * np.log10(difference / energy)) if energy else np.inf


def describe_wrong_sum(name: str, additivity: float | None) -> str:
    """Return an error message if `additivity` (dB) exceeds the track's bound, otherwise ''."""
    if additivity is None or additivity <= TRACK_BOUNDS.get(name, ADDITIVITY_BOUND):
        return ""
    return (
        f"its mixture differs from the sum of its stems by {additivity:.1f} dB: replace the wrong "
        f"stem or remove the mixture"
    )


@dataclass(frozen=True)
class Finding:
    """The result of checking one track.

    `seconds` is the track's length and `sample_rate` its rate in Hz; both are 0 if the track cannot
    be decoded. `additivity` is in dB, or None if it cannot be measured. `problem` is an error
    message and `note` a remark that is not an error; each is '' if there is none.
    """

    name: str
    subset: str
    seconds: float
    sample_rate: int
    additivity: float | None
    problem: str
    note: str = ""


def check_tracks(settings: DataSettings, shortest: float, progress: Progress) -> list[Finding]:
    """Decode and check every track of the data set, of which a subset may be missing.

    Parameters
    ----------
    settings : DataSettings
        The data set and the number of worker processes.
    shortest : float
        Length of an excerpt in seconds, the minimum length of a training track.
    progress : Progress
        Called after every track.

    Returns
    -------
    list of Finding
        One result per track, in the order of `locate_tracks`.
    """
    tracks = locate_tracks(settings, progress, complete=False)
    jobs = [(track, settings, shortest) for track in tracks]
    workers = min(settings.num_workers, len(tracks))
    findings = []
    for finding in run_in_workers(check_track, jobs, workers, ordered=True):
        findings.append(finding)
        progress(finding.name, len(findings), len(tracks))
    return findings


def check_track(track: Track, settings: DataSettings, shortest: float) -> Finding:
    """Decode one track completely and return its `Finding`.

    A training track shorter than `shortest` seconds is an error.
    """
    try:
        audio = track.read(settings.sources)
        convert_channels(audio.mix[:1], settings.num_channels)
    except (DataError, OSError) as error:
        return Finding(track.name, track.subset, 0.0, 0, None, str(error))
    seconds = len(audio.mix) / audio.sample_rate
    additivity = measure_additivity(track, audio, settings.sources)
    problem = describe_wrong_sum(track.name, additivity)
    if track.subset == "train" and seconds < shortest:
        problem = f"lasts {seconds:.2f} s, less than the {shortest:.2f} s of an excerpt: remove it"
    notes = [
        f"{source} is silent throughout"
        for index, source in enumerate(settings.sources)
        if not audio.sources[:, index].any()
    ]
    if track.name in TRACK_BOUNDS:
        notes.append("its mixture is known not to be the sum of its stems")
    note = " and ".join(notes)
    return Finding(track.name, track.subset, seconds, audio.sample_rate, additivity, problem, note)


def find_missing_subsets(findings: list[Finding]) -> list[str]:
    """Return the subsets without tracks, right or wrong."""
    return [subset for subset in SUBSETS if not any(item.subset == subset for item in findings)]


def report_findings(findings: list[Finding], settings: DataSettings) -> str:
    """Return one line per track with an error or a note, then one summary line per subset."""
    lines = [
        f"wrong: {item.subset}/{item.name}: {item.problem}" for item in findings if item.problem
    ]
    lines += [f"note: {item.subset}/{item.name}: {item.note}" for item in findings if item.note]
    lines += [
        f"note: there are no {SUBSET_NAMES[subset]} tracks, which training needs"
        for subset in find_missing_subsets(findings)
    ]
    for subset in SUBSETS:
        good = [item for item in findings if item.subset == subset and not item.problem]
        if not good:
            continue
        minutes = sum(item.seconds for item in good) / 60
        rates = ", ".join(f"{rate} Hz" for rate in sorted({item.sample_rate for item in good}))
        sums = summarise_additivity(good)
        lines.append(
            f"{subset}: {count_things(len(good), 'track')}, {minutes:.1f} minutes, {rates}{sums}"
        )
    if settings.dataset == "musdb18":
        lines.append(note_incomplete_musdb(find_musdb_tracks(data_folder(settings))))
    return "\n".join(line for line in lines if line)


def summarise_additivity(findings: list[Finding]) -> str:
    """Return the largest additivity of the tracks as text, or '' if it was measured for none."""
    values = [item.additivity for item in findings if item.additivity is not None]
    if not values:
        return ""
    if max(values) == -np.inf:
        return ", mixtures are equal to the sums of their stems"
    return f", mixtures differ from the sums of their stems by at most {max(values):.1f} dB"


def find_store_damage(folder: Path, settings: DataSettings, progress: Progress) -> list[str]:
    """Return one line for every missing, changed or foreign file of a store.

    Parameters
    ----------
    folder : Path
        The folder of the store.
    settings : DataSettings
        The settings that the store was prepared for.
    progress : Progress
        Called after every track.

    Returns
    -------
    list of str
        Descriptions of the damage. Each begins with the path of a file, relative to `folder`.

    Raises
    ------
    DataError
        If the manifest is damaged, because the other files cannot be checked without it.
    """
    store = read_manifest(folder)
    damage = find_manifest_damage(store, settings)
    for done, track in enumerate(store.tracks, 1):
        damage += find_track_damage(store, track) or find_changed_samples(store, track)
        progress(track.name, done, len(store.tracks))
    return damage + find_foreign_files(store)


def find_manifest_damage(store: Store, settings: DataSettings) -> list[str]:
    """Return one line for every wrong entry of the manifest.

    The format entries are compared with `describe_format`, and the tracks and their order with the
    data set.
    """
    manifest = json.loads((store.folder / MANIFEST).read_text(encoding="utf-8"))
    damage = [
        f"{MANIFEST}: {key} is {manifest.get(key)!r} instead of {value!r}"
        for key, value in describe_format(settings).items()
        if manifest.get(key) != value
    ]
    wanted = [(track.subset, track.name) for track in find_tracks(settings, lambda *_: None)]
    if [(track.subset, track.name) for track in store.tracks] != wanted:
        damage.append(f"{MANIFEST}: its tracks or their order differ from the data set")
    return damage


def find_changed_samples(store: Store, track: StoredTrack) -> list[str]:
    """Return one line if the SHA-256 of a track's samples has changed, otherwise an empty list."""
    if hash_samples(store.open(track)) == track.sha256:
        return []
    path = audio_path(store.folder, track).relative_to(store.folder)
    return [f"{path}: its samples have changed since the preparation"]


def find_foreign_files(store: Store) -> list[str]:
    """Return one line for every file in the store's folder that is not part of the store."""
    expected = {store.folder / MANIFEST} | {
        path(store.folder, track)
        for track in store.tracks
        for path in (audio_path, description_path)
    }
    return [
        f"{path.relative_to(store.folder)}: does not belong to the store"
        for path in sorted(store.folder.rglob("*"))
        if path not in expected and not path.is_dir()
    ]
