"""What a target ends with: the figure, table or ranking, made of the recorded scores."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from Evaluation import Documents
from Evaluation.Correlation import means_and_replicates
from Evaluation.FigureData import common_songs, song_sums
from Evaluation.FigurePairs import figure2, figure3
from Evaluation.Figures import save
from Evaluation.PaperTables import paper_document
from Evaluation.Published import paper_table
from Evaluation.Records import Found, load_all, trainings
from Evaluation.Results import Result
from Evaluation.Tables import aligned
from Reproduction.Plan import Standing
from Reproduction.Ranking import Ranked, Round
from Spec.Errors import DataError
from Spec.Files import replaced

VOICE = "vocals"
FIGURE_MAKERS: dict[str, Callable[[Sequence[Result]], Any]] = {
    "figure2": figure2,
    "figure3": figure3,
}


def results(standings: Iterable[Standing]) -> list[Result]:
    """The recorded scores, each under its row's name; `DataError` where a record is not whole."""
    found = []
    for one in standings:
        if one.scored is None or one.trained is None:
            continue
        loaded, broken = load_all([one.scored], trainings([one.trained]))
        if broken:
            raise DataError(f"{broken[0]}: remove the run's record, and it is made again")
        found.append(replace(loaded[0], label=one.need.row.label))
    return found


def draw(target: str, scores: Sequence[Result], out: Path) -> list[Path]:
    """Draw a figure; the files."""
    return save(FIGURE_MAKERS[target](scores), out / target)


def tabulate(target: str, scores: Sequence[Result], out: Path) -> list[Path]:
    """Write a table, the papers' numbers beside one's own, as Markdown and as CSV; the files."""
    document = paper_document(paper_table(target), Found(tuple(scores)))
    out.mkdir(parents=True, exist_ok=True)
    return [
        written(out / f"{target}.{ending}", Documents.FORMATS[form](document))
        for form, ending in (("markdown", "md"), ("csv", "csv"))
    ]


def scored_round(scores: Sequence[Result], steps: int) -> Round:
    """One rung's mean SDR of the vocals, all seeds of a variant together, and its replicates."""
    labels = tuple(dict.fromkeys(result.label for result in scores))
    names = common_songs(scores)
    own = [[result for result in scores if result.label == label] for label in labels]
    means, drawn = means_and_replicates([song_sums(one, names, VOICE, "SDR") for one in own])
    return Round(labels, steps, means, drawn, len(names))


HEADINGS = ("rank", "variant", "mean SDR", "steps", "rank in 95 %", "better than the next")


def ranking_rows(table: Sequence[Ranked]) -> list[tuple[str, ...]]:
    """A ranking as text, row by row."""
    return [
        (
            str(one.rank),
            one.label,
            f"{one.mean:.2f}",
            str(one.steps),
            "not known" if one.low is None else f"{one.low} to {one.high} of {one.among}",
            "" if one.before_next is None else f"{one.before_next:.0%}",
        )
        for one in table
    ]


def ranking_text(table: Sequence[Ranked]) -> str:
    """A ranking for a terminal."""
    cells = [(row[1], row[0], *row[2:]) for row in (HEADINGS, *ranking_rows(table))]
    return "\n".join(aligned(cells))


def ranking_notes(rounds: Sequence[Round], seeds: Sequence[int]) -> list[str]:
    """What a ranking stands on, and how far it goes."""
    songs = rounds[-1].songs
    notes = [
        f"mean SDR of {VOICE} in dB over all windows of {songs} songs; J models of "
        f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}",
        f"95 % and shares are of {len(rounds[-1].drawn)} draws of the songs with replacement, the "
        f"same for all variants; they say nothing of what another seed would change",
    ]
    if songs < FEW_SONGS:
        notes.append(f"{songs} songs are few: other songs may well give another order")
    if len(seeds) == 1:
        notes.append("one seed: how much the random weights matter shows with --seeds 1 2 3")
    if len(rounds) > 1:
        counts = " → ".join(f"{len(one.labels)} of {one.steps} steps" for one in rounds)
        notes.append(f"successive halving, {counts}: means of different steps do not compare")
    return notes


FEW_SONGS = 10


def write_ranking(table: Sequence[Ranked], notes: Sequence[str], out: Path) -> list[Path]:
    """Write a ranking as CSV and as Markdown; the files."""
    markdown = [
        f"| {' | '.join(HEADINGS)} |",
        "| ---: | --- | ---: | ---: | ---: | ---: |",
        *(f"| {' | '.join(row)} |" for row in ranking_rows(table)),
        "",
        *(f"- {note}" for note in notes),
    ]
    lines = [
        (one.rank, one.label, one.mean, one.steps, one.low, one.high, one.among, one.before_next)
        for one in table
    ]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *lines])
    out.mkdir(parents=True, exist_ok=True)
    return [
        written(out / "rank.csv", text.getvalue()),
        written(out / "rank.md", "\n".join(markdown) + "\n"),
    ]


COLUMNS = ("rank", "variant", "mean_sdr", "steps", "rank_low", "rank_high", "among", "before_next")


def written(path: Path, text: str) -> Path:
    """Write a text, whole or not at all."""
    with replaced(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path
