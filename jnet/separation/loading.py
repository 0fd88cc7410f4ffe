"""Loading of trained weights as a separator of tracks; the manifest describes the model."""

from collections.abc import Callable
from pathlib import Path

from jnet.separation.streaming import TrackSeparator
from jnet.settings.computing import ComputingSettings
from jnet.settings.run import check_whole_track
from jnet.system.quiet_tensorflow import import_quietly
from jnet.weights.manifests import read_settings


def load_separator(
    path: Path,
    computing: ComputingSettings,
    passes: int = 1,
    whole_track: bool = False,
    before_loading: Callable[[], None] = lambda: None,
) -> TrackSeparator:
    """Load trained weights as a separator of tracks.

    Parameters
    ----------
    path : Path
        The weights file.
    computing : ComputingSettings
        The computation and the batch size.
    passes : int, optional
        Number of passes (J-Net, Section 2.3).
    whole_track : bool, optional
        Whether to separate a track as a single segment.
    before_loading : callable, optional
        Called after the manifest has been checked and before TensorFlow is imported.

    Returns
    -------
    TrackSeparator
        The separator.

    Raises
    ------
    WeightsError
        If the weights are missing or damaged.
    ConfigError
        If `whole_track` is True and the network has segments of fixed length.
    """
    settings = read_settings(path)
    check_whole_track("whole_track", whole_track, settings)
    before_loading()
    import_quietly()
    from jnet.separation.predictor import build_separator, use_one_thread_per_operation
    from jnet.weights.files import load_weights
    from Models.Build import build

    use_one_thread_per_operation(settings, whole_track)
    model = build(settings)
    load_weights(model, settings, path)
    return build_separator(model, settings, computing, passes, whole_track)
