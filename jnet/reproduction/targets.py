"""The rows and points of the papers' tables and figures, and the named configs behind them."""

from dataclasses import dataclass

from jnet.errors import ConfigError, suggest_nearest
from jnet.reports.correlation import VARIANTS
from jnet.reports.figures.catalogue import SOURCES_OF_PAIRS
from jnet.results.published import find_paper_table, read_paper_rows

FIGURES = tuple(SOURCES_OF_PAIRS)
TABLES = (
    *("table1", "table2", "table3", "waveunet_table2", "waveunet_table3"),
    *("demucs_table1", "demucs_ablations"),
)
RANK = "rank"
TARGETS = (*FIGURES, *TABLES, RANK)
# Config entries that each row sets; the command line may not set them.
ROW_ENTRIES = ("cfg.passes",)
# Config entries that depend on the budget of a ranking; variants may not set them.
BUDGET_ENTRIES = ("cfg.epoch_steps", "cfg.max_epochs", "cfg.patience", "cfg.batch_sizes")


@dataclass(frozen=True)
class Row:
    """A row of a table or a point of a figure.

    Attributes
    ----------
    label : str
    trained_as, scored_as : str
        The named configs to train and to evaluate. They differ if one training serves several rows:
        U4_1, U4_2 and U4_3 are U4 with one, two and three passes.
    words : tuple of str
        Config entries that the user adds to a variant.
    """

    label: str
    trained_as: str
    scored_as: str
    words: tuple[str, ...] = ()

    @property
    def training_name(self) -> str:
        """The name of the row's training, equal for rows that share a training."""
        return "+".join([self.trained_as, *self.words])


def make_row(label: str, words: tuple[str, ...] = ()) -> Row | None:
    """Return the papers' row of that name; None for a model that this code does not implement."""
    paper_row = read_paper_rows()[label]
    if paper_row.config is None:
        return None
    return Row(
        "+".join([label, *words]), paper_row.trained or paper_row.config, paper_row.config, words
    )


def list_rows(target: str) -> tuple[Row, ...]:
    """Return the rows of a table or figure; of rows with the same scores only one is returned."""
    if target in FIGURES:
        labels = [f"{letter}{variant}" for variant in VARIANTS for letter in "UJ"]
    else:
        labels = [
            read_paper_rows()[name].same or name for name in find_paper_table(target).list_rows()
        ]
    return tuple(row for label in dict.fromkeys(labels) if (row := make_row(label)) is not None)


def make_variant_row(variant: str) -> Row:
    """Return the row of a variant's J model.

    `variant` is a name such as `U3_5` or `J3_5`, followed by any number of config entries to set on
    top of the named config, as in `U1+cfg.filter_size=9`. Raises `ConfigError` for other variants.
    """
    name, *words = variant.split("+")
    if name[:1] not in ("U", "J") or name[1:] not in VARIANTS:
        hint = suggest_nearest(name, [f"U{suffix}" for suffix in VARIANTS])
        raise ConfigError(f"{name} is not a variant with a J model: {hint}")
    for word in words:
        if not word.startswith("cfg.") or "=" not in word:
            raise ConfigError(
                f"{variant}: {word!r} is not a config entry, for example cfg.filter_size=9"
            )
        if word.partition("=")[0] in (*ROW_ENTRIES, *BUDGET_ENTRIES):
            raise ConfigError(f"{variant}: a variant cannot set {word}: remove it")
    row = make_row(f"J{name[1:]}", tuple(words))
    assert row is not None, "every J is a model of this code"
    return row
