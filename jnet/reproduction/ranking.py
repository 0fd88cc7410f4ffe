"""Ranking variants within a budget of steps by successive halving, with bootstrap uncertainty.

The budget is divided by successive halving (Jamieson and Talwalkar 2016). Every rung has an equal
share of the budget and trains all its variants from the start for the same number of steps; the
better half enters the next rung. Variants are ranked by mean SDR over all windows. A bootstrap
over tracks shows how certain the ranks are: every replicate draws one set of tracks for all
variants and ranks the variants again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np

from jnet.errors import ConfigError
from jnet.results.bootstrap import QUANTILES

MAX_VARIANTS_WITHOUT_HALVING = 6  # maximum number of variants with a single rung
MAX_FINALISTS = 4  # maximum number of variants in the last rung after halving


@dataclass(frozen=True)
class Rung:
    """The number of variants of a rung, and the number of training steps of each."""

    variants: int
    steps: int


def plan_rungs(variants: int, budget: int) -> tuple[Rung, ...]:
    """Return the rungs for a number of variants and a budget of steps of all trainings together.

    The steps of all rungs add up to the budget, minus remainders of integer division. For eleven
    variants and 3300 steps the rungs are 11 × 100, 6 × 183 and 3 × 366 steps.
    """
    counts = [variants]
    while counts[0] > MAX_VARIANTS_WITHOUT_HALVING and counts[-1] > MAX_FINALISTS:
        counts.append((counts[-1] + 1) // 2)
    return tuple(Rung(count, budget // len(counts) // count) for count in counts)


def limit_steps(entries: Mapping[str, Any], steps: int) -> tuple[str, ...]:
    """Return the config entries for a training of `steps`, minus remainders of integer division.

    All stages are equally long and early stopping is off, so that all variants train equally long.
    Raises `ConfigError` for less than one step per stage.
    """
    stages = len(entries["batch_sizes"])
    if steps < stages:
        raise ConfigError(
            f"the budget leaves {steps} steps for a training of {stages} stages: increase "
            f"--budget, the number of steps of all trainings together"
        )
    epochs = max(1, steps // (stages * entries["epoch_steps"]))
    return (
        f"cfg.epoch_steps={steps // (stages * epochs)}",
        f"cfg.max_epochs={epochs}",
        f"cfg.patience={epochs}",
    )


@dataclass(frozen=True)
class Ranked:
    """One line of a ranking.

    Attributes
    ----------
    rank : int
    variant : str
    mean_sdr : float
        In dB, over all windows.
    steps : int
        Training steps in the variant's last rung.
    rank_low, rank_high : int or None
        The limits of the 95 % interval of its rank; None without replicates.
    among : int
        The number of variants in its last rung.
    before_next : float or None
        The fraction of replicates in which the variant is better than the next in the ranking; None
        for the last variant and without replicates.
    """

    rank: int
    variant: str
    mean_sdr: float
    steps: int
    rank_low: int | None
    rank_high: int | None
    among: int
    before_next: float | None


@dataclass(frozen=True)
class RungScores:
    """The scores of one rung.

    Attributes
    ----------
    variants : tuple of str
    steps : int
        Training steps of each variant.
    means : numpy.ndarray
        Mean SDR in dB, `[M]`.
    replicates : numpy.ndarray
        Mean SDR in dB of the bootstrap replicates, `[R, M]`.
    tracks : int
        The number of test tracks.
    """

    variants: tuple[str, ...]
    steps: int
    means: np.ndarray
    replicates: np.ndarray
    tracks: int

    def order_variants(self) -> list[str]:
        """Return the variants in descending order of their means, those without a score last."""
        means = np.where(np.isnan(self.means), -np.inf, self.means)
        return [self.variants[index] for index in np.argsort(-means, kind="stable")]

    def compare_variants(self, first: str, second: str) -> float | None:
        """Return the fraction of replicates in which `first` has the higher mean.

        A tie counts as one half. None if no replicate has means of both.
        """
        drawn = self.replicates[:, [self.variants.index(first), self.variants.index(second)]]
        drawn = drawn[np.isfinite(drawn).all(axis=1)]
        if not len(drawn):
            return None
        return float((np.sign(drawn[:, 0] - drawn[:, 1]).mean() + 1) / 2)

    def rank_interval(self, variant: str) -> tuple[int | None, int | None]:
        """Return the limits of the 95 % interval of a variant's rank, None without replicates."""
        drawn = self.replicates[np.isfinite(self.replicates).all(axis=1)]
        if not len(drawn):
            return None, None
        means = drawn[:, [self.variants.index(variant)]]
        ranks = 1 + (drawn > means).sum(axis=1)
        low, high = np.quantile(ranks, QUANTILES, method="inverted_cdf")
        return int(low), int(high)


def rank_variants(rungs: Sequence[RungScores]) -> list[Ranked]:
    """Return the ranking of all variants of the first rung.

    Variants that reached a later rung come first. Variants with the same last rung are ordered by
    their means in it. Neighbours in the ranking are compared in the last rung that has both.
    """
    last_rungs: dict[str, RungScores] = {}  # each variant's last rung, best variant first
    for scored in reversed(rungs):
        for name in scored.order_variants():
            last_rungs.setdefault(name, scored)
    table = []
    for rank, (name, worse) in enumerate(zip_longest(last_rungs, [*last_rungs][1:]), 1):
        scored = last_rungs[name]
        table.append(
            Ranked(
                rank,
                name,
                float(scored.means[scored.variants.index(name)]),
                scored.steps,
                *scored.rank_interval(name),
                len(scored.variants),
                last_rungs[worse].compare_variants(name, worse) if worse else None,
            )
        )
    return table
