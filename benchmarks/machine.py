"""The machine that a benchmark's figures were read on, for its JSON, and how fast it convolves."""

import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

TOLD = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")  # what decides how fast convolutions are


def machine(*packages: str) -> dict[str, str | int | list[str]]:
    """Processor, its instructions, cores, system, Python and the versions of `packages`."""
    facts = processor()
    flags = facts.get("flags", "").split()
    return {
        "processor": facts.get("model name", platform.processor()),
        "instructions": [flag for flag in TOLD if flag in flags],
        "cores": os.cpu_count() or 0,
        "system": platform.platform(),
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }


def processor() -> dict[str, str]:
    """What the system says of the processor, where it does."""
    said = Path("/proc/cpuinfo")
    lines = said.read_text(encoding="utf-8").splitlines() if said.exists() else []
    pairs = (line.partition(":") for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs}


def convolution() -> tuple[Callable[[], None], float]:
    """One large float32 convolution, and the floating-point operations in it."""
    import tensorflow as tf  # which scoring does without

    frames, channels, taps = 2048, 128, 15
    x = tf.random.normal((16, frames, channels))
    kernel = tf.random.normal((taps, channels, channels))
    convolve = tf.function(lambda: tf.nn.conv1d(x, kernel, 1, "SAME"), jit_compile=False)
    return lambda: convolve().numpy(), 2.0 * 16 * frames * channels**2 * taps
