"""Sacred as this project uses it: what a run records and where, and how bad input ends a command.

Every run is recorded under `runs/`; also in MongoDB, by `-m host:port:db` or by the URL in the
environment variable JNET_MONGO_URL. Both have the run under the same id.
"""

import ast
import logging
import re
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, NoReturn

from docopt import DocoptExit
from sacred import SETTINGS, Experiment, Ingredient
from sacred.dependencies import Source, get_digest
from sacred.utils import apply_backspaces_and_linefeeds

from MongoObserver import RunDocument, mongo_observer
from Observers import RunFolder, check_writable, checked_run_id
from Spec.Errors import ConfigError, JNetError, RunFailed, nearest
from Terminal import check_interrupted, forget_interruptions, interrupt

ROOT = Path(__file__).parent
SOURCE_FOLDERS = (
    *("", "Spec", "Models", "Input", "Recording", "Evaluation", "Engine", "Reproduction"),
)
LARGEST_SEED = 2**32 - 1  # of NumPy's old generator, which Sacred seeds
LAST_HEARTBEAT = 60.0  # seconds that a run's last heartbeat may take to be recorded
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Sacred's messages that say nothing: the error follows, a named config's docstring is no entry.
UNSAID = ("Failed after", "Aborted after", 'Added new config entry: "__doc__"')

# Python's own streams, not file descriptors: progress bars written to the real terminal stay out
# of the record, which MongoDB limits to 16 MB.
SETTINGS.CAPTURE_MODE = "sys"
# Sacred's own search misses modules that are imported late; the experiment names them all.
SETTINGS.DISCOVER_SOURCES = "none"


class Terminated(KeyboardInterrupt):
    """A SIGTERM, as a scheduler sends it, or the SIGHUP of a closed terminal: the run ends as one
    that Ctrl-C interrupts."""

    def __init__(self, number: int = signal.SIGTERM):
        super().__init__()
        self.number = number


