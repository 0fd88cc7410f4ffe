"""Separate any audio file: `python Predict.py with input_path=song.mp3 model_path=…`."""

from pathlib import Path

from Experiments import JNetExperiment, text_entry
from Observers import check_writable
from Spec.Errors import ConfigError
from Spec.Scoring import whole_song as checked_whole_song
from Terminal import check_interrupted

ex = JNetExperiment("prediction", __file__)


@ex.config
def config():
    seed = 1  # changes nothing that is heard; kept with the record
    # A file that soundfile or ffmpeg's libraries can read, a folder of such, or a list of these.
    input_path = None
    model_path = None  # weights to separate with; their .json beside them says which model it is
    output_path = "separated"  # folder for <name of the input>/<source>.wav
    passes = 1  # passes of separation: every estimate goes through the network again
    whole_song = False  # a file as one long window: without context not what the papers did
    batch_size = 16  # windows at once; changes no sample
    overwrite = False  # whether estimates that are there already may be replaced


@ex.main
def predict(input_path, model_path, output_path, passes, whole_song, batch_size, overwrite):
    """Write a 32-bit float wav per source, of the length, rate and channels of the input."""
    given = input_path if isinstance(input_path, list | tuple) and input_path else [input_path]
    missing = "nothing to separate: give input_path=…"
    inputs = [Path(text_entry("input_path", one, missing)) for one in given]
    weights = Path(
        text_entry("model_path", model_path, "no weights: give model_path=….safetensors")
    )
    output = Path(text_entry("output_path", output_path, "give output_path=…"))
    for key, value in (("passes", passes), ("batch_size", batch_size)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigError(f"{key} is {value!r}: give a whole number of at least 1")
    from Evaluation.Separated import places, separate_file

    folders = places(inputs, output, overwrite)

    # TensorFlow takes seconds to import: not before the input is known to be audio.
    from Engine.Separation import keep_operations_whole, ready
    from Engine.Weights import load_weights, stored_spec
    from Models.Build import build

    spec = stored_spec(weights)
    long = checked_whole_song("whole_song", whole_song, spec.network)
    keep_operations_whole(spec, long)
    model = build(spec)
    load_weights(model, spec, weights)
    check_writable(output, "give another output_path")
    separator = ready(model, spec, batch_size, passes, long)
    for file, folder in folders.items():
        for path in separate_file(separator, file, folder, overwrite, check_interrupted):
            print(path)


if __name__ == "__main__":
    ex.run_commandline()
