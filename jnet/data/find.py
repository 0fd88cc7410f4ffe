"""Find the tracks of a run and divide them into train, valid and test."""

import hashlib
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from pathlib import Path

from jnet.data.demo import find_missing, generate_missing
from jnet.data.layouts import (
    OWN_SUFFIXES,
    find_ccmixter_tracks,
    find_folder_tracks,
    find_musdb_tracks,
)
from jnet.data.tracks import Track, list_visible, refuse_names
from jnet.errors import DataError
from jnet.names import count_things
from jnet.settings.data import SUBSETS, DataSettings, suggest_path_entry
from jnet.system.files import check_writable
from jnet.system.progress import Progress

FINDERS: dict[str, Callable[[Path], list[Track]]] = {
    "musdb18": find_musdb_tracks,
    "folder": partial(find_folder_tracks, suffixes=OWN_SUFFIXES),
    "demo": find_folder_tracks,
}
TRACK_FORMS = {
    "musdb18": "<partition>/<track>.stem.mp4 or <partition>/<track>/<source>.wav",
    "folder": f"<partition>/<track>/<source>{' or '.join(OWN_SUFFIXES)}",
    "demo": "<partition>/<track>/<source>.wav",
}
SUBSET_NAMES = {"train": "training", "valid": "validation", "test": "test"}


def find_tracks(
    settings: DataSettings, progress: Progress, subsets: Collection[str] = SUBSETS
) -> list[Track]:
    """Find all tracks of `subsets` and check that each has every stem it needs.

    Missing tracks of the demo corpus are generated first.

    Parameters
    ----------
    settings : DataSettings
        The data set, its folder and the sources that every track must have.
    progress : Progress
        Called after every generated demo track.
    subsets : collection of str, optional
        The subsets to find, by default all.

    Returns
    -------
    list of Track
        The tracks, in an order that is the same on every machine.

    Raises
    ------
    DataError
        If the folder is missing or empty, a subset has no tracks, a stem is missing, or a name is
        invalid as a file name or shared by two tracks.
    """
    tracks = locate_tracks(settings, progress, subsets)
    for track in tracks:
        for source in settings.sources:
            track.stems_of(source)
    return tracks


def check_data(settings: DataSettings, subsets: Collection[str] = SUBSETS) -> None:
    """Raise `DataError` if tracks of `subsets` are missing, without generating demo tracks."""
    path = Path(str(settings.path))
    if settings.dataset != "demo":
        find_tracks(settings, lambda *_: None, subsets)
    elif find_missing(path):
        check_writable(path, "give another cfg.demo_path")


def locate_tracks(
    settings: DataSettings,
    progress: Progress,
    subsets: Collection[str] = SUBSETS,
    complete: bool = True,
) -> list[Track]:
    """Find all tracks of `subsets` without checking that their stems exist.

    Parameters, order and errors are otherwise those of `find_tracks`. With `complete=False`, a
    subset may have no tracks; too few training tracks are not split.
    """
    if settings.dataset == "demo" and settings.path is not None:
        generate_missing(Path(settings.path), progress)
    root = data_folder(settings)
    tracks = FINDERS[settings.dataset](root)
    if not tracks:
        raise DataError(
            f"{root}: has no tracks of the form {TRACK_FORMS[settings.dataset]}"
            f"{suggest_folder(root, settings.dataset)}"
        )
    trains = "train" in subsets or "valid" in subsets  # 'valid' is split from 'train'
    for subset, needed in (("train", trains), ("test", "test" in subsets)):
        if needed and complete and not any(track.subset == subset for track in tracks):
            raise DataError(
                f"{root}: has no {SUBSET_NAMES[subset]} tracks: add them to {root / subset}"
            )
    more = []
    if "train" in subsets and settings.ccmixter_path is not None:
        more = find_ccmixter_tracks(check_folder(Path(settings.ccmixter_path)))
    refuse_names([*tracks, *more])
    count = settings.num_validation_tracks
    if trains and (complete or sum(track.subset == "train" for track in tracks) > count):
        tracks = split_validation(tracks, count)
    return [track for track in [*tracks, *more] if track.subset in subsets]


def data_folder(settings: DataSettings) -> Path:
    """Return the folder of the data set; raise `DataError` if it is not set or does not exist."""
    if settings.path is None:
        raise DataError(
            f"the folder of {settings.dataset} is not set: {suggest_path_entry(settings.dataset)}, "
            f"or use the generated tracks with cfg.demo"
        )
    return check_folder(Path(settings.path))


def check_folder(folder: Path) -> Path:
    """Return `folder`; raise `DataError` if it does not exist or is not a folder."""
    if not folder.exists():
        raise DataError(f"{folder}: does not exist: correct the path")
    if not folder.is_dir():
        raise DataError(f"{folder}: is not a folder: give the folder of the tracks")
    return folder


def suggest_folder(root: Path, dataset: str) -> str:
    """Return the end of an error message that suggests the parent or a subfolder with tracks."""
    for folder in (root.absolute().parent, *list_visible(root)):
        try:
            if FINDERS[dataset](folder):
                return f": did you mean {folder}?"
        except (DataError, OSError):
            continue
    return ": correct the path"


def split_validation(tracks: list[Track], count: int) -> list[Track]:
    """Return `tracks` with `count` training tracks moved to the subset 'valid'.

    The moved tracks are those whose names have the smallest SHA-256, so that the split depends on
    no random generator. If the data set already has a 'valid' subset, `tracks` are returned
    unchanged. Raises `DataError` if no training track would remain.
    """
    if any(track.subset == "valid" for track in tracks):
        return tracks
    training = [track for track in tracks if track.subset == "train"]
    names = sorted((track.name for track in training), key=hash_name)
    if len(names) <= count:
        where = f"{training[0].folder.parent}: " if training else ""
        raise DataError(
            f"{where}of {count_things(len(names), 'training track')}, cfg.num_validation_tracks = "
            f"{count} leaves none for training: lower it or add tracks"
        )
    validation = set(names[:count])
    return [
        replace(track, subset="valid")
        if track.subset == "train" and track.name in validation
        else track
        for track in tracks
    ]


def hash_name(name: str) -> str:
    """Return the SHA-256 of a track's name as a hexadecimal string."""
    return hashlib.sha256(name.encode()).hexdigest()
