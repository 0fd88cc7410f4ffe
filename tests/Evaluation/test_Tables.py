"""The printed table: the numbers of the summary, two decimals, columns that line up."""

from Evaluation.Tables import score_table

ENTRY = {
    "songs": 50,
    "windows": 11949,
    "nan_windows": 12,
    "pooled_median": 4.456,
    "pooled_mad": 3.21,
    "pooled_mean": 0.65,
    "pooled_sd": 13.67,
    "median_over_songs_of_song_medians": 4.97,
    "mixture_pooled_median": -5.5,
    "mixture_median_over_songs_of_song_medians": None,
}


def test_every_number_stands_in_its_row_and_its_sources_column():
    other = {**ENTRY, "pooled_median": 10.69, "nan_windows": 3}
    lines = score_table({"accompaniment": other, "vocals": ENTRY}).splitlines()
    assert lines[0].split()[-2:] == ["accompaniment", "vocals"]
    assert lines[1].startswith("median over all windows ")
    assert lines[1].split()[-2:] == ["10.69", "4.46"]
    assert [line.split()[-1] for line in lines[2:6]] == ["3.21", "0.65", "13.67", "4.97"]
    assert lines[6].split()[-2:] == ["-5.50", "-5.50"]
    assert lines[7].split()[-2:] == ["NaN", "NaN"]
    assert lines[8].split()[-2:] == ["+16.19", "+9.96"]
    assert lines[9].split()[-2:] == ["NaN", "NaN"]
    assert lines[10] == (
        "50 songs, 11949 windows, of which 3 NaN for accompaniment, 12 NaN for vocals"
    )
    assert len({len(line) for line in lines[:10]}) == 1


def test_a_score_that_is_none_is_printed_as_nan():
    lines = score_table({"vocals": {**ENTRY, "pooled_median": None}}).splitlines()
    assert lines[1].endswith(" NaN")
    assert lines[8].endswith(" NaN")
