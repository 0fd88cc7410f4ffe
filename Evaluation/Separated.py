"""Files of one's own, separated one after another; each estimate where no other's goes."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from Evaluation.Estimates import refuse_held, written_estimates
from Evaluation.Separate import Separator
from Input.Blocks import open_audio
from Input.Names import folded
from Input.Songs import visible
from Spec.Errors import ConfigError
from Spec.Files import refuse_unfit_name


def places(inputs: Sequence[Path], output: Path, overwrite: bool) -> dict[Path, Path]:
    """Every file to separate and the folder below `output` for its estimates, named after it; of a
    folder among `inputs`, the files in it.

    Raises `DataError` for a file that is missing or no audio, or whose name cannot name a folder,
    and `ConfigError` where estimates would overwrite a file, or those of another.
    """
    files: list[Path] = []
    for path in inputs:
        held = [file for file in visible(path) if file.is_file()] if path.is_dir() else [path]
        if not held:
            raise ConfigError(f"{path}: holds no file to separate")
        files += held
    taken: dict[str, Path] = {}
    for file in files:
        refuse_unfit_name("the input", file.stem)
        other = taken.setdefault(folded(file.stem), file)
        if other is not file:
            raise ConfigError(
                f"{other} and {file}: their estimates would go into one folder: rename one, or "
                f"separate them into different output_paths"
            )
        refuse_held(output / file.stem, file, overwrite)
        with open_audio(file):
            pass  # it is audio, as far as its beginning tells
    return {file: output / file.stem for file in files}


def separate_file(
    separator: Separator,
    file: Path,
    folder: Path,
    overwrite: bool,
    check_interrupted: Callable[[], None],
) -> list[Path]:
    """Write `<folder>/<source>.wav` of the length, rate and channels of `file`; their paths.

    Read, separated and written in blocks, between which `check_interrupted` is called: the file's
    length takes no memory. Nothing is left of a file that turns out to be damaged.
    """
    sources = separator.spec.sources
    with open_audio(file) as audio:
        stream = separator.stream(audio.channels, audio.sample_rate)
        with written_estimates(
            folder, sources, audio.sample_rate, audio.channels, overwrite
        ) as write:
            for block in audio.blocks:
                check_interrupted()
                write(stream(block, False))
            write(stream(np.zeros((0, audio.channels), np.float32), True))
    return [folder / f"{source}.wav" for source in sources]
