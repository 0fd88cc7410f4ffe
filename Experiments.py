"""Sacred as this project uses it: what a run records and where, and how bad input ends a command.

Every run is recorded under `runs/`; also in MongoDB, by `-m host:port:db` or by the URL in the
environment variable JNET_MONGO_URL. Both have the run under the same id.
"""

import logging
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import git
from sacred import SETTINGS, Experiment, Ingredient
from sacred.observers import FileStorageObserver, MongoObserver
from sacred.observers.mongo import parse_mongo_db_arg
from sacred.utils import apply_backspaces_and_linefeeds

from Spec.Errors import ConfigError, JNetError, RecordError, nearest

ROOT = Path(__file__).parent
SOURCE_FOLDERS = ("", "Spec", "Models", "Input", "Engine", "Evaluation")
MONGO_URL = "JNET_MONGO_URL"
# Sacred's messages that say nothing: the error follows, a named config's docstring is no entry.
UNSAID = ("Failed after", 'Added new config entry: "__doc__"')
MONGO_WAIT = 3000  # milliseconds a MongoDB server may take to answer at the start

# Python's own streams, not file descriptors: progress bars written to the real terminal stay out
# of the record, which MongoDB limits to 16 MB.
SETTINGS.CAPTURE_MODE = "sys"
# Sacred's own search misses modules that are imported late; the experiment names them all.
SETTINGS.DISCOVER_SOURCES = "none"


class JNetExperiment(Experiment):
    """An experiment whose commands end on bad input with one line and DESIGN's exit status.

    `file` is the script's `__file__`.
    """

    def __init__(self, name: str, file: str, ingredients: Sequence[Ingredient] = ()):
        super().__init__(
            name, ingredients=ingredients, base_dir=str(ROOT), save_git_info=has_commit(ROOT)
        )
        self.file = Path(file)
        self.from_command_line = False
        self.logger: Any = quiet_logger(name)
        self.captured_out_filter: Any = apply_backspaces_and_linefeeds
        self.config_hook(self._unknown_entries_hook())
        for folder in SOURCE_FOLDERS:
            for path in sorted((ROOT / folder).glob("*.py")):
                self.add_source_file(str(path))
        for package in distributions():
            self.add_package_dependency(package.metadata["Name"], package.version)

    def run_commandline(self, argv=None):
        """Run what the command line says; ends the process on bad input."""
        self.from_command_line = True
        return super().run_commandline(argv)

    def run(
        self,
        command_name=None,
        config_updates=None,
        named_configs=(),
        info=None,
        meta_info=None,
        options=None,
    ):
        """As Sacred's, with this project's observers and run id."""
        options = dict(options or {})
        try:
            self._check_named_configs(named_configs)
            self._observe(str(command_name or self.default_command), options)
            return super().run(
                command_name, config_updates, named_configs, info, meta_info, options
            )
        except (JNetError, OSError) as error:
            if not self.from_command_line or options.get("--debug"):
                raise
            print(f"{self.file.name}: {sentence(error)}", file=sys.stderr)
            raise SystemExit(getattr(error, "exit_status", JNetError.exit_status)) from error

    def _check_named_configs(self, named_configs: Iterable[str]) -> None:
        """Refuse a named config that does not exist."""
        known = {
            f"{ingredient.path}.{name}"
            for ingredient in self.ingredients
            for name in map(str, ingredient.named_configs)
        }
        for name in named_configs:
            if name not in known and not Path(name).is_file():
                raise ConfigError(f"{name} is not a named config: {nearest(name, known)}")

    def _unknown_entries_hook(self):
        """A hook that stops at a mistyped entry of the script's own config."""

        def refuse_unknown_entries(config, command_name, logger):
            known = {"seed", *(str(ingredient.path) for ingredient in self.ingredients)}
            for scope in self.configurations:
                known |= set(scope())
            for key in config:
                if key not in known and not key.startswith("__"):
                    raise ConfigError(f"{key} is not an entry: {nearest(key, known)}")
            return {}

        return refuse_unknown_entries

    def _observe(self, command_name: str, options: dict[str, Any]) -> None:
        """Set up the observers of one run, and its id."""
        self.observers = []
        target = options.pop("--mongo_db", None)
        folder = options.pop("--file_storage", None) or "runs"
        command = self.commands.get(command_name)
        if command is None or command.unobserved or options.get("--unobserved"):
            return
        options["--id"] = options.get("--id") or new_run_id()
        self.observers.append(FileStorageObserver(folder))
        mongo = mongo_observer(target, folder)
        if mongo is not None:
            self.observers.append(mongo)


def sentence(error: Exception) -> str:
    """An error as the one line a user gets."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def new_run_id() -> int:
    """The time to the millisecond as one number, yymmddhhmmssmmm: unique over the places a run is
    recorded in, ordered, and small enough for every reader of JSON."""
    return int(datetime.now().strftime("%y%m%d%H%M%S%f")[:-3])


def has_commit(folder: Path) -> bool:
    """Whether `folder` is in a git repository that has a commit to record."""
    try:
        return git.Repo(folder, search_parent_directories=True).head.is_valid()
    except git.InvalidGitRepositoryError:
        return False


def quiet_logger(name: str) -> logging.Logger:
    """Sacred's log from warnings up, less what says nothing."""
    logger = logging.getLogger(f"jnet.{name}")
    logger.setLevel(logging.WARNING)
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
        handler.addFilter(lambda record: not record.getMessage().startswith(UNSAID))
        logger.addHandler(handler)
    return logger


def mongo_observer(target: str | None, failure_dir: str) -> MongoObserver | None:
    """The observer for `-m`'s `target`, else for JNET_MONGO_URL; None when neither is given.

    Raises `RecordError`, naming the server but no password, when it does not answer.
    """
    import pymongo
    from pymongo.errors import PyMongoError

    url = os.environ.get(MONGO_URL)
    if target is None and url is None:
        return None
    try:
        if target is not None:
            wanted = parse_mongo_db_arg(target)
            url, database = wanted.get("url"), wanted["db_name"]
        else:
            database = pymongo.uri_parser.parse_uri(str(url))["database"] or "jnet"
        client: pymongo.MongoClient = pymongo.MongoClient(
            url, serverSelectionTimeoutMS=MONGO_WAIT, connectTimeoutMS=MONGO_WAIT
        )
        client.admin.command("ping")
    except (PyMongoError, ValueError) as error:
        raise RecordError(
            f"MongoDB at {server_of(target, url)} cannot be used ({type(error).__name__}): start "
            f"it, correct -m host:port:db or {MONGO_URL}, or leave both out to record under runs/ "
            f"alone"
        ) from None  # the driver's own message may hold the password
    return MongoObserver(client=client, db_name=database, failure_dir=failure_dir)


def server_of(target: str | None, url: str | None) -> str:
    """The server's name for a message: what `-m` said, or the URL's part after the password."""
    if target is not None:
        return repr(target)
    return repr(str(url).rpartition("@")[2].partition("/")[0].removeprefix("mongodb:"))
