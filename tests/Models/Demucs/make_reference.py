"""Compute `reference.npz` with the original code of Demucs and PyTorch.

In an environment with `requirements-bench.txt`, `pip install --no-deps demucs==4.1.0 julius==0.2.8
einops==0.8.2`, then `python tests/Models/Demucs/make_reference.py`. The package has version 3 of
the network; with the arguments below, and without padding in the decoder, it is version 1 or 2.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
from demucs.demucs import Demucs

sys.path.insert(0, str(Path(__file__).parents[3]))
from tests.Models.Demucs.drawn import MODELS, SAMPLES, SHOWN, draw, draw_tensor, select

SOURCES = ["drums", "bass", "other", "vocals"]
LSTM_GAIN = 2  # weights of the LSTM are larger, so that its gates are not all near 1/2


class Version1(Demucs):
    """The network with the input length of versions 1 and 2, which depends on the context."""

    taps: int

    def valid_length(self, length):
        length *= 2 if self.resample else 1
        for _ in range(self.depth):
            length = max(1, math.ceil((length - self.kernel_size) / self.stride) + 1)
            length += self.taps - 1
        for _ in range(self.depth):
            length = (length - 1) * self.stride + self.kernel_size
        return math.ceil(length / 2) if self.resample else length


def build(entries: dict) -> Version1:
    """Build the network in float64."""
    taps = entries.get("decoder_context", 3)
    rewrite = entries.get("rewrite", "all") == "all"
    model = Version1(
        SOURCES,
        channels=4,
        growth=entries.get("growth", 2.0),
        depth=entries["num_layers"],
        rewrite=rewrite,
        lstm_layers=entries.get("lstm_layers", 2),
        kernel_size=entries.get("kernel_size", 8),
        stride=entries.get("stride", 4),
        context=taps // 2,
        gelu=False,
        glu=entries.get("glu", True),
        norm_starts=99,
        dconv_mode=0,
        normalize=False,
        resample=entries.get("resample", 1) == 2,
        rescale=0,
    )
    model.taps = taps if rewrite else 1
    if rewrite:
        for block in model.decoder:
            block[0].padding = (0,)
    return model.double()


def name_of_version_2(name: str) -> str:
    """Return the name in a state dict of version 2, whose blocks have no normalisation."""
    part, level, index, *rest = name.split(".")
    if part in ("encoder", "decoder") and index == "3":
        return ".".join((part, level, "2", *rest))
    return name


def scale_outputs(model: Version1, mix: torch.Tensor) -> dict[str, float]:
    """Divide the weights of each layer by the deviation of its output; return the divisors.

    At fresh weights the outputs of deep layers are so small that mistakes would not show.
    """
    divisors = {}

    def scale(layer, inputs, output):
        deviation = float(output.std())
        divisors[names[layer]] = deviation
        for weight in layer.parameters():
            weight.data /= deviation
        return output / deviation

    names = {
        layer: name
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Conv1d | torch.nn.ConvTranspose1d | torch.nn.Linear)
    }
    hooks = [layer.register_forward_hook(scale) for layer in names]
    with torch.no_grad():
        model(mix)
    for hook in hooks:
        hook.remove()
    return divisors


def compute(name: str, entries: dict) -> dict[str, np.ndarray]:
    """Return the arrays of one model."""
    model = build(entries)
    shapes = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    gain = {key: LSTM_GAIN if key.startswith("lstm.lstm") else 1 for key in shapes}
    drawn = {
        key: torch.tensor(gain[key] * draw_tensor(f"{name}/{name_of_version_2(key)}", shape))
        for key, shape in shapes.items()
    }
    torch.nn.Module.load_state_dict(model, drawn)
    mix = torch.tensor(draw(f"{name}/mix", (2, 2, SAMPLES)))
    divisors = scale_outputs(model, mix)
    sources = torch.tensor(draw(f"{name}/sources", (2, 4, 2, SAMPLES)))
    estimates = model(mix)
    loss = torch.nn.functional.l1_loss(estimates, sources)
    loss.backward()
    factors = {
        name_of_version_2(key): gain[key] / divisors.get(key.rpartition(".")[0], 1.0)
        for key in shapes
    }
    tensors = {name_of_version_2(key): shape for key, shape in shapes.items()}
    arrays = {
        "tensors": np.array(json.dumps(tensors)),
        "factors": np.array(json.dumps(factors)),
        "estimates": estimates.detach().numpy()[..., ::SHOWN],  # [B, S, C, T]
        "maximum": np.array(float(estimates.detach().abs().max())),
        "loss": np.array(float(loss.detach())),
    }
    for key, weight in model.named_parameters():
        arrays[f"gradient/{name_of_version_2(key)}"] = select(weight.grad.numpy())
    return {f"{name}/{key}": array for key, array in arrays.items()}


if __name__ == "__main__":
    torch.Tensor.float = torch.Tensor.double  # julius computes its filters in float32
    found = {}
    for key, entries in MODELS.items():
        found |= compute(key, entries)
    np.savez_compressed(Path(__file__).with_name("reference.npz"), **found)
