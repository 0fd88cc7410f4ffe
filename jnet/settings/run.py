"""All settings of a run, created and checked from the config, and the effects of entries."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jnet.errors import ConfigError
from jnet.settings.augmentation import AugmentationSettings
from jnet.settings.computing import ComputingSettings
from jnet.settings.data import DataSettings, make_data_settings
from jnet.settings.scoring import ScoringSettings
from jnet.settings.training import TrainingSettings
from jnet.system.claims import Fingerprint, make_fingerprint
from Models.Entries import (
    REQUIRED,
    SHAPE,
    WEIGHTS,
    Effect,
    from_entries,
    get_entries,
    keys_affecting,
    suggest_nearest,
    values_affecting,
)
from Models.Networks import NETWORKS, make_model_settings
from Models.Settings import WAVEFORM_LOSSES, ModelSettings


@dataclass(frozen=True)
class RunSettings:
    """All settings of a run: model, data, training, augmentation, scoring and computation."""

    model: ModelSettings
    data: DataSettings
    training: TrainingSettings
    augmentation: AugmentationSettings
    scoring: ScoringSettings
    computing: ComputingSettings


def make_run_settings(
    entries: Mapping[str, Any], seed: int, model: ModelSettings | None = None
) -> RunSettings:
    """Create the settings of a run from the entries of a config.

    Parameters
    ----------
    entries : Mapping[str, Any]
        The config.
    seed : int
        The seed of the run.
    model : ModelSettings, optional
        The settings of a model from a weights manifest. They replace the model entries of the
        config.

    Returns
    -------
    RunSettings
        The settings.

    Raises
    ------
    ConfigError
        If an entry is invalid or entries contradict each other.
    """
    model = model or make_model_settings(entries, seed)
    training = from_entries(TrainingSettings, entries, seed=seed)
    augmentation = from_entries(AugmentationSettings, entries)
    scoring = from_entries(ScoringSettings, entries)
    computing = from_entries(ComputingSettings, entries)
    check_training(model, training)
    if augmentation.swap_channels and model.num_channels == 1:
        raise ConfigError("cfg.swap_channels is True: cfg.num_channels = 1 leaves nothing to swap")
    check_whole_track("cfg.whole_track", scoring.whole_track, model)
    data = make_data_settings(entries, model, computing.num_workers)
    return RunSettings(model, data, training, augmentation, scoring, computing)


def check_training(model: ModelSettings, training: TrainingSettings) -> None:
    """Raise `ConfigError` if the model does not support the training settings."""
    if training.loss not in model.LOSSES:
        raise ConfigError(
            f"cfg.loss is {training.loss!r}: with cfg.network = {model.network!r} "
            f"{suggest_nearest(training.loss, model.LOSSES)}"
        )
    if not training.separates_sources:
        return
    if training.loss not in WAVEFORM_LOSSES:
        raise ConfigError(
            f"cfg.loss is {training.loss!r}, which does not compare waveforms: cfg.train_passes "
            f"and cfg.identity_weight need {' or '.join(map(repr, WAVEFORM_LOSSES))}"
        )
    if model.has_context:
        raise ConfigError(
            f"a segment takes {model.input_samples} samples and returns {model.output_samples}: "
            f"cfg.train_passes and cfg.identity_weight put estimates through the network again "
            f"and need cfg.context = False"
        )


def check_whole_track(key: str, value: bool, model: ModelSettings) -> None:
    """Raise `ConfigError` if one long segment is requested of a network without support for it.

    Parameters
    ----------
    key : str
        The full name of the entry, for the error message.
    value : bool
        Whether one long segment is requested.
    model : ModelSettings
        The settings of the model.

    Raises
    ------
    ConfigError
        If the network separates only segment by segment.
    """
    if value and not model.ANY_LENGTH:
        raise ConfigError(
            f"{key} is True: {model.network!r} separates only segment by segment, set it to False"
        )


def make_training_fingerprint(
    settings: RunSettings, store_name: str, ancestor: str | None = None
) -> Fingerprint:
    """Return the fingerprint of a training: all entries, the seed and the data that affect weights.

    Parameters
    ----------
    settings : RunSettings
        The settings of the run.
    store_name : str
        The name of the store, which contains a hash of its content.
    ancestor : str, optional
        The SHA-256 of the weights with which the training starts, if `cfg.init_from` is given. It
        replaces their path.

    Returns
    -------
    Fingerprint
        All entries in JSON's types.
    """
    assert (ancestor is None) == (settings.training.init_from is None)
    effects = SHAPE, WEIGHTS
    return make_fingerprint(
        {
            **values_affecting(settings.model, *effects),
            **values_affecting(settings.training, *effects),
            **values_affecting(settings.augmentation, *effects),
            "seed": settings.model.seed,
            "store": store_name,
            "init_from": ancestor,
        }
    )


def list_common_settings() -> tuple[type, ...]:
    """Return the settings dataclasses that do not depend on the network."""
    return (
        DataSettings,
        TrainingSettings,
        AugmentationSettings,
        ScoringSettings,
        ComputingSettings,
    )


def config_keys_affecting(*effects: Effect) -> frozenset[str]:
    """Return the names of all config entries with one of `effects`, for all networks."""
    common = (keys_affecting(settings, *effects) for settings in list_common_settings())
    return model_keys_affecting(*effects).union(*common)


def select_training_entries(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a recorded config that affect the weights of its network.

    Entries that are newer than the record have the value that it implies.
    """
    network = NETWORKS.get(entries.get("network", ""))
    own = {network[0]} if network else {settings for settings, _ in NETWORKS.values()}
    declared = [
        each
        for settings in (*own, *list_common_settings())
        for each in get_entries(settings).values()
        if each.affects in (SHAPE, WEIGHTS)
    ]
    recorded = {each.key: entries[each.key] for each in declared if each.key in entries}
    return imply_new_entries() | recorded


def imply_new_entries() -> dict[str, Any]:
    """Return the values of entries that records imply which are older than the entries."""
    return {
        each.key: each.absent
        for settings in list_common_settings()
        for each in get_entries(settings).values()
        if each.absent is not REQUIRED
    }


def model_keys_affecting(*effects: Effect) -> frozenset[str]:
    """Return the names of the entries of all networks with one of `effects`."""
    networks = (network for network, _ in NETWORKS.values())
    return frozenset().union(*(keys_affecting(network, *effects) for network in networks))
