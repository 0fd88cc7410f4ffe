"""Make the files of `torch.save` for the tests, and the values of their tensors as `tensors.npz`.

In an environment with PyTorch (`requirements-bench.txt`):
`python tests/jnet/conversion/make_torch_files.py`. The networks have the names and layouts of
Demucs, version 2, with two levels and two channels.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn

FOLDER = Path(__file__).parent


class Blstm(nn.Module):
    """The recurrent part, for its names."""

    def __init__(self, channels):
        super().__init__()
        self.lstm = nn.LSTM(channels, channels, num_layers=2, bidirectional=True)
        self.linear = nn.Linear(2 * channels, channels)


class TinyDemucs(nn.Module):
    """The layers with weights of a Demucs with two levels, under the names of version 2."""

    def __init__(self, channels=2, sources=4, audio_channels=2):
        super().__init__()
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        below = audio_channels
        for level in range(2):
            width = channels * 2**level
            rewrite = nn.Conv1d(width, 2 * width, 1)
            self.encoder.append(
                nn.Sequential(nn.Conv1d(below, width, 8, 4), nn.ReLU(), rewrite, nn.GLU(1))
            )
            out = below if level else sources * audio_channels
            rewrite = nn.Conv1d(width, 2 * width, 3)
            transposed = nn.ConvTranspose1d(width, out, 8, 4)
            self.decoder.insert(0, nn.Sequential(rewrite, nn.GLU(1), transposed, nn.ReLU()))
            below = width
        self.lstm = Blstm(below)


class Empty(nn.Module):
    """A module whose file contains a class and no tensors."""


def main() -> None:
    """Write all files beside this script."""
    torch.manual_seed(0)
    state = TinyDemucs().state_dict()
    torch.save(state, FOLDER / "demucs.th")
    torch.save(state, FOLDER / "demucs_legacy.th", _use_new_zipfile_serialization=False)
    torch.save(Empty(), FOLDER / "class.th")
    torch.save(Empty(), FOLDER / "class_legacy.th", _use_new_zipfile_serialization=False)
    base = torch.randn(3, 4)
    mixed = {
        "double": torch.randn(2, 3, dtype=torch.float64),
        "half": torch.randn(5).half(),
        "bfloat16": torch.randn(2, 2).bfloat16(),
        "long": torch.tensor(2**40),
        "transposed": base.T[1:],  # a view with strides and an offset
        "shared": base[1],
        "empty": torch.zeros(0, 3),
    }
    torch.save(mixed, FOLDER / "types.th")
    torch.save(mixed, FOLDER / "types_legacy.th", _use_new_zipfile_serialization=False)
    tensors = {**state, **mixed}
    arrays = {
        name: (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
        for name, tensor in tensors.items()
    }
    np.savez_compressed(FOLDER / "tensors.npz", **arrays)


if __name__ == "__main__":
    main()
