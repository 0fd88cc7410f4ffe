"""Length arithmetic of the separators: pure, whole numbers, one function per step.

In *same* mode a window goes out as long as it came in. In *context* mode convolutions are valid
and upsampling stays between neighbours, so a window needs more input than it gives output, and
the lengths follow from the features at the bottom (Wave-U-Net paper, Section 3.2.2).
"""

from Spec.Errors import ConfigError
from Spec.Model import ModelSpec

STFT_LENGTH, STFT_HOP = 1024, 768  # of the spectrogram U-Net, in frames (Jansson et al., 2017)
SPECTROGRAM_HALVINGS = 6  # levels of the spectrogram U-Net
# Entries that mean nothing to the spectrogram U-Net, and the config's own values of them.
ONLY_WAVE_U_NET = {
    "filter_size": 15,
    "merge_filter_size": 5,
    "upsampling": "linear",
    "output_type": "difference",
}


def input_frames(spec: ModelSpec) -> int:
    """Frames of mix that one window of the model takes in."""
    if spec.network == "unet_spectrogram":
        return spectrogram_frames(spec)
    if not spec.context:
        return spec.num_frames
    frames = frames_at_bottom(spec) + spec.filter_size - 1
    for level in range(spec.num_layers, 0, -1):
        frames = frames_before_level(frames, block_loss(spec, level, spec.filter_size))
    return frames


def output_frames(spec: ModelSpec) -> int:
    """Frames of every source that one window of the model gives out: `num_frames`, or the fewest
    above that the model can give."""
    if spec.network == "unet_spectrogram":
        return spectrogram_frames(spec)
    if not spec.context:
        return spec.num_frames
    frames = frames_at_bottom(spec)
    for level in range(spec.num_layers, 0, -1):
        frames = frames_upsampled(frames) - block_loss(spec, level, spec.merge_filter_size)
    return frames


def hop_frames(spec: ModelSpec) -> int:
    """Frames from one window of a song to the next: as many as windows give out, except that with
    context they are cut to a multiple of 2^L.

    Decimation and upsampling have a grid of 2^L frames; only windows that stand on one grid join
    without a seam, and give what one long window over the whole song would.
    """
    frames = output_frames(spec)
    return frames - frames % 2**spec.num_layers if spec.context else frames


