"""`report`: one page that shows what trained models do right and where they fail.

Its tables and drawn curves can be written into the model card, too.
"""

import base64
import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.console import Console
from rich.progress import track

from training.errors import MissingRunError, ReportError
from training.figures.tables import Table, groups, shown, tables_of
from training.measuring.trained_models import read_figures
from training.networks.checkpoint import load
from training.records.pictures import Pixels
from training.shipping.card import write_measured
from training.shipping.examples import Examples, examples_of, kind_of
from training.shipping.export import trained_on

PICTURES = {
    "curves.png": "Over the training: losses on training samples, figures on the validation split.",
    "confusion.png": "Rows are the true labels, columns the labels that the model gave.",
    "roc.png": "The share of true positives for each share of false positives.",
    "pr.png": "The precision at each recall.",
}
"""Drawings that a run's folder may hold, and their captions."""

_KINDS = {
    "detector": "The face detector",
    "classifier": "The mask classifier",
    "gender": "The gender head",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing of a run's folder.

    Attributes:
        path: Its file.
        caption: What it shows.
    """

    path: Path
    caption: str


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the page.

    Attributes:
        anchor: Its name in links.
        title: Its heading.
        tables: Its tables.
        pictures: Its drawings.
    """

    anchor: str
    title: str
    tables: list[Table]
    pictures: list[Picture]


@dataclass(frozen=True, slots=True)
class Section(Part):
    """The part of the page about one run.

    Attributes:
        kind: The kind of model.
        training: How it was trained, in words.
        examples: Examples of its verdicts.
    """

    kind: str
    training: str
    examples: Examples


def data_uri(content: bytes, kind: str) -> str:
    """Return a picture as a URI that the page itself holds."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _tile(picture: Pixels) -> str:
    encoded = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, 82))[1]
    return data_uri(encoded.tobytes(), "jpeg")


def _file(picture: Picture) -> str:
    return data_uri(picture.path.read_bytes(), "png")


def section_of(run: Path, prepared: Path) -> Section:
    """Judge the measured split with a run's model again, and gather the run's figures.

    Args:
        run: The run's folder.
        prepared: The folder that `prepare` wrote.

    Returns:
        The part of the page about the run.

    Raises:
        CheckpointError: The run has no model, or was not evaluated.
        DataError: The split cannot be read.
    """
    figures: dict[str, Any] = dict(read_figures(run))
    examples = examples_of(run, prepared)
    kind = kind_of(run)
    state = load(run / "best.pt")
    configuration = state["configuration"]
    history = run / "history.json"
    rows = json.loads(history.read_text(encoding="utf-8")) if history.is_file() else []
    minutes = f"{rows[-1]['minutes']:.0f} minutes, " if rows else ""
    width = f"width {configuration['width']:g}, input {configuration['size']} px"
    if configuration.get("depth"):
        width += f", depth {configuration['depth']}"
    before = state.get("samples_before", 0)
    earlier = f" after {before} samples of earlier runs" if before else ""
    tables = [t for t in tables_of(figures) if t.rows]
    pipeline = run / "pipeline.json"
    if pipeline.is_file():
        both = tables_of(json.loads(pipeline.read_text(encoding="utf-8")))
        tables += [Table(f"with the classifier: {t.title}", t.columns, t.rows) for t in both]
    return Section(
        anchor=run.name,
        title=f"{_KINDS.get(kind, kind)}: {run.name}",
        kind=kind,
        training=f"{minutes}{state['samples']} samples{earlier}; {width}",
        tables=tables,
        pictures=[
            Picture(run / name, said) for name, said in PICTURES.items() if (run / name).is_file()
        ],
        examples=examples,
    )


def peers_of(bench: Path) -> Part:
    """Read the comparison that `bench --peers --json` wrote.

    Args:
        bench: The JSON file.

    Returns:
        The part of the page about it.

    Raises:
        ReportError: The file is no such comparison.
    """
    try:
        told = json.loads(bench.read_text(encoding="utf-8"))
        rows = {r["name"]: r for r in told["rows"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReportError(
            f"{bench} is no comparison that `bench --json` wrote ({error}); write it again, or "
            "leave --bench out"
        ) from error
    judged = {n: r for n, r in rows.items() if "problem" not in r}
    faces = {
        n: {k: r.get(k) for k in ("face_ap_50", "recall", "precision", "threshold", "input")}
        for n, r in judged.items()
    }
    verdicts = {
        n: {k: r.get(k) for k in _VERDICTS} for n, r in judged.items() if r.get("right_verdict")
    }
    speed = {n: r["speed"] for n, r in judged.items() if r.get("speed")}
    where = f"{told.get('data', 'validation')}, {told.get('pictures', '?')} pictures"
    tables = [
        groups(title, parts, "system")
        for title, parts in (
            (f"faces found ({where})", faces),
            ("verdicts", verdicts),
            (f"speed ({told.get('frame', 'one frame')})", speed),
        )
        if parts
    ]
    missing = [(n, str(r["problem"])) for n, r in rows.items() if "problem" in r]
    if missing:
        tables.append(Table("not measured", ("system", "why"), list(missing)))
    return Part("peers", "Side by side with other released systems", tables, [])


_VERDICTS = (
    "right_verdict", "false_admit_without_mask", "false_admit_incorrect_mask", "false_refusal",
    "missed", "unjudged",
)  # fmt: skip


def architectures_of(comparison: Path) -> Part:
    """Read the comparison that `compare` wrote.

    Args:
        comparison: The JSON file.

    Returns:
        The part of the page about it.

    Raises:
        ReportError: The file is no such comparison.
    """
    try:
        rows = json.loads(comparison.read_text(encoding="utf-8"))["rows"]
        parts = {r["run"]: {k: v for k, v in r.items() if k != "run"} for r in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReportError(
            f"{comparison} is no comparison that `compare` wrote ({error}); run it again, or "
            "leave --compare out"
        ) from error
    drawn = comparison.with_suffix(".png")
    pictures = [Picture(drawn, "Macro F1 against the time for a crop.")] if drawn.is_file() else []
    title = "Architectures of the classifier, compared"
    return Part("architectures", title, [groups("run", parts)], pictures)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("training.shipping"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(tile=_tile, file=_file, shown=lambda v: shown("", v))
    return environment


def write_report(
    runs: list[Path],
    prepared: Path,
    out: Path,
    *,
    bench: Path | None,
    comparison: Path | None,
    card: Path | None,
    console: Console,
) -> Path:
    """Write report.html, all in one file.

    Args:
        runs: The runs' folders.
        prepared: The folder that `prepare` wrote.
        out: The folder of the page.
        bench: What `bench --peers --json` wrote; None leaves it out.
        comparison: What `compare` wrote; None leaves it out.
        card: A model card whose measured part gets the tables and drawn curves; None writes no
            card.
        console: Shows the progress.

    Returns:
        The page.

    Raises:
        MissingRunError: No run was named.
        TrainingError: A run or a comparison cannot be read.
    """
    if not runs:
        raise MissingRunError("no run was named; name the folders of trained models")
    doing = track(runs, "judging picture by picture", console=console, transient=True)
    sections = [section_of(run, prepared) for run in doing]
    extras = [architectures_of(comparison)] if comparison else []
    extras += [peers_of(bench)] if bench else []
    page = (
        _environment()
        .get_template("report.html")
        .render(
            sections=sections,
            extras=extras,
            sets=trained_on(prepared),
            written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        )
    )
    out.mkdir(parents=True, exist_ok=True)
    target = out / "report.html"
    temporary = target.with_suffix(".partial")
    temporary.write_text(page, encoding="utf-8")
    temporary.replace(target)
    if card:
        write_measured(card, measured(sections, extras, card.parent / "pictures" / "models"))
        console.print(f"{card}: measured part written")
    console.print(f"{target}: {target.stat().st_size / 2**20:.1f} MiB, all in one file")
    return target


def measured(sections: list[Section], extras: list[Part], pictures: Path) -> str:
    """Write the tables of a report as Markdown.

    Drawn curves are copied into `pictures`. No picture of a set goes there.

    Args:
        sections: The parts about runs.
        extras: The other parts.
        pictures: A folder beside the card's.

    Returns:
        The Markdown.
    """
    parts = []
    whole: list[Part] = [*sections, *extras]
    for part in whole:
        parts.append(f"### {part.title}\n")
        if isinstance(part, Section):
            parts.append(
                f"{part.training[0].upper()}{part.training[1:]}. On the "
                f"{part.examples.split} split {part.examples.rights} verdicts were right and "
                f"{part.examples.wrongs} wrong.\n"
            )
        for picture in part.pictures:
            pictures.mkdir(parents=True, exist_ok=True)
            name = f"{part.anchor}-{picture.path.name}"
            shutil.copyfile(picture.path, pictures / name)
            parts.append(f"![{picture.caption}](pictures/{pictures.name}/{name})\n")
        for table in part.tables:
            if table.title not in ("headline", table.columns[0]):
                parts.append(f"{table.title}:\n")
            parts.append(table.as_markdown())
    return "\n".join(parts)
