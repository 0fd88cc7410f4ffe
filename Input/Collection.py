"""All songs of a run, found and divided into train, valid and test."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from Input import Demo
from Input.CCMixter import find_ccmixter_songs
from Input.Folder import find_folder_songs
from Input.Musdb import find_musdb_songs
from Input.Songs import Song
from Input.Splits import hold_out
from Spec.Data import DataSpec, where_to_say
from Spec.Errors import DataError

FINDERS: dict[str, Callable[[Path], list[Song]]] = {
    "musdb18": find_musdb_songs,
    "folder": find_folder_songs,
    "demo": find_folder_songs,
}


Progress = Callable[[str, int, int], None]  # called with what was done, how many, of how many


def find_songs(spec: DataSpec, progress: Progress) -> list[Song]:
    """Every song of the run, in a fixed order, each with all its stems.

    The demo corpus is generated first where it is missing, `progress` told of every song.

    Raises `DataError` for a folder that is missing or empty, a set without songs, a stem that is
    missing, or two songs of one name in a set.
    """
    if spec.dataset == "demo":
        generate_demo(Path(spec.path or ""), progress)
    songs = hold_out(FINDERS[spec.dataset](data_folder(spec)), spec.num_validation_songs)
    if spec.ccmixter_path is not None:
        songs += find_ccmixter_songs(existing(Path(spec.ccmixter_path)))
    for subset in spec.subsets:
        if not any(song.subset == subset for song in songs):
            raise DataError(f"{spec.path}: has no songs to {PURPOSE[subset]}, no {subset}/<song>")
    for song in songs:
        for source in spec.sources:
            song.stems_of(source)
    check_names(songs)
    return songs


PURPOSE = {"train": "train on", "valid": "validate with", "test": "test with"}


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
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder")
    return folder


def check_names(songs: list[Song]) -> None:
    """Refuse two songs of one name in a set: their files and scores would overwrite each other."""
    names = Counter((song.subset, song.name) for song in songs)
    for (subset, name), count in names.items():
        if count > 1:
            raise DataError(f"{count} songs of the {subset} set are named {name!r}: rename one")


def generate_demo(root: Path, progress: Progress) -> None:
    """Generate what is missing of the demo corpus."""
    missing = [song for song in Demo.SONGS if not (root / song.partition / song.name).is_dir()]
    done = 0

    def advance(name: str) -> None:
        nonlocal done
        done += 1
        progress(name, done, len(missing))

    Demo.generate(root, songs=missing, progress=advance)
