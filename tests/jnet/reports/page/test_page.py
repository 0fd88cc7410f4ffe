"""The listening page: hostile names, exact audio, pictures, and playing it in a browser."""

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

from jnet.errors import DataError
from jnet.reports.page.page import PageTrack, write_page
from jnet.reports.page.pictures import (
    draw_sdr,
    draw_spectrogram,
    draw_step_path,
    draw_time_axis,
    draw_waveform,
    format_time,
)
from tests.jnet.reports.page.browser import Browser, find_chromium

RATE, SECONDS = 8000, 6
HOSTILE = (
    '../../x/"><img src=q onerror="hacked=1"></script><script>hacked=1</script>'
    "]]></svg><img src=q onerror=hacked=1><!--&amp;\n'\udcff"
)
SCORES = {
    source: {
        "tracks": 2,
        "windows": 12,
        "nan_windows": 1,
        "pooled_median": -4.456,
        "pooled_mad": 3.21,
        "pooled_mean": 0.65,
        "pooled_sd": 13.67,
        "median_over_tracks_of_track_medians": 4.97,
        "mixture_pooled_median": -5.5,
        "mixture_median_over_tracks_of_track_medians": None,
    }
    for source in ("accompaniment", "vocals")
}


def make_tone(hertz, level=0.2):
    time = np.arange(RATE * SECONDS) / RATE
    return (level * np.sin(2 * np.pi * hertz * time))[:, None].repeat(2, axis=1)


def make_track(name="Harlan Wick - Empty Stations", **changes):
    vocals, others = make_tone(440), make_tone(110)
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
    return PageTrack(**{**entries, **changes})


class Reader(HTMLParser):
    """A parser that collects the tags of a page and the texts of its headings."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.headings, self._open_tag = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._open_tag = tag
        if tag == "h2":
            self.headings.append("")

    def handle_data(self, data):
        if self._open_tag == "h2":
            self.headings[-1] += data

    def handle_endtag(self, tag):
        self._open_tag = ""

    def list_attributes(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Write a page of two tracks and a third with hostile names of track and sources."""
    folder = tmp_path_factory.mktemp("page") / "listen"
    hostile = make_track(
        HOSTILE,
        references={},
        estimates={HOSTILE: make_tone(440), "../vocals": make_tone(220)},
        sdr={HOSTILE: np.arange(6.0)},
    )
    return write_page(folder, iter([make_track(), make_track(), hostile]), "J1 <b>&</b> U1", SCORES)


def test_all_files_are_within_the_folder_and_have_different_names(page):
    assert sorted(path.name for path in page.parent.parent.iterdir()) == ["listen"]
    assert sorted(path.name for path in page.parent.iterdir()) == ["audio", "index.html"]
    names = [audio["src"] for audio in Reader(page.read_text()).list_attributes("audio")]
    assert len(set(map(str.lower, names))) == len(names) == 5 + 5 + 3
    files = {f"audio/{path.name}" for path in (page.parent / "audio").iterdir()}
    assert files == set(names)
    assert all(re.fullmatch(r"audio/[a-z0-9-]{1,110}\.wav", name) for name in names)


def test_names_are_escaped(page):
    reader = Reader(page.read_text(encoding="utf-8"))
    assert reader.headings[-1] == HOSTILE.replace("\udcff", "?")
    assert reader.list_attributes("script") == [{}]
    assert all(attributes == {"class": "selected"} for attributes in reader.list_attributes("b"))
    assert all(
        image["src"].startswith("data:image/png;base64,") for image in reader.list_attributes("img")
    )
    assert not [name for _, attributes in reader.tags for name in attributes if name[:2] == "on"]
    assert not [attributes for _, attributes in reader.tags if "style" in attributes]


