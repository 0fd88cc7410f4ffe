"""Predict: input formats, the shape of the estimates, errors, and limited memory use."""

import hashlib
import json
import os
import pickle
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import av
import h5py
import numpy as np
import pytest
import soundfile

import Predict
from Config import make_run_settings
from jnet.audio.reading import open_audio, read_audio
from jnet.errors import DataError
from jnet.separation import predictor as Separation
from jnet.separation.predictor import build_separator
from jnet.settings.computing import ComputingSettings
from jnet.system.signals import format_error
from jnet.weights.files import load_weights, save_weights
from jnet.weights.manifests import read_settings
from Models import Build
from Models.Build import build

COMPUTING = ComputingSettings("fast", 16, 1)

SOURCES = ("accompaniment", "vocals")


@pytest.fixture(scope="module")
def weights(tiny_settings, tmp_path_factory):
    """Return a weights file of the tiny stereo model at 8000 Hz, not trained."""
    path = tmp_path_factory.mktemp("weights") / "best.safetensors"
    save_weights(build(tiny_settings.model), tiny_settings.model, path)
    return path


# A picture of one pixel, which FFmpeg can open.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8ffff"
    "3f0005fe02fe0def46b80000000049454e44ae426082"
)


def make_sound(samples, channels):
    return np.random.default_rng(0).uniform(-0.5, 0.5, (samples, channels)).astype(np.float32)


def encode(path, samples, rate, codec):
    """Encode `samples` [T, C] with FFmpeg in a format that libsndfile does not write."""
    layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
    with av.open(path, "w") as box:
        stream = box.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples.T), format="fltp", layout=layout
        )
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            box.mux(packet)


@pytest.fixture
def predict(weights, tmp_path):
    """Return a function that separates a file and reads the estimates [T, C] and their rate."""

    def run(path, **entries):
        Predict.ex.run(
            config_updates={
                "input_path": str(path),
                "model_path": str(weights),
                "output_path": str(tmp_path / "separated"),
                **entries,
            },
            options={"--unobserved": True},
        )
        folder = tmp_path / "separated" / Path(path).stem
        assert sorted(file.name for file in folder.iterdir()) == [f"{s}.wav" for s in SOURCES]
        return [soundfile.read(folder / f"{s}.wav", always_2d=True) for s in SOURCES]

    return run


@pytest.mark.parametrize(
    ("name", "length", "channels", "rate"),
    [
        ("mono.wav", 9001, 1, 8000),
        ("stereo.flac", 50001, 2, 48000),
        ("six.wav", 20000, 6, 44100),
        ("one.wav", 1, 2, 44100),
        ("Sønġ – “ü” #1 [x].wav", 5000, 2, 22050),
        ("rate.ogg", 30000, 2, 96000),
        ("track.mp3", 30000, 2, 44100),
        ("track.m4a", 30000, 2, 44100),
    ],
)
def test_estimates_have_the_inputs_length_rate_and_channels(
    predict, tmp_path, name, length, channels, rate
):
    path = tmp_path / name
    if path.suffix == ".m4a":
        encode(path, make_sound(length, channels), rate, "aac")
    else:
        soundfile.write(path, make_sound(length, channels), rate)
    mix, mix_rate = read_audio(path)
    for estimate, estimate_rate in predict(path):
        assert estimate.shape == mix.shape
        assert estimate.shape[1] == channels
        assert estimate_rate == mix_rate == rate
        assert np.isfinite(estimate).all()


def test_at_the_rate_of_the_model_the_estimates_add_up_to_the_input(predict, tmp_path):
    samples = 0.4 * make_sound(5000, 2)  # the difference output is not clipped
    soundfile.write(tmp_path / "track.wav", samples, 8000, subtype="FLOAT")
    estimates = predict(tmp_path / "track.wav")
    np.testing.assert_allclose(sum(part for part, _ in estimates), samples, atol=1e-6)


