"""Separate any audio file: `python Predict.py with input_path=song.mp3 model_path=…`."""

from pathlib import Path

from Experiments import JNetExperiment
from Spec.Errors import ConfigError

ex = JNetExperiment("prediction", __file__)


@ex.config
def config():
    seed = 1  # changes nothing that is heard; kept with the record
    input_path = None  # file to separate: anything soundfile or ffmpeg's libraries can read
    model_path = None  # weights to separate with; their .json beside them says which model it is
    output_path = "separated"  # folder for <name of the input>/<source>.wav
    batch_size = 16  # windows at once; changes no sample


@ex.main
def predict(input_path, model_path, output_path, batch_size):
    """Write a 32-bit float wav per source, of the length, rate and channels of the input."""
    if input_path is None or model_path is None:
        raise ConfigError("nothing to do: give input_path=… and model_path=….safetensors")
    from Input.Audio import read_audio

    mix, sample_rate = read_audio(Path(input_path))
    folder = Path(output_path) / Path(input_path).stem
    folder.mkdir(parents=True, exist_ok=True)

    # TensorFlow takes seconds to import: not before the input is known to be right.
    from Engine.Trainer import predictor
    from Engine.Weights import load_weights, stored_spec
    from Evaluation.Separate import Separator
    from Evaluation.Songs import write_estimates
    from Models.Build import build

    spec = stored_spec(Path(model_path))
    model = build(spec)
    load_weights(model, spec, Path(model_path))
    separator = Separator(predictor(model, spec), spec, batch_size)
    estimates = separator.separate(mix, sample_rate)
    for path in write_estimates(folder, estimates, spec.sources, sample_rate):
        print(path)


if __name__ == "__main__":
    ex.run_commandline()
