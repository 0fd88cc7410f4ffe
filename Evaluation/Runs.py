"""Runs as Sacred records them: a folder each, or a document each in MongoDB, of one form."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from Recording.Mongo import address, client_of, why
from Recording.RunFiles import CONFIG, ENTRY, below
from Spec.Errors import DataError

BULKY = ("captured_out", "experiment.sources", "experiment.dependencies", "host")
RUNNING = "RUNNING"
SILENT = 60  # seconds without a heartbeat, of which there is one every ten
UNITS = (("days", 86400), ("hours", 3600), ("minutes", 60), ("seconds", 1))


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

    def is_running(self) -> bool:
        """Whether it says so, and shows it by a heartbeat of late."""
        return self.entry.get("status") == RUNNING and self.silence() <= SILENT

    def silence(self) -> float:
        """Seconds since its last sign of life; infinite where it has given none."""
        last = self.entry.get("heartbeat") or self.entry.get("start_time")
        last = datetime.fromisoformat(last) if isinstance(last, str) else last
        if last is None:
            return float("inf")
        return (datetime.now(UTC).replace(tzinfo=None) - last).total_seconds()

    def state(self) -> str:
        """Its status; where that is RUNNING since when, and for how long nothing was heard of it:
        a run that was killed has no chance to say so."""
        status = str(self.entry.get("status"))
        if status != RUNNING:
            return status
        since = f"{RUNNING} since {self.started()[:16].replace('T', ' ')} UTC"
        return (
            since if self.is_running() else f"{since}, no heartbeat for {roughly(self.silence())}"
        )

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


def roughly(seconds: float) -> str:
    """A time as one says it."""
    for unit, length in UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}" if seconds < float("inf") else "ever"
    return "a moment"


def run_in(folder: Path) -> Run:
    """The run that `folder` records; `DataError` when its record is damaged."""
    try:
        entry, config = (json.loads((folder / name).read_bytes()) for name in (ENTRY, CONFIG))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder}: the record of this run is damaged ({error})") from error
    if not isinstance(entry, dict) or not isinstance(config, dict):
        raise DataError(f"{folder}: the record of this run is damaged (it is no JSON object)")

    def read(name: str) -> bytes:
        try:
            return below(folder, name).read_bytes()
        except ValueError as error:
            raise OSError(str(error)) from None

    names = tuple(map(str, entry.get("artifacts") or ()))
    return Run(folder.resolve().name, str(folder), entry, config, names, read)


def read_mongo(target: str) -> tuple[list[Run], list[str]]:
    """The runs in a MongoDB; an error that repeats no password when it is not understood
    (`RecordError`) or gives none (`DataError`)."""
    import gridfs
    from pymongo.errors import PyMongoError

    where = address(target)
    try:
        database = client_of(where)[where.database]
        entries = list(database["runs"].find({}, dict.fromkeys(BULKY, False)).sort("_id"))
        files = gridfs.GridFS(database)
    except PyMongoError as error:
        raise DataError(
            f"MongoDB at {where.said} gives no runs, it {why(error)}: start it, or correct the "
            f"address"
        ) from None  # the driver's own message may hold the password

    def run(entry: Mapping[str, Any]) -> Run:
        held = {item["name"]: item["file_id"] for item in entry.get("artifacts") or ()}

        def read(name: str) -> bytes:
            try:
                return files.get(held[name]).read()
            except (PyMongoError, gridfs.NoFile) as error:
                raise OSError(f"not in MongoDB ({type(error).__name__})") from None

        origin = f"{where.said}/{database.name} run {entry['_id']}"
        return Run(str(entry["_id"]), origin, entry, entry.get("config") or {}, tuple(held), read)

    return [run(entry) for entry in entries], []
