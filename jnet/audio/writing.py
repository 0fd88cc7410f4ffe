"""Writing of estimates in blocks to wav files with 32-bit floats, which cannot clip.

Either all files of a track are written completely, or none.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import av
import numpy as np

from jnet.errors import ConfigError, DataError
from jnet.system.files import sync, writing
from jnet.system.locks import temporary_folder

Write = Callable[[np.ndarray], None]  # appends the next samples of all sources, [T, S, C]
# RF64 (EBU Tech 3306) for lengths that need more than 32 bits; bitexact omits the encoder's name.
WAV_OPTIONS = {"rf64": "auto", "fflags": "+bitexact"}


@contextmanager
def open_estimates(
    folder: Path, sources: Sequence[str], sample_rate: int, channels: int, overwrite: bool
) -> Iterator[Write]:
    """Yield a function that appends samples [T, S, C] to the wav files of all sources.

    The files are written to a hidden folder and moved to `folder` at the end of the block. After an
    error, no file remains. A file too long for the wav format is written as RF64 with the same
    name.

    Parameters
    ----------
    folder : Path
        The folder of the files `<source>.wav`.
    sources : sequence of str
        Names of the sources, S.
    sample_rate : int
        Sample rate in Hz.
    channels : int
        Number of channels, C.
    overwrite : bool
        Whether existing files in `folder` may be replaced.

    Yields
    ------
    callable
        Appends the next samples [T, S, C].

    Raises
    ------
    RecordError
        If a file cannot be written, for example because the disk is full.
    DataError
        If samples are not finite.
    ConfigError
        If files appeared in `folder` during the block and `overwrite` is False.
    """
    wavs: list[WavWriter] = []

    def write(estimates: np.ndarray) -> None:
        refuse_not_finite(estimates, sources, sample_rate, wavs[0].samples)
        with writing(folder):
            for index, wav in enumerate(wavs):
                wav.append(estimates[:, index])

    with ExitStack() as stack:
        with writing(folder):
            hidden = stack.enter_context(temporary_folder(folder.parent))
            for source in sources:
                wavs.append(WavWriter(hidden / f"{source}.wav", sample_rate, channels))
                stack.callback(wavs[-1].close_after_error)
        yield write
        with writing(folder):
            for wav in wavs:
                wav.container.close()
                sync(wav.path)
            move_files(hidden, folder, overwrite)


class WavWriter:
    """A wav file of 32-bit floats, written in sequence; closing `container` completes it."""

    def __init__(self, path: Path, sample_rate: int, channels: int):
        self.path, self.samples = path, 0
        # With an explicit protocol, no part of the file's name is interpreted as a protocol.
        self.container = av.open(f"file:{path}", "w", format="wav", options=WAV_OPTIONS)
        self.stream = self.container.add_stream(
            "pcm_f32le", rate=sample_rate, layout=f"{channels}C"
        )
        self.container.start_encoding()

    def append(self, samples: np.ndarray) -> None:
        """Write the next samples [T, C]."""
        packet = av.Packet(np.ascontiguousarray(samples, "<f4").tobytes())
        packet.stream = self.stream
        packet.pts = packet.dts = self.samples
        self.container.mux(packet)
        self.samples += len(samples)

    def close_after_error(self) -> None:
        """Close the file; a full disk has been reported."""
        with suppress(OSError):
            self.container.close()


def move_files(hidden: Path, folder: Path, overwrite: bool) -> None:
    """Move the finished files to `folder`.

    If `folder` does not exist or is empty, all files appear at the same time.

    Parameters
    ----------
    hidden : Path
        The hidden folder with the finished files.
    folder : Path
        The destination.
    overwrite : bool
        Whether existing files may be replaced.

    Raises
    ------
    ConfigError
        If `folder` has files and `overwrite` is False.
    """
    try:
        hidden.rename(folder)  # succeeds if `folder` does not exist or is empty
    except OSError as error:
        if not folder.is_dir():
            raise
        if not overwrite:
            raise make_existing_error(folder) from error
        for path in hidden.iterdir():
            path.replace(folder / path.name)
        sync(folder)
    sync(folder.parent)


def refuse_existing(folder: Path, track: Path, overwrite: bool) -> None:
    """Raise `ConfigError` if the estimates of a track would replace existing files.

    Parameters
    ----------
    folder : Path
        The folder of the estimates.
    track : Path
        The audio file to separate, which may never be in `folder`.
    overwrite : bool
        Whether other files in `folder` may be replaced.

    Raises
    ------
    ConfigError
        If `track` is in `folder`, or if `folder` has files and `overwrite` is False.
    """
    if track.resolve().parent == folder.resolve():
        raise ConfigError(f"{track}: is in the folder of its estimates: give another output_path")
    if not overwrite and folder.is_dir() and any(folder.iterdir()):
        raise make_existing_error(folder)


def make_existing_error(folder: Path) -> ConfigError:
    """Return the error for a folder with estimates that may not be replaced."""
    return ConfigError(
        f"{folder}: already contains estimates: give another output_path, or overwrite=True"
    )


def refuse_not_finite(
    estimates: np.ndarray, sources: Sequence[str], sample_rate: int, first: int = 0
) -> None:
    """Raise `DataError` if estimates have values that are not finite.

    Parameters
    ----------
    estimates : np.ndarray
        Estimates [T, S, C].
    sources : sequence of str
        Names of the sources, S.
    sample_rate : int
        Sample rate in Hz.
    first : int, optional
        Position of the first sample in the track.

    Raises
    ------
    DataError
        With the names of the affected sources and the position of the first affected sample.
    """
    if np.isfinite(estimates).all():
        return
    finite = np.isfinite(estimates).all(axis=2)  # [T, S]
    names = [source for source, good in zip(sources, finite.all(axis=0), strict=True) if not good]
    sample = first + int(np.argmin(finite.all(axis=1)))
    raise DataError(
        f"the estimates of {', '.join(names)} have values that are not finite, from sample "
        f"{sample} ({sample / sample_rate:.2f} s) on: use other weights"
    )
