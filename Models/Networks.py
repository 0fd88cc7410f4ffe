"""The registry of networks: the only place that lists them.

Each network is one folder. Its module `Settings` (entries, lengths and checks, without keras) is
imported here. The module with its `NETWORK`, a `Models.Network.Network`, is imported only when a
model is built.
"""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from Models.Demucs.Settings import DemucsSettings
from Models.Entries import get_entries, one_of
from Models.Settings import ModelSettings
from Models.SpectrogramUnet.Settings import SpectrogramUnetSettings
from Models.WaveUnet.Settings import WaveUnetSettings

if TYPE_CHECKING:
    from Models.Network import Network

# The settings class of each network, and the module that defines its graph.
NETWORKS: dict[str, tuple[type[ModelSettings], str]] = {
    "unet": (WaveUnetSettings, "Models.WaveUnet.UnetAudioSeparator"),
    "unet_spectrogram": (
        SpectrogramUnetSettings,
        "Models.SpectrogramUnet.UnetSpectrogramSeparator",
    ),
    "demucs": (DemucsSettings, "Models.Demucs.Demucs"),
}


def get_settings_class(name: Any) -> type[ModelSettings]:
    """Return the settings class of the network `name`.

    Raises `ConfigError` for an unknown network.
    """
    return NETWORKS[one_of(NETWORKS)("cfg.network", name)][0]


def make_model_settings(entries: Mapping[str, Any], seed: int) -> ModelSettings:
    """Create the settings of a model from the entries of a config.

    `seed` is the seed of the random weights. Raises `ConfigError` for invalid values and for
    entries that contradict each other.
    """
    return get_settings_class(entries["network"]).from_config(entries, seed)


def settings_from_manifest(stored: Any) -> ModelSettings:
    """Create the settings of a model from the JSON object in its weights manifest.

    Entries of other networks are ignored, because version 0.1.0 stored the entries of all networks.
    Raises `ValueError` or `ConfigError` if the object does not describe a model.
    """
    if not isinstance(stored, dict) or "network" not in stored:
        raise ValueError("it has no entry network")
    entries = {name for settings, _ in NETWORKS.values() for name in get_entries(settings)}
    if unknown := sorted(stored.keys() - entries - {"seed"}):
        raise ValueError(f"it has the unknown entry {', '.join(unknown)}")
    return get_settings_class(stored["network"]).from_manifest(stored)


def import_network(settings: ModelSettings) -> "Network":
    """Import and return the network of `settings`."""
    return importlib.import_module(NETWORKS[settings.network][1]).NETWORK
