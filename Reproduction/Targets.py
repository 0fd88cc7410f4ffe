"""What every table and figure of the papers needs, as data: rows, and the configs behind them."""

from dataclasses import dataclass

from Evaluation.Correlation import VARIANTS
from Evaluation.Published import paper_rows, paper_table
from Spec.Errors import ConfigError, nearest

FIGURES = ("figure2", "figure3")
TABLES = ("table1", "table2", "table3", "waveunet_table2", "waveunet_table3")
RANK = "rank"
TARGETS = (*FIGURES, *TABLES, RANK)
# What a row itself says, and no override may.
ENTRIES_OF_ROWS = ("cfg.passes",)
# What the budget of a ranking says, and no variant may.
ENTRIES_OF_BUDGET = ("cfg.epoch_steps", "cfg.max_epochs", "cfg.patience", "cfg.batch_sizes")


@dataclass(frozen=True)
class Row:
    """One row or point: the config it is trained with, and the one it is scored with.

    They differ where one training serves several rows: U4_1, U4_2 and U4_3 are U4 after one, two
    and three passes. `words` are further entries, of a variant of one's own.
    """

    label: str
    trained_as: str
    scored_as: str
    words: tuple[str, ...] = ()


def row(label: str, words: tuple[str, ...] = ()) -> Row | None:
    """The papers' row of that name; None for a row that is no model of this code."""
    stated = paper_rows()[label]
    if stated.config is None:
        return None
    return Row("+".join([label, *words]), stated.trained or stated.config, stated.config, words)


def rows(target: str) -> tuple[Row, ...]:
    """What a table or figure needs, each score once."""
    if target in FIGURES:
        labels = [f"{letter}{variant}" for variant in VARIANTS for letter in "UJ"]
    else:
        labels = [name for name in paper_table(target).rows() if paper_rows()[name].same is None]
        labels += [
            same
            for name in paper_table(target).rows()
            if (same := paper_rows()[name].same) is not None and same not in labels
        ]
    return tuple(found for label in labels if (found := row(label)) is not None)


def variant_row(variant: str) -> Row:
    """The J model that stands in for a variant: `U3_5` or `J3_5`, or `U1+cfg.filter_size=9`.

    What follows a plus is an entry set on top of the named config.
    """
    name, *words = variant.split("+")
    if name[:1] not in ("U", "J") or name[1:] not in VARIANTS:
        hint = nearest(name, [f"U{known}" for known in VARIANTS])
        raise ConfigError(f"{name} is no variant that has a J model: {hint}")
    for word in words:
        if not word.startswith("cfg.") or "=" not in word:
            raise ConfigError(f"{variant}: {word!r} is not an entry, such as cfg.filter_size=9")
        if word.partition("=")[0] in (*ENTRIES_OF_ROWS, *ENTRIES_OF_BUDGET):
            raise ConfigError(f"{variant}: {word} is not a variant's to say: all train alike")
    found = row(f"J{name[1:]}", tuple(words))
    assert found is not None, "every J is a model of this code"
    return found
