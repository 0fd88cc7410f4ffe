"""Wave-U-Net, Fig. 4: the spectrogram of an estimate, and where one window of the model ends."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory

from Evaluation.FigurePower import power_spectrogram
from Evaluation.Figures import sheet, styled
from Spec.Errors import DataError

COLUMNS = 700
LOUDEST, QUIETEST = 0, -90  # dB, black and white
BORDER = "#d7191c"


def spectrogram(
    samples: np.ndarray,
    sample_rate: int,
    hop_seconds: float,
    start: float = 0.0,
    seconds: float | None = None,
    name: str = "",
    highest_hz: float | None = None,
) -> Figure:
    """The power in dB of an excerpt of an estimate `[T, C]` at `sample_rate` Hz, with red marks
    where the model's windows meet.

    Windows follow each other every `hop_seconds` from the song's first frame on: a model's
    `hop_frames(spec) / spec.sample_rate`. Drawn up to `highest_hz`: half a model's rate, above
    which its estimates have nothing. Raises `DataError` where the excerpt is outside.
    """
    whole = len(samples) / sample_rate
    seconds = whole - start if seconds is None else seconds
    if start < 0 or seconds <= 0 or start + seconds > whole + 1 / sample_rate:
        raise DataError(
            f"{name or 'the estimate'}: {start:g} s to {start + seconds:g} s is not within its "
            f"{whole:.2f} s: choose another excerpt"
        )
    first = round(start * sample_rate)
    excerpt = samples[first : first + round(seconds * sample_rate)]
    borders = window_borders(start, seconds, hop_seconds)
    with styled():
        figure = sheet(7.2, 3.6, caption(name, hop_seconds, len(borders)))
        axes = figure.add_subplot()
        image = axes.imshow(
            power_spectrogram(excerpt, COLUMNS),
            extent=(start, start + seconds, 0, sample_rate / 2000),
            origin="lower",
            aspect="auto",
            cmap="gray_r",
            vmin=QUIETEST,
            vmax=LOUDEST,
            interpolation="nearest",
        )
        above = blended_transform_factory(axes.transData, axes.transAxes)
        for border in borders:
            axes.axvline(border, color="white", linewidth=2.4, alpha=0.8, gid="casing")
            axes.axvline(border, color=BORDER, linewidth=1.1, dashes=(4, 3), gid="border")
        axes.plot(
            borders,
            np.full(len(borders), 1.025),
            linestyle="",
            marker="v",
            markersize=6,
            color=BORDER,
            markeredgecolor="#1a1a1a",
            markeredgewidth=0.5,
            transform=above,
            clip_on=False,
        )
        axes.set_xlim(start, start + seconds)
        axes.set_ylim(0, min(highest_hz or np.inf, sample_rate / 2) / 1000)
        axes.set_xlabel("time in s")
        axes.set_ylabel("frequency in kHz")
        figure.colorbar(image, ax=axes, label="power in dB", pad=0.015)
    return figure


def window_borders(start: float, seconds: float, hop_seconds: float) -> np.ndarray:
    """The times within an excerpt, in seconds, at which one window of the model follows another.

    The song's own beginning is none.
    """
    if hop_seconds <= 0:
        raise DataError(f"windows cannot follow each other every {hop_seconds:g} s: more than 0")
    first = max(1, int(np.ceil(start / hop_seconds)))
    last = int(np.floor((start + seconds) / hop_seconds))
    return hop_seconds * np.arange(first, last + 1)


def caption(name: str, hop_seconds: float, borders: int) -> str:
    """What is drawn and what the marks are."""
    what = f"Power spectrogram of {name}" if name else "Power spectrogram of an estimate"
    return (
        f"{what} (Wave-U-Net, Fig. 4); 0 dB is a sine of full scale. Triangles and dashed lines: "
        f"the {borders} borders between windows of {hop_seconds:.3f} s that the model separates "
        f"independently of each other."
    )
