"""The Wave-U-Net of U1 in PyTorch, which `benchmarks/training.py` times for comparison.

`python benchmarks/unet_torch.py START.npz PRECISION` runs on a CPU. START.npz has the arrays
`<layer>/…kernel` [taps, in, out], `<layer>/…bias` [out], `sources` [B, T, S, C] with the
accompaniment before the vocals, `learning_rate` and `threads`. PRECISION is `float32`, or
`bfloat16` for automatic mixed precision. For each line of standard input, whose content is ignored,
the program takes one training step and prints the loss, and the wall-clock time and the CPU time of
the step in seconds. It needs only PyTorch and NumPy, and imports nothing from this repository.
"""

import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

PRECISIONS = {"float32": False, "bfloat16": True}  # whether autocast is used


class WaveUNet(nn.Module):
    """The Wave-U-Net with zero padding and the vocals as mix minus accompaniment.

    It maps the mix [B, C, T] to estimates [B, 2, C, T] of accompaniment and vocals. `kernels`
    [taps, in, out] and `biases` [out] are those of the Keras layers, by name.
    """

    def __init__(self, kernels: dict[str, np.ndarray], biases: dict[str, np.ndarray]):
        super().__init__()
        self.depth = sum(name.startswith("encoder") for name in kernels)
        self.convolutions = nn.ModuleDict()
        for name, kernel in kernels.items():
            taps, inputs, filters = kernel.shape
            layer = nn.Conv1d(inputs, filters, taps, padding=taps // 2)
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(kernel.transpose(2, 1, 0).copy()))
                layer.bias.copy_(torch.from_numpy(biases[name]))
            self.convolutions[name] = layer

    def apply_block(self, x, name: str):
        """Apply the named convolution and LeakyReLU with slope 0.2."""
        return functional.leaky_relu(self.convolutions[name](x), 0.2)

    def forward(self, mix):
        x, kept = mix, []
        for level in range(1, self.depth + 1):
            kept.append(self.apply_block(x, f"encoder_{level:02d}_conv"))
            x = kept[-1][:, :, ::2]  # decimate
        x = self.apply_block(x, "bottleneck_conv")
        for level in range(self.depth, 0, -1):
            joined = torch.cat([kept.pop(), upsample(x)], 1)
            x = self.apply_block(joined, f"decoder_{level:02d}_conv")
        head = self.convolutions["output_accompaniment_conv"]
        estimate = torch.tanh(head(torch.cat([mix, x], 1)))
        return torch.stack([estimate, mix - estimate], 1)


def upsample(x):
    """Double the length by linear interpolation, repeating the last sample: → [B, C, 2 T]."""
    following = torch.cat([x[:, :, 1:], x[:, :, -1:]], 2)
    return torch.stack([x, (x + following) * 0.5], 3).flatten(2)


def main() -> None:
    """Take one training step for every line of standard input."""
    with np.load(sys.argv[1], allow_pickle=False) as start:
        weights = {path: start[path] for path in start.files if "/" in path}
        sources = torch.from_numpy(
            start["sources"].transpose(0, 2, 3, 1).copy()
        )  # [B, T, S, C] → [B, S, C, T]
        learning_rate, threads = float(start["learning_rate"]), int(start["threads"])
    torch.set_num_threads(threads)
    kernels, biases = (
        {path.split("/")[0]: value for path, value in weights.items() if path.endswith(role)}
        for role in ("kernel", "bias")
    )
    model = WaveUNet(kernels, biases)
    optimizer = torch.optim.Adam(model.parameters(), learning_rate, betas=(0.9, 0.999), eps=1e-8)
    mix, use_autocast = sources.sum(1), PRECISIONS[sys.argv[2]]
    for _ in sys.stdin:
        wall_start, cpu_start = time.perf_counter(), time.process_time()
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=use_autocast):
            loss = torch.mean((model(mix) - sources) ** 2)
        loss.backward()
        optimizer.step()
        value = loss.item()
        print(value, time.perf_counter() - wall_start, time.process_time() - cpu_start, flush=True)


if __name__ == "__main__":
    main()
