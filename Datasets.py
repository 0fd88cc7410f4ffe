"""Prepare, check or generate music: `python Datasets.py prepare with cfg.J1`."""

from pathlib import Path

from Config import config_ingredient, specs
from Experiments import JNetExperiment
from Spec.Errors import DataError
from Terminal import bar

ex = JNetExperiment("datasets", __file__, ingredients=[config_ingredient])


@ex.config
def config():
    seed = 1  # changes nothing that is prepared; kept with the record


@ex.main
def prepare(cfg, seed):
    """Resample every song once into the store that training reads."""
    from Input.Preparation import prepare as prepare_store

    store = prepare_store(specs(cfg, seed).data, bar("preparing songs"))
    counts = ", ".join(f"{len(store.subset(name))} {name}" for name in ("train", "valid", "test"))
    print(f"{store.folder} is whole: {counts} songs")


ex.command(prepare)


@ex.command(unobserved=True)
def check(cfg, seed):
    """Decode every song: count, lengths, rates, additivity, damage; then read what is prepared of
    them. Status 2 if any is wrong."""
    from Input.Check import check_songs, report
    from Input.Preparation import existing_store, is_whole
    from Input.StoreCheck import store_damage
    from Spec.Shapes import output_frames

    run = specs(cfg, seed)
    snippet = output_frames(run.model) / run.model.sample_rate
    found = check_songs(run.data, snippet, bar("checking songs"))
    print(report(found, run.data))
    wrong = [finding.name for finding in found if finding.problem]
    if wrong:
        raise DataError(f"{len(wrong)} of {len(found)} songs are wrong, the first is {wrong[0]!r}")
    store = existing_store(run.data)
    if store is None:
        return
    if not is_whole(store):
        print(f"{store} is not whole yet: to prepare goes on with it")
        return
    damaged = store_damage(store, run.data, bar("checking prepared songs"))
    if damaged:
        print("\n".join(f"damaged: {line}" for line in damaged))
        raise DataError(
            f"{store}: is damaged in {len(damaged)} places, the first is {damaged[0]}: remove the "
            f"files named and manifest.json, then prepare again"
        )
    print(f"{store} holds what was prepared")


@ex.command(unobserved=True)
def demo(cfg, seed):
    """Generate the demo corpus at cfg.demo_path, as far as it is not there yet."""
    from Input.Collection import generate_demo

    path = specs({**cfg, "dataset": "demo"}, seed).data.path
    generate_demo(Path(str(path)), bar("generating songs"))
    print(f"{path} is whole")


if __name__ == "__main__":
    ex.run_commandline()
