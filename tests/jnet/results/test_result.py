"""Read museval's JSONs: those of SiSEC 2018, and damaged ones."""

import gzip
import json

import numpy as np
import pytest

from jnet.errors import DataError
from jnet.results.result import check_tracks, list_differences, read_folder
from jnet.scoring.statistics import compute_statistics
from jnet.scoring.track_scores import read_track
from tests.jnet.reports.written import museval, write


@pytest.fixture
def write_json(tmp_path):
    """Return a function that writes the JSON file of a track from a text or an object."""

    def write_content(text):
        path = tmp_path / "Track.json"
        path.write_text(text if isinstance(text, str) else json.dumps(text))
        return path

    return write_content


@pytest.mark.parametrize(
    ("source", "median", "mad", "mean", "sd", "of_medians"),
    [
        ("vocals", 4.46, 3.21, 0.65, 13.67, 4.97),
        ("accompaniment", 10.69, 3.15, 11.85, 7.03, 11.11),
    ],
)
def test_stl1_of_sisec_2018_has_the_published_scores_of_m4(
    shared_data, source, median, mad, mean, sd, of_medians
):
    result = read_folder(shared_data / "sisec18" / "STL1")
    values = [track.targets[source]["SDR"] for track in result.tracks]
    rounded = [round(value, 2) for value in compute_statistics(values).values()]
    assert (result.label, len(result.tracks)) == ("STL1", 50)
    assert rounded == [median, mad, mean, sd, of_medians]
    assert (result.count_windows(), result.count_nan(source, "SDR")) == (12439, 2799)
    assert result.tracks[0].window_seconds == 1.0


