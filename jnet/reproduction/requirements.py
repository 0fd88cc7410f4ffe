"""The requirements of a target: rows at seeds, with all config entries and the name of the data."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jnet.data.preparation import find_store_name, is_complete
from jnet.reproduction.targets import Row
from jnet.settings.data import DataSettings
from jnet.settings.run import config_keys_affecting, make_run_settings
from jnet.weights.manifests import check_ancestor
from Models.Entries import SCORES, SHAPE, WEIGHTS, Effect

# Returns all `cfg` entries with their values, given the words after `with`.
Resolve = Callable[[tuple[str, ...]], Mapping[str, Any]]


@dataclass(frozen=True)
class Requirement:
    """One row at one seed.

    Attributes
    ----------
    row : Row
    seed : int
    training_words, scoring_words : tuple of str
        The words after `with` for the training and for the evaluation.
    training, scoring : mapping of str to Any
        The `cfg` entries of the training and of the evaluation.
    data : DataSettings
    store : str or None
        The name of the store; None if the data is not on this machine.
    ancestor : str or None
        The SHA-256 of the weights with which the training starts (`cfg.init_from`).
    """

    row: Row
    seed: int
    training_words: tuple[str, ...]
    scoring_words: tuple[str, ...]
    training: Mapping[str, Any]
    scoring: Mapping[str, Any]
    data: DataSettings
    store: str | None
    ancestor: str | None = None

    @property
    def key(self) -> str:
        """The key of the row's training, see `make_training_key`."""
        return make_training_key(self.training, self.seed)

    @property
    def name(self) -> str:
        """The name in messages and file names."""
        return f"{self.row.label} seed {self.seed}"

    @property
    def training_name(self) -> str:
        """The name of the row's training in messages and file names."""
        return f"{self.row.training_name} seed {self.seed}"

    def is_prepared(self) -> bool:
        """Return whether the store is complete."""
        return self.store is not None and is_complete(Path(self.data.store_path, self.store))


def make_training_key(entries: Mapping[str, Any], seed: Any) -> str:
    """Return a key that is equal for trainings that give equal weights on equal data."""
    return f"{make_entries_key(entries, SHAPE, WEIGHTS)} seed {seed}"


def make_scoring_key(entries: Mapping[str, Any]) -> str:
    """Return a key that is equal for runs that give equal scores for equal weights."""
    return make_entries_key(entries, SCORES)


def make_entries_key(
    entries: Mapping[str, Any], *effects: Effect, without: Collection[str] = ()
) -> str:
    """Return the values of the entries with one of `effects`, except `without`, as text."""
    keys = config_keys_affecting(*effects).difference(without)
    return json.dumps({key: normalize(entries.get(key)) for key in sorted(keys)}, default=str)


def normalize(value: Any) -> Any:
    """Return a value with its integers as floats, because entries of 1 and 1.0 are equal.

    Integers too large to be exact as floats remain integers.
    """
    if isinstance(value, (list, tuple)):
        return [normalize(item) for item in value]
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if is_integer and abs(value) < 2**53 else value


def list_requirements(
    rows: Sequence[Row], words: Sequence[str], seeds: Sequence[int], resolve: Resolve
) -> list[Requirement]:
    """Return the requirements of the rows at every seed.

    Parameters
    ----------
    rows : sequence of Row
    words : sequence of str
        The words after `with` for all rows.
    seeds : sequence of int
    resolve : callable
        Returns the `cfg` entries for words after `with`.

    Returns
    -------
    list of Requirement
    """
    find_store = cache(find_store_name)
    requirements = []
    for row in rows:
        training_words, scoring_words = (
            (f"cfg.{config}", *words, *row.words) for config in (row.trained_as, row.scored_as)
        )
        training, scoring = resolve(training_words), resolve(scoring_words)
        run = make_run_settings(training, seed=0)
        data, ancestor = run.data, check_ancestor(run.training.init_from, run.model)
        store = find_store(data)
        for seed in seeds:
            seeded = (*training_words, f"seed={seed}"), (*scoring_words, f"seed={seed}")
            requirements.append(
                Requirement(row, seed, *seeded, training, scoring, data, store, ancestor)
            )
    return requirements
