"""A track with its name, subset and stems, and its decoded audio."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jnet.audio.reading import read_audio, read_streams
from jnet.errors import DataError
from jnet.system.files import refuse_unfit_name

MIXTURE = "mixture"
# Stems that are added up for a source without a file of its own (MUSDB18 has no accompaniment).
COMPONENTS = {"accompaniment": ("bass", "drums", "other")}


def list_visible(folder: Path, pattern: str = "*") -> list[Path]:
    """Return the sorted paths in `folder` that match `pattern` and do not begin with a dot.

    Names that begin with a dot are those of the operating system (`.DS_Store`, `._vocals.wav`) and
    of incomplete `.partial` folders.
    """
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))


@dataclass(frozen=True)
class Stem:
    """The location of one stem's audio: a file, or one audio stream of a `.stem.mp4`."""

    path: Path
    stream: int | None = None


@dataclass(frozen=True)
class TrackAudio:
    """The audio of a track at the rate of its files: mix `[T, C]`, sources `[T, S, C]`, float32."""

    sample_rate: int
    mix: np.ndarray
    sources: np.ndarray


@dataclass(frozen=True)
class Track:
    """One track: its name, its subset ('train', 'valid' or 'test') and its stems by name."""

    name: str
    subset: str
    stems: Mapping[str, Stem]

    @property
    def folder(self) -> Path:
        """The track's folder, or its `.stem.mp4`, for error messages."""
        stem = next(iter(self.stems.values()))
        return stem.path if stem.stream is not None else stem.path.parent

    def stems_of(self, source: str) -> tuple[str, ...]:
        """Return the stems that add up to `source`; raise `DataError` if one of them is missing."""
        if source in self.stems:
            return (source,)
        needed = COMPONENTS.get(source, (source,))
        missing = [stem for stem in needed if stem not in self.stems]
        if missing:
            missing = [source] if len(missing) == len(needed) else missing
            raise DataError(
                f"{self.folder}: has no stem {' and no stem '.join(missing)}: add missing stems or "
                f"remove the track"
            )
        return needed

    def read(self, sources: tuple[str, ...]) -> TrackAudio:
        """Decode `sources` and the mixture; without a mixture file, return their sum as the mix.

        Raises `DataError` if a stem is missing or damaged, or differs from the others in length,
        rate or number of channels.
        """
        names = {stem for source in sources for stem in self.stems_of(source)}
        if MIXTURE in self.stems:
            names.add(MIXTURE)
        stems, rate = self._decode(sorted(names))
        summed = np.stack(
            [sum(stems[stem] for stem in self.stems_of(source)) for source in sources], axis=1
        )  # [T, S, C]
        mix = stems[MIXTURE] if MIXTURE in stems else summed.sum(axis=1)
        return TrackAudio(rate, mix, summed)

    def _decode(self, names: list[str]) -> tuple[dict[str, np.ndarray], int]:
        """Return the stems `names` [T, C] and their common rate; decode every file once."""
        by_path: dict[Path, list[str]] = defaultdict(list)
        for name in names:
            by_path[self.stems[name].path].append(name)
        stems: dict[str, np.ndarray] = {}
        rates: dict[str, int] = {}
        for path, named in by_path.items():
            streams = [self.stems[name].stream for name in named]
            if indices := tuple(stream for stream in streams if stream is not None):
                decoded, rate = read_streams(path, indices, container_format="mp4")
                stems |= zip(named, map(round_to_16_bits, decoded), strict=True)
            else:
                stems[named[0]], rate = read_audio(path)
            rates |= dict.fromkeys(named, rate)
        self._check_equal_formats(stems, rates)
        return stems, rates[names[0]]

    def _check_equal_formats(self, stems: dict[str, np.ndarray], rates: dict[str, int]) -> None:
        """Raise `DataError` if the stems differ in length, number of channels or rate."""
        for unit, values in (
            ("samples", {name: samples.shape[0] for name, samples in stems.items()}),
            ("channels", {name: samples.shape[1] for name, samples in stems.items()}),
            ("Hz", rates),
        ):
            if len(set(values.values())) > 1:
                listing = ", ".join(f"{name} {value}" for name, value in sorted(values.items()))
                raise DataError(
                    f"{self.folder}: its stems differ in {unit}: {listing}: export them with equal "
                    f"length, channels and rate"
                )


def round_to_16_bits(samples: np.ndarray) -> np.ndarray:
    """Round decoded stems to multiples of 2^−15, the 16-bit samples they were encoded from.

    Nothing is clipped. All published scores of MUSDB18's `.stem.mp4` files were computed with
    16-bit stems. If the stems of a track are almost linearly dependent, its ISR, SIR and SAR depend
    on the last bit.
    """
    return np.rint(samples * np.float32(32768)) / np.float32(32768)


def refuse_names(tracks: Iterable[Track]) -> None:
    """Raise `DataError` for invalid file names and for names that two tracks share.

    Two tracks share a name if `fold_name` is equal for both: their files or scores could overwrite
    each other.
    """
    by_name: dict[str, Track] = {}
    for track in tracks:
        refuse_unfit_name(f"the {track.subset} track", track.name)
        other = by_name.setdefault(fold_name(track.name), track)
        if other is track:
            continue
        both = f"{str(other.folder)!r} and {str(track.folder)!r}"
        if other.subset != track.subset:
            raise DataError(
                f"{both} are the same track in the {other.subset} set and the {track.subset} set: "
                f"remove or rename one of them"
            )
        raise DataError(
            f"{both} have the same name, or names that are equal on some file systems: rename one "
            f"of them"
        )


def fold_name(name: str) -> str:
    """Return `name` without the differences that some file systems ignore.

    These are case, the Unicode form of accents, invisible characters, and spaces and dots at the
    end.
    """
    visible = "".join(character for character in name if unicodedata.category(character) != "Cf")
    caseless = unicodedata.normalize("NFD", visible).casefold()
    return unicodedata.normalize("NFD", caseless).rstrip(" .")
