"""Pictures of the listening page: SDR over time, waveforms, spectrograms and their axes.

SVGs are stretched to the page's width. Text must not be stretched, so it is placed in percent.
"""

import base64
import io
from collections.abc import Iterable, Mapping
from html import escape

import numpy as np
from PIL import Image

from jnet.reports.figures.spectrogram import power_spectrogram

COLUMNS, ROWS = 720, 120  # size of a spectrogram in pixels
LOWEST_HZ, HIGHEST_HZ = 50, 16000
TICKS_HZ = (100, 300, 1000, 3000, 10000)
QUIETEST, LOUDEST, SHADES = -90, -10, 32  # dB drawn as white and black; number of grey levels
WAVEFORM_POINTS = 600  # number of points of a waveform
MIN_SDR, MAX_SDR = -20, 30  # widest axis limits in dB; scores outside are drawn at the edge
TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)  # seconds between ticks
MAX_TICKS = 8


def escape_text(text: str) -> str:
    """Return the text escaped for HTML elements and quoted attributes."""
    return escape(text.encode("utf-8", "replace").decode("utf-8"))


def format_time(seconds: float) -> str:
    """Format a time in seconds as minutes and seconds, such as 3:07."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def find_sdr_limits(scores: Mapping[str, np.ndarray]) -> tuple[int, int]:
    """Return the limits of the SDR axis in dB, multiples of 10.

    The axis includes 0 to 10 dB and all finite scores between `MIN_SDR` and `MAX_SDR`.
    """
    values = np.concatenate([np.array([0.0, 10.0]), *scores.values()])
    values = np.clip(values[np.isfinite(values)], MIN_SDR, MAX_SDR)
    return int(np.floor(values.min() / 10)) * 10, int(np.ceil(values.max() / 10)) * 10


def list_sdr_ticks(scores: Mapping[str, np.ndarray]) -> list[tuple[int, float]]:
    """Return the ticks of the SDR axis, each with its distance from the top in percent."""
    low, high = find_sdr_limits(scores)
    return [(value, 100 * (high - value) / (high - low)) for value in range(low, high + 1, 10)]


def draw_sdr(scores: Mapping[str, np.ndarray], hop_seconds: float, seconds: float) -> str:
    """Return an SVG of every source's SDR over time, with gaps for windows without a score.

    Parameters
    ----------
    scores : mapping of str to numpy.ndarray
        SDR in dB of the windows, `[K]` by source.
    hop_seconds : float
        The hop between windows.
    seconds : float
        The duration of the track.

    Returns
    -------
    str
    """
    drawn = [
        f'<line class="grid{" zero" if value == 0 else ""}" x1="0" x2="100%" '
        f'y1="{share:.2f}%" y2="{share:.2f}%"/>'
        for value, share in list_sdr_ticks(scores)
    ]
    for index, row in enumerate(scores.values()):
        width = 100 * len(row) * hop_seconds / seconds
        drawn.append(
            f'<svg width="{width:.3f}%" height="100%" viewBox="0 0 {max(1, len(row))} 100" '
            f'preserveAspectRatio="none"><path class="score score-{index % 4}" '
            f'd="{draw_step_path(row, *find_sdr_limits(scores))}"/></svg>'
        )
    label = escape_text(f"SDR over time of {', '.join(scores)}")
    return f'<svg role="img" aria-label="{label}">{"".join(drawn)}</svg>'


def draw_step_path(scores: np.ndarray, low: int, high: int) -> str:
    """Return the path of an SVG with a horizontal line per window.

    Parameters
    ----------
    scores : numpy.ndarray
        `[K]` in dB; windows without a finite score are gaps.
    low, high : int
        The dB at the bottom (y = 100) and at the top (y = 0).

    Returns
    -------
    str
    """
    path, connected = [], False
    for index, value in enumerate(scores):
        if np.isfinite(value):
            y = f"{100 * (high - np.clip(value, low, high)) / (high - low):.1f}"
            path.append(f"{'V' if connected else f'M{index} '}{y}H{index + 1}")
        connected = bool(np.isfinite(value))
    return "".join(path)


def draw_sdr_axis(scores: Mapping[str, np.ndarray]) -> str:
    """Return an SVG of the tick labels of the SDR axis."""
    return draw_axis(
        (str(value).replace("-", "−"), share) for value, share in list_sdr_ticks(scores)
    )


def draw_frequency_axis(sample_rate: int) -> str:
    """Return an SVG of the tick labels in Hz of a spectrogram's logarithmic frequency axis."""
    highest = highest_hz(sample_rate)
    return draw_axis(
        (str(hertz), 100 * float(np.log(highest / hertz) / np.log(highest / LOWEST_HZ)))
        for hertz in TICKS_HZ
        if hertz < highest
    )


