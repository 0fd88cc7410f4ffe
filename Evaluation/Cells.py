"""The numbers of a table: ours, a value for every run, and the paper's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from Evaluation.Documents import DAGGER, MISSING, number, signed
from Evaluation.Published import ALL, Number, PaperTable
from Evaluation.Results import Result
from Evaluation.Scores import median_over_songs_of_song_medians, pooled

FOUR = frozenset(("drums", "bass", "other", "vocals"))  # whose mean is the column `all`
SONG_MEDIANS = "median_over_songs_of_song_medians"
Values = Sequence[np.ndarray]
# Every statistic: its heading, and how it is taken from the songs' windows.
STATISTICS: dict[str, tuple[str, Callable[[Values], float]]] = {
    "pooled_median": ("pooled median", lambda values: pooled(values).median),
    "pooled_mad": ("pooled MAD", lambda values: pooled(values).mad),
    "pooled_mean": ("pooled mean", lambda values: pooled(values).mean),
    "pooled_sd": ("pooled SD", lambda values: pooled(values).sd),
    SONG_MEDIANS: ("median of song medians", median_over_songs_of_song_medians),
}
FAMILIES = {
    "pooled": tuple(name for name in STATISTICS if name != SONG_MEDIANS),
    "songs": (SONG_MEDIANS,),
    "both": tuple(STATISTICS),
}
EXPLAINED = {
    "pooled": "Pooled: over all windows of all songs, as J-Net and Wave-U-Net print it",
    "songs": "Median of song medians: the median over songs of each song's own median, as SiSEC "
    "and Demucs print it",
}


@dataclass(frozen=True)
class Line:
    """One model of a table: the runs that are averaged, and why they do not compare with the
    paper's number (`notes`, empty where they do). Without runs, there are none of the model."""

    row: str
    results: tuple[Result, ...] = ()
    notes: tuple[str, ...] = ()

    def name(self) -> str:
        """The row, marked when it does not stand beside the paper's."""
        return f"{self.row} {DAGGER}" if self.notes else self.row


@dataclass(frozen=True)
class Cell:
    """One number: ours, a value for every run, and the paper's."""

    values: tuple[float, ...]
    published: Number | None
    comparable: bool

    def ours(self) -> float | None:
        """The mean over runs; None when there is none."""
        return float(np.mean(self.values)) if self.values else None

    def deviation(self) -> float | None:
        """The standard deviation over runs (n − 1); None below two."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None

    def difference(self) -> float | None:
        """Ours less the paper's, where the two compare."""
        ours = self.ours()
        published = None if self.published is None else self.published.value
        if ours is None or published is None or not self.comparable:
            return None
        return ours - published

    def texts(self) -> tuple[str, str, str]:
        """Ours, published, difference."""
        spread, theirs = self.deviation(), self.published
        return (
            number(self.ours()) + (f" ± {number(spread)}" if spread is not None else ""),
            published_text(theirs),
            signed(self.difference()),
        )


def published_text(printed: Number | None) -> str:
    """A paper's number, with its deviation, or the word that stands for it."""
    if printed is None:
        return MISSING
    if printed.value is None:
        return printed.note
    spread = "" if printed.deviation is None else f" ± {printed.deviation:.2f}"
    return f"{printed.value:.2f}{spread}"


def statistic(result: Result, column: str, metric: str, name: str) -> float | None:
    """One statistic of one result; None for a source it does not have. `all` is the mean over
    the four sources."""
    targets = result.songs[0].targets.keys()
    if column == ALL:
        if targets != FOUR:
            return None
        return float(np.mean([statistic(result, target, metric, name) for target in FOUR]))
    if column not in targets:
        return None
    return STATISTICS[name][1]([song.targets[column][metric] for song in result.songs])


def cell(table: PaperTable, line: Line, column: str, metric: str, name: str) -> Cell:
    """One number of the table."""
    values = [statistic(result, column, metric, name) for result in line.results]
    return Cell(
        tuple(value for value in values if value is not None),
        table.numbers.get((line.row, column, metric, name)),
        comparable=not line.notes,
    )
