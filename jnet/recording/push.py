"""The command `Report.py push`, which copies recorded runs to MongoDB.

The copies are the same as those of runs that were recorded in MongoDB from the start.
"""

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jnet.errors import DataError, JNetError
from jnet.names import RUN_ENTRY
from jnet.recording.mongo import URL_VARIABLE, explain_error, find_address, make_client
from jnet.recording.runs import RUNNING, format_names, read_run

if TYPE_CHECKING:
    from jnet.recording.mongo_copy import MongoCopy

HELP = "copy recorded runs to MongoDB; by default, all missing and incomplete ones"


def add_push_command(commands, runs: str) -> None:
    """Add the command to the subparsers `commands`; `runs` is the default folder of runs."""
    push = commands.add_parser("push", help=HELP, description=HELP)
    push.add_argument(
        "runs", nargs="*", metavar="RUN", help=f"a run's folder, {runs}/ID, or its ID"
    )
    push.add_argument("--from", dest="folder", type=Path, default=Path(runs), metavar="FOLDER")
    push.add_argument("--to", metavar="HOST:PORT:DB", help=f"default: {URL_VARIABLE}")
    push.set_defaults(write=push_runs)


def push_runs(args: Namespace) -> Iterator[str]:
    """Push runs in turn and yield a line for each run that was named or was incomplete in MongoDB.

    If a run cannot be pushed, the other runs are still pushed, and `DataError` is raised at the
    end.
    """
    from pymongo.errors import PyMongoError

    from jnet.recording.mongo_copy import UNCHANGED, MongoCopy

    address = find_address("--to", args.to)
    if address is None:
        raise DataError(f"no MongoDB address: give --to host:port:db, or set {URL_VARIABLE}")
    folders = choose_folders(args)
    client = make_client(address)
    complete, failed = 0, []
    try:
        for folder in folders:
            try:
                outcome = push_run(folder, MongoCopy(client[address.database]))
            except JNetError as error:
                failed.append(str(error))
                continue
            complete += outcome == UNCHANGED
            if args.runs or outcome != UNCHANGED:
                yield f"run {folder.name}: {outcome}"
    except PyMongoError as error:
        raise DataError(
            f"MongoDB at {address.servers} {explain_error(error)}: start it or correct the "
            f"address, then push again; complete copies are not changed"
        ) from None  # the driver's own message may contain the password
    finally:
        client.close()
    if complete and not args.runs:
        yield f"{complete} of {len(folders)} runs already complete"
    if failed:
        raise DataError(format_names(failed))


def choose_folders(args: Namespace) -> list[Path]:
    """Return the folders of the runs to push; raise `DataError` if there are none."""
    if args.runs:
        paths = [Path(name) for name in args.runs]
        return [path if (path / RUN_ENTRY).is_file() else args.folder / path for path in paths]
    folders = sorted(path.parent for path in args.folder.glob(f"*/{RUN_ENTRY}"))
    if not folders:
        raise DataError(f"{args.folder}: contains no recorded runs: give a folder with --from")
    return folders


def push_run(folder: Path, copy: "MongoCopy") -> str:
    """Push a run and return a short description of the outcome."""
    run = read_run(folder, complete=True)
    if run.is_running():
        return "still running, not pushed"
    outcome, missing = copy.update(run)
    if missing:
        outcome += f", except for {format_names(missing)}"
    return f"{outcome} ({run.status()})" if run.entry.get("status") == RUNNING else outcome
