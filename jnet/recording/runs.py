"""Recorded runs, read from run folders or from MongoDB into the same form."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jnet.errors import DataError
from jnet.names import (
    EXPERIMENTS,
    RUN_CONFIG,
    RUN_ENTRY,
    RUN_INFO,
    RUN_METRICS,
    RUN_OUTPUT,
    rename_entries,
)
from jnet.recording.mongo import explain_error, make_client, parse_address
from jnet.recording.validation import check_record

if TYPE_CHECKING:
    import gridfs

# Fields of a document in MongoDB that the reports do not need.
BULKY_FIELDS = ("captured_out", "experiment.sources", "experiment.dependencies", "host")
RESOURCES = "_resources"  # beside the runs, as in Sacred's FileStorageObserver
DETAILS = "artifact_details"  # key in the entry: content type and metadata of artifacts by name
RUNNING = "RUNNING"
HEARTBEAT_TIMEOUT = 60  # seconds; a running run has a heartbeat every ten seconds
UNITS = (("days", 86400), ("hours", 3600), ("minutes", 60), ("seconds", 1))


@dataclass(frozen=True)
class Run:
    """A recorded run.

    The fields from `info` on are needed to copy the run. `info`, `series` and `output` are filled
    only by `read_run(complete=True)`; runs from MongoDB have none of them.

    Attributes
    ----------
    run_id : str
    origin : str
        Where the run was read from, for messages.
    entry : mapping
        Sacred's entry of the run: status, times, result and so on.
    config : mapping
        The complete Sacred config.
    artifacts : mapping
        By name, the path (folder) or GridFS id (MongoDB) of every artifact.
    read : callable
        Function from an artifact's name to its content.
    info : mapping
    series : mapping
        The metrics by name, each with values, steps and timestamps.
    output : str
        The captured output.
    sources, resources : mapping of str to Path
        Paths of the program's files and of the resources, by name.
    """

    run_id: str
    origin: str
    entry: Mapping[str, Any]
    config: Mapping[str, Any]
    artifacts: Mapping[str, Any]
    read: Callable[[str], bytes]
    info: Mapping[str, Any] = field(default_factory=dict)
    series: Mapping[str, Mapping[str, list]] = field(default_factory=dict)
    output: str = ""
    sources: Mapping[str, Path] = field(default_factory=dict)
    resources: Mapping[str, Path] = field(default_factory=dict)

    @property
    def sacred_id(self) -> int | str:
        """The id in Sacred and MongoDB."""
        return parse_run_id(self.run_id)

    def read_artifact(self, name: str) -> bytes:
        """Return the content of an artifact; raise `DataError` if it cannot be read."""
        try:
            return self.read(name)
        except OSError as error:
            reason = error.strerror or error
            raise DataError(f"{self.origin}/{name}: cannot be read: {reason}") from error

    def meta(self, key: str) -> Any:
        """Return an item of Sacred's record of the command line, or an empty tuple."""
        return (self.entry.get("meta") or {}).get(key) or ()

    def result(self) -> Mapping[str, Any]:
        """Return the run's result, or an empty mapping."""
        result = self.entry.get("result")
        return result if isinstance(result, Mapping) else {}

    def experiment(self) -> Mapping[str, Any]:
        """Return the record of the program that ran: its name, sources and repositories."""
        return self.entry.get("experiment") or {}

    def experiment_name(self) -> str:
        """Return the name of the experiment that ran, even if -n has given the run another name."""
        experiment = self.experiment()
        return EXPERIMENTS.get(str(experiment.get("mainfile")), str(experiment.get("name")))

    def cfg(self) -> Mapping[str, Any]:
        """Return the run's `cfg` entries under their current names."""
        return rename_entries(self.config.get("cfg") or {})

    def named_configs(self) -> list[str]:
        """Return the names of the named configs of `cfg`, in their order."""
        return [str(name).removeprefix("cfg.") for name in self.meta("named_configs")]

    def is_running(self) -> bool:
        """Return whether the status is RUNNING and the last heartbeat is recent."""
        running = self.entry.get("status") == RUNNING
        return running and self.seconds_since_heartbeat() <= HEARTBEAT_TIMEOUT

    def seconds_since_heartbeat(self) -> float:
        """Return the seconds since the last heartbeat or else the start; infinity without both."""
        last = self.entry.get("heartbeat") or self.entry.get("start_time")
        last = datetime.fromisoformat(last) if isinstance(last, str) else last
        if last is None:
            return float("inf")
        return (datetime.now(UTC).replace(tzinfo=None) - last).total_seconds()

    def status(self) -> str:
        """Return the status; for RUNNING, with the start time and the age of an old heartbeat."""
        status = str(self.entry.get("status"))
        if status != RUNNING:
            return status
        known = self.entry.get("start_time") is not None
        start = f"{self.started()[:16].replace('T', ' ')} UTC" if known else "an unknown time"
        since = f"{RUNNING} since {start}"
        if self.is_running():
            return since
        return f"{since}, no heartbeat for {format_seconds(self.seconds_since_heartbeat())}"

    def started(self) -> str:
        """Return the start time as text that sorts by time."""
        return str(self.entry.get("start_time")).replace(" ", "T")


def add_defaults(run: Run, defaults: Mapping[str, Any]) -> Run:
    """Return the run with default values for the config entries that are newer than its record."""
    return replace(run, config={**run.config, "cfg": {**defaults, **run.cfg()}})


