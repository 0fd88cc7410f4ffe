"""The settings that all networks share: `ModelSettings`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from Models.Entries import (
    SHAPE,
    WEIGHTS,
    ConfigError,
    entry,
    from_entries,
    get_entries,
    list_of,
    one_of,
    positive,
    suggest_nearest,
    text,
    used_with,
    whole,
)

TASKS = {
    "voice": ("accompaniment", "vocals"),
    "multi_instrument": ("bass", "drums", "other", "vocals"),
}
INITS = (
    "glorot_uniform",
    "he_normal",
    "lecun_normal",
    "orthogonal",
    "normal",
    "pytorch_uniform",
)
# The values of `cfg.loss` that compare waveforms, which every network can be trained with.
WAVEFORM_LOSSES = ("waveform", "waveform_l1")
# Limits far above any useful model, so that a manifest from an untrusted source cannot exhaust the
# memory.
MAX_LAYERS, MAX_SAMPLES, MAX_CHANNELS, MAX_SAMPLE_RATE = 22, 2**22, 64, 1_000_000


def check_task(key: str, value: Any) -> tuple[str, ...]:
    """Return the sources of a task.

    `value` is the name of a task, or already its list of sources, as in manifests. Raises
    `ConfigError` for other values.
    """
    if isinstance(value, list | tuple) and tuple(value) in TASKS.values():
        return tuple(value)
    return TASKS[one_of(TASKS)(key, value)]


@dataclass(frozen=True)
class ModelSettings:
    """The settings of a model: its network, size, frozen parts and seed of the random weights.

    Each network has a subclass with additional entries and its lengths. Lengths are in samples at
    `sample_rate`. J-Net paper, Sections 2 and 4; Wave-U-Net paper, Section 3.
    """

    seed: int
    network: str = entry(text, affects=SHAPE)
    sources: tuple[str, ...] = entry(check_task, affects=SHAPE, key="task")
    num_channels: int = entry(whole(at_least=1, at_most=MAX_CHANNELS), affects=SHAPE)
    sample_rate: int = entry(whole(at_least=1000, at_most=MAX_SAMPLE_RATE), affects=SHAPE)
    num_frames: int = entry(whole(at_least=1, at_most=MAX_SAMPLES), affects=SHAPE)
    frozen: tuple[str, ...] = entry(list_of(text), affects=WEIGHTS)
    init: str = entry(one_of(INITS), affects=WEIGHTS)
    init_deviation: float = entry(positive, affects=WEIGHTS, use=used_with("init", "normal"))

    # The first word of layer names: every layer with weights belongs to one part.
    PARTS: ClassVar[tuple[str, ...]] = ("encoder", "bottleneck", "skip", "decoder", "output")
    # The values of `cfg.loss` that the network can be trained with.
    LOSSES: ClassVar[tuple[str, ...]] = WAVEFORM_LOSSES
    # Whether the same weights work for segments of any length (`cfg.whole_track`).
    ANY_LENGTH: ClassVar[bool] = False

    @classmethod
    def from_config(cls, entries: Mapping[str, Any], seed: int) -> Self:
        """Create the settings from the entries of a config.

        Raises `ConfigError` for invalid values and for entries that contradict each other.
        """
        settings = from_entries(cls, entries, seed=seed)
        settings.check()
        return settings

    @classmethod
    def from_manifest(cls, stored: Mapping[str, Any]) -> Self:
        """Create the settings from the JSON object in a weights manifest.

        Raises `ValueError` for an entry that is missing or differs from its stored form, and
        `ConfigError` for an invalid value.
        """
        entries = {declared.key: stored.get(name) for name, declared in get_entries(cls).items()}
        missing = sorted((get_entries(cls).keys() | {"seed"}) - stored.keys())
        if missing:
            raise ValueError(f"it has no entry {', '.join(missing)}")
        settings = cls.from_config(entries, whole(at_least=0)("seed", stored["seed"]))
        for name in get_entries(cls):
            value = tuple(stored[name]) if isinstance(stored[name], list) else stored[name]
            if value != getattr(settings, name):
                raise ValueError(
                    f"its {name} is {stored[name]!r} and does not match its other entries"
                )
        return settings

    @property
    def input_samples(self) -> int:
        """The number of samples of the mix in one segment."""
        raise NotImplementedError

    @property
    def output_samples(self) -> int:
        """The number of output samples of one segment, at least `num_frames`."""
        raise NotImplementedError

    @property
    def normalizes_tracks(self) -> bool:
        """Whether a track is normalised by the mean and deviation of its mono mix."""
        return False

    @property
    def hop_samples(self) -> int:
        """The hop between neighbouring segments of a track, in samples."""
        return self.output_samples

    @property
    def grid_samples(self) -> int:
        """The divisor of segment starts for which overlapping segments agree.

        Two segments return the same estimates where they overlap only if the distance of their
        starts is a multiple of this number of samples.
        """
        return 1

    @property
    def reach_samples(self) -> int:
        """The maximum distance from an output sample to an input sample that it depends on."""
        return self.input_samples

    @property
    def receptive_field(self) -> int:
        """The maximum number of input samples that one output sample depends on, in one pass."""
        raise NotImplementedError

    @property
    def least_weights(self) -> int:
        """A lower bound of the number of weights, used to detect damaged manifests."""
        raise NotImplementedError

    @property
    def weighted_parts(self) -> frozenset[str]:
        """The parts that have weights in this model."""
        return frozenset(self.PARTS)

    @property
    def has_context(self) -> bool:
        """Whether a segment has more input samples than output samples."""
        return self.input_samples > self.output_samples

    @property
    def has_long_segments(self) -> bool:
        """Whether one long segment has the estimates of several short ones, which take longer."""
        return self.has_context and self.ANY_LENGTH

    def check(self) -> None:
        """Raise `ConfigError` for entries that contradict each other."""
        for part in self.frozen:
            if part not in self.PARTS:
                raise ConfigError(f"cfg.frozen has {part!r}: {suggest_nearest(part, self.PARTS)}")
        if len(set(self.frozen)) != len(self.frozen):
            raise ConfigError(f"cfg.frozen is {list(self.frozen)!r}: name each part only once")
        if self.frozen and not self.weighted_parts & {*self.frozen}:
            raise ConfigError(
                f"cfg.frozen is {list(self.frozen)!r}: the model has no weights in these parts, "
                f"only in {', '.join(sorted(self.weighted_parts))}"
            )
        if self.weighted_parts <= {*self.frozen}:
            raise ConfigError(
                f"cfg.frozen is {list(self.frozen)!r}: nothing would be trained, leave out one of "
                f"{', '.join(sorted(self.weighted_parts))}"
            )
