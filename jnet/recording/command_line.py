"""The command line of Sacred: its options and config files that this project accepts."""

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jnet.errors import ConfigError, suggest_nearest

NO_QUEUE = "runs cannot be queued"
OTHER_RECORDS = "runs are recorded in a folder (-F) and in MongoDB (-m) only"
# Options of Sacred that have no meaning here, with the reason.
REFUSED_OPTIONS = {
    "--queue": f"-q: {NO_QUEUE}",
    "--priority": f"-P: {NO_QUEUE}",
    "--sql": f"-s: {OTHER_RECORDS}",
    "--s3": f"-S: {OTHER_RECORDS}",
    "--tiny_db": f"-t: {OTHER_RECORDS}",
    "--beat-interval": "-b: the heartbeat has a fixed interval, by which running runs are known",
}
CAPTURE_MODES = ("sys", "no")  # Sacred's 'fd' would record progress bars


def check_options(options: Mapping[str, Any], is_dirty: bool | None) -> None:
    """Reject options of Sacred that have no meaning here, and invalid values.

    Parameters
    ----------
    options : mapping
        The options by their long names.
    is_dirty : bool or None
        Whether the program has uncommitted changes; None if it is not in a git repository.

    Raises
    ------
    ConfigError
        For the first refused option or invalid value.
    """
    for flag, reason in REFUSED_OPTIONS.items():
        if options.get(flag):
            raise ConfigError(f"{reason}: leave it out")
    capture, level = options.get("--capture"), options.get("--loglevel")
    if capture is not None and capture not in CAPTURE_MODES:
        raise ConfigError(f"-C is {capture!r}: {suggest_nearest(capture, CAPTURE_MODES)}")
    levels = logging.getLevelNamesMapping()
    if level is not None and level not in levels and not str(level).isdecimal():
        raise ConfigError(f"-l is {level!r}: {suggest_nearest(str(level), levels)}")
    if options.get("--enforce_clean") and is_dirty is not False:
        state = "has uncommitted changes" if is_dirty else "is not in a git repository"
        raise ConfigError(f"-e: the program {state}: commit it, or leave -e out")


def check_config_file(path: Path) -> None:
    """Raise `ConfigError` unless `path` is a file of config entries in JSON or YAML."""
    if path.suffix not in (".json", ".yaml", ".yml") or not path.is_file():
        raise ConfigError(f"{path}: is not a config file: give a .json or .yaml file")
    try:
        content = read_config_file(path)
        names = [*list_keys(content)]
    except (ValueError, RecursionError) as error:
        language = "JSON" if path.suffix == ".json" else "YAML"
        raise ConfigError(f"{path}: is not valid {language}: {error}") from error
    # Sacred would create the objects that jsonpickle describes with the key "py/object".
    are_names = all(isinstance(name, str) and name.isidentifier() for name in names)
    if not isinstance(content, dict) or not are_names:
        raise ConfigError(f'{path}: does not contain entries: write {{"cfg": {{"task": "voice"}}}}')


def read_config_file(path: Path) -> Any:
    """Return the content of a JSON or YAML file; raise `ValueError` if it is malformed."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return json.loads(text)
    import yaml  # takes 20 ms

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(error) from error


def list_keys(content: Any) -> Iterator[Any]:
    """Yield all keys of nested dicts and lists."""
    if isinstance(content, dict):
        yield from content
    if isinstance(content, dict | list):
        for value in content.values() if isinstance(content, dict) else content:
            yield from list_keys(value)
