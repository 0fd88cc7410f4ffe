"""A listening page: an HTML file with audio files beside it, without network or server.

The page's content security policy allows only its own audio files. The names of tracks and
sources are escaped in the HTML, and no audio file is written outside the folder `audio`, whatever
the names contain.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import soundfile

from jnet.errors import DataError
from jnet.reports.page import pictures
from jnet.reports.page.pictures import escape_text, format_time
from jnet.scoring.score_table import format_number, format_summary_rows
from jnet.scoring.statistics import compute_statistics, keep_finite, read_summary
from jnet.system.files import replaced

TEMPLATES = Path(__file__).parent / "templates"
FULL_SCALE = 32768  # the 16-bit value of an amplitude of 1
MAX_AMPLITUDE = 1 - 1 / FULL_SCALE  # the highest amplitude of 16-bit samples
COUNTS = (("windows", "windows"), ("windows without a score", "nan_windows"))


@dataclass(frozen=True)
class PageTrack:
    """A track of the page: audio `[T, C]` and scores.

    Attributes
    ----------
    name : str
    sample_rate : int
        Hz.
    mix : numpy.ndarray
        `[T, C]`.
    references, estimates : mapping of str to numpy.ndarray
        `[T, C]` by source.
    sdr : mapping of str to numpy.ndarray
        SDR in dB of the 1 s windows, `[K]` by source; NaN for windows without a score.
    hop_seconds : float
        The hop between these windows.
    """

    name: str
    sample_rate: int
    mix: np.ndarray
    references: Mapping[str, np.ndarray]
    estimates: Mapping[str, np.ndarray]
    sdr: Mapping[str, np.ndarray] = field(default_factory=dict)
    hop_seconds: float = 1.0

    def seconds(self) -> float:
        """Return the track's duration in seconds."""
        return len(self.mix) / self.sample_rate