def test_bare_nan_and_null_are_nan_and_infinities_are_counted(write_json):
    text = json.dumps(museval([1.0, 2.0, 3.0, 4.0], targets=["vocals"]))
    text = text.replace("1.0}", "NaN}").replace('"SIR": 2.0', '"SIR": null')
    text = text.replace('"SDR": 3.0', '"SDR": Infinity').replace('"SDR": 4.0', '"SDR": -Infinity')
    read = read_track(write_json(text))
    np.testing.assert_equal(read.targets["vocals"]["ISR"], [np.nan, 2, 3, 4])
    np.testing.assert_equal(read.targets["vocals"]["SIR"], [1, np.nan, 3, 4])
    np.testing.assert_equal(read.targets["vocals"]["SDR"], [1, 2, np.nan, np.nan])
    assert read.infinities == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps(museval([1.0] * 9))[:400], "not a complete JSON document"),
        ("", "not a complete JSON document"),
        ("[]", "is not a museval JSON of a track"),
        ("null", "is not a museval JSON of a track"),
        ('{"vocals": 1}', r"is not a museval JSON of a track \(KeyError\('targets'\)\)"),
        ({"targets": []}, "the targets have {} windows"),
        ({"targets": ["vocals"]}, "is not a museval JSON of a track"),
        ({"targets": [{"name": "vocals", "frames": []}]}, "have {'vocals': 0} windows"),
        ({"targets": [{"name": "vocals", "frames": [1]}]}, "is not a museval JSON of a track"),
        (json.dumps(museval([1])).replace('"vocals"', "3"), "the target 3 .* is not a string"),
        ({"targets": museval([1])["targets"] * 2}, "the target 'vocals' occurs twice"),
        (json.dumps(museval([1])).replace("SAR", "sar"), r"KeyError\('SAR'\)"),
        (json.dumps(museval([1])).replace('"SDR": 1.0', '"SDR": "1"'), "'1' is not a number"),
        (json.dumps(museval([1])).replace('"SDR": 1.0', '"SDR": true'), "True is not a number"),
        (json.dumps(museval([1])).replace('"SDR": 1.0', f'"SDR": 1{"0" * 400}'), "too large"),
        ({**museval([1]), "infinite": {"vocals": 1}}, "the entry infinite is {'vocals': 1}, not"),
        ({**museval([1]), "mixture": {"vocals": {}}}, "is not a museval JSON of a track"),
        ({**museval([1]), "mixture": ["vocals"]}, "is not a museval JSON of a track"),
        ({**museval([1]), "mixture": {"vocals": {"SDR": ["1"]}}}, "'1' is not a number"),
        (
            {**museval([1]), "mixture": {"vocals": {"SDR": [1]}}},
            "the mixture has another number of windows",
        ),
    ],
)
def test_a_damaged_file_is_named(write_json, text, message):
    path = write_json(text)
    with pytest.raises(DataError, match=message) as error:
        read_track(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_targets_of_different_lengths_are_rejected(write_json):
    content = museval([1, 2, 3])
    content["targets"][1]["frames"].pop()
    with pytest.raises(DataError, match=r"have {'vocals': 3, 'accompaniment': 2} windows"):
        read_track(write_json(content))


def test_jsons_are_found_in_the_folder_and_in_its_subfolders(tmp_path):
    write(tmp_path / "A" / "test", {"One": [1]})
    write(tmp_path / "B", {"One": [1]})
    write(tmp_path / "C" / "museval" / "test", {"One": [1]})
    for name in "ABC":
        result = read_folder(tmp_path / name)
        assert (result.label, [track.name for track in result.tracks]) == (name, ["One"])
    assert read_folder(tmp_path / "A", "M4").label == "M4"


def test_tracks_with_different_targets_or_windows_are_named(tmp_path):
    write(tmp_path, {"One": [1]})
    write(tmp_path, {"Two": [1]}, targets=("vocals", "drums", "bass", "other"))
    with pytest.raises(DataError, match="'Two' has the targets bass, drums, other, vocals, but"):
        read_folder(tmp_path)
    write(tmp_path, {"Two": [1]}, duration=30.0)
    with pytest.raises(DataError, match=r"'Two' has windows of 30\.0 s, but 'One' of 1\.0 s"):
        read_folder(tmp_path)


def test_missing_and_unexpected_tracks_are_named():
    with pytest.raises(DataError, match="here: has 2 tracks, but 3 are expected: Three missing"):
        check_tracks(["One", "Two"], ["One", "Two", "Three"], "here")
    with pytest.raises(DataError, match="Two unexpected"):
        check_tracks(["One", "Two"], ["One"], "here")


def test_an_empty_or_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="contains no museval JSONs"):
        read_folder(tmp_path)
    with pytest.raises(DataError, match="does not exist: correct the path"):
        read_folder(tmp_path / "x")


@pytest.mark.parametrize(
    ("folder", "medians"),
    [
        ("demucs_seed42", {"drums": 6.25, "bass": 5.83, "other": 4.00, "vocals": 6.08}),
        ("open_unmix", {"drums": 5.73, "bass": 5.23, "other": 4.02, "vocals": 6.32}),
    ],
)
def test_compressed_jsons_of_demucs_have_the_published_scores(shared_data, folder, medians):
    result = read_folder(shared_data / "demucs-v1" / folder)
    assert len(result.tracks) == 50
    for source, wanted in medians.items():
        values = [track.targets[source]["SDR"] for track in result.tracks]
        assert round(compute_statistics(values)["median_over_tracks_of_track_medians"], 2) == wanted
    assert not list_differences(result, ("drums", "bass", "other", "vocals"))


def test_compressed_and_plain_jsons_of_one_track_are_an_error(tmp_path):
    write(tmp_path / "A", {"One": [1.0], "Two": [2.0]})
    (path,) = tmp_path.rglob("One.json")
    compressed = path.with_name("One.json.gz")
    compressed.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(DataError, match=r"has both One.json and One.json.gz"):
        read_folder(tmp_path / "A")
    path.unlink()
    assert read_folder(tmp_path / "A").track_names == ["One", "Two"]
    for damaged in (compressed.read_bytes()[:-9], b"x", gzip.compress(b"{")):
        compressed.write_bytes(damaged)
        with pytest.raises(DataError, match=r"One.json.gz: (cannot be read|is not a complete)"):
            read_folder(tmp_path / "A")
