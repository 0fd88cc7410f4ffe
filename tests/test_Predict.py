"""Predict: any audio file in; its length, rate and channels out; nothing written over."""

import re
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

import Predict
from Engine.Weights import save_weights
from Input.Audio import read_audio
from Models.Build import build

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
        ("output_path=/dev/null/x", "/dev/null/x/song: cannot be written to"),
        ("model_path=none.safetensors", "none.safetensors: there is no such weights file"),
    ],
)
def test_a_wrong_entry_is_named(capsys, weights, tmp_path, update, said):
    soundfile.write(tmp_path / "song.wav", sound(500, 2), 8000)
    updates = [f"input_path={tmp_path}/song.wav", f"model_path={weights}", update]
    assert said in refused(capsys, *updates)
