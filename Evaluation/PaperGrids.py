"""The tables of a report, line by line: scores beside the papers', and what they stand on."""

from collections.abc import Iterator, Sequence
from typing import Any

from Evaluation.Cells import EXPLAINED, STATISTICS, Cell, Line, cell
from Evaluation.Documents import MISSING, Grid
from Evaluation.Published import ALL, PaperTable, paper_rows
from Evaluation.Results import Result
from Evaluation.SongSets import set_said, window_count

SHORT_COMMIT = 7  # letters of a commit that name it


def explanation(family: str) -> str:
    """The statistics in words."""
    return ". ".join(text for name, text in EXPLAINED.items() if family in (name, "both"))


def by_statistic(
    table: PaperTable,
    lines: Sequence[Line],
    column: str,
    metric: str,
    names: Sequence[str],
) -> Grid:
    """One source: a line per model, the statistics side by side."""
    cells = [[cell(table, line, column, metric, name) for name in names] for line in lines]
    return grid(f"{column}: {metric} in dB", [STATISTICS[name][0] for name in names], lines, cells)


def by_column(
    table: PaperTable,
    lines: Sequence[Line],
    columns: Sequence[str],
    metric: str,
    name: str,
) -> Grid:
    """One statistic: a line per model, the sources side by side."""
    cells = [[cell(table, line, column, metric, name) for column in columns] for line in lines]
    return grid(f"{metric} in dB, {STATISTICS[name][0]}", columns, lines, cells)


def grid(
    title: str, headings: Sequence[str], lines: Sequence[Line], cells: Sequence[Sequence[Cell]]
) -> Grid:
    """Ours under each heading; published and difference beside it where the paper has numbers."""
    printed = [any(row[index].published for row in cells) for index in range(len(headings))]
    head = ["model"]
    for heading, beside in zip(headings, printed, strict=True):
        head += [heading, "published", "difference"] if beside else [heading]
    rows = []
    for line, row in zip(lines, cells, strict=True):
        texts = [line.name()]
        for one, beside in zip(row, printed, strict=True):
            texts += one.texts() if beside else one.texts()[:1]
        rows.append(tuple(texts))
    return Grid(title, tuple(head), tuple(rows))


def standing(lines: Sequence[Line], columns: Sequence[str], metric: str) -> Grid:
    """What the numbers stand on: songs, windows, runs."""
    sources = [column for column in columns if column != ALL]
    nan = [f"NaN {source}" for source in sources]
    head = ("model", "run", "commit", "seed", "songs", "windows", *nan)
    rows = []
    for line in lines:
        if not line.results:
            rows.append((line.name(), "no run", *[MISSING] * (len(head) - 2)))
            continue
        runs = line.results
        rows.append(
            (
                line.name(),
                each([result.run_id or result.origin for result in runs]),
                each([short(result.commit) for result in runs]),
                each([str(MISSING if result.seed is None else result.seed) for result in runs]),
                each([str(len(result.songs)) for result in runs]),
                each([str(windows(result)) for result in runs]),
                *(each([nan_text(result, one, metric) for result in runs]) for one in sources),
            )
        )
    return Grid("What the numbers stand on", head, tuple(rows), names=3)


def each(texts: Sequence[str]) -> str:
    """One text per run; once where all runs have the same."""
    return texts[0] if len(set(texts)) == 1 else ", ".join(texts)


def short(commit: str | None) -> str:
    """A commit as people write it."""
    if commit is None:
        return MISSING
    name, dash, dirty = commit.partition("-")
    return name[:SHORT_COMMIT] + dash + dirty


def windows(result: Result) -> int:
    """All windows of all songs."""
    return sum(map(window_count, result.songs))


def nan_windows(result: Result, source: str, metric: str) -> int | None:
    """Windows of a source without a number; None for a source that is not scored."""
    if source not in result.songs[0].targets:
        return None
    return sum(
        int((song.targets[source][metric] != song.targets[source][metric]).sum())
        for song in result.songs
    )


def nan_text(result: Result, source: str, metric: str) -> str:
    """The same as text."""
    count = nan_windows(result, source, metric)
    return MISSING if count is None else str(count)


def infinities(result: Result) -> int:
    """Scores that were stated as infinite."""
    return sum(song.infinities for song in result.songs)


def remarks(lines: Sequence[Line]) -> Iterator[str]:
    """Why marked models do not compare."""
    for line in lines:
        if line.notes:
            yield f"{line.row}: {'; '.join(line.notes)}"


def facts(lines: Sequence[Line]) -> Iterator[str]:
    """What a reader should know about how the numbers came about."""
    results = [result for line in lines for result in line.results]
    for said in dict.fromkeys(map(set_said, results)):
        names = [line.row for line in lines if said in map(set_said, line.results)]
        yield f"{', '.join(dict.fromkeys(names))}: {said}"
    for result in results:
        if infinities(result):
            yield (
                f"{result.label}: {infinities(result)} scores in {result.origin} are infinite and "
                f"count as NaN"
            )
    if any(len(line.results) > 1 for line in lines):
        yield "± in ours: the standard deviation over runs (n − 1), behind their mean"


def command(row: str, results: Sequence[Result]) -> str:
    """What makes a row that has no run; with the weights' path where they are trained already."""
    known = paper_rows().get(row)
    if known is None:
        return "no result of this name was found"
    if known.same is not None:
        return command(known.same, results)
    trained = [
        result.weights_path
        for result in results
        if known.trained is not None
        and result.label in (known.trained, f"{known.trained}_1")
        and result.weights_path
        and not result.notes
    ]
    return known.command(*trained[-1:])


def records(
    table: PaperTable,
    lines: Sequence[Line],
    columns: Sequence[str],
    metric: str,
    names: Sequence[str],
) -> Iterator[dict[str, Any]]:
    """Every number of the table, one line each, for CSV."""
    for line in lines:
        for column in columns:
            for name in names:
                one = cell(table, line, column, metric, name)
                printed = one.published
                runs = line.results
                yield {
                    "table": table.command,
                    "model": line.row,
                    "source": column,
                    "metric": metric,
                    "statistic": name,
                    "ours": one.ours(),
                    "deviation": one.deviation(),
                    "published": printed and printed.value,
                    "published_deviation": printed and printed.deviation,
                    "difference": one.difference(),
                    "runs": len(runs),
                    "seeds": listed([result.seed for result in runs]),
                    "songs": listed([len(result.songs) for result in runs]),
                    "windows": listed([windows(result) for result in runs]),
                    "nan_windows": listed([nan_windows(one, column, metric) for one in runs]),
                    "infinities": listed([infinities(result) for result in runs]),
                    "run_ids": listed([result.run_id for result in runs]),
                    "commits": listed([result.commit for result in runs]),
                    "origins": listed([result.origin for result in runs]),
                    "not_comparable": "; ".join(line.notes),
                }


def listed(values: Sequence[Any]) -> str:
    """The values of all runs in one field; nothing where no run has one."""
    if all(value is None for value in values):
        return ""
    return "; ".join("" if value is None else str(value) for value in values)
