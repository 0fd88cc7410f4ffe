"""Sacred in this project: the records of a run, and the exit of a command after an error.

Every run is recorded under `runs/`. With `-m host:port:db` or a URL in the environment variable
JNET_MONGO_URL, it is also recorded in MongoDB under the same id.
"""

import ast
import functools
import logging
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, NoReturn

from docopt import DocoptExit
from sacred import SETTINGS, Experiment, Ingredient
from sacred.dependencies import PackageDependency, Source, get_digest
from sacred.run import Run
from sacred.utils import apply_backspaces_and_linefeeds, iterate_flattened

from jnet.errors import ConfigError, JNetError, RunFailed, suggest_nearest
from jnet.recording.command_line import check_config_file, check_options
from jnet.recording.mongo import find_address
from jnet.recording.run_folder import RunFolder, parse_id_option
from jnet.system.files import check_writable
from jnet.system.signals import (
    allow_interruptions,
    defer_interruptions,
    end_on_signals,
    report_error,
)

ROOT = Path(__file__).parents[2]
SOURCE_PATTERNS = ("*.py", "Models/**/*.py", "jnet/**/*.py")  # the program, below `ROOT`
MAX_SEED = 2**32 - 1  # limit of NumPy's legacy generator, which Sacred seeds
# Function of the entries of an ingredient and the names of the given entries.
CheckGiven = Callable[[Mapping[str, Any], Collection[str]], None]
LAST_HEARTBEAT = 60.0  # seconds to wait until the last heartbeat is recorded
# Redundant messages: the error follows, and a named config's docstring is not a config entry.
SILENCED_MESSAGES = ("Failed after", "Aborted after", 'Added new config entry: "__doc__"')

# Capture Python's streams, not file descriptors, so that progress bars written to the terminal are
# not recorded: MongoDB limits a record to 16 MB.
SETTINGS.CAPTURE_MODE = "sys"
# Sacred's search misses modules that are imported late; the experiment lists all of them.
SETTINGS.DISCOVER_SOURCES = "none"


