"""Predict: any audio file in; its length, rate and channels out; nothing written over."""

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
from Config import specs
from Engine import Separation
from Engine.Separation import ready
from Engine.Weights import load_weights, save_weights, stored_spec
from Experiments import sentence
from Input.Audio import read_audio
from Input.Blocks import open_audio
from Models import Build
from Models.Build import build
from Spec.Errors import DataError

SOURCES = ("accompaniment", "vocals")


@pytest.fixture(scope="module")
def weights(tiny_specs, tmp_path_factory):
    """The tiny stereo model of 8000 Hz at its random start."""
    path = tmp_path_factory.mktemp("weights") / "best.safetensors"
    save_weights(build(tiny_specs.model), tiny_specs.model, path)
    return path


def sound(frames, channels):
    return np.random.default_rng(0).uniform(-0.5, 0.5, (frames, channels)).astype(np.float32)


def encode(path, samples, rate, codec):
    """Write `[T, C]` with ffmpeg's encoders, which libsndfile has none of."""
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
    """Separate a file: the estimates by source, `[T, C]` and rate."""

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
    ("name", "frames", "channels", "rate"),
    [
        ("mono.wav", 9001, 1, 8000),
        ("stereo.flac", 50001, 2, 48000),
        ("six.wav", 20000, 6, 44100),
        ("one.wav", 1, 2, 44100),
        ("Sønġ – “ü” #1 [x].wav", 5000, 2, 22050),
        ("rate.ogg", 30000, 2, 96000),
        ("song.mp3", 30000, 2, 44100),
        ("song.m4a", 30000, 2, 44100),
    ],
)
def test_estimates_have_the_inputs_length_rate_and_channels(
    predict, tmp_path, name, frames, channels, rate
):
    path = tmp_path / name
    if path.suffix == ".m4a":
        encode(path, sound(frames, channels), rate, "aac")
    else:
        soundfile.write(path, sound(frames, channels), rate)
    heard, heard_rate = read_audio(path)
    for estimate, estimate_rate in predict(path):
        assert estimate.shape == heard.shape
        assert estimate.shape[1] == channels
        assert estimate_rate == heard_rate == rate
        assert np.isfinite(estimate).all()


def test_at_the_models_rate_the_estimates_add_up_to_the_input(predict, tmp_path):
    samples = 0.4 * sound(5000, 2)  # so quiet that the difference output clips nothing
    soundfile.write(tmp_path / "song.wav", samples, 8000, subtype="FLOAT")
    estimates = predict(tmp_path / "song.wav")
    np.testing.assert_allclose(sum(part for part, _ in estimates), samples, atol=1e-6)


def test_the_batch_size_changes_no_sample(predict, tmp_path):
    soundfile.write(tmp_path / "song.wav", sound(9000, 2), 8000, subtype="FLOAT")
    alone = predict(tmp_path / "song.wav", batch_size=1)
    together = predict(tmp_path / "song.wav", batch_size=64, overwrite=True)
    for one, many in zip(alone, together, strict=True):
        np.testing.assert_allclose(one[0], many[0], atol=1e-6)