def format_seconds(seconds: float) -> str:
    """Return a duration in the largest unit that gives at least 2, such as 90 seconds."""
    for unit, length in UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}" if seconds < float("inf") else "an unknown time"
    return "less than 2 seconds"


def format_names(names: Sequence[str], limit: int = 4) -> str:
    """Return the first `limit` names as text, with the number of the others."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f"{', '.join(names[:limit])}{more}"


def read_run(folder: Path, complete: bool = False) -> Run:
    """Read the run recorded in `folder`.

    Entry and config are read; with `complete`, also info, metrics and output. Raises `DataError` if
    there is no recorded run or its record is damaged.
    """
    if not (folder / RUN_ENTRY).is_file():
        raise DataError(
            f"{folder}: not the folder of a recorded run: give a folder such as runs/ID"
        )
    optional = (RUN_INFO, RUN_METRICS, RUN_OUTPUT) if complete else ()
    names = (RUN_ENTRY, RUN_CONFIG, *(name for name in optional if (folder / name).is_file()))
    try:
        texts = {name: (folder / name).read_bytes() for name in names}
        output = texts.pop(RUN_OUTPUT, b"").decode("utf-8", "replace")
        return parse_run(folder, texts, output)
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{folder}: the record of this run cannot be read ({reason})") from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{folder}: the record of this run is damaged ({error}): restore or remove it"
        ) from error


def parse_run(folder: Path, texts: Mapping[str, str | bytes], output: str) -> Run:
    """Return a run from the content of its files.

    Parameters
    ----------
    folder : Path
        The run's folder.
    texts : mapping
        The content of its JSON files by name.
    output : str
        The captured output.

    Raises
    ------
    ValueError
        If a file is not a JSON object or has an invalid field.
    """
    entry, config, info, series = (
        parse_object(texts.get(name, "{}"))
        for name in (RUN_ENTRY, RUN_CONFIG, RUN_INFO, RUN_METRICS)
    )
    check_record(entry, config, series)
    runs = folder.resolve().parent
    names = entry.get("artifacts") or ()
    sources = (entry.get("experiment") or {}).get("sources") or ()
    resources = entry.get("resources") or ()
    return Run(
        run_id=folder.resolve().name,
        origin=str(folder),
        entry=entry,
        config=config,
        artifacts={name: join_path(folder, name) for name in names},
        read=lambda name: join_path(folder, name).read_bytes(),
        info=info,
        series=series,
        output=output,
        sources={name: join_path(runs, path) for name, path in sources},
        resources={name: runs / RESOURCES / Path(path).name for name, path in resources},
    )


def parse_object(text: str | bytes) -> dict[str, Any]:
    """Return a JSON object as a dict; raise `ValueError` for any other JSON."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def join_path(folder: Path, name: str) -> Path:
    """Return `folder/name`.

    Raises `ValueError` if the name leads out of `folder`, which is possible in a record from
    another person.
    """
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(f"{name!r} is not a path within {folder}")
    return folder / name


def parse_run_id(name: str) -> int | str:
    """Convert the name of a run's folder to the id of the run in Sacred and MongoDB.

    The id is an int if the name is a decimal number without leading zeros.
    """
    return int(name) if name.isdecimal() and str(int(name)) == name else name


def read_runs(folder: Path) -> tuple[list[Run], list[str]]:
    """Return the runs in the subfolders of `folder`, and a message for each damaged record."""
    runs, damaged = [], []
    for path in sorted(folder.glob(f"*/{RUN_ENTRY}")):
        try:
            runs.append(read_run(path.parent))
        except DataError as error:
            damaged.append(str(error))
    return runs, damaged


def parse_document(entry: Mapping[str, Any], origin: str, files: "gridfs.GridFS") -> Run:
    """Return a run from its MongoDB document.

    Parameters
    ----------
    entry : mapping
        The document.
    origin : str
        Where it was read from, for messages.
    files : gridfs.GridFS
        The files of the database, from which artifacts are read.

    Raises
    ------
    ValueError
        If the document has an invalid field.
    """
    check_record(entry, entry.get("config"))
    ids = {item["name"]: item["file_id"] for item in entry.get("artifacts") or ()}

    def read(name: str) -> bytes:
        import gridfs
        from pymongo.errors import PyMongoError

        try:
            return files.get(ids[name]).read()
        except (PyMongoError, gridfs.NoFile) as error:
            raise OSError(f"not in MongoDB ({type(error).__name__})") from None

    return Run(str(entry["_id"]), origin, entry, entry.get("config") or {}, ids, read)


def read_mongo(target: str) -> tuple[list[Run], list[str]]:
    """Return the runs in a MongoDB database, and a message for each invalid document.

    Raises `RecordError` for an invalid address and `DataError` if the runs cannot be read. The
    messages contain no password.
    """
    import gridfs
    from pymongo.errors import PyMongoError

    address = parse_address(target)
    try:
        database = make_client(address)[address.database]
        entries = list(database["runs"].find({}, dict.fromkeys(BULKY_FIELDS, False)).sort("_id"))
        files = gridfs.GridFS(database)
    except PyMongoError as error:
        raise DataError(
            f"MongoDB at {address.servers} {explain_error(error)}: start it, or correct the address"
        ) from None  # the driver's own message may contain the password

    runs, damaged = [], []
    for entry in entries:
        origin = f"{address.servers}/{database.name} run {entry['_id']}"
        try:
            runs.append(parse_document(entry, origin, files))
        except ValueError as error:
            damaged.append(f"{origin}: not a record of this program ({error})")
    return runs, damaged
