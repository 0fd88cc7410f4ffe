"""Where runs are recorded, too: a copy of each run's folder in MongoDB, under the same id."""

import os
import threading
import time
from typing import Any

from sacred.observers import RunObserver

from Observers import RunFolder
from Recording.Mongo import (
    BY_DNS,
    ENVIRONMENT,
    TARGET,
    Address,
    address,
    client_of,
    refuses,
    why,
)
from Recording.MongoCopy import MongoCopy
from Recording.RunFiles import counted, listed
from Spec.Errors import RecordError

END_WAIT = 5.0  # seconds that the end of a run waits for a server that has gone away
LAST_WAIT = 60.0  # seconds that it waits for one that takes what it is sent
PAUSE = 0.2  # seconds between two tries
PING_WAIT = 1.0  # seconds in which a server that was away must show that it is back


class RunDocument(RunObserver):
    """A run's document in MongoDB: a copy of its folder's record, kept up by a thread of its own,
    so that no server keeps a run waiting.

    `push` is the command that makes up for what is missing; `trouble` says why the server could
    not be had so far, if so.
    """

    priority = 30

    def __init__(
        self,
        folder: RunFolder,
        where: Address,
        client: Any,
        push: str,
        trouble: str | None,
    ):
        self.folder, self.where, self.client, self.push = folder, where, client, push
        self.copy = MongoCopy(client[where.database])
        self.trouble, self.warned = trouble, False
        self.missing: tuple[str, ...] = ()
        self.awake, self.ended = threading.Event(), threading.Event()
        self.thread: threading.Thread | None = None

    def started_event(self, *args, _id=None, **kwargs):
        from pymongo.errors import PyMongoError

        try:
            if self.trouble is None:
                self.copy.begin(self.folder.record())
        except PyMongoError as error:
            self.trouble = why(error)
        if self.trouble is not None:
            self.warned = True
            self.folder.say(
                f"{self} {self.trouble}: run {_id} goes on and is recorded in {self.folder.dir}; "
                f"MongoDB gets it when it answers before the run ends, else by: {self.push} "
                f"{self.folder.dir}"
            )
        self.thread = threading.Thread(target=self.keep_up, daemon=True)
        self.thread.start()
        self.wake()
        return _id

    def wake(self, *args, **kwargs) -> None:
        """There is something new to copy."""
        self.awake.set()

    heartbeat_event = completed_event = interrupted_event = failed_event = wake
    artifact_event = resource_event = wake

    def keep_up(self) -> None:
        """Copy whenever there is something new; at the end until all is copied, or for a while."""
        while not self.ended.is_set():
            self.awake.wait()
            self.awake.clear()
            self.bring_up()
        was_there = self.copy.document is not None
        deadline = time.monotonic() + (END_WAIT if was_there else 0.0)
        self.bring_up()
        while self.trouble is not None and time.monotonic() < deadline:
            time.sleep(PAUSE)
            self.bring_up()

    def bring_up(self) -> None:
        """Copy what there is, or note why that is not possible."""
        import pymongo
        from pymongo.errors import PyMongoError

        try:
            if self.trouble is not None:
                with pymongo.timeout(PING_WAIT):
                    self.client["admin"].command("ping")
            self.missing = self.copy.bring_up(self.folder.record()).missing
            self.trouble = None
        except PyMongoError as error:
            self.copy.forget()
            self.trouble = why(error)
        except RecordError as error:
            self.trouble = f"is left as it is: {error}"
        except Exception as error:  # of this program: no reason to lose a run
            self.trouble = f"cannot be brought up ({type(error).__name__})"

    def finish(self) -> None:
        """Copy the rest, and say what is missing; no more is copied after that."""
        if self.thread is None:
            return
        self.ended.set()
        self.wake()
        self.thread.join(LAST_WAIT)
        if self.thread.is_alive():
            self.trouble = self.trouble or "does not take all of it in time"
        self.client.close()
        run = self.folder.record()
        by = f"{self.folder.dir} has it: {self.push} {self.folder.dir}"
        if self.trouble is not None and not self.warned:
            lacking = counted(self.copy.lacks(run))
            self.folder.say(f"{self} {self.trouble}: of run {run.run_id} it lacks {lacking}; {by}")
        elif self.trouble is None and self.missing:
            self.folder.say(f"{self} lacks of run {run.run_id} {listed(self.missing)}; {by}")
        elif self.trouble is None and self.warned:
            print(f"{self} has all of run {run.run_id} now")

    def __str__(self) -> str:
        return f"MongoDB at {self.where.said}"


def mongo_observer(target: str | None, folder: RunFolder) -> RunDocument | None:
    """The observer for `-m`'s `target`, else for JNET_ENVIRONMENT; None when neither is given.

    Raises `RecordError`, which repeats no password, for an address that is not understood and for
    a server that does not let the user write. One that does not answer is no error: it may come.
    """
    from pymongo.errors import ConfigurationError, PyMongoError

    url = os.environ.get(ENVIRONMENT) or None
    if target is not None:
        if not target or not TARGET.fullmatch(target):
            raise RecordError(
                f"-m is not host:port:db, such as localhost:27017:jnet: correct it, or give a "
                f"URL, with or without a password, in the environment variable {ENVIRONMENT}"
            )
        where, push = address(target), f"python Report.py push --to {target}"
    elif url is not None:
        where, push = address(url, f"the address in {ENVIRONMENT}"), "python Report.py push"
    else:
        return None
    trouble = None
    try:
        client = client_of(where)
        observer = RunDocument(folder, where, client, push, None)
        # A ping needs no rights. No document has this id, so nothing is changed.
        client[where.database]["runs"].update_one({"_id": None}, {"$set": {"status": None}})
    except PyMongoError as error:
        wrong = isinstance(error, ConfigurationError) and not where.url.startswith(BY_DNS)
        if refuses(error) or wrong:
            raise RecordError(
                f"MongoDB at {where.said} {why(error)}: correct -m host:port:db or {ENVIRONMENT}, "
                f"or leave both out to record under runs/ alone"
            ) from None  # the driver's own message may hold the password
        trouble = why(error)
    observer.trouble = trouble
    return observer
