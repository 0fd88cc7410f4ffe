"""Power spectrograms, and Wave-U-Net, Fig. 4: an estimate with the borders of its segments."""

import numpy as np
from matplotlib.figure import Figure

from jnet.errors import DataError
from jnet.reports.figures.style import create_figure, styled

WINDOW = 2048  # length of the Hann window in samples
FLOOR = 1e-10  # minimum power relative to a full-scale sine, −100 dB
BLOCK = 512  # windows per FFT call, which limits the memory for long tracks
COLUMNS = 700  # width of the image in pixels
LOUDEST, QUIETEST = 0, -90  # dB drawn as black and white
BORDER = "#d7191c"


def power_spectrogram(samples: np.ndarray, columns: int) -> np.ndarray:
    """Return the power spectrogram in dB of samples `[T, C]`, averaged over channels.

    The result is `[F, columns]`; 0 dB is the power of a full-scale sine. Each column averages the
    power of all windows whose centres are in its part of the track. The first window is centred on
    the first sample; the track is padded with zeros.
    """
    length = len(samples)
    per_column = max(1, -(-length // (columns * WINDOW // 2)))
    count = columns * per_column
    centres = np.arange(count) * length // count
    padded = np.pad(samples.astype(np.float32, copy=False), ((WINDOW // 2, WINDOW), (0, 0)))
    padded = np.asfortranarray(padded)  # the FFT reads each channel from contiguous memory
    hann = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    blocks = []
    for first in range(0, count, BLOCK):
        starts = centres[first : first + BLOCK, None]
        spectra = np.fft.rfft(padded.T[:, starts + np.arange(WINDOW)] * hann)  # [C, N, F]
        blocks.append((np.square(spectra.real) + np.square(spectra.imag)).mean(axis=0))
    power = np.concatenate(blocks) * np.square(2 / hann.sum())  # [count, F]
    power = power.reshape(columns, per_column, -1).mean(axis=1).T
    return 10 * np.log10(np.maximum(power, FLOOR))


def draw_spectrogram(
    samples: np.ndarray,
    sample_rate: int,
    hop_seconds: float,
    start: float = 0.0,
    seconds: float | None = None,
    name: str = "an estimate",
    highest_hz: float = np.inf,
) -> Figure:
    """Draw the spectrogram of an excerpt of an estimate, with red marks where segments meet.

    Parameters
    ----------
    samples : numpy.ndarray
        The estimate of a track, `[T, C]`.
    sample_rate : int
        Hz.
    hop_seconds : float
        The hop between the model's segments; the first segment begins at the first sample.
    start : float
        The start of the excerpt in seconds.
    seconds : float or None
        The duration of the excerpt; None for the rest of the track.
    name : str
        A description of the estimate for the caption.
    highest_hz : float
        The upper end of the frequency axis. Above half of the model's sample rate, estimates are
        empty.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    DataError
        For an excerpt that is not within the track, and a hop of 0 s or less.
    """
    duration = len(samples) / sample_rate
    seconds = duration - start if seconds is None else seconds
    if start < 0 or seconds <= 0 or start + seconds > duration + 1 / sample_rate:
        raise DataError(
            f"{name}: the excerpt from {start:g} s to {start + seconds:g} s is not within its "
            f"{duration:.2f} s: choose another excerpt"
        )
    first = round(start * sample_rate)
    excerpt = samples[first : first + round(seconds * sample_rate)]
    borders = find_segment_borders(start, seconds, hop_seconds)
    caption = (
        f"Power spectrogram of {name} (Wave-U-Net, Fig. 4); 0 dB is a sine of full scale. "
        f"Triangles and dashed lines: the {len(borders)} borders between segments of "
        f"{hop_seconds:.3f} s that the model separates independently of each other."
    )
    with styled():
        figure = create_figure(7.2, 3.6, caption)
        axes = figure.add_subplot()
        image = axes.imshow(
            power_spectrogram(excerpt, COLUMNS),
            extent=(start, start + seconds, 0, sample_rate / 2000),
            vmin=QUIETEST,
            vmax=LOUDEST,
        )
        for border in borders:
            axes.axvline(border, color="white", linewidth=2.4, alpha=0.8)
            axes.axvline(border, color=BORDER, linewidth=1.1, dashes=(4, 3), gid="border")
        (triangles,) = axes.plot(borders, np.full(len(borders), 1.025), "v", color=BORDER)
        triangles.set(markeredgecolor="#1a1a1a", markeredgewidth=0.5, clip_on=False)
        triangles.set_transform(axes.get_xaxis_transform())
        axes.set_xlim(start, start + seconds)
        axes.set_ylim(0, min(highest_hz, sample_rate / 2) / 1000)
        axes.set_xlabel("time in s")
        axes.set_ylabel("frequency in kHz")
        figure.colorbar(image, ax=axes, label="power in dB", pad=0.015)
    return figure


def find_segment_borders(start: float, seconds: float, hop_seconds: float) -> np.ndarray:
    """Return the times in seconds within an excerpt at which two segments of the model meet.

    Parameters
    ----------
    start, seconds : float
        The start and duration of the excerpt in seconds.
    hop_seconds : float
        The hop between segments.

    Returns
    -------
    numpy.ndarray

    Raises
    ------
    DataError
        For a hop of 0 s or less.
    """
    if hop_seconds <= 0:
        raise DataError(f"the hop between segments is {hop_seconds:g} s: give more than 0 s")
    first = max(1, int(np.ceil(start / hop_seconds)))
    last = int(np.floor((start + seconds) / hop_seconds))
    return hop_seconds * np.arange(first, last + 1)
