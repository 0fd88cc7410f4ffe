"""The types of the fields of a recorded run.

Records may be damaged, or be those of other people and projects. They are checked when they are
read, so that no other code has to check them again.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

IsValid = Callable[[Any], bool]
MAX_SHOWN = 60  # characters of a value in a message


def is_text(value: Any) -> bool:
    """Return whether a value is a string that can be written as UTF-8."""
    return isinstance(value, str) and value == value.encode("utf-8", "replace").decode()


def is_mapping(value: Any) -> bool:
    """Return whether a value is a mapping with texts as keys."""
    return isinstance(value, Mapping) and all(map(is_text, value))


def is_integer(value: Any) -> bool:
    """Return whether a value is an integer of at most 64 bits, and not a bool."""
    return type(value) is int and value.bit_length() < 64


def is_count(value: Any) -> bool:
    """Return whether a value is an integer of at least 1."""
    return is_integer(value) and value >= 1


def is_time(value: Any) -> bool:
    """Return whether a value is a time in UTC without a time zone, as Sacred writes it."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return False
    return isinstance(value, datetime) and value.tzinfo is None


def is_list_of(is_item: IsValid) -> IsValid:
    """Return a check for lists of valid items."""
    return lambda value: isinstance(value, list | tuple) and all(map(is_item, value))


def is_mapping_of(is_item: IsValid) -> IsValid:
    """Return a check for mappings from texts to valid items."""
    return lambda value: is_mapping(value) and all(map(is_item, value.values()))


def is_pair(value: Any) -> bool:
    """Return whether a value is a list of two items, the first of which is a text."""
    return isinstance(value, list | tuple) and len(value) == 2 and is_text(value[0])


def is_artifact(value: Any) -> bool:
    """Return whether a value is a name (in a folder) or a mapping with name and id (MongoDB)."""
    is_stored = isinstance(value, Mapping) and is_text(value.get("name")) and "file_id" in value
    return is_text(value) or is_stored


def is_repository(value: Any) -> bool:
    """Return whether a value describes a git repository."""
    return isinstance(value, Mapping) and is_text(value.get("commit"))


def is_summary(value: Any) -> bool:
    """Return whether a value has the scores of a source: numbers by name, or None."""
    return is_mapping_of(lambda item: item is None or isinstance(item, int | float))(value)


def is_series(value: Any) -> bool:
    """Return whether a value has the equally long lists of a metric."""
    lists = (
        [value.get(key) for key in ("steps", "values", "timestamps")] if is_mapping(value) else []
    )
    is_complete = bool(lists) and all(isinstance(items, list) for items in lists)
    return is_complete and len({*map(len, lists)}) == 1 and all(map(is_time, lists[2]))


# Check of each field, by its path in the entry of a run. Fields may be missing or None.
ENTRY_FIELDS: dict[str, IsValid] = {
    "status": is_text,
    "start_time": is_time,
    "stop_time": is_time,
    "heartbeat": is_time,
    "meta": is_mapping,
    "meta.named_configs": is_list_of(is_text),
    "meta.config_updates": is_mapping,
    "meta.config_updates.cfg": is_mapping,
    "artifacts": is_list_of(is_artifact),
    "artifact_details": is_mapping_of(is_mapping),
    "resources": is_list_of(is_pair),
    "experiment": is_mapping,
    "experiment.name": is_text,
    "experiment.mainfile": is_text,
    "experiment.base_dir": is_text,
    "experiment.sources": is_list_of(is_pair),
    "experiment.repositories": is_list_of(is_repository),
}
# Of the result, if it is a mapping.
RESULT_FIELDS: dict[str, IsValid] = {
    "scores": is_mapping_of(is_summary),
    "steps": is_count,
    **dict.fromkeys(("weights", "weights_sha256", "store", "folder"), is_text),
}
CONFIG_FIELDS: dict[str, IsValid] = {
    "cfg": is_mapping,
    "cfg.passes": is_count,
    "cfg.dataset": is_text,
    "seed": is_integer,
    "subset": is_text,
}


def check_record(
    entry: Mapping[str, Any], config: Any, series: Mapping[str, Any] | None = None
) -> None:
    """Raise `ValueError` for the first field of a recorded run with an invalid value.

    Parameters
    ----------
    entry : mapping
        Sacred's entry of the run.
    config : object
        Its config.
    series : mapping, optional
        Its metrics.
    """
    result = entry.get("result")
    check_fields("config", {"config": config}, {"config": is_mapping})
    check_fields("entry", entry, ENTRY_FIELDS)
    check_fields("result", result if isinstance(result, Mapping) else {}, RESULT_FIELDS)
    check_fields("config", config or {}, CONFIG_FIELDS)
    check_fields("metrics", {"metrics": series}, {"metrics": is_mapping_of(is_series)})


def check_fields(name: str, content: Mapping[str, Any], fields: Mapping[str, IsValid]) -> None:
    """Raise `ValueError` for the first invalid field; `name` is that of the content in messages."""
    for path, is_valid in fields.items():
        value: Any = content
        for key in path.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        if value is not None and not is_valid(value):
            raise ValueError(
                f"{path if path == name else f'{name}.{path}'} is {format_value(value)}"
            )


def format_value(value: Any) -> str:
    """Return a value as a short text for a message."""
    text = ascii(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
