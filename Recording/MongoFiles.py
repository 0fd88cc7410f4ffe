"""Files in MongoDB's GridFS, each name and content once, however often it is asked for."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from Recording.Mongo import refuses, why

if TYPE_CHECKING:
    from bson import ObjectId
    from pymongo.database import Database

Stamp = tuple[str, str, int, int]


@dataclass(frozen=True)
class Kept:
    """A file to keep as `filename`, with what else its entry in GridFS says; `known` is the id
    under which a run has it already, perhaps, and `md5` what its content must be, where that is
    known."""

    filename: str
    path: Path
    said: Mapping[str, Any] = field(default_factory=dict, hash=False)
    known: Any = None
    md5: str | None = None

    def stamp(self) -> Stamp:
        """What is another when the content is; `OSError` where there is no such file."""
        found = self.path.stat()
        return self.filename, str(self.path), found.st_mtime_ns, found.st_size

    def digest(self) -> str:
        """The MD5 of its content: it names contents, as in Sacred, and keeps no secret."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, md5).hexdigest()


@dataclass(frozen=True)
class Placed:
    """The ids of files by filename, which of them are new, and why others are not there."""

    ids: Mapping[str, "ObjectId"]
    new: tuple[str, ...]
    refused: Mapping[str, str]


class MongoFiles:
    """The files of a database. Remembers what it has seen there, so that asking again is cheap."""

    def __init__(self, database: "Database"):
        import gridfs

        self.files = gridfs.GridFS(database)
        self.entries = database["fs.files"]
        self.seen: dict[Stamp, ObjectId] = {}
        self.refused: dict[Stamp, str] = {}

    def place(self, wanted: Iterable[Kept]) -> Placed:
        """Put there what is missing. What cannot be read or the server refuses is said, and not
        tried again; `PyMongoError` where the server is gone or lets this user do nothing."""
        ids, refused = {}, {}
        unseen: dict[Kept, tuple[Stamp, str]] = {}
        for one in wanted:
            try:
                stamp = one.stamp()
                if stamp in self.seen:
                    ids[one.filename] = self.seen[stamp]
                elif stamp in self.refused:
                    refused[one.filename] = self.refused[stamp]
                elif one.md5 not in (None, digest := one.digest()):
                    refused[one.filename] = "is damaged"
                else:
                    unseen[one] = stamp, digest
            except OSError as error:
                refused[one.filename] = f"cannot be read: {error.strerror}"
        held = self.held(unseen) if unseen else {}
        new = []
        for one, (stamp, digest) in unseen.items():
            if (one.filename, digest) not in held:
                reason = self.put(one, digest, held)
                if reason is not None:
                    refused[one.filename] = self.refused[stamp] = reason
                    continue
                new.append(one.filename)
            ids[one.filename] = self.seen[stamp] = held[one.filename, digest]
        return Placed(ids, tuple(new), refused)

    def put(self, one: Kept, digest: str, held: dict[tuple[str, str], "ObjectId"]) -> str | None:
        """Store one file and its id in `held`; the reason where that is refused."""
        from gridfs.errors import GridFSError
        from pymongo.errors import ConnectionFailure, PyMongoError

        try:
            with one.path.open("rb") as file:
                key = one.filename, digest
                held[key] = self.files.put(file, filename=one.filename, md5=digest, **one.said)
        except OSError as error:
            return f"cannot be read: {error.strerror}"
        except (PyMongoError, GridFSError) as error:
            if isinstance(error, ConnectionFailure) or refuses(error):
                raise
            return f"MongoDB {why(error)}"
        return None

    def held(self, wanted: Mapping[Kept, tuple[Stamp, str]]) -> dict[tuple[str, str], "ObjectId"]:
        """The ids of what is there of `wanted`, by filename and MD5.

        Sacred's own observer notes no MD5: what it has stored for this run and is as long is taken
        to be the same.
        """
        alike = {
            "filename": {"$in": [one.filename for one in wanted]},
            "md5": {"$in": [digest for _, digest in wanted.values()]},
        }
        own = {"_id": {"$in": [one.known for one in wanted if one.known is not None]}}
        entries = {entry["_id"]: entry for entry in self.entries.find({"$or": [alike, own]})}
        found = {(one["filename"], one.get("md5")): name for name, one in entries.items()}
        for one, ((*_, size), digest) in wanted.items():
            entry = entries.get(one.known, {})
            if "md5" not in entry and entry.get("length") == size:
                found[one.filename, digest] = one.known
        return found

    def forget(self) -> None:
        """Look again next time: the server was away."""
        self.seen.clear()


def md5():
    """A digest that is not meant to be secure."""
    return hashlib.md5(usedforsecurity=False)
