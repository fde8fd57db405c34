"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from training.preparing.prepare import prepared_templates
from training.records.label_names import IGNORE
from training.records.pictures import TEMPLATES
from training.records.record import LABELS

TemplateData = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Folder whose mask_templates/ holds the pictures of masks that are drawn on bare "
        "faces. Default: the folder that `prepare` read.",
    ),
]
Templates = Annotated[
    Path | None,
    typer.Option(
        help="Folder of mask pictures with masks.cfg, to draw masks on bare faces of the "
        "validation split. Default: mask_templates/ in the folder that `prepare` read."
    ),
]
Prepared = Annotated[
    Path, typer.Option(help="Folder where `prepare` writes the records and all others read them.")
]

RunFolder = Annotated[
    Path | None,
    typer.Option(
        "--run",
        help="Folder of the run: checkpoints, curves and figures. Default: var/training/KIND.",
    ),
]

DetectorRun = Annotated[Path, typer.Option(help="Folder of the detector's run.")]
ClassifierRun = Annotated[Path, typer.Option(help="Folder of the classifier's run.")]
Installed = Annotated[
    Path, typer.Option(help="Folder of the installed models, with their manifest.json.")
]
LeastSide = Annotated[
    float, typer.Option(help="Least shorter side, in pixels, of a face that counts.", min=1)
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", help="File that also gets the figures, as JSON.")
]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        help='What a name in your labels stands for: --label "con mascarilla=with_mask". '
        f"{IGNORE} leaves such faces out. Repeat the option for more names.",
    ),
]


def own_labels(pairs: list[str]) -> dict[str, str]:
    """Read options of the form `NAME=LABEL`.

    Args:
        pairs: The options.

    Returns:
        The label of each name: one of LABELS, or IGNORE.

    Raises:
        typer.BadParameter: An option has no `=`, or names no label.
    """
    labels = {}
    for pair in pairs:
        name, equals, label = pair.rpartition("=")
        if not equals or not name.strip() or label.strip() not in {*LABELS, IGNORE}:
            raise typer.BadParameter(
                f"{pair!r} is not NAME=LABEL, with a label of {', '.join(LABELS)} or {IGNORE}",
                param_hint="--label",
            )
        labels[name] = label.strip()
    return labels


def templates_of(prepared: Path, data: Path | None) -> Path | None:
    """Return the folder of mask pictures: in `data` if given, else where `prepare` found one."""
    return data / TEMPLATES if data else prepared_templates(prepared)
