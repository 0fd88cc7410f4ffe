"""Separate any audio file: `python Predict.py with input_path=song.mp3 model_path=…`."""

from pathlib import Path

from Experiments import JNetExperiment, text_entry
from Observers import check_writable
from Spec.Errors import ConfigError

ex = JNetExperiment("prediction", __file__)


@ex.config
def config():
    seed = 1  # changes nothing that is heard; kept with the record
    input_path = None  # file to separate: anything soundfile or ffmpeg's libraries can read
    model_path = None  # weights to separate with; their .json beside them says which model it is
    output_path = "separated"  # folder for <name of the input>/<source>.wav
    passes = 1  # passes of separation: every estimate goes through the network again
    batch_size = 16  # windows at once; changes no sample
    overwrite = False  # whether estimates that are there already may be replaced


@ex.main
def predict(input_path, model_path, output_path, passes, batch_size, overwrite):
    """Write a 32-bit float wav per source, of the length, rate and channels of the input."""
    song = Path(text_entry("input_path", input_path, "nothing to separate: give input_path=…"))
    weights = Path(
        text_entry("model_path", model_path, "no weights: give model_path=….safetensors")
    )
    folder = Path(text_entry("output_path", output_path, "give output_path=…")) / song.stem
    for key, value in (("passes", passes), ("batch_size", batch_size)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigError(f"{key} is {value!r}: give a whole number of at least 1")
    if not overwrite and any(folder.glob("*.wav")):
        raise ConfigError(
            f"{folder}: holds estimates already: give another output_path, or overwrite=True"
        )
    from Input.Audio import read_audio

    mix, sample_rate = read_audio(song)

    # TensorFlow takes seconds to import: not before the input is known to be right.
    from Engine.Trainer import predictor
    from Engine.Weights import load_weights, stored_spec
    from Evaluation.Separate import Separator
    from Evaluation.Songs import write_estimates
    from Models.Build import build

    spec = stored_spec(weights)
    model = build(spec)
    load_weights(model, spec, weights)
    check_writable(folder, "give another output_path")
    separator = Separator(predictor(model, spec), spec, batch_size, passes)
    estimates = separator.separate(mix, sample_rate)
    for path in write_estimates(folder, estimates, spec.sources, sample_rate):
        print(path)


if __name__ == "__main__":
    ex.run_commandline()