def draw_axis(marks: Iterable[tuple[str, float]]) -> str:
    """Return an SVG of tick labels, each at a distance from the top in percent.

    Labels near the ends are shifted so that they stay within the axis.
    """
    texts = []
    for word, share in marks:
        shift = "0.8em" if share < 4 else "-0.1em" if share > 96 else "0.35em"
        texts.append(f'<text x="94%" y="{share:.2f}%" text-anchor="end" dy="{shift}">{word}</text>')
    return f"<svg>{''.join(texts)}</svg>"


def draw_time_axis(seconds: float) -> str:
    """Return an SVG of the tick labels of the time axis, in minutes and seconds."""
    step = next((step for step in TIME_STEPS if seconds / step <= MAX_TICKS), TIME_STEPS[-1])
    texts = []
    for at in range(0, int(seconds) + 1, step):
        share, time = 100 * at / seconds, format_time(at)
        anchor = "start" if share < 3 else "end" if share > 97 else "middle"
        texts.append(f'<text x="{share:.2f}%" y="1rem" text-anchor="{anchor}">{time}</text>')
    return f"<svg>{''.join(texts)}</svg>"


def draw_waveform(samples: np.ndarray, peak: float, label: str) -> str:
    """Return an SVG of a waveform: the lowest and the highest sample of all channels over time.

    Parameters
    ----------
    samples : numpy.ndarray
        `[T, C]`.
    peak : float
        The amplitude at the top and bottom of the picture.
    label : str
        A description for screen readers.

    Returns
    -------
    str
    """
    edges = np.arange(WAVEFORM_POINTS) * len(samples) // WAVEFORM_POINTS
    scale = 100 / peak if peak else 0
    highest = np.maximum.reduceat(samples, edges).max(axis=1) * scale
    lowest = np.minimum.reduceat(samples, edges).min(axis=1) * scale
    upper = [f"{x} {-y:.0f}" for x, y in enumerate(np.maximum(highest, 0.5))]
    lower = [f"{x} {-y:.0f}" for x, y in enumerate(np.minimum(lowest, -0.5))]
    outline = "L".join([*upper, *reversed(lower)]).replace("-0L", "0L")
    return (
        f'<svg role="img" aria-label="{escape_text(label)}" '
        f'viewBox="0 -100 {WAVEFORM_POINTS - 1} 200" preserveAspectRatio="none">'
        f'<path d="M{outline}Z"/></svg>'
    )


def highest_hz(sample_rate: int) -> float:
    """Return the upper end of the frequency axis in Hz."""
    return min(HIGHEST_HZ, sample_rate / 2)


def draw_spectrogram(samples: np.ndarray, sample_rate: int, label: str) -> str:
    """Return an HTML image of the power spectrogram with a logarithmic frequency axis.

    Loud is dark.

    Parameters
    ----------
    samples : numpy.ndarray
        `[T, C]`.
    sample_rate : int
        Hz.
    label : str
        A description for screen readers.

    Returns
    -------
    str
    """
    power = power_spectrogram(samples, COLUMNS)  # [F, COLUMNS]
    edges = np.geomspace(LOWEST_HZ, highest_hz(sample_rate), ROWS + 1)
    bins = np.round(edges / (sample_rate / 2) * (len(power) - 1)).astype(int)
    bands = np.maximum.reduceat(power[: bins[-1]], bins[:-1])[::-1]  # [ROWS, COLUMNS]
    loudness = np.clip((bands - QUIETEST) / (LOUDEST - QUIETEST), 0, 1)
    shades = np.round((1 - loudness) * (SHADES - 1)) * (255 // (SHADES - 1))
    png = io.BytesIO()
    Image.fromarray(shades.astype(np.uint8)).save(png, "png", optimize=True)
    data = base64.b64encode(png.getvalue()).decode("ascii")
    return f'<img alt="{escape_text(label)}" src="data:image/png;base64,{data}">'
