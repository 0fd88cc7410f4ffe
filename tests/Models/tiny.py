"""Config entries of small models for tests."""

from Config import DEFAULTS
from Models.Entries import get_entries
from Models.WaveUnet.Settings import WaveUnetSettings

TINY = {
    **DEFAULTS,
    "num_layers": 3,
    "num_initial_filters": 4,
    "filter_size": 5,
    "merge_filter_size": 3,
    "num_frames": 64,
}


def as_spectrogram_unet(entries, **changes):
    """Return the entries of a small spectrogram U-Net on the data set of `entries`."""
    defaults = {
        declared.key: DEFAULTS[declared.key] for declared in get_entries(WaveUnetSettings).values()
    }
    data = {key: value for key, value in entries.items() if key not in defaults}
    small = {"network": "unet_spectrogram", "num_channels": 1, "num_initial_filters": 1}
    return {**defaults, "sample_rate": entries["sample_rate"], **data, **small, **changes}
