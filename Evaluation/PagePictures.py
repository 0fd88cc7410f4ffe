"""The listening page's pictures: SDR over time, waveforms, spectrograms and their axes.

SVGs of the page stretch with it: what shall keep its shape, such as letters, is placed in percent.
"""

import base64
import struct
import zlib
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise

import numpy as np

from Evaluation.FigurePower import power_spectrogram

COLUMNS, ROWS = 720, 120  # pixels of a spectrogram
LOWEST_HZ, HIGHEST_HZ = 50, 16000
MARKED_HZ = (100, 300, 1000, 3000, 10000)
QUIETEST, LOUDEST, SHADES = -90, -10, 32  # dB that are white and black, and greys between them
ENVELOPE = 600  # points of a waveform
SDR_LEAST, SDR_MOST = -20, 30  # dB; scores beyond are drawn at the edge
TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)  # seconds between marks
MOST_MARKS = 8


def shown(text: str) -> str:
    """Any text as HTML that shows it, in elements and in quoted attributes."""
    return escape(text.encode("utf-8", "replace").decode("utf-8"))


def sdr_range(scores: Mapping[str, np.ndarray]) -> tuple[int, int]:
    """The tens of dB that hold all finite scores, and 0 to 10, within what is drawn at most."""
    values = np.concatenate([np.array([0.0, 10.0]), *(row for row in scores.values())])
    values = np.clip(values[np.isfinite(values)], SDR_LEAST, SDR_MOST)
    return int(np.floor(values.min() / 10)) * 10, int(np.ceil(values.max() / 10)) * 10


def sdr_plot(scores: Mapping[str, np.ndarray], hop_seconds: float, seconds: float) -> str:
    """Every source's score as steps over time; a gap where a window has none."""
    low, high = sdr_range(scores)
    grid = [
        f'<line class="grid{" zero" if value == 0 else ""}" x1="0" x2="100%" '
        f'y1="{share:.2f}%" y2="{share:.2f}%"/>'
        for value, share in sdr_marks(low, high)
    ]
    lines = []
    for index, row in enumerate(scores.values()):
        width = 100 * len(row) * hop_seconds / seconds
        lines.append(
            f'<svg width="{width:.3f}%" height="100%" viewBox="0 0 {max(1, len(row))} 100" '
            f'preserveAspectRatio="none"><path class="score score-{index % 4}" '
            f'd="{steps(row, low, high)}"/></svg>'
        )
    label = f"SDR over time of {', '.join(scores)}"
    return f'<svg role="img" aria-label="{shown(label)}">{"".join([*grid, *lines])}</svg>'


def steps(scores: np.ndarray, low: int, high: int) -> str:
    """The path of a score that holds for a window each, 100 high from `low` to `high` dB."""
    path, before = [], False
    for index, value in enumerate(scores):
        if not np.isfinite(value):
            before = False
            continue
        y = f"{100 * (high - np.clip(value, low, high)) / (high - low):.1f}"
        path.append(f"{'V' if before else f'M{index} '}{y}H{index + 1}")
        before = True
    return "".join(path)


def sdr_marks(low: int, high: int) -> list[tuple[int, float]]:
    """Every tenth dB and how far down it is, in percent."""
    return [(value, 100 * (high - value) / (high - low)) for value in range(low, high + 1, 10)]


def sdr_axis(scores: Mapping[str, np.ndarray]) -> str:
    """The numbers left of the scores."""
    marks = sdr_marks(*sdr_range(scores))
    return upright_axis([(str(value).replace("-", "−"), share) for value, share in marks])


def upright_axis(marks: Sequence[tuple[str, float]]) -> str:
    """Words at heights in percent from the top, the outermost within the axis."""
    texts = [
        f'<text x="94%" y="{share:.2f}%" text-anchor="end" dy="{inward(share)}">{word}</text>'
        for word, share in marks
    ]
    return f"<svg>{''.join(texts)}</svg>"


def inward(share: float) -> str:
    """How a word is shifted so that it is not cut at the top or the bottom."""
    return "0.8em" if share < 4 else "-0.1em" if share > 96 else "0.35em"


def time_axis(seconds: float) -> str:
    """Minutes and seconds below all pictures."""
    step = next((step for step in TIME_STEPS if seconds / step <= MOST_MARKS), TIME_STEPS[-1])
    texts = []
    for at in range(0, int(seconds) + 1, step):
        share = 100 * at / seconds
        anchor = "start" if share < 3 else "end" if share > 97 else "middle"
        texts.append(f'<text x="{share:.2f}%" y="1rem" text-anchor="{anchor}">{clock(at)}</text>')
    return f"<svg>{''.join(texts)}</svg>"


def clock(seconds: float) -> str:
    """Seconds as minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def waveform(samples: np.ndarray, peak: float, label: str) -> str:
    """The envelope of `[T, C]`: from the lowest to the highest sample of any channel, full height
    at `peak`."""
    edges = np.arange(ENVELOPE) * len(samples) // ENVELOPE
    scale = 100 / peak if peak else 0
    highest = np.maximum.reduceat(samples, edges).max(axis=1) * scale
    lowest = np.minimum.reduceat(samples, edges).min(axis=1) * scale
    upper = [f"{x} {-y:.0f}" for x, y in enumerate(np.maximum(highest, 0.5))]
    lower = [f"{x} {-y:.0f}" for x, y in enumerate(np.minimum(lowest, -0.5))]
    outline = "L".join([*upper, *reversed(lower)]).replace("-0L", "0L")
    return (
        f'<svg role="img" aria-label="{shown(label)}" viewBox="0 -100 {ENVELOPE - 1} 200" '
        f'preserveAspectRatio="none"><path d="M{outline}Z"/></svg>'
    )


def highest_hz(sample_rate: int) -> float:
    """Up to where spectrograms are drawn."""
    return min(HIGHEST_HZ, sample_rate / 2)


def spectrogram(samples: np.ndarray, sample_rate: int, label: str) -> str:
    """The power of `[T, C]`, dark where loud, frequency in equal octaves, as an image."""
    power = power_spectrogram(samples, COLUMNS)  # [bins, COLUMNS]
    edges = np.geomspace(LOWEST_HZ, highest_hz(sample_rate), ROWS + 1)
    bins = np.round(edges / (sample_rate / 2) * (len(power) - 1)).astype(int)
    bands = np.stack(
        [power[first : max(first + 1, last)].max(axis=0) for first, last in pairwise(bins)]
    )[::-1]
    loudness = np.clip((bands - QUIETEST) / (LOUDEST - QUIETEST), 0, 1)
    shades = np.round((1 - loudness) * (SHADES - 1)) * (255 // (SHADES - 1))
    data = base64.b64encode(png(shades.astype(np.uint8))).decode("ascii")
    return f'<img alt="{shown(label)}" src="data:image/png;base64,{data}">'


def frequency_axis(sample_rate: int) -> str:
    """The numbers left of a spectrogram."""
    octaves = np.log(highest_hz(sample_rate) / LOWEST_HZ)
    return upright_axis(
        [
            (str(hertz), 100 - 100 * float(np.log(hertz / LOWEST_HZ) / octaves))
            for hertz in MARKED_HZ
            if hertz < highest_hz(sample_rate)
        ]
    )


def png(shades: np.ndarray) -> bytes:
    """Greys `[rows, columns]` of 8 bits as a PNG file."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    rows, columns = shades.shape
    lines = b"".join(b"\0" + line.tobytes() for line in shades)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(lines, 9))
        + chunk(b"IEND", b"")
    )
