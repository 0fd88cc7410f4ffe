"""A report as data, and its three output formats, written by pandas: Markdown, LaTeX and CSV."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # its import takes a quarter of a second, and `Report.py -h` does not need it
    import pandas as pd


@dataclass(frozen=True)
class Document:
    """A report: tables, notes and numbers.

    Attributes
    ----------
    title : str
    intro : tuple of str
        Paragraphs before the tables.
    tables : mapping of str to pandas.DataFrame
        Formatted texts by the table's title; the index has the names of the rows.
    notes : mapping of str to sequence of str
        Lists of sentences by heading.
    numbers : pandas.DataFrame
        All numbers in full precision as one tidy table with one number per row.
    """

    title: str
    intro: tuple[str, ...]
    tables: Mapping[str, "pd.DataFrame"]
    notes: Mapping[str, Sequence[str]]
    numbers: "pd.DataFrame"


def format_markdown(document: Document) -> str:
    """Return the document as GitHub Markdown with aligned columns, also readable in a terminal."""
    parts = [f"# {' '.join(document.title.split())}", *document.intro]
    for title, table in document.tables.items():
        parts += [f"## {title}", format_markdown_table(table)]
    for heading, notes in document.notes.items():
        if notes:
            parts += [f"## {heading}", "\n".join(f"- {note}" for note in notes)]
    return "\n\n".join(parts) + "\n"


def format_markdown_table(table: "pd.DataFrame") -> str:
    """Return one table as Markdown; bars in its texts are escaped."""
    texts = escape_table(table, lambda text: " ".join(text.split("\n")).replace("|", "\\|"))
    names = table.index.nlevels
    alignment = ["left"] * names + ["right"] * len(table.columns)
    return texts.to_markdown(index=False, disable_numparse=True, colalign=alignment)


def format_latex(document: Document) -> str:
    r"""Return the document as LaTeX for \input, without any package.

    The title and introduction become LaTeX comments, the notes itemized lists.
    """
    lines = " ".join(document.title.split()), *(" ".join(text.split()) for text in document.intro)
    parts = [f"% {text}" for text in lines]
    parts += [format_latex_table(title, table) for title, table in document.tables.items()]
    for heading, notes in document.notes.items():
        if notes:
            items = "\n".join(f"  \\item {escape_latex(note)}" for note in notes)
            parts.append(f"{escape_latex(heading)}:\n\\begin{{itemize}}\n{items}\n\\end{{itemize}}")
    return "\n\n".join(parts) + "\n"


# pandas writes rules of the package booktabs by default; \hline needs no package.
LATEX_RULES = [
    {"selector": rule, "props": ":hline;"} for rule in ("toprule", "midrule", "bottomrule")
]


def format_latex_table(title: str, table: "pd.DataFrame") -> str:
    """Return one table as a LaTeX float with its title as the caption."""
    style = escape_table(table, escape_latex).style.hide(axis="index").set_table_styles(LATEX_RULES)
    columns = "l" * table.index.nlevels + "r" * len(table.columns)
    return style.to_latex(column_format=columns, caption=escape_latex(title)).rstrip()


def escape_table(table: "pd.DataFrame", escape: Callable[[str], str]) -> "pd.DataFrame":
    """Return the table with its index as columns and with all texts and headings escaped."""
    texts = table.reset_index(allow_duplicates=True)
    return texts.map(escape).rename(columns=escape)


LATEX_CHARACTERS = str.maketrans(
    {
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
)


def escape_latex(text: str) -> str:
    """Return the text with special characters, minus signs and backquoted code written in LaTeX."""
    safe = re.sub(r"(?<![\w.-])-(?=\d)", "$-$", text.translate(LATEX_CHARACTERS))
    return re.sub(r"`([^`]*)`", r"\\texttt{\1}", safe)


def format_csv(document: Document) -> str:
    """Return the numbers as CSV, one line per number, in full precision.

    A text that a spreadsheet would take for a formula gets a leading apostrophe.
    """
    return document.numbers.map(quote_formula).to_csv(index=False, lineterminator="\n")


def quote_formula(value: Any) -> Any:
    """Return a text that begins like a formula with a leading apostrophe, any other value as is."""
    return f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+-@\t\r") else value


FORMATS = {"markdown": format_markdown, "latex": format_latex, "csv": format_csv}
