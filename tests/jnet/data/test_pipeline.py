"""Batches compared with excerpts cut by hand, and validation that uses every sample once."""

from dataclasses import replace

import numpy as np
import pytest

from Config import DEFAULTS
from jnet.data.excerpts import draw_batch
from jnet.data.pipeline import make_training_batches, make_validation_batches
from jnet.data.preparation import prepare
from jnet.errors import DataError
from jnet.settings.augmentation import AugmentationSettings
from Models.Entries import from_entries
from tests.jnet.data.corpora import quiet, settings, write_corpus, write_track

GAINS_ONLY = from_entries(AugmentationSettings, DEFAULTS)


@pytest.fixture(scope="module")
def model(tiny_settings):
    return tiny_settings.model


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Training tracks of 2000, 2500 and 1700 samples, two validation tracks and a test track."""
    root = tmp_path_factory.mktemp("music")
    for name, frames in (("train/a", 2000), ("train/b", 2500), ("train/c", 1700)):
        write_track(root / name, frames)
    write_track(root / "valid" / "d", 3001)
    write_track(root / "valid" / "e", 500)  # shorter than an excerpt
    write_track(root / "test" / "f", 1024)
    return prepare(settings(root, root / "store", sample_rate=44100), quiet)


@pytest.fixture(scope="module")
def tracks(store):
    """Return the samples of every stored track in float64, [T, S, C], by name."""
    return {
        track.name: store.open(track).astype(np.float64) * track.scale for track in store.tracks
    }


def take_batches(dataset, count):
    return [tuple(part.numpy() for part in batch) for batch in dataset.take(count)]


def cut_by_hand(track, offset, before, length):
    """Return `length` samples of a track from `offset` − `before`, zeros outside the track."""
    padded = np.pad(track, ((length, length), (0, 0), (0, 0)))
    first = offset - before + length
    return padded[first : first + length]


@pytest.fixture(params=["same", "context"])
def shaped(request, model):
    """Return the tiny model, without and with context around its output."""
    return model if request.param == "same" else replace(model, context=True, num_frames=700)


def test_training_batches_are_the_drawn_excerpts_cut_by_hand(store, tracks, shaped):
    length, wanted = shaped.input_samples, shaped.output_samples
    before = (length - wanted) // 2
    names = [track.name for track in store.subset("train")]
    frames = np.array([len(tracks[name]) for name in names])
    for step, (mix, sources) in enumerate(
        take_batches(make_training_batches(store, shaped, GAINS_ONLY, 5, 1, 3), 4), 3
    ):
        drawn = draw_batch(1, step, 5, frames, shaped, GAINS_ONLY)
        assert mix.shape == (5, length, 2)
        assert sources.shape == (5, wanted, 2, 2)
        for row in range(5):
            window = cut_by_hand(
                tracks[names[drawn.tracks[row]]], drawn.offsets[row], before, length
            )
            window = window * drawn.gains[row][np.newaxis, :, np.newaxis]
            np.testing.assert_allclose(mix[row], window.sum(axis=1), atol=1e-6)
            np.testing.assert_allclose(sources[row], window[before : before + wanted], atol=1e-6)


def test_the_mix_is_the_sum_of_the_scaled_sources(store, model):
    for mix, sources in take_batches(make_training_batches(store, model, GAINS_ONLY, 8, 2, 0), 3):
        assert (mix.dtype, sources.dtype) == (np.float32, np.float32)
        np.testing.assert_allclose(mix, sources.sum(axis=2), atol=1e-6)
        assert np.abs(mix).max() > 0.1


def test_a_resumed_run_continues_with_the_same_batches(store, model):
    all_batches = take_batches(make_training_batches(store, model, GAINS_ONLY, 4, 1, 0), 6)
    later = take_batches(make_training_batches(store, model, GAINS_ONLY, 4, 1, 4), 2)
    for first, second in zip(all_batches[4:], later, strict=True):
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])


def test_the_first_excerpts_of_a_batch_are_the_smaller_batch(store, shaped):
    """One iterator of the largest batch size can therefore be used for all stages."""
    large = take_batches(make_training_batches(store, shaped, GAINS_ONLY, 7, 1, 0), 3)
    small = take_batches(make_training_batches(store, shaped, GAINS_ONLY, 3, 1, 0), 3)
    for first, second in zip(large, small, strict=True):
        for larger, smaller in zip(first, second, strict=True):
            np.testing.assert_array_equal(larger[:3], smaller)


@pytest.mark.parametrize("batch_size", [1, 3, 4, 100])
def test_validation_uses_every_sample_once_for_any_batch_size(store, tracks, shaped, batch_size):
    batches = take_batches(make_validation_batches(store, "valid", shaped, batch_size), -1)
    assert all(len(mix) == batch_size for mix, _, _ in batches[:-1])
    used = np.concatenate([sources[real == 1] for _, sources, real in batches])
    np.testing.assert_allclose(used, np.concatenate([tracks["d"], tracks["e"]]), atol=1e-6)
    for _, sources, real in batches:
        assert set(np.unique(real)) <= {0.0, 1.0}
        assert not sources[real == 0].any()  # the padding of the last segment is zero
    assert sum(real.sum() for _, _, real in batches) == 3001 + 500


def test_validation_segments_have_context_and_full_gain(store, tracks, shaped):
    length, wanted = shaped.input_samples, shaped.output_samples
    ((mix, _, _),) = take_batches(make_validation_batches(store, "valid", shaped, 100), -1)
    places = [(name, at) for name in ("d", "e") for at in range(0, len(tracks[name]), wanted)]
    assert len(mix) == len(places)
    for window, (name, at) in zip(mix, places, strict=True):
        cut = cut_by_hand(tracks[name], at, (length - wanted) // 2, length).sum(axis=1)
        np.testing.assert_allclose(window, cut, atol=1e-6)


def test_the_weighted_mean_does_not_depend_on_the_batch_size(store, model):
    """The mean is computed over the squared sources, like the validation loss."""
    means = []
    for batch_size in (1, 2, 16):
        total = weight = 0.0
        for _, sources, real in take_batches(
            make_validation_batches(store, "valid", model, batch_size), -1
        ):
            total += float((np.square(sources, dtype=np.float64).mean(axis=(2, 3)) * real).sum())
            weight += float(real.sum())
        means.append(total / weight)
    assert means == pytest.approx([means[0]] * 3, rel=1e-12)


def test_a_training_track_shorter_than_an_excerpt_is_refused(store, model):
    long = replace(model, num_frames=1800)
    with pytest.raises(
        DataError, match=r"'c' has 1700 samples, fewer than the 1800 .*cfg\.num_frames"
    ):
        make_training_batches(store, long, GAINS_ONLY, 2, 1, 0)
    exactly = replace(model, num_frames=1700)
    assert take_batches(make_training_batches(store, exactly, GAINS_ONLY, 2, 1, 0), 1)[0][
        0
    ].shape == (
        2,
        1700,
        2,
    )


def test_four_sources_and_mono_have_the_same_shapes(tmp_path, model):
    four = replace(model, sources=("bass", "drums", "other", "vocals"), num_channels=1)
    data = settings(write_corpus(tmp_path / "own"), tmp_path, sources=four.sources, num_channels=1)
    ((mix, sources),) = take_batches(
        make_training_batches(prepare(data, quiet), four, GAINS_ONLY, 3, 1, 0), 1
    )
    assert mix.shape == (3, 1024, 1)
    assert sources.shape == (3, 1024, 4, 1)
