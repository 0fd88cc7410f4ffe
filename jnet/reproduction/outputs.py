"""The outputs of a target: a figure, table or ranking, made from the recorded scores."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from jnet.errors import DataError
from jnet.names import count_things
from jnet.reports.commands import write_text
from jnet.reports.documents import format_csv, format_markdown, format_markdown_table
from jnet.reports.figures.catalogue import write_figure
from jnet.reproduction.plan import Status
from jnet.reproduction.ranking import Ranked, RungScores
from jnet.reproduction.targets import FIGURES
from jnet.results.bootstrap import FEW_TRACKS, resample_means
from jnet.results.published import find_paper_table
from jnet.results.recorded import SourceResults, index_trainings, load_result
from jnet.results.result import Result
from jnet.results.windows import sum_models

VOICE = "vocals"
HEADINGS = ("rank", "variant", "mean SDR", "steps", "rank in 95 %", "better than the next")


def load_results(statuses: Iterable[Status]) -> list[Result]:
    """Load the recorded scores, labelled by row; raise `DataError` for incomplete records."""
    results = []
    for status in statuses:
        if status.scored is None or status.trained is None:
            continue
        try:
            label, trained = status.requirement.row.label, index_trainings([status.trained])
            results.append(load_result(status.scored, label, trained))
        except DataError as error:
            raise DataError(
                f"{error}: remove the record of this run, then run the same command again"
            ) from error
    return results


def write_scores(target: str, scores: Sequence[Result], out: Path) -> list[Path]:
    """Draw a figure, or write a table with the published numbers beside the recorded scores.

    Parameters
    ----------
    target : str
        The name of a figure or table.
    scores : sequence of Result
    out : Path
        The folder of the outputs.

    Returns
    -------
    list of Path
        The written files; empty without scores.
    """
    if not scores:
        return []
    if target in FIGURES:
        return write_figure(target, scores, out / target)
    from jnet.reports.paper_tables import make_paper_document

    document = make_paper_document(find_paper_table(target), SourceResults(tuple(scores)))
    texts = {f"{target}.md": format_markdown(document), f"{target}.csv": format_csv(document)}
    return write_texts(out, texts)


def score_rung(scores: Sequence[Result], steps: int) -> RungScores:
    """Return the mean SDR of the vocals of each variant of a rung, with bootstrap replicates.

    The windows of all seeds of a variant are pooled. `steps` is the number of steps per training.
    """
    names, sums = sum_models(scores, VOICE, "SDR")
    return RungScores(tuple(sums), steps, *resample_means([*sums.values()]), len(names))


def format_ranking(table: Sequence[Ranked]) -> str:
    """Return a ranking as a Markdown table."""
    import pandas as pd

    rows = []
    for line in table:
        ranks = f"{line.rank_low} to {line.rank_high} of {line.among}"
        before_next = "" if line.before_next is None else f"{line.before_next:.0%}"
        ranks = "unknown" if line.rank_low is None else ranks
        mean_sdr, steps = f"{line.mean_sdr:.2f}", str(line.steps)
        rows.append((str(line.rank), line.variant, mean_sdr, steps, ranks, before_next))
    texts = pd.DataFrame(rows, columns=HEADINGS)
    return format_markdown_table(texts.set_index(["rank", "variant"]))


def list_notes(rungs: Sequence[RungScores], seeds: Sequence[int]) -> list[str]:
    """Return notes on the data and the limits of a ranking."""
    tracks = rungs[-1].tracks
    notes = [
        f"mean SDR of {VOICE} in dB over all windows of {count_things(tracks, 'track')}; J "
        f"models of seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}",
        f"95 % intervals and shares are from {len(rungs[-1].replicates)} bootstrap replicates of "
        f"the tracks, the same for all variants; they do not include the effect of the seed",
    ]
    if tracks < FEW_TRACKS:
        notes.append(f"{tracks} tracks are few: the order may differ on other tracks")
    if len(seeds) == 1:
        notes.append("one seed: repeat with --seeds 1 2 3 to see the effect of the random weights")
    if len(rungs) > 1:
        counts = " → ".join(f"{len(scored.variants)} of {scored.steps} steps" for scored in rungs)
        notes.append(f"successive halving, {counts}: only means of equal steps are comparable")
    return notes


def write_ranking(table: Sequence[Ranked], notes: Sequence[str], out: Path) -> list[Path]:
    """Write a ranking as CSV and as Markdown.

    Parameters
    ----------
    table : sequence of Ranked
    notes : sequence of str
        Sentences below the Markdown table.
    out : Path
        The folder of the outputs.

    Returns
    -------
    list of Path
        The written files.
    """
    import pandas as pd

    text = "\n".join([format_ranking(table), "", *(f"- {note}" for note in notes), ""])
    numbers = pd.DataFrame(
        table, dtype=object
    )  # pandas would turn integers into floats beside None
    return write_texts(out, {"rank.csv": numbers.to_csv(index=False), "rank.md": text})


def write_texts(out: Path, texts: dict[str, str]) -> list[Path]:
    """Write text files into a folder, which is created if necessary, and return their paths."""
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_text(out / name, text)
    return [out / name for name in texts]
