"""The listening page: hostile names, honest audio, pictures, and a browser that presses play."""

import base64
import io
import json
import os
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
from PIL import Image

from Evaluation.Page import PageSong, write_page
from Evaluation.PagePictures import clock, png, sdr_plot, spectrogram, steps, time_axis, waveform
from Spec.Errors import DataError
from tests.Evaluation.browser import Browser, installed

RATE, SECONDS = 8000, 6
HOSTILE = (
    '../../x/"><img src=q onerror="hacked=1"></script><script>hacked=1</script>'
    "]]></svg><img src=q onerror=hacked=1><!--&amp;\n'\udcff"
)
SCORES = {
    source: {
        "songs": 2,
        "windows": 12,
        "nan_windows": 1,
        "pooled_median": -4.456,
        "pooled_mad": 3.21,
        "pooled_mean": 0.65,
        "pooled_sd": 13.67,
        "median_over_songs_of_song_medians": 4.97,
        "mixture_pooled_median": -5.5,
        "mixture_median_over_songs_of_song_medians": None,
    }
    for source in ("accompaniment", "vocals")
}


def tone(hertz, level=0.2):
    time = np.arange(RATE * SECONDS) / RATE
    return (level * np.sin(2 * np.pi * hertz * time))[:, None].repeat(2, axis=1)


def a_song(name="Harlan Wick - Empty Stations", **changes):
    vocals, others = tone(440), tone(110)
    entries = {
        "name": name,
        "sample_rate": RATE,
        "mix": vocals + others,
        "references": {"accompaniment": others, "vocals": vocals},
        "estimates": {"accompaniment": 0.9 * others, "vocals": 0.8 * vocals},
        "sdr": {
            "accompaniment": np.array([20, 20, np.nan, -80, 20, 20.0]),
            "vocals": np.array([14, 13, np.nan, 5, 14, 14.0]),
        },
    }
    return PageSong(**{**entries, **changes})


class Reader(HTMLParser):
    """What a browser would make of the page: its tags, and the text of its headings."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.headings, self._open = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._open = tag
        if tag == "h2":
            self.headings.append("")

    def handle_data(self, data):
        if self._open == "h2":
            self.headings[-1] += data

    def handle_endtag(self, tag):
        self._open = ""

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page of two songs, and of one with a hostile name and hostile sources."""
    folder = tmp_path_factory.mktemp("page") / "listen"
    hostile = a_song(
        HOSTILE,
        references={},
        estimates={HOSTILE: tone(440), "../vocals": tone(220)},
        sdr={HOSTILE: np.arange(6.0)},
    )
    return write_page(folder, iter([a_song(), a_song(), hostile]), "J1 <b>&</b> U1", SCORES)


def test_nothing_leaves_the_folder_and_no_two_recordings_share_a_file(page):
    assert sorted(path.name for path in page.parent.parent.iterdir()) == ["listen"]
    assert sorted(path.name for path in page.parent.iterdir()) == ["audio", "index.html"]
    named = [audio["src"] for audio in Reader(page.read_text()).all("audio")]
    assert len(set(map(str.lower, named))) == len(named) == 5 + 5 + 3
    found = {f"audio/{path.name}" for path in (page.parent / "audio").iterdir()}
    assert found == set(named)
    assert all(re.fullmatch(r"audio/[a-z0-9-]{1,110}\.wav", name) for name in named)


def test_names_are_text_and_nothing_else(page):
    reader = Reader(page.read_text(encoding="utf-8"))
    assert reader.headings[-1] == HOSTILE.replace("\udcff", "?")
    assert reader.all("script") == [{}]
    assert all(attributes == {"class": "heard"} for attributes in reader.all("b"))
    assert all(image["src"].startswith("data:image/png;base64,") for image in reader.all("img"))
    assert not [name for _, attributes in reader.tags for name in attributes if name[:2] == "on"]
    assert not [attributes for _, attributes in reader.tags if "style" in attributes]


