"""What Report.py's commands for pictures and pages do; each returns the paths it wrote."""

from argparse import Namespace
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

FIGURES: dict[str, Callable[[Sequence[Result]], Figure]] = {
    "figure2": figure2,
    "figure3": figure3,
    "violins": violins,
    "boxes": boxes,
}


def write_figure(args: Namespace, sources: Sequence[str]) -> list[Path]:
    """Draw a figure of all results found in `sources`."""
    found = read_sources(sources)
    for reason in found.left_out:
        print(f"left out: {reason}")
    if not found.results:
        raise DataError("no scores found: train a model, or name a SOURCE")
    return save(FIGURES[args.command](found.results), args.out)


def write_curves(args: Namespace) -> list[Path]:
    """Draw the training curves of runs."""
    runs = {f"{load(run_in(path)).label} {path.name}": read_curves(path) for path in args.runs}
    return save(training_curves(runs), args.out)


def write_spectrogram(args: Namespace) -> list[Path]:
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


def write_run_page(args: Namespace) -> list[Path]:
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
