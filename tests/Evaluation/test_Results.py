"""museval's JSONs read back: SiSEC's real ones, and damaged ones."""

import json

import numpy as np
import pytest

from Evaluation.Results import read_folder, read_song
from Evaluation.Scores import median_over_songs_of_song_medians, pooled
from Spec.Errors import DataError
from tests.Evaluation.written import museval, write


@pytest.fixture
def song(tmp_path):
    def put(text):
        path = tmp_path / "Song.json"
        path.write_text(text if isinstance(text, str) else json.dumps(text))
        return path

    return put


@pytest.mark.parametrize(
    ("source", "median", "mad", "mean", "sd", "of_medians"),
    [
        ("vocals", 4.46, 3.21, 0.65, 13.67, 4.97),
        ("accompaniment", 10.69, 3.15, 11.85, 7.03, 11.11),
    ],
)
def test_sisecs_stl1_is_the_m4_of_both_papers(
    shared_data, source, median, mad, mean, sd, of_medians
):
    result = read_folder(shared_data / "sisec18" / "STL1")
    values = [song.targets[source]["SDR"] for song in result.songs]
    found = pooled(values)
    assert (result.label, len(result.songs)) == ("STL1", 50)
    assert [round(n, 2) for n in (found.median, found.mad, found.mean, found.sd)] == [
        *(median, mad, mean, sd)
    ]
    assert (found.windows, found.nan_windows) == (12439, 2799)
    assert round(median_over_songs_of_song_medians(values), 2) == of_medians
    assert result.songs[0].window_seconds == 1.0


def test_bare_nan_and_null_are_nan_and_infinities_are_counted(song):
    text = json.dumps(museval([1.0, 2.0, 3.0, 4.0], targets=["vocals"]))
    text = text.replace("1.0}", "NaN}").replace('"SIR": 2.0', '"SIR": null')
    text = text.replace('"SDR": 3.0', '"SDR": Infinity').replace('"SDR": 4.0', '"SDR": -Infinity')
    read = read_song(song(text))
    np.testing.assert_equal(read.targets["vocals"]["ISR"], [np.nan, 2, 3, 4])
    np.testing.assert_equal(read.targets["vocals"]["SIR"], [1, np.nan, 3, 4])
    np.testing.assert_equal(read.targets["vocals"]["SDR"], [1, 2, np.nan, np.nan])
    assert read.infinities == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps(museval([1.0] * 9))[:400], "no whole JSON"),
        ("", "no whole JSON"),
        ("[]", "has no targets"),
        ('{"vocals": 1}', "has no targets"),
        ({"targets": [{"name": "vocals", "frames": []}]}, "'vocals' has no name or no frames"),
        ({"targets": museval([1])["targets"] * 2}, "has the target 'vocals' twice"),
        (json.dumps(museval([1])).replace("SAR", "sar"), "a window of vocals has no SAR"),
        (json.dumps(museval([1])).replace('"SDR": 1.0', '"SDR": "1"'), "'1', no number"),
        (json.dumps(museval([1])).replace('"SDR": 1.0', '"SDR": true'), "True, no number"),
        ({**museval([1]), "infinite": {"vocals": 1}}, "its entry infinite is no list"),
        ({**museval([1]), "mixture": {"vocals": {}}}, "the scores of its mixture are damaged"),
        ({**museval([1]), "mixture": ["vocals"]}, "the scores of its mixture are damaged"),
        ({**museval([1]), "mixture": {"vocals": {"SDR": [1]}}}, "are not of its targets' windows"),
    ],
)
def test_a_damaged_file_is_named(song, text, said):
    path = song(text)
    with pytest.raises(DataError, match=said) as error:
        read_song(path)
    assert str(error.value).startswith(f"{path}: ")


def test_targets_of_different_lengths_are_refused(song):
    content = museval([1, 2, 3])
    content["targets"][1]["frames"].pop()
    with pytest.raises(DataError, match="differ between targets: 3 for vocals, 2 for accomp"):
        read_song(song(content))


def test_a_folder_may_have_museval_s_test_folder_or_this_projects(tmp_path):
    write(tmp_path / "A" / "test", {"One": [1]})
    write(tmp_path / "B", {"One": [1]})
    write(tmp_path / "C" / "museval" / "test", {"One": [1]})
    for name in "ABC":
        result = read_folder(tmp_path / name)
        assert (result.label, [song.name for song in result.songs]) == (name, ["One"])
    assert read_folder(tmp_path / "A", "M4").label == "M4"


def test_songs_that_do_not_fit_together_are_named(tmp_path):
    write(tmp_path, {"One": [1]})
    write(tmp_path, {"Two": [1]}, targets=("vocals", "drums", "bass", "other"))
    with pytest.raises(DataError, match="'Two' has the targets bass, drums, other, vocals, but"):
        read_folder(tmp_path)
    write(tmp_path, {"Two": [1]}, duration=30.0)
    with pytest.raises(DataError, match=r"'Two' has windows of 30\.0 s, but 'One' of 1\.0 s"):
        read_folder(tmp_path)


def test_songs_missing_and_unknown_are_named(tmp_path):
    write(tmp_path, {"One": [1], "Two": [2]})
    with pytest.raises(DataError, match="2 songs where 3 are expected: Three missing"):
        read_folder(tmp_path, expected_songs=["One", "Two", "Three"])
    with pytest.raises(DataError, match="Two not among the expected"):
        read_folder(tmp_path, expected_songs=["One"])


def test_an_empty_or_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="holds no museval JSONs"):
        read_folder(tmp_path)
    with pytest.raises(DataError, match="there is no such folder"):
        read_folder(tmp_path / "x")
