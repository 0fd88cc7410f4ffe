"""The commands of Report.py that write pictures and pages; each returns the paths it wrote."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import soundfile
from matplotlib.figure import Figure

from Evaluation.FigureCurves import read_curves, training_curves
from Evaluation.FigurePairs import figure2, figure3
from Evaluation.Figures import save
from Evaluation.FigureScores import boxes, violins
from Evaluation.FigureSpectrogram import spectrogram
from Evaluation.Page import PageSong, write_page
from Evaluation.Records import load, read_sources
from Evaluation.Results import Result
from Evaluation.Runs import Run, run_in
from Input.Audio import read_audio
from Input.Collection import find_songs
from Input.Songs import Song
from Spec.Errors import DataError
from Spec.Run import Specs, specs
from Spec.Shapes import hop_frames

Draw = Callable[[Sequence[Result]], Figure]
FIGURES: dict[str, tuple[str, Draw]] = {
    "figure2": ("J-Net, Fig. 2: mean SDR of vocals, each U against its J", figure2),
    "figure3": ("J-Net, Fig. 3: the same for accompaniment", figure3),
    "violins": ("Wave-U-Net, Fig. 3: violins of the windows' SDR", violins),
    "boxes": ("Demucs: box plots of the songs' medians", boxes),
}


def add_figure_commands(commands, sources_of: Callable[[Namespace], list[str]], said: str) -> None:
    """Add every figure and the page to the `commands` of a parser."""
    for name, (title, draw) in FIGURES.items():
        one = add_writer(commands, name, title, f"{name}.png", score_figure(draw, sources_of))
        one.add_argument("sources", nargs="*", metavar="SOURCE", help=said)
    one = add_writer(commands, "curves", "losses over the steps of runs", "curves.png", curves)
    one.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run's folder, runs/ID")
    one = add_writer(
        commands,
        "spectrogram",
        "Wave-U-Net, Fig. 4: an estimate, and where windows meet",
        "spectrogram.png",
        estimate_spectrogram,
    )
    add_run(one)
    one.add_argument("--song", help="a song of the run; its first unless told")
    one.add_argument("--source", default="vocals")
    one.add_argument("--start", type=float, default=0.0, metavar="SECONDS")
    one.add_argument("--seconds", type=float, default=6.0, metavar="SECONDS")
    one = add_writer(commands, "page", "a page to listen to a run's estimates", "page", page)
    add_run(one)
    one.add_argument("--only", nargs="+", metavar="SONG", help="these songs alone")
    one.add_argument("--overwrite", action="store_true", help="replace a page that is there")


def add_writer(commands, name: str, title: str, out: str, write) -> ArgumentParser:
    """A command that writes to `--out`, by default `out`."""
    one = commands.add_parser(name, help=title, description=title)
    one.add_argument("--out", type=Path, default=Path(out), metavar="PATH", help=f"default {out}")
    one.set_defaults(write=write)
    return one


def add_run(command: ArgumentParser) -> None:
    """The run whose estimates are looked at."""
    command.add_argument(
        "run", type=Path, metavar="RUN", help="a run's folder, runs/ID, with cfg.save_estimates"
    )


def score_figure(draw: Draw, sources_of) -> Callable[[Namespace], list[Path]]:
    """The command that draws a figure of all results found."""

    def write(args: Namespace) -> list[Path]:
        found = read_sources(sources_of(args))
        for reason in found.left_out:
            print(f"left out: {reason}")
        if not found.results:
            raise DataError("no scores found: train a model, or name a SOURCE")
        return save(draw(found.results), args.out)

    return write


def curves(args: Namespace) -> list[Path]:
    """Draw the training curves of runs."""
    runs = {f"{load(run_in(path)).label} {path.name}": read_curves(path) for path in args.runs}
    return save(training_curves(runs), args.out)


def estimate_spectrogram(args: Namespace) -> list[Path]:
    """Draw one estimate of a run with the borders of its windows."""
    run, said = described(args.run)
    songs = [song for song, _ in estimated_songs(run, said, None)]
    names = [song.name for song in songs]
    name = args.song or names[0]
    if name not in names:
        raise DataError(f"{name!r} is not a song of {args.run}: it has {', '.join(names)}")
    song = songs[names.index(name)]
    path = estimates_folder(run) / song.subset / song.name / f"{args.source}.wav"
    samples, rate = read_audio(path)
    hop = hop_frames(said.model) / said.model.sample_rate
    figure = spectrogram(
        samples,
        rate,
        hop,
        start=args.start,
        seconds=args.seconds,
        name=f"{name}, {args.source}",
        highest_hz=said.model.sample_rate / 2,
    )
    return save(figure, args.out)


def page(args: Namespace) -> list[Path]:
    """Write the listening page of a run."""
    run, said = described(args.run)
    scored = load(run)
    sdr = {song.name: song.targets for song in scored.songs}

    def songs() -> Iterator[PageSong]:
        for song, folder in estimated_songs(run, said, args.only):
            recording = song.read(said.model.sources)
            estimates = {
                source: soundfile.read(folder / f"{source}.wav", dtype="float32", always_2d=True)[0]
                for source in said.model.sources
            }
            yield PageSong(
                name=song.name,
                sample_rate=recording.sample_rate,
                mix=recording.mix,
                references={
                    source: recording.sources[:, index]
                    for index, source in enumerate(said.model.sources)
                },
                estimates=estimates,
                sdr={source: metrics["SDR"] for source, metrics in sdr[song.name].items()},
                hop_seconds=said.scoring.hop_seconds,
            )

    title = f"{scored.label}, run {args.run.name}"
    scores = run.entry["result"]["scores"]
    return [write_page(args.out, songs(), title, scores, overwrite=args.overwrite)]


def described(folder: Path) -> tuple[Run, Specs]:
    """A recorded run, and what its config describes."""
    run = run_in(folder)
    entries = {key: value for key, value in run.config["cfg"].items() if key != "__doc__"}
    return run, specs(entries, run.config["seed"])


def estimates_folder(run: Run) -> Path:
    """Where a run wrote its estimates; `DataError` when it kept none."""
    result = run.entry.get("result")
    folder = Path(result["folder"]) / "estimates" if isinstance(result, dict) else None
    if folder is None or not folder.is_dir():
        raise DataError(
            f"{run.origin}: kept no estimates: evaluate its weights with cfg.save_estimates=True"
        )
    return folder


def estimated_songs(
    run: Run, said: Specs, only: Sequence[str] | None
) -> Iterator[tuple[Song, Path]]:
    """Every song that a run kept estimates of, and their folder; `DataError` for one of `only`
    that it did not."""
    folder = estimates_folder(run)
    kept = [
        (song, folder / song.subset / song.name)
        for song in find_songs(said.data, lambda name, done, total: None)
        if (folder / song.subset / song.name).is_dir()
    ]
    names = [song.name for song, _ in kept]
    for name in only or ():
        if name not in names:
            raise DataError(f"{run.origin}: has no estimates of {name!r}")
    yield from ((song, place) for song, place in kept if only is None or song.name in only)
