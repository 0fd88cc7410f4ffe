"""The order of variants by mean SDR over all windows, and how far it can be trusted.

What a test set draws is songs: every replicate of the bootstrap draws songs once for all variants
and ranks them anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LOW, HIGH = 0.025, 0.975  # the middle 95 % of the replicates


@dataclass(frozen=True)
class Ranked:
    """One variant in its place. `mean` is in dB; `low` and `high` are the ranks it has in 95 % of
    the replicates, among the `among` variants of its last rung; `before_next` is the share of
    replicates in which it is better than the next. None where there is nothing to compute from.
    """

    label: str
    mean: float
    steps: int
    rank: int
    among: int
    low: int | None
    high: int | None
    before_next: float | None


@dataclass(frozen=True)
class Round:
    """The scores of one rung: means `[M]`, and those of every draw of its `songs` `[R, M]`."""

    labels: tuple[str, ...]
    steps: int
    means: np.ndarray
    drawn: np.ndarray
    songs: int

    def order(self) -> list[str]:
        """The labels, best first; those without a score last."""
        means = np.where(np.isnan(self.means), -np.inf, self.means)
        return [self.labels[index] for index in np.argsort(-means, kind="stable")]

    def better(self, one: str, other: str) -> float | None:
        """The share of draws in which `one` has the higher mean, a tie counting half."""
        drawn = self.drawn[:, [self.labels.index(one), self.labels.index(other)]]
        drawn = drawn[np.isfinite(drawn).all(axis=1)]
        if not len(drawn):
            return None
        return float((np.sign(drawn[:, 0] - drawn[:, 1]).mean() + 1) / 2)

    def rank_interval(self, label: str) -> tuple[int, int] | None:
        """Between which ranks a variant lies in the middle 95 % of the draws."""
        drawn = self.drawn[np.isfinite(self.drawn).all(axis=1)]
        if not len(drawn):
            return None
        own = drawn[:, [self.labels.index(label)]]
        ranks = 1 + (drawn > own).sum(axis=1)
        low, high = np.quantile(ranks, (LOW, HIGH), method="inverted_cdf")
        return int(low), int(high)


def ranking(rounds: Sequence[Round]) -> list[Ranked]:
    """All variants of the first rung in order: those that went further before those that did not,
    each group by its last rung's means. Neighbours are compared in the last rung both were in."""
    places: list[tuple[str, Round]] = []
    for index, one in enumerate(rounds):
        further = set(rounds[index + 1].labels) if index + 1 < len(rounds) else set()
        places[:0] = [(label, one) for label in one.order() if label not in further]
    table = []
    for index, (label, one) in enumerate(places):
        low, high = one.rank_interval(label) or (None, None)
        after = places[index + 1] if index + 1 < len(places) else None
        together = one if after is None or after[0] in one.labels else after[1]
        table.append(
            Ranked(
                label,
                float(one.means[one.labels.index(label)]),
                one.steps,
                index + 1,
                len(one.labels),
                low,
                high,
                None if after is None else together.better(label, after[0]),
            )
        )
    return table


def survivors(one: Round, count: int) -> list[str]:
    """The `count` best of a rung, in the order they were given."""
    kept = set(one.order()[:count])
    return [label for label in one.labels if label in kept]
