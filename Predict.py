"""Separate audio files: `python Predict.py with input_path=track.mp3 model_path=…`."""

from jnet.system.programs import start_program

if __name__ == "__main__":
    start_program("Predict.py")  # before the other imports, which take time

from pathlib import Path

from jnet.recording.experiment import JNetExperiment, read_text_entry
from jnet.settings.computing import ComputingSettings
from jnet.system.files import check_writable
from jnet.system.signals import check_interrupted
from Models.Entries import switch, whole

ex = JNetExperiment("prediction", __file__)


@ex.config
def config():
    seed = 1  # has no effect on estimates; recorded only
    # audio file, folder of audio files, or a list of both; all formats of soundfile and FFmpeg
    input_path = None
    model_path = None  # weights file; its .json manifest describes the model
    output_path = "separated"  # folder for <name of the input>/<source>.wav
    passes = 1  # passes of separation: every estimate goes through the network again
    whole_track = False  # separate a file as one segment; without context differs from the papers
    batch_size = 16  # segments at once; does not change results
    overwrite = False  # whether to replace existing estimates


@ex.check("predict")
def check_inputs(input_path, model_path, output_path, passes, whole_track, batch_size, overwrite):
    """Check the entries, the weights' manifest, the input files and the output folder."""
    paths = input_path if isinstance(input_path, list | tuple) and input_path else [input_path]
    missing = "nothing to separate: give input_path=…"
    inputs = [Path(read_text_entry("input_path", path, missing)) for path in paths]
    weights = Path(
        read_text_entry("model_path", model_path, "no weights: give model_path=….safetensors")
    )
    output = Path(read_text_entry("output_path", output_path, "give output_path=…"))
    for key, value in (("passes", passes), ("batch_size", batch_size)):
        whole(at_least=1)(key, value)
    switch("whole_track", whole_track)
    from jnet.separation.files import plan_outputs
    from jnet.settings.run import check_whole_track
    from jnet.weights.manifests import read_settings

    folders = plan_outputs(inputs, output, overwrite)
    check_whole_track("whole_track", whole_track, read_settings(weights))
    check_writable(output, "give another output_path")
    return weights, folders


@ex.main
def predict(checked, passes, whole_track, batch_size, overwrite):
    """Separate the inputs and write one 32-bit float WAV file per source.

    Length, sample rate and number of channels are those of the input.
    """
    weights, folders = checked
    from jnet.separation.files import separate_file
    from jnet.separation.loading import load_separator

    computing = ComputingSettings("fast", batch_size, num_workers=1)
    separator = load_separator(weights, computing, passes, whole_track)
    for file, folder in folders.items():
        for path in separate_file(separator, file, folder, overwrite, check_interrupted):
            print(path)


if __name__ == "__main__":
    ex.run_commandline()
