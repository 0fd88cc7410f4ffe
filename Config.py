"""The config of every program: flat entries with a comment each, and the papers' rows by name.

`python Training.py print_config with cfg.J1` shows it. `Spec.Run.specs` checks all of it once and
gives frozen dataclasses; nothing below sees the dictionary.
"""

from typing import Any

from sacred import Ingredient

from Spec.Errors import ConfigError, nearest
from Spec.Run import specs

config_ingredient = Ingredient("cfg", save_git_info=False)


@config_ingredient.config
def cfg():
    task = "voice"  # what to separate: 'voice' (accompaniment, vocals) or 'multi_instrument'

    # the separator (Wave-U-Net paper, Table 1; J-Net paper, Section 4)
    network = "unet"  # architecture: 'unet', the Wave-U-Net, or 'unet_spectrogram'
    num_layers = 10  # levels L; every level halves the time resolution
    num_initial_filters = 24  # channels of level 1; level i has i times as many
    filter_size = 15  # taps of the encoder's and the bottleneck's convolutions, odd
    merge_filter_size = 5  # taps of the decoder's convolutions, odd
    num_frames = 16384  # frames a window gives out, at least; 2**num_layers must divide them
    context = False  # valid convolutions over extra input context instead of zero padding
    upsampling = "linear"  # how the decoder doubles its frames: 'linear' or 'learned'
    output_type = "difference"  # last source: 'difference' of mix and others, or its own, 'direct'
    skip_levels = "all"  # skips kept: 'all', 'none', 'firstN', 'lastN' or a list; 1 is shallowest
    res_path_units = 0  # units of the Res path on a skip; 0: none
    res_path_levels = "all"  # skips that have a Res path, written as skip_levels are
    multires_levels = "none"  # levels with a MultiRes block in both paths, written likewise

    # the random start (J-Net paper, Section 4)
    frozen = []  # parts left at their random start: encoder, skip, decoder, bottleneck, output
    init = "glorot_uniform"  # or 'he_normal', 'lecun_normal', 'orthogonal', 'normal'
    init_deviation = 0.05  # standard deviation of init = 'normal'

    # the audio the separator hears
    sample_rate = 22050  # in Hz; songs are resampled to it, estimates back
    num_channels = 2  # 2 stereo, 1 mono

    # the music
    dataset = "musdb18"  # 'musdb18' (stems or HQ), 'folder' (your own) or 'demo' (generated)
    musdb_path = None  # folder of MUSDB18 or MUSDB18-HQ; None: the variable MUSDB_PATH
    ccmixter_path = None  # folder of CCMixter, joins training; None: the variable CCMIXTER_PATH
    folder_path = None  # your own <partition>/<song>/<source>.wav
    demo_path = "data/demo"  # where the demo corpus is, or will be generated
    store_path = "data/store"  # where prepared songs are kept
    num_validation_songs = 25  # training songs held out, unless the data has a 'valid' partition
    num_workers = 2  # songs prepared or scored at once

    # training (J-Net paper, Section 3.2)
    batch_sizes = [16, 32, 32]  # snippets a step, one entry for every stage
    learning_rates = [1e-4, 1e-5, 1e-6]  # Adam's, one entry for every stage
    epoch_steps = 2000  # steps between two validations
    patience = 15  # epochs without a better validation loss that end a stage
    max_epochs = None  # epochs that end a stage even while it improves; None: no limit
    loss = "waveform"  # 'waveform', squared error; 'magnitude', absolute (unet_spectrogram alone)
    train_passes = 1  # passes of separation in training; 2 is progressive learning
    identity_weight = 0.0  # of the identity loss: each clean source must come out as itself
    precision = "float32"  # computed in training: float32, mixed_bfloat16, mixed_float16 (GPUs)
    stage_start = "last"  # weights a stage goes on from: 'last' or 'best'
    eval_batch_size = 16  # windows at once in validation and separation; changes no result
    output_path = "experiments"  # weights, checkpoints, curves and scores of every training
    checkpoint_minutes = 10  # between two checkpoints within an epoch; None: at its end alone
    deterministic = False  # the same bits every time on a GPU too, where that is slower

    # scoring
    scorer = "bss_eval"  # BSS Eval v4 by this project, 'bss_eval', or by 'museval': same numbers
    passes = 1  # passes of separation: every estimate goes through the network again
    whole_song = False  # a song as one long window: without context not what the papers did
    save_estimates = False  # also write the separated songs as audio


@config_ingredient.named_config
def U1():
    """J-Net, Tables 1 to 3: the baseline, everything trained. `python Training.py with cfg.U1`."""
    frozen = []


@config_ingredient.named_config
def U1_1():
    """J-Net, Table 3: U1 evaluated with one pass."""
    passes = 1


@config_ingredient.named_config
def U1_2():
    """J-Net, Table 3: U1 evaluated with two passes."""
    passes = 2


