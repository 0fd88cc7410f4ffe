"""Scores as text: formatted numbers, labels, and the table printed after an evaluation."""

from collections.abc import Mapping
from typing import Any

from jnet.names import count_things
from jnet.scoring.statistics import STATISTICS, TRACK_MEDIANS

MISSING = "–"  # text of a table cell without a number
POOLED_LABEL, TRACKS_LABEL = "median over all windows", "median over tracks of track medians"
SCORE_ROWS = (
    (POOLED_LABEL, "pooled_median"),
    ("  MAD", "pooled_mad"),
    ("  mean", "pooled_mean"),
    ("  SD", "pooled_sd"),
    (TRACKS_LABEL, TRACK_MEDIANS),
    (f"the mix as the estimate: {POOLED_LABEL}", "mixture_pooled_median"),
    (f"the mix as the estimate: {TRACKS_LABEL}", f"mixture_{TRACK_MEDIANS}"),
)
HEADINGS = {
    "pooled_median": "pooled median",
    "pooled_mad": "pooled MAD",
    "pooled_mean": "pooled mean",
    "pooled_sd": "pooled SD",
    TRACK_MEDIANS: "median of track medians",
}
FAMILIES = {"pooled": STATISTICS[:-1], "tracks": (TRACK_MEDIANS,), "both": STATISTICS}
EXPLANATIONS = {
    "pooled": "Pooled: over all windows of all tracks, as J-Net and Wave-U-Net print it",
    "tracks": "Median of track medians: the median over tracks of each track's median, as "
    "SiSEC and Demucs print it",
}
GAIN_ROWS = ((POOLED_LABEL, "pooled_median"), (TRACKS_LABEL, TRACK_MEDIANS))


def format_score(value: float | None, missing: str = MISSING) -> str:
    """Return a score with two decimals, as the papers print it; `missing` for None and NaN."""
    return missing if value is None or value != value else f"{value:z.2f}"  # z: no minus before 0


def format_difference(value: float | None, missing: str = MISSING) -> str:
    """Return a difference with two decimals and a sign; zero has no sign."""
    text = format_score(value, missing)
    return f"+{text}" if value is not None and round(value, 2) > 0 else text


def format_number(value: float | None, missing: str = MISSING) -> str:
    """Return a number with two decimals and a typographic minus sign, for figures and pages."""
    return format_score(value, missing).replace("-", "−")


def format_summary_rows(summary: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Return the rows of the score table, each with a label and a text per source.

    The rows are the statistics of the estimates, those of the mix as the estimate, and the
    improvement over the mix.
    """

    def gain(entry: Mapping[str, Any], key: str) -> float | None:
        estimate, mix = entry[key], entry[f"mixture_{key}"]
        return None if estimate is None or mix is None else estimate - mix

    entries = summary.values()
    scores = [
        (label, *(format_score(entry[key], "NaN") for entry in entries))
        for label, key in SCORE_ROWS
    ]
    gains = [
        (
            f"better than the mix, {label}",
            *(format_difference(gain(entry, key), "NaN") for entry in entries),
        )
        for label, key in GAIN_ROWS
    ]
    return [*scores, *gains]


def format_score_table(summary: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the table of the SDR statistics of every source and of the mix as the estimate.

    `summary` is that of `summarize`. A last line counts tracks, windows and NaN.
    """
    import pandas as pd  # imported late: it would delay the start of a training by 0.25 s

    labels, *columns = zip(*format_summary_rows(summary), strict=True)
    texts = pd.DataFrame(dict(zip(summary, columns, strict=True)), labels)
    texts.columns.name = "SDR in dB"
    first = next(iter(summary.values()))
    nan = ", ".join(f"{entry['nan_windows']} NaN for {name}" for name, entry in summary.items())
    counts = f"{count_things(first['tracks'], 'track')}, {first['windows']} windows, of which {nan}"
    return f"{texts.to_string()}\n{counts}"
