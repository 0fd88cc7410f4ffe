"""Whether a song's mixture is the sum of its stems: how a wrong or shifted stem is known."""

import numpy as np

from Input.Songs import COMPONENTS, MIXTURE, Recording, Song

# A mixture may miss the sum of its stems by this much of its energy. MUSDB18's stems are coded
# with loss one by one, which costs whole songs −35 to −26 dB and excerpts up to −15 dB; a stem
# that is wrong, or 20 frames late, comes out near 0 dB.
ADDITIVITY_BOUND = -10.0  # dB
# Songs known to miss it, and the bound each has instead. In MUSDB18's, whose errata name it, the
# left channel differs: −7.6 dB.
EXCEPTIONS = {"PR - Oh No": -6.0}
WHOLE = {"bass", "drums", "other", "vocals"}  # of these together a mixture is made


def additivity_db(mix: np.ndarray, sources: np.ndarray) -> float:
    """Energy of what the mix `[T, C]` and the sum of sources `[T, S, C]` differ by, in dB of the
    mix's; −inf where they are equal."""
    missed = float(np.square(mix - sources.sum(axis=1), dtype=np.float64).sum())
    energy = float(np.square(mix, dtype=np.float64).sum())
    if missed == 0:
        return -np.inf
    return float(10 * np.log10(missed / energy)) if energy else np.inf


def measured(song: Song, recording: Recording, sources: tuple[str, ...]) -> float | None:
    """A song's additivity in dB; None where it has no mixture, or where the sources are not all
    that is in it."""
    parts = {part for source in sources for part in COMPONENTS.get(source, (source,))}
    if MIXTURE not in song.stems or not parts >= WHOLE:
        return None
    return additivity_db(recording.mix, recording.sources)


def wrong_sum(name: str, additivity: float | None) -> str:
    """What is wrong with a song of that additivity; '' where nothing is."""
    if additivity is None or additivity <= EXCEPTIONS.get(name, ADDITIVITY_BOUND):
        return ""
    return (
        f"its mixture misses the sum of its stems by {additivity:.1f} dB: replace the stem that "
        f"is wrong, or remove the mixture"
    )