class JNetExperiment(Experiment):
    """A Sacred experiment whose commands end on bad input with a single line and an exit status.

    `file` is the script's `__file__`. `check_given` is called with the entries of the first
    ingredient and the names of those that the user gave, without those of named configs. In
    addition to the documented `run`, `run_commandline`, `Run.observers`, `logger` and
    `captured_out_filter`, these interfaces of Sacred 0.8.7 are set, overridden or read:

    - `doc`, `mainfile`: Sacred derives them from the calling module, which is this module and not
      the script. If Sacred renames them, -h and the record name experiment.py.
    - `sources`, `dependencies`: set from `Source`, `get_digest` and `PackageDependency`, because
      Sacred's methods call git for each file and refuse versions such as 2.13.0+cpu. If they
      change, the record lists no sources or packages.
    - `current_run`: reset before each run. Otherwise, `run_commandline` reads --debug from an
      earlier run.
    - `_check_command`: overridden. If Sacred no longer calls it, Sacred's own message appears for a
      mistyped command.
    - `_create_run`: called instead of `run`, to check the input between the final config and the
      record. If it is renamed, every command ends in an error.
    - `capture`: overridden, so that interruptions are deferred except within commands. If Sacred no
      longer calls it for commands, Ctrl-C has no effect before their end.
    - `Run._heartbeat`: the thread that is joined at the end of a run, because Sacred waits only two
      seconds for it. If it is renamed, the last output may be lost on a slow disk.
    - `Run._id`: given to the scripts.
    - `options`: the parsed command line. If the flags are renamed, -F, -m and -i have no effect.
    """

    def __init__(
        self,
        name: str,
        file: str,
        ingredients: Sequence[Ingredient] = (),
        check_given: CheckGiven | None = None,
    ):
        super().__init__(
            name, ingredients=ingredients, base_dir=str(ROOT), save_git_info=has_commit(ROOT)
        )
        self.file = Path(file)
        self.doc = ast.get_docstring(ast.parse(self.file.read_text(encoding="utf-8")))
        self.mainfile = Source.create(file, self.save_git_info)
        if self.mainfile.repo:  # the repository's URL may contain a password
            self.mainfile.repo = re.sub("//.*@", "//", self.mainfile.repo)
        self.from_command_line = False
        self.records: list[Any] = []  # the observers of the current run
        self.checks: dict[str, Callable] = {}  # of the input of commands
        self.check_given = check_given
        self.logger: Any = make_logger(name)
        self.captured_out_filter: Any = render_output
        self.config_hook(self._make_entries_hook())
        self.sources = {self.mainfile, *list_sources()}
        self.dependencies.update(list_packages())

    def run_commandline(self, argv=None):
        """Run the command line; end the process on bad input."""
        self.from_command_line = True
        try:
            with end_on_signals():
                return super().run_commandline(argv)
        except DocoptExit:
            hint = self._find_missing_with(argv or sys.argv) or f"see {self.file.name} -h"
            self._end(ConfigError(f"invalid command line: {hint}"))
        except (OSError, KeyboardInterrupt) as error:
            self._end(error)
        finally:
            self.from_command_line = False

    def run(self, command_name=None, config_updates=None, named_configs=(), *args, **kwargs):
        """Run a command like Sacred's `run`, with this project's checks, observers and run id."""
        options = kwargs["options"] = dict(kwargs.get("options") or {})
        self.current_run, self.records = None, []
        try:
            check_options(options, self.mainfile.is_dirty)
            self._check_named_configs(named_configs)
            target = options.pop("--mongo_db", None)
            runs = Path(options.pop("--file_storage", None) or "runs")
            if options.get("--id") is not None:
                options["--id"] = parse_id_option(str(options["--id"]), runs)
            # A record's start and end are not interrupted, only the command: see `capture`.
            with defer_interruptions(), self._finish_records():
                run = self._create_run(command_name, config_updates, named_configs, *args, **kwargs)
                if self.from_command_line:  # programs may give complete configs
                    self._check_updates(run, config_updates or {})
                if not run.unobserved:
                    self._observe(run, runs, target)
                check = self.checks.get(run.meta_info["command"])
                run(*(() if check is None else (check(),)))
                return run
        except (JNetError, OSError, KeyboardInterrupt) as error:
            if not self.from_command_line or options.get("--debug"):
                raise
            self._end(error)

    def _check_updates(self, run: Run, updates: Mapping[str, Any]) -> None:
        """Reject entries that the user gave and that the command does not use."""
        keys = {key for key, _ in iterate_flattened(updates)}
        for ingredient in self.ingredients[:1]:
            prefix = str(ingredient.path) + "."
            given = {key.removeprefix(prefix) for key in keys if key.startswith(prefix)}
            if self.check_given is not None:
                self.check_given(run.config[str(ingredient.path)], given)
        name = run.meta_info["command"]
        functions = [self.commands[name], self.checks.get(name)]
        used = {word for function in functions if function for word in function.signature.arguments}
        is_own = functions[0].__module__ != "sacred.commands"
        for key in sorted(keys) if is_own else ():
            if "." not in key and key not in {"seed", *used}:
                raise ConfigError(f"{key} is not used by the command {name}: leave it out")

    def check(self, command: str) -> Callable[[Callable], Callable]:
        """Return a decorator for a function that checks the input of a command.

        The function has config entries as arguments, as a command. It is called before the run is
        recorded, so that invalid input leaves no record. Its result is the first argument of the
        command.
        """

        def register(function: Callable) -> Callable:
            self.checks[command] = self.capture(function)
            return function

        return register

    def print_record(self) -> None:
        """Print the folder in which the current run is recorded, if it is recorded."""
        for record in self.records[:1]:
            print(f"recording in {record.path}", flush=True)

    def capture(self, function=None, prefix=None):
        """Capture a command as Sacred does, and let interruptions end it."""

        @functools.wraps(function)
        def run_command(*args, **kwargs):
            with allow_interruptions():
                return function(*args, **kwargs)

        return super().capture(run_command, prefix=prefix)

    def _end(self, error: BaseException) -> NoReturn:
        """End the process with a line on standard error and the error's exit status."""
        raise SystemExit(report_error(self.file.name, error)) from error

    def _check_command(self, cmd_name):
        """Reject unknown commands."""
        commands = dict(self.gather_commands())
        if cmd_name not in commands:
            hint = self._find_missing_with([cmd_name]) or suggest_nearest(str(cmd_name), commands)
            self._end(ConfigError(f"{cmd_name} is not a command: {hint}"))

    def _find_missing_with(self, words: Sequence[str]) -> str | None:
        """Return a hint if the words contain entries or named configs without `with`."""
        configs = dict(self.gather_named_configs())
        for word in [] if "with" in words else words:
            is_entry = "=" in word and not word.startswith("-")
            if is_entry or word in configs or f"cfg.{word}" in configs:
                return f"write 'with' before {word}"
        return None

    def _check_named_configs(self, named_configs: Sequence[str]) -> None:
        """Reject unknown named configs and malformed config files."""
        configs = dict(self.gather_named_configs())
        for name in map(str, named_configs):
            if Path(name).exists():
                check_config_file(Path(name))
            elif not configs:
                raise ConfigError(
                    f"{name} is not an entry: {self.file.name} has no named configs: give entries "
                    f"as NAME=VALUE, see {self.file.name} print_config"
                )
            elif name not in configs:
                raise ConfigError(f"{name} is not a named config: {suggest_nearest(name, configs)}")

    def _make_entries_hook(self):
        """Return a config hook that rejects unknown entries of the script and invalid seeds."""

        def reject_invalid_entries(config, command_name, logger):
            ingredients = {str(ingredient.path) for ingredient in self.ingredients}
            entries = {"seed", *ingredients}.union(*(scope() for scope in self.configurations))
            for key in config:
                is_description = key == "__doc__" and isinstance(config[key], str)
                if key not in entries and not is_description:
                    inner = [f"{path}.{key}" for path in ingredients if key in config.get(path, ())]
                    hint = f"did you mean {inner[0]!r}?" if inner else suggest_nearest(key, entries)
                    raise ConfigError(f"{key or repr(key)} is not an entry: {hint}")
            seed = config.get("seed", 0)
            if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
                raise ConfigError(f"seed is {seed!r}: give a whole number from 0 to {MAX_SEED}")
            return {}

        return reject_invalid_entries

    def _observe(self, run: Run, runs: Path, target: str | None) -> None:
        """Record a run in the folder `runs`, and in MongoDB if there is an address."""
        check_writable(runs, "record elsewhere with -F")
        folder = RunFolder(runs, self.logger.warning)
        run.observers = [folder]
        address = find_address("-m", target)
        if address is not None:
            from jnet.recording.mongo_observer import RunDocument

            push = "python Report.py push" + ("" if target is None else f" --to {target}")
            run.observers.append(RunDocument(folder, address, push))
        self.records = list(run.observers)

    @contextmanager
    def _finish_records(self) -> Iterator[None]:
        """Complete the records after the block.

        If a record is incomplete, raise `RunFailed`; if the block has raised an exception, log a
        warning instead.
        """
        succeeded = False
        try:
            yield
            succeeded = True
        finally:
            heartbeat = getattr(self.current_run, "_heartbeat", None)
            if heartbeat is not None and heartbeat.is_alive():
                heartbeat.join(LAST_HEARTBEAT)
            message = next(filter(None, [record.finish() for record in self.records]), None)
            if message is not None and not succeeded:
                self.logger.warning(message)
        if message is not None:
            raise RunFailed(message)


