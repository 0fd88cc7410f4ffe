"""Songs in blocks through a pass of windows, and through one as in a single long window."""

from dataclasses import replace

import numpy as np
import pytest

from Config import specs
from Engine.Separation import lengthened, predictor
from Evaluation.Separate import Separator
from Evaluation.Windows import LongWindows, Windows, whole_song
from Models.Build import build
from Spec.Shapes import hop_frames, input_frames, output_frames, reach_frames


def noise(frames, channels=2, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (frames, channels)).astype(np.float32)


def mixed(mix):
    """Two sources that depend on where a window begins and ends."""
    return np.stack([np.cumsum(mix, axis=1), mix[:, ::-1]], axis=2)


def in_blocks(stage, song, sizes):
    """A song through a stage in blocks of these sizes, over and over; the parts joined, and the
    frames that went in and out by the time of each."""
    parts, given, first = [], [], 0
    while first < len(song):
        size = sizes[len(parts) % len(sizes)]
        parts.append(stage(song[first : first + size], False))
        first = min(first + size, len(song))
        given.append((first, sum(map(len, parts))))
    parts.append(stage(song[:0], True))
    return np.concatenate(parts), given


@pytest.mark.parametrize("sizes", [(1,), (700, 3, 1500), (5000,), (10**6,)], ids=str)
@pytest.mark.parametrize("context", [False, True])
def test_however_a_song_is_cut_into_blocks_its_estimates_are_the_same(tiny_specs, context, sizes):
    spec = replace(tiny_specs.model, context=context, num_frames=128)
    predict = (
        (lambda mix: mixed(mix)[:, : output_frames(spec)]) if context else mixed
    )  # as many frames as the model gives out
    song = noise(3 * hop_frames(spec) * 4 + 77)
    whole = Windows(predict, spec, 4)(song, True)
    assert whole.shape == (len(song), 2, 2)
    blocks, _ = in_blocks(Windows(predict, spec, 4), song, sizes)
    np.testing.assert_array_equal(blocks, whole)


def test_estimates_go_out_as_soon_as_a_batch_of_windows_is_there_and_nothing_old_is_held(
    tiny_specs,
):
    spec = replace(tiny_specs.model, num_frames=128)
    windows = Windows(mixed, spec, 4)
    song = noise(100 * 128)
    held = []

    def watched(samples, last):
        estimates = windows(samples, last)
        held.append(len(windows.held))
        return estimates

    _, given = in_blocks(watched, song, (100,))
    assert all(out > came - 4 * 128 for came, out in given)
    assert max(held) < 4 * 128 + 100
    assert windows.held.base is None  # no view that keeps the whole song


@pytest.fixture(scope="module")
def networks(tiny):
    """Tiny models by their entries, each of random weights and built once."""
    built = {}

    def get(**entries):
        key = tuple(sorted(entries.items()))
        if key not in built:
            spec = specs({**tiny, "num_frames": 64, **entries}, seed=6).model
            built[key] = spec, build(spec)
        return built[key]

    return get


KINDS = [
    {},
    {"upsampling": "learned"},
    {"multires_levels": "first2"},
    {"res_path_units": 2, "num_channels": 1, "output_type": "direct"},
]


def one_window(model, spec, song):
    """The song as a single window of the network, silence after it: what a whole song is."""
    step = 2**spec.num_layers
    frames = -(-len(song) // step) * step
    longer = replace(spec, num_frames=frames)
    margin = (input_frames(longer) - output_frames(longer)) // 2
    padded = np.zeros((1, input_frames(longer), spec.num_channels), np.float32)
    padded[0, margin : margin + len(song)] = song
    return lengthened(model, spec)(frames)(padded)[0, : len(song)]


@pytest.mark.parametrize("entries", KINDS, ids=str)
def test_without_context_long_windows_are_one_window_over_the_song(networks, entries):
    spec, model = networks(**entries)
    stage = whole_song(lengthened(model, spec), spec, 4)
    assert isinstance(stage, LongWindows)
    song = noise(5 * stage.frames + 13, spec.num_channels)
    wanted = one_window(model, spec, song)
    assert np.abs(wanted).max() > 0.01
    np.testing.assert_allclose(stage(song, True), wanted, atol=1e-6)
    again = whole_song(lengthened(model, spec), spec, 4)
    blocks, given = in_blocks(again, song, (stage.frames // 3, 50))
    np.testing.assert_allclose(blocks, wanted, atol=1e-6)
    assert all(out >= came - 2 * stage.frames for came, out in given)
    assert len(again.held) <= 3 * stage.frames


def test_windows_that_overlap_less_than_a_frame_hears_have_a_seam(networks, monkeypatch):
    """The proof that the test above could fail, and that the reach is no larger than it is."""
    spec, model = networks()
    step = 2**spec.num_layers
    monkeypatch.setattr(
        "Evaluation.Windows.reach_frames", lambda spec: reach_frames(spec) - 2 * step
    )
    stage = whole_song(lengthened(model, spec), spec, 4)
    song = noise(5 * stage.frames)
    assert np.abs(stage(song, True) - one_window(model, spec, song)).max() > 1e-5


@pytest.mark.parametrize("frames", ["a frame", "a window", "a window and a frame", "a grid less"])
def test_songs_of_about_a_window_are_one_window_too(networks, frames):
    spec, model = networks()
    window = whole_song(lengthened(model, spec), spec, 4).frames
    step = 2**spec.num_layers
    lengths = {"a frame": 1, "a window": window, "a window and a frame": window + 1}
    song = noise(lengths.get(frames, window - step))
    stage = whole_song(lengthened(model, spec), spec, 4)
    np.testing.assert_allclose(stage(song, True), one_window(model, spec, song), atol=1e-6)


@pytest.mark.parametrize("entries", KINDS, ids=str)
def test_with_context_a_whole_song_is_what_its_windows_are(networks, entries):
    spec, model = networks(context=True, **entries)
    song = noise(20 * hop_frames(spec) + 7, spec.num_channels)
    windows = Windows(predictor(model, spec), spec, 4)(song, True)
    long = whole_song(lengthened(model, spec), spec, 4)
    assert long.hop >= 4 * 64
    np.testing.assert_allclose(long(song, True), windows, atol=1e-6)


def test_all_passes_of_a_song_in_blocks_at_another_rate_are_those_of_the_whole(networks):
    spec, model = networks()
    separator = Separator(predictor(model, spec), spec, 4, passes=3)
    song = noise(30_000)
    whole = separator.separate(song, 44100)
    assert np.abs(whole).max() > 0.001
    blocks, _ = in_blocks(separator.stream(2, 44100), song, (1700, 1, 4000))
    assert blocks.shape == whole.shape == (30_000, 2, 2)
    np.testing.assert_allclose(blocks, whole, atol=1e-6)
