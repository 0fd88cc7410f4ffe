"""All that the folder of a run holds, as one piece: what a copy elsewhere is made of."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from Spec.Errors import DataError

ENTRY, CONFIG, INFO, SERIES, OUTPUT = (
    "run.json",
    "config.json",
    "info.json",
    "metrics.json",
    "cout.txt",
)
KINDS = {"artifact": "artifacts", "series": "series", "source": "sources", "resource": "resources"}
RESOURCES = "_resources"  # beside the runs, as Sacred has it
DETAILS = "artifact_details"  # of the entry: content type and metadata, by the artifact's name


@dataclass(frozen=True)
class RunFiles:
    """A run's record. `series` are its metrics by name, each with values, steps and timestamps;
    `artifacts`, `sources` and `resources` say by name where each file is."""

    run_id: int | str
    folder: Path
    entry: Mapping[str, Any]
    config: Mapping[str, Any]
    info: Mapping[str, Any]
    series: Mapping[str, Mapping[str, list]]
    output: str
    artifacts: Mapping[str, Path]
    sources: Mapping[str, Path]
    resources: Mapping[str, Path]


def read_run(folder: Path) -> RunFiles:
    """The record in a run's folder; `DataError` where it is none, or is damaged."""
    if not (folder / ENTRY).is_file():
        raise DataError(f"{folder}: there is no recorded run: name a folder such as runs/ID")
    try:
        texts = {
            name: (folder / name).read_text(encoding="utf-8")
            for name in (ENTRY, CONFIG, INFO, SERIES)
            if name in (ENTRY, CONFIG) or (folder / name).is_file()
        }
        cout = folder / OUTPUT
        output = cout.read_bytes().decode("utf-8", "replace") if cout.is_file() else ""
        return run_files(folder, texts, output)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{folder}: the record of this run is damaged ({error})") from error


def run_files(
    folder: Path, texts: Mapping[str, str], output: str, elsewhere: Mapping[str, Path] | None = None
) -> RunFiles:
    """A record of its JSON files' `texts`; artifacts not yet in the folder are `elsewhere`."""
    entry, config, info, series = (
        objects(texts.get(name, "{}")) for name in (ENTRY, CONFIG, INFO, SERIES)
    )
    runs = folder.resolve().parent
    kept = {name: Path(path).name for name, path in entry.get("resources") or ()}
    return RunFiles(
        run_id=run_id_of(folder.resolve().name),
        folder=folder,
        entry=entry,
        config=config,
        info=info,
        series=series,
        output=output,
        artifacts={
            name: (elsewhere or {}).get(name) or below(folder, name)
            for name in entry.get("artifacts") or ()
        },
        sources={
            name: below(runs, path)
            for name, path in (entry.get("experiment") or {}).get("sources") or ()
        },
        resources={name: runs / RESOURCES / stored for name, stored in kept.items()},
    )


def objects(text: str) -> dict[str, Any]:
    """A JSON object; `ValueError` for any other JSON."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    return found


def below(folder: Path, name: str) -> Path:
    """`folder/name`; `ValueError` for a name that leads out of the folder, as a record that
    somebody else wrote may have."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(f"{name!r} is not a name within {folder}")
    return folder / name


def run_id_of(name: str) -> int | str:
    """A run's id by the name of its folder: a number where it looks like one."""
    return int(name) if name.isdecimal() and str(int(name)) == name else name


def listed(names: Iterable[str], most: int = 4) -> str:
    """Some of `names`, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def counted(names: Iterable[str]) -> str:
    """`names` in few words: of several artifacts, sources or series only how many."""
    names = list(names)
    kinds = [(kind, [name for name in names if name.startswith(f"{kind} ")]) for kind in KINDS]
    rest = [name for name in names if name.partition(" ")[0] not in KINDS]
    return listed(
        [
            *(
                own[0] if len(own) == 1 else f"{len(own)} {KINDS[kind]}"
                for kind, own in kinds
                if own
            ),
            *rest,
        ],
        6,
    )
