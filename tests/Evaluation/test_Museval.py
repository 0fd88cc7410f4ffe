"""A song's scores: museval's published example, its schema, its silence, and what it chokes on."""

import json

import numpy as np
import pytest
from jsonschema import validate

from Evaluation.Ffmpeg import ensure_ffmpeg
from Evaluation.Results import read_song
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


def museval_s_own(museval, name, targets, folder):
    """The file that museval itself writes of these scores."""
    store = museval.TrackStore(name)
    for target, metrics in targets.items():
        store.add_target(target, metrics)
    store.validate()
    folder.mkdir(parents=True, exist_ok=True)
    store.save(folder / f"{name}.json")


def loaded(museval, folder):
    store = museval.EvalStore()
    store.add_eval_dir(folder)
    return store


def strict(path):
    """A file's content, which must be JSON as the standard has it."""

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


@pytest.fixture
def odd_scores():
    """Songs with windows that are NaN and infinite, and one of nothing but NaN."""
    random = np.random.default_rng(3)
    songs = {}
    for name in ("plain", "odd", "silent"):
        songs[name] = {
            source: {metric: random.normal(5, 4, 7) for metric in METRICS}
            for source in ("vocals", "accompaniment")
        }
    for metrics in songs["silent"].values():
        for metric in METRICS:
            metrics[metric][:] = np.nan
    for metrics in songs["odd"].values():
        for metric in METRICS:
            metrics[metric][[0, 4]] = np.nan
    songs["odd"]["vocals"]["SDR"][2] = np.inf
    songs["odd"]["vocals"]["SIR"][[5, 6]] = -np.inf, np.inf
    return songs


def test_musevals_store_takes_from_our_files_what_it_takes_from_its_own(
    museval, tmp_path, odd_scores
):
    """Its schema asks for numbers, which null is none of; with NaN in their place ours fit it."""
    for name, targets in odd_scores.items():
        museval_s_own(museval, name, targets, tmp_path / "theirs" / "test")
        path = tmp_path / "ours" / "test" / f"{name}.json"
        write_song(SongScores(name, targets, {}), path, 1.0, 1.0)
        content = strict(path)
        with_nan = json.loads(path.read_text().replace("null", "NaN"))
        validate(with_nan, museval.TrackStore(name).schema)
        values = [
            frame["metrics"][metric]
            for target in content["targets"]
            for frame in target["frames"]
            for metric in METRICS
        ]
        wanted = [
            metrics[metric][index]
            for metrics in targets.values()
            for index in range(7)
            for metric in METRICS
        ]
        assert [value is None for value in values] == [not np.isfinite(v) for v in wanted]
    ours, theirs = (loaded(museval, tmp_path / whose) for whose in ("ours", "theirs"))
    key = ["track", "target", "metric", "time"]
    both = [store.df.sort_values(key).reset_index(drop=True) for store in (ours, theirs)]
    assert (both[0][key] == both[1][key]).all(axis=None)
    np.testing.assert_array_equal(*(frame["score"].astype(float) for frame in both))
    for statistic in ("agg_frames_scores", "agg_frames_tracks_scores"):
        mine, its = (getattr(store, statistic)() for store in (ours, theirs))
        assert list(mine.index) == list(its.index)
        np.testing.assert_array_equal(mine.astype(float), its.astype(float))
    assert repr(ours) == repr(theirs)


def test_infinite_scores_are_stated_and_read_back(tmp_path, odd_scores):
    path = tmp_path / "odd.json"
    mixture = {"vocals": np.array([1.0, np.nan, np.inf, 0.123456789, 1, 2, 3])}
    mixture["accompaniment"] = -mixture["vocals"]
    write_song(SongScores("odd", odd_scores["odd"], mixture), path, 1.0, 0.5)
    assert strict(path)["infinite"] == [
        {"target": "vocals", "time": 1.0, "metric": "SDR", "value": "+inf"},
        {"target": "vocals", "time": 2.5, "metric": "SIR", "value": "-inf"},
        {"target": "vocals", "time": 3.0, "metric": "SIR", "value": "+inf"},
    ]
    read = read_song(path)
    assert (read.name, read.infinities, read.window_seconds) == ("odd", 3, 1.0)
    for source, metrics in odd_scores["odd"].items():
        for metric, row in metrics.items():
            finite = np.where(np.isinf(row), np.nan, row)
            np.testing.assert_allclose(read.targets[source][metric], finite, atol=5e-6)
    np.testing.assert_array_equal(read.mixture["vocals"][:4], [1, np.nan, np.nan, 0.12346])


@pytest.mark.parametrize("silent", ["a reference", "an estimate", "half of a reference"])
def test_a_song_that_museval_would_raise_at_is_scored_by_its_rules(tmp_path, silent):
    """NaN in every window that holds a silent source, for all sources: all windows or some."""
    references, estimates = signals()
    quiet = estimates if silent == "an estimate" else references
    quiet[: 2000 if "half" in silent else None, 1] = 0
    targets = score(references, estimates, SOURCES, RATE, 1.0, 1.0)
    scored = 1 if "half" in silent else 0
    for metrics in targets.values():
        for row in metrics.values():
            assert np.isfinite(row).tolist() == [False, False, scored == 1]
    path = tmp_path / "song.json"
    write_song(SongScores("song", targets, {}), path, 1.0, 1.0)
    assert np.isfinite(read_song(path).targets["vocals"]["SDR"]).sum() == scored


def test_half_a_silent_source_is_nan_where_museval_has_nan(museval):
    """What museval scores without raising: every metric of every window, NaN for NaN."""
    references, estimates = signals()
    references[:1000, 1] = 0
    estimates[1000:2000, 0] = 0
    ours = score(references, estimates, ("vocals", "accompaniment"), RATE, 1.0, 1.0)
    theirs = museval.evaluate(
        references.transpose(1, 0, 2), estimates.transpose(1, 0, 2), win=RATE, hop=RATE
    )
    for metric, values in zip(METRICS, theirs, strict=True):
        rows = [ours[source][metric] for source in ("vocals", "accompaniment")]
        np.testing.assert_allclose(rows, values, atol=1e-6)
        assert np.isnan(values).tolist() == [[True, True, False]] * 2


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
