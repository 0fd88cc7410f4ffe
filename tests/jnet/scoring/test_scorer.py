"""Scores of a track compared with museval: published example, schema, silence, invalid input."""

import json

import numpy as np
import pytest
from jsonschema import validate

from jnet.data.layouts import make_stem_track
from jnet.errors import DataError
from jnet.scoring.museval_scorer import ensure_ffmpeg
from jnet.scoring.scorer import score_estimates, score_sources
from jnet.scoring.track_scores import METRICS, TrackScores, read_track, write_track

SOURCES = ("accompaniment", "vocals")
RATE = 1000
MUSEVAL_TOLERANCE = {"atol": 1e-1, "rtol": 1e-5}  # np.allclose in museval's tests/test_regression


def make_signals(frames=3000, sources=2, seed=0):
    """Return references and estimates `[T, S, 1]`.

    They have one channel, because museval's running time grows with the cube of the channels.
    """
    random = np.random.default_rng(seed)
    references = random.standard_normal((frames, sources, 1))
    return references, references + 0.3 * random.standard_normal(references.shape)


@pytest.fixture(scope="module")
def museval():
    ensure_ffmpeg()
    return pytest.importorskip("museval")


@pytest.fixture(scope="module")
def example(shared_data, tmp_path_factory):
    """Score museval's example; return the JSON's folder, the track and museval's scores.

    museval's test_regression calls `np.random.seed(0)`, then `np.random.random` with the track's
    shape for vocals and for accompaniment. The references are the stems as musdb decodes them, in
    16 bits. The 16 bits matter: the estimates have most of their energy at 0 Hz, where the stems
    have almost none, so that the filters fit rounding noise. Without it, ISR, SIR and SAR change
    by more than 10 dB.
    """
    place = shared_data / "MUSDB18-7"
    name = "Music Delta - 80s Rock"
    recording = make_stem_track(place / "train" / f"{name}.stem.mp4", "train").read(SOURCES)
    random = np.random.RandomState(0)
    vocals, accompaniment = (random.random_sample(recording.mix.shape) for _ in range(2))
    targets = score_estimates(
        recording.sources,
        np.stack([accompaniment, vocals], axis=1),
        SOURCES,
        recording.sample_rate,
        1.0,
        1.0,
    )
    folder = tmp_path_factory.mktemp("museval")
    write_track(make_track_scores(name, targets), folder / "test" / f"{name}.json", 1.0)
    published = json.loads((place / "museval-reference-scores.json").read_text())
    return folder, name, published


def test_musevals_example_has_the_published_scores(example):
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


def test_the_example_is_valid_for_musevals_schema_and_loads_in_its_store(example, museval):
    folder, name, published = example
    ours = json.loads((folder / "test" / f"{name}.json").read_text())
    validate(ours, museval.TrackStore(name).schema)
    store = museval.EvalStore()
    store.add_eval_dir(folder)
    wanted = [frame["metrics"]["SDR"] for frame in published["targets"][0]["frames"]]
    assert store.agg_frames_scores()[name, "vocals", "SDR"] == pytest.approx(
        np.median(wanted), abs=1e-3
    )


def make_track_scores(name, targets, mixture=None):
    """Return the scores of a track with windows of one second."""
    return TrackScores(name, targets, mixture or {}, window_seconds=1.0)


def write_with_museval(museval, name, targets, folder):
    """Write scores with museval's own writer."""
    store = museval.TrackStore(name)
    for target, metrics in targets.items():
        store.add_target(target, metrics)
    store.validate()
    folder.mkdir(parents=True, exist_ok=True)
    store.save(folder / f"{name}.json")


def load_store(museval, folder):
    """Load a folder of JSONs with museval's own reader."""
    store = museval.EvalStore()
    store.add_eval_dir(folder)
    return store