def write_page(
    folder: Path,
    tracks: Iterable[PageTrack],
    title: str,
    scores: Mapping[str, Mapping[str, Any]] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write `<folder>/index.html` and `<folder>/audio/*.wav` with 16-bit samples.

    `index.html` is written last, after all audio files.

    Parameters
    ----------
    folder : Path
    tracks : iterable of PageTrack
        A generator saves memory: only one track is needed at a time.
    title : str
    scores : mapping or None
        The content of `scores.json`.
    overwrite : bool
        Replace an existing page.

    Returns
    -------
    Path
        The path of `index.html`.

    Raises
    ------
    DataError
        For an existing page without `overwrite`, no tracks, recordings of different shapes, and
        NaN or infinite samples.
    """
    page = folder / "index.html"
    if page.exists() and not overwrite:
        raise DataError(f"{page}: already exists: give another folder, or --overwrite")
    articles, index, medians = [], [], []
    for place, track in enumerate(tracks, 1):
        (folder / "audio").mkdir(parents=True, exist_ok=True)  # only if there is a track to show
        articles.append(write_track(track, place, folder))
        link = f'<a href="#track-{place}">{escape_text(track.name)}</a>'
        index.append([link, format_time(track.seconds())])
        medians.append({source: format_median(scores) for source, scores in track.sdr.items()})
    if not articles:
        raise DataError(f"{page}: no tracks to show")
    heads = ["track", "length"]
    for source in dict.fromkeys(source for row in medians for source in row):
        heads.append(f"{source}, median SDR")
        for row, row_medians in zip(index, medians, strict=True):
            row.append(row_medians.get(source, ""))
    style, script = read_template("page.css"), read_template("page.js")
    text = fill_template(
        "page.html",
        style_hash=hash_source(style),
        script_hash=hash_source(script),
        title=escape_text(title),
        style=style,
        script=script,
        scores=format_score_table(scores) if scores else "<p>No scores.</p>",
        index=format_html_table(heads, index),
        tracks="\n".join(articles),
    )
    with replaced(page) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return page


def read_template(name: str) -> str:
    """Return the text of a template file."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def fill_template(file: str, **values: Any) -> str:
    """Return a template with its placeholders replaced by `values`, which are HTML."""
    return Template(read_template(file)).substitute(values)


def hash_source(text: str) -> str:
    """Return the hash that a content security policy needs to allow an inline script or style."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def format_median(windows: np.ndarray) -> str:
    """Format the median of the finite scores among `windows` `[K]`; "NaN" if there are none."""
    return format_number(compute_statistics([windows])["pooled_median"], "NaN")


def format_score_table(scores: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the summary of all tracks as an HTML table, with the rows that Evaluate.py prints."""
    summary = read_summary(scores)
    rows = format_summary_rows(summary)
    rows += [(label, *(str(entry[key]) for entry in summary.values())) for label, key in COUNTS]
    cells = [
        [escape_text(label).replace("  ", "&emsp;"), *(cell.replace("-", "−") for cell in row)]
        for label, *row in rows
    ]
    return format_html_table(["SDR in dB", *scores], cells)


def format_html_table(heads: list[str], rows: list[list[str]]) -> str:
    """Return an HTML table.

    The headings are text, the cells are HTML, and the first cell of a row is its heading.
    """
    top = "".join(f'<th scope="col">{escape_text(head)}</th>' for head in heads)
    body = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for name, *cells in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def write_track(track: PageTrack, place: int, folder: Path) -> str:
    """Write the audio files of a track and return its HTML.

    Parameters
    ----------
    track : PageTrack
    place : int
        The track's number on the page, from 1.
    folder : Path
        The folder of the page.

    Returns
    -------
    str

    Raises
    ------
    DataError
        As in `check_recordings`.
    """
    recordings = list_recordings(track)
    check_recordings(track, recordings)
    peak = max(float(np.abs(samples).max()) for samples in recordings.values())
    quieter = MAX_AMPLITUDE / max(peak, MAX_AMPLITUDE)
    audio, waves, spectrograms = [], [], []
    for name, samples in recordings.items():
        path = folder / "audio" / make_file_name(track.name, name, place)
        pcm = np.rint(samples * quieter * FULL_SCALE).astype(np.int16)
        with replaced(path) as temporary:
            soundfile.write(temporary, pcm, track.sample_rate, subtype="PCM_16", format="WAV")
        audio.append(f'<audio preload="none" src="audio/{path.name}"></audio>')
        label = f"{name} of {track.name}"
        waves.append(pictures.draw_waveform(samples, peak, f"waveform: {label}"))
        picture = pictures.draw_spectrogram(samples, track.sample_rate, f"spectrogram: {label}")
        spectrograms.append(picture)
    windows = [
        [round(score, 2) if np.isfinite(score) else None for score in scores.tolist()]
        for scores in track.sdr.values()
    ]
    return fill_template(
        "track.html",
        number=place,
        name=escape_text(track.name),
        seconds=f"{track.seconds():.3f}",
        length=format_time(track.seconds()),
        hop=f"{track.hop_seconds:g}",
        windows=escape_text(json.dumps(windows)),
        without_scores="" if track.sdr else " hidden",
        as_loud=" hidden" if quieter == 1 else "",
        quieter=f"{20 * np.log10(1 / quieter):.1f}",
        buttons=draw_buttons(recordings, list(track.sdr)),
        legend=draw_legend(track.sdr),
        sdr_axis=pictures.draw_sdr_axis(track.sdr),
        sdr=pictures.draw_sdr(track.sdr, track.hop_seconds, track.seconds()),
        waves="".join(waves),
        spectrograms="".join(spectrograms),
        frequency_axis=pictures.draw_frequency_axis(track.sample_rate),
        time_axis=pictures.draw_time_axis(track.seconds()),
        audio="".join(audio),
    )


def list_recordings(track: PageTrack) -> dict[str, np.ndarray]:
    """Return a track's recordings by name: the mix, then each source's estimate and reference."""
    recordings = {"mix": track.mix}
    for source in dict.fromkeys([*track.estimates, *track.references]):
        for role, stems in (("estimate", track.estimates), ("reference", track.references)):
            if source in stems:
                recordings[f"{source}, {role}"] = stems[source]
    return recordings


def check_recordings(track: PageTrack, recordings: Mapping[str, np.ndarray]) -> None:
    """Raise `DataError` for recordings that cannot be shown together.

    Every scored source needs an estimate, and all recordings must have the mix's shape `[T, C]` and
    finite samples.
    """
    if not track.estimates:
        raise DataError(f"{track.name}: has no estimates")
    for source in track.sdr:
        if source not in track.estimates:
            raise DataError(f"{track.name}: has scores of {source!r}, but no estimate")
    for name, samples in recordings.items():
        if samples.ndim != 2 or samples.shape != track.mix.shape or not samples.size:
            raise DataError(
                f"{track.name}: {name} has the shape {samples.shape}, its mix {track.mix.shape}: "
                f"the shapes must be equal"
            )
        if not np.isfinite(samples).all():
            raise DataError(f"{track.name}: {name} has samples that are NaN or infinite")


def make_file_name(track: str, recording: str, place: int) -> str:
    """Return a file name of lower-case letters, digits and hyphens, unique within the page.

    The words make the name readable; the track's number and a hash of the original names make it
    unique.

    Parameters
    ----------
    track : str
        The track's name.
    recording : str
        The recording's name.
    place : int
        The track's number on the page.

    Returns
    -------
    str
    """
    words = [re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")[:40] for text in (track, recording)]
    real = hashlib.sha256(f"{track}\0{recording}".encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return "-".join(filter(None, [f"{place:03d}", *words, real])) + ".wav"


def draw_buttons(recordings: Iterable[str], scored: list[str]) -> str:
    """Return the HTML of a button per recording; the keys 1 to 9 select the first nine recordings.

    `data-source` is the index of the recording's source in `scored`; the page highlights this
    source's SDR curve while the recording plays.
    """
    buttons = []
    for key, recording in enumerate(recordings, 1):
        source, name = recording.rpartition(", ")[0], escape_text(recording)
        line = scored.index(source) if source in scored else ""
        shortcut = f' aria-keyshortcuts="{key}"' if key < 10 else ""
        hint = f" <kbd>{key}</kbd>" if key < 10 else ""
        buttons.append(
            f'<button type="button" data-name="{name}" data-source="{line}" aria-pressed="false"'
            f"{shortcut}>{name}{hint}</button>"
        )
    return "".join(buttons)


def draw_legend(sdr: Mapping[str, np.ndarray]) -> str:
    """Return the legend of the SDR curves as HTML.

    It has each source's line, a placeholder for its score at the cursor, and the number of scores
    outside the axis limits.
    """
    low, high = pictures.find_sdr_limits(sdr)
    keys = [
        f'<span class="key"><svg aria-hidden="true"><line class="score score-{index % 4}" x1="0" '
        f'x2="100%" y1="50%" y2="50%"/></svg>{escape_text(source)} <output>–</output></span>'
        for index, source in enumerate(sdr)
    ]
    values = keep_finite(np.concatenate([np.zeros(0), *sdr.values()]))
    if outside := int(((values < low) | (values > high)).sum()):
        keys.append(f"<span>{outside} outside the axis, drawn at its edge</span>")
    return "".join(keys)