@config_ingredient.named_config
def U1_3():
    """J-Net, Table 3: U1 evaluated with three passes."""
    passes = 3


@config_ingredient.named_config
def J1():
    """J-Net, Fig. 2 and 3: U1 with a random encoder. `python Training.py with cfg.J1`."""
    frozen = ["encoder", "skip"]


@config_ingredient.named_config
def U2_2_5():
    """J-Net, Fig. 2 and 3: Res paths of two units on the five shallowest skips."""
    res_path_units = 2
    res_path_levels = "first5"


@config_ingredient.named_config
def U2_2_10():
    """J-Net, Table 1 and Fig. 2: Res paths of two units on all ten skips."""
    res_path_units = 2
    res_path_levels = "first10"


@config_ingredient.named_config
def U2_3_5():
    """J-Net, Fig. 2 and 3: Res paths of three units on the five shallowest skips."""
    res_path_units = 3
    res_path_levels = "first5"


@config_ingredient.named_config
def U2_3_10():
    """J-Net, Fig. 2 and 3: Res paths of three units on all ten skips."""
    res_path_units = 3
    res_path_levels = "first10"


@config_ingredient.named_config
def J2_2_5():
    """J-Net, Fig. 2 and 3: U2_2_5 with random encoder and Res paths."""
    res_path_units = 2
    res_path_levels = "first5"
    frozen = ["encoder", "skip"]


@config_ingredient.named_config
def J2_2_10():
    """J-Net, Fig. 2 and 3: U2_2_10 with random encoder and Res paths."""
    res_path_units = 2
    res_path_levels = "first10"
    frozen = ["encoder", "skip"]


@config_ingredient.named_config
def J2_3_5():
    """J-Net, Fig. 2 and 3: U2_3_5 with random encoder and Res paths."""
    res_path_units = 3
    res_path_levels = "first5"
    frozen = ["encoder", "skip"]


@config_ingredient.named_config
def J2_3_10():
    """J-Net, Fig. 2 and 3: U2_3_10 with random encoder and Res paths."""
    res_path_units = 3
    res_path_levels = "first10"
    frozen = ["encoder", "skip"]


@config_ingredient.named_config
def U3_5():
    """J-Net, Fig. 2 and 3: MultiRes blocks at the five shallowest levels of both paths."""
    multires_levels = "first5"


@config_ingredient.named_config
def U3_10():
    """J-Net, Table 1 and Fig. 2: MultiRes blocks at all ten levels of both paths."""
    multires_levels = "first10"


@config_ingredient.named_config
def J3_5():
    """J-Net, Fig. 2 and 3: U3_5 with a random encoder."""
    multires_levels = "first5"
    frozen = ["encoder", "skip"]


@config_ingredient.named_config
def J3_10():
    """J-Net, Fig. 2 and 3: U3_10 with a random encoder."""
    multires_levels = "first10"
    frozen = ["encoder", "skip"]


@config_ingredient.named_config
def U4():
    """J-Net, Table 3: progressive learning, both passes held against the sources."""
    train_passes = 2


@config_ingredient.named_config
def U4_1():
    """J-Net, Table 3: U4 evaluated with one pass."""
    train_passes = 2
    passes = 1


@config_ingredient.named_config
def U4_2():
    """J-Net, Table 3: U4 evaluated with two passes."""
    train_passes = 2
    passes = 2


@config_ingredient.named_config
def U4_3():
    """J-Net, Table 3: U4 evaluated with three passes."""
    train_passes = 2
    passes = 3


@config_ingredient.named_config
def J4():
    """J-Net, Fig. 2 and 3: U4 with a random encoder."""
    train_passes = 2
    frozen = ["encoder", "skip"]


@config_ingredient.named_config
def J4_1():
    """J-Net, Fig. 2 and 3: J4 evaluated with one pass."""
    train_passes = 2
    passes = 1
    frozen = ["encoder", "skip"]


@config_ingredient.named_config
def J4_2():
    """J-Net, Fig. 2 and 3: J4 evaluated with two passes."""
    train_passes = 2
    passes = 2
    frozen = ["encoder", "skip"]


@config_ingredient.named_config
def J4_3():
    """J-Net, Fig. 2 and 3: J4 evaluated with three passes."""
    train_passes = 2
    passes = 3
    frozen = ["encoder", "skip"]


@config_ingredient.named_config
def U5():
    """J-Net, Table 1 and Fig. 2: U1 with the identity loss."""
    identity_weight = 1.0


@config_ingredient.named_config
def J5():
    """J-Net, Fig. 2 and 3: U5 with a random encoder."""
    identity_weight = 1.0
    frozen = ["encoder", "skip"]


@config_ingredient.named_config
def L():
    """J-Net, Table 2: U1 with a random decoder, all skips. `python Training.py with cfg.L`."""
    frozen = ["decoder"]


@config_ingredient.named_config
def L_first3():
    """J-Net, Table 2: L with only the three shallowest skips."""
    frozen = ["decoder"]
    skip_levels = "first3"