def test_the_page_names_no_other_place(page):
    text = re.sub('base64,[^"]*', "", page.read_text())
    assert not re.findall(r"https?:|//[a-z]|@import|url\(", text)
    policy = Reader(text).all("meta")[1]["content"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy


def test_scores_and_songs_stand_in_tables(page):
    text = re.sub("<[^>]+>", "|", page.read_text())
    for number in ("−4.46", "3.21", "4.97", "NaN", "+1.04"):
        assert f"|{number}|" in text
    assert "|14.00|" in text  # the median of the first song's vocals, its NaN left out
    assert "1 beyond the scale, drawn at its edge" in text


def test_recordings_are_the_samples_to_the_last_bit(page):
    path = next((page.parent / "audio").glob("001-*-vocals-reference-*.wav"))
    samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    assert soundfile.info(path).subtype == "PCM_16"
    assert rate == RATE
    np.testing.assert_array_equal(samples, np.rint(tone(440) * 32768))


def test_a_song_too_loud_for_16_bits_is_played_more_quietly_as_a_whole_and_says_so(tmp_path):
    song = a_song(estimates={"accompaniment": tone(110), "vocals": tone(440, 2.0)}, sdr={})
    page = write_page(tmp_path, [song], "J1")
    assert "6.0 dB more quietly" in page.read_text()
    peaks = {
        name: np.abs(
            soundfile.read(next((tmp_path / "audio").glob(f"*{name}*")), dtype="int16")[0]
        ).max()
        for name in ("vocals-estimate", "vocals-reference")
    }
    assert peaks["vocals-estimate"] == 32767
    assert peaks["vocals-reference"] == pytest.approx(0.1 * 32768, abs=1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mix": tone(440)[:-1]}, "accompaniment, estimate is 48000 × 2 .* its mix 47999 × 2"),
        ({"references": {"vocals": tone(440) * np.nan}}, "vocals, reference holds samples that"),
        ({"estimates": {}, "sdr": {}}, "has no estimate"),
        ({"estimates": {"vocals": tone(440)}}, "has scores of 'accompaniment' but no estimate"),
    ],
)
def test_recordings_that_do_not_belong_together_are_refused(changes, words, tmp_path):
    with pytest.raises(DataError, match=words):
        write_page(tmp_path, [a_song(**changes)], "J1")
    assert not (tmp_path / "index.html").exists()


def test_a_page_is_not_overwritten_unasked_and_comes_out_the_same_again(page):
    before = page.read_bytes()
    with pytest.raises(DataError, match="is already there"):
        write_page(page.parent, [a_song()], "J1")
    assert page.read_bytes() == before
    with pytest.raises(DataError, match="no song"):
        write_page(page.parent, [], "J1", overwrite=True)


def test_a_score_is_drawn_as_steps_with_gaps_and_at_the_edge():
    assert steps(np.array([10, 0, np.nan, -90, 5.0]), -10, 10) == (
        "M0 0.0H1V50.0H2M3 100.0H4V25.0H5"
    )
    assert 'width="50.000%"' in sdr_plot({"vocals": np.zeros(5)}, 1.0, 10.0)


def test_pictures_show_the_samples():
    shades = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png(shades)))), shades)
    outline = waveform(np.repeat([[0.5, -1.0], [0.0, 0.25]], 600, axis=0), 1.0, "w")
    numbers = re.findall(r"(\d+) (-?\d+)", outline.split('d="')[1])
    assert numbers[0] == ("0", "-50")
    assert numbers[-1] == ("0", "100")
    image = spectrogram(tone(1000), RATE, "s").split("base64,")[1].split('"')[0]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(image))))
    row = pixels[:, 300].argmin()
    hertz = 50 * (4000 / 50) ** (1 - (row + 0.5) / len(pixels))
    assert hertz == pytest.approx(1000, rel=0.03)


def test_times_are_read_in_minutes():
    assert clock(245.9) == "4:05"
    marks = re.findall(r">(\d+:\d\d)<", time_axis(245.9))
    assert marks == ["0:00", "1:00", "2:00", "3:00", "4:00"]


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    if not installed():
        if os.environ.get("CI"):
            pytest.fail("CI needs Debian's chromium: apt-get install chromium")
        pytest.skip("there is no chromium here")
    tab = Browser(tmp_path_factory.mktemp("profile"))
    try:
        yield tab
    finally:
        tab.close()


@pytest.fixture
def browser(page, tab):
    """The one tab, with the page as one finds it."""
    tab.size(1200, 1000)
    tab.open(page.as_uri())
    return tab


STATE = """[...document.querySelectorAll('#song-1 audio')].map(
    (audio) => [audio.currentTime, !audio.muted && !audio.paused, audio.paused])"""


def state(browser):
    """Of each recording of the first song: where it is, whether it is heard, whether it stands."""
    times, heard, paused = zip(*browser.run(STATE), strict=True)
    return times, heard, paused