def test_the_page_contains_no_other_address(page):
    text = re.sub('base64,[^"]*', "", page.read_text())
    assert not re.findall(r"https?:|//[a-z]|@import|url\(", text)
    policy = Reader(text).list_attributes("meta")[1]["content"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy


def test_scores_and_tracks_are_in_tables(page):
    text = re.sub("<[^>]+>", "|", page.read_text())
    for number in ("−4.46", "3.21", "4.97", "NaN", "+1.04"):
        assert f"|{number}|" in text
    assert "|14.00|" in text  # the median of the first track's vocals, its NaN left out
    assert "1 outside the axis, drawn at its edge" in text


def test_recordings_have_exactly_the_samples(page):
    path = next((page.parent / "audio").glob("001-*-vocals-reference-*.wav"))
    samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    assert soundfile.info(path).subtype == "PCM_16"
    assert rate == RATE
    np.testing.assert_array_equal(samples, np.rint(make_tone(440) * 32768))


def test_a_track_too_loud_for_16_bits_is_attenuated_and_has_a_note(tmp_path):
    track = make_track(
        estimates={"accompaniment": make_tone(110), "vocals": make_tone(440, 2.0)}, sdr={}
    )
    page = write_page(tmp_path / "loud", [track], "J1")
    note = '<p class="note"{}>All recordings of this track are attenuated by {} dB'
    assert note.format("", "6.0") in page.read_text()
    as_loud = write_page(tmp_path / "as loud", [make_track()], "J1").read_text()
    assert note.format(" hidden", "0.0") in as_loud
    peaks = {
        name: np.abs(
            soundfile.read(next((tmp_path / "loud" / "audio").glob(f"*{name}*")), dtype="int16")[0]
        ).max()
        for name in ("vocals-estimate", "vocals-reference")
    }
    assert peaks["vocals-estimate"] == 32767
    assert peaks["vocals-reference"] == pytest.approx(0.1 * 32768, abs=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"mix": make_tone(440)[:-1]},
            r"accompaniment, estimate has the shape \(48000, 2\), its mix \(47999, 2\)",
        ),
        (
            {"references": {"vocals": make_tone(440) * np.nan}},
            "vocals, reference has samples that are NaN",
        ),
        ({"estimates": {}, "sdr": {}}, "has no estimates"),
        (
            {"estimates": {"vocals": make_tone(440)}},
            "has scores of 'accompaniment', but no estimate",
        ),
    ],
)
def test_recordings_that_do_not_match_are_rejected(changes, message, tmp_path):
    with pytest.raises(DataError, match=message):
        write_page(tmp_path, [make_track(**changes)], "J1")
    assert not (tmp_path / "index.html").exists()


def test_an_existing_page_is_not_overwritten_by_default(page):
    before = page.read_bytes()
    with pytest.raises(DataError, match="already exists"):
        write_page(page.parent, [make_track()], "J1")
    assert page.read_bytes() == before
    with pytest.raises(DataError, match="no tracks to show"):
        write_page(page.parent, [], "J1", overwrite=True)


def test_scores_are_drawn_as_steps_with_gaps_and_clipped_at_the_limits():
    assert draw_step_path(np.array([10, 0, np.nan, -90, 5.0]), -10, 10) == (
        "M0 0.0H1V50.0H2M3 100.0H4V25.0H5"
    )
    assert 'width="50.000%"' in draw_sdr({"vocals": np.zeros(5)}, 1.0, 10.0)


def test_pictures_show_the_samples():
    outline = draw_waveform(np.repeat([[0.5, -1.0], [0.0, 0.25]], 600, axis=0), 1.0, "w")
    numbers = re.findall(r"(\d+) (-?\d+)", outline.split('d="')[1])
    assert numbers[0] == ("0", "-50")
    assert numbers[-1] == ("0", "100")
    image = draw_spectrogram(make_tone(1000), RATE, "s").split("base64,")[1].split('"')[0]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(image))))
    assert pixels.shape == (120, 720)
    loudness = (20 * np.log10(0.2) + 90) / 80  # of 31 steps of 8 from white to black
    assert (pixels.min(), pixels.max()) == (8 * round(31 * (1 - loudness)), 248)
    row = pixels[:, 300].argmin()
    hertz = 50 * (4000 / 50) ** (1 - (row + 0.5) / len(pixels))
    assert hertz == pytest.approx(1000, rel=0.03)


def test_times_are_shown_in_minutes_and_seconds():
    assert format_time(245.9) == "4:05"
    marks = re.findall(r">(\d+:\d\d)<", draw_time_axis(245.9))
    assert marks == ["0:00", "1:00", "2:00", "3:00", "4:00"]


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    if not find_chromium():
        if os.environ.get("CI"):
            pytest.fail("CI needs Debian's chromium: apt-get install chromium")
        pytest.skip("chromium is not installed")
    tab = Browser(tmp_path_factory.mktemp("profile"))
    try:
        yield tab
    finally:
        tab.close()


@pytest.fixture
def browser(page, tab):
    """Open the page in the tab."""
    tab.size(1200, 1000)
    tab.open(page.as_uri())
    return tab


STATE = """[...document.querySelectorAll('#track-1 audio')].map(
    (audio) => [audio.currentTime, !audio.muted && !audio.paused, audio.paused])"""


def read_state(browser):
    """Return each position in the first track, and whether the recording is heard or paused."""
    times, heard, paused = zip(*browser.run(STATE), strict=True)
    return times, heard, paused


