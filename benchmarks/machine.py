"""Facts about the machine for the JSON of a benchmark, and a convolution that shows its speed."""

import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

# Instruction sets that speed up convolutions.
REPORTED_INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def machine(*packages: str) -> dict[str, str | int | list[str]]:
    """Return the processor, its instruction sets, cores, system, Python and package versions."""
    facts = read_processor()
    flags = facts.get("flags", "").split()
    return {
        "processor": facts.get("model name", platform.processor()),
        "instructions": [flag for flag in REPORTED_INSTRUCTIONS if flag in flags],
        "cores": os.cpu_count() or 0,
        "system": platform.platform(),
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }


def read_processor() -> dict[str, str]:
    """Return the entries of /proc/cpuinfo, empty if the system does not have that file."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    pairs = (line.partition(":") for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs}


def convolution() -> tuple[Callable[[], None], float]:
    """Return a function that runs a large float32 convolution, and its number of operations."""
    import tensorflow as tf  # imported here because the scoring benchmark does not need it

    frames, channels, taps = 2048, 128, 15
    x = tf.random.normal((16, frames, channels))
    kernel = tf.random.normal((taps, channels, channels))
    convolve = tf.function(lambda: tf.nn.conv1d(x, kernel, 1, "SAME"), jit_compile=False)
    return lambda: convolve().numpy(), 2.0 * 16 * frames * channels**2 * taps
