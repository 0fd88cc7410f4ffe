"""A paper's table with one's own numbers beside it, and a table of any models."""

from collections.abc import Mapping, Sequence
from typing import Any

from Evaluation.Cells import FAMILIES, SONG_MEDIANS, Line
from Evaluation.Documents import DAGGER, Document
from Evaluation.PaperGrids import (
    by_column,
    by_statistic,
    command,
    explanation,
    facts,
    records,
    remarks,
    standing,
)
from Evaluation.Published import ALL, Number, PaperTable, paper_rows
from Evaluation.Records import Found
from Evaluation.Results import Result
from Evaluation.SongSets import complete, differences

TARGETS = ("vocals", "accompaniment", "drums", "bass", "other")  # in museval's order
MEDIANS = (SONG_MEDIANS, "pooled_median")  # one of each statistic


def paper_document(
    table: PaperTable, found: Found, family: str = "both", songs: int | None = None
) -> Document:
    """One paper's table with what was found. Named folders that are no row of it are added."""
    results, refused = complete(found.results, songs)
    rows = table.rows()
    rows += [
        result.label for result in results if result.run_id is None and not fills(result, rows)
    ]
    metric, columns = table.metric(), table.columns()
    lines, hidden = lines_of(list(dict.fromkeys(rows)), results, columns)
    return document(
        table, lines, columns, metric, family, results, [*found.left_out, *refused, *hidden]
    )


def models_document(
    numbers: Mapping[tuple[str, str, str, str], Number],
    found: Found,
    metric: str,
    family: str = "both",
    songs: int | None = None,
    only: Sequence[str] = (),
) -> Document:
    """All that was found as a table of its own, with the papers' `numbers` where they have any."""
    results, refused = complete(found.results, songs)
    rows = list(only) or list(dict.fromkeys(result.label for result in results))
    shown = [result for result in results if fills(result, rows)]
    columns = [name for name in TARGETS if any(name in r.songs[0].targets for r in shown)]
    columns += sorted({name for r in shown for name in r.songs[0].targets} - {*columns})
    lines, hidden = lines_of(rows, shown, None)
    table = PaperTable("models", f"{metric} of {len(rows)} models", numbers)
    return document(
        table, lines, columns, metric, family, shown, [*found.left_out, *refused, *hidden]
    )


def fills(result: Result, rows: Sequence[str]) -> bool:
    """Whether a result belongs to one of the rows."""
    return any(result.label in labels_of(row) for row in rows)


def labels_of(row: str) -> tuple[str, ...]:
    """The labels of results that are a row's scores."""
    known = paper_rows().get(row)
    return (row, known.same) if known is not None and known.same else (row,)


def lines_of(
    rows: Sequence[str], results: Sequence[Result], columns: Sequence[str] | None
) -> tuple[list[Line], list[str]]:
    """The table's lines, and what is not shown: runs that do not compare, where others do.

    Runs of one row are averaged when they have the same songs and the same notes. Without
    `columns`, a result's own targets are the table's.
    """
    lines: list[Line] = []
    hidden: list[str] = []
    for row in rows:
        groups: dict[tuple[Any, ...], list[Result]] = {}
        for result in results:
            if result.label in labels_of(row):
                notes = differences(result, columns or list(result.songs[0].targets))
                names = frozenset(song.name for song in result.songs)
                key = (notes, names, frozenset(result.songs[0].targets))
                groups.setdefault(key, []).append(result)
        comparable = any(not notes for notes, *_ in groups)
        for (notes, *_), members in groups.items():
            if notes and comparable:
                hidden += [
                    f"{origin(one)} ({row}): not shown beside runs that compare: {'; '.join(notes)}"
                    for one in members
                ]
            else:
                lines.append(Line(row, tuple(members), notes))
        if not groups:
            lines.append(Line(row))
    return lines, hidden


def origin(result: Result) -> str:
    """What a note calls a result."""
    return result.origin if result.run_id is None else f"run {result.run_id}"


def document(
    table: PaperTable,
    lines: Sequence[Line],
    columns: Sequence[str],
    metric: str,
    family: str,
    results: Sequence[Result],
    left_out: Sequence[str],
) -> Document:
    """The tables, what they stand on, and the notes."""
    names = FAMILIES[family]
    if len(names) == 1 or ALL in columns:
        ours, printed = any(line.results for line in lines), table.statistics()
        medians = [name for name in MEDIANS if name in names and (ours or name in printed)]
        grids = [by_column(table, lines, columns, metric, name) for name in medians]
    else:
        grids = [by_statistic(table, lines, column, metric, names) for column in columns]
    return Document(
        table.title,
        (
            f"{metric} in dB over windows of 1 s: ours, published, and ours less published.",
            f"{explanation(family)}.",
        ),
        (*grids, standing(lines, columns, metric)),
        {
            f"{DAGGER} Not comparable with the published numbers": list(remarks(lines)),
            "Songs and runs": list(facts(lines)),
            "Without a run": [
                f"{line.row}: {command(line.row, results)}" for line in lines if not line.results
            ],
            "Left out": list(left_out),
        },
        tuple(records(table, lines, columns, metric, names)),
    )
