"""Convert weights of the original implementations: `python Convert.py with input_path=… cfg.M4`."""

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
    input_path = None  # PyTorch state dict, or prefix of a TensorFlow 1 checkpoint
    output_path = None  # weights file to write, .safetensors; its manifest is beside it
    licence = None  # licence of the weights, for the manifest
    overwrite = False  # whether to replace existing weights


@ex.check("convert_weights")
def check_inputs(cfg, seed, input_path, output_path, licence, overwrite):
    """Check the entries and the output file."""
    from jnet.weights.manifests import SUFFIX

    missing = "nothing to convert: give input_path=…"
    path = Path(read_text_entry("input_path", input_path, missing))
    output = Path(
        read_text_entry("output_path", output_path, f"no output: give output_path=…{SUFFIX}")
    )
    if output.suffix != SUFFIX:
        raise ConfigError(f"output_path is {str(output)!r}: give a file that ends in {SUFFIX}")
    if output.exists() and not switch("overwrite", overwrite):
        raise ConfigError(f"{output}: exists: give another output_path or overwrite=True")
    check_writable(output.parent, "give another output_path")
    return path, output, make_run_settings(cfg, seed).model, optional(text)("licence", licence)


@ex.main
def convert_weights(checked):
    """Convert weights of the original Wave-U-Net or Demucs, without executing their files."""
    path, output, settings, licence = checked
    from jnet.system.quiet_tensorflow import import_quietly

    import_quietly()
    from jnet.conversion.convert import convert

    for file in convert(path, output, settings, licence):
        print(file)
    if licence is None:
        print("note: the manifest names no licence of the weights: give licence=…")


if __name__ == "__main__":
    ex.run_commandline()
