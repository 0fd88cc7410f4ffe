"""What is wrong with a store, file by file: every sample read and held against the manifest."""

import json
from pathlib import Path

from Input.Collection import Progress, find_songs
from Input.Store import (
    MANIFEST,
    Store,
    StoredSong,
    audio_path,
    description_path,
    digest_of,
    form,
    read_manifest,
    song_damage,
)
from Spec.Data import DataSpec


def store_damage(folder: Path, spec: DataSpec, progress: Progress) -> list[str]:
    """What is missing from the store of `spec` in `folder`, changed in it or should not be there:
    a line each, which begins with a file's place in the store.

    Raises `DataError` where the manifest is damaged, so that nothing else can be told.
    """
    store = read_manifest(folder)
    wrong = manifest_damage(store, spec)
    for done, song in enumerate(store.songs, 1):
        wrong += song_damage(store, song) or samples_change(store, song)
        progress(song.name, done, len(store.songs))
    return wrong + strangers(store)


def manifest_damage(store: Store, spec: DataSpec) -> list[str]:
    """What the manifest says that is not so: of the store's form, or of the songs it is made of."""
    manifest = json.loads((store.folder / MANIFEST).read_text(encoding="utf-8"))
    wrong = [
        f"{MANIFEST}: says {key} {manifest.get(key)!r} where it is {value!r}"
        for key, value in form(spec).items()
        if manifest.get(key) != value
    ]
    wanted = [(song.subset, song.name) for song in find_songs(spec, lambda *_: None)]
    if [(song.subset, song.name) for song in store.songs] != wanted:
        wrong.append(f"{MANIFEST}: has other songs than the data set, or in another order")
    return wrong


def samples_change(store: Store, song: StoredSong) -> list[str]:
    """Whether a song's samples are no longer those that were prepared."""
    if digest_of(store.open(song)) == song.sha256:
        return []
    path = audio_path(store.folder, song.subset, song.name).relative_to(store.folder)
    return [f"{path}: its samples have changed since they were prepared"]


def strangers(store: Store) -> list[str]:
    """Files that no preparation leaves in a store."""
    known = {store.folder / MANIFEST}
    for song in store.songs:
        known |= {
            place(store.folder, song.subset, song.name) for place in (audio_path, description_path)
        }
    return [
        f"{path.relative_to(store.folder)}: does not belong there"
        for path in sorted(store.folder.rglob("*"))
        if path not in known and not path.is_dir()
    ]
