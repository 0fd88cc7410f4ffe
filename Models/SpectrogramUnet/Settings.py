"""The config entries and lengths of the spectrogram U-Net (U7; Jansson et al., 2017)."""

from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import ClassVar

from Models.Entries import SHAPE, ConfigError, entry, whole
from Models.Settings import WAVEFORM_LOSSES, ModelSettings

STFT_LENGTH, STFT_HOP = 1024, 768  # in samples
LEVELS = 6  # each level halves the numbers of STFT frames and bins
KERNEL = (5, 5)


@dataclass(frozen=True)
class SpectrogramUnetSettings(ModelSettings):
    """The settings of one spectrogram U-Net per source, for mono audio."""

    num_initial_filters: int = entry(whole(at_least=1), affects=SHAPE)

    LOSSES: ClassVar = (*WAVEFORM_LOSSES, "magnitude")

    @property
    def input_samples(self) -> int:
        """The smallest length of at least `num_frames` samples that fits the encoder.

        The number of its STFT frames is a multiple of 2^6.
        """
        step = 2**LEVELS
        count = 1 + max(0, -(-(self.num_frames - STFT_LENGTH) // STFT_HOP))
        return STFT_LENGTH + STFT_HOP * (-(-count // step) * step - 1)

    output_samples = receptive_field = input_samples

    @property
    def weighted_parts(self) -> frozenset[str]:
        return frozenset(self.PARTS) - {"bottleneck", "skip"}

    @property
    def least_weights(self) -> int:
        """The number of weights in the encoder kernels, a lower bound for the model."""
        filters = [self.filters(level) for level in range(1, LEVELS + 1)]
        return len(self.sources) * sum(prod(KERNEL) * a * b for a, b in pairwise(filters))

    def filters(self, level: int) -> int:
        """Return the number of filters of a level; it doubles from level to level."""
        return self.num_initial_filters * 2 ** (level - 1)

    def check(self) -> None:
        super().check()
        if self.num_channels != 1:
            raise ConfigError(
                f"cfg.num_channels is {self.num_channels}: cfg.network = 'unet_spectrogram' needs 1"
            )
