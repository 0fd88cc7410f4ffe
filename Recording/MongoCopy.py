"""A run's record in MongoDB, brought up to what its folder holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from Recording.Mongo import refuses, why
from Recording.MongoDocument import LISTS, add_files, document_of, files_of, series_of
from Recording.MongoFiles import MongoFiles
from Recording.RunFiles import RunFiles
from Recording.Storable import canonical, fitted, moment
from Spec.Errors import RecordError

if TYPE_CHECKING:
    from bson import ObjectId
    from pymongo.database import Database

# Fields that are told by what is in them, or by another.
UNTOLD = ("_id", "start_time", "heartbeat", "info", "experiment", "artifacts", "resources")
UNFINISHED = ("RUNNING", "QUEUED", None)


@dataclass(frozen=True)
class Brought:
    """What a copy did not have before, and what it still has not, or not as the folder has it."""

    new: bool
    changed: tuple[str, ...]
    missing: tuple[str, ...]


class MongoCopy:
    """The copy of one run in a database.

    Remembers what is there, so that bringing it up again costs little: `forget` after the server
    was away. Every method that asks the server raises `PyMongoError` where it does not answer.
    """

    def __init__(self, database: "Database"):
        self.runs, self.metrics = database["runs"], database["metrics"]
        self.files = MongoFiles(database)
        self.document: dict[str, Any] | None = None
        self.series: dict[str, tuple[ObjectId, str]] = {}
        self.refused: dict[str, str] = {}  # series that are not tried again, and why
        self.looked = False

    def begin(self, run: RunFiles) -> None:
        """Make the document; `RecordError` where its id is taken."""
        from pymongo.errors import DuplicateKeyError

        document, _ = fitted(document_of(run)[0])
        try:
            self.runs.insert_one(document)
        except DuplicateKeyError:
            raise RecordError(
                f"MongoDB has a run {run.run_id} already: give another id, or leave out -i"
            ) from None
        self.document, self.looked = document, True

    def forget(self) -> None:
        """Look again next time."""
        self.looked = False
        self.files.forget()

    def look(self, run: RunFiles) -> None:
        """See what is there; `RecordError` where it is another run, or knows more than `run`."""
        if self.looked:
            return
        self.document = self.runs.find_one({"_id": run.run_id})
        self.series = {
            found["name"]: (found["_id"], canonical({key: found.get(key) for key in LISTS}))
            for found in self.metrics.find({"run_id": run.run_id})
        }
        if self.document is not None:
            status, own = self.document.get("status"), run.entry.get("status")
            if self.document.get("start_time") != moment(run.entry.get("start_time")):
                raise another_run(run)
            if status not in UNFINISHED and own in UNFINISHED:
                raise RecordError(f"MongoDB has run {run.run_id} as {status}, its folder as {own}")
        self.looked = True

    def bring_up(self, run: RunFiles) -> Brought:
        """Add what MongoDB lacks of `run` and correct what it has otherwise.

        Files come first and the document last: what is COMPLETED there is there completely.
        """
        self.look(run)
        new, held = self.document is None, self.document or {}
        document, missing = document_of(run)
        changed = self.bring_files(run, document, missing)
        changed += self.bring_series(run, document, missing)
        document, left_out = fitted(document)
        differing = {key: value for key, value in document.items() if differs(held, key, value)}
        refused = self.set_fields(run, differing) if differing else {}
        missing += [*left_out, *(f"{key} ({reason})" for key, reason in refused.items())]
        changed += [key for key in differing if key not in (*refused, *UNTOLD)]
        return Brought(new, tuple(changed), tuple(missing))

    def bring_files(self, run: RunFiles, document: dict, missing: list[str]) -> list[str]:
        """Bring a run's files there and into its `document`; what they are that were not."""
        files = list(files_of(run, self.document or {}))
        placed = self.files.place([one for _, _, one in files])
        missing += [
            f"{place} {name} ({placed.refused[one.filename]})"
            for place, name, one in files
            if one.filename in placed.refused
        ]
        ids = {(place, name): placed.ids.get(one.filename) for place, name, one in files}
        add_files(document, ids)
        return [f"{place} {name}" for place, name, one in files if one.filename in placed.new]

    def bring_series(self, run: RunFiles, document: dict, missing: list[str]) -> list[str]:
        """Bring a run's series there and into its `document`; those that were not as they are."""
        changed = []
        for name in [name for name in run.series if name not in self.refused]:
            content = series_of(run, name)
            if self.series.get(name, (None, ""))[1] != (text := canonical(content)):
                self.set_series({"run_id": run.run_id, "name": name}, content, text)
                changed += [f"series {name}"] if name not in self.refused else []
        missing += [f"series {name} ({reason})" for name, reason in self.refused.items()]
        if self.series:
            ids = [{"name": name, "id": str(found)} for name, (found, _) in self.series.items()]
            document["info"]["metrics"] = ids
        return changed

    def set_series(self, same: Mapping[str, Any], content: Mapping[str, Any], text: str) -> None:
        """Set one series, unless the server refuses it."""
        from pymongo import ReturnDocument
        from pymongo.errors import InvalidDocument, OperationFailure

        try:
            found = self.metrics.find_one_and_update(
                same,
                {"$set": content},
                {"_id": True},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        except (OperationFailure, InvalidDocument) as error:
            if refuses(error):
                raise
            self.refused[same["name"]] = f"MongoDB {why(error)}"
            return
        assert found is not None, "it has just been made"
        self.series[same["name"]] = found["_id"], text

    def set_fields(self, run: RunFiles, fields: Mapping[str, Any]) -> dict[str, str]:
        """Set fields of the document, which is made where it is missing; those that the server
        refuses, and why."""
        from pymongo.errors import DuplicateKeyError, InvalidDocument, OperationFailure

        same = {"_id": run.run_id, "start_time": moment(run.entry.get("start_time"))}
        values = {key: value for key, value in fields.items() if key not in same}
        try:
            if values:
                self.runs.update_one(same, {"$set": values}, upsert=True)
        except DuplicateKeyError:
            raise another_run(run) from None
        except (OperationFailure, InvalidDocument) as error:
            if refuses(error):
                raise
            if len(values) == 1:
                return {key: f"MongoDB {why(error)}" for key in values}
            each = [self.set_fields(run, {key: value}) for key, value in values.items()]
            return {key: reason for refused in each for key, reason in refused.items()}
        self.document = {**(self.document or {}), **same, **values}
        return {}

    def lacks(self, run: RunFiles) -> list[str]:
        """What MongoDB lacks of `run`, as far as is known without asking it."""
        held = self.document
        if held is None:
            return ["all of it"]
        document, _ = document_of(run)
        artifacts = {item["name"] for item in held.get("artifacts") or ()}
        series = {name: text for name, (_, text) in self.series.items()}
        fields = [key for key in document if key not in UNTOLD]
        return [
            *(key for key in fields if differs(held, key, document[key])),
            *(f"artifact {name}" for name in run.artifacts if name not in artifacts),
            *(
                f"series {name}"
                for name in run.series
                if series.get(name) != canonical(series_of(run, name))
            ),
        ]


def differs(held: Mapping[str, Any], key: str, value: Any) -> bool:
    """Whether a field is not there as `value`."""
    return key not in held or canonical(held[key]) != canonical(value)


def another_run(run: RunFiles) -> RecordError:
    """The refusal to write over a run that has the same id."""
    return RecordError(
        f"MongoDB has another run {run.run_id}, started at another time: give this one's folder "
        f"another name"
    )
