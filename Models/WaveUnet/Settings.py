"""The config entries and lengths of the Wave-U-Net (Wave-U-Net paper, Table 1 and Section 3).

In *same* mode a segment has as many output samples as input samples. In *context* mode
convolutions are not padded and upsampling adds midpoints only between neighbours, so a segment
has more input than output samples. Its lengths follow from the number of features at the
bottleneck (Section 3.2.2). Each length is a pure function of integers.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar

from Models.Entries import SHAPE, ConfigError, Use, entry, list_of, odd, one_of, switch, whole
from Models.Settings import MAX_LAYERS, ModelSettings

UPSAMPLINGS = ("linear", "learned")
OUTPUT_TYPES = ("difference", "direct")
RES_PATHS = Use("res_path_units", bool, "cfg.res_path_units")
LEVEL_ENTRIES = ("skip_levels", "res_path_levels", "multires_levels")


def check_levels(key: str, value: Any) -> str | tuple:
    """Return a checked choice of levels: 'all', 'none', 'firstN', 'lastN' or a list of levels.

    The number of levels is not known here; `resolve_levels` checks that the levels exist. Raises
    `ConfigError` for other values.
    """
    if isinstance(value, str):
        if not re.fullmatch(r"all|none|(first|last)0*[1-9]\d*", value):
            raise ConfigError(
                f"{key} is {value!r}: choose 'all', 'none', 'firstN' or 'lastN' with N of at "
                f"least 1, or a list of levels"
            )
        return value
    return list_of(lambda _, level: level)(key, value)  # `resolve_levels` checks the levels


def resolve_levels(key: str, chosen: str | tuple, num_layers: int) -> tuple[int, ...]:
    """Return the levels of a checked choice, in ascending order.

    Parameters
    ----------
    key : str
        The full name of the entry, for error messages.
    chosen : str or tuple
        A value from `check_levels`. 'firstN' are the N shallowest and 'lastN' the N deepest levels,
        or all levels if there are fewer than N.
    num_layers : int
        The number of levels.

    Returns
    -------
    tuple of int
        The levels; 1 is the shallowest.

    Raises
    ------
    ConfigError
        If a list contains anything but levels of the model.
    """
    all_levels = tuple(range(1, num_layers + 1))
    if isinstance(chosen, str):
        if chosen in ("all", "none"):
            return all_levels if chosen == "all" else ()
        count = int(chosen.removeprefix("first").removeprefix("last"))
        return all_levels[:count] if chosen.startswith("first") else all_levels[-count:]
    return tuple(sorted(set(list_of(whole(1, num_layers))(f"a level of {key}", chosen))))


@dataclass(frozen=True)
class WaveUnetSettings(ModelSettings):
    """The settings of a Wave-U-Net or J-Net; level 1 is the shallowest."""

    num_layers: int = entry(whole(at_least=1, at_most=MAX_LAYERS), affects=SHAPE)
    num_initial_filters: int = entry(whole(at_least=1), affects=SHAPE)
    filter_size: int = entry(odd, affects=SHAPE)
    merge_filter_size: int = entry(odd, affects=SHAPE)
    context: bool = entry(switch, affects=SHAPE)
    upsampling: str = entry(one_of(UPSAMPLINGS), affects=SHAPE)
    output_type: str = entry(one_of(OUTPUT_TYPES), affects=SHAPE)
    skip_levels: tuple[int, ...] = entry(check_levels, affects=SHAPE)
    res_path_units: int = entry(whole(at_least=0), affects=SHAPE)
    res_path_levels: tuple[int, ...] = entry(check_levels, affects=SHAPE, use=RES_PATHS)
    multires_levels: tuple[int, ...] = entry(check_levels, affects=SHAPE)

    ANY_LENGTH: ClassVar = True

    def __post_init__(self):
        for name in LEVEL_ENTRIES:
            resolved = resolve_levels(f"cfg.{name}", getattr(self, name), self.num_layers)
            if name == "res_path_levels" and not self.res_path_units:
                resolved = ()
            object.__setattr__(self, name, resolved)  # the dataclass is frozen

    def filters(self, level: int) -> int:
        """Return the number of channels of a level: `level` times as many as at level 1."""
        return self.num_initial_filters * level

    def block(self, level: int) -> str:
        """Return the block of encoder and decoder at a level: 'convolution' or 'multires'."""
        return "multires" if level in self.multires_levels else "convolution"

    def skip(self, level: int) -> str:
        """Return the skip at a level: 'none', 'direct' or 'res_path'."""
        if level not in self.skip_levels:
            return "none"
        return "res_path" if level in self.res_path_levels else "direct"

    @cached_property
    def input_samples(self) -> int:
        if not self.context:
            return self.num_frames
        samples = bottleneck_samples(self) + self.filter_size - 1
        for level in range(self.num_layers, 0, -1):
            # The shortest signal whose decimation has this length: it ends with a kept sample.
            samples = upsampled_samples(samples) + removed_samples(self, level, self.filter_size)
        return samples

    @cached_property
    def output_samples(self) -> int:
        if not self.context:
            return self.num_frames
        samples = bottleneck_samples(self)
        for level in range(self.num_layers, 0, -1):
            samples = upsampled_samples(samples) - removed_samples(
                self, level, self.merge_filter_size
            )
        return samples

    @property
    def hop_samples(self) -> int:
        """The hop between neighbouring segments, in samples; in *context* mode a multiple of 2^L.

        Decimation and upsampling have a grid of 2^L samples. Only segments whose starts are on the
        same grid join without a seam and agree with one long segment over the track.
        """
        return self.output_samples - (
            self.output_samples % self.grid_samples if self.context else 0
        )

    @property
    def grid_samples(self) -> int:
        return 2**self.num_layers

    @property
    def reach_samples(self) -> int:
        spans = (input_span(position, self) for position in range(self.grid_samples))
        return max(max(at - first, last - at) for at, (first, last) in enumerate(spans))

    @property
    def receptive_field(self) -> int:
        """The maximum number of input samples that one output sample depends on.

        The number depends on the position of the output sample on the grid of decimation; this is
        the maximum over all positions.
        """
        spans = (input_span(position, self) for position in range(self.grid_samples))
        return max(last - first + 1 for first, last in spans)

    @property
    def weighted_parts(self) -> frozenset[str]:
        """The parts that have weights: a skip has weights only with a Res path."""
        levels = range(1, self.num_layers + 1)
        has_paths = any(self.skip(level) == "res_path" for level in levels)
        return frozenset(self.PARTS) - (set() if has_paths else {"skip"})

    @property
    def least_weights(self) -> int:
        """The number of weights in the kernels that connect levels, and in Res paths.

        It is a lower bound for the model; these kernels decide how large a model can be.
        """
        filters = [self.filters(level) for level in range(1, self.num_layers + 2)]
        down = sum(self.filter_size * a * b for a, b in pairwise(filters))
        up = sum(self.merge_filter_size * a * b for a, b in pairwise(filters))
        skips = sum(
            self.filters(level) ** 2
            for level in self.res_path_levels
            if self.skip(level) == "res_path"
        )
        return down + up + self.res_path_units * self.filter_size * skips

    def check(self) -> None:
        super().check()
        if self.res_path_units and not {*self.res_path_levels} & {*self.skip_levels}:
            raise ConfigError(
                f"cfg.res_path_levels is {self.res_path_levels}: none of these levels has a skip, "
                f"choose from cfg.skip_levels = {self.skip_levels}"
            )
        if self.context:
            check_grid(self)
            check_skips(self)
        else:
            check_halvings(self)


def bottleneck_samples(settings: WaveUnetSettings) -> int:
    """Return the smallest number of output samples of the bottleneck for the requested output."""
    samples = settings.num_frames
    for level in range(1, settings.num_layers + 1):
        samples += removed_samples(settings, level, settings.merge_filter_size)
        samples = -(-(samples + 1) // 2)  # smallest length whose upsampling is long enough
    return max(samples, 2)  # a midpoint needs two neighbours


def removed_samples(settings: WaveUnetSettings, level: int, width: int) -> int:
    """Return the number of samples that the unpadded convolutions of a level remove.

    A MultiRes block has two convolutions, a plain block has one.

    Parameters
    ----------
    settings : WaveUnetSettings
        The settings of the model.
    level : int
        The level, from 1.
    width : int
        The number of taps of each convolution.

    Returns
    -------
    int
        The number of samples.
    """
    return (width - 1) * (2 if settings.block(level) == "multires" else 1)


def upsampled_samples(samples: int) -> int:
    """Return the number of samples after midpoints are added between `samples` samples."""
    return 2 * samples - 1


def check_halvings(settings: WaveUnetSettings) -> None:
    """Raise `ConfigError` if the samples are not divisible by two at every level.

    This is the condition of *same* mode.
    """
    step = settings.grid_samples
    if settings.num_frames % step:
        fitting = max(step, round(settings.num_frames / step) * step)
        raise ConfigError(
            f"cfg.num_frames is {settings.num_frames} and cannot be halved cfg.num_layers = "
            f"{settings.num_layers} times: give a multiple of {step}, such as {fitting}"
        )


def check_grid(settings: WaveUnetSettings) -> None:
    """Raise `ConfigError` if a segment returns less than one step of the decimation grid.

    This is the condition of *context* mode.
    """
    if settings.num_frames < settings.grid_samples:
        raise ConfigError(
            f"cfg.num_frames is {settings.num_frames}: with cfg.context give at least "
            f"2**num_layers = {settings.grid_samples}, so that segments join without a seam"
        )


def check_skips(settings: WaveUnetSettings) -> None:
    """Raise `ConfigError` if a skip is shorter than the decoder features at its level.

    This is the condition of *context* mode. Only Res paths can violate it, because their unpadded
    convolutions shorten the skip.
    """
    down, up = settings.input_samples, bottleneck_samples(settings)
    skips = {}
    for level in range(1, settings.num_layers + 1):
        skips[level] = down - removed_samples(settings, level, settings.filter_size)
        down = (skips[level] + 1) // 2
    for level in range(settings.num_layers, 0, -1):
        up = upsampled_samples(up)
        remaining = skips[level] - settings.res_path_units * (settings.filter_size - 1)
        if settings.skip(level) == "res_path" and remaining < up:
            raise ConfigError(
                f"cfg.res_path_units is {settings.res_path_units}: with cfg.context the Res path "
                f"of level {level} leaves {remaining} samples where {up} are needed; give fewer "
                f"units or leave the deep levels out of cfg.res_path_levels"
            )
        up -= removed_samples(settings, level, settings.merge_filter_size)


def input_span(position: int, settings: WaveUnetSettings) -> tuple[int, int]:
    """Return the first and last input sample that the output sample at `position` depends on.

    The span is followed backwards through the decoder, the bottleneck, the Res paths and the
    encoder.
    """
    first = last = position
    paths = {}
    for level in range(1, settings.num_layers + 1):
        reach = removed_samples(settings, level, settings.merge_filter_size) // 2
        first, last = first - reach, last + reach
        if settings.skip(level) == "res_path":
            reach = settings.res_path_units * (settings.filter_size - 1) // 2
            paths[level] = first - reach, last + reach
        first, last = first // 2, -(-last // 2)
    reach = (settings.filter_size - 1) // 2
    first, last = first - reach, last + reach
    for level in range(settings.num_layers, 0, -1):
        along_skip = paths.get(level, (2 * first, 2 * last))
        first, last = min(2 * first, along_skip[0]), max(2 * last, along_skip[1])
        reach = removed_samples(settings, level, settings.filter_size) // 2
        first, last = first - reach, last + reach
    return first, last
