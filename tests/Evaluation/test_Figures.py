"""The figures: what they draw against numbers from elsewhere, no text on another, equal bytes."""

import json
from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from Evaluation.Correlation import VARIANTS, compare
from Evaluation.FigureCurves import Curve, read_curves, training_curves
from Evaluation.FigureLabels import arrange
from Evaluation.FigurePairs import figure2, figure3
from Evaluation.FigurePower import power_spectrogram
from Evaluation.Figures import COLOURS, FILLS, look, save
from Evaluation.FigureScores import boxes, violins
from Evaluation.FigureSpectrogram import spectrogram, window_borders
from Evaluation.Results import Result, SongResult, read_folder
from Spec.Errors import DataError

SOURCES = ("accompaniment", "vocals")


def result(label, seed, shift=0.0, songs=12):
    """Random scores of a model, low-tailed as those of vocals; one window of each song has none."""
    random = np.random.default_rng(seed)

    def windows():
        values = shift + random.normal(5, 3, 30) - random.exponential(4, 30)
        values[0] = np.nan
        return values

    return Result(
        label,
        tuple(
            SongResult(
                f"song {index}",
                {
                    source: {metric: windows() for metric in ("SDR", "SIR", "SAR", "ISR")}
                    for source in SOURCES
                },
                0,
            )
            for index in range(songs)
        ),
        seed=None,
        run_id=None,
        commit=None,
        origin="",
        config=None,
    )


def grid(variants=VARIANTS, spread=0.4, level=0.0):
    """A U and a J of each variant, crowded about one point."""
    random = np.random.default_rng(5)
    shifts = random.normal(level, spread, len(variants))
    return [
        result(f"{letter}{variant}", 2 * index + (letter == "J"), shift - 2 * (letter == "J"))
        for index, (variant, shift) in enumerate(zip(variants, shifts, strict=True))
        for letter in "UJ"
    ]


def drawn_texts(figure):
    """All texts of a figure that are seen, and the boxes they take."""
    figure.draw_without_rendering()
    hidden = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            seen = set(map(id, axis._update_ticks()))
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            hidden |= {
                id(label)
                for tick in ticks
                for label in (tick.label1, tick.label2)
                if id(tick) not in seen
            }
    renderer = figure.canvas.get_renderer()
    return [
        (text.get_text(), Text.get_window_extent(text, renderer))
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and id(text) not in hidden
    ]


def assert_legible(figure):
    """No text on another, none over the sheet's edge, none too small."""
    texts = drawn_texts(figure)
    for (one, box), (other, second) in combinations(texts, 2):
        assert not box.overlaps(second), f"{one!r} on {other!r}"
    for words, box in texts:
        assert box.x0 >= 0, words
        assert box.y0 >= 0, words
        assert box.x1 <= figure.bbox.x1, words
        assert box.y1 <= figure.bbox.y1, words
    assert min(text.get_fontsize() for text in figure.findobj(Text)) >= 7


def with_gid(figure, gid):
    return figure.findobj(lambda artist: artist.get_gid() == gid)


def caption(figure):
    (text,) = with_gid(figure, "caption")
    return text.get_text().replace("\n", " ")


def test_the_points_of_figure_2_are_the_means_of_u_and_j_with_their_labels():
    models = grid()
    figure = figure2(models)
    points = np.concatenate([dots.get_offsets() for dots in figure.axes[0].collections[1:]])
    for variant in VARIANTS:
        u, j = (
            np.nanmean([song.targets["vocals"]["SDR"] for song in model.songs])
            for letter in "UJ"
            for model in models
            if model.label == f"{letter}{variant}"
        )
        assert np.isclose(points, (u, j)).all(axis=1).any(), variant
    labels = with_gid(figure, "label")
    assert [label.get_text() for label in labels] == list(VARIANTS)
    np.testing.assert_allclose(
        [label.xy for label in labels],
        [(pair.u.value, pair.j.value) for pair in compare(models, "vocals").pairs],
    )


def test_the_caption_of_figure_2_states_correlation_and_quadrants_as_compared():
    models = grid()
    comparison = compare(models, "vocals")
    words = caption(figure2(models))
    for name, value in comparison.coefficients.items():
        stated = f"{name} {value.value:.2f} [{value.low:.2f}, {value.high:.2f}]"
        assert stated.replace("-", "−") in words
    first, _, third, _ = comparison.quadrants
    assert f"{first + third} of the 10 other points lie in the first ({first})" in words
    assert "U on the x-axis, J on the y-axis" in words
    assert "Windows without a finite score, all models together: 264" in words


