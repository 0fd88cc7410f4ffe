"""Which training songs validate: by the hash of their names, so that no generator decides it."""

import hashlib

from Input.Songs import Song
from Spec.Errors import DataError


def hold_out(songs: list[Song], count: int) -> list[Song]:
    """`songs`, the `count` training songs of smallest SHA-256 of the name moved to 'valid'.

    Left as they are when they have a 'valid' partition of their own. Raises `DataError` when
    nothing would be left to train on.
    """
    if any(song.subset == "valid" for song in songs):
        return songs
    training = [song for song in songs if song.subset == "train"]
    names = sorted((song.name for song in training), key=name_hash)
    if len(names) <= count:
        where = f"{training[0].folder.parent}: " if training else ""
        raise DataError(
            f"{where}{len(names)} training songs are too few to hold out "
            f"cfg.num_validation_songs = {count} and train on the rest: lower it or add songs"
        )
    held_out = set(names[:count])
    return [
        song.moved_to("valid") if song.subset == "train" and song.name in held_out else song
        for song in songs
    ]


def name_hash(name: str) -> str:
    """SHA-256 of a song's name."""
    return hashlib.sha256(name.encode()).hexdigest()
