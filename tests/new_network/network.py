"""A network that is not part of the project: one convolution and a head per source.

`python -m tests.new_network.network SCRIPT.py …` registers the network and runs a script.
"""

import runpy
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from Models.Entries import SHAPE, entry, whole
from Models.Networks import NETWORKS
from Models.Settings import ModelSettings

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class OneLayerSettings(ModelSettings):
    """The settings; `filters` uses an existing entry of the config."""

    filters: int = entry(whole(at_least=1), affects=SHAPE, key="num_initial_filters")

    PARTS: ClassVar = ("encoder", "output")

    @property
    def input_samples(self) -> int:
        return self.num_frames

    output_samples = input_samples

    @property
    def receptive_field(self) -> int:
        return 9

    @property
    def least_weights(self) -> int:
        return 9 * self.num_channels * self.filters


NETWORKS["one_layer"] = (OneLayerSettings, "tests.new_network.graph")

if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    runpy.run_path(str(ROOT / sys.argv[0]), run_name="__main__")