def test_what_a_figure_lacks_is_said_in_its_caption():
    models = [model for model in grid() if model.label not in ("U1", "J1", "J5")]
    words = caption(figure2([*models, result("M4", 1)]))
    assert "Not drawn: 1 (no U1 and no J1) and 5 (no J5)." in words
    assert "Neither U nor J of a variant: M4." in words
    assert "Quadrants are not defined without the pair U1/J1." in words
    few = caption(figure2(grid(("1", "5"))))
    assert "Correlations are not defined for fewer than 3 pairs." in few
    assert "1 of the 1 other points" in few or "0 of the 1 other points" in few
    assert "0 pairs" in caption(figure2([]))


@pytest.mark.parametrize(("spread", "level"), [(0.0, 0), (0.4, 0), (3.0, 0), (0.4, 10), (0.4, -50)])
def test_no_text_of_figure_2_lies_on_another_or_on_a_point(spread, level):
    figure = figure2(grid(spread=spread, level=level))
    assert_legible(figure)
    axes = figure.axes[0]
    renderer = figure.canvas.get_renderer()
    for label in with_gid(figure, "label"):
        box = Text.get_window_extent(label, renderer)
        for other in with_gid(figure, "label"):
            assert not box.contains(*axes.transData.transform(other.xy))


def test_labels_find_room_even_round_one_point():
    points = np.full((11, 2), 100.0)
    sizes = np.tile([30.0, 9.0], (11, 1))
    centres = arrange(points, sizes, (0, 0, 200, 200), np.zeros((0, 4)))
    for one, other in combinations(centres, 2):
        assert (np.abs(one - other) >= (30, 9)).any()
    assert ((centres - sizes / 2 >= 0) & (centres + sizes / 2 <= 200)).all()


def test_figure_3_is_of_the_accompaniment():
    models = grid(("1", "5", "3_5"))
    value = compare(models, "accompaniment").coefficients["Pearson"].value
    assert f"Pearson {value:.2f}".replace("-", "−") in caption(figure3(models))
    assert "accompaniment" in figure3(models).axes[0].get_xlabel()


def test_violins_state_the_published_statistics_of_real_scores(shared_data):
    """STL1 is the M4 of both papers: Voc. 4.46 and 0.65, Acc. 10.69 and 11.85."""
    figure = violins(
        [read_folder(shared_data / "sisec18" / "STL1", "M4")], ("vocals", "accompaniment")
    )
    medians = [line.get_ydata()[0] for line in with_gid(figure, "median")]
    means = [line.get_ydata()[0] for line in with_gid(figure, "mean")]
    np.testing.assert_allclose(medians, [4.46, 10.69], atol=0.005)
    np.testing.assert_allclose(means, [0.65, 11.85], atol=0.005)
    assert "vocals median 4.46, mean 0.65; accompaniment median 10.69, mean 11.85" in caption(
        figure
    )
    assert "2799 of 12439 for vocals" in caption(figure)
    assert_legible(figure)


@pytest.mark.parametrize("count", [1, 5, 22])
def test_violins_have_one_body_per_result_and_source(count):
    figure = violins(grid()[:count])
    assert len(with_gid(figure, "violin")) == 2 * count
    assert_legible(figure)


def test_a_result_without_a_score_leaves_its_place_free_and_says_so():
    silent = Result(
        "M4",
        (SongResult("a", {"vocals": {"SDR": np.full(3, np.nan)}}, 0),),
        None, None, None, "", None,
    )  # fmt: skip
    figure = violins([silent])
    assert not with_gid(figure, "violin")
    assert "vocals has no window with a score" in caption(figure)
    with pytest.raises(DataError, match="no scored song"):
        violins([])


def test_boxes_are_the_quartiles_of_the_songs_medians():
    models = grid()[:3]
    figure = boxes(models)
    patches = with_gid(figure, "box")
    assert len(patches) == 2 * 3 * 3
    medians = [np.nanmedian(song.targets["accompaniment"]["SDR"]) for song in models[0].songs]
    across = patches[0].get_path().vertices[:, 0]
    np.testing.assert_allclose((across.min(), across.max()), np.percentile(medians, [25, 75]))
    assert [axes.get_xlabel() for axes in figure.axes[-3:]] == [
        "SDR in dB",
        "SIR in dB",
        "SAR in dB",
    ]
    assert_legible(figure)
    assert_legible(boxes(grid()[:9], metrics=("SDR",)))


