"""From rows and seeds to what is needed of each: full config entries, and the data's name."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from Input import Demo
from Input.Collection import find_songs
from Input.Store import MANIFEST, store_name
from Reproduction.Plan import Need
from Reproduction.Targets import Row
from Spec.Data import DataSpec
from Spec.Errors import DataError
from Spec.Run import specs

# `cfg` entries of words as they stand after `with`.
Resolve = Callable[[Sequence[str]], Mapping[str, Any]]


def needs(
    rows: Sequence[Row], words: Sequence[str], seeds: Sequence[int], resolve: Resolve
) -> list[Need]:
    """What `rows` need at every seed; `words` hold for all of them."""
    stores: dict[DataSpec, str | None] = {}
    found = []
    for row in rows:
        training, scoring = (
            (f"cfg.{config}", *words, *row.words) for config in (row.trained_as, row.scored_as)
        )
        entries, passes = resolve(training), resolve(scoring)["passes"]
        data = specs(dict(entries), seed=0).data
        if data not in stores:
            stores[data] = name_of_data(data)
        found += [
            Need(row, seed, training, scoring, entries, passes, stores[data]) for seed in seeds
        ]
    return found


def name_of_data(data: DataSpec) -> str | None:
    """The store's name, which is made of what the songs are; None where they are not here.

    Nothing is generated for it.
    """
    if data.dataset == "demo" and not all(
        (Path(str(data.path)) / song.partition / song.name).is_dir() for song in Demo.SONGS
    ):
        return None
    try:
        return store_name(data, find_songs(data, lambda name, done, total: None))
    except DataError:
        return None


def is_prepared(need: Need) -> bool:
    """Whether the songs of a need lie in their store."""
    data = specs(dict(need.entries), seed=0).data
    return need.store is not None and (Path(data.store_path) / need.store / MANIFEST).is_file()
