"""Separation of a user's audio files, with a folder of estimates for each file."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from jnet.audio.reading import AUDIO_SUFFIXES, open_audio
from jnet.audio.writing import open_estimates, refuse_existing
from jnet.data.tracks import fold_name, list_visible
from jnet.errors import ConfigError, DataError
from jnet.separation.streaming import TrackSeparator
from jnet.system.files import refuse_unfit_name


def plan_outputs(inputs: Sequence[Path], output: Path, overwrite: bool) -> dict[Path, Path]:
    """Map every file to separate to the folder of its estimates.

    Parameters
    ----------
    inputs : sequence of Path
        Audio files, and folders of which all audio files are separated.
    output : Path
        The folder below which each file gets a folder with its name without suffix.
    overwrite : bool
        Whether existing estimates may be replaced.

    Returns
    -------
    dict of Path to Path
        The folder of the estimates for every file.

    Raises
    ------
    DataError
        If a file is missing or not audio, or its name is invalid as the name of a folder.
    ConfigError
        If an input folder has no audio file, or if estimates would overwrite an existing file or
        the estimates of another input.
    """
    files: list[Path] = []
    for path in inputs:
        listed = list_audio_files(path) if path.is_dir() else [path]
        if not listed:
            raise ConfigError(f"{path}: contains no audio file: give another input_path")
        files += listed
    names: dict[str, Path] = {}
    for file in files:
        refuse_unfit_name("the input", file.stem)
        other = names.setdefault(fold_name(file.stem), file)
        if other is not file:
            raise ConfigError(
                f"{other} and {file}: their estimates would be in the same folder: rename one, "
                f"or separate them with different output_paths"
            )
        refuse_existing(output / file.stem, file, overwrite)
        with open_audio(file):
            pass  # raises for files that are not audio; later damage is found during separation
    return {file: output / file.stem for file in files}


def list_audio_files(folder: Path) -> list[Path]:
    """Return the visible audio files in a folder and print a note on everything else.

    A damaged file with the suffix of an audio file is returned, so that it is reported.
    """
    found = []
    for path in list_visible(folder):
        if path.is_dir():
            reason = "is a folder in an input folder"
        elif path.suffix.lower() in AUDIO_SUFFIXES or is_audio(path):
            found.append(path)
            continue
        else:
            reason = "is not audio"
        print(f"note: {path}: {reason}: not separated", file=sys.stderr)
    return found


def is_audio(path: Path) -> bool:
    """Return whether the beginning of a file can be decoded as audio."""
    try:
        with open_audio(path):
            return True
    except DataError:
        return False


def separate_file(
    separator: TrackSeparator,
    file: Path,
    folder: Path,
    overwrite: bool,
    check_interrupted: Callable[[], None],
) -> list[Path]:
    """Separate an audio file and write its estimates.

    The file is processed in blocks, so that the memory does not depend on its length. If an error
    occurs, no estimates remain.

    Parameters
    ----------
    separator : TrackSeparator
        The model.
    file : Path
        The audio file.
    folder : Path
        The folder of the estimates `<source>.wav`.
    overwrite : bool
        Whether existing files in `folder` may be replaced.
    check_interrupted : callable
        Called before every block; raises an exception to stop.

    Returns
    -------
    list of Path
        The written files, each with the length, rate and channels of `file`.

    Raises
    ------
    DataError
        If the file is damaged, or the estimates are not finite.
    RecordError
        If the estimates cannot be written.
    """
    sources = separator.settings.sources

    def read_blocks() -> Iterator[np.ndarray]:
        with open_audio(file) as audio:
            for block in audio.blocks:
                check_interrupted()
                yield block

    with open_audio(file) as audio:
        stream = separator.stream(audio.channels, audio.sample_rate, read_blocks)
        with open_estimates(folder, sources, audio.sample_rate, audio.channels, overwrite) as write:
            for block in audio.blocks:
                check_interrupted()
                write(stream(block, False))
            write(stream(np.zeros((0, audio.channels), np.float32), True))
    return [folder / f"{source}.wav" for source in sources]
