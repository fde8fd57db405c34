"""python -m benchmarks.sequences: made sequences through the edge's models and tracker."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from benchmarks.sequences import contact_sheet, judging
from benchmarks.sequences.camera import HEIGHT, WIDTH
from benchmarks.sequences.casting import Cast, backgrounds_of, drawn_people, people_of
from benchmarks.sequences.clips import RATES, Clip
from benchmarks.sequences.report import Report
from benchmarks.sequences.scenarios import SCENARIOS, Stage
from benchmarks.sequences.scoring import score
from benchmarks.sightings import open_models
from edge.loaded_models import LoadedModels
from edge.settings import MODELS_DIR, Stills
from training.storage import write_json

HELD_OUT = 1_000_000
"""Added to the seed with --held-out: other movements and rooms than any small seed has. The people
of the seed itself are left out. Rules are tuned without it, and then tried with it once."""


def clips_of(
    data: Path | None,
    families: list[str],
    *,
    people: int,
    repeats: int,
    seed: int,
    without: Collection[str] = (),
) -> Iterator[Clip]:
    """Make the clips of some families.

    Args:
        data: A folder of pictures; None for drawn people.
        families: Names in SCENARIOS.
        people: How many take part.
        repeats: How often each clip is made, each time with other people and movements.
        seed: The same seed makes the same clips.
        without: Names of people who are not to take part.

    Yields:
        Each clip.

    Raises:
        MissingDataError: The folder has no fitting face.
    """
    rng = np.random.default_rng(seed)
    cast = drawn_people(people, rng) if data is None else people_of(data, people, rng, without)
    rooms = backgrounds_of(data, 20, rng)
    for repeat in range(repeats):
        for family in families:
            # A family has chance of its own: it is the same whichever others are made.
            own = np.random.default_rng((seed, repeat, list(SCENARIOS).index(family)))
            yield from SCENARIOS[family](Stage(Cast(cast, own), rooms, own))


def main(
    *,
    data: Annotated[
        Path | None,
        typer.Option(help="A folder of the public sets, or of one set; drawn people without it."),
    ] = None,
    family: Annotated[
        list[str] | None, typer.Option(help=f"Only these: {', '.join(SCENARIOS)}.")
    ] = None,
    rate: Annotated[
        list[int] | None, typer.Option(help="Only these frames a second: 5, 10, 15, 30.")
    ] = None,
    people: Annotated[int, typer.Option(help="How many people take part.", min=4)] = 60,
    repeats: Annotated[int, typer.Option(help="How often each clip is made.", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="The same seed makes the same clips.")] = 0,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Use a seed and people that no rule was tuned on.")
    ] = False,
    keep: Annotated[
        Path | None, typer.Option(help="Write here what the models said of each frame.")
    ] = None,
    stills: Annotated[
        Stills, typer.Option(help="Which faces are suspected to be pictures, as EDGE_STILLS.")
    ] = Stills.MOTIONLESS,
    replay: Annotated[
        Path | None, typer.Option(help="Read what --keep wrote; make no clips, run no models.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help="Write a contact sheet of each clip here; judge nothing.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures for machines here.")
    ] = None,
    models: Annotated[Path, typer.Option(help="Folder of the edge's models.")] = MODELS_DIR,
    threads: Annotated[int, typer.Option(help="For inference.", min=1)] = 2,
) -> None:
    """Make sequences, judge them as the edge does, and count what was right."""
    families = family or list(SCENARIOS)
    unknown = [name for name in families if name not in SCENARIOS]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(SCENARIOS)}")
    rates = rate or list(RATES)
    if wrong := [each for each in rates if each not in RATES]:
        raise typer.BadParameter(f"{wrong[0]} frames/s is none of {', '.join(map(str, RATES))}")
    used = seed + HELD_OUT if held_out else seed
    known: set[str] = set()
    if held_out and data is not None:
        known = {each.name for each in people_of(data, people, np.random.default_rng(seed))}
    made = clips_of(data, families, people=people, repeats=repeats, seed=used, without=known)
    if save is not None:
        _save_contact_sheets(made, save)
        return
    judged: Iterator[judging.JudgedClip]
    if replay is not None:
        judged = judging.kept(replay)
    else:
        judged = _judged(made, open_models(models, threads), rates)
    if keep is not None:
        judged = judging.keeping(judged, keep)
    report = Report("drawn people" if data is None else str(data), used)
    for clip in judged:
        for each in rates:
            counts = score(clip, judging.verdicts(clip, each, stills))
            report.add(clip.kind, clip.variant, each, counts, shows_picture=not all(clip.real))
    for table in report.tables():
        Console(width=170).print(table)
    if json_file is not None:
        write_json(report.as_json(), json_file)
        typer.echo(f"written to {json_file}")


def _save_contact_sheets(clips: Iterator[Clip], folder: Path) -> None:
    for n, clip in enumerate(clips):
        name = f"{n:03} {clip.kind} {clip.variant}".strip().replace(" ", "-")
        contact_sheet.save(clip.frames((5,)), folder / f"{name}.png")
    typer.echo(f"contact sheets are in {folder}")


def _judged(
    clips: Iterator[Clip], models: LoadedModels, rates: list[int]
) -> Iterator[judging.JudgedClip]:
    models.detector.expect(HEIGHT, WIDTH)
    shown = Console(stderr=True)
    for n, clip in enumerate(clips, 1):
        yield judging.judge(clip, models, rates)
        shown.print(f"{n}: {clip.kind} {clip.variant}", style="dim")


if __name__ == "__main__":
    typer.run(main)
