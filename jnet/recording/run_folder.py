"""A Sacred observer that records each run in a folder.

JSON files and artifacts are replaced as a unit, so that each is complete even if the program is
killed.
"""

import json
import os
import re
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sacred.dependencies import get_digest
from sacred.observers import RunObserver
from sacred.serializer import flatten

from jnet.errors import RecordError
from jnet.names import RUN_CONFIG, RUN_ENTRY, RUN_INFO, RUN_METRICS, RUN_OUTPUT
from jnet.recording.runs import DETAILS, RESOURCES, Run, parse_run, parse_run_id
from jnet.system.files import make_temporary_name, replaced, writing

RECORD_FILES = (RUN_ENTRY, RUN_CONFIG, RUN_INFO, RUN_METRICS, RUN_OUTPUT)
SOURCES = "_sources"  # beside the runs, as in Sacred's FileStorageObserver


class FolderWriter:
    """The content of a run's folder, which is written to the disk as soon as possible.

    `texts` are the JSON files by name, `output` is the captured output, and `pending` are the
    artifacts that are not copied yet, by name.
    """

    def __init__(self, path: Path):
        self.path = path
        self.texts: dict[str, str] = {}
        self.output = ""
        self.pending: dict[str, Path] = {}
        self.written_texts: dict[str, str] = {}
        self.written_output = b""

    def write(self) -> str | None:
        """Write all pending files. Return the first error message, or None.

        After an error, the other files are still written, and the failed file is tried again at the
        next call. The run's entry is written last, so that the files that it names exist.
        """
        texts = sorted(self.texts, key=lambda name: name == RUN_ENTRY)
        writes = [
            *((self.copy_artifact, name) for name in self.pending),
            (self.append_output, RUN_OUTPUT),
            *((self.write_text, name) for name in texts),
        ]
        errors = []
        for write, name in writes:
            try:
                write(name)
            except OSError as error:
                errors.append(f"{name}: {error.strerror or error}")
        return errors[0] if errors else None

    def write_text(self, name: str) -> None:
        """Write a JSON file if its text has changed."""
        text = self.texts[name]
        if self.written_texts.get(name) != text:
            with replaced(self.path / name) as temporary:
                temporary.write_text(text, encoding="utf-8")
            self.written_texts[name] = text

    def copy_artifact(self, name: str) -> None:
        """Copy an artifact into the folder.

        Raises `OSError` if its name is that of a file of the record or leads out of the folder.
        """
        if name in (*RECORD_FILES, ".", "..") or Path(name).name != name:
            raise OSError(
                "not a valid artifact name: choose a plain file name that the record does not use"
            )
        with replaced(self.path / name) as temporary:
            shutil.copyfile(self.pending[name], temporary)
        del self.pending[name]

    def append_output(self, name: str) -> None:
        """Append the new output to the file.

        The last line of the file is replaced if it has changed since, as that of a progress bar
        does.
        """
        path = self.path / name
        old, new = self.written_output, self.output.encode("utf-8", "backslashreplace")
        if old == new and path.exists():
            return
        kept = next(n for n in (len(old), old.rfind(b"\n") + 1, 0) if new.startswith(old[:n]))
        with path.open("r+b" if path.exists() else "wb") as file:
            file.seek(kept)
            file.truncate()  # also removes what an earlier, failed attempt has written
            file.write(new[kept:])
            file.flush()
            os.fsync(file.fileno())
        self.written_output = new


