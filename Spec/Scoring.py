"""How estimates are scored: BSS Eval v4 as SiSEC 2018 runs it."""

from dataclasses import dataclass
from typing import Any

from Spec import Checks

SCORERS = ("bss_eval", "museval")


@dataclass(frozen=True)
class ScoringSpec:
    """Windows and hops are one second (Wave-U-Net paper, Section 5.1.1)."""

    scorer: str
    passes: int
    save_estimates: bool
    num_workers: int
    window_seconds: float = 1.0
    hop_seconds: float = 1.0


def scoring_spec(entries: dict[str, Any]) -> ScoringSpec:
    """The scoring that the config's `entries` describe."""
    return ScoringSpec(
        scorer=Checks.one_of("scorer", entries["scorer"], SCORERS),
        passes=Checks.whole("passes", entries["passes"], 1),
        save_estimates=Checks.switch("save_estimates", entries["save_estimates"]),
        num_workers=Checks.whole("num_workers", entries["num_workers"], 1),
    )
