"""Snippets against the same by plain NumPy, to the last bit."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from Input import Snippets
from Input.Snippets import ALIGNMENT, STRETCH, add, aligned, scale, stretched
from Input.Store import StoredSong

LENGTHS = [1, STRETCH - 1, STRETCH, 3 * STRETCH + 5]
LANES = [(2, 1), (2, 2), (4, 2), (4, 1), (3, 3), (2, 6)]


def stored(frames: int, lanes: tuple[int, int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-32767, 32768, (frames, *lanes)).astype(np.int16)


class MadeStore:
    """A store of songs in memory: what `Snippets` asks of one."""

    def __init__(self, frames: list[int], lanes: tuple[int, int]):
        self.songs = [
            StoredSong(str(index), "train", length, 1e-5 * (index + 1), "")
            for index, length in enumerate(frames)
        ]
        self.samples = [stored(length, lanes, index) for index, length in enumerate(frames)]

    def subset(self, subset):
        return tuple(self.songs)

    def open(self, song):
        return self.samples[int(song.name)]


@pytest.fixture
def shape(monkeypatch):
    """Have every model hear `heard` frames and give out `wanted`."""

    def shape(heard, wanted, lanes):
        monkeypatch.setattr(Snippets, "input_frames", lambda spec: heard)
        monkeypatch.setattr(Snippets, "output_frames", lambda spec: wanted)
        return SimpleNamespace(sources=lanes[0] * ("a",), num_channels=lanes[1])

    return shape


def reference(store, songs, offsets, gains, heard, wanted):
    """A batch as one would write it, a snippet after another."""
    before = (heard - wanted) // 2
    mixes, targets = [], []
    for song, offset, gain in zip(songs, offsets, gains, strict=True):
        padded = np.pad(store.samples[song], ((heard, heard), (0, 0), (0, 0)))
        window = padded[offset - before + heard :][:heard].astype(np.float32)
        window = window * (gain * np.float32(store.songs[song].scale))[np.newaxis, :, np.newaxis]
        mixes.append(sum(window[:, source] for source in range(window.shape[1])))
        targets.append(window[before : before + wanted])
    return np.stack(mixes), np.stack(targets)


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize(("heard", "wanted"), [(200, 200), (257, 101), (64, 64), (1, 1), (900, 2)])
def test_a_batch_is_that_of_plain_numpy_to_the_last_bit(shape, heard, wanted, lanes):
    spec = shape(heard, wanted, lanes)
    store = MadeStore([500, 901, 40], lanes)
    snippets = Snippets.Snippets(store, "train", spec)
    random = np.random.default_rng(3)
    for size in (1, 7):
        songs = random.integers(0, 3, size)
        offsets = (random.random(size) * snippets.frames[songs]).astype(int)  # to the very end
        gains = random.uniform(0.7, 1, (size, lanes[0])).astype(np.float32)
        mix, sources = snippets.batch(songs, offsets, gains)
        assert (mix.dtype, sources.dtype) == (np.float32, np.float32)
        wanted_mix, wanted_sources = reference(store, songs, offsets, gains, heard, wanted)
        np.testing.assert_array_equal(mix, wanted_mix)
        np.testing.assert_array_equal(sources, wanted_sources)


def test_a_window_reaches_over_both_ends_of_a_song_into_silence(shape):
    store = MadeStore([1024], (2, 2))
    snippets = Snippets.Snippets(store, "train", shape(3000, 1000, (2, 2)))
    (mix,), _ = snippets.batch(np.array([0]), np.array([20]), np.ones((1, 2)))
    assert not mix[:980].any()
    assert mix[980 : 980 + 1024].all(axis=1).mean() > 0.99
    assert not mix[980 + 1024 :].any()


@pytest.mark.parametrize("frames", LENGTHS)
@pytest.mark.parametrize("lanes", LANES)
def test_scaling_and_adding_any_shape(frames, lanes):
    samples = stored(frames, lanes, 7)
    factors = np.random.default_rng(8).random((3, lanes[0])).astype(np.float32)
    scaled, mix = np.empty((frames, *lanes), np.float32), np.empty((frames, lanes[1]), np.float32)
    scale(samples, stretched(factors, lanes[1])[2], scaled)
    np.testing.assert_array_equal(scaled, samples.astype(np.float32) * factors[2][:, np.newaxis])
    add(scaled, mix)
    np.testing.assert_array_equal(mix, sum(scaled[:, source] for source in range(lanes[0])))


def test_tensorflow_takes_a_batch_over_without_copying_it():
    made = []

    def make(number):
        made.append(aligned(3, 5, 2))
        return made[-1]

    numbers = tf.data.Dataset.range(8)
    tensors = list(numbers.map(lambda number: tf.numpy_function(make, [number], tf.float32)))
    for array, tensor in zip(made, tensors, strict=True):
        assert array.ctypes.data % ALIGNMENT == 0
        assert np.from_dlpack(tensor).ctypes.data == array.ctypes.data