def test_the_batch_size_does_not_change_the_estimates(predict, tmp_path):
    soundfile.write(tmp_path / "track.wav", make_sound(9000, 2), 8000, subtype="FLOAT")
    first = predict(tmp_path / "track.wav", batch_size=1)
    second = predict(tmp_path / "track.wav", batch_size=64, overwrite=True)
    for (estimate, _), (expected, _) in zip(first, second, strict=True):
        np.testing.assert_allclose(estimate, expected, atol=1e-6)


@pytest.mark.parametrize("whole_track", [False, True])
def test_threads_are_configured_before_the_model_is_built(
    predict, tiny_settings, tmp_path, monkeypatch, whole_track
):
    calls = []
    monkeypatch.setattr(
        Separation, "use_one_thread_per_operation", lambda *arguments: calls.append(arguments)
    )
    monkeypatch.setattr(Build, "build", lambda settings: calls.append("built") or build(settings))
    soundfile.write(tmp_path / "a.wav", make_sound(9000, 2), 8000)
    predict(tmp_path / "a.wav", whole_track=whole_track)
    assert calls[:2] == [(tiny_settings.model, whole_track), "built"]


@pytest.fixture(autouse=True)
def use_temporary_folder(tmp_path, monkeypatch):
    """Run each test in an empty folder, where default output folders are created."""
    monkeypatch.chdir(tmp_path)


def get_error(capsys, *updates):
    with pytest.raises(SystemExit) as end:
        Predict.ex.run_commandline(["Predict.py", "-u", "with", *updates])
    lines = [line for line in capsys.readouterr().err.splitlines() if "Changed type" not in line]
    assert (end.value.code, len(lines)) == (2, 1)
    return lines[0]


def test_existing_estimates_are_overwritten_only_on_request(predict, weights, tmp_path, capsys):
    soundfile.write(tmp_path / "track.wav", make_sound(500, 2), 8000)
    soundfile.write(tmp_path / "track.flac", make_sound(700, 2), 8000)
    predict(tmp_path / "track.wav")
    line = get_error(
        capsys,
        f"input_path={tmp_path}/track.flac",
        f"model_path={weights}",
        f"output_path={tmp_path}/separated",
    )
    assert "track: already contains estimates: give another output_path, or overwrite=True" in line
    assert len(soundfile.read(tmp_path / "separated/track/vocals.wav")[0]) == 500
    assert len(predict(tmp_path / "track.flac", overwrite=True)[0][0]) == 700


