"""The settings of augmentation: random changes of the training excerpts."""

from dataclasses import dataclass
from typing import Any

from jnet.errors import ConfigError
from Models.Entries import WEIGHTS, entry, list_of, not_negative, switch, whole


def check_gains(key: str, value: Any) -> tuple[float, ...]:
    """Return the range of gains; raise `ConfigError` unless it is [low, high] with low ≤ high."""
    gains = list_of(not_negative)(key, value)
    if len(gains) != 2 or gains[0] > gains[1]:
        raise ConfigError(f"{key} is {value!r}: give two numbers, the lower one first")
    return gains


@dataclass(frozen=True)
class AugmentationSettings:
    """The random changes of the sources of training excerpts, before they are added to mixes.

    The defaults are those of the Wave-U-Net (its paper, Section 4.1): gains only.
    """

    gains: tuple[float, ...] = entry(check_gains, affects=WEIGHTS, absent=[0.7, 1.0])
    flip_sign: bool = entry(switch, affects=WEIGHTS, absent=False)
    swap_channels: bool = entry(switch, affects=WEIGHTS, absent=False)
    shift_seconds: float = entry(not_negative, affects=WEIGHTS, absent=0.0)
    remix_group: int = entry(whole(at_least=1), affects=WEIGHTS, absent=1)

    @property
    def changes_sources(self) -> bool:
        """Whether anything but the gains is changed."""
        moves = self.shift_seconds > 0 or self.remix_group > 1
        return self.flip_sign or self.swap_channels or moves

    def shift_samples(self, sample_rate: int) -> int:
        """Return the maximum time shift of a source, in samples."""
        return round(self.shift_seconds * sample_rate)
