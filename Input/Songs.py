"""A song: its name, the set it belongs to, and where its stems are."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from Input.Audio import checked, read_audio, read_streams
from Spec.Errors import DataError

MIXTURE = "mixture"
# What a source is made of where a data set has no file of it (MUSDB18).
COMPONENTS = {"accompaniment": ("bass", "drums", "other")}


def visible(folder: Path, pattern: str = "*") -> list[Path]:
    """What is in a folder by `pattern`, in order, less what systems hide there (`.DS_Store`,
    `._vocals.wav`, half-written `.partial` folders)."""
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))


@dataclass(frozen=True)
class Stem:
    """Where one stem's audio is: a file, or one audio stream of a `.stem.mp4`."""

    path: Path
    stream: int | None = None


@dataclass(frozen=True)
class Recording:
    """A song's audio at its own rate: mix `[T, C]`, sources `[T, S, C]`, float32."""

    sample_rate: int
    mix: np.ndarray
    sources: np.ndarray


@dataclass(frozen=True)
class Song:
    """One song: `subset` is 'train', 'valid' or 'test'; `stems` are found by name."""

    name: str
    subset: str
    stems: Mapping[str, Stem]

    @property
    def folder(self) -> Path:
        """Where the song is, for messages: its folder, or the file that holds all its stems."""
        stem = next(iter(self.stems.values()))
        return stem.path if stem.stream is not None else stem.path.parent

    def moved_to(self, subset: str) -> "Song":
        """The same song in another set."""
        return replace(self, subset=subset)

    def stems_of(self, source: str) -> tuple[str, ...]:
        """The stems that add up to `source`; `DataError` when one is missing."""
        if source in self.stems:
            return (source,)
        needed = COMPONENTS.get(source, (source,))
        missing = [stem for stem in needed if stem not in self.stems]
        if missing:
            missing = [source] if len(missing) == len(needed) else missing
            raise DataError(
                f"{self.folder}: has no stem {' and no stem '.join(missing)}: add it or remove "
                f"the song"
            )
        return needed

    def read(self, sources: tuple[str, ...]) -> Recording:
        """The song decoded: its own mixture, else the sum of `sources`, and each of `sources`.

        Raises `DataError` for a stem that is missing, damaged, or of another length, rate or
        number of channels than the others.
        """
        names = {stem for source in sources for stem in self.stems_of(source)}
        if MIXTURE in self.stems:
            names.add(MIXTURE)
        stems, rate = self._decode(sorted(names))
        estimates = np.stack(
            [sum(stems[stem] for stem in self.stems_of(source)) for source in sources], axis=1
        )  # [T, S, C]
        mix = stems[MIXTURE] if MIXTURE in stems else estimates.sum(axis=1)
        return Recording(rate, mix, estimates)

    def _decode(self, names: list[str]) -> tuple[dict[str, np.ndarray], int]:
        """The named stems `[T, C]`, each file opened once, and their common rate."""
        by_path: dict[Path, list[str]] = defaultdict(list)
        for name in names:
            by_path[self.stems[name].path].append(name)
        stems: dict[str, np.ndarray] = {}
        rates: dict[str, int] = {}
        for path, held in by_path.items():
            streams = tuple(
                stream for name in held if (stream := self.stems[name].stream) is not None
            )
            if not streams:
                stems[held[0]], rates[held[0]] = read_audio(path)
                continue
            decoded, rate = read_streams(path, streams, container="mp4")
            for name, samples in zip(held, decoded, strict=True):
                stems[name], rates[name] = on_16_bit_grid(checked(samples, path)), rate
        self._check_alike(stems, rates)
        return stems, rates[names[0]]

    def _check_alike(self, stems: dict[str, np.ndarray], rates: dict[str, int]) -> None:
        """Refuse stems that cannot be added sample by sample."""
        for what, values in (
            ("frames", {name: samples.shape[0] for name, samples in stems.items()}),
            ("channels", {name: samples.shape[1] for name, samples in stems.items()}),
            ("Hz", rates),
        ):
            if len(set(values.values())) > 1:
                listing = ", ".join(f"{name} {value}" for name, value in sorted(values.items()))
                raise DataError(
                    f"{self.folder}: its stems differ in {what}: {listing}: export them alike"
                )


def on_16_bit_grid(samples: np.ndarray) -> np.ndarray:
    """Decoded stems as the 16-bit samples they were coded from; nothing is clipped.

    Every published score of MUSDB18's `.stem.mp4` is of 16-bit stems, and where a song's stems
    are nearly dependent that last bit decides its ISR, SIR and SAR.
    """
    return np.rint(samples * np.float32(32768)) / np.float32(32768)
