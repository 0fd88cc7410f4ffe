"""The folder of a run while it runs: every file in it is whole at every moment."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from Recording.RunFiles import CONFIG, ENTRY, INFO, OUTPUT, SERIES
from Spec.Files import replaced

RECORD = (ENTRY, CONFIG, INFO, SERIES, OUTPUT)


class Folder:
    """What is to be in a run's folder: held here, and written as soon as that is possible.

    `texts` are the JSON files, `output` the captured output, `waiting` the artifacts that have
    yet to be copied, by name.
    """

    def __init__(self, path: Path):
        self.path = path
        self.texts: dict[str, str] = {}
        self.output = ""
        self.waiting: dict[str, Path] = {}
        self.written: dict[str, str] = {}
        self.shown, self.shown_bytes = "", 0

    def write(self) -> str | None:
        """Bring the folder up to what it is to hold; why it is not, if so, in a few words.

        What cannot be written harms nothing else, and is tried again the next time. The entry
        comes last: what it names is there.
        """
        pieces: list[tuple[str, Callable[[], None]]] = [
            *((name, lambda name=name: self.copy(name)) for name in list(self.waiting)),
            (OUTPUT, self.append),
            *(
                (name, lambda name=name: self.replace(name))
                for name in sorted(self.texts, key=lambda name: name == ENTRY)
            ),
        ]
        reasons = []
        for name, write in pieces:
            try:
                write()
            except OSError as error:
                reasons.append(f"{name}: {error.strerror or error}")
        return reasons[0] if reasons else None

    def replace(self, name: str) -> None:
        """Write a JSON file that has changed."""
        text = self.texts[name]
        if self.written.get(name) != text:
            with replaced(self.path / name) as temporary:
                temporary.write_text(text, encoding="utf-8")
            self.written[name] = text

    def copy(self, name: str) -> None:
        """Copy an artifact; `OSError` for one whose name belongs to the record, or to no file."""
        if name in (*RECORD, ".", "..") or Path(name).name != name:
            raise OSError("an artifact of this name would not be a file beside the record")
        with replaced(self.path / name) as temporary:
            shutil.copyfile(self.waiting[name], temporary)
        del self.waiting[name]

    def append(self) -> None:
        """Append what is new of the output, over a line that was not yet ended."""
        path = self.path / OUTPUT
        if self.output == self.shown and path.exists():
            return
        kept = len(self.shown)
        if not self.output.startswith(self.shown):
            kept = self.shown.rfind("\n") + 1
            if not self.output.startswith(self.shown[:kept]):
                kept = 0
        begin = self.shown_bytes - len(encoded(self.shown[kept:]))
        new = encoded(self.output[kept:])
        with path.open("r+b" if path.exists() else "wb") as file:
            file.seek(begin)
            file.truncate()  # what an earlier try may have left, too
            file.write(new)
            file.flush()
            os.fsync(file.fileno())
        self.shown, self.shown_bytes = self.output, begin + len(new)


def encoded(text: str) -> bytes:
    """Output as bytes, whatever was printed."""
    return text.encode("utf-8", "backslashreplace")
