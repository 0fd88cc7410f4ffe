"""How estimates are scored: BSS Eval v4 as SiSEC 2018 runs it."""

from dataclasses import dataclass
from typing import Any

from Spec import Checks
from Spec.Errors import ConfigError

SCORERS = ("bss_eval", "museval")


@dataclass(frozen=True)
class ScoringSpec:
    """Windows and hops are one second (Wave-U-Net paper, Section 5.1.1)."""

    scorer: str
    passes: int
    whole_song: bool
    save_estimates: bool
    num_workers: int
    window_seconds: float = 1.0
    hop_seconds: float = 1.0


def scoring_spec(entries: dict[str, Any]) -> ScoringSpec:
    """The scoring that the config's `entries` describe."""
    return ScoringSpec(
        scorer=Checks.one_of("scorer", entries["scorer"], SCORERS),
        passes=Checks.whole("passes", entries["passes"], 1),
        whole_song=whole_song("cfg.whole_song", entries["whole_song"], entries["network"]),
        save_estimates=Checks.switch("save_estimates", entries["save_estimates"]),
        num_workers=Checks.whole("num_workers", entries["num_workers"], 1),
    )


def whole_song(key: str, value: Any, network: str) -> bool:
    """`value`, when it is False, or True for the one network that has a use for it; `key` is the
    entry's whole name."""
    if not isinstance(value, bool):
        raise ConfigError(f"{key} is {value!r}: give True or False")
    if value and network != "unet":
        raise ConfigError(f"{key} is True: {network!r} goes window by window alone, leave it out")
    return value
