"""Scores as text: what a terminal shows after an evaluation."""

from typing import Any


def score_table(summary: dict[str, dict[str, Any]]) -> str:
    """The SDR of every source, both statistics, beside taking the mix as the estimate."""
    rows = [
        ("SDR in dB", *summary),
        *((label, *(number(entry[key]) for entry in summary.values())) for label, key in ROWS),
        *(
            (f"better than the mix, {label}", *(gain(entry, key) for entry in summary.values()))
            for label, key in GAINS
        ),
    ]
    first = next(iter(summary.values()))
    counts = f"{first['songs']} songs, {first['windows']} windows, of which " + ", ".join(
        f"{entry['nan_windows']} NaN for {name}" for name, entry in summary.items()
    )
    return "\n".join([*aligned(rows), counts])


ROWS = (
    ("median over all windows", "pooled_median"),
    ("  MAD", "pooled_mad"),
    ("  mean", "pooled_mean"),
    ("  SD", "pooled_sd"),
    ("median over songs of song medians", "median_over_songs_of_song_medians"),
    ("the mix as the estimate: median over all windows", "mixture_pooled_median"),
    (
        "the mix as the estimate: median over songs of song medians",
        "mixture_median_over_songs_of_song_medians",
    ),
)
GAINS = (
    ("median over all windows", "pooled_median"),
    ("median over songs of song medians", "median_over_songs_of_song_medians"),
)


def number(value: float | None) -> str:
    """A score with two decimals, as the papers print it."""
    return "NaN" if value is None else f"{value:.2f}"


def gain(entry: dict[str, Any], key: str) -> str:
    """By how much the estimate's statistic exceeds the mixture's."""
    ours, mix = entry[key], entry[f"mixture_{key}"]
    return "NaN" if ours is None or mix is None else f"{ours - mix:+.2f}"


def aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows in columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        row[0].ljust(widths[0])
        + "".join(f"  {cell.rjust(width)}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