class RunFolder(RunObserver):
    """Record a run in a folder below `runs`, in the format of Sacred's `FileStorageObserver`.

    This observer has the highest priority because it gives the run its id. Sacred calls it from two
    threads, that of the run and that of the heartbeat. A full disk does not stop the run: `warn` is
    called once, the record is kept in memory until it can be written, and `finish` returns a
    message if it could not be written.
    """

    priority = 100

    def __init__(self, runs: Path, warn: Callable[[str], None]):
        self.runs, self.warn = runs, warn
        self.lock = threading.RLock()
        self.writer = FolderWriter(runs)  # of the run's folder, after the run has started
        self.entry: dict[str, Any] = {}
        self.series: dict[str, dict[str, list]] = {}
        self.started = False
        self.write_error: str | None = None

    @property
    def path(self) -> Path:
        """The run's folder; before the run starts, the folder of all runs."""
        return self.writer.path

    def started_event(self, ex_info, command, host_info, start_time, config, meta_info, _id):
        with writing(self.runs, remedy="record elsewhere with -F"):
            self.writer = FolderWriter(make_run_folder(self.runs, _id))
            self.entry = {
                "experiment": {**ex_info, "sources": self.keep_sources(ex_info)},
                "command": command,
                "host": dict(host_info),
                "start_time": start_time.isoformat(),
                "meta": meta_info,
                "status": "RUNNING",
                "resources": [],
                "artifacts": [],
                "heartbeat": None,
            }
            self.set_text(RUN_CONFIG, flatten(config))
            self.set_text(RUN_ENTRY, flatten(self.entry))
            if reason := self.writer.write():
                raise OSError(reason)
        self.started = True
        return parse_run_id(self.path.name)

    def heartbeat_event(self, info, captured_out, beat_time, result):
        with self.lock:
            self.writer.output = captured_out
            if info:
                self.set_text(RUN_INFO, flatten(info))
            self.update_entry(heartbeat=beat_time.isoformat(), result=result)

    def completed_event(self, stop_time, result):
        self.update_entry(stop_time=stop_time.isoformat(), result=result, status="COMPLETED")

    def interrupted_event(self, interrupt_time, status):
        self.update_entry(stop_time=interrupt_time.isoformat(), status=status)

    def failed_event(self, fail_time, fail_trace):
        stop_time = fail_time.isoformat()
        self.update_entry(stop_time=stop_time, status="FAILED", fail_trace=fail_trace)

    def resource_event(self, filename):
        with self.lock:
            kept = keep_file(Path(filename), self.runs / RESOURCES)
            self.update_entry(resources=[*self.entry["resources"], [filename, str(kept)]])

    def artifact_event(self, name, filename, metadata=None, content_type=None):
        with self.lock:
            self.writer.pending[name] = Path(filename)
            if metadata or content_type:
                details = {"metadata": metadata, "content_type": content_type}
                self.entry.setdefault(DETAILS, {})[name] = details
            others = [other for other in self.entry["artifacts"] if other != name]
            self.update_entry(artifacts=[*others, name])

    def log_metrics(self, metrics_by_name, info):
        with self.lock:
            for name, logged in metrics_by_name.items():
                series = self.series.setdefault(name, {"values": [], "steps": [], "timestamps": []})
                series["values"] += flatten(logged["values"])
                series["steps"] += flatten(logged["steps"])
                series["timestamps"] += [time.isoformat() for time in logged["timestamps"]]
            if metrics_by_name or RUN_METRICS not in self.writer.texts:
                self.set_text(RUN_METRICS, self.series)  # written at the next heartbeat

    def update_entry(self, **changes: Any) -> None:
        """Set fields of the run's entry and write the folder."""
        with self.lock:
            self.entry |= changes
            self.set_text(RUN_ENTRY, flatten(self.entry))
            self.write()

    def set_text(self, name: str, content: Any) -> None:
        """Set the content of a JSON file without writing it."""
        self.writer.texts[name] = json.dumps(content, sort_keys=True, indent=2)

    def write(self) -> None:
        """Write the folder if the run has started; warn at the first failure."""
        if not self.started:
            return
        before, self.write_error = self.write_error, self.writer.write()
        if self.write_error is not None and before is None:
            self.warn(
                f"{self.path}: cannot be written to ({self.write_error}): the run continues and "
                f"is recorded as soon as the folder can be written to again"
            )

    def keep_sources(self, ex_info: dict[str, Any]) -> list[list[str]]:
        """Copy the program's files beside the runs; return name and path below `runs` of each."""
        base, names = Path(ex_info["base_dir"]), [name for name, _ in ex_info["sources"]]
        kept = self.runs / SOURCES
        return [[name, f"{SOURCES}/{keep_file(base / name, kept).name}"] for name in names]

    def record(self) -> Run:
        """Return the complete record so far, including content that is not written yet."""
        with self.lock:
            run = parse_run(self.path, self.writer.texts, self.writer.output)
            return replace(run, artifacts={**run.artifacts, **self.writer.pending})

    def finish(self) -> str | None:
        """Write everything that is pending; return a message if that fails, else None."""
        with self.lock:
            self.write()
        if self.write_error is None:
            return None
        return (
            f"{self.path}: the record of this run is incomplete, because the folder cannot be "
            f"written to ({self.write_error}): free disk space, then repeat the command"
        )


def make_run_folder(runs: Path, run_id: int | str | None) -> Path:
    """Make and return a run's folder; without an id, under a new and unique id.

    Raises `FileExistsError` if a run with the given id exists.
    """
    while True:
        folder = runs / str(new_run_id() if run_id is None else run_id)
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            if run_id is not None:
                raise


def keep_file(path: Path, folder: Path) -> Path:
    """Copy a file to `folder` under its name and digest, and return the path of the copy.

    A copy with the same digest is shared by all runs. Copies are not flushed to the disk, which
    takes long for a hundred files. Instead, a copy that was lost in a power failure is recognised
    by its digest and made again.
    """
    digest = get_digest(str(path))
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{path.stem}_{digest}{path.suffix}"
    if not kept.exists() or get_digest(str(kept)) != digest:
        temporary = kept.with_name(make_temporary_name(kept.name, os.getpid()))
        try:
            shutil.copyfile(path, temporary)
            temporary.replace(kept)
        finally:
            temporary.unlink(missing_ok=True)
    return kept


def parse_id_option(wanted: str, folder: Path) -> int | str:
    """Return the run id given by -i.

    Raises `RecordError` if the id is not a valid name of a folder, or if a run in `folder` has it.
    """
    if not re.fullmatch(r"\w[\w.-]*", wanted):
        raise RecordError(f"-i is {wanted!r}, not a valid name of a folder: use letters and digits")
    if (folder / wanted).exists():
        raise RecordError(f"{folder / wanted}: already exists: give another id, or omit -i")
    return parse_run_id(wanted)


def new_run_id() -> int:
    """Return the local time to the millisecond as a number, yymmddhhmmssmmm.

    The ids are ordered by time, need no common counter for all places where runs are recorded, and
    are exact in every reader of JSON.
    """
    return int(datetime.now().strftime("%y%m%d%H%M%S%f")[:-3])
