"""The config of every program: flat entries with a comment each, and the papers' rows by name.

`python Training.py print_config with cfg.J1` shows it. `specs()` checks all of it once and gives
frozen dataclasses; nothing below sees the dictionary.
"""

import os
from dataclasses import dataclass
from typing import Any

from sacred import Ingredient

from Spec.Data import DataSpec, data_spec
from Spec.Errors import ConfigError, nearest
from Spec.Model import ModelSpec, model_spec
from Spec.Scoring import ScoringSpec, scoring_spec
from Spec.Training import TrainingSpec, training_spec

config_ingredient = Ingredient("cfg", save_git_info=False)


@config_ingredient.config
def cfg():
    task = "voice"  # what to separate: 'voice' (accompaniment, vocals) or 'multi_instrument'

    # the separator (Wave-U-Net paper, Table 1; J-Net paper, Section 4)
    network = "unet"  # architecture: 'unet', the Wave-U-Net
    num_layers = 10  # levels L; every level halves the time resolution
    num_initial_filters = 24  # channels of level 1; level i has i times as many
    filter_size = 15  # taps of the encoder's and the bottleneck's convolutions, odd
    merge_filter_size = 5  # taps of the decoder's convolutions, odd
    num_frames = 16384  # frames of a snippet, in and out, a multiple of 2**num_layers
    upsampling = "linear"  # how the decoder doubles its frames: 'linear', midpoints
    output_type = "difference"  # the last source is 'difference' of the mix and the others
    skip_levels = "all"  # skips kept: 'all', 'none', 'firstN', 'lastN' or a list; 1 is shallowest
    frozen = []  # parts left at their random start: encoder, skip, decoder, bottleneck, output

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
    stage_start = "last"  # weights a stage goes on from: 'last' or 'best'
    eval_batch_size = 16  # windows at once in validation and separation; changes no result
    output_path = "experiments"  # weights, curves and scores of every training

    # scoring
    save_estimates = False  # also write the separated songs as audio


@config_ingredient.named_config
def U1():
    """J-Net, Tables 1 to 3: the baseline, everything trained. `python Training.py with cfg.U1`."""
    frozen = []


@config_ingredient.named_config
def J1():
    """J-Net, Fig. 2 and 3: U1 with a random encoder. `python Training.py with cfg.J1`."""
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
def demo():
    """Any model, small, on the generated songs: `python Training.py with cfg.J1 cfg.demo`."""
    dataset = "demo"
    num_initial_filters = 8
    num_validation_songs = 2
    batch_sizes = [8, 8]
    learning_rates = [2e-3, 4e-4]
    epoch_steps = 100
    patience = 2
    max_epochs = 6


@dataclass(frozen=True)
class Specs:
    """Everything a run is, checked."""

    model: ModelSpec
    data: DataSpec
    training: TrainingSpec
    scoring: ScoringSpec


def specs(entries: dict[str, Any], seed: int) -> Specs:
    """The run that the `cfg` entries and the seed describe; `ConfigError` if there is none."""
    model = model_spec(entries, seed)
    return Specs(
        model=model,
        data=data_spec(entries, model, os.environ),
        training=training_spec(entries, seed),
        scoring=scoring_spec(entries),
    )


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
