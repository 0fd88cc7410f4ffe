"""Figures show the expected numbers, have no overlapping texts, and are reproducible."""

import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from jnet.errors import DataError
from jnet.reports.correlation import VARIANTS, pair_models
from jnet.reports.figures.catalogue import draw_figure, write_figure
from jnet.reports.figures.curves import Curve, draw_curves, read_curves
from jnet.reports.figures.distributions import draw_boxes, draw_violins
from jnet.reports.figures.spectrogram import (
    draw_spectrogram,
    find_segment_borders,
    power_spectrogram,
)
from jnet.reports.figures.style import COLOURS, FILLS, choose_look
from jnet.results.result import Result, read_folder
from jnet.scoring.track_scores import TrackScores

SOURCES = ("accompaniment", "vocals")


def make_result(label, seed, shift=0.0, tracks=12):
    """Return random scores of a model, with a long lower tail like those of vocals.

    The first window of each track has no score.
    """
    random = np.random.default_rng(seed)

    def windows():
        values = shift + random.normal(5, 3, 30) - random.exponential(4, 30)
        values[0] = np.nan
        return values

    return Result(
        label,
        tuple(
            TrackScores(
                f"track {index}",
                {
                    source: {metric: windows() for metric in ("SDR", "SIR", "SAR", "ISR")}
                    for source in SOURCES
                },
            )
            for index in range(tracks)
        ),
        origin="",
    )


def make_all_pairs(variants=VARIANTS, spread=0.4, level=0.0):
    """Return results of U and J for each variant, whose points are close to each other."""
    random = np.random.default_rng(5)
    shifts = random.normal(level, spread, len(variants))
    return [
        make_result(f"{letter}{variant}", 2 * index + (letter == "J"), shift - 2 * (letter == "J"))
        for index, (variant, shift) in enumerate(zip(variants, shifts, strict=True))
        for letter in "UJ"
    ]


def list_texts(figure):
    """Return all visible texts of a figure with their bounding boxes."""
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
    """Assert that texts do not overlap, lie within the figure, and are large enough."""
    texts = list_texts(figure)
    for (text, box), (other, second) in combinations(texts, 2):
        assert not box.overlaps(second), f"{text!r} overlaps {other!r}"
    for words, box in texts:
        assert box.x0 >= 0, words
        assert box.y0 >= 0, words
        assert box.x1 <= figure.bbox.x1, words
        assert box.y1 <= figure.bbox.y1, words
    assert min(text.get_fontsize() for text in figure.findobj(Text)) >= 7


def find_by_gid(figure, gid):
    return figure.findobj(lambda artist: artist.get_gid() == gid)


def read_caption(figure):
    (text,) = find_by_gid(figure, "caption")
    return text.get_text().replace("\n", " ")


def test_the_points_of_figure_2_are_the_means_of_u_and_j_with_their_labels():
    models = make_all_pairs()
    figure = draw_figure("figure2", models)
    points = np.concatenate([dots.get_offsets() for dots in figure.axes[0].collections[2:]])
    for variant in VARIANTS:
        u, j = (
            np.nanmean([track.targets["vocals"]["SDR"] for track in model.tracks])
            for letter in "UJ"
            for model in models
            if model.label == f"{letter}{variant}"
        )
        assert np.isclose(points, (u, j)).all(axis=1).any(), variant
    labelled = {label.get_text(): label.xy for label in find_by_gid(figure, "label")}
    pairs = pair_models(models, "vocals").pairs
    assert labelled == {pair.variant: (pair.u.value, pair.j.value) for pair in pairs}
    assert len(labelled) == len(VARIANTS)


def test_the_caption_of_figure_2_states_correlations_and_quadrants():
    models = make_all_pairs()
    comparison = pair_models(models, "vocals")
    words = read_caption(draw_figure("figure2", models))
    for name, value in comparison.coefficients.items():
        stated = f"{name} {value.value:.2f} [{value.low:.2f}, {value.high:.2f}]"
        assert stated.replace("-", "−") in words
    first, _, third, _ = comparison.quadrants
    assert f"{first + third} of the 10 other points lie in the first ({first})" in words
    assert "U on the x-axis, J on the y-axis" in words
    assert "Windows without a score, excluded: 264 over all models." in words


def test_the_caption_lists_missing_models():
    models = [model for model in make_all_pairs() if model.label not in ("U1", "J1", "J5")]
    words = read_caption(draw_figure("figure2", [*models, make_result("M4", 1)]))
    assert "Not drawn: 1 (no U1 and no J1) and 5 (no J5)." in words
    assert "Neither U nor J of a variant: M4." in words
    assert "Quadrants are not defined without the pair U1/J1." in words
    few = read_caption(draw_figure("figure2", make_all_pairs(("1", "5"))))
    assert "Correlation, defined for 3 pairs or more: Pearson –, Spearman –, Kendall –." in few
    assert "1 of the 1 other points" in few or "0 of the 1 other points" in few
    assert "0 pairs" in read_caption(draw_figure("figure2", []))


