"""Where runs are recorded: a folder each, and a document each in MongoDB, under the same id."""

import os
import re
import tempfile
from datetime import datetime
from pathlib import Path

from sacred.observers import FileStorageObserver, MongoObserver

from Spec.Errors import RecordError

MONGO_URL = "JNET_MONGO_URL"
MONGO_TARGET = re.compile(
    r"(?:(?P<host>[\w.-]+|\[[\da-fA-F:]+\]):(?P<port>\d{1,5})(?::|$))?(?P<database>[A-Za-z_][\w-]*)?"
)
DATABASE = "jnet"  # where the URL or -m names none
MONGO_WAIT = 2500  # milliseconds a MongoDB server may take to answer at the start


class RunFolder(FileStorageObserver):
    """A folder for every run. The first of the observers: it gives a run its id."""

    def __init__(self, folder: Path):
        super().__init__(folder, priority=100)

    def _make_run_dir(self, _id):
        """Make the run's folder; without an id, under a new one that no other run has."""
        Path(self.basedir).mkdir(parents=True, exist_ok=True)
        while True:
            try:
                return self._make_dir(new_run_id() if _id is None else _id)
            except FileExistsError:
                if _id is not None:
                    raise

    def started_event(self, ex_info, *args, **kwargs):
        # A copy, because the folder's paths are put into it, which other observers read.
        given = super().started_event(dict(ex_info), *args, **kwargs)
        return int(given) if str(given).isdigit() else given

    def failed_event(self, fail_time, fail_trace):
        if self.run_entry is not None:  # else another observer could not even start
            super().failed_event(fail_time, fail_trace)


class RunDocument(MongoObserver):
    """A run's document in MongoDB, under the id that its folder has."""

    def started_event(self, *args, **kwargs):
        from pymongo.errors import PyMongoError

        try:
            return super().started_event(*args, **kwargs)
        except PyMongoError as error:
            entry, self.run_entry = self.run_entry or {}, None
            raise RecordError(
                f"MongoDB does not take run {entry.get('_id')} ({type(error).__name__}): "
                f"start it again, or record under runs/ alone"
            ) from None  # the driver's own message may hold the password

    def failed_event(self, fail_time, fail_trace):
        if self.run_entry is not None:
            super().failed_event(fail_time, fail_trace)


def checked_run_id(wanted: str, folder: Path) -> int | str:
    """The id that -i gives, a number where it looks like one; refused where a run has it."""
    if not re.fullmatch(r"\w[\w.-]*", wanted):
        raise RecordError(f"the run id {wanted!r} cannot name a folder: use letters and digits")
    if (folder / wanted).exists():
        raise RecordError(f"{folder / wanted}: is a run already: give another id, or leave out -i")
    return int(wanted) if wanted.isdecimal() and str(int(wanted)) == wanted else wanted


def new_run_id() -> int:
    """The time to the millisecond as one number, yymmddhhmmssmmm: unique over the places a run is
    recorded in, ordered, and small enough for every reader of JSON."""
    return int(datetime.now().strftime("%y%m%d%H%M%S%f")[:-3])


def mongo_observer(target: str | None, failure_dir: Path) -> RunDocument | None:
    """The observer for `-m`'s `target`, else for JNET_MONGO_URL; None when neither is given.

    Raises `RecordError`, naming the server but no password, when it does not answer or does not
    let the user write.
    """
    url = os.environ.get(MONGO_URL) or None
    if target is None and url is None:
        return None
    import pymongo
    from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

    server = f"the address in {MONGO_URL}"
    client: pymongo.MongoClient | None = None
    try:
        if target is not None:
            url, database = mongo_address(target)
            server = repr(target)
        else:
            parsed = pymongo.uri_parser.parse_uri(str(url), connect_timeout=MONGO_WAIT / 1000)
            database = parsed["database"] or DATABASE
            server = repr(",".join(f"{host}:{port}" for host, port in parsed["nodelist"]))
        client = pymongo.MongoClient(
            url, serverSelectionTimeoutMS=MONGO_WAIT, connectTimeoutMS=MONGO_WAIT
        )
        # A ping needs no rights. No document has this id, so nothing is changed.
        client[database]["runs"].update_one({"_id": None}, {"$set": {"status": None}})
    except (PyMongoError, ValueError) as error:
        if client is not None:
            client.close()
        why = "is not understood"
        if isinstance(error, ConnectionFailure):
            why = "does not answer"
        elif isinstance(error, OperationFailure):
            why = "does not let this user write"
        raise RecordError(
            f"MongoDB at {server} {why} ({type(error).__name__}): start it, correct -m "
            f"host:port:db or {MONGO_URL}, or leave both out to record under runs/ alone"
        ) from None  # the driver's own message may hold the password
    return RunDocument(client=client, db_name=database, failure_dir=str(failure_dir))


def mongo_address(target: str) -> tuple[str, str]:
    """The URL and the database of -m's `[host:port:]db`; `RecordError`, without repeating what may
    hold a password, for anything else."""
    found = MONGO_TARGET.fullmatch(target)
    if found is None or not target:
        raise RecordError(
            f"-m is not host:port:db, such as localhost:27017:jnet: correct it, or give a URL, "
            f"with or without a password, in the environment variable {MONGO_URL}"
        )
    host = f"{found['host']}:{found['port']}" if found["host"] else "localhost:27017"
    return f"mongodb://{host}", found["database"] or DATABASE


def check_writable(folder: Path, remedy: str) -> None:
    """Make `folder` and see that files can be written to it; `RecordError`, with `remedy`, else."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise RecordError(f"{folder}: cannot be written to ({error.strerror}): {remedy}") from error
