"""What a model hears: where the songs are, and what preparation makes of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from Spec import Checks
from Spec.Errors import ConfigError
from Spec.Model import ModelSpec

DATASETS = ("musdb18", "folder", "demo")
SUBSETS = ("train", "valid", "test")


@dataclass(frozen=True)
class DataSpec:
    """The songs of a run and the form they are stored in (entries as in `Config.py`).

    `path` is the data set's folder; None where neither the config nor the environment says.
    """

    dataset: str
    path: str | None
    ccmixter_path: str | None
    store_path: str
    num_validation_songs: int
    sources: tuple[str, ...]
    num_channels: int
    sample_rate: int
    num_workers: int

    @property
    def subsets(self) -> tuple[str, ...]:
        """The three sets a run needs, in the order they are used."""
        return SUBSETS


# Where a data set's folder is given: the config's entry, and the environment's variable.
PATH_ENTRIES = {
    "musdb18": ("musdb_path", "MUSDB_PATH"),
    "folder": ("folder_path", None),
    "demo": ("demo_path", None),
}


def data_spec(
    entries: dict[str, Any], model: ModelSpec, environment: Mapping[str, str]
) -> DataSpec:
    """The data that the config's `entries` describe, for `model`.

    A path the config leaves open is read from `environment` (MUSDB_PATH, CCMIXTER_PATH).
    Raises `ConfigError` for entries that do not go together.
    """
    dataset = Checks.one_of("dataset", entries["dataset"], DATASETS)
    entry, variable = PATH_ENTRIES[dataset]
    given = {key: optional_path(key, entries[key]) for key in (entry, "ccmixter_path")}
    ccmixter = given["ccmixter_path"]
    if ccmixter is None and dataset == "musdb18" and "accompaniment" in model.sources:
        ccmixter = environment.get("CCMIXTER_PATH")
    if ccmixter is not None and "accompaniment" not in model.sources:
        raise ConfigError(
            f"cfg.ccmixter_path is {ccmixter!r}, but CCMixter has no "
            f"{', '.join(model.sources[:-1])}: it serves cfg.task = 'voice' alone"
        )
    return DataSpec(
        dataset=dataset,
        path=given[entry] or (environment.get(variable) if variable else None),
        ccmixter_path=ccmixter,
        store_path=Checks.path("store_path", entries["store_path"]),
        num_validation_songs=Checks.whole(
            "num_validation_songs", entries["num_validation_songs"], 1
        ),
        sources=model.sources,
        num_channels=model.num_channels,
        sample_rate=model.sample_rate,
        num_workers=Checks.whole("num_workers", entries["num_workers"], 1),
    )


def optional_path(key: str, value: Any) -> str | None:
    """A path entry that may be left open, as None."""
    return None if value is None else Checks.path(key, value)


def where_to_say(dataset: str) -> str:
    """How a user gives the folder of `dataset`: for the error that misses it."""
    entry, variable = PATH_ENTRIES[dataset]
    said = f"give it as 'cfg.{entry}=…'"
    return f"{said} or in the environment variable {variable}" if variable else said
