"""`python -m training prepare`: from folders of pictures to records."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from training.commands.options import Labels, Prepared, own_labels
from training.preparing.prepare import Wishes
from training.preparing.prepare import prepare as prepare_sets


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
    label: Labels = None,
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
