"""`python -m training collect`: labelled faces from a camera, a video or pictures."""

import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from training.errors import EmptyClassError, ScreenError
from training.graphs.face_finder import SHIPPED, FaceFinder
from training.preparing.collect import (
    Choice,
    Collector,
    FixedLabel,
    Labeller,
    Quota,
    Refusal,
    Rules,
    draw_sheet,
)
from training.preparing.crop_store import CropStore
from training.preparing.frames import Source
from training.records.crop_index import CollectedCrop
from training.records.record import LABELS

if TYPE_CHECKING:
    from training.preparing.label_window import LabelWindow

console = Console()


class _Display:
    """The progress on the terminal, as a bar and lines."""

    def __init__(self, progress: Progress, collection: CropStore) -> None:
        self.progress, self._collection = progress, collection
        self.refusals: Counter[str] = Counter()
        self.new = 0
        self._task = progress.add_task("", total=None, refused="")
        self._label: str | None = None

    def begin(self, source: Source, label: str | None, count: int) -> None:
        self._label = label
        self.progress.reset(self._task, total=count)
        self.progress.update(
            self._task,
            description=f"{label or 'faces'} from {source.name}",
            completed=self._collection.count(label),
        )

    def saved(self, crop: CollectedCrop) -> None:  # noqa: ARG002
        self.new += 1
        self.progress.update(self._task, completed=self._collection.count(self._label))

    def refused(self, why: Refusal) -> None:
        self.refusals[why] += 1
        shown = ", ".join(f"{n} {w}" for w, n in self.refusals.items())
        self.progress.update(self._task, refused=f"refused: {shown}")

    def hint(self, words: str) -> None:
        self.progress.console.print(f"[yellow]{words}", highlight=False)


def _pairs(sources: list[str], labels: list[str]) -> list[tuple[str, str | None]]:
    """Return each source with its label; without a label, a key is pressed for each face."""
    unknown = [label for label in labels if label not in LABELS]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is not one of {', '.join(LABELS)}")
    if not labels:
        return [(source, None) for source in sources]
    if len(labels) == 1:
        return [(source, labels[0]) for source in sources]
    if len(sources) == 1:
        return [(sources[0], label) for label in labels]
    if len(sources) != len(labels):
        raise typer.BadParameter(
            f"{len(sources)} sources and {len(labels)} labels: give one label for all, or one for "
            "each source, in the same order"
        )
    return list(zip(sources, labels, strict=True))


def _wait_for(label: str) -> None:
    """Let the person put the mask on or take it off, if there is a terminal to ask at."""
    if sys.stdin.isatty():
        console.input(f"Now [bold]{label}[/]: press Enter when ready ")


