"""All songs of a run, found and divided into train, valid and test."""

import math
import sys
from collections.abc import Callable
from pathlib import Path

from Input import Demo
from Input.CCMixter import find_ccmixter_songs
from Input.Folder import find_folder_songs
from Input.Musdb import find_musdb_songs
from Input.Names import refuse_names
from Input.Songs import Song, visible
from Input.Splits import hold_out
from Spec.Data import DataSpec, where_to_say
from Spec.Errors import DataError
from Spec.Lock import locked

FINDERS: dict[str, Callable[[Path], list[Song]]] = {
    "musdb18": find_musdb_songs,
    "folder": find_folder_songs,
    "demo": find_folder_songs,
}

LAYOUTS = {
    "musdb18": "<partition>/<song>.stem.mp4 or <partition>/<song>/<source>.wav",
    "folder": "<partition>/<song>/<source>.wav",
    "demo": "<partition>/<song>/<source>.wav",
}
PURPOSE = {"train": "train on", "valid": "validate with", "test": "test with"}

Progress = Callable[[str, int, int], None]  # called with what was done, how many, of how many


def find_songs(spec: DataSpec, progress: Progress) -> list[Song]:
    """Every song of the run, in a fixed order, each with all its stems.

    The demo corpus is generated first where it is missing, `progress` told of every song.

    Raises `DataError` for a folder that is missing or empty, a set without songs, a stem that is
    missing, or a name that is none or that two songs share.
    """
    songs = locate_songs(spec, progress)
    for song in songs:
        for source in spec.sources:
            song.stems_of(source)
    return songs


def locate_songs(spec: DataSpec, progress: Progress) -> list[Song]:
    """As `find_songs`, but whether a song has all its stems is left to its reader."""
    if spec.dataset == "demo" and spec.path is not None:
        generate_demo(Path(spec.path), progress)
    root = data_folder(spec)
    songs = FINDERS[spec.dataset](root)
    if not songs:
        raise DataError(
            f"{root}: holds no songs as {LAYOUTS[spec.dataset]}{elsewhere(root, spec.dataset)}"
        )
    for subset in ("train", "test"):
        check_present(root, songs, subset)
    more = []
    if spec.ccmixter_path is not None:
        more = find_ccmixter_songs(existing(Path(spec.ccmixter_path)))
    refuse_names([*songs, *more])
    return [*hold_out(songs, spec.num_validation_songs), *more]


def data_folder(spec: DataSpec) -> Path:
    """The data set's folder; `DataError` when it is not given or not there."""
    if spec.path is None:
        raise DataError(
            f"the folder of {spec.dataset} is not known: {where_to_say(spec.dataset)}, "
            f"or try the generated songs with cfg.demo"
        )
    return existing(Path(spec.path))


def existing(folder: Path) -> Path:
    """`folder`, when it is one."""
    if not folder.exists():
        raise DataError(f"{folder}: there is no such folder: correct the path")
    if not folder.is_dir():
        raise DataError(f"{folder}: is a file where the folder of songs should be")
    return folder


def elsewhere(root: Path, dataset: str) -> str:
    """A hint where the songs are, when the path is a partition or one folder too high."""
    for folder in (root.absolute().parent, *visible(root)):
        try:
            if FINDERS[dataset](folder):
                return f": did you mean {folder}?"
        except (DataError, OSError):
            continue
    return ": correct the path"


def check_present(root: Path, songs: list[Song], subset: str) -> None:
    """Refuse a data set in which one of the sets is empty."""
    if not any(song.subset == subset for song in songs):
        raise DataError(
            f"{root}: has no songs to {PURPOSE[subset]}: put some below {root / subset}"
        )


def generate_demo(root: Path, progress: Progress) -> None:
    """Generate what is missing of the demo corpus, one process at a time."""
    if not missing_of_demo(root):
        return
    lock = root.with_name(f".{root.name}.lock")
    with locked(lock, "is taken", math.inf, lambda: tell_generating(root)):
        missing = missing_of_demo(root)
        done = 0

        def advance(name: str) -> None:
            nonlocal done
            done += 1
            progress(name, done, len(missing))

        Demo.generate(root, songs=missing, progress=advance)


def missing_of_demo(root: Path) -> list[Demo.Song]:
    """The songs of the demo corpus that are not there."""
    return [song for song in Demo.SONGS if not (root / song.partition / song.name).is_dir()]


def tell_generating(root: Path) -> None:
    """Say why nothing happens."""
    print(f"another process is generating {root}: waiting for it", file=sys.stderr, flush=True)
