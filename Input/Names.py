"""Names of songs: files are called after them, so none may leave its folder or meet another's."""

import unicodedata
from collections.abc import Iterable

from Input.Songs import Song
from Spec.Errors import DataError
from Spec.Files import refuse_unfit_name


def refuse_names(songs: Iterable[Song]) -> None:
    """Refuse songs whose files or scores could not be written, or would replace each other's.

    Raises `DataError`, naming the song or both songs.
    """
    known: dict[str, Song] = {}
    for song in songs:
        refuse_unfit_name(f"the {song.subset} song", song.name)
        other = known.setdefault(folded(song.name), song)
        if other is song:
            continue
        both = f"{str(other.folder)!r} and {str(song.folder)!r}"
        if other.subset != song.subset:
            raise DataError(
                f"{both} are one song in the {other.subset} set and in the {song.subset} set: "
                f"a song must be in one alone, rename or remove one"
            )
        raise DataError(
            f"{both} have one name, or two that a file system may take for one: rename one of them"
        )


def folded(name: str) -> str:
    """What is left of a name when all is dropped that some file system drops: case, the way an
    accent is written, characters that are not seen, spaces and dots at the end."""
    seen = "".join(character for character in name if unicodedata.category(character) != "Cf")
    caseless = unicodedata.normalize("NFD", seen).casefold()
    return unicodedata.normalize("NFD", caseless).rstrip(" .")
