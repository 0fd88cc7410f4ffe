"""Excerpts are equal to a plain NumPy implementation, to the last bit."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from jnet.data.excerpts import (
    ALIGNMENT,
    SAMPLES_AT_ONCE,
    Changes,
    Draw,
    Excerpts,
    add_sources,
    allocate_aligned,
    repeat_factors,
    scale_samples,
)
from jnet.data.store import StoredTrack

LENGTHS = [1, SAMPLES_AT_ONCE - 1, SAMPLES_AT_ONCE, 3 * SAMPLES_AT_ONCE + 5]
LANES = [(2, 1), (2, 2), (4, 2), (4, 1), (3, 3), (2, 6)]


def make_samples(frames: int, lanes: tuple[int, int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-32767, 32768, (frames, *lanes)).astype(np.int16)


class StoreInMemory:
    """The part of a store that `Excerpts` uses, with tracks in memory."""

    def __init__(self, frames: list[int], lanes: tuple[int, int]):
        self.tracks = [
            StoredTrack(str(index), "train", length, 1e-5 * (index + 1), "")
            for index, length in enumerate(frames)
        ]
        self.samples = [make_samples(length, lanes, index) for index, length in enumerate(frames)]

    def subset(self, subset):
        return tuple(self.tracks)

    def open(self, track):
        return self.samples[int(track.name)]


def make_settings(num_input, num_output, lanes):
    """Return the part of the model settings that `Excerpts` uses."""
    return SimpleNamespace(
        sources=lanes[0] * ("a",),
        num_channels=lanes[1],
        input_samples=num_input,
        output_samples=num_output,
        normalizes_tracks=False,
    )


def cut_reference(store, tracks, offsets, gains, num_input, num_output):
    """Cut a batch in the simplest way, one excerpt after another."""
    before = (num_input - num_output) // 2
    mixes, targets = [], []
    for track, offset, gain in zip(tracks, offsets, gains, strict=True):
        padded = np.pad(store.samples[track], ((num_input, num_input), (0, 0), (0, 0)))
        window = padded[offset - before + num_input :][:num_input].astype(np.float32)
        window = window * (gain * np.float32(store.tracks[track].scale))[np.newaxis, :, np.newaxis]
        mixes.append(sum(window[:, source] for source in range(window.shape[1])))
        targets.append(window[before : before + num_output])
    return np.stack(mixes), np.stack(targets)


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize(
    ("num_input", "num_output"), [(200, 200), (257, 101), (64, 64), (1, 1), (900, 2)]
)
def test_a_batch_is_equal_to_the_reference_to_the_last_bit(num_input, num_output, lanes):
    settings = make_settings(num_input, num_output, lanes)
    store = StoreInMemory([500, 901, 40], lanes)
    excerpts = Excerpts(store, "train", settings)
    random = np.random.default_rng(3)
    for size in (1, 7):
        tracks = random.integers(0, 3, size)
        offsets = (random.random(size) * excerpts.lengths[tracks]).astype(int)  # up to the end
        gains = random.uniform(0.7, 1, (size, lanes[0])).astype(np.float32)
        mix, sources = excerpts.batch(Draw(tracks, offsets, gains))
        assert (mix.dtype, sources.dtype) == (np.float32, np.float32)
        wanted_mix, wanted_sources = cut_reference(
            store, tracks, offsets, gains, num_input, num_output
        )
        np.testing.assert_array_equal(mix, wanted_mix)
        np.testing.assert_array_equal(sources, wanted_sources)


def test_samples_before_and_after_a_track_are_zero():
    store = StoreInMemory([1024], (2, 2))
    excerpts = Excerpts(store, "train", make_settings(3000, 1000, (2, 2)))
    (mix,), _ = excerpts.batch(Draw(np.array([0]), np.array([20]), np.ones((1, 2))))
    assert not mix[:980].any()
    assert mix[980 : 980 + 1024].all(axis=1).mean() > 0.99
    assert not mix[980 + 1024 :].any()


@pytest.mark.parametrize("frames", LENGTHS)
@pytest.mark.parametrize("lanes", LANES)
def test_scaling_and_adding_any_shape(frames, lanes):
    samples = make_samples(frames, lanes, 7)
    factors = np.random.default_rng(8).random((3, lanes[0])).astype(np.float32)
    scaled, mix = np.empty((frames, *lanes), np.float32), np.empty((frames, lanes[1]), np.float32)
    scale_samples(samples, repeat_factors(factors, lanes[1])[2], scaled)
    np.testing.assert_array_equal(scaled, samples.astype(np.float32) * factors[2][:, np.newaxis])
    add_sources(scaled, mix)
    np.testing.assert_array_equal(mix, sum(scaled[:, source] for source in range(lanes[0])))


def test_tensorflow_uses_a_batch_without_copying_it():
    arrays = []

    def make(number):
        arrays.append(allocate_aligned(3, 5, 2))
        return arrays[-1]

    numbers = tf.data.Dataset.range(8)
    tensors = list(numbers.map(lambda number: tf.numpy_function(make, [number], tf.float32)))
    for array, tensor in zip(arrays, tensors, strict=True):
        assert array.ctypes.data % ALIGNMENT == 0
        assert np.from_dlpack(tensor).ctypes.data == array.ctypes.data


@pytest.mark.parametrize("normalizes", [False, True])
@pytest.mark.parametrize(("num_input", "num_output"), [(200, 200), (257, 101)])
def test_changed_sources_are_equal_to_a_plain_implementation(num_input, num_output, normalizes):
    """Gain and sign, shift, and swap of each source, then the exchange between excerpts."""
    settings = make_settings(num_input, num_output, (3, 2))
    settings.normalizes_tracks = normalizes
    store = StoreInMemory([500, 901, 700], (3, 2))
    random = np.random.default_rng(1)
    tracks, offsets = random.integers(0, 3, 8), random.integers(0, 300, 8)
    gains = random.uniform(-1, 1, (8, 3)).astype(np.float32)
    shifts = random.integers(0, 90, (8, 3))
    swaps = random.random((8, 3)) < 0.5
    origins = np.stack([random.permutation(8) for _ in range(3)], axis=1)
    draw = Draw(tracks, offsets, gains, Changes(shifts, swaps, origins))
    mix, sources = Excerpts(store, "train", settings).batch(draw)
    before = (num_input - num_output) // 2
    for index in range(8):
        window = np.zeros((num_input, 3, 2))
        for source in range(3):
            origin = origins[index, source]
            track = store.tracks[tracks[origin]]
            samples = track.scale * store.samples[tracks[origin]].astype(np.float64)
            if normalizes:
                mono = samples.sum(axis=1).mean(axis=1)
                samples = (samples - mono.mean() / 3) / mono.std(ddof=1)
            first = offsets[origin] + shifts[origin, source] - before + num_input
            own = np.pad(samples[:, source], ((num_input, num_input), (0, 0)))
            own = gains[origin, source] * own[first : first + num_input]
            window[:, source] = own[:, ::-1] if swaps[origin, source] else own
        np.testing.assert_allclose(
            sources[index], window[before:][:num_output], rtol=1e-4, atol=1e-5
        )
        np.testing.assert_allclose(mix[index], window.sum(axis=1), rtol=1e-4, atol=1e-5)


def test_normalised_mixes_have_no_mean_and_the_deviation_one():
    settings = make_settings(900, 900, (2, 2))
    settings.normalizes_tracks = True
    store = StoreInMemory([900], (2, 2))
    store.samples[0] //= 4
    store.samples[0] += 3000
    excerpts = Excerpts(store, "train", settings)
    mix, sources = excerpts.batch(Draw(np.array([0]), np.array([0]), np.ones((1, 2), np.float32)))
    mono = mix[0].mean(axis=1, dtype=np.float64)
    assert abs(mono.mean()) < 1e-5
    assert mono.std(ddof=1) == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(sources[0].sum(axis=1), mix[0], rtol=1e-5, atol=1e-6)
