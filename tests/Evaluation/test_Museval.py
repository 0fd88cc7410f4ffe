"""A song's scores: museval's published example, its schema, its silence, and what it chokes on."""

import json

import numpy as np
import pytest
from jsonschema import validate

from Evaluation.Ffmpeg import ensure_ffmpeg
from Evaluation.Scores import SongScores, write_song
from Evaluation.Scoring import METRICS, score
from Input.Musdb import stem_song
from Spec.Errors import DataError

SOURCES = ("accompaniment", "vocals")
RATE = 1000
MUSEVAL_TOLERANCE = {"atol": 1e-1, "rtol": 1e-5}  # np.allclose in museval's tests/test_regression


def signals(frames=3000, sources=2, seed=0):
    """References and estimates `[T, S, 1]`: one channel, because museval's time is its cube."""
    random = np.random.default_rng(seed)
    references = random.standard_normal((frames, sources, 1))
    return references, references + 0.3 * random.standard_normal(references.shape)


@pytest.fixture(scope="module")
def museval():
    ensure_ffmpeg()
    return pytest.importorskip("museval")


@pytest.fixture(scope="module")
def example(shared_data, tmp_path_factory):
    """The folder of the JSON we write for museval's example, and museval's published scores.

    museval's test_regression scores `np.random.seed(0)`; vocals, then accompaniment, each
    `np.random.random` of the track's shape, against the song's stems as musdb decodes them: in
    16 bits. That matters: estimates with so much at 0 Hz, where the stems have next to nothing,
    are fitted to the noise of rounding, and without it ISR, SIR and SAR move by 10 dB and more.
    """
    place = shared_data / "MUSDB18-7"
    name = "Music Delta - 80s Rock"
    recording = stem_song(place / "train" / f"{name}.stem.mp4", "train").read(SOURCES)
    random = np.random.RandomState(0)
    vocals, accompaniment = (random.random_sample(recording.mix.shape) for _ in range(2))
    targets = score(
        recording.sources,
        np.stack([accompaniment, vocals], axis=1),
        SOURCES,
        recording.sample_rate,
        1.0,
        1.0,
    )
    folder = tmp_path_factory.mktemp("museval")
    write_song(SongScores(name, targets, {}), folder / "test" / f"{name}.json", 1.0, 1.0)
    published = json.loads((place / "museval-reference-scores.json").read_text())
    return folder, name, published


def test_musevals_published_example_has_its_published_scores(example):
    folder, name, published = example
    ours = json.loads((folder / "test" / f"{name}.json").read_text())
    assert [target["name"] for target in ours["targets"]] == ["vocals", "accompaniment"]
    for wanted, target in zip(published["targets"], ours["targets"], strict=True):
        assert target["name"] == wanted["name"]
        assert len(target["frames"]) == len(wanted["frames"]) == 6
        for theirs, frame in zip(wanted["frames"], target["frames"], strict=True):
            assert (frame["time"], frame["duration"]) == (theirs["time"], theirs["duration"])
            for metric in METRICS:
                np.testing.assert_allclose(
                    frame["metrics"][metric], theirs["metrics"][metric], **MUSEVAL_TOLERANCE
                )
            np.testing.assert_allclose(
                frame["metrics"]["SDR"], theirs["metrics"]["SDR"], rtol=0, atol=2e-5
            )


def test_the_example_fits_musevals_schema_and_loads_in_its_store(example, museval):
    folder, name, published = example
    ours = json.loads((folder / "test" / f"{name}.json").read_text())
    validate(ours, museval.TrackStore(name).schema)
    store = museval.EvalStore()
    store.add_eval_dir(folder)
    wanted = [frame["metrics"]["SDR"] for frame in published["targets"][0]["frames"]]
    assert store.agg_frames_scores()[name, "vocals", "SDR"] == pytest.approx(
        np.median(wanted), abs=1e-3
    )


@pytest.mark.parametrize("silent", [slice(0, 1000), slice(0, 3000)])
def test_a_song_with_nan_fits_musevals_schema_and_loads_in_its_store(museval, tmp_path, silent):
    references, estimates = signals()
    references[silent, 1] = 0
    targets = score(references, estimates, SOURCES, RATE, 1.0, 1.0)
    assert np.isnan(targets["vocals"]["SDR"]).sum() == (silent.stop - silent.start) / 1000
    path = tmp_path / "test" / "song.json"
    write_song(SongScores("song", targets, {}), path, 1.0, 1.0)
    validate(json.loads(path.read_text()), museval.TrackStore("song").schema)
    store = museval.EvalStore()
    store.add_eval_dir(tmp_path)
    loaded = store.agg_frames_scores()["song", "vocals", "SDR"]
    finite = targets["vocals"]["SDR"][~np.isnan(targets["vocals"]["SDR"])]
    wanted = np.median(finite) if len(finite) else np.nan
    np.testing.assert_allclose(loaded, wanted, atol=1e-5)


@pytest.mark.parametrize("order", [SOURCES, SOURCES[::-1]])
def test_scores_belong_to_their_source_whatever_the_order(order):
    references, estimates = signals()
    estimates[:, 1] = references[:, 1] + 0.01  # vocals nearly exact
    index = [SOURCES.index(source) for source in order]
    targets = score(references[:, index], estimates[:, index], order, RATE, 1.0, 1.0)
    assert targets["vocals"]["SDR"].min() > 30 > targets["accompaniment"]["SDR"].max()


def test_four_sources_get_musevals_metrics_in_musevals_order(museval):
    sources = ("bass", "drums", "other", "vocals")
    references, estimates = signals(2000, 4)
    targets = score(references, estimates, sources, RATE, 1.0, 1.0)
    assert list(targets) == ["vocals", "drums", "bass", "other"]
    stacked = [
        [part[:, sources.index(name)] for name in targets] for part in (references, estimates)
    ]
    theirs = museval.evaluate(*stacked, win=RATE, hop=RATE)  # SDR, ISR, SIR, SAR
    for metric, values in zip(("SDR", "ISR", "SIR", "SAR"), theirs, strict=True):
        for row, name in enumerate(targets):
            np.testing.assert_allclose(targets[name][metric], values[row], atol=1e-9)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_an_estimate_that_is_not_finite_is_refused_by_name(number):
    references, estimates = signals()
    estimates[17, 1, 0] = number
    with pytest.raises(DataError, match="estimates of vocals hold numbers that are not finite"):
        score(references, estimates, SOURCES, RATE, 1.0, 1.0)


def test_sources_that_are_one_another_do_not_stop_musevals_way_out_of_a_singular_system():
    references, estimates = signals(1200)
    references[:, 1] = references[:, 0]
    targets = score(references, estimates, SOURCES, RATE, 1.0, 1.0, "museval")
    assert np.isfinite(targets["vocals"]["SDR"]).all()