@pytest.mark.parametrize("content", [b"", b"no audio at all\n" * 99])
@pytest.mark.parametrize("name", ["text.mp3", "text.wav"])
def test_an_input_that_is_not_audio_is_an_error(capsys, weights, tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    line = get_error(capsys, f"input_path={path}", f"model_path={weights}")
    assert re.match(rf"Predict.py: {path}: (is empty|cannot be read as audio)", line)
    assert not Path("separated").exists()


def test_a_wav_file_without_samples_or_with_nan_is_an_error(capsys, weights, tmp_path):
    soundfile.write(tmp_path / "empty.wav", np.zeros((0, 2)), 8000)
    soundfile.write(tmp_path / "nan.wav", np.array([0, np.nan]), 8000, subtype="FLOAT")
    for name, message in (
        ("empty", "contains no audio"),
        ("nan", "sample 1 is not a finite number"),
    ):
        line = get_error(capsys, f"input_path={tmp_path}/{name}.wav", f"model_path={weights}")
        assert message in line


@pytest.mark.parametrize(
    ("update", "message"),
    [
        ("batch_size=0", "batch_size is 0: give a whole number of at least 1"),
        ("output_path=/dev/null/x", "/dev/null/x: cannot be written ("),
        ("model_path=none.safetensors", "none.safetensors: does not exist: correct the path"),
        ("whole_track=1", "whole_track is 1: give True or False"),
    ],
)
def test_an_invalid_entry_is_an_error(capsys, weights, tmp_path, update, message):
    soundfile.write(tmp_path / "track.wav", make_sound(500, 2), 8000)
    updates = [f"input_path={tmp_path}/track.wav", f"model_path={weights}", update]
    assert message in get_error(capsys, *updates)


def test_long_segments_are_the_default_only_with_context(tiny, tmp_path):
    for context in (False, True):
        settings = make_run_settings({**tiny, "context": context}, seed=1).model
        network = build(settings)
        separator = build_separator(network, settings, COMPUTING, passes=1, whole_track=False)
        assert (separator.build_for_length is not None) == context


NAMES = {
    "..wav": "the input '.' cannot name a file",
    "...wav": "the input '..' cannot name a file",
    ".wav": "the input '.wav' cannot name a file",
    "a\nb.wav": "has a name that cannot be printed",
    "a\x1b[2Jb.wav": "has a name that cannot be printed",
    "a\udcffb.wav": "has a name that cannot be printed",
    "x" * 250 + ".wav": "has a name of over",
}


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_input_names_that_are_not_valid_folder_names_are_an_error(weights, tmp_path, capsys, name):
    soundfile.write(tmp_path / "track.wav", make_sound(500, 2), 8000)
    (tmp_path / "in").mkdir()
    with (tmp_path / "track.wav").open("rb") as file:
        (tmp_path / "in" / name).write_bytes(file.read())
    with pytest.raises(DataError) as error:
        Predict.ex.run(
            config_updates={
                "input_path": str(tmp_path / "in" / name),
                "model_path": str(weights),
                "output_path": str(tmp_path / "out" / "separated"),
            },
            options={"--unobserved": True},
        )
    assert NAMES[name] in str(error.value)
    assert "\n" not in format_error(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "name", ["-x.wav", "-", "a b'$(touch hacked)`.wav", "CON.wav", "x.tar.wav"]
)
def test_unusual_input_names_are_accepted(predict, tmp_path, name):
    samples = 0.4 * make_sound(500, 2)
    soundfile.write(tmp_path / name, samples, 8000, subtype="FLOAT", format="WAV")
    estimates = predict(tmp_path / name)
    np.testing.assert_allclose(sum(part for part, _ in estimates), samples, atol=1e-6)
    assert not (tmp_path / "hacked").exists()


def test_the_input_is_not_overwritten_by_its_estimate(weights, predict, tmp_path, capsys):
    soundfile.write(tmp_path / "vocals.wav", make_sound(500, 2), 8000)
    predict(tmp_path / "vocals.wav")
    path = tmp_path / "separated" / "vocals" / "vocals.wav"
    before = path.read_bytes()
    line = get_error(
        capsys,
        f"input_path={path}",
        f"model_path={weights}",
        f"output_path={tmp_path}/separated",
        "overwrite=True",
    )
    assert "vocals.wav: is in the folder of its estimates: give another output_path" in line
    assert path.read_bytes() == before


def test_several_files_are_separated_into_separate_folders(weights, tmp_path, capsys):
    for folder, name, length in (("a", "x.wav", 100), ("a", "y.flac", 200), ("b", "z.wav", 300)):
        (tmp_path / folder).mkdir(exist_ok=True)
        soundfile.write(tmp_path / folder / name, make_sound(length, 2), 8000)
    (tmp_path / "a" / ".hidden").write_text("no audio")
    Predict.ex.run(
        config_updates={
            "input_path": [str(tmp_path / "a"), str(tmp_path / "b" / "z.wav")],
            "model_path": str(weights),
        },
        options={"--unobserved": True},
    )
    written = {
        str(path.relative_to("separated")): soundfile.info(path).frames
        for path in Path("separated").rglob("*.wav")
    }
    lengths = {"x": 100, "y": 200, "z": 300}
    assert written == {f"{name}/{s}.wav": lengths[name] for name in lengths for s in SOURCES}
    printed = capsys.readouterr().out.splitlines()
    assert sorted(printed) == sorted(f"separated/{name}" for name in written)


def test_files_of_a_folder_that_are_not_audio_are_named_and_skipped(weights, tmp_path, capsys):
    folder = tmp_path / "album"
    (folder / "disc 2").mkdir(parents=True)
    soundfile.write(folder / "disc 2" / "x.wav", make_sound(100, 2), 8000)
    soundfile.write(folder / "cover.wav", make_sound(100, 2), 8000)
    soundfile.write(folder / "y.sound", make_sound(200, 2), 8000, format="WAV")
    (folder / "cover.png").write_bytes(PNG)
    others = {"cover.png": PNG, "list.cue": b'FILE "x.wav" WAVE\n', "a.json": b"{}", "a.txt": b""}
    for name, content in others.items():
        (folder / name).write_bytes(content)
    updates = {"input_path": str(folder), "model_path": str(weights)}
    Predict.ex.run(config_updates=updates, options={"--unobserved": True})
    assert sorted(path.name for path in Path("separated").iterdir()) == ["cover", "y"]
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert notes == [
        *(f"note: {folder / name}: is not audio: not separated" for name in sorted(others)[:3]),
        f"note: {folder / 'disc 2'}: is a folder in an input folder: not separated",
        f"note: {folder / 'list.cue'}: is not audio: not separated",
    ]


@pytest.mark.parametrize(("name", "given"), [("a.MP3", "album"), ("a.png", "album/a.png")])
def test_a_damaged_audio_file_and_a_given_file_that_is_not_audio_are_errors(
    weights, tmp_path, capsys, name, given
):
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / name).write_bytes(PNG)
    line = get_error(capsys, f"input_path={given}", f"model_path={weights}")
    assert f"album/{name}: has 0 audio streams, but 1 are needed: replace it" in line


