"""The data settings of a run: the data set, its folders and the format of the store."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jnet.errors import ConfigError
from Models.Entries import (
    NOTHING,
    WEIGHTS,
    entry,
    from_entries,
    one_of,
    optional,
    path,
    used_with,
    whole,
)
from Models.Settings import ModelSettings

SUBSETS = ("train", "valid", "test")
# The config entry and the environment variable that give the folder of each data set.
PATH_ENTRIES = {
    "musdb18": ("musdb_path", "MUSDB_PATH"),
    "folder": ("folder_path", None),
    "demo": ("demo_path", None),
}


@dataclass(frozen=True)
class DataSettings:
    """The tracks of a run and the format of the store.

    Fingerprints do not include paths; the name of the store contains a hash of the content of the
    files.
    """

    sources: tuple[str, ...]
    num_channels: int
    sample_rate: int
    num_workers: int
    dataset: str = entry(one_of(PATH_ENTRIES), affects=WEIGHTS)
    musdb_path: str | None = entry(optional(path), NOTHING, use=used_with("dataset", "musdb18"))
    ccmixter_path: str | None = entry(optional(path), NOTHING, use=used_with("dataset", "musdb18"))
    folder_path: str | None = entry(optional(path), NOTHING, use=used_with("dataset", "folder"))
    demo_path: str | None = entry(optional(path), affects=NOTHING)
    store_path: str = entry(path, affects=NOTHING)
    num_validation_tracks: int = entry(whole(at_least=1), affects=WEIGHTS)

    @property
    def path(self) -> str | None:
        """The folder of the data set, or None if neither config nor environment gives it."""
        return getattr(self, PATH_ENTRIES[self.dataset][0])


def make_data_settings(
    entries: Mapping[str, Any],
    model: ModelSettings,
    num_workers: int,
    environment: Mapping[str, str] = os.environ,
) -> DataSettings:
    """Create the settings of the data for training and scoring a model.

    Parameters
    ----------
    entries : Mapping[str, Any]
        The config.
    model : ModelSettings
        The settings of the model, which determine sources, channels and sample rate.
    num_workers : int
        The number of tracks that are prepared or scored at once.
    environment : Mapping[str, str]
        Environment variables. MUSDB_PATH and CCMIXTER_PATH replace paths that are None in the
        config.

    Returns
    -------
    DataSettings
        The settings.

    Raises
    ------
    ConfigError
        If an entry is invalid or entries contradict each other.
    """
    entries = dict(entries)
    if entries["dataset"] == "musdb18":
        uses_ccmixter = "accompaniment" in model.sources  # CCMixter has no bass, drums and other
        variables = {"musdb_path": "MUSDB_PATH"} | (
            {"ccmixter_path": "CCMIXTER_PATH"} if uses_ccmixter else {}
        )
        for key, variable in variables.items():
            if entries[key] is None:
                entries[key] = environment.get(variable) or None
    settings = from_entries(
        DataSettings,
        entries,
        sources=model.sources,
        num_channels=model.num_channels,
        sample_rate=model.sample_rate,
        num_workers=num_workers,
    )
    if settings.ccmixter_path is not None and "accompaniment" not in model.sources:
        raise ConfigError(
            f"cfg.ccmixter_path is {settings.ccmixter_path!r}, but CCMixter has no "
            f"{', '.join(model.sources[:-1])}: use it only with cfg.task = 'voice'"
        )
    return settings


def suggest_path_entry(dataset: str) -> str:
    """Return a hint on how to set the folder of `dataset`, for error messages."""
    key, variable = PATH_ENTRIES[dataset]
    hint = f"set it with 'cfg.{key}=…'"
    return f"{hint} or in the environment variable {variable}" if variable else hint
