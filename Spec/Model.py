"""What a model is: the entries of the config that shape it, checked."""

import re
from dataclasses import dataclass
from typing import Any

from Spec import Checks
from Spec.Errors import ConfigError

TASKS = {
    "voice": ("accompaniment", "vocals"),
    "multi_instrument": ("bass", "drums", "other", "vocals"),
}
PARTS = ("encoder", "bottleneck", "skip", "decoder", "output")


@dataclass(frozen=True)
class ModelSpec:
    """One separator: its architecture, what is frozen, and the seed of its random weights.

    Entries have the names and meanings of the config (`Config.py`); `skip_levels` is resolved
    to the levels themselves. Wave-U-Net paper, Table 1; J-Net paper, Section 4.
    """

    network: str
    sources: tuple[str, ...]
    num_channels: int
    sample_rate: int
    num_frames: int
    num_layers: int
    num_initial_filters: int
    filter_size: int
    merge_filter_size: int
    upsampling: str
    output_type: str
    skip_levels: tuple[int, ...]
    frozen: tuple[str, ...]
    seed: int

    def filters(self, level: int) -> int:
        """Channels of a level: level i has i times as many as level 1."""
        return self.num_initial_filters * level

    def is_frozen(self, part: str) -> bool:
        """Whether the weights of `part` stay at their random start."""
        return part in self.frozen


def model_spec(entries: dict[str, Any], seed: int) -> ModelSpec:
    """The model that the config's `entries` describe; raises `ConfigError` for one that cannot be.

    `seed` is the run's seed, from which every layer's weights are drawn.
    """
    num_layers = Checks.whole("num_layers", entries["num_layers"], 1)
    spec = ModelSpec(
        network=Checks.one_of("network", entries["network"], ("unet",)),
        sources=TASKS[Checks.one_of("task", entries["task"], TASKS)],
        num_channels=Checks.whole("num_channels", entries["num_channels"], 1),
        sample_rate=Checks.whole("sample_rate", entries["sample_rate"], 1000),
        num_frames=Checks.whole("num_frames", entries["num_frames"], 1),
        num_layers=num_layers,
        num_initial_filters=Checks.whole("num_initial_filters", entries["num_initial_filters"], 1),
        filter_size=Checks.odd("filter_size", entries["filter_size"]),
        merge_filter_size=Checks.odd("merge_filter_size", entries["merge_filter_size"]),
        upsampling=Checks.one_of("upsampling", entries["upsampling"], ("linear",)),
        output_type=Checks.one_of("output_type", entries["output_type"], ("difference",)),
        skip_levels=skip_levels(entries["skip_levels"], num_layers),
        frozen=Checks.each_of("frozen", entries["frozen"], PARTS),
        seed=seed,
    )
    step = 2**num_layers
    if spec.num_frames % step:
        fitting = max(step, round(spec.num_frames / step) * step)
        raise ConfigError(
            f"cfg.num_frames is {spec.num_frames}, which cfg.num_layers = {num_layers} halvings "
            f"do not divide: give a multiple of {step}, such as {fitting}"
        )
    return spec


def skip_levels(value: Any, num_layers: int) -> tuple[int, ...]:
    """The levels whose skip connection is kept, shallowest first.

    `value` is 'all', 'none', 'firstN' (the N shallowest), 'lastN' (the N deepest) or a list of
    levels, 1 the shallowest.
    """
    levels = tuple(range(1, num_layers + 1))
    if value == "all":
        return levels
    if value == "none":
        return ()
    if isinstance(value, str):
        found = re.fullmatch(r"(first|last)(\d+)", value)
        if not found or not 1 <= int(found[2]) <= num_layers:
            raise ConfigError(
                f"cfg.skip_levels is {value!r}: choose 'all', 'none', 'firstN', 'lastN' with N "
                f"from 1 to {num_layers}, or a list of levels"
            )
        count = int(found[2])
        return levels[:count] if found[1] == "first" else levels[-count:]
    chosen = Checks.listed("skip_levels", value)
    for level in chosen:
        if level not in levels or isinstance(level, bool):
            raise ConfigError(
                f"cfg.skip_levels holds {level!r}: levels are whole numbers from 1 to {num_layers}"
            )
    return tuple(sorted(set(chosen)))