@functools.cache
def list_sources() -> list[Source]:
    """Return the program's files with their digests.

    No commit is recorded for each file: Sacred would ask git about every file, which takes seconds,
    and all files belong to the same commit.
    """
    paths = [str(path) for pattern in SOURCE_PATTERNS for path in sorted(ROOT.glob(pattern))]
    return [Source(path, get_digest(path), None, None, None) for path in paths]


@functools.cache
def list_packages() -> list[PackageDependency]:
    """Return the installed packages; those whose metadata cannot be read are left out."""
    packages = []
    for package in distributions():
        with suppress(OSError, TypeError, ValueError):  # no metadata, or not in UTF-8
            metadata = package.metadata  # each access reads a file
            fields = {key: metadata[key] for key in metadata}
            packages.append(PackageDependency(fields.get("Name"), fields.get("Version", "")))
    return [package for package in packages if package.name]


def render_output(output: str) -> str:
    """Return output as a terminal shows it, with progress bars in their last state.

    Sacred calls this every ten seconds with the complete output so far.
    """
    moves = [place for place in map(output.find, "\r\b") if place >= 0]
    if not moves:
        return output
    start = output.rfind("\n", 0, min(moves)) + 1
    return output[:start] + apply_backspaces_and_linefeeds(output[start:])


def read_text_entry(key: str, value: Any, missing: str) -> str:
    """Return the string value of an entry of a script's config, with `~` expanded.

    Parameters
    ----------
    key : str
        Name of the entry.
    value : object
        Its value.
    missing : str
        Error message for the value None.

    Returns
    -------
    str

    Raises
    ------
    ConfigError
        If the value is None, empty or not a string.
    """
    if value is None:
        raise ConfigError(missing)
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{key} is {value!r}, not a string: quote it twice, as '{key}=\"…\"'")
    return str(Path(value).expanduser()) if value.startswith("~") else value


def has_commit(folder: Path) -> bool:
    """Return whether `folder` is in a git repository that has a commit to record."""
    try:
        import git
    except ImportError:  # also raised if the git program is missing
        return False
    try:
        return git.Repo(folder, search_parent_directories=True).head.is_valid()
    except git.InvalidGitRepositoryError:
        return False


class StandardErrorHandler(logging.StreamHandler):
    """A log handler for the current standard error, which Sacred replaces to capture output."""

    def emit(self, record):
        self.stream = sys.stderr
        super().emit(record)


def make_logger(name: str) -> logging.Logger:
    """Return a logger for Sacred that shows warnings and errors, except `SILENCED_MESSAGES`."""
    logger = logging.getLogger(f"jnet.{name}")
    logger.setLevel(logging.WARNING)
    if not logger.handlers:
        handler = StandardErrorHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
        handler.addFilter(lambda record: not record.getMessage().startswith(SILENCED_MESSAGES))
        logger.addHandler(handler)
    return logger
