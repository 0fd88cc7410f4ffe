"""A run's document in MongoDB, in the form in which Sacred's own observer writes it."""

import mimetypes
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from Recording.MongoFiles import Kept
from Recording.RunFiles import DETAILS, OUTPUT, RunFiles
from Recording.Storable import moment, shortened, storable

FORMAT = "MongoObserver-0.7.0"  # of Sacred 0.8.7: what viewers go by
TIMES = ("start_time", "stop_time", "heartbeat")
LISTS = ("steps", "values", "timestamps")  # of a series


def document_of(run: RunFiles) -> tuple[dict[str, Any], list[str]]:
    """A run's document, yet without its files and its series, and what it cannot hold as it is."""
    missing: list[str] = []
    output, cut = shortened(run.output, f"{run.folder}/{OUTPUT}")
    if cut:
        missing.append("the middle of captured_out (too long)")
    document = {
        **{key: value for key, value in run.entry.items() if key != DETAILS},
        "_id": run.run_id,
        "format": FORMAT,
        "config": run.config,
        "info": dict(run.info),
        "captured_out": output,
        "artifacts": [],
        "resources": [[name, path.stem.rpartition("_")[2]] for name, path in run.resources.items()],
        "experiment": {**(run.entry.get("experiment") or {}), "sources": []},
    }
    document = storable(document, "", missing)
    return document | {key: moment(document[key]) for key in TIMES if key in document}, missing


def series_of(run: RunFiles, name: str) -> dict[str, list]:
    """A series as MongoDB holds it."""
    found = {key: storable(run.series[name][key], key, []) for key in LISTS}
    return {**found, "timestamps": [moment(time) for time in found["timestamps"]]}


def files_of(run: RunFiles, held: Mapping[str, Any]) -> Iterator[tuple[str, str, Kept]]:
    """A run's files, each with what it is and its name; `held` is the document there, so far."""
    known = {item["name"]: item["file_id"] for item in held.get("artifacts") or ()}
    details = run.entry.get(DETAILS) or {}
    for name, path in run.artifacts.items():
        given = details.get(name) or {}
        kind = given.get("content_type") or mimetypes.guess_type(name)[0]
        said = {"metadata": given.get("metadata"), "contentType": kind}
        filename = f"artifact://runs/{run.run_id}/{name}"
        yield "artifact", name, Kept(filename, path, said, known.get(name))
    experiment = run.entry.get("experiment") or {}
    known = dict((held.get("experiment") or {}).get("sources") or ())
    for name, path in run.sources.items():
        filename = str(PurePath(experiment.get("base_dir") or "", name))
        yield "source", name, Kept(filename, path, known=known.get(name), md5=md5_in(path))
    for name, path in run.resources.items():
        yield "resource", name, Kept(name, path, md5=md5_in(path))


def md5_in(path: PurePath) -> str:
    """The MD5 of its content that Sacred puts into the name of a file it keeps."""
    return path.stem.rpartition("_")[2]


def add_files(document: dict[str, Any], ids: Mapping[tuple[str, str], Any]) -> None:
    """Put the files that are there into a run's document, as Sacred lists them."""
    for (place, name), found in ids.items():
        if found is not None and place == "artifact":
            document["artifacts"].append({"name": name, "file_id": found})
        elif found is not None and place == "source":
            document["experiment"]["sources"].append([name, found])
