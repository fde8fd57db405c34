"""`python -m training prepare`: from folders of pictures to records."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from training.commands.options import Prepared
from training.preparing.prepare import Wishes
from training.preparing.prepare import prepare as prepare_sets
from training.records.label_names import IGNORE
from training.records.record import LABELS


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


def prepare(
    *,
    data: Annotated[
        Path,
        typer.Option(
            help="Folder of pictures (COCO, VOC, YOLO, a CSV table, class folders, or labels in "
            "the file names), or a folder of such folders. If it holds mask_templates/, the other "
            "commands draw these masks on bare faces."
        ),
    ],
    prepared: Prepared = Path("var/training/prepared"),
    validation: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder, in --data or elsewhere, whose pictures are for validation alone: they "
            "and their duplicates are never trained on. Repeat the option for more folders."
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            help='What a name in your labels stands for: --label "con mascarilla=with_mask". '
            f"{IGNORE} leaves such faces out. Repeat the option for more names."
        ),
    ] = None,
    crop_faces: Annotated[
        bool,
        typer.Option(
            "--crop-faces",
            help="In class folders whose pictures are scenes, take the faces alone, as the shipped "
            "detector finds them.",
        ),
    ] = False,
    test_share: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=0.5,
            help="Share of the pictures that is kept for a test split. Thresholds are then chosen "
            "on validation, and figures are taken on test. Folders named test need no share.",
        ),
    ] = 0.0,
    teacher: Annotated[
        Path | None,
        typer.Option(
            help="YuNet's ONNX file with dynamic input: it finds the faces in pictures that came "
            "without boxes."
        ),
    ] = None,
) -> None:
    """Read sets of pictures, split them into training and validation, and write the records.

    Folders named train, val and test keep their pictures. Near-duplicates are put into the same
    split, and a training picture is left out if validation or test holds it. A table says what
    each folder was taken for. Look at problems.txt, report.png and the sheets before training.
    """
    wishes = Wishes(
        teacher, test_share, tuple(validation or ()), own_labels(label or []), crop_faces
    )
    prepare_sets(data, prepared, wishes, Console())
