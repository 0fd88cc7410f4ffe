"""Passes over tracks in blocks, with adjacent segments and as a single segment."""

from dataclasses import replace

import numpy as np
import pytest

from Config import make_run_settings
from jnet.separation.predictor import build_predictor, share_weights
from jnet.separation.segments import OverlappingStream, SegmentStream, stream_whole_track
from jnet.separation.streaming import TrackSeparator
from Models.Build import build


def noise(samples, channels=2, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (samples, channels)).astype(np.float32)


def predict_by_position(mix):
    """Return two estimates that depend on the borders of the segment."""
    return np.stack([np.cumsum(mix, axis=1), mix[:, ::-1]], axis=2)


def stream_in_blocks(stream, track, sizes):
    """Pass a track through a stream in blocks whose sizes repeat.

    Returns the joined estimates and, after each block, the numbers of samples passed in and out.
    """
    parts, counts, first = [], [], 0
    while first < len(track):
        size = sizes[len(parts) % len(sizes)]
        parts.append(stream(track[first : first + size], False))
        first = min(first + size, len(track))
        counts.append((first, sum(map(len, parts))))
    parts.append(stream(track[:0], True))
    return np.concatenate(parts), counts


@pytest.mark.parametrize("sizes", [(1,), (700, 3, 1500), (5000,), (10**6,)], ids=str)
@pytest.mark.parametrize("context", [False, True])
def test_estimates_do_not_depend_on_the_blocks(tiny_settings, context, sizes):
    settings = replace(tiny_settings.model, context=context, num_frames=128)
    predict = (
        (lambda mix: predict_by_position(mix)[:, : settings.output_samples])
        if context
        else predict_by_position
    )  # as many samples as the model returns
    track = noise(3 * settings.hop_samples * 4 + 77)
    at_once = SegmentStream(predict, settings, 4)(track, True)
    assert at_once.shape == (len(track), 2, 2)
    blocks, _ = stream_in_blocks(SegmentStream(predict, settings, 4), track, sizes)
    np.testing.assert_array_equal(blocks, at_once)


def test_estimates_are_returned_after_each_batch_and_old_input_is_freed(
    tiny_settings,
):
    settings = replace(tiny_settings.model, num_frames=128)
    segments = SegmentStream(predict_by_position, settings, 4)
    track = noise(100 * 128)
    lengths = []

    def count_waiting(samples, last):
        estimates = segments(samples, last)
        lengths.append(len(segments.waiting))
        return estimates

    _, counts = stream_in_blocks(count_waiting, track, (100,))
    assert all(returned > passed - 4 * 128 for passed, returned in counts)
    assert max(lengths) < 4 * 128 + 100
    assert segments.waiting.base is None  # not a view, which would keep the complete track


@pytest.fixture(scope="module")
def networks(tiny):
    """Return a function from config entries to a tiny model, each built once."""
    built = {}

    def get(**entries):
        key = tuple(sorted(entries.items()))
        if key not in built:
            settings = make_run_settings({**tiny, "num_frames": 64, **entries}, seed=6).model
            built[key] = settings, build(settings)
        return built[key]

    return get


KINDS = [
    {},
    {"upsampling": "learned"},
    {"multires_levels": "first2"},
    {"res_path_units": 2, "num_channels": 1, "output_type": "direct"},
]


def separate_as_one_segment(model, settings, track):
    """Separate a track, padded with zeros at its end, as a single segment."""
    step = 2**settings.num_layers
    length = -(-len(track) // step) * step
    longer = replace(settings, num_frames=length)
    margin = (longer.input_samples - longer.output_samples) // 2
    padded = np.zeros((1, longer.input_samples, settings.num_channels), np.float32)
    padded[0, margin : margin + len(track)] = track
    return share_weights(model, settings, "fast")(length)(padded)[0, : len(track)]


@pytest.mark.parametrize("entries", KINDS, ids=str)
def test_without_context_overlapping_segments_equal_one_segment(networks, entries):
    settings, model = networks(**entries)
    stream = stream_whole_track(share_weights(model, settings, "fast"), settings, 4)
    assert isinstance(stream, OverlappingStream)
    track = noise(5 * stream.length + 13, settings.num_channels)
    wanted = separate_as_one_segment(model, settings, track)
    assert np.abs(wanted).max() > 0.01
    np.testing.assert_allclose(stream(track, True), wanted, atol=1e-6)
    again = stream_whole_track(share_weights(model, settings, "fast"), settings, 4)
    blocks, counts = stream_in_blocks(again, track, (stream.length // 3, 50))
    np.testing.assert_allclose(blocks, wanted, atol=1e-6)
    assert all(returned >= passed - 2 * stream.length for passed, returned in counts)
    assert len(again.waiting) <= 3 * stream.length


def test_segments_that_overlap_less_than_the_reach_have_seams(networks, monkeypatch):
    """Verify that the test above can fail and that `reach_samples` is not too large."""
    settings, model = networks()
    reach = settings.reach_samples - 2 * settings.grid_samples
    monkeypatch.setattr(type(settings), "reach_samples", reach)
    stream = stream_whole_track(share_weights(model, settings, "fast"), settings, 4)
    track = noise(5 * stream.length)
    assert (
        np.abs(stream(track, True) - separate_as_one_segment(model, settings, track)).max() > 1e-5
    )


@pytest.mark.parametrize(
    "length", ["a sample", "a segment", "a segment and a sample", "a grid step less"]
)
def test_tracks_of_about_one_segment_equal_one_segment(networks, length):
    settings, model = networks()
    segment = stream_whole_track(share_weights(model, settings, "fast"), settings, 4).length
    step = 2**settings.num_layers
    lengths = {"a sample": 1, "a segment": segment, "a segment and a sample": segment + 1}
    track = noise(lengths.get(length, segment - step))
    stream = stream_whole_track(share_weights(model, settings, "fast"), settings, 4)
    np.testing.assert_allclose(
        stream(track, True), separate_as_one_segment(model, settings, track), atol=1e-6
    )


@pytest.mark.parametrize("entries", KINDS, ids=str)
def test_with_context_long_segments_equal_short_segments(networks, entries):
    settings, model = networks(context=True, **entries)
    track = noise(20 * settings.hop_samples + 7, settings.num_channels)
    short = SegmentStream(build_predictor(model, settings), settings, 4)(track, True)
    long = stream_whole_track(share_weights(model, settings, "fast"), settings, 4)
    assert long.hop >= 4 * 64
    np.testing.assert_allclose(long(track, True), short, atol=1e-6)


def test_several_passes_in_blocks_at_another_rate_equal_those_at_once(networks):
    settings, model = networks()
    separator = TrackSeparator(build_predictor(model, settings), settings, 4, passes=3)
    track = noise(30_000)
    at_once = separator.separate(track, 44100)
    assert np.abs(at_once).max() > 0.001
    blocks, _ = stream_in_blocks(
        separator.stream(2, 44100, lambda: [track]), track, (1700, 1, 4000)
    )
    assert blocks.shape == at_once.shape == (30_000, 2, 2)
    np.testing.assert_allclose(blocks, at_once, atol=1e-6)
