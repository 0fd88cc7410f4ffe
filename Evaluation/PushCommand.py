"""Report.py push: recorded runs into MongoDB, as if they had been observed there."""

import os
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from Evaluation.Runs import RUNNING, run_in
from Recording.Mongo import ENVIRONMENT, TARGET, Address, address, client_of, why
from Recording.MongoCopy import MongoCopy
from Recording.RunFiles import ENTRY, counted, listed, read_run
from Spec.Errors import DataError, JNetError, RecordError

if TYPE_CHECKING:
    from pymongo.database import Database

SAID = "put recorded runs into MongoDB, all that it lacks unless some are named"
COMPLETE = "is there completely"


def add_push_command(commands, runs: str) -> None:
    """Add it to the `commands` of a parser; `runs` is where runs are recorded."""
    one = commands.add_parser("push", help=SAID, description=SAID)
    one.add_argument("runs", nargs="*", metavar="RUN", help=f"a run's folder, {runs}/ID, or its ID")
    one.add_argument("--from", dest="folder", type=Path, default=Path(runs), metavar="FOLDER")
    one.add_argument("--to", metavar="HOST:PORT:DB", help=f"default: {ENVIRONMENT}")
    one.set_defaults(write=push)


def push(args: Namespace) -> Iterator[str]:
    """Push runs one by one; a line for each that MongoDB lacked something of, or that was named.

    What is wrong with one run keeps no other from being pushed; `DataError` in the end.
    """
    from pymongo.errors import PyMongoError

    where = destination(args.to)
    folders = chosen(args)
    client = client_of(where)
    complete, failed = 0, []
    try:
        for folder in folders:
            try:
                said = pushed(folder, client[where.database])
            except JNetError as error:
                failed.append(str(error))
                continue
            complete += said == COMPLETE
            if args.runs or said != COMPLETE:
                yield f"run {folder.name}: {said}"
    except PyMongoError as error:
        raise DataError(
            f"MongoDB at {where.said} {why(error)}: start it or correct the address, then push "
            f"again: what is there already is left alone"
        ) from None  # the driver's own message may hold the password
    finally:
        client.close()
    if complete and not args.runs:
        yield f"{complete} of {len(folders)} runs {'are' if complete > 1 else 'is'} there already"
    if failed:
        raise DataError(listed(failed))


def destination(target: str | None) -> Address:
    """Where to push to."""
    if target is not None:
        if not target or not TARGET.fullmatch(target):
            raise RecordError(
                f"--to is not host:port:db, such as localhost:27017:jnet: correct it, or give a "
                f"URL, with or without a password, in the environment variable {ENVIRONMENT}"
            )
        return address(target)
    url = os.environ.get(ENVIRONMENT)
    if not url:
        raise DataError(f"no MongoDB to push to: give --to host:port:db, or {ENVIRONMENT}")
    return address(url, f"the address in {ENVIRONMENT}")


def chosen(args: Namespace) -> list[Path]:
    """The folders of the runs to push."""
    if args.runs:
        named = [Path(name) for name in args.runs]
        return [path if (path / ENTRY).is_file() else args.folder / path for path in named]
    found = sorted(path.parent for path in args.folder.glob(f"*/{ENTRY}"))
    if not found:
        raise DataError(f"{args.folder}: holds no recorded runs: name a folder with --from")
    return found


def pushed(folder: Path, database: "Database") -> str:
    """Push one run; what there was to do."""
    files = read_run(folder)
    run = run_in(folder)
    if run.is_running():
        return "is still running, left to itself"
    brought = MongoCopy(database).bring_up(files)
    if brought.new:
        said = "pushed"
    else:
        said = f"completed, {counted(brought.changed)}" if brought.changed else COMPLETE
    if brought.missing:
        said += f", but for {listed(brought.missing)}"
    return f"{said} ({run.state()})" if run.entry.get("status") == RUNNING else said