@pytest.mark.parametrize("whole_song", [False, True])
def test_threads_are_seen_to_before_the_model_is_built(
    predict, tiny_specs, tmp_path, monkeypatch, whole_song
):
    calls = []
    monkeypatch.setattr(Separation, "keep_operations_whole", lambda *said: calls.append(said))
    monkeypatch.setattr(Build, "build", lambda spec: calls.append("built") or build(spec))
    soundfile.write(tmp_path / "a.wav", sound(9000, 2), 8000)
    predict(tmp_path / "a.wav", whole_song=whole_song)
    assert calls[:2] == [(tiny_specs.model, whole_song), "built"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Outputs that are not given a place do not fall into the checkout."""
    monkeypatch.chdir(tmp_path)


def refused(capsys, *updates):
    with pytest.raises(SystemExit) as end:
        Predict.ex.run_commandline(["Predict.py", "-u", "with", *updates])
    lines = [line for line in capsys.readouterr().err.splitlines() if "Changed type" not in line]
    assert (end.value.code, len(lines)) == (2, 1)
    return lines[0]


def test_a_namesake_does_not_overwrite_estimates_until_told(predict, weights, tmp_path, capsys):
    soundfile.write(tmp_path / "song.wav", sound(500, 2), 8000)
    soundfile.write(tmp_path / "song.flac", sound(700, 2), 8000)
    predict(tmp_path / "song.wav")
    line = refused(
        capsys,
        f"input_path={tmp_path}/song.flac",
        f"model_path={weights}",
        f"output_path={tmp_path}/separated",
    )
    assert "song: holds estimates already: give another output_path, or overwrite=True" in line
    assert len(soundfile.read(tmp_path / "separated/song/vocals.wav")[0]) == 500
    assert len(predict(tmp_path / "song.flac", overwrite=True)[0][0]) == 700


@pytest.mark.parametrize("content", [b"", b"no audio at all\n" * 99])
@pytest.mark.parametrize("name", ["text.mp3", "text.wav"])
def test_an_input_that_is_not_audio_is_named(capsys, weights, tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    line = refused(capsys, f"input_path={path}", f"model_path={weights}")
    assert re.match(rf"Predict.py: {path}: (is empty|cannot be read as audio)", line)
    assert not Path("separated").exists()


def test_a_wav_of_no_samples_and_one_that_is_not_finite_are_named(capsys, weights, tmp_path):
    soundfile.write(tmp_path / "empty.wav", np.zeros((0, 2)), 8000)
    soundfile.write(tmp_path / "nan.wav", np.array([0, np.nan]), 8000, subtype="FLOAT")
    for name, said in (("empty", "holds no audio"), ("nan", "sample 1 is not a finite number")):
        line = refused(capsys, f"input_path={tmp_path}/{name}.wav", f"model_path={weights}")
        assert said in line


@pytest.mark.parametrize(
    ("update", "said"),
    [
        ("batch_size=0", "batch_size is 0: give a whole number of at least 1"),
        ("output_path=/dev/null/x", "/dev/null/x: cannot be written to"),
        ("model_path=none.safetensors", "none.safetensors: there is no such weights file"),
        ("whole_song=1", "whole_song is 1: give True or False"),
    ],
)
def test_a_wrong_entry_is_named(capsys, weights, tmp_path, update, said):
    soundfile.write(tmp_path / "song.wav", sound(500, 2), 8000)
    updates = [f"input_path={tmp_path}/song.wav", f"model_path={weights}", update]
    assert said in refused(capsys, *updates)


def test_with_context_long_windows_are_taken_unasked(tiny, tmp_path):
    for context in (False, True):
        spec = specs({**tiny, "context": context}, seed=1).model
        separator = ready(build(spec), spec, 16, passes=1, whole_song=False)
        assert (separator.lengthen is not None) == context


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
def test_no_inputs_name_leads_elsewhere(weights, tmp_path, capsys, name):
    soundfile.write(tmp_path / "song.wav", sound(500, 2), 8000)
    (tmp_path / "in").mkdir()
    with (tmp_path / "song.wav").open("rb") as file:
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
    assert "\n" not in sentence(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "name", ["-x.wav", "-", "a b'$(touch hacked)`.wav", "CON.wav", "x.tar.wav"]
)
def test_an_odd_name_is_a_name(predict, tmp_path, name):
    samples = 0.4 * sound(500, 2)
    soundfile.write(tmp_path / name, samples, 8000, subtype="FLOAT", format="WAV")
    estimates = predict(tmp_path / name)
    np.testing.assert_allclose(sum(part for part, _ in estimates), samples, atol=1e-6)
    assert not (tmp_path / "hacked").exists()


def test_the_input_is_not_overwritten_by_its_own_estimate(weights, predict, tmp_path, capsys):
    soundfile.write(tmp_path / "vocals.wav", sound(500, 2), 8000)
    predict(tmp_path / "vocals.wav")
    path = tmp_path / "separated" / "vocals" / "vocals.wav"
    before = path.read_bytes()
    line = refused(
        capsys,
        f"input_path={path}",
        f"model_path={weights}",
        f"output_path={tmp_path}/separated",
        "overwrite=True",
    )
    assert "vocals.wav: lies where its estimates go: give another output_path" in line
    assert path.read_bytes() == before


def test_several_files_are_separated_in_one_go_each_into_its_folder(weights, tmp_path, capsys):
    for folder, name, frames in (("a", "x.wav", 100), ("a", "y.flac", 200), ("b", "z.wav", 300)):
        (tmp_path / folder).mkdir(exist_ok=True)
        soundfile.write(tmp_path / folder / name, sound(frames, 2), 8000)
    (tmp_path / "a" / ".hidden").write_text("no audio")
    Predict.ex.run(
        config_updates={
            "input_path": [str(tmp_path / "a"), str(tmp_path / "b" / "z.wav")],
            "model_path": str(weights),
        },
        options={"--unobserved": True},
    )
    frames = {
        str(path.relative_to("separated")): soundfile.info(path).frames
        for path in Path("separated").rglob("*.wav")
    }
    lengths = {"x": 100, "y": 200, "z": 300}
    assert frames == {f"{name}/{s}.wav": lengths[name] for name in lengths for s in SOURCES}
    printed = capsys.readouterr().out.splitlines()
    assert sorted(printed) == sorted(f"separated/{name}" for name in frames)


@pytest.mark.parametrize(
    "names", [("a.mp3", "a.wav"), ("A.wav", "a.wav"), ("é.wav", "e\u0301.wav")]
)
def test_two_inputs_of_one_name_are_refused_before_either_is_separated(
    weights, tmp_path, capsys, names
):
    for name in names:
        soundfile.write(tmp_path / name, sound(500, 2), 44100)
    paths = [str(tmp_path / name) for name in names]
    line = refused(capsys, f"input_path={paths!r}", f"model_path={weights}")
    assert f"{paths[0]} and {paths[1]}: their estimates would go into one folder" in line
    assert not Path("separated").exists()


@pytest.mark.parametrize(
    ("entry", "said"),
    [("[]", "input_path is [], not a text"), ("none", "none: holds no file to separate")],
)
def test_no_input_is_said(weights, tmp_path, capsys, entry, said):
    (tmp_path / "none").mkdir()
    assert said in refused(capsys, f"input_path={entry}", f"model_path={weights}")


@pytest.mark.parametrize("name", ["song.flac", "song.m4a"])
def test_an_input_that_breaks_off_leaves_nothing(capsys, weights, tmp_path, name):
    """What is wrong shows when all before it is separated and half written."""
    path = tmp_path / name
    if path.suffix == ".m4a":
        encode(path, sound(400_000, 2), 44100, "aac")
    else:
        soundfile.write(path, sound(400_000, 2), 44100)
    content = bytearray(path.read_bytes())
    at = len(content) * 3 // 4
    content[at : at + 3000] = bytes(3000)
    path.write_bytes(content)
    line = refused(
        capsys, f"input_path={path}", f"model_path={weights}", f"output_path={tmp_path}/separated"
    )
    assert f"{path}: cannot be read as audio, or only in part" in line
    assert list((tmp_path / "separated").iterdir()) == []


def test_a_full_disk_is_one_line_and_leaves_nothing(capsys, weights, tmp_path):
    soundfile.write(tmp_path / "song.wav", sound(100_000, 2), 44100)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    try:
        line = refused(
            capsys,
            f"input_path={tmp_path}/song.wav",
            f"model_path={weights}",
            f"output_path={tmp_path}/separated",
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "separated/song: cannot be written (File too large): make room" in line
    assert list((tmp_path / "separated").iterdir()) == []


def test_weights_that_give_no_numbers_are_told_and_leave_nothing(tiny_specs, capsys, tmp_path):
    model = build(tiny_specs.model)
    model.get_layer("output_accompaniment_conv").bias.assign([np.nan, 0])
    save_weights(model, tiny_specs.model, tmp_path / "spoilt.safetensors")
    soundfile.write(tmp_path / "song.wav", sound(5000, 2), 8000)
    line = refused(
        capsys, f"input_path={tmp_path}/song.wav", f"model_path={tmp_path}/spoilt.safetensors"
    )
    assert "the estimates of accompaniment, vocals hold numbers that are not finite" in line
    assert "from sample 0 (0.00 s) on" in line
    assert list(Path("separated").iterdir()) == []


@pytest.mark.parametrize("passes", [1, 2])
@pytest.mark.parametrize("whole_song", [False, True])
def test_a_file_of_many_blocks_is_separated_as_in_one_piece(
    predict, weights, tmp_path, whole_song, passes
):
    samples = sound(700_000, 2)
    soundfile.write(tmp_path / "song.flac", samples, 44100, subtype="PCM_16")
    heard, _ = read_audio(tmp_path / "song.flac")
    with open_audio(tmp_path / "song.flac") as audio:
        assert len(list(audio.blocks)) > 4
    spec = stored_spec(weights)
    model = build(spec)
    load_weights(model, spec, weights)
    wanted = ready(model, spec, 16, passes, whole_song).separate(heard, 44100)
    estimates = predict(tmp_path / "song.flac", whole_song=whole_song, passes=passes)
    for source, (estimate, _) in enumerate(estimates):
        np.testing.assert_allclose(estimate, wanted[:, source], atol=1e-6)


@pytest.mark.parametrize("name", ["m.h5", "m.hdf5", "m.weights.h5", "m.keras", "m.pkl", "m.pt"])
def test_a_model_of_another_kind_is_refused_and_nothing_of_it_is_loaded(capsys, tmp_path, name):
    """A pickle that would make a file when loaded, under each name."""
    refused_unloaded(capsys, tmp_path, tmp_path / name, hostile_pickle(tmp_path))


@pytest.mark.parametrize("name", ["m.h5", "m.weights.h5", "m.safetensors"])
def test_hdf5_is_never_opened_so_that_no_link_in_it_leads_anywhere(
    capsys, tmp_path, monkeypatch, name
):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["weights"] = np.ones(3)
    path = tmp_path / name
    with h5py.File(path, "w") as file:
        file["layers"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/weights")
    (tmp_path / "m.json").write_text("{}")

    def opened(*args, **kwargs):
        raise AssertionError("an HDF5 file was opened")

    monkeypatch.setattr(h5py, "File", opened)
    soundfile.write(tmp_path / "song.wav", sound(500, 2), 8000)
    line = refused(capsys, f"input_path={tmp_path}/song.wav", f"model_path={path}")
    assert "is no weights file" in line or "m.json: is damaged" in line


def test_an_archive_and_a_saved_model_are_refused_likewise(capsys, tmp_path):
    np.savez(tmp_path / "m.npz", a=np.array([Hostile(tmp_path)], dtype=object))
    refused_unloaded(capsys, tmp_path, tmp_path / "m.npz", None)
    (tmp_path / "saved_model").mkdir()
    (tmp_path / "saved_model" / "saved_model.pb").write_bytes(b"\x08\x01")
    refused_unloaded(capsys, tmp_path, tmp_path / "saved_model", None)


def test_a_pickle_under_the_right_name_is_refused_by_its_content(capsys, tiny_specs, tmp_path):
    path = tmp_path / "m.safetensors"
    save_weights(build(tiny_specs.model), tiny_specs.model, path)
    path.write_bytes(hostile_pickle(tmp_path) * 2000)
    manifest = json.loads(path.with_suffix(".json").read_text())
    manifest["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix(".json").write_text(json.dumps(manifest))
    refused_unloaded(capsys, tmp_path, path, None)


class Hostile:
    """What makes a file when it is unpickled."""

    def __init__(self, folder):
        self.path = folder / "hacked"

    def __reduce__(self):
        return Path.touch, (self.path,)


def hostile_pickle(folder):
    content = pickle.dumps(Hostile(folder))
    pickle.loads(content)
    (folder / "hacked").unlink()  # so it does what it is for
    return content


def refused_unloaded(capsys, folder, path, content):
    if content is not None:
        path.write_bytes(content)
    soundfile.write(folder / "song.wav", sound(500, 2), 8000)
    line = refused(capsys, f"input_path={folder}/song.wav", f"model_path={path}")
    assert line.startswith(f"Predict.py: {path}: is ")
    assert not (folder / "hacked").exists()
    assert not Path("separated").exists()


HOUR = 3600 * 44100
# Beyond what separating ten seconds has needed. The hour's own samples, as floats, are 1.3 GB and
# its estimates 2.5 GB.
BOUND_MIB = 200
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
def roomy():
    """A folder for three gigabytes; in memory where there is enough, because a disk is slow."""
    memory = Path("/dev/shm")
    fits = memory.is_dir() and shutil.disk_usage(memory).free > 2**33
    with tempfile.TemporaryDirectory(dir=memory if fits else None) as folder:
        yield Path(folder)


def test_an_hour_of_stereo_is_separated_in_bounded_memory(tiny, roomy):
    """Two tones of so low a pitch that the tiny model's rate holds them: the difference output
    makes the sources add up to what went in, at every sample of the hour."""
    entries = {"num_layers": 1, "num_initial_filters": 1, "num_frames": 512, "sample_rate": 1000}
    spec = specs({**tiny, **entries, "filter_size": 3}, seed=1).model
    save_weights(build(spec), spec, roomy / "m.safetensors")
    phase = 2 * np.pi * np.arange(10 * 44100)[:, np.newaxis] * np.array([60, 83]) / 44100
    period = np.rint(0.3 * 32767 * np.sin(phase)).astype(np.int16)  # of ten seconds
    soundfile.write(roomy / "ten.wav", period, 44100)
    with soundfile.SoundFile(roomy / "hour.wav", "w", 44100, 2, "PCM_16") as file:
        for _ in range(HOUR // len(period)):
            file.write(period)
    subprocess.run(
        [sys.executable, "-c", CHILD]
        + [str(roomy / name) for name in ("ten.wav", "m.safetensors", "hour.wav")]
        + [str(BOUND_MIB)],
        check=True,
        cwd=roomy,
        env={**os.environ, "PYTHONPATH": str(Path(Predict.__file__).parent)},
    )
    total = 0
    with ExitStack() as stack:
        files = [
            stack.enter_context(soundfile.SoundFile(roomy / "separated" / "hour" / f"{source}.wav"))
            for source in SOURCES
        ]
        assert [(file.frames, file.channels, file.samplerate) for file in files] == [
            *[(HOUR, 2, 44100)] * 2,
        ]
        heard = (period / 32768).astype(np.float32)
        for _ in range(HOUR // len(period)):
            parts = [file.read(len(period), dtype="float32") for file in files]
            assert np.abs(parts[0]).max() > 0.01
            missed = np.abs(parts[0] + parts[1] - heard)
            edge = 10_000 if total in (0, HOUR - len(period)) else 0  # resampling rings at the ends
            assert missed[edge : len(period) - edge].max() < 1e-3
            total += len(period)
    assert total == HOUR
