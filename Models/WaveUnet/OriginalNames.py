"""The variables of the original code of the Wave-U-Net (TensorFlow 1) for our weights."""

from Models.Entries import ConfigError
from Models.Foreign import ForeignTensor
from Models.WaveUnet.Settings import WaveUnetSettings


def map_variables(settings: WaveUnetSettings) -> dict[str, ForeignTensor]:
    """Return the variable of the original code for each weight of the model, by its path.

    TensorFlow numbered the convolutions in the order in which the graph was built: encoder,
    bottleneck, decoder from the deepest level, outputs. Raises `ConfigError` for models that the
    original code does not have.
    """
    levels = range(1, settings.num_layers + 1)
    if any(
        settings.skip(level) != "direct" or level in settings.multires_levels for level in levels
    ):
        raise ConfigError(
            "the original Wave-U-Net has all skips and neither Res paths nor MultiRes blocks: give "
            "one of its models, such as cfg.M4"
        )
    heads = settings.sources[: -1 if settings.output_type == "difference" else None]
    layers = [
        *(f"encoder_{level:02d}_conv" for level in levels),
        "bottleneck_conv",
        *(f"decoder_{level:02d}_conv" for level in reversed(levels)),
        *(f"output_{source}_conv" for source in heads),
    ]
    variables = {}
    for number, layer in enumerate(layers):
        original = f"separator/conv1d_{number}" if number else "separator/conv1d"
        for weight in ("kernel", "bias"):
            variables[f"{layer}/{weight}"] = ForeignTensor((f"{original}/{weight}",))
    if settings.upsampling == "learned":
        for number, level in enumerate(reversed(levels)):
            path = f"decoder_{level:02d}_upsample/interpolation"
            variables[path] = ForeignTensor((f"separator/interp_{number}",))
    return variables
