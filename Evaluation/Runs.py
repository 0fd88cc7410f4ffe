"""Runs as Sacred records them: a folder each, or a document each in MongoDB, of one form."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from Spec.Errors import DataError

MONGO_TARGET = re.compile(r"(?P<host>[\w.-]+|\[[\da-fA-F:]+\]):(?P<port>\d{1,5}):(?P<db>[\w-]+)")
MONGO_URL = re.compile(r"mongodb(\+srv)?://")
DATABASE = "jnet"  # where the URL names none
MONGO_WAIT = 3000  # milliseconds a server may take to answer
BULKY = ("captured_out", "experiment.sources", "experiment.dependencies", "host")
RECORD = ("run.json", "config.json")


@dataclass(frozen=True)
class Run:
    """One run as Sacred records it, its artifacts by name not yet read."""

    run_id: str
    origin: str
    entry: Mapping[str, Any]
    config: Mapping[str, Any]
    artifacts: tuple[str, ...]
    read: Callable[[str], bytes]

    def artifact(self, name: str) -> bytes:
        """One artifact; `DataError` when it is not where the record says."""
        try:
            return self.read(name)
        except OSError as error:
            why = error.strerror or error
            raise DataError(f"{self.origin}/{name}: cannot be read: {why}") from error

    def meta(self, key: str) -> Any:
        """An entry of the record of the command line."""
        return (self.entry.get("meta") or {}).get(key) or ()

    def result(self) -> Mapping[str, Any]:
        """What the run returned."""
        result = self.entry.get("result")
        return result if isinstance(result, Mapping) else {}

    def experiment(self) -> Mapping[str, Any]:
        """What was run."""
        return self.entry.get("experiment") or {}

    def cfg(self) -> Mapping[str, Any]:
        """The run's `cfg` entries."""
        return self.config.get("cfg") or {}

    def named_configs(self) -> list[str]:
        """The named configs of `cfg`, in their order."""
        return [str(name).removeprefix("cfg.") for name in self.meta("named_configs")]

    def started(self) -> str:
        """When, as text that sorts."""
        return str(self.entry.get("start_time")).replace(" ", "T")


def read_runs(folder: Path) -> tuple[list[Run], list[str]]:
    """The runs of one of Sacred's folders, and those whose record is damaged."""
    runs, damaged = [], []
    for path in sorted(folder.glob("*/run.json")):
        try:
            runs.append(run_in(path.parent))
        except DataError as error:
            damaged.append(str(error))
    return runs, damaged


def run_in(folder: Path) -> Run:
    """The run that `folder` records; `DataError` when its record is damaged."""
    try:
        entry, config = (json.loads((folder / name).read_bytes()) for name in RECORD)
    except (OSError, ValueError) as error:
        raise DataError(f"{folder}: the record of this run is damaged ({error})") from error
    if not isinstance(entry, dict) or not isinstance(config, dict):
        raise DataError(f"{folder}: the record of this run is damaged (it is no JSON object)")

    def read(name: str) -> bytes:
        return (folder / name).read_bytes()

    names = tuple(map(str, entry.get("artifacts") or ()))
    return Run(folder.resolve().name, str(folder), entry, config, names, read)


def read_mongo(target: str) -> tuple[list[Run], list[str]]:
    """The runs in a MongoDB; `DataError`, repeating no password, when it does not answer."""
    import gridfs
    import pymongo
    from pymongo.errors import PyMongoError

    address = MONGO_TARGET.fullmatch(target)
    server = "the address given"
    try:
        url = f"mongodb://{address['host']}:{address['port']}" if address else target
        parsed = pymongo.uri_parser.parse_uri(url, connect_timeout=MONGO_WAIT / 1000)
        server = ",".join(f"{host}:{port}" for host, port in parsed["nodelist"])
        client: pymongo.MongoClient = pymongo.MongoClient(
            url, serverSelectionTimeoutMS=MONGO_WAIT, connectTimeoutMS=MONGO_WAIT
        )
        database = client[address["db"] if address else parsed["database"] or DATABASE]
        entries = list(database["runs"].find({}, dict.fromkeys(BULKY, False)).sort("_id"))
    except (PyMongoError, ValueError) as error:
        raise DataError(
            f"MongoDB at {server} gives no runs ({type(error).__name__}): start it, or correct "
            f"the address, host:port:db or mongodb://…"
        ) from None  # the driver's own message may hold the password
    files = gridfs.GridFS(database)

    def run(entry: Mapping[str, Any]) -> Run:
        held = {item["name"]: item["file_id"] for item in entry.get("artifacts") or ()}

        def read(name: str) -> bytes:
            try:
                return files.get(held[name]).read()
            except (PyMongoError, gridfs.NoFile) as error:
                raise OSError(f"not in MongoDB ({type(error).__name__})") from None

        origin = f"{server}/{database.name} run {entry['_id']}"
        return Run(str(entry["_id"]), origin, entry, entry.get("config") or {}, tuple(held), read)

    return [run(entry) for entry in entries], []
