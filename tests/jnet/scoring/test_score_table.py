"""The printed table has the numbers of the summary with two decimals in aligned columns."""

from jnet.scoring.score_table import format_difference, format_score, format_score_table

ENTRY = {
    "tracks": 50,
    "windows": 11949,
    "nan_windows": 12,
    "pooled_median": 4.456,
    "pooled_mad": 3.21,
    "pooled_mean": 0.65,
    "pooled_sd": 13.67,
    "median_over_tracks_of_track_medians": 4.97,
    "mixture_pooled_median": -5.5,
    "mixture_median_over_tracks_of_track_medians": None,
}


def test_every_number_is_in_the_row_of_its_statistic_and_the_column_of_its_source():
    other = {**ENTRY, "pooled_median": 10.69, "nan_windows": 3}
    lines = format_score_table({"accompaniment": other, "vocals": ENTRY}).splitlines()
    assert lines[0].split()[-2:] == ["accompaniment", "vocals"]
    assert lines[1].startswith("median over all windows ")
    assert lines[1].split()[-2:] == ["10.69", "4.46"]
    assert [line.split()[-1] for line in lines[2:6]] == ["3.21", "0.65", "13.67", "4.97"]
    assert lines[6].split()[-2:] == ["-5.50", "-5.50"]
    assert lines[7].split()[-2:] == ["NaN", "NaN"]
    assert lines[8].split()[-2:] == ["+16.19", "+9.96"]
    assert lines[9].split()[-2:] == ["NaN", "NaN"]
    assert lines[10] == (
        "50 tracks, 11949 windows, of which 3 NaN for accompaniment, 12 NaN for vocals"
    )
    assert len({len(line) for line in lines[:10]}) == 1


def test_none_is_printed_as_nan():
    lines = format_score_table({"vocals": {**ENTRY, "pooled_median": None}}).splitlines()
    assert lines[1].endswith(" NaN")
    assert lines[8].endswith(" NaN")


def test_numbers_that_round_to_zero_have_no_sign():
    values = (-0.001, 0.004, 0.02, -1.0, None, float("nan"))
    assert [format_difference(value) for value in values] == [
        *("0.00", "0.00", "+0.02", "-1.00", "–", "–")
    ]
    assert [format_score(value, "NaN") for value in values] == [
        *("0.00", "0.00", "0.02", "-1.00", "NaN", "NaN")
    ]