@pytest.mark.parametrize(("spread", "level"), [(0.0, 0), (0.4, 0), (3.0, 0), (0.4, 10), (0.4, -50)])
def test_labels_of_figure_2_overlap_neither_each_other_nor_points(spread, level):
    figure = draw_figure("figure2", make_all_pairs(spread=spread, level=level))
    assert_legible(figure)
    axes = figure.axes[0]
    renderer = figure.canvas.get_renderer()
    for label in find_by_gid(figure, "label"):
        box = Text.get_window_extent(label, renderer)
        for other in find_by_gid(figure, "label"):
            assert not box.contains(*axes.transData.transform(other.xy))


def test_labels_of_eleven_equal_points_do_not_overlap():
    u, j = make_result("U", 1), make_result("J", 2)
    models = [
        replace(model, label=f"{model.label}{variant}") for variant in VARIANTS for model in (u, j)
    ]
    figure = draw_figure("figure2", models)
    assert len(find_by_gid(figure, "label")) == 11
    assert_legible(figure)


def test_figure_3_shows_the_accompaniment():
    models = make_all_pairs(("1", "5", "3_5"))
    value = pair_models(models, "accompaniment").coefficients["Pearson"].value
    assert f"Pearson {value:.2f}".replace("-", "−") in read_caption(draw_figure("figure3", models))
    assert "accompaniment" in draw_figure("figure3", models).axes[0].get_xlabel()


def test_violins_state_the_published_statistics_of_real_scores(shared_data):
    """STL1 is the M4 of both papers: Voc. 4.46 and 0.65, Acc. 10.69 and 11.85."""
    figure = draw_violins([read_folder(shared_data / "sisec18" / "STL1", "M4")])
    published = {"vocals": (4.46, 0.65), "accompaniment": (10.69, 11.85)}
    assert {axes.get_title() for axes in figure.axes} == published.keys()
    for axes in figure.axes:
        drawn = [find_by_gid(axes, name)[0].get_ydata()[0] for name in ("median", "mean")]
        np.testing.assert_allclose(drawn, published[axes.get_title()], atol=0.005)
    words = read_caption(figure)
    assert "vocals median 4.46, mean 0.65" in words
    assert "accompaniment median 10.69, mean 11.85" in words
    assert "2799 of 12439 for vocals" in read_caption(figure)
    assert_legible(figure)


@pytest.mark.parametrize("count", [1, 5, 22])
def test_violins_have_one_body_per_result_and_source(count):
    figure = draw_violins(make_all_pairs()[:count])
    assert len(find_by_gid(figure, "violin")) == 2 * count
    assert_legible(figure)


def test_a_result_without_a_score_has_no_violin_and_is_named_in_the_caption():
    silent = Result(
        "M4",
        (TrackScores("a", {"vocals": {"SDR": np.full(3, np.nan)}}),),
        "",
    )
    figure = draw_violins([silent])
    assert not find_by_gid(figure, "violin")
    assert "M4: vocals median –, mean –." in read_caption(figure)
    assert "M4: 1 track, windows without a score: 3 of 3 for vocals." in read_caption(figure)
    with pytest.raises(DataError, match="no scores to draw"):
        draw_violins([])


def test_boxes_are_the_quartiles_of_the_tracks_medians():
    models = make_all_pairs()[:5]
    figure = draw_boxes(models)
    patches = find_by_gid(figure, "box")
    assert len(patches) == 2 * 3 * 5
    medians = [np.nanmedian(track.targets["accompaniment"]["SDR"]) for track in models[0].tracks]
    across = patches[0].get_path().vertices[:, 0]
    np.testing.assert_allclose((across.min(), across.max()), np.percentile(medians, [25, 75]))
    assert [axes.get_xlabel() for axes in figure.axes[-3:]] == [
        "SDR in dB",
        "SIR in dB",
        "SAR in dB",
    ]
    assert_legible(figure)


