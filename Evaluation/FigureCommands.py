"""The commands of Report.py that write pictures and pages: their options."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

FIGURES = {
    "figure2": "J-Net, Fig. 2: mean SDR of vocals, each U against its J",
    "figure3": "J-Net, Fig. 3: the same for accompaniment",
    "violins": "Wave-U-Net, Fig. 3: violins of the windows' SDR",
    "boxes": "Demucs: box plots of the songs' medians",
}


def add_figure_commands(commands, sources_of: Callable[[Namespace], list[str]], said: str) -> None:
    """Add every figure and the page to the `commands` of a parser."""
    for name, title in FIGURES.items():
        one = add_writer(commands, name, title, f"{name}.png", "write_figure", sources_of)
        one.add_argument("sources", nargs="*", metavar="SOURCE", help=said)
    one = add_writer(commands, "curves", "losses of runs", "curves.png", "write_curves")
    one.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run's folder, runs/ID")
    title = "Wave-U-Net, Fig. 4: an estimate, and where windows meet"
    one = add_writer(commands, "spectrogram", title, "spectrogram.png", "write_spectrogram")
    add_run(one)
    one.add_argument("--song", help="a song of the run; its first unless told")
    one.add_argument("--source", default="vocals")
    one.add_argument("--start", type=float, default=0.0, metavar="SECONDS")
    one.add_argument("--seconds", type=float, default=6.0, metavar="SECONDS")
    title = "a page to listen to a run's estimates"
    one = add_writer(commands, "page", title, "page", "write_run_page")
    add_run(one)
    one.add_argument("--only", nargs="+", metavar="SONG", help="these songs alone")
    one.add_argument("--overwrite", action="store_true", help="replace a page that is there")


def add_writer(
    commands,
    name: str,
    title: str,
    out: str,
    function: str,
    sources_of: Callable[[Namespace], list[str]] | None = None,
) -> ArgumentParser:
    """A command that a `function` of FigureWriters carries out, writing to `--out`."""

    def write(args: Namespace) -> list[Path]:
        # Matplotlib and SciPy take a second to import, which tables need not wait for.
        from Evaluation import FigureWriters

        carry_out = getattr(FigureWriters, function)
        return carry_out(args, sources_of(args)) if sources_of else carry_out(args)

    one = commands.add_parser(name, help=title, description=title)
    one.add_argument("--out", type=Path, default=Path(out), metavar="PATH", help=f"default {out}")
    one.set_defaults(write=write)
    return one


def add_run(command: ArgumentParser) -> None:
    """The run whose estimates are looked at."""
    command.add_argument(
        "run", type=Path, metavar="RUN", help="a run's folder, runs/ID, with cfg.save_estimates"
    )