@config_ingredient.named_config
def L_last3():
    """J-Net, Table 2: L with only the three deepest skips."""
    frozen = ["decoder"]
    skip_levels = "last3"


@config_ingredient.named_config
def M1():
    """Wave-U-Net, Table 2: twelve levels, mono, a head for every source."""
    num_layers = 12
    batch_sizes = [16, 32]
    learning_rates = [1e-4, 1e-5]
    patience = 20
    num_channels = 1
    output_type = "direct"


@config_ingredient.named_config
def M2():
    """Wave-U-Net, Table 2: M1 with the difference output."""
    num_layers = 12
    batch_sizes = [16, 32]
    learning_rates = [1e-4, 1e-5]
    patience = 20
    num_channels = 1


@config_ingredient.named_config
def M3():
    """Wave-U-Net, Table 2: M2 with input context."""
    num_layers = 12
    batch_sizes = [16, 32]
    learning_rates = [1e-4, 1e-5]
    patience = 20
    num_channels = 1
    context = True


@config_ingredient.named_config
def M4():
    """Wave-U-Net, Table 2: M3 in stereo, their best."""
    num_layers = 12
    batch_sizes = [16, 32]
    learning_rates = [1e-4, 1e-5]
    patience = 20
    context = True


@config_ingredient.named_config
def M5():
    """Wave-U-Net, Table 2: M4 with learned upsampling."""
    num_layers = 12
    batch_sizes = [16, 32]
    learning_rates = [1e-4, 1e-5]
    patience = 20
    context = True
    upsampling = "learned"


@config_ingredient.named_config
def M6():
    """Wave-U-Net, Table 3: M4 for four instruments."""
    task = "multi_instrument"
    num_layers = 12
    batch_sizes = [16, 32]
    learning_rates = [1e-4, 1e-5]
    patience = 20
    context = True


@config_ingredient.named_config
def M7():
    """Wave-U-Net, Table 2: M3 at 8192 Hz and the size of U7, to compare."""
    num_layers = 12
    num_initial_filters = 34
    num_frames = 98560
    sample_rate = 8192
    num_channels = 1
    context = True
    batch_sizes = [4, 8]
    learning_rates = [1e-4, 1e-5]
    patience = 20


@config_ingredient.named_config
def U7():
    """Wave-U-Net, Table 2: the spectrogram U-Net, trained on waveforms."""
    network = "unet_spectrogram"
    num_initial_filters = 16
    num_frames = 98560
    sample_rate = 8192
    num_channels = 1
    batch_sizes = [4, 8]
    learning_rates = [1e-4, 1e-5]
    patience = 20


@config_ingredient.named_config
def U7a():
    """Wave-U-Net, Table 2: U7 trained on magnitudes."""
    network = "unet_spectrogram"
    num_initial_filters = 16
    num_frames = 98560
    sample_rate = 8192
    num_channels = 1
    batch_sizes = [4, 8]
    learning_rates = [1e-4, 1e-5]
    patience = 20
    loss = "magnitude"


@config_ingredient.named_config
def full_44KHz():
    """Wave-U-Net: M5 at 44.1 kHz, as offered with the original code."""
    num_layers = 12
    batch_sizes = [16, 32]
    learning_rates = [1e-4, 1e-5]
    patience = 20
    context = True
    upsampling = "learned"
    sample_rate = 44100


@config_ingredient.named_config
def demo():
    """Any model, small, on the generated songs: `python Training.py with cfg.J1 cfg.demo`."""
    dataset = "demo"
    num_layers = 8
    num_initial_filters = 8
    num_frames = 4096
    num_validation_songs = 2
    batch_sizes = [8, 8]
    learning_rates = [2e-3, 2e-4]
    epoch_steps = 250
    patience = 2
    max_epochs = 4


# The names that the original code of the Wave-U-Net has for the same models.
ORIGINAL_NAMES = {
    "baseline": "M1",
    "baseline_diff": "M2",
    "baseline_context": "M3",
    "baseline_stereo": "M4",
    "full": "M5",
    "full_multi_instrument": "M6",
    "baseline_comparison": "M7",
    "unet_spectrogram": "U7",
    "unet_spectrogram_l1": "U7a",
}
for original, name in ORIGINAL_NAMES.items():
    config_ingredient.named_configs[original] = config_ingredient.named_configs[name]


DEFAULTS: dict[str, Any] = dict(cfg())


@config_ingredient.config_hook
def refuse_unknown_entries(config, command_name, logger):
    """Stop at a mistyped entry or an impossible value, before anything is loaded."""
    entries = {key: value for key, value in config["cfg"].items() if key != "__doc__"}
    for key in entries:
        if key not in DEFAULTS:
            raise ConfigError(f"cfg.{key} is not an entry: {nearest(key, DEFAULTS)}")
    specs(entries, seed=0)
    return {}
