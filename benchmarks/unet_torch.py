"""The Wave-U-Net of U1 in PyTorch, as a peer that `benchmarks/training.py` times.

`python benchmarks/unet_torch.py START.npz` trains from the weights, on the batch and at the
learning rate in the file: for each line it reads it takes one step and answers with a line: the
loss and the seconds, the clock's and the processor's. It needs PyTorch and NumPy, and nothing of
this repository.
"""

import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class WaveUNet(nn.Module):
    """The plain Wave-U-Net, *same* mode, difference output: [B, C, T] → [B, 2, C, T]."""

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

    def block(self, x, name: str):
        """A convolution and its LeakyReLU."""
        return functional.leaky_relu(self.convolutions[name](x), 0.2)

    def forward(self, mix):
        x, kept = mix, []
        for level in range(1, self.depth + 1):
            kept.append(self.block(x, f"encoder_{level:02d}_conv"))
            x = kept[-1][:, :, ::2]
        x = self.block(x, "bottleneck_conv")
        for level in range(self.depth, 0, -1):
            joined = torch.cat([kept.pop(), upsampled(x)], 1)
            x = self.block(joined, f"decoder_{level:02d}_conv")
        head = self.convolutions["output_accompaniment_conv"]
        estimate = torch.tanh(head(torch.cat([mix, x], 1)))
        return torch.stack([estimate, mix - estimate], 1)


def upsampled(x):
    """A midpoint after every sample, the last sample repeated: [B, C, T] → [B, C, 2 T]."""
    following = torch.cat([x[:, :, 1:], x[:, :, -1:]], 2)
    return torch.stack([x, (x + following) * 0.5], 3).flatten(2)


def main() -> None:
    """Step for every line of standard input."""
    with np.load(sys.argv[1], allow_pickle=False) as start:
        weights = {path: start[path] for path in start.files if "/" in path}
        sources = torch.from_numpy(start["sources"].transpose(0, 2, 3, 1).copy())  # [B, S, C, T]
        rate, threads = float(start["learning_rate"]), int(start["threads"])
    torch.set_num_threads(threads)
    kernels, biases = (
        {path.split("/")[0]: value for path, value in weights.items() if path.endswith(role)}
        for role in ("kernel", "bias")
    )
    model = WaveUNet(kernels, biases)
    optimizer = torch.optim.Adam(model.parameters(), rate, betas=(0.9, 0.999), eps=1e-8)
    mix = sources.sum(1)
    for _ in sys.stdin:
        began, worked = time.perf_counter(), time.process_time()
        optimizer.zero_grad()
        loss = torch.mean((model(mix) - sources) ** 2)
        loss.backward()
        optimizer.step()
        value = loss.item()
        print(value, time.perf_counter() - began, time.process_time() - worked, flush=True)


if __name__ == "__main__":
    main()
