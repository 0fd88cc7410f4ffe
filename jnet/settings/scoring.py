"""The settings of scoring: BSS Eval v4, as in SiSEC 2018."""

from dataclasses import dataclass

from Models.Entries import NOTHING, SCORES, SPEED, entry, one_of, switch, whole

SCORERS = ("bss_eval", "museval")  # both return the same scores


@dataclass(frozen=True)
class ScoringSettings:
    """The settings of scoring; windows and hops are 1 s (Wave-U-Net paper, Section 5.1.1)."""

    scorer: str = entry(one_of(SCORERS), affects=SPEED)
    passes: int = entry(whole(at_least=1), affects=SCORES)
    whole_track: bool = entry(switch, affects=SCORES)
    save_estimates: bool = entry(switch, affects=NOTHING)
    window_seconds: float = 1.0
    hop_seconds: float = 1.0
