"""What a model is: the entries of the config that shape it, checked."""

import re
from dataclasses import dataclass
from typing import Any, get_args, get_origin, get_type_hints

from Spec import Checks
from Spec.Errors import ConfigError

TASKS = {
    "voice": ("accompaniment", "vocals"),
    "multi_instrument": ("bass", "drums", "other", "vocals"),
}
PARTS = ("encoder", "bottleneck", "skip", "decoder", "output")
NETWORKS = ("unet", "unet_spectrogram")
UPSAMPLINGS = ("linear", "learned")
OUTPUT_TYPES = ("difference", "direct")
# Far beyond any model of use; what is stated in a file of someone else's must not fill the memory.
MOST_LAYERS, MOST_FRAMES, MOST_CHANNELS, HIGHEST_RATE = 22, 2**22, 64, 1_000_000
INITS = ("glorot_uniform", "he_normal", "lecun_normal", "orthogonal", "normal")


@dataclass(frozen=True)
class ModelSpec:
    """One separator: its architecture, what is frozen, and the seed of its random weights.

    Entries have the names and meanings of the config (`Config.py`); those that choose levels are
    resolved to the levels themselves, 1 the shallowest. Wave-U-Net paper, Table 1 and Section 3;
    J-Net paper, Sections 2 and 4.
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
    context: bool
    upsampling: str
    output_type: str
    skip_levels: tuple[int, ...]
    res_path_units: int
    res_path_levels: tuple[int, ...]
    multires_levels: tuple[int, ...]
    frozen: tuple[str, ...]
    init: str
    init_deviation: float
    seed: int

    def filters(self, level: int) -> int:
        """Channels of a level: level i has i times as many as level 1."""
        return self.num_initial_filters * level

    def block(self, level: int) -> str:
        """What stands at a level of either path: 'convolution' or 'multires'."""
        return "multires" if level in self.multires_levels else "convolution"

    def skip(self, level: int) -> str:
        """What leads from the encoder to the decoder at a level: 'none', 'direct' or 'res_path'."""
        if level not in self.skip_levels:
            return "none"
        return "res_path" if level in self.res_path_levels else "direct"


def model_spec(entries: dict[str, Any], seed: int) -> ModelSpec:
    """The model that the config's `entries` describe; raises `ConfigError` for one that cannot be.

    `seed` is the run's seed, from which every layer's weights are drawn.
    """
    num_layers = Checks.whole("num_layers", entries["num_layers"], 1, MOST_LAYERS)
    skips = levels("skip_levels", entries["skip_levels"], num_layers)
    units = Checks.whole("res_path_units", entries["res_path_units"], 0)
    paths = levels("res_path_levels", entries["res_path_levels"], num_layers) if units else ()
    if units and not set(paths) & set(skips):
        raise ConfigError(
            f"cfg.res_path_levels is {entries['res_path_levels']!r}: none of these levels has a "
            f"skip for a Res path, cfg.skip_levels is {entries['skip_levels']!r}"
        )
    return ModelSpec(
        network=Checks.one_of("network", entries["network"], NETWORKS),
        sources=TASKS[Checks.one_of("task", entries["task"], TASKS)],
        num_channels=Checks.whole("num_channels", entries["num_channels"], 1, MOST_CHANNELS),
        sample_rate=Checks.whole("sample_rate", entries["sample_rate"], 1000, HIGHEST_RATE),
        num_frames=Checks.whole("num_frames", entries["num_frames"], 1, MOST_FRAMES),
        num_layers=num_layers,
        num_initial_filters=Checks.whole("num_initial_filters", entries["num_initial_filters"], 1),
        filter_size=Checks.odd("filter_size", entries["filter_size"]),
        merge_filter_size=Checks.odd("merge_filter_size", entries["merge_filter_size"]),
        context=Checks.switch("context", entries["context"]),
        upsampling=Checks.one_of("upsampling", entries["upsampling"], UPSAMPLINGS),
        output_type=Checks.one_of("output_type", entries["output_type"], OUTPUT_TYPES),
        skip_levels=skips,
        res_path_units=units,
        res_path_levels=paths,
        multires_levels=levels("multires_levels", entries["multires_levels"], num_layers),
        frozen=Checks.each_of("frozen", entries["frozen"], PARTS),
        init=Checks.one_of("init", entries["init"], INITS),
        init_deviation=Checks.positive("init_deviation", entries["init_deviation"]),
        seed=seed,
    )


def restored_spec(stored: Any) -> ModelSpec:
    """The model that a manifest's JSON object states, every entry of the right type.

    Raises `ValueError` that names what is missing, unknown or of another type, and `ConfigError`
    for a value that no config may have.
    """
    types = get_type_hints(ModelSpec)
    if not isinstance(stored, dict) or stored.keys() != types.keys():
        differing = sorted(types.keys() ^ (stored.keys() if isinstance(stored, dict) else set()))
        raise ValueError(f"it differs in the entries {', '.join(differing)}")
    entries: dict[str, Any] = {}
    for key, wanted in types.items():
        value = stored[key]
        if get_origin(wanted) is tuple:
            inner = get_args(wanted)[0]
            fits = isinstance(value, list) and all(type(item) is inner for item in value)
            entries[key] = tuple(value) if fits else value
        else:
            fits = type(value) is wanted
            entries[key] = value
        if not fits:
            raise ValueError(f"its entry {key} is {value!r}")
    spec = ModelSpec(**entries)
    task = [task for task, sources in TASKS.items() if sources == spec.sources]
    if not task:
        raise ValueError(f"its entry sources is {stored['sources']!r}")
    if spec != model_spec({**entries, "task": task[0]}, spec.seed):
        raise ValueError("its entries do not go together")
    return spec


def levels(key: str, value: Any, num_layers: int) -> tuple[int, ...]:
    """The levels an entry chooses, shallowest first.

    `value` is 'all', 'none', 'firstN' (the N shallowest, or all where there are fewer), 'lastN'
    (the N deepest, likewise) or a list of levels, 1 the shallowest.
    """
    every = tuple(range(1, num_layers + 1))
    if value == "all":
        return every
    if value == "none":
        return ()
    if isinstance(value, str):
        found = re.fullmatch(r"(first|last)(\d+)", value)
        if not found or int(found[2]) < 1:
            raise ConfigError(
                f"cfg.{key} is {value!r}: choose 'all', 'none', 'firstN' or 'lastN' with N of at "
                f"least 1, or a list of levels"
            )
        count = int(found[2])
        return every[:count] if found[1] == "first" else every[-count:]
    chosen = Checks.listed(key, value)
    for level in chosen:
        if level not in every or isinstance(level, bool):
            raise ConfigError(
                f"cfg.{key} holds {level!r}: levels are whole numbers from 1 to {num_layers}"
            )
    return tuple(sorted(set(chosen)))
