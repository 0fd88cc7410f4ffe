"""The entries of a small Wave-U-Net, which tests of models change."""

from Config import DEFAULTS

TINY = {
    **DEFAULTS,
    "num_layers": 3,
    "num_initial_filters": 4,
    "filter_size": 5,
    "merge_filter_size": 3,
    "num_frames": 64,
}
