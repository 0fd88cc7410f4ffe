"""Batches against windows cut by hand, and validation that hears every frame once."""

from dataclasses import replace

import numpy as np
import pytest

from Input.Draws import draw_batch
from Input.Pipeline import training_batches, validation_batches
from Input.Preparation import prepare
from Spec.Errors import DataError
from Spec.Shapes import input_frames, output_frames
from tests.Input.songs import quiet, spec, write_corpus, write_song


@pytest.fixture(scope="module")
def model(tiny_specs):
    return tiny_specs.model


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Three training songs of 2000, 2500 and 1700 frames, one to validate, one to test."""
    root = tmp_path_factory.mktemp("music")
    for name, frames in (("train/a", 2000), ("train/b", 2500), ("train/c", 1700)):
        write_song(root / name, frames)
    write_song(root / "valid" / "d", 3001)
    write_song(root / "valid" / "e", 500)  # shorter than a snippet
    write_song(root / "test" / "f", 1024)
    return prepare(spec(root, root / "store", sample_rate=44100), quiet)


@pytest.fixture(scope="module")
def songs(store):
    """What is stored, in full precision, by name: [T, S, C]."""
    return {song.name: store.open(song).astype(np.float64) * song.scale for song in store.songs}


def taken(dataset, count):
    return [tuple(part.numpy() for part in batch) for batch in dataset.take(count)]


def by_hand(song, offset, before, length):
    """Frames offset − before … of a song, silence beyond its ends."""
    padded = np.pad(song, ((length, length), (0, 0), (0, 0)))
    first = offset - before + length
    return padded[first : first + length]


@pytest.fixture(params=["same", "context"])
def shaped(request, model):
    """The tiny model, and one that hears more than it gives out."""
    return model if request.param == "same" else replace(model, context=True, num_frames=700)


def test_training_batches_are_the_drawn_windows_cut_by_hand(store, songs, shaped):
    length, wanted = input_frames(shaped), output_frames(shaped)
    before = (length - wanted) // 2
    names = [song.name for song in store.subset("train")]
    frames = np.array([len(songs[name]) for name in names])
    for step, (mix, sources) in enumerate(taken(training_batches(store, shaped, 5, 1, 3), 4), 3):
        drawn = draw_batch(1, step, 5, frames, wanted, 2)
        assert mix.shape == (5, length, 2)
        assert sources.shape == (5, wanted, 2, 2)
        for row in range(5):
            window = by_hand(songs[names[drawn.songs[row]]], drawn.offsets[row], before, length)
            window = window * drawn.gains[row][np.newaxis, :, np.newaxis]
            np.testing.assert_allclose(mix[row], window.sum(axis=1), atol=1e-6)
            np.testing.assert_allclose(sources[row], window[before : before + wanted], atol=1e-6)


def test_the_mix_is_the_sum_of_the_scaled_sources(store, model):
    for mix, sources in taken(training_batches(store, model, 8, 2, 0), 3):
        assert (mix.dtype, sources.dtype) == (np.float32, np.float32)
        np.testing.assert_allclose(mix, sources.sum(axis=2), atol=1e-6)
        assert np.abs(mix).max() > 0.1


def test_a_run_that_starts_later_goes_on_with_the_same_batches(store, model):
    whole = taken(training_batches(store, model, 4, 1, 0), 6)
    later = taken(training_batches(store, model, 4, 1, 4), 2)
    for first, second in zip(whole[4:], later, strict=True):
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])


def test_the_first_snippets_of_a_batch_are_the_smaller_batch(store, shaped):
    """So one iterator of the largest batch serves stages of different batch sizes."""
    large = taken(training_batches(store, shaped, 7, 1, 0), 3)
    small = taken(training_batches(store, shaped, 3, 1, 0), 3)
    for first, second in zip(large, small, strict=True):
        for whole, part in zip(first, second, strict=True):
            np.testing.assert_array_equal(whole[:3], part)


@pytest.mark.parametrize("batch_size", [1, 3, 4, 100])
def test_validation_hears_every_frame_once_whatever_the_batch_size(
    store, songs, shaped, batch_size
):
    batches = taken(validation_batches(store, "valid", shaped, batch_size), -1)
    assert all(len(mix) == batch_size for mix, _, _ in batches[:-1])
    heard = np.concatenate([sources[real == 1] for _, sources, real in batches])
    np.testing.assert_allclose(heard, np.concatenate([songs["d"], songs["e"]]), atol=1e-6)
    for _, sources, real in batches:
        assert set(np.unique(real)) <= {0.0, 1.0}
        assert not sources[real == 0].any()  # what pads the last window is silence
    assert sum(real.sum() for _, _, real in batches) == 3001 + 500


def test_validation_windows_have_their_context_and_full_gain(store, songs, shaped):
    length, wanted = input_frames(shaped), output_frames(shaped)
    ((mix, _, _),) = taken(validation_batches(store, "valid", shaped, 100), -1)
    places = [(name, at) for name in ("d", "e") for at in range(0, len(songs[name]), wanted)]
    assert len(mix) == len(places)
    for window, (name, at) in zip(mix, places, strict=True):
        cut = by_hand(songs[name], at, (length - wanted) // 2, length).sum(axis=1)
        np.testing.assert_allclose(window, cut, atol=1e-6)


def test_the_weighted_mean_does_not_depend_on_the_batch_size(store, model):
    """As the validation loss takes it: of the squared sources, against plain NumPy."""
    means = []
    for batch_size in (1, 2, 16):
        total = weight = 0.0
        for _, sources, real in taken(validation_batches(store, "valid", model, batch_size), -1):
            total += float((np.square(sources, dtype=np.float64).mean(axis=(2, 3)) * real).sum())
            weight += float(real.sum())
        means.append(total / weight)
    assert means == pytest.approx([means[0]] * 3, rel=1e-12)


def test_a_training_song_shorter_than_a_snippet_is_refused(store, model):
    long = replace(model, num_frames=1800)
    with pytest.raises(
        DataError, match=r"'c' has 1700 frames, fewer than the 1800 .*cfg\.num_frames"
    ):
        training_batches(store, long, 2, 1, 0)
    exactly = replace(model, num_frames=1700)
    assert taken(training_batches(store, exactly, 2, 1, 0), 1)[0][0].shape == (2, 1700, 2)


def test_four_sources_and_mono_have_the_same_shapes(tmp_path, model):
    four = replace(model, sources=("bass", "drums", "other", "vocals"), num_channels=1)
    data = spec(write_corpus(tmp_path / "own"), tmp_path, sources=four.sources, num_channels=1)
    ((mix, sources),) = taken(training_batches(prepare(data, quiet), four, 3, 1, 0), 1)
    assert mix.shape == (3, 1024, 1)
    assert sources.shape == (3, 1024, 4, 1)