def test_a_spectrogram_shows_a_sine_at_its_frequency_and_level():
    time = np.arange(22050) / 22050
    sine = 0.5 * np.sin(2 * np.pi * 1000 * time)[:, None].repeat(2, axis=1)
    power = power_spectrogram(sine.astype(np.float32), 40)
    assert power.shape == (1025, 40)
    assert abs(power[:, 20].argmax() * 22050 / 2048 - 1000) < 11
    assert power[:, 20].max() == pytest.approx(20 * np.log10(0.5), abs=1.5)
    silence = power_spectrogram(np.zeros((100, 1), np.float32), 5)
    np.testing.assert_allclose(silence, -100, atol=1e-3)


def test_borders_stand_where_windows_of_the_model_meet():
    np.testing.assert_allclose(window_borders(0.5, 2, 0.743), [0.743, 1.486, 2.229])
    assert not len(window_borders(0, 0.5, 0.743))
    noise = np.random.default_rng(0).normal(0, 0.1, (22050 * 3, 2)).astype(np.float32)
    figure = spectrogram(noise, 22050, 16384 / 22050, 0.5, 2.0, "$song$ & vocals")
    at = [line.get_xdata()[0] for line in with_gid(figure, "border")]
    np.testing.assert_allclose(at, np.array([1, 2, 3]) * 16384 / 22050)
    assert "the 3 borders" in caption(figure)
    assert_legible(figure)
    with pytest.raises(DataError, match=r"2 s to 4 s is not within its 3.00 s"):
        spectrogram(noise, 22050, 0.7, 2, 2)


def a_run(seed, epochs=60):
    steps = np.arange(1, epochs + 1) * 2000
    loss = 0.004 * (1 + np.exp(-steps / 3e4)) * (1 + 0.05 * seed)
    loss[40] = 0.003
    rate = np.where(steps <= 60000, 1e-4, 1e-5)
    return {
        "training.loss": Curve(steps, loss * 0.9),
        "validation.loss": Curve(steps, loss),
        "training.learning_rate": Curve(steps, rate),
    }


def test_curves_mark_the_best_epoch_and_the_stages():
    runs = {"J1, seed 1": a_run(1), "J1, seed 2": a_run(2), "U1": a_run(3)}
    figure = training_curves(runs)
    best = with_gid(figure, "best")
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in best] == [(82000, 0.003)] * 3
    assert all(list(line.get_xdata()) == [62000] for line in with_gid(figure, "stage"))
    assert len({line.get_linestyle() + line.get_marker() for line in with_gid(figure, "curve")}) > 1
    assert_legible(figure)


def test_curves_are_read_from_sacreds_record(tmp_path):
    metric = {"steps": [10, 20], "values": [0.5, 0.25], "timestamps": ["", ""]}
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps({"training.loss": metric, "validation.loss": metric}))
    curve = read_curves(tmp_path)["validation.loss"]
    assert (list(curve.steps), list(curve.values)) == ([10, 20], [0.5, 0.25])
    assert_legible(training_curves({"one": read_curves(tmp_path)}))
    for content, words in (("{}", "has no training.loss"), ("[1]", "is not a record")):
        path.write_text(content)
        with pytest.raises(DataError, match=words):
            read_curves(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        read_curves(tmp_path / "none")


def test_a_saved_figure_has_the_same_bytes_again_and_no_date(tmp_path):
    models = grid(("1", "5", "3_5"))
    first = save(figure2(models), tmp_path / "one" / "figure.2")
    second = save(figure2(models), tmp_path / "two" / "figure.2.png")
    assert [path.name for path in first] == ["figure.2.png", "figure.2.pdf"]
    assert [path.name for path in second] == [path.name for path in first]
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes()
    assert b"CreationDate" not in first[1].read_bytes()
    assert b"matplotlib" not in first[0].read_bytes()[:400].lower()


def lightness(colour):
    """CIE L* of an sRGB colour."""
    linear = [(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4) for c in to_rgb(colour)]
    luminance = np.dot((0.2126, 0.7152, 0.0722), linear)
    return 116 * np.cbrt(luminance) - 16 if luminance > 0.008856 else 903.3 * luminance


@pytest.mark.parametrize("colours", [COLOURS, FILLS])
def test_colours_differ_in_grey_print(colours):
    levels = sorted(map(lightness, colours))
    assert np.diff(levels).min() > 7


def test_twenty_looks_differ():
    assert len({look(index) for index in range(20)}) == 20
