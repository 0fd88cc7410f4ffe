"""Write files with PyTorch for the tests, in the environment of `requirements-bench.txt`.

`python tests/jnet/conversion/make_torch_files.py` writes `demucs.th`, a state dict of a Demucs with
two levels and one channel, and `types.pt`, tensors of several types and strides.
"""

import sys
from collections import OrderedDict
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[3]))
from tests.jnet.conversion.states import TENSORS, draw_state

HERE = Path(__file__).parent

if __name__ == "__main__":
    state = OrderedDict((name, torch.tensor(value)) for name, value in draw_state().items())
    state._metadata = OrderedDict(version=1)  # as module.state_dict() has
    torch.save(state, HERE / "demucs.th")
    numbers = torch.tensor(TENSORS)
    torch.save(
        {
            "float32": numbers,
            "float64": numbers.double(),
            "float16": numbers.half(),
            "bfloat16": numbers.bfloat16(),
            "int64": numbers.long(),
            "transposed": numbers.T,
            "part": numbers[1:, 1:],
            "parameter": torch.nn.Parameter(numbers),
            "scalar": torch.tensor(3.0),
            "empty": torch.zeros(0, 3),
        },
        HERE / "types.pt",
    )
    torch.save(state, HERE / "legacy.th", _use_new_zipfile_serialization=False)