def collect(
    *,
    source: Annotated[
        list[str],
        typer.Option(
            help="Number or /dev path of a camera, rtsp:// or http:// address, video file, or "
            "folder of pictures. Repeat the option for more sources."
        ),
    ],
    label: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Label of all faces of a source: {', '.join(LABELS)}. Give one label for all "
            "sources, one for each source, or several for one camera, which come one after the "
            "other. Without a label, a window opens, and you press a key for each face: m (mask), "
            "n (no mask), i (worn wrongly), s (skip) or q (quit)."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder for the crops; crops that are there already count.")
    ] = Path("var/training/collected"),
    count: Annotated[
        int,
        typer.Option(
            min=1, help="Number of crops of each label; with keys, of all labels together."
        ),
    ] = 420,
    every: Annotated[
        float,
        typer.Option(min=0.0, help="Least seconds between two frames of a video or a camera."),
    ] = 0.2,
    person: Annotated[
        str | None,
        typer.Option(
            help="Any word for the person before the camera. All crops of one person stay in one "
            "split, so that a model is measured on people whom it has not seen."
        ),
    ] = None,
    nearest: Annotated[
        bool, typer.Option(help="Take only the largest face of each frame.")
    ] = False,
    min_size: Annotated[
        float, typer.Option(min=16, help="Least shorter side of a face, in pixels.")
    ] = 48,
    min_sharpness: Annotated[
        float,
        typer.Option(
            min=0,
            help="Least sharpness: the variance of the Laplacian of a face at 96 px; 0 takes all.",
        ),
    ] = 25,
    near: Annotated[
        int,
        typer.Option(
            min=0,
            max=32,
            help="Number of bits, of 64, in which the perceptual hashes of duplicates may differ.",
        ),
    ] = 4,
    detector: Annotated[Path, typer.Option(help="File of the face detector (.xml).")] = SHIPPED,
) -> None:
    """Save labelled faces from a camera, a stream, a video or pictures, to train on.

    Blurred faces and duplicates are refused and counted. Crops go into class folders under --out,
    with index.csv (time, source, box, sharpness, label, hash) and a contact sheet. Ctrl-C loses
    nothing; run the command again to continue.
    """
    pairs = _pairs(source, label or [])
    finder = FaceFinder(detector)
    collection = CropStore(out)
    rules = Rules(min_size, min_sharpness, near, nearest)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[refused]}"),
    )
    looked = 0
    with ExitStack() as ends:
        window = ends.enter_context(_window()) if not label else None
        progress = ends.enter_context(Progress(*columns, console=console, transient=True))
        display = _Display(progress, collection)
        collector = Collector(finder, collection, rules, display, person=person)
        try:
            for number, (text, wanted) in enumerate(pairs):
                with Source(text, every) as opened:
                    if wanted and opened.live and number:
                        progress.stop()
                        _wait_for(wanted)
                        progress.start()
                    display.begin(opened, wanted, count)
                    labeller: Labeller | None = FixedLabel(Choice(wanted)) if wanted else window
                    if labeller is not None:
                        looked += collector.run(opened, Quota(labeller, count, wanted))
                    for path in opened.unreadable:
                        display.hint(f"{path} is not a readable picture; skipped")
        except KeyboardInterrupt:
            display.hint("stopped; run the same command to go on")
        finally:
            draw_sheet(collection, out / "contact_sheet.png")
    _tell(collection, display, looked, rules)
    for wanted in dict.fromkeys(w for _, w in pairs):
        _require_a_crop(collection, wanted, display, looked)
        if collection.count(wanted) < count:
            console.print(
                f"[yellow]{collection.count(wanted)} of {count} {wanted or 'faces'}: run the "
                "command again with more pictures, or train with fewer"
            )


def _require_a_crop(
    collection: CropStore, wanted: str | None, display: _Display, looked: int
) -> None:
    """Raise EmptyClassError if no crop of the wanted label was saved."""
    if not collection.count(wanted):
        refused = ", ".join(f"{n} {w}" for w, n in display.refusals.items()) or "none was seen"
        raise EmptyClassError(
            f"no face of {wanted or 'any label'} was saved out of {looked} frames ({refused}); "
            "come closer, give more light, or lower --min-size or --min-sharpness"
        )


def _window() -> "LabelWindow":
    try:
        # Some Pythons come without Tk, and only a person who presses keys needs it.
        from training.preparing.label_window import LabelWindow  # noqa: PLC0415
    except ImportError as error:
        raise ScreenError(
            f"this Python has no Tk ({error}); install it (Debian: python3-tk), or give the label "
            "with --label"
        ) from error
    return LabelWindow()


def _tell(collection: CropStore, display: _Display, looked: int, rules: Rules) -> None:
    table = Table("label", "crops", "sharpness, median", title=str(collection.folder))
    for label in LABELS:
        sharp = sorted(c.sharpness for c in collection.crops if c.label == label)
        middle = f"{sharp[len(sharp) // 2]:.0f}" if sharp else ""
        table.add_row(label, str(len(sharp)), middle)
    console.print(table)
    refused = ", ".join(f"{n} {why}" for why, n in display.refusals.items()) or "none"
    console.print(
        f"{display.new} new crops out of {looked} frames; refused: {refused} (under "
        f"{rules.min_side:.0f} px, sharpness under {rules.min_sharpness:.0f}, within {rules.near} "
        f"bits of another). Look at {collection.folder / 'contact_sheet.png'}",
        highlight=False,
        soft_wrap=True,
    )
