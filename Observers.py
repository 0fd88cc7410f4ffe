"""Where runs are recorded: a folder for each."""

import json
import os
import re
import tempfile
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from shutil import copyfile
from typing import Any

from sacred.dependencies import get_digest
from sacred.observers import FileStorageObserver
from sacred.serializer import flatten

from Recording.Folder import Folder
from Recording.RunFiles import DETAILS, SERIES, RunFiles, run_files, run_id_of
from Spec.Errors import RecordError


def locked_event(name: str) -> Callable[..., None]:
    """Sacred's own event of a folder, one at a time: the heartbeat comes from another thread."""

    def event(self, *args, **kwargs):
        with self.lock:
            getattr(FileStorageObserver, name)(self, *args, **kwargs)

    return event


class RunFolder(FileStorageObserver):
    """A folder for every run. The first of the observers: it gives a run its id.

    A disk that is full stops no run: `say` gets one warning, what is to be recorded is held until
    it can be written, and `finish` says what is missing in the end.
    """

    heartbeat_event = locked_event("heartbeat_event")
    completed_event = locked_event("completed_event")
    interrupted_event = locked_event("interrupted_event")
    resource_event = locked_event("resource_event")

    def __init__(self, folder: Path, say: Callable[[str], None]):
        super().__init__(folder, priority=100)
        self.say = say
        self.lock = threading.RLock()
        self.folder = Folder(Path(folder))  # of one run, once that has begun
        self.run_entry: Any = None
        self.series: dict[str, dict[str, list]] = {}
        self.begun = False
        self.trouble: str | None = None

    def _make_run_dir(self, _id):
        """Make the run's folder; without an id, under a new one that no other run has."""
        Path(self.basedir).mkdir(parents=True, exist_ok=True)
        while True:
            try:
                wanted = new_run_id() if _id is None else _id
                self._make_dir(wanted)
                self.folder = Folder(Path(self.basedir, str(wanted)))
                return
            except FileExistsError:
                if _id is not None:
                    raise

    def started_event(self, ex_info, *args, **kwargs):
        try:
            # A copy, because the folder's paths are put into it, which other observers read.
            given = super().started_event(dict(ex_info), *args, **kwargs)
            reason = self.folder.write()
        except OSError as error:
            reason = error.strerror or str(error)
        if reason is not None:
            raise RecordError(
                f"{self.dir or self.basedir}: cannot be written to ({reason}): record elsewhere "
                f"with -F"
            )
        self.begun = True
        return run_id_of(str(given))

    def failed_event(self, fail_time, fail_trace):
        if self.begun:  # else it could not even start
            with self.lock:
                super().failed_event(fail_time, fail_trace)

    def artifact_event(self, name, filename, metadata=None, content_type=None):
        with self.lock:
            if metadata or content_type:
                said = {"metadata": metadata, "content_type": content_type}
                self.run_entry.setdefault(DETAILS, {})[name] = said
            if name in self.run_entry["artifacts"]:  # again, with other content
                self.run_entry["artifacts"].remove(name)
            super().artifact_event(name, filename)

    def log_metrics(self, metrics_by_name, info):
        with self.lock:
            for name, logged in metrics_by_name.items():
                series = self.series.setdefault(name, {"values": [], "steps": [], "timestamps": []})
                series["values"] += flatten(logged["values"])
                series["steps"] += flatten(logged["steps"])
                series["timestamps"] += [time.isoformat() for time in logged["timestamps"]]
            if metrics_by_name or SERIES not in self.folder.texts:
                self.folder.texts[SERIES] = json.dumps(self.series, sort_keys=True, indent=2)
                self.write()

    def find_or_save(self, filename, store_dir: Path):
        """Keep a file under its name and content, whole, once for all runs.

        A hundred files are not put on the disk one by one: one that a power cut has emptied is
        known by its digest, and kept again.
        """
        digest = get_digest(str(filename))
        store_dir.mkdir(parents=True, exist_ok=True)
        kept = store_dir / f"{Path(filename).stem}_{digest}{Path(filename).suffix}"
        if not kept.exists() or get_digest(str(kept)) != digest:
            temporary = kept.with_name(f".{kept.name}.{os.getpid()}.tmp")
            try:
                copyfile(filename, temporary)
                temporary.replace(kept)
            finally:
                temporary.unlink(missing_ok=True)
        return kept

    def save_json(self, obj, filename):
        self.folder.texts[filename] = json.dumps(flatten(obj), sort_keys=True, indent=2)
        self.write()

    def save_cout(self):
        self.folder.output = self.cout
        self.write()

    def save_file(self, filename, target_name=None):
        self.folder.waiting[target_name or Path(filename).name] = Path(filename)
        self.write()

    def write(self) -> None:
        """Bring the folder up to what has happened."""
        if not self.begun:
            return
        before, self.trouble = self.trouble, self.folder.write()
        if self.trouble is not None and before is None:
            self.say(
                f"{self.dir}: cannot be written to ({self.trouble}): the run goes on, and is "
                f"recorded as soon as it can be"
            )

    def record(self) -> RunFiles:
        """All that is recorded by now, whether the folder has it yet or not."""
        with self.lock:
            folder = self.folder
            texts, waiting, output = dict(folder.texts), dict(folder.waiting), folder.output
        return run_files(folder.path, texts, output, waiting)

    def finish(self) -> str | None:
        """Try a last time to write what is missing; what is said where it cannot be."""
        with self.lock:
            self.write()
        if self.trouble is None:
            return None
        return (
            f"{self.dir}: the record of this run is not whole, it cannot be written to "
            f"({self.trouble}): free the disk, then give the same command again"
        )


def checked_run_id(wanted: str, folder: Path) -> int | str:
    """The id that -i gives, a number where it looks like one; refused where a run has it."""
    if not re.fullmatch(r"\w[\w.-]*", wanted):
        raise RecordError(f"the run id {wanted!r} cannot name a folder: use letters and digits")
    if (folder / wanted).exists():
        raise RecordError(f"{folder / wanted}: is a run already: give another id, or leave out -i")
    return run_id_of(wanted)


def new_run_id() -> int:
    """The time to the millisecond as one number, yymmddhhmmssmmm: unique over the places a run is
    recorded in, ordered, and small enough for every reader of JSON."""
    return int(datetime.now().strftime("%y%m%d%H%M%S%f")[:-3])


def check_writable(folder: Path, remedy: str) -> None:
    """Make `folder` and see that files can be written to it; `RecordError`, with `remedy`, else."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise RecordError(f"{folder}: cannot be written to ({error.strerror}): {remedy}") from error