def test_switching_the_recording_keeps_the_position(browser):
    browser.click("#track-1 .play")
    browser.wait("document.querySelector('#track-1 audio').currentTime > 0.3")
    times, heard, paused = read_state(browser)
    assert heard == (True, False, False, False, False)
    assert not any(paused)
    assert browser.run("document.querySelector('#track-1 .play').textContent") == "Pause"
    browser.click("#track-1 .recordings button:nth-child(4)")
    switched, heard, paused = read_state(browser)
    assert heard == (False, False, False, True, False)
    assert times[0] - 0.05 <= switched[3] < times[0] + 2
    assert abs(switched[3] - switched[0]) < 0.25
    browser.wait(
        f"document.querySelectorAll('#track-1 audio')[3].currentTime > {switched[3] + 0.3}"
    )
    together, _, _ = read_state(browser)
    assert max(together) - min(together) < 0.25
    pressed = "[...document.querySelectorAll('#track-1 .recordings [aria-pressed=true]')]"
    assert browser.run(f"{pressed}.map((button) => button.dataset.name)") == ["vocals, estimate"]
    seen = browser.run(
        "[...document.querySelectorAll('#track-1 .plot [aria-label], #track-1 .plot [alt]')]"
        ".filter((picture) => getComputedStyle(picture).display !== 'none')"
        ".map((picture) => picture.ariaLabel || picture.alt)"
    )
    assert seen[1:] == [
        f"{kind}: vocals, estimate of Harlan Wick - Empty Stations"
        for kind in ("waveform", "spectrogram")
    ]
    dimmed = (
        "[...document.querySelectorAll('#track-1 .plot .dim')].map((line) => line.classList[1])"
    )
    assert browser.run(dimmed) == ["score-0"]  # the accompaniment's
    browser.click("#track-1 .play")
    assert all(read_state(browser)[2])


def test_a_click_into_a_picture_moves_to_that_time(browser):
    browser.click("#track-1 .wave .plot", across=0.55)
    assert all(abs(time - 0.55 * SECONDS) < 0.1 for time in read_state(browser)[0])
    readouts = (
        "[...document.querySelectorAll('#track-1 .key output')].map((output) => output.textContent)"
    )
    assert browser.run(readouts) == ["−80.0", "5.0"]
    cursor = browser.run(
        "parseFloat(getComputedStyle(document.querySelector('#track-1 .sdr .plot'), "
        "'::after').left)"
        " / document.querySelector('#track-1 .sdr .plot').clientWidth"
    )
    assert cursor == pytest.approx(0.55, abs=0.01)


def test_a_track_can_be_controlled_with_the_keyboard(browser):
    browser.run("document.querySelector('#track-2').focus()")
    browser.press("Tab", 9)
    assert browser.run("document.activeElement.getAttribute('aria-label')").startswith(
        "Play Harlan"
    )
    assert browser.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    browser.press(" ", 32)
    browser.wait("!document.querySelector('#track-2 audio').paused")
    browser.press("3", 51)
    heard = "[...document.querySelectorAll('#track-2 audio')].map((audio) => !audio.muted)"
    assert browser.run(heard) == [False, False, True, False, False]
    browser.press("ArrowRight", 39)
    browser.wait("document.querySelectorAll('#track-2 audio')[2].currentTime > 5")
    browser.wait("document.querySelector('#track-2 .play').textContent === 'Play'")  # its end
    assert browser.run("document.querySelectorAll('#track-2 audio')[2].paused")


def test_starting_a_track_stops_the_other(browser):
    browser.click("#track-1 .play")
    browser.wait("!document.querySelector('#track-1 audio').paused")
    browser.click("#track-3 .play")
    browser.wait("!document.querySelector('#track-3 audio').paused")
    assert all(read_state(browser)[2])


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


def test_a_missing_recording_is_reported(page, browser):
    path = next((page.parent / "audio").glob("003-*-mix-*.wav"))
    content = path.read_bytes()
    path.unlink()
    try:
        browser.open(page.as_uri())
        browser.click("#track-3 .play")
        message = browser.wait("document.querySelector('#track-3 .error').textContent")
        assert path.name in message
    finally:
        path.write_bytes(content)


def test_hostile_names_run_no_script_and_nothing_uses_the_network(browser):
    assert browser.run("typeof hacked") == "undefined"
    assert {url.split(":")[0] for url in browser.requests} <= {"file", "data"}
    assert (
        json.dumps([word for word in browser.messages if "ERR_FILE_NOT_FOUND" not in word]) == "[]"
    )