@pytest.mark.parametrize(
    "names", [("a.mp3", "a.wav"), ("A.wav", "a.wav"), ("é.wav", "e\u0301.wav")]
)
def test_two_inputs_with_the_same_name_are_an_error_before_separation(
    weights, tmp_path, capsys, names
):
    for name in names:
        soundfile.write(tmp_path / name, make_sound(500, 2), 44100)
    paths = [str(tmp_path / name) for name in names]
    line = get_error(capsys, f"input_path={paths!r}", f"model_path={weights}")
    assert f"{paths[0]} and {paths[1]}: their estimates would be in the same folder" in line
    assert not Path("separated").exists()


@pytest.mark.parametrize(
    ("entry", "message"),
    [("[]", "input_path is [], not a string"), ("none", "none: contains no audio file")],
)
def test_a_missing_input_is_an_error(weights, tmp_path, capsys, entry, message):
    (tmp_path / "none").mkdir()
    assert message in get_error(capsys, f"input_path={entry}", f"model_path={weights}")


@pytest.mark.parametrize("name", ["track.flac", "track.m4a"])
def test_a_damaged_input_leaves_no_files(capsys, weights, tmp_path, name):
    """The damage is found after the estimates before it have been written."""
    path = tmp_path / name
    if path.suffix == ".m4a":
        encode(path, make_sound(400_000, 2), 44100, "aac")
    else:
        soundfile.write(path, make_sound(400_000, 2), 44100)
    content = bytearray(path.read_bytes())
    start = len(content) * 3 // 4
    content[start : start + 3000] = bytes(3000)
    path.write_bytes(content)
    line = get_error(
        capsys, f"input_path={path}", f"model_path={weights}", f"output_path={tmp_path}/separated"
    )
    assert f"{path}: cannot be read as audio, or only partly" in line
    assert list((tmp_path / "separated").iterdir()) == []


