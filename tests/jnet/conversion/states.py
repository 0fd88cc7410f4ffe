"""The tensors in the files that `make_torch_files.py` writes."""

import zlib

import numpy as np

TENSORS = [[1.0, 2.0, 3.0], [4.0, 5.0, -6.0]]
SHAPES = {
    "encoder.0.0.weight": (1, 2, 8),
    "encoder.0.0.bias": (1,),
    "encoder.0.2.weight": (2, 1, 1),
    "encoder.0.2.bias": (2,),
    "encoder.1.0.weight": (2, 1, 8),
    "encoder.1.0.bias": (2,),
    "encoder.1.2.weight": (4, 2, 1),
    "encoder.1.2.bias": (4,),
    "decoder.0.0.weight": (4, 2, 3),
    "decoder.0.0.bias": (4,),
    "decoder.0.2.weight": (2, 1, 8),
    "decoder.0.2.bias": (1,),
    "decoder.1.0.weight": (2, 1, 3),
    "decoder.1.0.bias": (2,),
    "decoder.1.2.weight": (1, 8, 8),
    "decoder.1.2.bias": (8,),
    "lstm.linear.weight": (2, 4),
    "lstm.linear.bias": (2,),
} | {
    f"lstm.lstm.{kind}_l{layer}{direction}": shape
    for layer in (0, 1)
    for direction in ("", "_reverse")
    for kind, shape in {
        "weight_ih": (8, 2 if layer == 0 else 4),
        "weight_hh": (8, 2),
        "bias_ih": (8,),
        "bias_hh": (8,),
    }.items()
}


def draw_state() -> dict[str, np.ndarray]:
    """Draw the tensors of the state dict, in float32."""
    drawn = {}
    for name, shape in SHAPES.items():
        random = np.random.Generator(np.random.Philox(key=zlib.crc32(name.encode())))
        drawn[name] = random.standard_normal(shape).astype(np.float32)
    return drawn
