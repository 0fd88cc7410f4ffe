"""Prepare, check or generate tracks: `python Datasets.py prepare with cfg.J1`."""

from jnet.system.programs import start_program

if __name__ == "__main__":
    start_program("Datasets.py")  # before the other imports, which take time

from pathlib import Path

from Config import check_given_entries, config_ingredient, make_run_settings
from jnet.errors import DataError
from jnet.recording.experiment import JNetExperiment
from jnet.settings.data import SUBSETS
from jnet.system.progress import make_progress_bar

ex = JNetExperiment("datasets", __file__, [config_ingredient], check_given_entries)


@ex.config
def config():
    seed = 1  # has no effect on the store; recorded only


@ex.check("prepare")
def check_inputs(cfg, seed):
    """Check that the tracks exist."""
    from jnet.data.find import check_data

    check_data(make_run_settings(cfg, seed).data)


@ex.main
def prepare(_, cfg, seed):
    """Resample all tracks into the store that training reads."""
    from jnet.data.preparation import prepare as prepare_store

    store = prepare_store(make_run_settings(cfg, seed).data, make_progress_bar("preparing tracks"))
    counts = ", ".join(f"{len(store.subset(name))} {name}" for name in SUBSETS)
    print(f"{store.folder} is complete: {counts} tracks")


@ex.command(unobserved=True)
def check(cfg, seed):
    """Decode all tracks, report their rates, lengths and damage, and check the store.

    The exit status is 2 if a track or the store is damaged.
    """
    from jnet.data.check import (
        check_tracks,
        find_missing_subsets,
        find_store_damage,
        report_findings,
    )
    from jnet.data.preparation import find_store, is_complete

    run = make_run_settings(cfg, seed)
    excerpt = run.model.output_samples / run.model.sample_rate
    findings = check_tracks(run.data, excerpt, make_progress_bar("checking tracks"))
    print(report_findings(findings, run.data))
    wrong = [finding.name for finding in findings if finding.problem]
    if wrong:
        raise DataError(
            f"{len(wrong)} of {len(findings)} tracks are wrong, the first is {wrong[0]!r}"
        )
    store = None if find_missing_subsets(findings) else find_store(run.data)
    if store is None:
        return
    if not is_complete(store):
        print(f"{store} is incomplete: `python Datasets.py prepare` completes it")
        return
    damaged = find_store_damage(store, run.data, make_progress_bar("checking prepared tracks"))
    if damaged:
        print("\n".join(f"damaged: {line}" for line in damaged))
        raise DataError(
            f"{store}: is damaged in {len(damaged)} places, the first is {damaged[0]}: remove the "
            f"damaged files and manifest.json, then prepare again"
        )
    print(f"{store} is undamaged")


@ex.command(unobserved=True)
def demo(cfg, seed):
    """Generate the missing tracks of the demo corpus at cfg.demo_path."""
    from jnet.data.demo import generate_missing

    path = make_run_settings({**cfg, "dataset": "demo"}, seed).data.path
    generate_missing(Path(str(path)), make_progress_bar("generating tracks"))
    print(f"{path} is complete")


if __name__ == "__main__":
    ex.run_commandline()
