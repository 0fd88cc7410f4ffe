"""A listening page: one HTML file beside its recordings, that needs no network and no server.

The page may load its own recordings and nothing else; names of songs and sources are text to it,
and no part of any file's name decides where a file goes.
"""

import base64
import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import soundfile

from Evaluation.PagePictures import (
    clock,
    frequency_axis,
    sdr_axis,
    sdr_plot,
    sdr_range,
    shown,
    spectrogram,
    time_axis,
    waveform,
)
from Evaluation.PageTables import index_row, index_table, score_rows
from Spec.Errors import DataError
from Spec.Files import replaced

PARTS = Path(__file__).parent / "page"
FULL_SCALE = 32768  # of 16-bit samples; the highest is one less
# The page's own style and script, by their hashes; its pictures, which are in it; the recordings
# beside it. In Firefox a page on the disk is no origin of its own, so 'self' alone is not enough.
POLICY = (
    "default-src 'none'; script-src '{script}'; style-src '{style}'; img-src data:; "
    "media-src 'self' file:; base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True)
class PageSong:
    """One song: mix, references and estimates `[T, C]` each, at `sample_rate` Hz, and the SDR in
    dB of each source's windows `[K]`, one every `hop_seconds`."""

    name: str
    sample_rate: int
    mix: np.ndarray
    references: Mapping[str, np.ndarray]
    estimates: Mapping[str, np.ndarray]
    sdr: Mapping[str, np.ndarray] = field(default_factory=dict)
    hop_seconds: float = 1.0


@dataclass(frozen=True)
class Track:
    """One recording of a song: what it is called, of which source it is (none is the mix), its
    samples `[T, C]`, its file's name."""

    name: str
    source: str
    samples: np.ndarray
    file: str


def write_page(
    folder: Path,
    songs: Iterable[PageSong],
    title: str,
    scores: Mapping[str, Mapping[str, Any]] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write `<folder>/index.html` and `<folder>/audio/*.wav` in 16 bits; the page's path.

    `songs` may be a generator: one song at a time is held. `scores` is what `scores.json` holds.
    The page is written last. Raises `DataError` for recordings that do not belong together or
    hold NaN, and where a page is already and `overwrite` is not set.
    """
    page = folder / "index.html"
    if page.exists() and not overwrite:
        raise DataError(f"{page}: is already there: name another folder or remove it")
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    rows, articles = [], []
    for place, song in enumerate(songs, 1):
        check(song)
        rows.append(index_row(song.name, place, len(song.mix) / song.sample_rate, song.sdr))
        articles.append(article(song, place, folder))
    if not articles:
        raise DataError(f"{page}: there is no song to show")
    style, script = part("page.css"), part("page.js")
    text = Template(part("page.html")).substitute(
        policy=POLICY.format(script=source_hash(script), style=source_hash(style)),
        title=shown(title),
        style=style,
        script=script,
        scores=score_rows(scores or {}),
        index=index_table(rows),
        songs="\n".join(articles),
    )
    with replaced(page) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return page


def part(name: str) -> str:
    """A file of which the page is made."""
    return (PARTS / name).read_text(encoding="utf-8")


def source_hash(text: str) -> str:
    """What a content security policy calls an inline script or style."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def check(song: PageSong) -> None:
    """Refuse recordings that cannot be switched between, or that hold no numbers."""
    if not song.estimates:
        raise DataError(f"{song.name}: has no estimate to listen to")
    unknown = [source for source in song.sdr if source not in song.estimates]
    if unknown:
        raise DataError(f"{song.name}: has scores of {unknown[0]!r} but no estimate of it")
    for name, _, samples in recordings(song):
        if samples.ndim != 2 or samples.shape != song.mix.shape or not samples.size:
            raise DataError(
                f"{song.name}: {name} is {' × '.join(map(str, samples.shape))} frames and "
                f"channels, its mix {' × '.join(map(str, song.mix.shape))}: they must be alike"
            )
        if not np.isfinite(samples).all():
            raise DataError(f"{song.name}: {name} holds samples that are no numbers")


def recordings(song: PageSong) -> Iterator[tuple[str, str, np.ndarray]]:
    """The song's recordings by name and source: the mix, then each source's estimate and
    reference."""
    yield "mix", "", song.mix
    for source in dict.fromkeys([*song.estimates, *song.references]):
        for role, held in (("estimate", song.estimates), ("reference", song.references)):
            if source in held:
                yield f"{source}, {role}", source, held[source]


def article(song: PageSong, place: int, folder: Path) -> str:
    """A song on the page; its recordings are written on the way."""
    tracks = [
        Track(name, source, samples, file_name(song.name, name, place))
        for name, source, samples in recordings(song)
    ]
    peak = max(float(np.abs(track.samples).max()) for track in tracks)
    quieter = min(1.0, (1 - 1 / FULL_SCALE) / peak) if peak else 1.0
    for track in tracks:
        write_audio(folder / "audio" / track.file, track.samples * quieter, song.sample_rate)
    seconds = len(song.mix) / song.sample_rate
    sdr = {source: song.sdr[source] for source in song.estimates if source in song.sdr}
    scores = [[plain(value) for value in row] for row in sdr.values()]
    labels = [f"{track.name} of {song.name}" for track in tracks]
    return Template(part("song.html")).substitute(
        number=place,
        name=shown(song.name),
        seconds=f"{seconds:.3f}",
        length=clock(seconds),
        hop=f"{song.hop_seconds:g}",
        windows=shown(json.dumps(scores)),
        without_scores="" if sdr else " hidden",
        quieter=quieter_note(quieter),
        buttons="".join(button(track, index, list(sdr)) for index, track in enumerate(tracks)),
        legend=legend(sdr),
        sdr_axis=sdr_axis(sdr),
        sdr=sdr_plot(sdr, song.hop_seconds, seconds),
        waves=views(
            waveform(track.samples, peak, f"waveform: {label}")
            for track, label in zip(tracks, labels, strict=True)
        ),
        spectrograms=views(
            spectrogram(track.samples, song.sample_rate, f"spectrogram: {label}")
            for track, label in zip(tracks, labels, strict=True)
        ),
        frequency_axis=frequency_axis(song.sample_rate),
        time_axis=time_axis(seconds),
        audio="".join(
            f'<audio preload="none" src="audio/{track.file}"></audio>' for track in tracks
        ),
    )


def plain(value: float) -> float | None:
    """A score as strict JSON has it."""
    return round(float(value), 2) if np.isfinite(value) else None


def file_name(song: str, track: str, place: int) -> str:
    """A recording's file name of small letters, digits and hyphens, unlike all others of the page.

    The words are for people; the song's place and the hash of its real names make it unique.
    """
    words = [re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")[:40] for text in (song, track)]
    real = hashlib.sha256(f"{song}\0{track}".encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return "-".join(filter(None, [f"{place:03d}", *words, real])) + ".wav"


def write_audio(path: Path, samples: np.ndarray, sample_rate: int) -> None:
    """Write samples `[T, C]`, none beyond full scale, as a 16-bit wav, whole or not at all."""
    whole = np.rint(samples * FULL_SCALE).astype(np.int16)
    encoded = io.BytesIO()
    soundfile.write(encoded, whole, sample_rate, subtype="PCM_16", format="WAV")
    with replaced(path) as temporary:
        temporary.write_bytes(encoded.getbuffer())


def quieter_note(gain: float) -> str:
    """Says so when a song is played more quietly than it is."""
    if gain == 1:
        return ""
    return (
        f'<p class="note">All recordings of this song are played {-20 * np.log10(gain):.1f} dB '
        f"more quietly than they are, so that none clips.</p>\n"
    )


def button(track: Track, index: int, scored: list[str]) -> str:
    """The button that makes a recording heard; the first nine have a key of their own. Its source's
    place among those `scored` says which line of scores stands out then."""
    line = scored.index(track.source) if track.source in scored else ""
    key = f" <kbd>{index + 1}</kbd>" if index < 9 else ""
    shortcut = f' aria-keyshortcuts="{index + 1}"' if index < 9 else ""
    return (
        f'<button type="button" data-name="{shown(track.name)}" data-source="{line}" '
        f'aria-pressed="false"{shortcut}>'
        f"{shown(track.name)}{key}</button>"
    )


def views(pictures: Iterable[str]) -> str:
    """Pictures of all recordings, of which one at a time is seen."""
    return "".join(
        picture.replace(" ", f' data-view="{index}"{" hidden" if index else ""} ', 1)
        for index, picture in enumerate(pictures)
    )


def legend(sdr: Mapping[str, np.ndarray]) -> str:
    """Each source's line, its score where the cursor is, and what is drawn at the edge."""
    low, high = sdr_range(sdr)
    keys = [
        f'<span class="key"><svg aria-hidden="true"><line class="score score-{index % 4}" x1="0" '
        f'x2="100%" y1="50%" y2="50%"/></svg>{shown(source)} <output>–</output></span>'
        for index, source in enumerate(sdr)
    ]
    values = np.concatenate([np.zeros(0), *sdr.values()])
    beyond = int((np.isfinite(values) & ((values < low) | (values > high))).sum())
    if beyond:
        keys.append(f"<span>{beyond} beyond the scale, drawn at its edge</span>")
    return "".join(keys)
