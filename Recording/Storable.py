"""What a BSON document can hold, and what becomes of the rest."""

import json
from datetime import datetime
from typing import Any

LARGEST = 16 * 2**20 - 2**18  # bytes of a document, with room for what viewers add to it
LONGEST_OUTPUT = 12 * 2**20  # bytes of captured output that a document takes whole
KEPT_OUTPUT = 2**20  # bytes of its begin, and of its end, that it takes of more
LARGEST_INTEGER = 2**63


def storable(value: Any, name: str, altered: list[str]) -> Any:
    """`value`, read from JSON, as BSON can hold it; what had to be altered is named in `altered`.

    Whole numbers beyond 64 bits become text; text that is not UTF-8 and zero bytes in keys are
    escaped.
    """
    if isinstance(value, dict):
        kept = {}
        for key, held in value.items():
            inner = f"{name}.{key}" if name else str(key)
            own = storable(key, f"the key {inner}", altered)
            if "\0" in own:
                altered.append(f"the key {inner!r} escaped")
                own = own.replace("\0", "\\0")
            kept[own] = storable(held, inner, altered)
        return kept
    if isinstance(value, list):
        return [storable(held, f"{name}[{index}]", altered) for index, held in enumerate(value)]
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            altered.append(f"{name} escaped")
            return value.encode("utf-8", "backslashreplace").decode()
    elif isinstance(value, int) and not -LARGEST_INTEGER <= value < LARGEST_INTEGER:
        altered.append(f"{name} as text alone, being beyond 64 bits")
        return str(value)
    return value


def shortened(output: str, whole: str) -> tuple[str, bool]:
    """Captured output as a document takes it, and whether something had to be left out: then it
    says so itself, and that `whole` has all of it."""
    content = output.encode("utf-8", "backslashreplace")
    if len(content) <= LONGEST_OUTPUT:
        return output, False
    first, last = (
        part.decode("utf-8", "ignore") for part in (content[:KEPT_OUTPUT], content[-KEPT_OUTPUT:])
    )
    out = len(content) - 2 * KEPT_OUTPUT
    return f"{first}\n[… {out} bytes are left out here: {whole} has all of it …]\n{last}", True


def fitted(document: dict[str, Any], most: int = LARGEST) -> tuple[dict[str, Any], list[str]]:
    """A document small enough for MongoDB, and which of its fields had to be left out."""
    import bson

    sizes = {key: len(bson.encode({key: value})) for key, value in document.items()}
    left_out = []
    while sum(sizes.values()) > most:
        largest = max(sizes, key=lambda key: sizes[key])
        left_out.append(f"{largest} (too large)")
        del sizes[largest]
    return {key: document[key] for key in sizes}, left_out


def moment(text: str | None) -> datetime | None:
    """A time as Sacred writes it, to the millisecond, which is all that MongoDB keeps."""
    if text is None:
        return None
    found = datetime.fromisoformat(text)
    return found.replace(microsecond=found.microsecond // 1000 * 1000)


def canonical(value: Any) -> str:
    """Equal for equal values, NaN too, whatever the order of their keys."""
    return json.dumps(value, sort_keys=True, default=str)
