"""`python -m training collect`."""

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
    """What happens, as a bar and lines on the terminal."""

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
    """Which label goes with which source; None: a key is pressed for each face."""
    unknown = [label for label in labels if label not in LABELS]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(LABELS)}")
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
    """Let somebody put the mask on or off, where there is somebody to ask."""
    if sys.stdin.isatty():
        console.input(f"Now [bold]{label}[/]: press Enter when ready ")


def collect(
    *,
    source: Annotated[
        list[str],
        typer.Option(
            help="Camera index or /dev path, rtsp:// or http:// address, video file, or folder of "
            "pictures. Give it again for more."
        ),
    ],
    label: Annotated[
        list[str] | None,
        typer.Option(
            help=f"What all faces of a source wear: {', '.join(LABELS)}. One for all sources, one "
            "for each, or several for one camera, one after the other. Without it, a window opens "
            "and you press a key for each face: m, n, i, s to skip, q to quit."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder that the crops go to; a run goes on with what is there.")
    ] = Path("var/training/collected"),
    count: Annotated[
        int, typer.Option(min=1, help="Crops of each label; with keys, of all labels together.")
    ] = 420,
    every: Annotated[
        float, typer.Option(min=0.0, help="Least seconds between two frames of a video or camera.")
    ] = 0.2,
    person: Annotated[
        str | None,
        typer.Option(
            help="Any word for who is before the camera: all their crops stay on one side of the "
            "split, so that figures are of people the model has not seen."
        ),
    ] = None,
    nearest: Annotated[bool, typer.Option(help="Only the largest face of each frame.")] = False,
    min_size: Annotated[
        float, typer.Option(min=16, help="Least shorter side of a face in pixels.")
    ] = 48,
    min_sharpness: Annotated[
        float,
        typer.Option(
            min=0, help="Least variance of the Laplacian of a face at 96 px; 0 takes all."
        ),
    ] = 25,
    near: Annotated[
        int,
        typer.Option(
            min=0, max=32, help="Bits of 64 within which the perceptual hashes of duplicates lie."
        ),
    ] = 4,
    detector: Annotated[Path, typer.Option(help="Face detector (.xml).")] = SHIPPED,
) -> None:
    """Save labelled faces from a camera, a stream, a video or pictures, to train on.

    Blurred faces and duplicates are refused and counted. Crops go into class folders under --out,
    with index.csv (time, source, box, sharpness, label, hash) and a contact sheet; Ctrl-C loses
    nothing, and running it again goes on.
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
                    chooser: Labeller | None = FixedLabel(Choice(wanted)) if wanted else window
                    if chooser is not None:
                        looked += collector.run(opened, Quota(chooser, count, wanted))
                    for path in opened.unreadable:
                        display.hint(f"{path} is no readable picture; passed over")
        except KeyboardInterrupt:
            display.hint("stopped; run the same command to go on")
        finally:
            draw_sheet(collection, out / "contact_sheet.png")
    _tell(collection, display, looked, rules)
    for wanted in dict.fromkeys(w for _, w in pairs):
        if not collection.count(wanted):
            raise EmptyClassError(
                f"no face of {wanted or 'any label'} was saved out of {looked} frames "
                f"({', '.join(f'{n} {w}' for w, n in display.refusals.items()) or 'none was seen'})"
                "; come closer, give more light, or lower --min-size or --min-sharpness"
            )
        if collection.count(wanted) < count:
            console.print(
                f"[yellow]{collection.count(wanted)} of {count} {wanted or 'faces'}: run it again "
                "with more to look at, or be content with fewer"
            )


def _window() -> "LabelWindow":
    try:
        # Python may come without Tk, and only who presses keys needs it.
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
