"""Copy a run's record to MongoDB, or complete a partial copy.

The parts of a record are its files, its series and the fields of its document. Their names are
those used in messages, for example `artifact scores.json`, `series loss` and `status`.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import gridfs
from bson import ObjectId
from pymongo.database import Database
from pymongo.errors import ConnectionFailure, InvalidDocument, PyMongoError

from jnet.errors import RecordError
from jnet.recording.mongo import explain_error, is_access_denied
from jnet.recording.mongo_document import RunFile, build_document, build_series, list_files, to_time
from jnet.recording.runs import Run

UNFINISHED = ("RUNNING", "QUEUED", None)
ALL_FIELDS = "all fields"
# Results of an update.
PUSHED, COMPLETED, UNCHANGED = "pushed", "completed", "already complete"


class MongoCopy:
    """The copy of a run in a MongoDB database.

    The object remembers what the database contains, so that another update is fast. Make a new
    object after the server was unreachable. If the server rejects a part, the other parts are still
    written; only a new object tries that part again. All methods raise `PyMongoError` if the server
    does not answer.
    """

    def __init__(self, database: Database):
        self.runs, self.metrics = database["runs"], database["metrics"]
        self.entries, self.files = database["fs.files"], gridfs.GridFS(database)
        self.document: dict[str, Any] | None = None  # empty if there is none; None before `read`
        self.stored: dict[tuple[str, str], ObjectId] = {}  # files by filename and MD5
        self.series: dict[str, tuple[ObjectId, str]] = {}  # id and content as text, by name
        self.ids: dict[str, ObjectId] = {}  # ids of this run's files and series, by part
        self.rejected: dict[str, str] = {}  # reasons by part
        self.writes = 0

    def create(self, run: Run) -> None:
        """Make the document of a run that starts; raise `RecordError` if another run has its id."""
        self.read(run)
        self.set_fields(run, build_document(run, self.ids)[0])

    def read(self, run: Run) -> None:
        """Read the copy from the database.

        Raises `RecordError` if the document is that of another run, or if it has ended while `run`
        has not.
        """
        document = self.runs.find_one({"_id": run.sacred_id}) or {}
        status, own_status = document.get("status"), run.entry.get("status")
        if document and document.get("start_time") != to_time(run.entry.get("start_time")):
            raise RecordError(
                f"MongoDB already has a run {run.run_id} that started at another time: give this "
                f"run another id with -i, or rename its folder"
            )
        if status not in UNFINISHED and own_status in UNFINISHED:
            raise RecordError(
                f"run {run.run_id} has the status {status} in MongoDB, but {own_status} in its "
                f"folder: check which record is newer"
            )
        for series in self.metrics.find({"run_id": run.sacred_id}, {"run_id": False}):
            name, key = series.pop("name"), series.pop("_id")
            self.series[name] = key, to_text(series)
        # Files of other runs are reused, because most sources do not change between runs.
        wanted = [
            {"filename": file.filename, **({"md5": file.md5} if file.md5 else {})}
            for file in list_files(run)
        ]
        for entry in self.entries.find({"$or": wanted}) if wanted else ():
            self.stored[entry["filename"], entry.get("md5")] = entry["_id"]
        self.document = document

    def update(self, run: Run) -> tuple[str, list[str]]:
        """Add missing parts of `run` to the copy and correct differing parts.

        Files are written first and the document last, so that a run with the status COMPLETED in
        MongoDB is complete there.

        Returns
        -------
        outcome : str
            PUSHED, COMPLETED or UNCHANGED.
        missing : list of str
            The parts that are missing or altered in MongoDB, with the reasons.
        """
        if self.document is None:
            self.read(run)
        old, before = self.document or {}, self.writes
        for file in list_files(run):
            self.attempt(file.part, self.store_file, file)
        for name in run.series:
            self.attempt(f"series {name}", self.store_series, run, name)
        document, missing = build_document(run, self.ids)
        fields = {
            key: value
            for key, value in document.items()
            if key not in self.rejected and (key not in old or to_text(old[key]) != to_text(value))
        }
        self.attempt(ALL_FIELDS, self.set_fields, run, fields)
        if self.rejected.pop(ALL_FIELDS, None):
            for key, value in fields.items():
                self.attempt(key, self.set_fields, run, {key: value})
        missing += [f"{part} ({reason})" for part, reason in self.rejected.items()]
        done = COMPLETED if self.writes > before else UNCHANGED
        return done if old else PUSHED, missing

    def attempt(self, part: str, write: Callable[..., None], *arguments: Any) -> None:
        """Write a part; if it cannot be read or the server rejects it, note the reason.

        Parameters
        ----------
        part : str
            Name of the part.
        write : callable
            Function that writes the part.
        *arguments
            Arguments of `write`.
        """
        if part in self.rejected:
            return
        try:
            write(*arguments)
        except OSError as error:
            self.rejected[part] = f"cannot be read: {error.strerror or error}"
        except (PyMongoError, InvalidDocument) as error:
            if is_access_denied(error) or isinstance(error, ConnectionFailure):
                raise
            self.rejected[part] = f"MongoDB {explain_error(error)}"

    def store_file(self, file: RunFile) -> None:
        """Store a file, unless a file of the same name and content is stored already."""
        key = file.filename, file.hash_content()
        if key not in self.stored:
            with file.path.open("rb") as content:
                self.stored[key] = self.files.put(
                    content, filename=file.filename, md5=key[1], **file.details
                )
            self.writes += 1
        self.ids[file.part] = self.stored[key]

    def store_series(self, run: Run, name: str) -> None:
        """Store a series, unless the same content is stored already."""
        content = build_series(run, name)
        text = to_text(content)
        if name not in self.series or self.series[name][1] != text:
            document = self.metrics.find_one_and_update(
                {"run_id": run.sacred_id, "name": name},
                {"$set": content},
                {"_id": True},
                upsert=True,
                return_document=True,  # the document after the update
            )
            assert document is not None, "it has just been made"
            self.series[name] = document["_id"], text
            self.writes += 1
        self.ids[f"series {name}"] = self.series[name][0]

    def set_fields(self, run: Run, fields: Mapping[str, Any]) -> None:
        """Set fields of the document, and make the document if it does not exist."""
        if fields:
            # The start time in the key protects another run of the same id from being overwritten.
            key = {"_id": run.sacred_id, "start_time": to_time(run.entry.get("start_time"))}
            self.runs.update_one(key, {"$set": dict(fields)}, upsert=True)
            self.document = {**(self.document or {}), **fields}
            self.writes += 1


def to_text(value: Any) -> str:
    """Return a text that is equal for equal values, including NaN, for any order of keys."""
    return json.dumps(value, sort_keys=True, default=str)