def test_a_full_disk_is_an_error_of_one_line_and_leaves_no_files(capsys, weights, tmp_path):
    soundfile.write(tmp_path / "track.wav", make_sound(100_000, 2), 44100)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    try:
        line = get_error(
            capsys,
            f"input_path={tmp_path}/track.wav",
            f"model_path={weights}",
            f"output_path={tmp_path}/separated",
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "separated/track: cannot be written (File too large): free disk space" in line
    assert list((tmp_path / "separated").iterdir()) == []


def test_estimates_with_nan_are_an_error_and_leave_no_files(tiny_settings, capsys, tmp_path):
    model = build(tiny_settings.model)
    model.get_layer("output_accompaniment_conv").bias.assign([np.nan, 0])
    save_weights(model, tiny_settings.model, tmp_path / "spoilt.safetensors")
    soundfile.write(tmp_path / "track.wav", make_sound(5000, 2), 8000)
    line = get_error(
        capsys, f"input_path={tmp_path}/track.wav", f"model_path={tmp_path}/spoilt.safetensors"
    )
    assert "the estimates of accompaniment, vocals have values that are not finite" in line
    assert "from sample 0 (0.00 s) on" in line
    assert list(Path("separated").iterdir()) == []


@pytest.mark.parametrize("passes", [1, 2])
@pytest.mark.parametrize("whole_track", [False, True])
def test_a_file_of_many_blocks_is_separated_as_one_track(
    predict, weights, tmp_path, whole_track, passes
):
    samples = make_sound(700_000, 2)
    soundfile.write(tmp_path / "track.flac", samples, 44100, subtype="PCM_16")
    mix, _ = read_audio(tmp_path / "track.flac")
    with open_audio(tmp_path / "track.flac") as audio:
        assert len(list(audio.blocks)) > 4
    settings = read_settings(weights)
    model = build(settings)
    load_weights(model, settings, weights)
    separator = build_separator(model, settings, COMPUTING, passes, whole_track)
    expected = separator.separate(mix, 44100)
    estimates = predict(tmp_path / "track.flac", whole_track=whole_track, passes=passes)
    for source, (estimate, _) in enumerate(estimates):
        np.testing.assert_allclose(estimate, expected[:, source], atol=1e-6)


@pytest.mark.parametrize("name", ["m.h5", "m.hdf5", "m.weights.h5", "m.keras", "m.pkl", "m.pt"])
def test_a_model_file_of_another_format_is_an_error_and_is_not_loaded(capsys, tmp_path, name):
    """The file contains a pickle that would create a file when it is loaded."""
    check_not_loaded(capsys, tmp_path, tmp_path / name, make_hostile_pickle(tmp_path))


@pytest.mark.parametrize("name", ["m.h5", "m.weights.h5", "m.safetensors"])
def test_hdf5_files_and_their_links_are_never_opened(capsys, tmp_path, monkeypatch, name):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["weights"] = np.ones(3)
    path = tmp_path / name
    with h5py.File(path, "w") as file:
        file["layers"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/weights")
    (tmp_path / "m.json").write_text("{}")

    def fail(*args, **kwargs):
        raise AssertionError("an HDF5 file was opened")

    monkeypatch.setattr(h5py, "File", fail)
    soundfile.write(tmp_path / "track.wav", make_sound(500, 2), 8000)
    line = get_error(capsys, f"input_path={tmp_path}/track.wav", f"model_path={path}")
    assert "is not a weights file" in line or "m.json: is damaged" in line


def test_a_numpy_archive_and_a_saved_model_are_an_error(capsys, tmp_path):
    np.savez(tmp_path / "m.npz", a=np.array([Hostile(tmp_path)], dtype=object))
    check_not_loaded(capsys, tmp_path, tmp_path / "m.npz", None)
    (tmp_path / "saved_model").mkdir()
    (tmp_path / "saved_model" / "saved_model.pb").write_bytes(b"\x08\x01")
    check_not_loaded(capsys, tmp_path, tmp_path / "saved_model", None)


def test_a_pickle_named_like_weights_is_an_error(capsys, tiny_settings, tmp_path):
    path = tmp_path / "m.safetensors"
    save_weights(build(tiny_settings.model), tiny_settings.model, path)
    path.write_bytes(make_hostile_pickle(tmp_path) * 2000)
    manifest = json.loads(path.with_suffix(".json").read_text())
    manifest["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix(".json").write_text(json.dumps(manifest))
    check_not_loaded(capsys, tmp_path, path, None)


class Hostile:
    """An object that creates a file when it is unpickled."""

    def __init__(self, folder):
        self.path = folder / "hacked"

    def __reduce__(self):
        return Path.touch, (self.path,)


def make_hostile_pickle(folder):
    content = pickle.dumps(Hostile(folder))
    pickle.loads(content)
    (folder / "hacked").unlink()  # the pickle has created the file
    return content


def check_not_loaded(capsys, folder, path, content):
    if content is not None:
        path.write_bytes(content)
    soundfile.write(folder / "track.wav", make_sound(500, 2), 8000)
    line = get_error(capsys, f"input_path={folder}/track.wav", f"model_path={path}")
    assert line.startswith(f"Predict.py: {path}: is ")
    assert not (folder / "hacked").exists()
    assert not Path("separated").exists()


LONG = 450 * 44100  # samples
# Limit above the memory for separating ten seconds. The samples of the long file take 151 MiB as
# floats, its estimates 303 MiB.
BOUND_MIB = 120
CHILD = """
import resource, sys
import Predict

def predict(path, **entries):
    Predict.ex.run(
        config_updates={"input_path": path, "model_path": sys.argv[2], **entries},
        options={"--unobserved": True},
    )

predict(sys.argv[1], output_path="before", batch_size=4)
pages = int(open("/proc/self/statm").read().split()[0])
most = pages * resource.getpagesize() + int(sys.argv[4]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (most, most))
predict(sys.argv[3], batch_size=4)
"""


@pytest.fixture
def large_folder():
    """Return a folder for one gigabyte, in memory if there is enough, because disks are slow."""
    memory = Path("/dev/shm")
    fits = memory.is_dir() and shutil.disk_usage(memory).free > 2**33
    with tempfile.TemporaryDirectory(dir=memory if fits else None) as folder:
        yield Path(folder)


def test_a_long_stereo_file_is_separated_in_bounded_memory(tiny, large_folder):
    """The estimates add up to the input at every sample of the file.

    The input has two tones below half the rate of the model, so that resampling keeps them, and the
    model has the difference output.
    """
    entries = {"num_layers": 1, "num_initial_filters": 1, "num_frames": 512, "sample_rate": 1000}
    settings = make_run_settings({**tiny, **entries, "filter_size": 3}, seed=1).model
    save_weights(build(settings), settings, large_folder / "m.safetensors")
    phase = 2 * np.pi * np.arange(10 * 44100)[:, np.newaxis] * np.array([60, 83]) / 44100
    period = np.rint(0.3 * 32767 * np.sin(phase)).astype(np.int16)  # of ten seconds
    soundfile.write(large_folder / "ten.wav", period, 44100)
    with soundfile.SoundFile(large_folder / "long.wav", "w", 44100, 2, "PCM_16") as file:
        for _ in range(LONG // len(period)):
            file.write(period)
    subprocess.run(
        [sys.executable, "-c", CHILD]
        + [str(large_folder / name) for name in ("ten.wav", "m.safetensors", "long.wav")]
        + [str(BOUND_MIB)],
        check=True,
        cwd=large_folder,
        env={**os.environ, "PYTHONPATH": str(Path(Predict.__file__).parent)},
    )
    total = 0
    with ExitStack() as stack:
        paths = [large_folder / f"separated/long/{source}.wav" for source in SOURCES]
        files = [stack.enter_context(soundfile.SoundFile(path)) for path in paths]
        assert [(file.frames, file.channels, file.samplerate) for file in files] == [
            *[(LONG, 2, 44100)] * 2,
        ]
        mix = (period / 32768).astype(np.float32)
        for _ in range(LONG // len(period)):
            parts = [file.read(len(period), dtype="float32") for file in files]
            assert np.abs(parts[0]).max() > 0.01
            difference = np.abs(parts[0] + parts[1] - mix)
            edge = 10_000 if total in (0, LONG - len(period)) else 0  # ends: resampling errors
            assert difference[edge : len(period) - edge].max() < 1e-3
            total += len(period)
    assert total == LONG
