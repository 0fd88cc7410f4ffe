"""The listening page's tables: the scores of all songs, and the songs with a link to each."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from Evaluation.PagePictures import clock, shown
from Evaluation.Tables import GAINS, ROWS, gain, number


def score_rows(scores: Mapping[str, Mapping[str, Any]]) -> str:
    """The summary of all songs as a table, with the statistics and words of the printed one."""
    if not scores:
        return "<p>There are no scores.</p>"
    rows = [(label, [number(entry[key]) for entry in scores.values()]) for label, key in ROWS] + [
        (f"better than the mix, {label}", [gain(dict(entry), key) for entry in scores.values()])
        for label, key in GAINS
    ]
    counted = (("windows", "windows"), ("of them without a score", "nan_windows"))
    rows += [(label, [str(entry[key]) for entry in scores.values()]) for label, key in counted]
    cells = [[shown(label).replace("  ", "&emsp;"), *map(signed, row)] for label, row in rows]
    return table(["SDR in dB", *scores], cells)


def signed(cell: str) -> str:
    """A number with a true minus."""
    return cell.replace("-", "−")


def index_row(
    name: str, place: int, seconds: float, sdr: Mapping[str, np.ndarray]
) -> tuple[dict[str, str], list[str]]:
    """A song's line in the table of songs: its median by source, and its cells before those."""
    medians = {}
    for source, row in sdr.items():
        kept = row[np.isfinite(row)]
        medians[source] = signed(number(float(np.median(kept)) if len(kept) else None))
    link = f'<a href="#song-{place}">{shown(name)}</a>'
    return medians, [link, clock(seconds)]


def index_table(rows: list[tuple[dict[str, str], list[str]]]) -> str:
    """The songs, with a link to each, its length, and its median SDR by source."""
    sources = list(dict.fromkeys(source for medians, _ in rows for source in medians))
    heads = ["song", "length", *(f"{source}, median SDR" for source in sources)]
    cells = [[*first, *(medians.get(source, "") for source in sources)] for medians, first in rows]
    return table(heads, cells)


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A table of text heads and HTML cells, of which the first of a row names it."""
    top = "".join(f'<th scope="col">{shown(head)}</th>' for head in heads)
    body = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for name, *cells in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
