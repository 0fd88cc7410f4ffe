"""A Sacred observer that copies each run's folder to MongoDB under the same id."""

import threading
import time

import pymongo
from pymongo.errors import ConfigurationError, PyMongoError
from sacred.observers import RunObserver

from jnet.errors import RecordError
from jnet.recording.mongo import URL_VARIABLE, Address, explain_error, is_access_denied, make_client
from jnet.recording.mongo_copy import MongoCopy
from jnet.recording.run_folder import RunFolder
from jnet.recording.runs import format_names

END_WAIT = 5.0  # seconds that the end of a run waits for a server that stopped responding
LAST_WAIT = 60.0  # seconds that the end of a run waits for the last update
RETRY_SECONDS = 0.2
PING_WAIT = 1.0  # seconds that a server has to answer after it was unreachable


class RunDocument(RunObserver):
    """Copy a run's folder to MongoDB in a thread, so that the run never waits for the server.

    `trouble` is a message on why the copy cannot be updated, or None. A server that does not answer
    is no error, because it may become reachable during the run.

    Parameters
    ----------
    folder : RunFolder
        The observer that records the run in a folder.
    address : Address
        The database.
    push : str
        The command that uploads the run later, for messages.

    Raises
    ------
    RecordError
        If the address is invalid or the server denies write access. The message contains no
        password.
    """

    priority = 30

    def __init__(self, folder: RunFolder, address: Address, push: str):
        self.folder, self.address, self.push = folder, address, push
        self.trouble: str | None = None
        self.warned = False
        self.missing: list[str] = []
        self.changed, self.ended = threading.Event(), threading.Event()
        self.thread: threading.Thread | None = None
        try:
            self.client = make_client(address)
            self.copy = MongoCopy(self.client[address.database])
            # Tests write access, for which a ping is not enough. No document has this id.
            self.copy.runs.update_one({"_id": None}, {"$set": {"status": None}})
        except PyMongoError as error:
            self.trouble = explain_error(error)
            wrong = isinstance(error, ConfigurationError) and not address.by_dns
            if is_access_denied(error) or wrong:
                raise RecordError(
                    f"{self} {self.trouble}: correct -m host:port:db or {URL_VARIABLE}, or omit "
                    f"both to record only under runs/"
                ) from None  # the driver's own message may contain the password

    def started_event(self, *args, _id=None, **kwargs):
        try:
            if self.trouble is None:
                self.copy.create(self.folder.record())
        except PyMongoError as error:
            self.trouble = explain_error(error)
        if self.trouble is not None:
            self.warned = True
            self.folder.warn(
                f"{self} {self.trouble}: run {_id} continues and is recorded in "
                f"{self.folder.path}; if MongoDB does not answer before the run ends, copy the run "
                f"later: {self.push} {self.folder.path}"
            )
        self.thread = threading.Thread(target=self.keep_updating, daemon=True)
        self.thread.start()
        self.notify()
        return _id

    def notify(self, *args, **kwargs) -> None:
        """Tell the thread that the record has changed."""
        self.changed.set()

    heartbeat_event = completed_event = interrupted_event = failed_event = notify
    artifact_event = resource_event = notify

    def keep_updating(self) -> None:
        """Update the copy after every change, until the run ends.

        After the last change, updates are retried for `END_WAIT` seconds, unless the server was
        unreachable when the run started.
        """
        while self.changed.wait() and not self.ended.is_set():
            self.changed.clear()
            self.update()
        deadline = time.monotonic() + (0.0 if self.warned else END_WAIT)
        self.update()
        while self.trouble is not None and time.monotonic() < deadline:
            time.sleep(RETRY_SECONDS)
            self.update()

    def update(self) -> None:
        """Update the copy, or set `trouble` to the reason why that failed."""
        try:
            if self.trouble is not None:
                with pymongo.timeout(PING_WAIT):
                    self.client["admin"].command("ping")
            _, self.missing = self.copy.update(self.folder.record())
            self.trouble = None
        except PyMongoError as error:
            self.copy = MongoCopy(self.client[self.address.database])
            self.trouble = explain_error(error)
        except RecordError as error:
            self.trouble = f"is not updated: {error}"
        except Exception as error:  # an error in this program must not end the run
            self.trouble = (
                f"is not updated, because of an error in this program ({type(error).__name__})"
            )

    def finish(self) -> None:
        """Copy the rest of the record, end the thread, and warn if the copy is incomplete."""
        if self.thread is None:
            return
        self.ended.set()
        self.notify()
        self.thread.join(LAST_WAIT)
        if self.thread.is_alive():
            self.trouble = self.trouble or "did not receive the complete record in time"
        self.client.close()
        path = self.folder.path
        reason = self.trouble or (
            f"could not store {format_names(self.missing)}" if self.missing else None
        )
        if reason is None and self.warned:
            print(f"{self}: the copy of run {path.name} is now complete")
        if reason is not None and not (self.trouble and self.warned):
            self.folder.warn(
                f"{self} {reason}: its copy of run {path.name} is incomplete; the complete record "
                f"is {path}; to copy it again: {self.push} {path}"
            )

    def __str__(self) -> str:
        return f"MongoDB at {self.address.servers}"
