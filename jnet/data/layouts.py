"""The folder layouts of MUSDB18, MUSDB18-HQ, CCMixter and a plain folder of tracks."""

import difflib
from pathlib import Path

from jnet.audio.reading import AUDIO_SUFFIXES
from jnet.data.tracks import COMPONENTS, MIXTURE, Stem, Track, list_visible
from jnet.errors import DataError
from jnet.settings.data import SUBSETS

MUSDB_SUFFIX = ".stem.mp4"
MUSDB_SIZES = {"train": 100, "test": 50}  # number of tracks in the complete data set
MUSDB_STREAMS = (MIXTURE, "drums", "bass", "other", "vocals")  # order in every .stem.mp4
STEM_NAMES = {*MUSDB_STREAMS, *COMPONENTS}
OWN_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".m4a")  # of stems in cfg.folder_path
CCMIXTER_FILES = {
    MIXTURE: "mix.wav",
    "accompaniment": "source-01.wav",
    "vocals": "source-02.wav",
}
# Minimum similarity (`difflib`) at which the name of a folder counts as a misspelled subset:
# 'validation' is above it and 'extra' is below it.
SIMILARITY = 0.65


def find_musdb_tracks(root: Path) -> list[Track]:
    """Find the training and test tracks of MUSDB18 or MUSDB18-HQ below `root`.

    A track that exists both as `.stem.mp4` and as a folder of wav files is read from the folder.
    """
    tracks = []
    for subset in MUSDB_SIZES:
        folders = find_folder_tracks(root, (subset,))
        names = {track.name for track in folders}
        files = [
            make_stem_track(path, subset)
            for path in list_visible(root / subset, f"*{MUSDB_SUFFIX}")
        ]
        tracks += sorted(
            [*folders, *(track for track in files if track.name not in names)],
            key=lambda track: track.name,
        )
    return tracks


def make_stem_track(path: Path, subset: str) -> Track:
    """Return the track whose mixture and stems are the audio streams of one `.stem.mp4`."""
    stems = {name: Stem(path, stream) for stream, name in enumerate(MUSDB_STREAMS)}
    return Track(path.name.removesuffix(MUSDB_SUFFIX), subset, stems)


def note_incomplete_musdb(tracks: list[Track]) -> str:
    """Return a note if the number of MUSDB18 tracks differs from the complete data set's, or ''."""
    sizes = {subset: sum(track.subset == subset for track in tracks) for subset in MUSDB_SIZES}
    if sizes == MUSDB_SIZES:
        return ""
    return (
        f"note: MUSDB18 has {MUSDB_SIZES['train']} training tracks (validation included) and "
        f"{MUSDB_SIZES['test']} test tracks; this folder has {sizes['train']} and {sizes['test']}"
    )


def find_folder_tracks(
    root: Path, subsets: tuple[str, ...] = SUBSETS, suffixes: tuple[str, ...] = (".wav",)
) -> list[Track]:
    """Find the tracks `<subset>/<track>/<source><suffix>` below `root`, ignoring empty folders.

    Raises `DataError` for a track folder that has files but no stem, for a stem outside a track
    folder, and for a folder of tracks whose name looks like a misspelled subset.
    """
    tracks = []
    for subset in subsets:
        for folder in list_visible(root / subset):
            if folder.is_dir() and list_visible(folder):
                tracks.append(Track(folder.name, subset, find_stems(folder, suffixes)))
    refuse_mistyped_subsets(root, suffixes)
    for subset in subsets:
        for path in list_visible(root / subset):
            if path.suffix.lower() in suffixes:
                raise DataError(
                    f"{path}: is not in the folder of a track: move it to "
                    f"<track>/<source>{path.suffix}"
                )
    return tracks


def find_stems(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Stem]:
    """Return the stems in the folder of a track by source.

    Raises `DataError` if there are none, if a source has two files, or if a source has only a file
    in another audio format.
    """
    stems: dict[str, Stem] = {}
    others = []
    for path in list_visible(folder):
        if path.suffix.lower() not in suffixes:
            others.append(path)
        elif path.stem in stems:
            raise DataError(
                f"{stems[path.stem].path} and {path}: are two files of one source: remove one of "
                f"them"
            )
        else:
            stems[path.stem] = Stem(path)
    for path in others:
        if path.suffix.lower() in AUDIO_SUFFIXES and path.stem in STEM_NAMES - stems.keys():
            raise DataError(f"{path}: is not {' or '.join(suffixes)}: convert it")
    if not stems:
        raise DataError(
            f"{folder}: has no <source>{' or '.join(suffixes)} files: add them or remove the folder"
        )
    return stems


def refuse_mistyped_subsets(root: Path, suffixes: tuple[str, ...]) -> None:
    """Raise `DataError` for a folder of tracks whose name is similar to a subset's."""
    for folder in list_visible(root):
        similar = difflib.get_close_matches(folder.name.lower(), SUBSETS, 1, SIMILARITY)
        if not similar or folder.name in SUBSETS:
            continue
        if any(path.suffix.lower() in suffixes for path in folder.glob("*/*")):
            raise DataError(
                f"{folder}: looks like a misspelled subset: rename it to {similar[0]!r}"
            )


def find_ccmixter_tracks(root: Path) -> list[Track]:
    """Find the tracks of CCMixter below `root`, 50 in the complete data set.

    All are used for training (J-Net, Section 3.1). A track has a mixture, vocals and accompaniment;
    missing files are reported when the stems are needed. Raises `DataError` if there are no tracks
    or if a folder has files but none of these three.
    """
    tracks, others = [], []
    for folder in list_visible(root):
        stems = {
            name: Stem(folder / file)
            for name, file in CCMIXTER_FILES.items()
            if (folder / file).is_file()
        }
        if stems:
            tracks.append(Track(folder.name, "train", stems))
        elif folder.is_dir() and list_visible(folder):
            others.append(folder)
    if not tracks:
        raise DataError(
            f"{root}: has no CCMixter tracks (<track>/{CCMIXTER_FILES[MIXTURE]}): correct "
            f"cfg.ccmixter_path"
        )
    if others:
        files = ", ".join(CCMIXTER_FILES.values())
        raise DataError(f"{others[0]}: has none of {files}: add them or remove the folder")
    return tracks