def read_strict_json(path):
    """Read a JSON file and reject NaN and Infinity, which are not valid JSON."""

    def reject(constant):
        raise AssertionError(f"{constant} is not valid JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=reject)


@pytest.fixture
def odd_scores():
    """Return scores of three tracks: finite, with NaN and infinite scores, and with only NaN."""
    random = np.random.default_rng(3)
    tracks = {}
    for name in ("plain", "odd", "silent"):
        tracks[name] = {
            source: {metric: random.normal(5, 4, 7) for metric in METRICS}
            for source in ("vocals", "accompaniment")
        }
    for metrics in tracks["silent"].values():
        for metric in METRICS:
            metrics[metric][:] = np.nan
    for metrics in tracks["odd"].values():
        for metric in METRICS:
            metrics[metric][[0, 4]] = np.nan
    tracks["odd"]["vocals"]["SDR"][2] = np.inf
    tracks["odd"]["vocals"]["SIR"][[5, 6]] = -np.inf, np.inf
    return tracks


def test_museval_reads_the_same_scores_from_our_files_as_from_its_own(
    museval, tmp_path, odd_scores
):
    """The schema of museval allows only numbers; our files are valid with NaN in place of null."""
    for name, targets in odd_scores.items():
        write_with_museval(museval, name, targets, tmp_path / "theirs" / "test")
        path = tmp_path / "ours" / "test" / f"{name}.json"
        write_track(make_track_scores(name, targets), path, 1.0)
        content = read_strict_json(path)
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
    ours, theirs = (load_store(museval, tmp_path / whose) for whose in ("ours", "theirs"))
    key = ["track", "target", "metric", "time"]
    both = [store.df.sort_values(key).reset_index(drop=True) for store in (ours, theirs)]
    assert (both[0][key] == both[1][key]).all(axis=None)
    np.testing.assert_array_equal(*(frame["score"].astype(float) for frame in both))
    for statistic in ("agg_frames_scores", "agg_frames_tracks_scores"):
        mine, its = (getattr(store, statistic)() for store in (ours, theirs))
        assert list(mine.index) == list(its.index)
        np.testing.assert_array_equal(mine.astype(float), its.astype(float))
    assert repr(ours) == repr(theirs)


def test_infinite_scores_are_listed_in_the_json_and_read_as_nan(tmp_path, odd_scores):
    path = tmp_path / "odd.json"
    mixture = {"vocals": np.array([1.0, np.nan, np.inf, 0.123456789, 1, 2, 3])}
    mixture["accompaniment"] = -mixture["vocals"]
    scores = make_track_scores("odd", odd_scores["odd"], mixture)
    write_track(scores, path, 0.5)
    assert read_strict_json(path)["infinite"] == [
        {"target": "vocals", "time": 1.0, "metric": "SDR", "value": "+inf"},
        {"target": "vocals", "time": 2.5, "metric": "SIR", "value": "-inf"},
        {"target": "vocals", "time": 3.0, "metric": "SIR", "value": "+inf"},
    ]
    read = read_track(path)
    assert (read.name, read.infinities, read.window_seconds) == ("odd", 3, 1.0)
    for source, metrics in odd_scores["odd"].items():
        for metric, row in metrics.items():
            finite = np.where(np.isinf(row), np.nan, row)
            np.testing.assert_allclose(read.targets[source][metric], finite, atol=5e-6)
    np.testing.assert_array_equal(read.mixture["vocals"][:4], [1, np.nan, np.nan, 0.12346])


@pytest.mark.parametrize("silent", ["a reference", "an estimate", "half of a reference"])
def test_a_track_that_museval_rejects_as_silent_has_nan_in_silent_windows(tmp_path, silent):
    """A window with a silent source is NaN for all sources."""
    references, estimates = make_signals()
    quiet = estimates if silent == "an estimate" else references
    quiet[: 2000 if "half" in silent else None, 1] = 0
    targets = score_estimates(references, estimates, SOURCES, RATE, 1.0, 1.0)
    scored = 1 if "half" in silent else 0
    for metrics in targets.values():
        for row in metrics.values():
            assert np.isfinite(row).tolist() == [False, False, scored == 1]
    path = tmp_path / "track.json"
    write_track(make_track_scores("track", targets), path, 1.0)
    assert np.isfinite(read_track(path).targets["vocals"]["SDR"]).sum() == scored


def test_a_partly_silent_source_is_nan_where_museval_has_nan(museval):
    """Compare every metric of every window, including NaN."""
    references, estimates = make_signals()
    references[:1000, 1] = 0
    estimates[1000:2000, 0] = 0
    ours = score_estimates(references, estimates, ("vocals", "accompaniment"), RATE, 1.0, 1.0)
    theirs = museval.evaluate(
        references.transpose(1, 0, 2), estimates.transpose(1, 0, 2), win=RATE, hop=RATE
    )
    for metric, values in zip(("SDR", "ISR", "SIR", "SAR"), theirs, strict=True):
        rows = [ours[source][metric] for source in ("vocals", "accompaniment")]
        np.testing.assert_allclose(rows, values, atol=1e-6)
        assert np.isnan(values).tolist() == [[True, True, False]] * 2


@pytest.mark.parametrize("order", [SOURCES, SOURCES[::-1]])
def test_scores_do_not_depend_on_the_order_of_sources(order):
    references, estimates = make_signals()
    estimates[:, 1] = references[:, 1] + 0.01  # vocals nearly exact
    index = [SOURCES.index(source) for source in order]
    targets = score_estimates(references[:, index], estimates[:, index], order, RATE, 1.0, 1.0)
    assert targets["vocals"]["SDR"].min() > 30 > targets["accompaniment"]["SDR"].max()


def test_four_sources_have_musevals_scores_in_musevals_order(museval):
    sources = ("bass", "drums", "other", "vocals")
    references, estimates = make_signals(2000, 4)
    targets = score_estimates(references, estimates, sources, RATE, 1.0, 1.0)
    assert list(targets) == ["vocals", "drums", "bass", "other"]
    stacked = [
        [part[:, sources.index(name)] for name in targets] for part in (references, estimates)
    ]
    theirs = museval.evaluate(*stacked, win=RATE, hop=RATE)  # SDR, ISR, SIR, SAR
    for metric, values in zip(("SDR", "ISR", "SIR", "SAR"), theirs, strict=True):
        for row, name in enumerate(targets):
            np.testing.assert_allclose(targets[name][metric], values[row], atol=1e-9)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_non_finite_estimate_is_rejected_by_name(number):
    references, estimates = make_signals()
    estimates[17, 1, 0] = number
    with pytest.raises(DataError, match="estimates of vocals have values that are not finite"):
        score_estimates(references, estimates, SOURCES, RATE, 1.0, 1.0)


def test_museval_scores_equal_sources_although_the_system_is_singular():
    references, estimates = make_signals(1200)
    references[:, 1] = references[:, 0]
    targets = score_estimates(references, estimates, SOURCES, RATE, 1.0, 1.0, "museval")
    assert np.isfinite(targets["vocals"]["SDR"]).all()


@pytest.mark.parametrize("names", [SOURCES, ("flute", "oboe")])
def test_arrays_by_source_have_the_scores_of_a_track(names):
    references, estimates = make_signals(1500)
    by_source = [
        {name: part[:, index] for index, name in enumerate(names)}
        for part in (references, estimates)
    ]
    mono = [{name: part[:, 0] for name, part in arrays.items()} for arrays in by_source]
    wanted = score_estimates(references, estimates, names, RATE, 1.0, 1.0)
    for arrays in (by_source, mono):
        scores = score_sources(*arrays, RATE)
        assert scores.keys() == wanted.keys() == set(names)
        for name, metrics in scores.items():
            assert list(metrics) == ["SDR", "SIR", "SAR", "ISR"]
            np.testing.assert_array_equal([*metrics.values()], [*wanted[name].values()])


@pytest.mark.parametrize(
    ("references", "estimates", "message"),
    [
        ({}, {}, "the references have the sources none, the estimates none"),
        (
            {"a": np.ones(9)},
            {"b": np.ones(9)},
            "the references have the sources a, the estimates b: give the same",
        ),
        ({"a": np.ones(9)}, {"a": np.ones(8)}, r"the shapes \(8,\), \(9,\): give all arrays"),
        ({"a": np.ones((1, 2, 3))}, {"a": np.ones((1, 2, 3))}, r"the shapes \(1, 2, 3\)"),
        ({"a": np.ones((0, 2))}, {"a": np.ones((0, 2))}, r"the shapes \(0, 2\)"),
    ],
)
def test_arrays_of_different_sources_or_shapes_are_rejected(references, estimates, message):
    with pytest.raises(DataError, match=message):
        score_sources(references, estimates, RATE)
