"""The commands of Report.py that write figures and listening pages."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from jnet.audio.reading import read_audio
from jnet.data.find import find_tracks
from jnet.data.tracks import Track
from jnet.errors import DataError
from jnet.names import ESTIMATES
from jnet.recording.runs import Run, add_defaults, read_run
from jnet.reports.figures.catalogue import FIGURES, write_figure
from jnet.results.recorded import (
    SOURCES_HELP,
    find_default_sources,
    load_result,
    read_model_entries,
    read_sources,
)
from jnet.settings.data import SUBSETS
from jnet.settings.run import RunSettings, make_run_settings
from Models.Networks import settings_from_manifest


def add_figure_commands(commands) -> None:
    """Add a command for every figure and for the listening page to the subparsers `commands`."""
    for name, title in FIGURES.items():
        command = add_command(commands, name, title, f"{name}.png", write_results_figure)
        command.add_argument("sources", nargs="*", metavar="SOURCE", help=SOURCES_HELP)
    command = add_command(commands, "curves", "losses of runs", "curves.png", write_curves)
    command.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="runs' folders, runs/ID")
    run_help = "a run's folder, runs/ID, with cfg.save_estimates"
    title = "Wave-U-Net, Fig. 4: an estimate and the borders of its segments"
    command = add_command(commands, "spectrogram", title, "spectrogram.png", write_spectrogram)
    command.add_argument("run", type=Path, metavar="RUN", help=run_help)
    command.add_argument("--track", help="a track of the run; default: its first track")
    command.add_argument("--source", default="vocals")
    command.add_argument("--start", type=float, default=0.0, metavar="SECONDS")
    command.add_argument("--seconds", type=float, default=6.0, metavar="SECONDS")
    title = "a page to listen to a run's estimates"
    command = add_command(commands, "page", title, "page", write_run_page)
    command.add_argument("run", type=Path, metavar="RUN", help=run_help)
    command.add_argument("--only", nargs="+", metavar="TRACK", help="only these tracks")
    command.add_argument("--overwrite", action="store_true", help="replace an existing page")


def add_command(
    commands, name: str, title: str, out: str, write: Callable[[Namespace], list[Path]]
) -> ArgumentParser:
    """Add a command that writes files.

    Parameters
    ----------
    commands : argparse subparsers
    name : str
    title : str
        The help text.
    out : str
        The default path of the output.
    write : callable
        Called with the parsed arguments; returns the paths of the files that it wrote.

    Returns
    -------
    ArgumentParser
        The command's parser, for further options.
    """
    command = commands.add_parser(name, help=title, description=title)
    command.add_argument("--out", type=Path, default=out, metavar="PATH", help=f"default {out}")
    command.set_defaults(write=write)
    return command


# The functions below import matplotlib when they are called: it takes a second to import, and
# the commands that print tables do not need it.


def write_results_figure(args: Namespace) -> list[Path]:
    """Write a figure of all results found in the sources; raise `DataError` if there are none."""
    found = read_sources(args.sources or find_default_sources())
    for reason in found.left_out:
        print(f"not used: {reason}")
    if not found.results:
        raise DataError("no scores found: train a model, or give a SOURCE")
    return write_figure(args.command, found.results, args.out)


def write_curves(args: Namespace) -> list[Path]:
    """Write the training curves of the given runs."""
    from jnet.reports.figures.curves import draw_curves, read_curves
    from jnet.reports.figures.style import save_figure

    runs = {
        f"{load_result(read_run(path)).label} {path.name}": read_curves(path) for path in args.runs
    }
    return save_figure(draw_curves(runs), args.out)


def write_spectrogram(args: Namespace) -> list[Path]:
    """Write the spectrogram of a run's estimate, with marks where the model's segments meet."""
    from jnet.reports.figures.spectrogram import draw_spectrogram
    from jnet.reports.figures.style import save_figure

    run, settings = read_run_and_settings(args)
    folders = {track.name: folder for track, folder in find_estimates(run, settings, None)}
    name = args.track or next(iter(folders))
    if name not in folders:
        raise DataError(
            f"{name!r} is not a track of {args.run}: choose one of {', '.join(folders)}"
        )
    samples, sample_rate = read_audio(folders[name] / f"{args.source}.wav")
    model, title = settings.model, f"{name}, {args.source}"
    excerpt = {"start": args.start, "seconds": args.seconds, "name": title}
    hop_seconds, highest_hz = model.hop_samples / model.sample_rate, model.sample_rate / 2
    figure = draw_spectrogram(samples, sample_rate, hop_seconds, highest_hz=highest_hz, **excerpt)
    return save_figure(figure, args.out)


def write_run_page(args: Namespace) -> list[Path]:
    """Write the listening page of a run."""
    from jnet.reports.page.page import PageTrack, write_page

    run, settings = read_run_and_settings(args)
    sources, result = settings.model.sources, load_result(run)
    scores = {track.name: track.targets for track in result.tracks}

    def read_tracks() -> Iterator[PageTrack]:
        for track, folder in find_estimates(run, settings, args.only):
            recording = track.read(sources)
            yield PageTrack(
                name=track.name,
                sample_rate=recording.sample_rate,
                mix=recording.mix,
                references={name: recording.sources[:, i] for i, name in enumerate(sources)},
                estimates={name: read_audio(folder / f"{name}.wav")[0] for name in sources},
                sdr={source: metrics["SDR"] for source, metrics in scores[track.name].items()},
                hop_seconds=settings.scoring.hop_seconds,
            )

    title = f"{result.label}, run {args.run.name}"
    summary = run.result()["scores"]
    return [write_page(args.out, read_tracks(), title, summary, args.overwrite)]


def read_run_and_settings(args: Namespace) -> tuple[Run, RunSettings]:
    """Read the recorded run `args.run` and return it with its settings.

    The model settings come from the manifest of the run's weights if it is recorded, else from the
    run's config. Entries that are newer than the record have the values of `args.read_defaults`.
    Raises `DataError` for a damaged record or manifest.
    """
    run = add_defaults(read_run(args.run), args.read_defaults())
    stored = read_model_entries(run)
    try:
        model = None if stored is None else settings_from_manifest(stored)
    except ValueError as error:
        raise DataError(f"{run.origin}: the weights' manifest: {error}") from error
    return run, make_run_settings(run.cfg(), run.config["seed"], model)


def find_estimates(
    run: Run, settings: RunSettings, only: Sequence[str] | None
) -> list[tuple[Track, Path]]:
    """Return the tracks with estimates of a run, and the folder of each track's estimates.

    Parameters
    ----------
    run : Run
    settings : RunSettings
        Their data settings say where the tracks are.
    only : sequence of str or None
        The names of the tracks to return; None for all.

    Returns
    -------
    list of (Track, Path)

    Raises
    ------
    DataError
        If the run did not save estimates, or not those of a track in `only`.
    """
    root = Path(run.result().get("folder", "")) / ESTIMATES
    saved = [subset for subset in SUBSETS if any((root / subset).glob("*/"))]
    if not run.result() or not saved:
        raise DataError(
            f"{run.origin}: no saved estimates: evaluate its weights with cfg.save_estimates=True"
        )
    estimates = {
        track.name: (track, folder)
        for track in find_tracks(settings.data, lambda name, done, total: None, saved)
        if (folder := root / track.subset / track.name).is_dir()
    }
    for name in only or ():
        if name not in estimates:
            raise DataError(f"{run.origin}: has no estimates of {name!r}")
    return [pair for name, pair in estimates.items() if only is None or name in only]