def test_play_runs_and_a_switch_changes_what_is_heard_and_keeps_the_place(browser):
    browser.click("#song-1 .play")
    browser.wait("document.querySelector('#song-1 audio').currentTime > 0.3")
    times, heard, paused = state(browser)
    assert heard == (True, False, False, False, False)
    assert not any(paused)
    assert browser.run("document.querySelector('#song-1 .play').textContent") == "Pause"
    browser.click("#song-1 .tracks button:nth-child(4)")
    switched, heard, paused = state(browser)
    assert heard == (False, False, False, True, False)
    assert times[0] - 0.05 <= switched[3] < times[0] + 2
    assert abs(switched[3] - switched[0]) < 0.25
    browser.wait(f"document.querySelectorAll('#song-1 audio')[3].currentTime > {switched[3] + 0.3}")
    together, _, _ = state(browser)
    assert max(together) - min(together) < 0.25
    pressed = "[...document.querySelectorAll('#song-1 .tracks [aria-pressed=true]')]"
    assert browser.run(f"{pressed}.map((one) => one.dataset.name)") == ["vocals, estimate"]
    seen = browser.run(
        "[...document.querySelectorAll('#song-1 [data-view]')].filter((view) => "
        "getComputedStyle(view).display !== 'none').map((view) => view.dataset.view)"
    )
    assert seen == ["3", "3"]
    dimmed = "[...document.querySelectorAll('#song-1 .plot .dim')].map((line) => line.classList[1])"
    assert browser.run(dimmed) == ["score-0"]  # the accompaniment's
    browser.click("#song-1 .play")
    assert all(state(browser)[2])


def test_a_click_into_a_picture_goes_there(browser):
    browser.click("#song-1 .wave .plot", across=0.55)
    assert all(abs(time - 0.55 * SECONDS) < 0.1 for time in state(browser)[0])
    readouts = "[...document.querySelectorAll('#song-1 .key output')].map((one) => one.textContent)"
    assert browser.run(readouts) == ["−80.0", "5.0"]
    cursor = browser.run(
        "parseFloat(getComputedStyle(document.querySelector('#song-1 .sdr .plot'), '::after').left)"
        " / document.querySelector('#song-1 .sdr .plot').clientWidth"
    )
    assert cursor == pytest.approx(0.55, abs=0.01)


def test_the_keyboard_is_enough(browser):
    browser.run("document.querySelector('#song-2').focus()")
    browser.press("Tab", 9)
    assert browser.run("document.activeElement.getAttribute('aria-label')").startswith(
        "Play Harlan"
    )
    assert browser.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    browser.press(" ", 32)
    browser.wait("!document.querySelector('#song-2 audio').paused")
    browser.press("3", 51)
    heard = "[...document.querySelectorAll('#song-2 audio')].map((audio) => !audio.muted)"
    assert browser.run(heard) == [False, False, True, False, False]
    browser.press("ArrowRight", 39)
    browser.wait("document.querySelectorAll('#song-2 audio')[2].currentTime > 5")
    browser.wait("document.querySelector('#song-2 .play').textContent === 'Play'")  # its end
    assert browser.run("document.querySelectorAll('#song-2 audio')[2].paused")


def test_a_song_that_starts_stops_the_other(browser):
    browser.click("#song-1 .play")
    browser.wait("!document.querySelector('#song-1 audio').paused")
    browser.click("#song-3 .play")
    browser.wait("!document.querySelector('#song-3 audio').paused")
    assert all(state(browser)[2])


def test_every_control_has_a_name(browser):
    tree = browser.call("Accessibility.getFullAXTree")["nodes"]
    controls = [
        node["name"]["value"]
        for node in tree
        if node.get("role", {}).get("value") in ("button", "slider", "image", "img")
    ]
    assert len(controls) == 3 * (1 + 1 + 3) + 5 + 5 + 3  # play, seek, pictures; recordings
    assert all(controls)


def test_a_narrow_window_needs_no_sideways_scrolling(browser):
    browser.size(360, 800)
    assert browser.run("document.documentElement.scrollWidth") <= 360


def test_a_missing_recording_is_said(page, browser):
    path = next((page.parent / "audio").glob("003-*-mix-*.wav"))
    held = path.read_bytes()
    path.unlink()
    try:
        browser.open(page.as_uri())
        browser.click("#song-3 .play")
        said = browser.wait("document.querySelector('#song-3 .error').textContent")
        assert path.name in said
    finally:
        path.write_bytes(held)


def test_hostile_names_ran_nothing_and_the_network_was_left_alone(browser):
    assert browser.run("typeof hacked") == "undefined"
    assert {url.split(":")[0] for url in browser.requests} <= {"file", "data"}
    assert (
        json.dumps([word for word in browser.messages if "ERR_FILE_NOT_FOUND" not in word]) == "[]"
    )
