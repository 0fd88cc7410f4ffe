"""A report as data, and its three forms: Markdown, LaTeX, CSV."""

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MISSING = "–"  # a cell without a number
DAGGER = "†"  # a model that does not stand beside the paper's


@dataclass(frozen=True)
class Grid:
    """One table: texts in lines of the head's length. The first `names` columns are words."""

    title: str
    head: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    names: int = 1


@dataclass(frozen=True)
class Document:
    """A report: its tables, notes under headings, and all its numbers as `records`, one each."""

    title: str
    intro: tuple[str, ...]
    grids: tuple[Grid, ...]
    notes: Mapping[str, Sequence[str]]
    records: tuple[Mapping[str, Any], ...]


def number(value: float | None) -> str:
    """A score with two decimals, as the papers print it; a dash for none."""
    if value is None or value != value:
        return MISSING
    return f"{round(value, 2) or 0.0:.2f}"  # no minus before a zero


def signed(value: float | None) -> str:
    """A difference with its sign."""
    return number(value) if value is None or round(value, 2) <= 0 else f"+{value:.2f}"


def markdown(document: Document) -> str:
    """GitHub's Markdown, its columns aligned so that a terminal shows them, too."""
    parts = [f"# {document.title}", *document.intro]
    for grid in document.grids:
        parts += [f"## {grid.title}", markdown_grid(grid)]
    for heading, notes in document.notes.items():
        if notes:
            parts += [f"## {heading}", "\n".join(f"- {note}" for note in notes)]
    return "\n\n".join(parts) + "\n"


def markdown_grid(grid: Grid) -> str:
    """One table of Markdown; a bar within a text is escaped."""
    rows = [[cell.replace("|", "\\|") for cell in row] for row in (grid.head, *grid.lines)]
    widths = [max(3, *map(len, column)) for column in zip(*rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if index < grid.names else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = [
        "-" * width if index < grid.names else "-" * (width - 1) + ":"
        for index, width in enumerate(widths)
    ]
    return "\n".join([line(rows[0]), line(rule), *map(line, rows[1:])])


def latex(document: Document) -> str:
    """Tables for \\input, without a package of their own; the notes are comments and items."""
    parts = [f"% {document.title}", *(f"% {text}" for text in document.intro)]
    parts += map(latex_grid, document.grids)
    for heading, notes in document.notes.items():
        if notes:
            items = "\n".join(f"  \\item {escaped(note)}" for note in notes)
            parts.append(f"{escaped(heading)}:\n\\begin{{itemize}}\n{items}\n\\end{{itemize}}")
    return "\n\n".join(parts) + "\n"


def latex_grid(grid: Grid) -> str:
    """One table float."""
    columns = "l" * grid.names + "r" * (len(grid.head) - grid.names)
    rows = [" & ".join(map(escaped, row)) + r" \\" for row in (grid.head, *grid.lines)]
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{escaped(grid.title)}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\hline",
            rows[0],
            r"\hline",
            *rows[1:],
            r"\hline",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


SPECIAL = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "−": "$-$",
    "†": r"$^\dagger$",
    "…": r"\ldots{}",
    "–": "--",
}


def escaped(text: str) -> str:
    """A text as LaTeX: its special letters, minus signs and `code`."""
    safe = "".join(SPECIAL.get(letter, letter) for letter in text)
    safe = re.sub(r"(?<![\w.-])-(?=\d)", "$-$", safe)
    return re.sub(r"`([^`]*)`", r"\\texttt{\1}", safe)


def comma_separated(document: Document) -> str:
    """One line per number, in full precision."""
    stream = io.StringIO()
    fields = list(dict.fromkeys(key for record in document.records for key in record))
    writer = csv.DictWriter(stream, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows(document.records)
    return stream.getvalue()


FORMATS: dict[str, Callable[[Document], str]] = {
    "markdown": markdown,
    "latex": latex,
    "csv": comma_separated,
}
