"""The config of all programs: flat entries, and the rows of the papers as named configs.

`python Training.py print_config with cfg.J1` shows it. `make_run_settings` checks all entries once
and returns frozen dataclasses; no other module uses the dictionary.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sacred import Ingredient
from sacred.config.config_dict import ConfigDict

from jnet.errors import ConfigError, suggest_nearest
from jnet.settings import run
from Models.Entries import (
    SHAPE,
    WEIGHTS,
    Effect,
    get_entries,
    keys_affecting,
    refuse_unused_entries,
    values_affecting,
)
from Models.Networks import NETWORKS, get_settings_class, make_model_settings

config_ingredient = Ingredient("cfg", save_git_info=False)


@config_ingredient.config
def cfg():
    task = "voice"  # what to separate: 'voice' (accompaniment, vocals) or 'multi_instrument'

    # the model (Wave-U-Net paper, Table 1; J-Net paper, Section 4)
    network = "unet"  # architecture: 'unet', the Wave-U-Net, 'unet_spectrogram' or 'demucs'
    num_layers = 10  # levels L; every level of a U-Net halves the time resolution
    num_initial_filters = 24  # channels of level 1; level i of the Wave-U-Net has i times as many
    filter_size = 15  # taps of the encoder's and the bottleneck's convolutions, odd
    merge_filter_size = 5  # taps of the decoder's convolutions, odd
    num_frames = 16384  # minimum output samples of a segment; without context divisible by 2**L
    context = False  # valid convolutions over extra input context instead of zero padding
    upsampling = "linear"  # how the decoder doubles its samples: 'linear' or 'learned'
    output_type = "difference"  # last source: 'difference' (mix − others) or 'direct' (own head)
    skip_levels = "all"  # skips kept: 'all', 'none', 'firstN', 'lastN' or a list; 1 is shallowest
    res_path_units = 0  # units of the Res path on a skip; 0: none
    res_path_levels = "all"  # skips with a Res path; values as for skip_levels
    multires_levels = "none"  # levels with MultiRes blocks; values as for skip_levels

    # Demucs (its ICLR 2020 submission, Section 3)
    kernel_size = 8  # taps of the strided convolutions
    stride = 4  # every level divides the time resolution by it
    growth = 2.0  # factor from the channels of a level to those of the next
    glu = True  # gated linear units; False: ReLU
    rewrite = "all"  # convolutions before the gates: 'all', 'decoder' (not the 1×1) or 'none'
    decoder_context = 3  # taps of the decoder's convolutions before the gates, odd
    lstm_layers = 2  # layers of the bidirectional LSTM; 0: no LSTM
    resample = 1  # 2: the network computes at twice the sample rate
    normalize = True  # normalise tracks by the mean and deviation of their mono mix
    rescale = 0.1  # reference deviation of the initial rescaling; None: no rescaling

    # the random initialisation (J-Net paper, Section 4)
    frozen = []  # parts kept random: encoder, bottleneck, skip, decoder, output; Demucs: lstm
    init = "glorot_uniform"  # he_normal, lecun_normal, orthogonal, normal, pytorch_uniform
    init_deviation = 0.05  # standard deviation of init = 'normal'

    # the audio
    sample_rate = 22050  # in Hz; tracks are resampled to it, estimates back
    num_channels = 2  # 2 stereo, 1 mono

    # the music
    dataset = "musdb18"  # 'musdb18' (stems or HQ), 'folder' (your own) or 'demo' (generated)
    musdb_path = None  # folder of MUSDB18 or MUSDB18-HQ; None: the variable MUSDB_PATH
    ccmixter_path = None  # folder of CCMixter, joins training; None: the variable CCMIXTER_PATH
    folder_path = None  # folder of your <partition>/<track>/<source>.wav (.flac, .mp3, .ogg, .m4a)
    demo_path = "data/demo"  # folder of the demo corpus, generated if missing
    store_path = "data/store"  # folder of the store, the prepared tracks
    num_validation_tracks = 25  # training tracks for validation, unless there is a 'valid' folder

    # training (J-Net paper, Section 3.2)
    batch_sizes = [16, 32, 32]  # excerpts per step, one entry per stage
    learning_rates = [1e-4, 1e-5, 1e-6]  # of Adam, one entry per stage
    epoch_steps = 2000  # steps between two validations
    patience = 15  # epochs without a better validation loss after which a stage ends
    max_epochs = None  # maximum epochs of a stage; None: no limit
    loss = "waveform"  # squared error; 'waveform_l1', absolute; 'magnitude' (unet_spectrogram only)
    train_passes = 1  # passes of separation in training; 2 is progressive learning
    identity_weight = 0.0  # weight of the identity loss, which maps clean sources to themselves
    precision = "float32"  # of training: float32, mixed_bfloat16, mixed_float16 (GPUs)
    init_from = None  # weights file with which training starts, with its optimizer state if any
    stage_start = "last"  # weights with which the next stage starts: 'last' or 'best'
    output_path = "experiments"  # folder for weights, checkpoints, curves and scores
    checkpoint_minutes = 10  # minutes between checkpoints within an epoch; None: only at its end
    deterministic = False  # bit-identical results on GPUs too, where this is slower

    # augmentation of the training excerpts; every draw depends on seed and step only
    gains = [0.7, 1.0]  # range of the random factor of every source
    flip_sign = False  # multiply every source by 1 or −1
    swap_channels = False  # exchange left and right of every source at random
    shift_seconds = 0.0  # every source begins up to this much later, at random
    remix_group = 1  # excerpts of a batch that exchange their sources; 1: no exchange

    # the machine
    computation = "fast"  # on a CPU: 'fast', fewer operations, or 'plain', the Keras graph
    eval_batch_size = 16  # segments at once in validation and separation; changes no result
    num_workers = 2  # tracks prepared or scored at once

    # scoring
    scorer = "bss_eval"  # BSS Eval v4 by this project, 'bss_eval', or by 'museval': same numbers
    passes = 1  # passes of separation: every estimate goes through the network again
    whole_track = False  # separate a track as one segment; without context differs from the papers
    save_estimates = False  # also write the separated tracks as audio


DEFAULTS: dict[str, Any] = dict(cfg())

# Entries that several models of the papers share.
RANDOM_ENCODER = {"frozen": ["encoder", "skip"]}
RANDOM_DECODER = {"frozen": ["decoder"]}
WAVE_U_NET: dict[str, Any] = {
    "batch_sizes": [16, 32],
    "learning_rates": [1e-4, 1e-5],
    "patience": 20,
}
AT_8_KHZ = {"sample_rate": 8192, "num_channels": 1, "num_frames": 98560, "batch_sizes": [4, 8]}

# Named configs: name to description and changed entries.
NAMED_CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {}


def add_config(name: str, description: str, entries: dict[str, Any]) -> dict[str, Any]:
    """Add a named config to the table and return its entries.

    Parameters
    ----------
    name : str
        Its name.
    description : str
        The table row or figure of the paper that it reproduces.
    entries : dict
        The entries that differ from the defaults.

    Returns
    -------
    dict
        `entries`.
    """
    NAMED_CONFIGS[name] = description, entries
    return entries


U1 = add_config(
    "U1", "J-Net, Tables 1 to 3, Fig. 2 and 3: the baseline, everything trained.", {"frozen": []}
)
for units in (2, 3):
    for skips in (5, 10):
        description = f"Res paths of {units} units on the {skips} shallowest skips"
        changes = {"res_path_units": units, "res_path_levels": f"first{skips}"}
        add_config(f"U2_{units}_{skips}", f"J-Net, Table 1, Fig. 2 and 3: {description}.", changes)
for levels in (5, 10):
    description = f"MultiRes blocks at the {levels} shallowest levels of both paths"
    add_config(
        f"U3_{levels}",
        f"J-Net, Table 1, Fig. 2 and 3: {description}.",
        {"multires_levels": f"first{levels}"},
    )
add_config(
    "U4",
    "J-Net, Tables 1 and 3, Fig. 2 and 3: progressive learning, the loss of two passes.",
    {"train_passes": 2},
)
add_config(
    "U5", "J-Net, Table 1, Fig. 2 and 3: U1 with the identity loss.", {"identity_weight": 1.0}
)
for name, (_, entries) in list(NAMED_CONFIGS.items()):
    description = f"{name} with a random encoder{' and Res paths' * ('res_path_units' in entries)}"
    add_config(f"J{name[1:]}", f"J-Net, Fig. 2 and 3: {description}.", entries | RANDOM_ENCODER)
for name in ("U1", "U4", "J4"):
    for passes in (1, 2, 3):
        where = "Fig. 2 and 3" if name == "J4" else "Table 3"
        description = f"J-Net, {where}: {name} evaluated with {passes} pass{'es' * (passes > 1)}."
        add_config(f"{name}_{passes}", description, NAMED_CONFIGS[name][1] | {"passes": passes})

L = add_config("L", "J-Net, Table 2: U1 with a random decoder, all skips.", RANDOM_DECODER)
for end, which in (("first3", "shallowest"), ("last3", "deepest")):
    description = f"J-Net, Table 2: L with only the three {which} skips."
    add_config(f"L_{end}", description, L | {"skip_levels": end})

M1 = WAVE_U_NET | {"num_layers": 12, "num_channels": 1, "output_type": "direct"}
add_config("M1", "Wave-U-Net, Table 2: twelve levels, mono, a head for every source.", M1)
M2 = M1 | {"output_type": "difference"}
add_config("M2", "Wave-U-Net, Table 2: M1 with the difference output.", M2)
M3 = add_config("M3", "Wave-U-Net, Table 2: M2 with input context.", M2 | {"context": True})
M4 = add_config("M4", "Wave-U-Net, Table 2: M3 in stereo, the best.", M3 | {"num_channels": 2})
M5 = M4 | {"upsampling": "learned"}
add_config("M5", "Wave-U-Net, Table 2: M4 with learned upsampling.", M5)
add_config("M6", "Wave-U-Net, Table 3: M4 for four instruments.", M4 | {"task": "multi_instrument"})
M7 = M3 | AT_8_KHZ | {"num_initial_filters": 34}
add_config("M7", "Wave-U-Net, Table 2: M3 at 8192 Hz, as large as U7.", M7)
U7 = WAVE_U_NET | AT_8_KHZ | {"network": "unet_spectrogram", "num_initial_filters": 16}
add_config("U7", "Wave-U-Net, Table 2: the spectrogram U-Net, trained on waveforms.", U7)
add_config("U7a", "Wave-U-Net, Table 2: U7 trained on magnitudes.", U7 | {"loss": "magnitude"})
description = "Wave-U-Net: M5 at 44.1 kHz, as distributed with the original code."
add_config("full_44KHz", description, M5 | {"sample_rate": 44100})

DEMUCS = {
    "network": "demucs",
    "task": "multi_instrument",
    "num_layers": 6,
    "num_initial_filters": 64,
    "sample_rate": 44100,
    "num_frames": 441000,
    "init": "pytorch_uniform",
    "loss": "waveform_l1",
    "gains": [1.0, 1.0],
    "flip_sign": True,
    "swap_channels": True,
    "shift_seconds": 1.0,
    "eval_batch_size": 4,
}
# An epoch has as many excerpts as the training tracks have seconds, about 18,000 (75 tracks).
SUBMISSION = DEMUCS | {
    "batch_sizes": [128],
    "learning_rates": [5e-4],
    "epoch_steps": 140,
    "max_epochs": 240,
    "patience": 240,
    "remix_group": 128,
}
where = "Demucs (ICLR 2020 submission)"
add_config("demucs", f"{where}, Tables 1 and 2: the reference.", SUBMISSION)
for name, part, frozen in (("J", "encoder", ["encoder"]), ("L", "decoder", ["decoder"])):
    add_config(
        f"{name}_demucs",
        f"Demucs: the reference with a random {part}.",
        SUBMISSION | {"frozen": frozen},
    )
description = "Demucs, version 1 of the original code: 100 channels."
DEMUCS_100 = SUBMISSION | {
    "num_initial_filters": 100,
    "batch_sizes": [64],
    "learning_rates": [3e-4],
    "epoch_steps": 560,
    "max_epochs": 120,
    "patience": 120,
    "remix_group": 4,
}
add_config("demucs100", description, DEMUCS_100)
for name, description, entries in (
    ("relu", "ReLU instead of gated linear units", {"glu": False}),
    (
        "depth12",
        "twelve levels with kernel 4 and stride 2, trained twice as long",
        {
            "num_layers": 12,
            "kernel_size": 4,
            "stride": 2,
            "growth": 2**0.5,
            "learning_rates": [1e-4],
            "max_epochs": 480,
            "patience": 480,
        },
    ),
    ("no_lstm", "no LSTM", {"lstm_layers": 0}),
    ("no_rescale", "no initial rescaling", {"rescale": None}),
    ("no_rewrite", "no 1×1 convolutions in the encoder", {"rewrite": "decoder"}),
    ("context1", "decoder convolutions with one tap", {"decoder_context": 1}),
    ("mse", "the squared error as loss", {"loss": "waveform"}),
):
    add_config(f"demucs_{name}", f"{where}, Table 2: {description}.", SUBMISSION | entries)
description = "A Demucs with 8 channels and excerpts of 2.5 s, without augmentation, for CPUs."
DEMUCS_SMALL = DEMUCS | {
    "num_initial_filters": 8,
    "num_frames": 110250,
    "batch_sizes": [4],
    "learning_rates": [1e-3],
    "epoch_steps": 250,
    "patience": 10,
    "flip_sign": False,
    "swap_channels": False,
    "shift_seconds": 0.0,
}
add_config("demucs_small", description, DEMUCS_SMALL)

DEMO = {
    "dataset": "demo",
    "num_layers": 8,
    "num_initial_filters": 8,
    "num_frames": 4096,
    "num_validation_tracks": 2,
    "batch_sizes": [8, 8],
    "learning_rates": [2e-3, 2e-4],
    "epoch_steps": 250,
    "patience": 2,
    "max_epochs": 4,
}
description = (
    "Any model in a small size, on generated tracks: `python Training.py with cfg.J1 cfg.demo`."
)
add_config("demo", description, DEMO)

# The names of the same models in the original code of the Wave-U-Net.
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
for name in (*NAMED_CONFIGS, *ORIGINAL_NAMES):
    description, entries = NAMED_CONFIGS[ORIGINAL_NAMES.get(name, name)]
    if name in ORIGINAL_NAMES:
        description = f"The same as cfg.{ORIGINAL_NAMES[name]}. {description}"
    config_ingredient.named_configs[name] = ConfigDict(entries)
    config_ingredient.named_configs[name].__doc__ = description  # print_named_configs shows it


def make_run_settings(entries: Mapping[str, Any], seed: int, model: Any = None) -> run.RunSettings:
    """Create the settings of a run and reject changed entries of other networks.

    Parameters
    ----------
    entries : Mapping[str, Any]
        The config.
    seed : int
        The seed of the run.
    model : ModelSettings, optional
        The settings of a model from a weights manifest. They replace the model entries of the
        config.

    Returns
    -------
    RunSettings
        The settings.

    Raises
    ------
    ConfigError
        If an entry is invalid, entries contradict each other, or a changed entry belongs to another
        network.
    """
    if model is None:
        refuse_foreign_entries(entries)
    return run.make_run_settings(entries, seed, model)


def check_given_entries(entries: Mapping[str, Any], given: Collection[str]) -> None:
    """Raise `ConfigError` for an entry that the user gave and that nothing uses.

    `entries` is the config, `given` has the names of the entries that the user gave, without those
    of named configs.
    """
    refuse_foreign_entries(entries, given)
    for settings in (get_settings_class(entries["network"]), *run.list_common_settings()):
        refuse_unused_entries(settings, entries, given)


def refuse_foreign_entries(entries: Mapping[str, Any], given: Collection[str] = ()) -> None:
    """Raise `ConfigError` for a changed or given entry that the network does not have.

    The values of `cfg.demo` do not count as changes, because it applies to all networks.
    """
    network_keys = keys_affecting(get_settings_class(entries["network"]), *Effect)
    all_keys = {
        key for settings, _ in NETWORKS.values() for key in keys_affecting(settings, *Effect)
    }
    for key in sorted(all_keys - network_keys):
        unchanged = entries[key] in (DEFAULTS[key], DEMO.get(key, DEFAULTS[key]))
        if key in given or not unchanged:
            raise ConfigError(
                f"cfg.{key} is {entries[key]!r}: cfg.network = {entries['network']!r} does not "
                f"have this entry, leave it out"
            )


def select_given_entries(
    entries: Mapping[str, Any], named_configs: Iterable[str]
) -> dict[str, Any]:
    """Return the model entries that the user gave, to compare them with those of trained weights.

    After a named config of a model these are all entries that affect weights, otherwise only those
    that differ from the defaults.
    """
    names_a_model = any(name != "cfg.demo" for name in named_configs)
    settings = make_model_settings(entries, seed=0)
    keys = {name: declared.key for name, declared in get_entries(settings).items()}
    return {
        name: value
        for name, value in values_affecting(settings, SHAPE, WEIGHTS).items()
        if names_a_model or entries[keys[name]] != DEFAULTS[keys[name]]
    }


@config_ingredient.config_hook
def refuse_unknown_entries(config, command_name, logger):
    """Reject unknown entries and invalid values before anything is loaded."""
    for key, value in config["cfg"].items():
        if not key:
            raise ConfigError(f"cfg is {value!r}: give its entries, such as cfg.task='voice'")
        if key not in DEFAULTS:
            raise ConfigError(f"cfg.{key} is not an entry: {suggest_nearest(key, DEFAULTS)}")
    make_run_settings(config["cfg"], seed=0)
    return {}