@pytest.mark.filterwarnings("error:constrained_layout")
@pytest.mark.parametrize("draw", [draw_violins, draw_boxes])
def test_long_labels_are_shortened_beside_the_axes_and_given_in_the_caption(draw):
    changed = "J1, changed: dataset=demo, epoch_steps=3, max_epochs=1, num_initial_filters=2"
    folder = "a_folder_with_a_long_name_of_one_word"
    figure = draw([make_result(label, seed) for seed, label in enumerate((changed, "U1", folder))])
    assert_legible(figure)
    texts = [text for text, _ in list_texts(figure)]
    assert {"J1 [1]", "U1", "a_folder_with_a… [2]"} <= {*texts}
    assert f" [1]: {changed}. [2]: {folder}." in read_caption(figure)


def test_a_spectrogram_shows_a_sine_at_its_frequency_and_level():
    time = np.arange(22050) / 22050
    sine = 0.5 * np.sin(2 * np.pi * 1000 * time)[:, None].repeat(2, axis=1)
    power = power_spectrogram(sine.astype(np.float32), 40)
    assert power.shape == (1025, 40)
    assert abs(power[:, 20].argmax() * 22050 / 2048 - 1000) < 11
    assert power[:, 20].max() == pytest.approx(20 * np.log10(0.5), abs=1.5)
    silence = power_spectrogram(np.zeros((100, 1), np.float32), 5)
    np.testing.assert_allclose(silence, -100, atol=1e-3)


def test_borders_are_where_segments_of_the_model_meet():
    np.testing.assert_allclose(find_segment_borders(0.5, 2, 0.743), [0.743, 1.486, 2.229])
    assert not len(find_segment_borders(0, 0.5, 0.743))
    noise = np.random.default_rng(0).normal(0, 0.1, (22050 * 3, 2)).astype(np.float32)
    figure = draw_spectrogram(noise, 22050, 16384 / 22050, 0.5, 2.0, "$track$ & vocals")
    at = [line.get_xdata()[0] for line in find_by_gid(figure, "border")]
    np.testing.assert_allclose(at, np.array([1, 2, 3]) * 16384 / 22050)
    assert "the 3 borders" in read_caption(figure)
    assert_legible(figure)
    with pytest.raises(DataError, match=r"from 2 s to 4 s is not within its 3.00 s"):
        draw_spectrogram(noise, 22050, 0.7, 2, 2)


def make_curves(seed, epochs=60):
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
    runs = {"J1, seed 1": make_curves(1), "J1, seed 2": make_curves(2), "U1": make_curves(3)}
    figure = draw_curves(runs)
    best = find_by_gid(figure, "best")
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in best] == [(82000, 0.003)] * 3
    assert all(list(line.get_xdata()) == [62000] for line in find_by_gid(figure, "stage"))
    assert (
        len({line.get_linestyle() + line.get_marker() for line in find_by_gid(figure, "curve")}) > 1
    )
    assert_legible(figure)


def test_curves_are_read_from_sacreds_record(tmp_path):
    metric = {"steps": [10, 20], "values": [0.5, 0.25], "timestamps": ["2026-12-01T10:00:00"] * 2}
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps({"training.loss": metric, "validation.loss": metric}))
    curve = read_curves(tmp_path)["validation.loss"]
    assert (list(curve.steps), list(curve.values)) == ([10, 20], [0.5, 0.25])
    assert_legible(draw_curves({"J1": read_curves(tmp_path)}))
    for content, words in (("{}", "has no training.loss"), ("[1]", "not a metrics file")):
        path.write_text(content)
        with pytest.raises(DataError, match=words):
            read_curves(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        read_curves(tmp_path / "none")


def test_saving_a_figure_again_gives_the_same_bytes_without_a_date(tmp_path):
    models = make_all_pairs(("1", "5", "3_5"))
    first = write_figure("figure2", models, tmp_path / "one" / "figure.2")
    second = write_figure("figure2", models, tmp_path / "two" / "figure.2.png")
    assert [path.name for path in first] == ["figure.2.png", "figure.2.pdf"]
    assert [path.name for path in second] == [path.name for path in first]
    for path, again in zip(first, second, strict=True):
        assert path.read_bytes() == again.read_bytes()
    assert b"CreationDate" not in first[1].read_bytes()
    assert b"matplotlib" not in first[0].read_bytes()[:400].lower()


def compute_lightness(colour):
    """Return the CIE L* of an sRGB colour."""
    linear = [(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4) for c in to_rgb(colour)]
    luminance = np.dot((0.2126, 0.7152, 0.0722), linear)
    return 116 * np.cbrt(luminance) - 16 if luminance > 0.008856 else 903.3 * luminance


@pytest.mark.parametrize("colours", [COLOURS, FILLS])
def test_colours_differ_in_grey_print(colours):
    levels = sorted(map(compute_lightness, colours))
    assert np.diff(levels).min() > 7


def test_twenty_looks_differ():
    assert len({choose_look(index) for index in range(20)}) == 20