def spectrogram_frames(spec: ModelSpec) -> int:
    """The fewest frames, `num_frames` or more, whose STFT can be halved six times."""
    step = 2**SPECTROGRAM_HALVINGS
    count = 1 + max(0, -(-(spec.num_frames - STFT_LENGTH) // STFT_HOP))
    return STFT_LENGTH + STFT_HOP * (-(-count // step) * step - 1)


def frames_at_bottom(spec: ModelSpec) -> int:
    """Fewest features below the deepest level from which the wanted frames can be made."""
    frames = spec.num_frames
    for level in range(1, spec.num_layers + 1):
        frames = frames_before_upsampling(frames + block_loss(spec, level, spec.merge_filter_size))
    return max(frames, 2)  # upsampling between neighbours needs two


def block_loss(spec: ModelSpec, level: int, width: int) -> int:
    """Frames that the valid convolutions of a level's block cost: a MultiRes block has two."""
    return (width - 1) * (2 if spec.block(level) == "multires" else 1)


def frames_before_level(after: int, loss: int) -> int:
    """Input frames of a level that leaves `after`: valid convolution, then every second frame."""
    return 2 * after - 1 + loss


def frames_upsampled(before: int) -> int:
    """Frames of `before` with a midpoint between neighbours."""
    return 2 * before - 1


def frames_before_upsampling(after: int) -> int:
    """Fewest frames whose upsampling has at least `after`."""
    return -(-(after + 1) // 2)


def check_lengths(spec: ModelSpec) -> None:
    """Refuse a model whose lengths do not fit together, saying which entry to change."""
    if spec.network == "unet_spectrogram":
        check_spectrogram(spec)
    elif spec.context:
        check_grid(spec)
        check_skips(spec)
    else:
        check_halvings(spec)


def check_halvings(spec: ModelSpec) -> None:
    """In *same* mode every level must halve evenly."""
    step = 2**spec.num_layers
    if spec.num_frames % step:
        fitting = max(step, round(spec.num_frames / step) * step)
        raise ConfigError(
            f"cfg.num_frames is {spec.num_frames}, which cfg.num_layers = {spec.num_layers} "
            f"halvings do not divide: give a multiple of {step}, such as {fitting}"
        )


def check_grid(spec: ModelSpec) -> None:
    """In *context* mode a window must give out at least one step of the decimation's grid."""
    if spec.num_frames < 2**spec.num_layers:
        raise ConfigError(
            f"cfg.num_frames is {spec.num_frames}: with cfg.context give at least "
            f"2**num_layers = {2**spec.num_layers}, so that windows join without a seam"
        )


def check_skips(spec: ModelSpec) -> None:
    """In *context* mode a skip must be at least as long as what it is put beside.

    Only a Res path can fail: its own valid convolutions shorten the skip.
    """
    down, up = input_frames(spec), frames_at_bottom(spec)
    skips = {}
    for level in range(1, spec.num_layers + 1):
        skips[level] = down - block_loss(spec, level, spec.filter_size)
        down = (skips[level] + 1) // 2
    for level in range(spec.num_layers, 0, -1):
        up = frames_upsampled(up)
        cost = spec.res_path_units * (spec.filter_size - 1)
        if spec.skip(level) == "res_path" and skips[level] - cost < up:
            raise ConfigError(
                f"cfg.res_path_units is {spec.res_path_units}: with cfg.context the Res path of "
                f"level {level} leaves {skips[level] - cost} frames where {up} are needed; give "
                f"fewer units or leave the deep levels out of cfg.res_path_levels"
            )
        up -= block_loss(spec, level, spec.merge_filter_size)


def check_spectrogram(spec: ModelSpec) -> None:
    """The spectrogram U-Net hears one channel, and has none of the Wave-U-Net's own additions."""
    if spec.num_channels != 1:
        raise ConfigError(
            f"cfg.num_channels is {spec.num_channels}: cfg.network = 'unet_spectrogram' is mono"
        )
    if spec.context or spec.res_path_levels or spec.multires_levels:
        raise ConfigError(
            "cfg.network = 'unet_spectrogram' has no cfg.context, cfg.res_path_units or "
            "cfg.multires_levels: they belong to 'unet'"
        )
    for key, default in ONLY_WAVE_U_NET.items():
        if getattr(spec, key) != default:
            raise ConfigError(
                f"cfg.{key} is {getattr(spec, key)!r}: cfg.network = 'unet_spectrogram' has no "
                f"such choice, leave it out"
            )
    if len(spec.skip_levels) != spec.num_layers:
        raise ConfigError(
            "cfg.skip_levels is not 'all': cfg.network = 'unet_spectrogram' keeps every skip"
        )


def receptive_field(spec: ModelSpec) -> int:
    """Input frames that one output frame can depend on, in a window long enough; of the
    spectrogram U-Net the whole window. One pass of separation."""
    if spec.network == "unet_spectrogram":
        return spectrogram_frames(spec)
    # How far a frame hears differs with where it stands on the grid of decimation.
    return max(frames_heard(position, spec) for position in range(2**spec.num_layers))


def reach_frames(spec: ModelSpec) -> int:
    """Input frames to either side of itself that an output frame of the Wave-U-Net can depend on,
    at most."""
    farthest = 0
    for position in range(2**spec.num_layers):
        first, last = span_heard(position, spec)
        farthest = max(farthest, position - first, last - position)
    return farthest


def frames_heard(position: int, spec: ModelSpec) -> int:
    """How many input frames the output frame at `position` can depend on."""
    first, last = span_heard(position, spec)
    return last - first + 1


def span_heard(position: int, spec: ModelSpec) -> tuple[int, int]:
    """The first and the last input that the output frame at `position` depends on, followed up
    the decoder, over the bottleneck and the Res paths, and down the encoder."""
    first = last = position
    paths = {}
    for level in range(1, spec.num_layers + 1):
        reach = block_loss(spec, level, spec.merge_filter_size) // 2
        first, last = first - reach, last + reach
        if spec.skip(level) == "res_path":
            reach = spec.res_path_units * (spec.filter_size - 1) // 2
            paths[level] = first - reach, last + reach
        first, last = first // 2, -(-last // 2)
    reach = (spec.filter_size - 1) // 2
    first, last = first - reach, last + reach
    for level in range(spec.num_layers, 0, -1):
        along = paths.get(level, (2 * first, 2 * last))
        first, last = min(2 * first, along[0]), max(2 * last, along[1])
        reach = block_loss(spec, level, spec.filter_size) // 2
        first, last = first - reach, last + reach
    return first, last
