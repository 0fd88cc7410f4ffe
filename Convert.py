"""Convert original weights: `python Convert.py with cfg.M4 input_path=… output_path=…`."""

from jnet.system.programs import start_program

if __name__ == "__main__":
    start_program("Convert.py")  # before the other imports, which take time

from pathlib import Path

from Config import check_given_entries, config_ingredient, make_run_settings
from jnet.errors import ConfigError
from jnet.recording.experiment import JNetExperiment, read_text_entry
from jnet.system.files import check_writable
from Models.Entries import optional, switch, text

ex = JNetExperiment("conversion", __file__, [config_ingredient], check_given_entries)


@ex.config
def config():
    seed = 1  # has no effect on converted weights; recorded in their manifest
    # a PyTorch state dict, or a TensorFlow 1 checkpoint: its prefix, as in model-123, or a file
    input_path = None
    output_path = None  # weights file to write, .safetensors; its .json manifest is beside it
    licence = None  # licence of the weights, recorded in their manifest
    overwrite = False  # whether to replace existing weights


@ex.check("convert_weights")
def check_inputs(cfg, seed, input_path, output_path, licence, overwrite):
    """Check the entries, the input files and the output file."""
    path = Path(read_text_entry("input_path", input_path, "nothing to convert: give input_path=…"))
    output = Path(
        read_text_entry("output_path", output_path, "no output: give output_path=….safetensors")
    )
    optional(text)("licence", licence)
    switch("overwrite", overwrite)
    settings = make_run_settings(cfg, seed).model
    from jnet.conversion.sources import find_source
    from jnet.weights.manifests import SUFFIX, list_weights_files

    if output.suffix != SUFFIX:
        raise ConfigError(f"output_path is {str(output)!r}: give a file that ends in {SUFFIX}")
    for file in list_weights_files(output):
        if file.exists() and not overwrite:
            raise ConfigError(f"{file}: exists: give another output_path, or overwrite=True")
    source = find_source(path)
    check_writable(output.parent, "give another output_path")
    return source, output, settings


@ex.main
def convert_weights(inputs, licence):
    """Convert weights of the original Wave-U-Net or Demucs to a weights file and its manifest.

    `cfg` names the model. Adam's state is written beside the weights if the input has it.
    """
    source, output, settings = inputs
    from jnet.system.quiet_tensorflow import import_quietly

    import_quietly()
    from jnet.conversion.convert import convert

    for file in convert(source, output, settings, licence):
        print(file)
    if licence is None:
        print("note: the manifest names no licence of the weights: give licence=…")


if __name__ == "__main__":
    ex.run_commandline()