class JNetExperiment(Experiment):
    """An experiment whose commands end on bad input with one line and the exit status README lists.

    `file` is the script's `__file__`.
    """

    def __init__(self, name: str, file: str, ingredients: Sequence[Ingredient] = ()):
        super().__init__(
            name, ingredients=ingredients, base_dir=str(ROOT), save_git_info=has_commit(ROOT)
        )
        self.file = Path(file)
        # Sacred takes these from the module that calls it, which is this one.
        self.doc = ast.get_docstring(ast.parse(self.file.read_text(encoding="utf-8")))
        self.mainfile = Source.create(file, self.save_git_info)
        if self.mainfile.repo:  # whose address may hold a password
            self.mainfile.repo = re.sub("//[^/@]*@", "//", self.mainfile.repo)
        self.from_command_line = False
        self.logger: Any = quiet_logger(name)
        self.captured_out_filter: Any = last_states
        self.config_hook(self._entries_hook())
        # Sacred would ask git about every file, which takes seconds: they are of one commit.
        self.sources = {self.mainfile}
        for folder in SOURCE_FOLDERS:
            for path in sorted((ROOT / folder).glob("*.py")):
                self.sources.add(Source(str(path), get_digest(str(path)), None, None, None))
        for package in distributions():
            metadata = package.metadata  # read from its file each time
            self.add_package_dependency(metadata["Name"], metadata["Version"])

    def run_commandline(self, argv=None):
        """Run what the command line says; ends the process on bad input."""
        self.from_command_line = True
        try:
            with ended_by_signals():
                return super().run_commandline(argv)
        except DocoptExit:
            self._end(ConfigError(f"the command line is not understood: see {self.file.name} -h"))
        finally:
            self.from_command_line = False

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
        self.current_run = None  # Sacred looks at an earlier run's options where this has not begun
        in_full = not self.from_command_line or options.get("--debug")
        try:
            if options.get("--queue"):
                raise ConfigError("-q: there is nothing that runs what is queued: leave it out")
            self._check_named_configs(named_configs)
            self._observe(str(command_name or self.default_command), options)
            with self._records_finished():
                run = super().run(
                    command_name, config_updates, named_configs, info, meta_info, options
                )
            check_interrupted()
            return run
        except (JNetError, OSError, KeyboardInterrupt) as error:
            if in_full:
                raise
            self._end(error)

    def _end(self, error: BaseException) -> NoReturn:
        """End the process with one line on standard error and the error's exit status."""
        print(f"{self.file.name}: {sentence(error)}", file=sys.stderr)
        raise SystemExit(exit_status(error)) from error

    def _check_command(self, cmd_name):
        """Refuse a command that does not exist."""
        known = dict(self.gather_commands())
        if cmd_name not in known:
            hint = nearest(str(cmd_name), known)
            self._end(ConfigError(f"{cmd_name} is not a command: {hint}"))

    def _check_named_configs(self, named_configs: Iterable[str]) -> None:
        """Refuse a named config that does not exist."""
        known = {
            ".".join((str(ingredient.path), str(name)))
            for ingredient in self.ingredients
            for name in ingredient.named_configs
        }
        for name in map(str, named_configs):
            if name not in known and not Path(name).is_file():
                raise ConfigError(f"{name} is not a named config: {nearest(name, known)}")

    def _entries_hook(self):
        """A hook that stops at a mistyped entry of the script's own config, and at a seed that
        is none."""

        def refuse_wrong_entries(config, command_name, logger):
            below = {str(ingredient.path) for ingredient in self.ingredients}
            known = {"seed", *below}
            for scope in self.configurations:
                known |= set(scope())
            for key in config:
                if key not in known and not key.startswith("__"):
                    inner = [f"{path}.{key}" for path in below if key in config.get(path, ())]
                    hint = f"did you mean {inner[0]!r}?" if inner else nearest(key, known)
                    raise ConfigError(f"{key} is not an entry: {hint}")
            seed = config.get("seed", 0)
            if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= LARGEST_SEED:
                raise ConfigError(f"seed is {seed!r}: give a whole number from 0 to {LARGEST_SEED}")
            return {}

        return refuse_wrong_entries

    def _observe(self, command_name: str, options: dict[str, Any]) -> None:
        """Set up the observers of one run."""
        self.observers = []
        target = options.pop("--mongo_db", None)
        folder = Path(options.pop("--file_storage", None) or "runs")
        command = self.commands.get(command_name)
        if command is None or command.unobserved or options.get("--unobserved"):
            return
        wanted = options.get("--id")
        if wanted is not None:
            options["--id"] = checked_run_id(str(wanted), folder)
        check_writable(folder, "record elsewhere with -F")
        self.observers.append(RunFolder(folder, self.logger.warning))
        mongo = mongo_observer(target, self.observers[0])
        if mongo is not None:
            self.observers.append(mongo)

    @contextmanager
    def _records_finished(self) -> Iterator[None]:
        """After the block the records are whole, or it is said what they lack; `RunFailed` where
        that is the one thing that failed."""
        ended_well = False
        try:
            yield
            ended_well = True
        finally:
            heartbeat = getattr(self.current_run, "_heartbeat", None)
            if heartbeat is not None and heartbeat.is_alive():
                heartbeat.join(LAST_HEARTBEAT)  # Sacred itself waits for two seconds
            lacking = None
            for observer in self.observers:
                if isinstance(observer, RunFolder):
                    lacking = observer.finish()
                elif isinstance(observer, RunDocument):
                    observer.finish()
            if lacking is not None and not ended_well:
                self.logger.warning(lacking)
        if lacking is not None:
            raise RunFailed(lacking)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Within the block Ctrl-C raises `KeyboardInterrupt`, and SIGTERM and a closed terminal raise
    `Terminated`, so that no run stays RUNNING for ever; each is noted, in case it gets lost.

    Within `Terminal.interruptions_held` they wait for the block. What is ignored stays so: `nohup`
    has a run go on when its terminal is closed."""

    def stop(number, frame):
        interrupt(KeyboardInterrupt() if number == signal.SIGINT else Terminated(number))

    forget_interruptions()
    try:
        before = {
            number: signal.signal(number, stop)
            for number in ENDING_SIGNALS
            if signal.getsignal(number) is not signal.SIG_IGN
        }
    except ValueError:  # not the main thread, which alone hears signals
        yield
        return
    try:
        yield
    finally:
        forget_interruptions()
        for number, handler in before.items():
            signal.signal(number, handler)


def last_states(output: str) -> str:
    """Output as a terminal shows it, progress bars in their last state.

    Sacred asks for it every ten seconds, over all that a run has said so far.
    """
    moves = [place for place in map(output.find, "\r\b") if place >= 0]
    if not moves:
        return output
    start = output.rfind("\n", 0, min(moves)) + 1
    return output[:start] + apply_backspaces_and_linefeeds(output[start:])


def sentence(error: BaseException) -> str:
    """An error as the one line a user gets."""
    if isinstance(error, KeyboardInterrupt):
        return "terminated" if isinstance(error, Terminated) else "interrupted"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())


def exit_status(error: BaseException) -> int:
    """The status a process ends with: the error's own, or the shell's 128 + n for a signal n."""
    if isinstance(error, KeyboardInterrupt):
        return 128 + (error.number if isinstance(error, Terminated) else signal.SIGINT)
    return getattr(error, "exit_status", JNetError.exit_status)


def text_entry(key: str, value: Any, missing: str) -> str:
    """An entry of a script's own config that must be text; `missing` is said where it is None."""
    if value is None:
        raise ConfigError(missing)
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{key} is {value!r}, not a text: quote it twice, as '{key}=\"…\"'")
    return str(Path(value).expanduser()) if value.startswith("~") else value


def has_commit(folder: Path) -> bool:
    """Whether `folder` is in a git repository that has a commit to record."""
    try:
        import git
    except ImportError:  # raised where there is no git program, too
        return False
    try:
        return git.Repo(folder, search_parent_directories=True).head.is_valid()
    except git.InvalidGitRepositoryError:
        return False


class ToStandardError(logging.StreamHandler):
    """Messages to standard error as it is by then: a run's own are in its record, too."""

    def emit(self, record):
        self.stream = sys.stderr
        super().emit(record)


def quiet_logger(name: str) -> logging.Logger:
    """Sacred's log from warnings up, less what says nothing."""
    logger = logging.getLogger(f"jnet.{name}")
    logger.setLevel(logging.WARNING)
    if not logger.handlers:
        handler = ToStandardError()
        handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
        handler.addFilter(lambda record: not record.getMessage().startswith(UNSAID))
        logger.addHandler(handler)
    return logger
