"""The config entries and lengths of Demucs (its ICLR 2020 submission, Section 3)."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import ClassVar

from Models.Entries import (
    SHAPE,
    WEIGHTS,
    ConfigError,
    Use,
    entry,
    number_from,
    odd,
    one_of,
    optional,
    positive,
    switch,
    whole,
)
from Models.Settings import MAX_LAYERS, MAX_SAMPLES, ModelSettings

REWRITES = ("all", "decoder", "none")
REWRITING = Use("rewrite", lambda rewrite: rewrite != "none", "cfg.rewrite other than none")


@dataclass(frozen=True)
class DemucsSettings(ModelSettings):
    """The settings of a Demucs; level 1 is the shallowest."""

    num_layers: int = entry(whole(at_least=1, at_most=MAX_LAYERS), affects=SHAPE)
    num_initial_filters: int = entry(whole(at_least=1), affects=SHAPE)
    growth: float = entry(number_from(1, 4), affects=SHAPE)
    kernel_size: int = entry(whole(at_least=1), affects=SHAPE)
    stride: int = entry(whole(at_least=1), affects=SHAPE)
    rewrite: str = entry(one_of(REWRITES), affects=SHAPE)
    decoder_context: int = entry(odd, affects=SHAPE, use=REWRITING)
    glu: bool = entry(switch, affects=SHAPE)
    lstm_layers: int = entry(whole(at_least=0, at_most=MAX_LAYERS), affects=SHAPE)
    resample: int = entry(whole(at_least=1, at_most=2), affects=SHAPE)
    normalize: bool = entry(switch, affects=SHAPE)
    rescale: float | None = entry(optional(positive), affects=WEIGHTS)

    PARTS: ClassVar = ("encoder", "lstm", "decoder")

    @property
    def normalizes_tracks(self) -> bool:
        return self.normalize

    @property
    def filters(self) -> tuple[int, ...]:
        """The number of channels of every level; it grows from level to level and is truncated."""
        filters = [self.num_initial_filters]
        for _ in range(self.num_layers - 1):
            filters.append(int(self.growth * filters[-1]))
        return tuple(filters)

    @property
    def decoder_taps(self) -> int:
        """The number of taps of the convolution before the gates of a decoder level."""
        return 1 if self.rewrite == "none" else self.decoder_context

    @property
    def lstm_samples(self) -> int:
        """The smallest number of samples of the deepest level for the requested output."""
        samples = self.num_frames * self.resample
        for _ in range(self.num_layers):
            samples = max(1, -(-(samples - self.kernel_size) // self.stride) + 1)
            samples += self.decoder_taps - 1
        return samples

    @cached_property
    def input_samples(self) -> int:
        """The smallest number of samples for which the output has `num_frames`.

        No strided convolution has an incomplete last window.
        """
        samples = self.lstm_samples
        for _ in range(self.num_layers):
            samples = transposed_samples(samples, self)
        return -(-samples // self.resample)

    @cached_property
    def output_samples(self) -> int:
        samples = self.input_samples * self.resample
        for _ in range(self.num_layers):
            samples = strided_samples(samples, self)
        for _ in range(self.num_layers):
            samples = transposed_samples(samples - self.decoder_taps + 1, self)
        return samples // self.resample

    @property
    def receptive_field(self) -> int:
        """The number of input samples that one output sample depends on.

        With an LSTM it is the complete segment.
        """
        if self.lstm_layers:
            return self.input_samples
        first = last = 0  # of an output sample: the span in samples of the current level
        for _ in range(self.num_layers):
            # Of the transposed convolution, then of the convolution before it.
            first, last = -(-(first - self.kernel_size + 1) // self.stride), last // self.stride
            last += self.decoder_taps - 1
        for _ in range(self.num_layers):
            first, last = first * self.stride, last * self.stride + self.kernel_size - 1
        return last - first + 1

    @property
    def weighted_parts(self) -> frozenset[str]:
        return frozenset(self.PARTS) - (set() if self.lstm_layers else {"lstm"})

    @property
    def least_weights(self) -> int:
        """The number of weights in the kernels that connect levels, and in the LSTM.

        It is a lower bound for the model.
        """
        between = sum(a * b for a, b in pairwise(self.filters))
        return 2 * self.kernel_size * between + 8 * self.lstm_layers * self.filters[-1] ** 2

    def check(self) -> None:
        super().check()
        if self.kernel_size < self.stride:
            raise ConfigError(
                f"cfg.kernel_size is {self.kernel_size} and cfg.stride {self.stride}: samples "
                f"between two windows would not be used, give at most {self.kernel_size} for the "
                f"stride"
            )
        if self.input_samples > MAX_SAMPLES:
            raise ConfigError(
                f"a segment has {self.input_samples} samples, the limit is {MAX_SAMPLES}: give a "
                f"smaller cfg.num_layers, cfg.stride or cfg.num_frames"
            )


def strided_samples(samples: int, settings: DemucsSettings) -> int:
    """Return the number of samples after an unpadded convolution with stride."""
    return (samples - settings.kernel_size) // settings.stride + 1


def transposed_samples(samples: int, settings: DemucsSettings) -> int:
    """Return the number of samples after an unpadded transposed convolution with stride."""
    return (samples - 1) * settings.stride + settings.kernel_size
