"""The document and files of a run in MongoDB, in the format of Sacred's `MongoObserver`.

Values that exceed MongoDB's limits are altered, shortened or omitted.
"""

import functools
import hashlib
import mimetypes
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any

import bson

from jnet.names import RUN_OUTPUT
from jnet.recording.runs import DETAILS, Run

FORMAT = "MongoObserver-0.7.0"  # of Sacred 0.8.7, which Omniboard and other viewers read
TIME_FIELDS = ("start_time", "stop_time", "heartbeat")
SERIES_FIELDS = ("steps", "values", "timestamps")  # the lists in a series
MAX_DOCUMENT_BYTES = 16 * 2**20 - 2**18  # MongoDB's 16 MB minus space for fields that viewers add
MAX_OUTPUT_BYTES = 12 * 2**20  # longer captured output is shortened
KEPT_OUTPUT_BYTES = 2**20  # of shortened output, at each end
MAX_INTEGER = 2**63 - 1


@dataclass(frozen=True)
class RunFile:
    """A file of a run, for storage in GridFS.

    Attributes
    ----------
    part : str
        Kind and name, such as `artifact scores.json`: the key of its id, and its name in messages.
    filename : str
        Name in GridFS.
    path : Path
    md5 : str or None
        The expected MD5 of the content, if known.
    details : mapping
        Additional fields in GridFS.
    """

    part: str
    filename: str
    path: Path
    md5: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def hash_content(self) -> str:
        """Return the MD5 of the content.

        Raises `OSError` if the file cannot be read or its MD5 is not the expected one.
        """
        stat = self.path.stat()
        md5 = compute_md5(self.path, stat.st_mtime_ns, stat.st_size)
        if self.md5 not in (None, md5):
            raise OSError("its content does not match the MD5 in its name")
        return md5


@functools.cache
def compute_md5(path: Path, modified: int, size: int) -> str:
    """Return the MD5 of a file, by which Sacred identifies content.

    `modified` and `size` are only keys of the cache.

    Parameters
    ----------
    path : Path
    modified : int
        Modification time in nanoseconds.
    size : int
        Size in bytes.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def list_files(run: Run) -> list[RunFile]:
    """Return the run's artifacts, sources and resources."""
    files = []
    details = make_storable(run.entry.get(DETAILS) or {})
    for name, path in run.artifacts.items():
        given = details.get(name) or {}
        content_type = given.get("content_type") or mimetypes.guess_type(name)[0]
        stored = {"metadata": given.get("metadata"), "contentType": content_type}
        filename = f"artifact://runs/{run.run_id}/{name}"
        files.append(RunFile(f"artifact {name}", filename, path, details=stored))
    base_dir = run.experiment().get("base_dir") or ""
    for name, path in run.sources.items():
        filename = str(PurePath(base_dir, name))
        files.append(RunFile(f"source {name}", filename, path, parse_md5(path)))
    for name, path in run.resources.items():
        files.append(RunFile(f"resource {name}", name, path, parse_md5(path)))
    return files


def parse_md5(path: Path) -> str:
    """Return the MD5 in the name of a copied source or resource."""
    return path.stem.rpartition("_")[2]


def build_document(run: Run, ids: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the run's MongoDB document, and messages on altered or omitted content.

    `ids` are the ids of the files and series that are stored already, by part. Files and series
    without an id are left out of the document.
    """
    recorded = {
        **{key: value for key, value in run.entry.items() if key != DETAILS},
        "_id": run.sacred_id,
        "format": FORMAT,
        "config": run.config,
        "info": run.info,
        "captured_out": run.output,
        "resources": [[name, parse_md5(path)] for name, path in run.resources.items()],
        "experiment": run.experiment(),
    }
    shortened = recorded | {"captured_out": shorten_output(run)}
    messages = ["captured_out (shortened)"] if shortened != recorded else []
    document = make_storable(shortened)
    altered = [key for key, value in shortened.items() if document[key] != value]
    messages += [f"{key} (converted to a value that MongoDB can store)" for key in altered]
    document |= {key: to_time(document[key]) for key in TIME_FIELDS if key in document}

    def find_ids(kind: str, names: Iterable[str]) -> list[tuple[str, Any]]:
        return [(name, ids[f"{kind} {name}"]) for name in names if f"{kind} {name}" in ids]

    artifacts, series = find_ids("artifact", run.artifacts), find_ids("series", run.series)
    document["artifacts"] = [{"name": name, "file_id": file_id} for name, file_id in artifacts]
    document["experiment"]["sources"] = [list(pair) for pair in find_ids("source", run.sources)]
    if series:
        document["info"]["metrics"] = [
            {"name": name, "id": str(series_id)} for name, series_id in series
        ]
    return document, messages + drop_large_fields(document)


def build_series(run: Run, name: str) -> dict[str, list]:
    """Return steps, values and timestamps of a series as its MongoDB document has them."""
    series = make_storable({key: run.series[name][key] for key in SERIES_FIELDS})
    return {**series, "timestamps": [to_time(time) for time in series["timestamps"]]}


def make_storable(value: Any) -> Any:
    """Convert a value that was read from JSON to types that BSON supports.

    Integers outside the range of a signed 64-bit integer become text. Lone surrogates in texts and
    NUL characters in keys are escaped.
    """
    if isinstance(value, dict):
        return {
            make_storable(key).replace("\0", "\\0"): make_storable(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [make_storable(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, int) and not -MAX_INTEGER - 1 <= value <= MAX_INTEGER:
        return str(value)
    return value


def shorten_output(run: Run) -> str:
    """Return captured output that fits into a MongoDB document.

    Of long output, the start and the end are kept. A line between them states the number of omitted
    bytes and the file with the complete output.
    """
    content = run.output.encode("utf-8", "backslashreplace")
    if len(content) <= MAX_OUTPUT_BYTES:
        return run.output
    start = content[:KEPT_OUTPUT_BYTES].decode("utf-8", "ignore")
    end = content[-KEPT_OUTPUT_BYTES:].decode("utf-8", "ignore")
    omitted = len(content) - 2 * KEPT_OUTPUT_BYTES
    path = f"{run.origin}/{RUN_OUTPUT}"
    return f"{start}\n[… {omitted} bytes omitted; complete output: {path} …]\n{end}"


def drop_large_fields(document: dict[str, Any]) -> list[str]:
    """Remove the largest fields until the document fits into MongoDB; return a message for each."""
    sizes = {key: len(bson.encode({key: value})) for key, value in document.items()}
    dropped = []
    while sum(sizes.values()) > MAX_DOCUMENT_BYTES:
        largest = max(sizes, key=lambda key: sizes[key])
        dropped.append(f"{largest} (omitted, too large)")
        del sizes[largest], document[largest]
    return dropped


def to_time(text: str | None) -> datetime | None:
    """Return a time that Sacred has written, rounded down to milliseconds as MongoDB stores it."""
    if text is None:
        return None
    time = datetime.fromisoformat(text)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)
